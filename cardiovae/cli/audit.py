"""`cardiovae audit`: which frames cannot be a heart, and why."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cardiovae.cli import batching, options
from cardiovae.cli.auditing import Auditor, Done, Task, tasks_of
from cardiovae.cli.cases import Tally, find_cases, report_unmatched
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.judging import anatomical_sets
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.audit.verdicts import SequenceAudit

TABLE = ".csv"
READING = ("--labels", "--spacing", "--frame-time", "--view", "--root")


def audit(
    inputs: options.Inputs,
    criteria: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Anatomical criteria of every frame: camus (physical units), camus-public (the "
            "published code, in pixels), acdc (short-axis slices) or your own .yaml file. "
            "Default: camus, and acdc for stacks of short-axis slices.",
        ),
    ] = None,
    temporal: Annotated[
        str,
        typer.Option(
            metavar="SET",
            help="Criteria of the motion: tmi2022, rl4seg3d, none or your own .yaml file. Stacks "
            "have none.",
        ),
    ] = "tmi2022",
    fail_on: Annotated[
        Literal["any", "none"] | None,
        typer.Option(
            help="Exit with 3 when any file does not pass, or never. Default: any for a single "
            "file, none for several.",
        ),
    ] = None,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    frame_time: options.FrameTime = None,
    view: options.View = None,
    root: options.Root = None,
    allow_outside: options.AllowOutside = False,
    max_implausible: batching.MaxImplausible = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE.csv",
            rich_help_panel=options.OUTPUT,
            help="Folder for tables and a report to open in a browser; a run that was stopped "
            "goes on from there. Or a .csv file for all findings alone.",
        ),
    ] = None,
    pages: batching.Pages = "flagged",
    indices: Annotated[
        bool,
        typer.Option(
            "--indices",
            rich_help_panel=options.OUTPUT,
            help="Add what a clinic measures to the table of sequences, as 'cardiovae indices' "
            "does it: volumes, ejection fraction, strain, wall, atrium. Takes about three times "
            "as long.",
        ),
    ] = False,
    no_report: Annotated[
        bool,
        typer.Option(
            "--no-report", rich_help_panel=options.OUTPUT, help="Write the tables alone."
        ),
    ] = False,
    junit: batching.Junit = None,
    json_lines: options.Json = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            rich_help_panel=options.OUTPUT,
            help="Show, and write into the table of findings, what passes as well.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
    workers: batching.Workers = None,
    engine: batching.EngineOption = None,
    scheduler: batching.Scheduler = None,
    shard: batching.Shard = None,
) -> ExitCode:
    """Say which frames cannot be a heart, and why. Nothing is changed.

    Every frame is judged on its anatomy, and every sequence of three frames or more on its
    motion; a stack of short-axis slices (labels with an RV, or --view sax) on what its slices
    lack. What cannot be measured is said to be so, with the reason, and counts as not passed.

    With -o DIR the results of many files become tables (sequences, frames, findings) and a page
    that says which are wrong, and why: open DIR/index.html.
    """
    screen = Screen(json=json_lines)
    how, motion = options.reading(labels, spacing, frame_time, view), options.temporal(temporal)
    if criteria is not None:
        options.anatomical(criteria)  # before any file is touched
    limit = None
    if max_implausible is not None:
        limit = batching.parse_share("--max-implausible", max_implausible)
    folder = None if output is None or output.suffix.lower() == TABLE else output
    part = _part(shard, folder, junit)
    if indices and folder is None:
        raise ConfigError("--indices: are columns of a table; add -o DIR")
    cases = find_cases(
        inputs, results=True, manifests=True, root=root, allow_outside=allow_outside
    )
    named = [*inputs, "--allow-outside"] if allow_outside else inputs
    report_unmatched(cases, screen)
    anatomy = anatomical_sets(criteria, cases, how)
    motion = None if all(of.judges_stacks for of in anatomy) else motion
    tasks, n_cases, n_unmatched = tasks_of(cases, how), len(cases.paths), len(cases.unmatched)
    single = len(inputs) == n_cases == 1 and Path(inputs[0]).expanduser().is_file()
    del cases  # of 100,000 files a hundred megabytes
    tasks = batching.shard_of(tasks, *part) if part else tasks
    batch = batching.Batch(
        Auditor(
            anatomy,
            motion,
            folder is not None and not no_report,
            indices,
            alone=len(tasks) == 1,
        ),
        batching.engine_for(engine, workers, scheduler, len(tasks)),
        screen,
        "auditing",
    )
    if folder is None or not tasks:
        tally = _streamed(batch, tasks, output, everything=verbose, overwrite=overwrite)
    else:
        from cardiovae.cli.outcome import Wanted, run_facts
        from cardiovae.cli.results_folder import into_folder

        facts = run_facts(
            "audit",
            _command(
                named, criteria, temporal, (labels, spacing, frame_time, view, root), indices
            ),
            anatomy if motion is None else (*anatomy, motion),
            {
                "reading": how.to_json(),
                "pictures": not no_report,
                **({"indices": True} if indices else {}),
            },
        )
        facts["anatomy"] = ", ".join(of.name for of in anatomy)
        wanted = Wanted(verbose, None if no_report or part else pages, junit, limit)
        place = folder / "shard-{}-of-{}".format(*part) if part else folder
        tally = into_folder(
            place, batch, tasks, facts, wanted, show=partial(_tell, screen), overwrite=overwrite
        )
    if n_cases > 1:
        screen.say(_summary(tally))
    gate = fail_on == "any" or (fail_on is None and limit is None and single)
    return replace(tally, unmatched=n_unmatched).exit_code(gate=gate, limit=limit)


def _tell(screen: Screen, done: Done) -> None:
    """Write the audit for a program, if one listens."""
    from cardiovae.audit.record import audit_of

    if screen.json and done.passed is not None:
        screen.record(audit_of(done.record).to_json())


def _part(shard: str | None, folder: Path | None, junit: Path | None) -> tuple[int, int] | None:
    """The part of the files to do; what needs a folder of results must have one."""
    for option, value in (("--shard", shard), ("--junit", junit)):
        if value is not None and folder is None:
            raise ConfigError(f"{option} {value}: needs a folder of results; add -o DIR")
    return batching.parse_shard(shard) if shard else None


def _command(
    inputs: list[str],
    criteria: str | None,
    temporal: str,
    reading: tuple[object, ...],
    indices: bool,
) -> list[str]:
    """What repeats the run anywhere: no folder of results, no number of processes."""
    words = ["cardiovae", "audit", *inputs]
    options_of = ("--criteria", "--temporal", *READING)
    for option, value in zip(options_of, (criteria, temporal, *reading), strict=True):
        words += [option, str(value)] if value is not None else []
    return [*words, "--indices"] if indices else words


def _streamed(
    batch: batching.Batch,
    tasks: Sequence[Task],
    output: Path | None,
    *,
    everything: bool,
    overwrite: bool,
) -> Tally:
    """Show every audit as it is there; `output` may be a table for all findings."""
    from cardiovae.audit.record import audit_of
    from cardiovae.audit.rows import FINDING_COLUMNS, finding_rows
    from cardiovae.io import refuse_to_replace
    from cardiovae.io.tables import table

    tally, screen = Tally(), batch.screen
    with ExitStack() as stack:
        add = None
        if output is not None:
            refuse_to_replace(output, overwrite=overwrite)
        if output is not None and tasks:
            opened = table(output, FINDING_COLUMNS, parquet=False, overwrite=overwrite)
            add = stack.enter_context(opened)
        for done in batch.done(tasks):
            tally = tally.with_result(done.passed)
            if done.passed is None:
                continue
            record = done.record
            found = audit_of(record)
            if add is not None:
                for row in finding_rows(record, everything=True):
                    add(row)
            screen.record(found.to_json())
            if not screen.json:
                show(found, screen, everything=everything)
    return tally


def show(found: SequenceAudit, screen: Screen, *, everything: bool = False) -> None:
    """Show one audit to people: a line, and a table of what did not pass, or of everything."""
    from cardiovae.cli.tables import criteria_table, headline, reasons

    screen.say(headline(found))
    table = criteria_table(found, width=screen.width, everything=everything)
    if table is not None:
        screen.say(table)
        for reason in reasons(found):
            screen.say(reason)
        screen.say()


def _summary(tally: Tally) -> str:
    """One line over all files."""
    text = f"{tally.met} of {tally.met + tally.unmet} files pass"
    return text + (f", {tally.failed} could not be read" if tally.failed else "")
