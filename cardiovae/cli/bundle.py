"""`cardiovae bundle`: MONAI bundles of the correction and of a segmenter."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from cardiovae.cli import options
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.prior.shipped import DEFAULT_PRIOR, prior_folder

RUNNERS = ("fire", "ignite", "jsonschema", "yaml")
"""Packages of the extra `bundle`: MONAI runs and verifies bundles with them."""


def bundle(context: typer.Context) -> None:
    """MONAI bundles: folders that MONAI's own tools run, verify, train and deploy."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="echo_apical_shape_prior (label maps in, corrected ones out) or "
            "echo_apical_segmentation (images in, label maps of a plausible heart out).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            rich_help_panel=options.OUTPUT,
            help="Where to: the bundle becomes the folder DIR/NAME.",
        ),
    ],
    prior: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Shape prior that goes with it: camus (CC BY-NC-SA 4.0), phantom (Apache-2.0), "
            "or a folder written by 'cardiovae train' and 'cardiovae bank'.",
        ),
    ] = DEFAULT_PRIOR,
    json: options.Json = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Write a MONAI bundle: configurations, weights, TorchScript, documentation, licenses.

    It is run by 'python -m monai.bundle run' as its docs/README.md says.
    """
    from cardiovae.bundles.shipped import bundle_kind
    from cardiovae.io import refuse_to_replace

    kind = bundle_kind(name)
    prior_folder(prior)
    refuse_to_replace(output / kind.name, overwrite=overwrite, folder=True)
    from cardiovae.bundles.export import export_bundle

    screen = Screen(json=json)
    folder = export_bundle(name, output, prior=prior, overwrite=overwrite)
    screen.record({"bundle": kind.name, "output": str(folder), "prior": prior})
    screen.say(f"{kind.name} ({kind.title}) written to {folder}")
    screen.say(f"how to run it: {folder / 'docs' / 'README.md'}")
    missing = [package for package in RUNNERS if importlib.util.find_spec(package) is None]
    if missing:
        screen.note(
            f"{', '.join(missing)} not installed, which MONAI runs bundles with; install with: "
            "pip install 'cardiovae[bundle]'"
        )
    return ExitCode.OK
