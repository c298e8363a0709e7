"""`cardiovae indices`: the numbers of a clinic's report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardiovae import __version__
from cardiovae.cli import batching, options
from cardiovae.cli.cases import Tally, find_cases, report_unmatched
from cardiovae.cli.describing import Namer
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.indexing import Measurer, Work, patients_of, work_of
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.indices.reference import Ranges
    from cardiovae.indices.rows import Patient
    from cardiovae.indices.subjects import Subject
    from cardiovae.population.cohort import Member

DEFAULT_OUTPUT = Path("cardiovae-indices")
TABLES = ("hearts", "indices", "segments", "frames")
INDEX = "index.html"
RECORD = "indices.json"
"""Written last: where it lies, all is there."""
SHOWN = (
    "edv_ml", "esv_ml", "ef_percent", "stroke_volume_ml", "gls_percent", "mass_area_length_g",
    "la_volume_ml", "heart_rate_bpm",
)  # fmt: skip
"""Indices on the screen."""
FEW = 12
"""Patients up to which each is shown on the screen."""
BODY = "The patient"


def indices(
    inputs: options.Inputs,
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            "--reference",
            metavar="DIR",
            help="What the inputs were before correction: adds a comparison. Default: what "
            "audit.json beside the labels of 'cardiovae correct' names.",
        ),
    ] = None,
    view: options.View = None,
    slice_mm: Annotated[
        float | None,
        typer.Option(
            "--slice",
            metavar="MM",
            min=0.1,
            rich_help_panel=options.READING,
            help="Distance between the slices of all stacks. Wins over the header.",
        ),
    ] = None,
    sex: Annotated[
        Literal["female", "male"] | None,
        typer.Option(rich_help_panel=BODY, help="Sex, which normal ranges depend on."),
    ] = None,
    bsa: Annotated[
        float | None,
        typer.Option(metavar="M2", rich_help_panel=BODY, help="Body surface area in m2."),
    ] = None,
    height: Annotated[
        float | None,
        typer.Option(metavar="CM", rich_help_panel=BODY, help="Height in cm, with --weight."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(metavar="KG", rich_help_panel=BODY, help="Weight in kg, with --height."),
    ] = None,
    patients: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            rich_help_panel=BODY,
            help="Columns patient and some of sex, bsa_m2, height_cm, weight_kg.",
        ),
    ] = None,
    ranges: Annotated[
        str, typer.Option(metavar="SET", help="Normal ranges: ase2015 or your own .yaml file.")
    ] = "ase2015",
    patient_pattern: options.PatientPattern = None,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    frame_time: options.FrameTime = None,
    root: options.Root = None,
    allow_outside: options.AllowOutside = False,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    json_lines: options.Json = False,
    overwrite: options.Overwrite = False,
    workers: batching.Workers = None,
    engine: batching.EngineOption = None,
    scheduler: batching.Scheduler = None,
) -> ExitCode:
    """Measure hearts as an echo report does: volumes, ejection, strain, mass, walls, atrium.

    Files of one patient are put together by their names, 2CH and 4CH to biplane volumes. ED and
    ES are found in every beat. Stacks of short-axis slices have volumes, ejection and mass; ED
    and ES are those of a patient with the largest and the smallest left ventricle. What cannot be
    measured is empty, and says why.

    DIR gets tables (hearts, indices, segments, frames), a page per patient, index.html and, when
    all that is done, indices.json.
    """
    from cardiovae.evaluation.pairing import names_below
    from cardiovae.indices.reference import reference
    from cardiovae.io import refuse_to_replace
    from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern

    screen = Screen(json=json_lines)
    how = replace(options.reading(labels, spacing, frame_time), view=view, slice_mm=slice_mm)
    pattern = compile_pattern(patient_pattern or DEFAULT_PATTERN)
    stated, table = _subjects(sex, bsa, (height, weight), patients)
    limits = reference(ranges)
    for name in _files():
        refuse_to_replace(output / name, overwrite=overwrite)
    cases = find_cases(
        inputs, results=True, manifests=True, root=root, allow_outside=allow_outside
    )
    names = names_below(cases.paths, _folder(inputs))
    work = work_of(cases, names, before, how, pattern)
    report_unmatched(work.cases, screen)
    for note in work.notes:
        screen.note(note)
    batch = batching.Batch(
        Measurer(alone=len(work.tasks) == 1),
        batching.engine_for(engine, workers, scheduler, len(work.tasks)),
        screen,
        "measuring",
    )
    namer = Namer(work.names, work.cases.known, pattern)
    members, listed, errors = _measured(work, batch, namer)
    found, notes = patients_of(members, table, listed, stated)
    for note in notes if found else ():
        screen.note(note)
    if found:
        record = _write(found, limits, inputs, errors, output, screen, overwrite=overwrite)
        screen.record({**record, "output": str(output)})
        if not json_lines:
            _show(found, record, output, screen)
    tally = Tally(len(members), failed=len(errors), unmatched=len(work.cases.unmatched))
    return tally.exit_code(gate=False)


def _subjects(
    sex: str | None,
    bsa: float | None,
    size: tuple[float | None, float | None],
    table: Path | None,
) -> tuple[Subject, dict[str, Subject]]:
    """What is known of all patients, and what a table says of some.

    Raises:
        ConfigError: Values that cannot be, or a body surface given twice.
        FileError: A table that cannot be read.
    """
    from cardiovae.indices.subjects import read_subjects, subject_of

    if bsa is not None and size != (None, None):
        raise ConfigError("--bsa: is given by --height and --weight too; leave out one of them")
    numbers = zip(("bsa_m2", "height_cm", "weight_kg"), (bsa, *size), strict=True)
    texts = {name: None if number is None else f"{number!r}" for name, number in numbers}
    stated = subject_of({"sex": sex, **texts}, "command line")
    return stated, {} if table is None else read_subjects(table)


def _measured(
    work: Work, batch: batching.Batch, namer: Namer
) -> tuple[list[tuple[Member, str]], dict[str, list[Subject]], list[tuple[str, str]]]:
    """What came of every file, what manifests say of patients, and what went wrong."""
    members, errors = [], []
    listed: dict[str, list[Subject]] = {}
    for task, side, done in zip(work.tasks, work.sides, batch.done(work.tasks), strict=True):
        if done.error:
            errors.append((task.source, done.error))
        else:
            member = namer.member(task, done)
            members.append((member, side))
            listed.setdefault(member.patient, []).append(task.subject)
    return members, listed, errors


def _files() -> list[str]:
    """All files that may be written."""
    tables = [f"{name}{suffix}" for name in TABLES for suffix in (".csv", ".parquet")]
    return [*tables, INDEX, RECORD]


def _remove_earlier(output: Path) -> None:
    """Remove what an earlier run wrote: what says "done" first, and no page that is not ours."""
    from cardiovae.report.indices import PAGES

    ours = (output / RECORD).is_file()
    for name in reversed(_files()):
        (output / name).unlink(missing_ok=True)
    for page in (output / PAGES).glob("*.html") if ours else ():
        page.unlink()


def _folder(inputs: list[str]) -> Path | None:
    """The folder that names are below: that of a single argument, if it is one."""
    path = Path(inputs[0]).expanduser()
    return path if len(inputs) == 1 and path.is_dir() else None


def _write(
    found: Sequence[Patient],
    ranges: Ranges,
    inputs: Sequence[str],
    errors: Sequence[tuple[str, str]],
    output: Path,
    screen: Screen,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Write everything, the record last; returns what it holds."""
    from cardiovae.indices import rows
    from cardiovae.io import write_text
    from cardiovae.io.tables import parquet_available, write_table
    from cardiovae.report.indices import write_pages

    parquet = parquet_available()
    if not parquet:
        screen.say("CSV only; Parquet tables need: pip install 'cardiovae[tables]'")
    if overwrite:
        _remove_earlier(output)
    for name, columns, content in (
        ("hearts", rows.HEART_COLUMNS, rows.heart_rows(found, errors)),
        ("indices", rows.INDEX_COLUMNS, rows.index_rows(found, ranges)),
        ("segments", rows.SEGMENT_COLUMNS, rows.segment_rows(found)),
        ("frames", rows.FRAME_COLUMNS, rows.frame_rows(found)),
    ):
        path = output / f"{name}.csv"
        write_table(path, columns, content, parquet=parquet, overwrite=overwrite)
    record = {
        "cardiovae": __version__,
        "inputs": list(inputs),
        "ranges": {"name": ranges.name, "description": ranges.description},
        "patients": [rows.patient_record(patient, ranges) for patient in found],
        "errors": [{"source": source, "error": message} for source, message in errors],
    }
    write_pages(output, record, overwrite=overwrite)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_text(output / RECORD, text, overwrite=overwrite)
    return record


def _show(found: Sequence[Patient], record: dict[str, Any], output: Path, screen: Screen) -> None:
    """Show people the main indices."""
    from rich.padding import Padding
    from rich.table import Table

    from cardiovae.report.indices_text import headline, listed, plain_value

    screen.say(headline(record))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    shown = listed(record, SHOWN)
    for heading in ("patient", "", *(name.rpartition("_")[0] for name in shown)):
        table.add_column(heading, overflow="fold")
    for patient in record["patients"][:FEW]:
        for side in patient["sides"]:
            values = {row["index"]: row for row in side["indices"]}
            cells = [plain_value(values[name]) for name in shown]
            table.add_row(patient["patient"], side["side"], *cells)
    screen.say(Padding(table, (0, 0, 0, 2), expand=False))
    if len(found) > FEW:
        screen.say(f"  ... and {len(found) - FEW} more in {output / 'hearts.csv'}")
    screen.say(f"results  {output / INDEX}")
