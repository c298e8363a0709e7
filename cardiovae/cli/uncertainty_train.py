"""`cardiovae uncertainty train`: a model that sees image and label map, and doubts the latter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cardiovae.cli import options
from cardiovae.cli.correcting import Device
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError

Model = Literal["crisp", "opinion"]


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
    model: Annotated[
        Model,
        typer.Option(
            help="crisp: a joint space of images and label maps, doubt by hearts that fit the "
            "image. opinion: a network that says how likely each label is true."
        ),
    ] = "crisp",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Images with label maps to learn from: an .npz with the arrays images, masks, "
            "names and spacing_mm; a folder with the folders images and labels, files named "
            "alike; or the word phantom. Default: what the preset names.",
        ),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="For opinion: predictions of networks for those images, named like them: a "
            "folder, a quoted pattern or an .npz with the arrays masks, names and spacing_mm.",
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
    """Train a model that tells from the image where a label map is doubtful.

    Patients are split before anything is learned; the folder says what was learned from whom, and
    how well. An interrupted run goes on where it stopped. The model crisp is after Judge et al.,
    MICCAI 2022.
    """
    screen = Screen(json=json)
    how: dict[str, Any] = {"overrides": overrides or [], "seed": seed, "resume": resume}
    how |= {"overwrite": overwrite, "device": device}
    with screen.steps("training") as advance:
        trained = _train(
            model,
            config,
            (data, errors),
            output,
            progress=lambda step, total, terms: advance(step, total, _terms(terms)),
            **how,
        )
    screen.say(f"model '{trained.name}' written to {output}")
    figures = {part: trained.provenance.get(part) for part in ("validation", "test")}
    for part, found in figures.items():
        if found:
            screen.say(f"  {part:<10}  {_terms(found)}")
    screen.record({"output": str(output), "model": model, "name": trained.name, **figures})
    return ExitCode.OK


def _train(
    model: Model, config: str, sources: tuple[str | None, str | None], output: Path, **how: Any
) -> Any:
    """The trained model of that kind; each has a name and a provenance."""
    data, errors = sources
    if model == "opinion":
        from cardiovae.opinion.run import train_opinion

        return train_opinion(config, data, errors, output, **how)
    if errors is not None:
        raise ConfigError(
            "--errors belongs to --model opinion; crisp learns from sound pairs alone"
        )
    from cardiovae.crisp.run import train_crisp

    return train_crisp(config, data, output, **how)


def _terms(terms: dict[str, float | None]) -> str:
    """Named figures in one line; those that could not be measured are left out."""
    return ", ".join(f"{key} {value:.4g}" for key, value in terms.items() if value is not None)
