"""`cardiovae uncertainty`: the verbs about stated doubt."""

from __future__ import annotations

import typer

from cardiovae.cli.exits import ExitCode


def uncertainty(context: typer.Context) -> None:
    """Doubt in segmentations: learn to state it, and judge how well it was stated."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)
