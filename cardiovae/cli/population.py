"""`cardiovae population`: what is usual in a cohort, and who is unlike the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiovae import __version__
from cardiovae.cli import batching, options
from cardiovae.cli.auditing import tasks_of
from cardiovae.cli.cases import Tally, find_cases, report_unmatched
from cardiovae.cli.describing import Describer, Namer
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen

if TYPE_CHECKING:
    from cardiovae.cli.auditing import Task
    from cardiovae.population.cohort import Member
    from cardiovae.population.record import Population

DEFAULT_OUTPUT = Path("cardiovae-population")
TABLES = (
    "frames", "sequences", "hearts", "percentiles", "outliers", "differences", "distances",
    "places",
)  # fmt: skip
PAGE = "report.html"
RECORD = "population.json"
"""Written last: where it lies, the description is complete."""
SHOWN = 5
"""Outliers that are named on the screen."""
MOST_PICTURES, FEWEST_PICTURES = 24, 8
"""Sequences that are drawn in the report: outliers, or what is nearest to being one."""


def population(
    inputs: options.Inputs,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE.csv",
            help="Compare groups: view, a column of the manifest such as split or vendor, or a "
            "CSV file with columns patient (or name) and group.",
        ),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="Say, too, how usual each frame is to a shape prior, and how far groups are "
            "apart in its latent space.",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="The population.json of another cohort: where each frame lies within it.",
        ),
    ] = None,
    patient_pattern: options.PatientPattern = None,
    seed: options.Seed = 0,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    root: options.Root = None,
    allow_outside: options.AllowOutside = False,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    json_lines: options.Json = False,
    overwrite: options.Overwrite = False,
    workers: batching.Workers = None,
    engine: batching.EngineOption = None,
    scheduler: batching.Scheduler = None,
) -> ExitCode:
    """Describe a cohort: percentiles of areas, lengths and ejection fraction, outliers, groups.

    The patient is the unit: however many frames or files show a heart, it counts once. ED and ES
    are the frames of largest and smallest LV area of a patient and view.

    DIR gets tables (frames, sequences, hearts, percentiles, outliers; differences and distances
    with --group-by, places with --reference), report.html with pictures, and, when all that is
    done, population.json, which is a reference for other cohorts.
    """
    from cardiovae.evaluation.pairing import names_below
    from cardiovae.io import refuse_to_replace
    from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern
    from cardiovae.population.grouping import grouping_of
    from cardiovae.population.reference import read_reference

    screen = Screen(json=json_lines)
    how = options.reading(labels, spacing, None)
    pattern = compile_pattern(patient_pattern or DEFAULT_PATTERN)
    grouping = None if group_by is None else grouping_of(group_by)
    other = None if reference is None else read_reference(reference)
    for name in _files():
        refuse_to_replace(output / name, overwrite=overwrite)
    if prior is not None:
        from cardiovae.prior.shipped import prior_folder

        prior_folder(prior)  # a name that is none is said before all files are read
    cases = find_cases(
        inputs, results=True, manifests=True, root=root, allow_outside=allow_outside
    )
    report_unmatched(cases, screen)
    namer = Namer(names_below(cases.paths, _folder(inputs)), cases.known, pattern, grouping)
    tasks = tasks_of(cases, how)
    batch = batching.Batch(
        Describer(prior, alone=len(tasks) == 1),
        batching.engine_for(engine, workers, scheduler, len(tasks)),
        screen,
        "measuring",
    )
    members: list[Member] = []
    errors: list[tuple[Member, str]] = []
    for task, done in zip(tasks, batch.done(tasks), strict=True):
        member = namer.member(task, done)
        if done.error:
            errors.append((member, done.error))
        else:
            members.append(member)
    if members:
        from cardiovae.population.record import Origin, describe, population_record

        by = None if grouping is None else grouping.name

        found = describe(members, grouping=by, reference=other, seed=seed)
        origin = Origin(__version__, tuple(inputs), seed, by, prior)
        record = population_record(found, origin, errors)
        sources = {task.source: task for task in tasks}
        _write(found, record, errors, sources, output, screen, overwrite=overwrite)
        screen.record({**record, "output": str(output)})
        if not json_lines:
            _show(record, output, screen)
    tally = Tally(met=len(members), failed=len(errors), unmatched=len(cases.unmatched))
    return tally.exit_code(gate=False)


def _files() -> list[str]:
    """All that may be written."""
    return [
        *(f"{name}{suffix}" for name in TABLES for suffix in (".csv", ".parquet")),
        PAGE,
        RECORD,
    ]


def _folder(inputs: list[str]) -> Path | None:
    """The folder that names are below: that of a single argument, if it is one."""
    path = Path(inputs[0]).expanduser()
    return path if len(inputs) == 1 and path.is_dir() else None


def _write(
    found: Population,
    record: dict[str, Any],
    errors: list[tuple[Member, str]],
    sources: dict[str, Task],
    output: Path,
    screen: Screen,
    *,
    overwrite: bool,
) -> None:
    """Write everything, the record last."""
    from cardiovae.io import write_text
    from cardiovae.io.tables import parquet_available, write_table
    from cardiovae.report.population import write_population

    parquet = parquet_available()
    if not parquet:
        screen.say("CSV only; Parquet tables need: pip install 'cardiovae[tables]'")
    if overwrite:  # what says "done" goes first, and no old table stays beside new ones
        for name in reversed(_files()):
            (output / name).unlink(missing_ok=True)
    for name, (columns, rows) in _tables(found, errors).items():
        path = output / f"{name}.csv"
        write_table(path, columns, rows, parquet=parquet, overwrite=overwrite)
    listed = record["outliers"]["sequences"]
    n = min(MOST_PICTURES, max(FEWEST_PICTURES, sum(row["outlier"] for row in listed)))
    shown = _drawn(listed[:n], sources)
    latent = _drawn(record["outliers"]["latent"][:FEWEST_PICTURES], sources)
    write_population(output / PAGE, record, found, shown, latent, overwrite=overwrite)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_text(output / RECORD, text, overwrite=overwrite)


def _tables(found: Population, errors: list[tuple[Member, str]]) -> dict[str, Any]:
    """Columns and rows of each table that there is something to say in."""
    from cardiovae.population import columns, rows

    cohort, comparison = found.cohort, found.comparison
    tables: dict[str, Any] = {
        "frames": (columns.FRAMES, rows.frame_rows(cohort, found.distances, found.reference)),
        "sequences": (columns.SEQUENCES, rows.sequence_rows(cohort, errors)),
        "hearts": (columns.HEARTS, rows.heart_rows(cohort)),
        "percentiles": (columns.PERCENTILES, rows.percentile_rows(found.percentiles)),
        "outliers": (columns.OUTLIERS, rows.outlier_rows(cohort, found.outliers)),
    }
    if comparison is not None:
        tables["differences"] = (columns.DIFFERENCES, rows.difference_rows(comparison))
        tables["distances"] = (columns.DISTANCES, rows.distance_rows(comparison))
    if found.reference is not None:
        tables["places"] = (columns.PLACES, rows.place_rows(found.places))
    return tables


def _drawn(rows: list[dict[str, Any]], sources: dict[str, Task]) -> list[dict[str, Any]]:
    """The label map of each row, read again: a whole cohort need not stay in memory."""
    from cardiovae.io import open_sequence

    maps = []
    for row in rows:
        task = sources[row["source"]]
        sequence, _ = open_sequence(task.path, **vars(task.reading))
        maps.append({"labels": sequence.frame(row["frame"]), "spacing_mm": sequence.spacing_mm})
    return maps


def _show(record: dict[str, Any], output: Path, screen: Screen) -> None:
    """Show people what was found."""
    from cardiovae.report.population_text import headline, outlier_sentence

    screen.say(headline(record))
    for row in record["outliers"]["sequences"][:SHOWN]:
        if row["outlier"]:
            screen.say(f"  {outlier_sentence(row)}")
    screen.say(f"results  {output / PAGE}")
