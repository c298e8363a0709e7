"""`cardiovae correct`: the smallest change after which every frame could be a heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiovae.baselines.methods import FULL, METHODS, WITHOUT_PRIOR, check_method
from cardiovae.cli import batching, correcting, doubting, options
from cardiovae.cli.auditing import REVIEWED, Done, Task, tasks_of
from cardiovae.cli.cases import Cases, Tally, find_cases, report_unmatched, run_cases, source_name
from cardiovae.cli.correcting import Corrector, Device
from cardiovae.cli.decisions import Decision, read_decisions
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.images import find_images
from cardiovae.cli.judging import correcting_sets
from cardiovae.cli.planning import Plan
from cardiovae.cli.results import plan_targets
from cardiovae.cli.screen import Screen
from cardiovae.prior.shipped import DEFAULT_PRIOR, prior_folder

if TYPE_CHECKING:
    from cardiovae.audit.criteria import CriteriaSet
    from cardiovae.correction.config import CorrectConfig

AT_A_TIME = 1
"""Corrections that go to a worker at a time: one takes seconds."""
FEW = 3
"""Up to this many sequences one process is as fast as several, which load the prior first."""


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
        str | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Shape prior: camus (CC BY-NC-SA 4.0), phantom (Apache-2.0), short-axis "
            "(Apache-2.0) or a folder written by 'cardiovae train' and 'cardiovae bank'. Default: "
            "camus, and short-axis for stacks of slices.",
        ),
    ] = None,
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
            "your own .yaml file; stacks are judged by acdc or a set for slices. Default: that of "
            "the preset.",
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
    view: options.View = None,
    root: options.Root = None,
    allow_outside: options.AllowOutside = False,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            rich_help_panel=options.READING,
            help="What a review of the audit decided, as its report exports it: pass leaves a "
            "file as it is, fail leaves it out, fix corrects it.",
        ),
    ] = None,
    no_report: Annotated[
        bool,
        typer.Option("--no-report", rich_help_panel=options.OUTPUT, help="Leave out report.html."),
    ] = False,
    uncertainty: doubting.Uncertainty = None,
    images: doubting.Images = None,
    crisp: doubting.CrispModel = "",
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
    workers: batching.Workers = None,
    engine: batching.EngineOption = None,
    scheduler: batching.Scheduler = None,
    shard: batching.Shard = None,
) -> ExitCode:
    """Correct label maps: every frame a possible heart, smooth motion, least change.

    A frame that passes the audit comes back bit for bit, unless the motion needs it moved. A
    sequence that cannot be corrected comes back unchanged, with the reason and exit code 3. Other
    methods than full guarantee nothing: exit code 3 where their result does not pass.

    For each input DIR/NAME/ gets labels (geometry, header and data type of the input), maps of
    doubt (uncertainty.nii.gz, and uncertainty_crisp.nii.gz with images), report.html and, when
    all that is done, audit.json. Several inputs get
    tables and one page over all of them as well; a run that was stopped goes on from there.
    """
    check_method(method)
    settings = _settings(config, overrides or [], criteria, temporal)
    settings = doubting.with_doubt(settings, uncertainty, method, images)
    screen, how = Screen(json=json_lines), options.reading(labels, spacing, frame_time, view)
    part = batching.parse_shard(shard) if shard else None
    cases = find_cases(
        inputs, results=False, manifests=True, root=root, allow_outside=allow_outside
    )
    named = [*inputs, "--allow-outside"] if allow_outside else inputs
    place = output if part is None else output / "shard-{}-of-{}".format(*part)
    targets = plan_targets(
        cases.paths,
        place,
        report=not no_report,
        by_prior=settings.uncertainty.by_prior,
        by_image=settings.uncertainty.by_image,
    )
    if method not in WITHOUT_PRIOR:
        prior_folder(prior or DEFAULT_PRIOR)
    if dry_run or not cases.paths:
        readings = {task.path: task.reading for task in tasks_of(cases, how)}
        plan = Plan(targets, readings, settings, screen, overwrite)
        tally = run_cases(cases, plan, screen, title="planning")
        return tally.exit_code(gate=True)
    report_unmatched(cases, screen)
    tasks = _tasks(cases, how, decisions, screen)
    tasks = list(batching.shard_of(tasks, *part)) if part else tasks
    several = len(cases.paths) > 1
    seen: dict[str, Path] = {}
    if images is not None and settings.uncertainty.by_image:
        seen = find_images({task.source: task.path for task in tasks}, images)
    corrector = Corrector(
        {source_name(path): target for path, target in targets.items()},
        settings, method, prior, device, seed, seen, crisp, overwrite or several, several,
        alone=not several,
    )  # fmt: skip
    # What is missing is said once, before any work.
    correcting.models(method, prior or DEFAULT_PRIOR, device)
    if settings.uncertainty.method != "none":
        correcting.experts(prior or DEFAULT_PRIOR, device, crisp, settings.uncertainty.by_image)
    batch = batching.Batch(
        corrector,
        batching.engine_for(engine, workers, scheduler, len(tasks), few=FEW),
        screen,
        "correcting",
        AT_A_TIME,
        corrector.stands,
    )
    if several and tasks:
        from cardiovae.cli.outcome import Wanted
        from cardiovae.cli.results_folder import into_folder

        choices = {
            "--prior": prior, "--method": method, "--criteria": criteria, "--temporal": temporal,
            "--config": config, "--seed": seed, "--labels": labels, "--spacing": spacing,
            "--frame-time": frame_time, "--view": view, "--root": root,
            "--uncertainty": uncertainty, "--images": images, "--crisp": crisp or None,
        }  # fmt: skip
        sets = correcting_sets(settings, cases, how)
        facts = _facts(corrector, _command(named, choices, overrides), how, sets)
        wanted = Wanted(pages=None if no_report or part else "none")
        tally = into_folder(
            place,
            batch,
            tasks,
            facts,
            wanted,
            show=partial(say, screen=screen),
            overwrite=overwrite,
        )
        screen.say(f"{tally.met} of {len(tasks)} sequences pass the audit now")
    else:
        tally = Tally()
        for done in batch.done(tasks):
            tally = tally.with_result(done.passed)
            say(done, screen)
    return replace(tally, unmatched=len(cases.unmatched)).exit_code(gate=True)


def say(done: Done, screen: Screen) -> None:
    """Show what came of one input."""
    for line in done.said:
        screen.say(line)
    if done.told:
        screen.line(done.told)


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


def _tasks(
    cases: Cases, how: options.Reading, decisions: Path | None, screen: Screen
) -> Sequence[Task]:
    """One task per input that no decision leaves out."""
    tasks = tasks_of(cases, how)
    if decisions is None:
        return tasks
    decided = read_decisions(decisions)
    unknown = sorted(set(decided) - {task.source for task in tasks})
    if unknown:
        screen.say(f"{decisions}: {len(unknown)} decisions are about no input ({unknown[0]}, ...)")
    kept = [_decided(task, decided.get(task.source)) for task in tasks]
    left = [task for task in kept if task is not None]
    if len(left) < len(tasks):
        screen.say(f"{len(tasks) - len(left)} inputs are left out, as {decisions} says")
    return left


def _decided(task: Task, decision: Decision | None) -> Task | None:
    if decision is None:
        return task
    if decision.word == "fail":
        return None
    seen = ((decision.sha256, REVIEWED),) if decision.sha256 else ()
    return replace(task, keep=decision.word == "pass", expected=(*task.expected, *seen))


def _facts(
    corrector: Corrector, command: list[str], how: options.Reading, sets: Sequence[CriteriaSet]
) -> dict[str, Any]:
    """What run.json says of a correction of many."""
    from cardiovae.cli.outcome import run_facts

    settings = {
        "reading": how.to_json(),
        "method": corrector.method,
        "prior": corrector.prior,
        "seed": corrector.seed,
        "config": asdict(corrector.config),
    }
    return run_facts("correct", command, sets, settings)


def _command(
    inputs: list[str], choices: Mapping[str, object], overrides: list[str] | None
) -> list[str]:
    """What repeats the run anywhere: no folder of results, no number of processes."""
    words = ["cardiovae", "correct", *inputs]
    for option, value in choices.items():
        words += [option, str(value)] if value is not None else []
    for override in overrides or ():
        words += ["--set", override]
    return words
