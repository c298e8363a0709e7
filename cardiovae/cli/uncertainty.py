"""`cardiovae uncertainty`: the group of verbs about doubt."""

from __future__ import annotations

import typer

from cardiovae.cli.exits import ExitCode


def uncertainty(context: typer.Context) -> None:
    """Doubt of label maps: train what measures it from images, and judge how good it is."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)
