"""`cardiovae audit`: which frames cannot be a heart, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardiovae.cli import options
from cardiovae.cli.cases import Tally, find_cases, run_cases
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen

if TYPE_CHECKING:
    from cardiovae.audit.verdicts import SequenceAudit

COLUMNS = (
    "source",
    "set",
    "criterion",
    "frame",
    "verdict",
    "value",
    "low",
    "high",
    "unit",
    "reason",
)


def audit(
    inputs: options.Inputs,
    criteria: Annotated[
        str,
        typer.Option(
            metavar="SET",
            help="Anatomical criteria of every frame: camus (physical units), camus-public (the "
            "published code, in pixels) or your own .yaml file.",
        ),
    ] = "camus",
    temporal: Annotated[
        str,
        typer.Option(
            metavar="SET",
            help="Criteria of the motion: tmi2022, rl4seg3d, none or your own .yaml file.",
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
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.csv",
            rich_help_panel=options.OUTPUT,
            help="Write every finding of every file into one table: value, limits, unit, reason.",
        ),
    ] = None,
    json_lines: options.Json = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            rich_help_panel=options.OUTPUT,
            help="Show the criteria that pass as well.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Say which frames cannot be a heart, and why. Nothing is changed.

    Every frame is judged on its anatomy, and every sequence of three frames or more on its
    motion. What cannot be measured is said to be so, with the reason, and counts as not passed.
    """
    from cardiovae.audit.audit import audit_sequence
    from cardiovae.io import load_sequence, refuse_to_replace, write_text

    screen = Screen(json=json_lines)
    how = options.reading(labels, spacing, frame_time)
    anatomy = options.anatomical(criteria)
    motion = options.temporal(temporal)
    if output is not None:
        refuse_to_replace(output, overwrite=overwrite)
    rows: list[dict[str, Any]] = []

    def work(path: Path) -> bool:
        sequence = load_sequence(path, **vars(how))
        found = audit_sequence(sequence, anatomy=anatomy, temporal=motion)
        rows.extend(_rows(found) if output is not None else ())
        screen.record(found.to_json())
        if not json_lines:
            show(found, screen, everything=verbose)
        return found.passed

    cases = find_cases(inputs, results=True)
    tally = run_cases(cases, work, screen, title="auditing")
    if len(cases.paths) > 1:
        screen.say(_summary(tally))
    if output is not None and cases.paths:
        write_text(output, _csv(rows), overwrite=overwrite)
    single = len(inputs) == 1 and Path(inputs[0]).expanduser().is_file()
    return tally.exit_code(gate=fail_on == "any" or (fail_on is None and single))


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


def _rows(found: SequenceAudit) -> Iterator[dict[str, Any]]:
    """Every finding as a row of the table."""
    for frame in found.frames:
        for finding in frame.findings:
            yield {"source": found.source, "set": found.anatomy, **finding.to_json()}
    for finding in found.temporal:
        yield {"source": found.source, "set": found.temporal_set, **finding.to_json()}


def _csv(rows: list[dict[str, Any]]) -> str:
    """Rows as text; what is absent is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
