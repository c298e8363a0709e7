"""`cardiovae train`: a shape prior from label maps."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiovae.cli import options
from cardiovae.cli.correcting import Device
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.cli.training import plan_lines


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
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write figures for TensorBoard (the extra tensorboard)."
        ),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="Write figures for MLflow (the extra mlflow): a database file, or the URI of a "
            "database or server. Only a server's URI opens a connection.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what the training would take, from the real data and two steps; write "
            "nothing.",
        ),
    ] = False,
    json: options.Json = False,
) -> ExitCode:
    """Train a shape prior on label maps.

    Patients are split before anything is learned; the folder says what was learned from whom, and
    how well. An interrupted run goes on where it stopped. Before 'cardiovae correct --prior
    FOLDER' can use the prior, 'cardiovae bank FOLDER' has to build its bank. Several processes
    train as one: 'torchrun --nproc-per-node 2 -m cardiovae train ...'.
    """
    from cardiovae.prior.parallel import is_first
    from cardiovae.prior.run import train_prior

    screen = Screen(json=json)
    how: dict[str, Any] = {
        "errors": errors,
        "overrides": overrides or [],
        "seed": seed,
        "resume": resume,
    }
    how |= {"overwrite": overwrite, "device": device}
    if dry_run:
        return _tell_plan(screen, config, data, output, how)
    with screen.steps("training") if is_first() else nullcontext(_unheard) as advance:
        prior = train_prior(
            config,
            data,
            output,
            progress=lambda step, total, terms: advance(step, total, _terms(terms)),
            tensorboard=tensorboard,
            mlflow=mlflow,
            **how,
        )
    if not is_first():
        return ExitCode.OK
    screen.say(f"prior '{prior.name}' written to {output}")
    for part in ("validation", "test"):
        figures = prior.provenance.get(part)
        if figures:
            screen.say(f"  {part:<10}  {_terms(figures)}")
    screen.say(f"next: cardiovae bank {output}")
    figures = {part: prior.provenance.get(part) for part in ("validation", "test")}
    screen.record({"output": str(output), "name": prior.name, **figures})
    return ExitCode.OK


def _tell_plan(
    screen: Screen, config: str, data: str | None, output: Path, how: dict[str, Any]
) -> ExitCode:
    """Say what the training would take; of several processes, the first does."""
    from cardiovae.prior.parallel import is_first
    from cardiovae.prior.plan import plan_training

    plan = plan_training(config, data, output, **how)
    if is_first():
        for line in plan_lines(plan):
            screen.say(line)
        screen.record({"output": str(output), "dry_run": True, **plan.to_json()})
    return ExitCode.OK


def _unheard(done: int, total: int, note: str = "") -> None:
    """Progress of a process that does not speak: the first does."""


def _terms(terms: dict[str, float]) -> str:
    """Named figures in one line; those that are unknown are left out."""
    return ", ".join(f"{k} {v:.4g}" for k, v in terms.items() if isinstance(v, float))
