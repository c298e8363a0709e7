"""`cardiovae train`: a shape prior from label maps."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from cardiovae.cli import options
from cardiovae.cli.correcting import Device
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen


def train(
    config: Annotated[
        str,
        typer.Option(
            metavar="PRESET",
            help="Preset of the training, camus or phantom for the priors in the package, or your "
            "own .yaml file.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder of the prior; while it is trained, the checkpoint lies there too.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Label maps to learn from: a folder, a quoted pattern, an .npz of frames, or the "
            "word phantom. Default: what the preset names.",
        ),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Predictions of a network for those label maps, named like them, from which the "
            "encoder learns to see through errors: a folder, a quoted pattern or an .npz.",
        ),
    ] = None,
    overrides: options.Overrides = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Seed of the training. Default: the preset's."),
    ] = None,
    device: Annotated[
        Device,
        typer.Option(help="auto takes a CUDA device if there is one."),
    ] = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--restart", help="Go on from the checkpoint of an interrupted run, if any."
        ),
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a finished prior in the folder.")
    ] = False,
) -> ExitCode:
    """Train a shape prior on label maps.

    Patients are split before anything is learned; the folder says what was learned from whom, and
    how well. An interrupted run goes on where it stopped. Before 'cardiovae correct --prior
    FOLDER' can use the prior, 'cardiovae bank FOLDER' has to build its bank. Several processes
    train as one: 'torchrun --nproc-per-node 2 -m cardiovae train ...'.
    """
    from cardiovae.prior.parallel import is_first
    from cardiovae.prior.run import train_prior

    screen = Screen()
    with screen.steps("training") if is_first() else nullcontext(_unheard) as advance:
        prior = train_prior(
            config,
            data,
            output,
            errors=errors,
            overrides=overrides or [],
            seed=seed,
            progress=lambda step, total, terms: advance(step, total, _terms(terms)),
            resume=resume,
            overwrite=overwrite,
            device=device,
        )
    if not is_first():
        return ExitCode.OK
    screen.say(f"prior '{prior.name}' written to {output}")
    for part in ("validation", "test"):
        figures = prior.provenance.get(part)
        if figures:
            screen.say(f"  {part:<10}  {_terms(figures)}")
    screen.say(f"next: cardiovae bank {output}")
    return ExitCode.OK


def _unheard(done: int, total: int, note: str = "") -> None:
    """Progress of a process that does not speak: the first does."""


def _terms(terms: dict[str, float]) -> str:
    """Named figures in one line; those that are unknown are left out."""
    return ", ".join(f"{k} {v:.4g}" for k, v in terms.items() if isinstance(v, float))
