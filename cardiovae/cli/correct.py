"""`cardiovae correct`: the smallest change after which every frame could be a heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cardiovae.baselines.methods import FULL, METHODS, WITHOUT_PRIOR, check_method
from cardiovae.cli import options
from cardiovae.cli.cases import find_cases, run_cases
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.results import Target, plan_targets, require_free, write_results
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError
from cardiovae.prior.shipped import DEFAULT_PRIOR, prior_folder

if TYPE_CHECKING:
    from cardiovae.bank import LatentBank
    from cardiovae.correction.config import CorrectConfig
    from cardiovae.prior.folder import ShapePrior

Device = Literal["auto", "cpu", "cuda"]


def correct(
    inputs: options.Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE",
            rich_help_panel=options.OUTPUT,
            help="Folder for the results, one folder in it per input; or, for a single input, a "
            "file such as fixed.nii.gz for the labels alone.",
        ),
    ] = Path("cardiovae-out"),
    prior: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Shape prior: camus (CC BY-NC-SA 4.0), phantom (Apache-2.0) or a folder written "
            "by 'cardiovae train' and 'cardiovae bank'.",
        ),
    ] = DEFAULT_PRIOR,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"How to correct: {', '.join(METHODS)}. All but {FULL} are baselines to compare "
            "with: their results are written whether they pass the audit or not.",
        ),
    ] = FULL,
    criteria: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Anatomical criteria that every returned frame passes: camus, camus-public or "
            "your own .yaml file. Default: that of the preset.",
        ),
    ] = None,
    temporal: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Criteria of the motion that a returned sequence passes: tmi2022, rl4seg3d, none "
            "or your own .yaml file. Default: that of the preset.",
        ),
    ] = None,
    config: Annotated[
        str,
        typer.Option(
            metavar="PRESET",
            help="Preset of the correction, or your own .yaml file.",
        ),
    ] = "default",
    overrides: options.Overrides = None,
    seed: options.Seed = 0,
    device: Annotated[
        Device,
        typer.Option(help="auto takes a CUDA device if there is one."),
    ] = "auto",
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    frame_time: options.FrameTime = None,
    no_report: Annotated[
        bool,
        typer.Option("--no-report", rich_help_panel=options.OUTPUT, help="Leave out report.html."),
    ] = False,
    no_uncertainty: Annotated[
        bool,
        typer.Option(
            "--no-uncertainty",
            rich_help_panel=options.OUTPUT,
            help="Leave out uncertainty.nii.gz; saves time.",
        ),
    ] = False,
    json_lines: options.Json = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=options.OUTPUT,
            help="Read and audit everything, say what would be done, write nothing.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Correct label maps: every frame a possible heart, smooth motion, least change.

    A frame that passes the audit comes back bit for bit, unless the motion needs it moved. A
    sequence that cannot be corrected comes back unchanged, with the reason and exit code 3. Other
    methods than full guarantee nothing: exit code 3 where their result does not pass.

    For each input DIR/NAME/ gets labels (geometry, header and data type of the input),
    uncertainty.nii.gz, report.html and, when all that is done, audit.json.
    """
    settings = _settings(config, overrides or [], criteria, temporal)
    check_method(method)
    if no_uncertainty or method != FULL:
        settings = replace(settings, n_samples=0)
    cases = find_cases(inputs, results=False)
    job = Job(
        plan_targets(
            cases.paths, output, report=not no_report, uncertainty=settings.n_samples > 0
        ),
        options.reading(labels, spacing, frame_time),
        settings,
        Screen(json=json_lines),
        overwrite,
        method,
    )
    if method not in WITHOUT_PRIOR:
        prior_folder(prior)
    if dry_run or not cases.paths:
        work, title = partial(plan_file, job), "planning"
    else:
        shapes, bank = _loaded(method, prior, device)
        work, title = partial(correct_file, job, shapes, bank, seed), "correcting"
    tally = run_cases(cases, work, job.screen, title=title)
    if len(cases.paths) > 1 and not dry_run:
        job.screen.say(f"{tally.met} of {len(cases.paths)} sequences pass the audit now")
    return tally.exit_code(gate=True)


@dataclass(frozen=True)
class Job:
    """What holds for every file of a run.

    Args:
        targets: Where the results of each file go.
        reading: How files are read.
        config: Settings of the correction.
        screen: Where to write.
        overwrite: Whether results of earlier runs are replaced.
        method: How to correct.
    """

    targets: Mapping[Path, Target]
    reading: options.Reading
    config: CorrectConfig
    screen: Screen
    overwrite: bool
    method: str = FULL


def _settings(
    preset: str,
    overrides: list[str],
    criteria: str | None,
    temporal: str | None,
) -> CorrectConfig:
    """The preset, changed by `--set` first and by the options of their own last."""
    from cardiovae.correction.config import correct_config

    config = correct_config(preset, overrides)
    if criteria is not None:
        options.anatomical(criteria)
        config = replace(config, criteria=criteria)
    if temporal == "none":
        config = replace(config, temporal=None, also_temporal=None)
    elif temporal is not None:
        options.temporal(temporal)
        config = replace(config, temporal=temporal)
    return config


def _loaded(
    method: str, prior: str, device: Device
) -> tuple[ShapePrior, LatentBank] | tuple[None, None]:
    """What the method needs: nothing, or the prior with its bank and the method's own model."""
    if method in WITHOUT_PRIOR:
        return None, None
    loaded, bank = load(prior, device)
    if method != FULL:
        from cardiovae.baselines.models import require_model

        require_model(method, loaded)
    return loaded, bank


def load(prior: str, device: Device) -> tuple[ShapePrior, LatentBank]:
    """The prior on its device, and its bank.

    Raises:
        ConfigError: A CUDA device is asked for and there is none.
        ModelError: The prior or its bank is missing or damaged.
    """
    import torch

    from cardiovae.bank import load_bank
    from cardiovae.prior.folder import load_prior

    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise ConfigError("--device cuda: there is no CUDA device here; give cpu or auto")
    loaded = load_prior(prior, device="cuda" if cuda and device != "cpu" else "cpu")
    return loaded, load_bank(loaded)


def correct_file(
    job: Job, prior: ShapePrior | None, bank: LatentBank | None, seed: int, path: Path
) -> bool:
    """Correct one file, write and show the result.

    Returns:
        Whether the sequence passes the audit now.

    Raises:
        CardiovaeError: The file cannot be read, or a result cannot be written.
    """
    import numpy as np

    from cardiovae.baselines.methods import correct_by
    from cardiovae.cli.tables import correction_lines
    from cardiovae.correction.record import CORRECTED, UNCHANGED
    from cardiovae.io import open_sequence

    target = job.targets[path]
    require_free(target, overwrite=job.overwrite)
    sequence, like = open_sequence(path, **vars(job.reading))
    rng = np.random.default_rng(seed)  # one per file: its result does not depend on the others
    correction = correct_by(job.method, sequence, prior, bank, job.config, rng=rng, seed=seed)
    write_results(target, correction, like, overwrite=job.overwrite)
    record = correction.to_json()
    job.screen.record({**record, "output": str(target.place)})
    for line in correction_lines(record, target):
        job.screen.say(line)
    return correction.status in (CORRECTED, UNCHANGED)


def plan_file(job: Job, path: Path) -> bool:
    """Say what would be done with one file; as nothing is tried, nothing is found lacking.

    Raises:
        CardiovaeError: The file cannot be read, or a result would be in the way.
    """
    from cardiovae.audit.audit import audit_sequence
    from cardiovae.cli.tables import headline, plan_lines
    from cardiovae.io import open_sequence

    target = job.targets[path]
    require_free(target, overwrite=job.overwrite)
    sequence, like = open_sequence(path, **vars(job.reading))
    config = job.config
    found = audit_sequence(sequence, anatomy=config.criteria, temporal=config.temporal)
    job.screen.record(
        {
            "source": str(path),
            "dry_run": True,
            "shape": list(sequence.labels.shape),
            "spacing_mm": sequence.spacing_mm,
            "frame_time_ms": sequence.frame_time_ms,
            "view": sequence.view,
            "labels": like.scheme.name,
            "notes": list(like.notes),
            "passed": found.passed,
            "invalid_frames": list(found.invalid_frames),
            "output": [str(file) for file in target.files],
        }
    )
    for line in (headline(found), *plan_lines(sequence, like, target)):
        job.screen.say(line)
    return True
