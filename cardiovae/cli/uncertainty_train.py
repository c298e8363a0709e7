"""`cardiovae uncertainty train`: a model of images and masks, which doubts label maps."""

from __future__ import annotations

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
            help="Preset of the training, camus or phantom for the models in the package, or your "
            "own .yaml file.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder of the model; while it is trained, the checkpoint lies there too.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Images with label maps to learn from: an .npz with the arrays images, masks, "
            "names and spacing_mm; a folder with the folders images and labels, files named "
            "alike; or the word phantom. Default: what the preset names.",
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
        bool, typer.Option("--overwrite", help="Replace a finished model in the folder.")
    ] = False,
    json: options.Json = False,
) -> ExitCode:
    """Train a joint space of images and label maps, which tells where labels are doubtful.

    Patients are split before anything is learned; the folder says what was learned from whom, and
    how well. An interrupted run goes on where it stopped. After CRISP (Judge et al., MICCAI 2022).
    """
    from cardiovae.crisp.run import train_crisp

    screen = Screen(json=json)
    with screen.steps("training") as advance:
        crisp = train_crisp(
            config,
            data,
            output,
            overrides=overrides or [],
            seed=seed,
            resume=resume,
            overwrite=overwrite,
            device=device,
            progress=lambda step, total, terms: advance(step, total, _terms(terms)),
        )
    screen.say(f"model '{crisp.name}' written to {output}")
    figures = {part: crisp.provenance.get(part) for part in ("validation", "test")}
    for part, found in figures.items():
        if found:
            screen.say(f"  {part:<10}  {_terms(found)}")
    screen.record({"output": str(output), "name": crisp.name, **figures})
    return ExitCode.OK


def _terms(terms: dict[str, float]) -> str:
    """Named figures in one line."""
    return ", ".join(f"{key} {value:.4g}" for key, value in terms.items())
