"""`cardiovae evaluate`: predictions against references."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardiovae import __version__
from cardiovae.cli import options
from cardiovae.cli.cases import Cases, find_cases, run_cases
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.errors import CardiovaeError, ConfigError

if TYPE_CHECKING:
    from cardiovae.evaluation.pairing import Pair, Pairing
    from cardiovae.evaluation.results import PairResult
    from cardiovae.evaluation.summary import Summary

DEFAULT_OUTPUT = Path("cardiovae-evaluation")
TABLES = ("frames.csv", "sequences.csv")
PARQUET = ("frames.parquet", "sequences.parquet")
RECORD = "summary.json"
"""Written last: where it lies, the evaluation is complete."""


@dataclass
class Run:
    """One evaluation while it goes on."""

    pairs: Mapping[Path, Pair]
    how: options.Reading
    screen: Screen
    results: list[PairResult] = field(default_factory=list)
    errors: list[tuple[Pair, str]] = field(default_factory=list)


def evaluate(
    predictions: Annotated[
        str | None,
        typer.Argument(
            metavar="PRED_DIR",
            help="Label maps to judge: a folder, such as that of 'cardiovae correct', a quoted "
            "pattern or a file.",
        ),
    ] = None,
    references: Annotated[
        str | None,
        typer.Argument(metavar="REF_DIR", help="Label maps to judge them by, of the same names."),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            metavar="DIR",
            help="The same predictions before they were corrected: adds the paired comparison.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE.csv",
            help="Name the pairs instead: columns prediction, reference and, if known, before, "
            "patient, view; paths below the folder of this file.",
        ),
    ] = None,
    patient_pattern: options.PatientPattern = None,
    seed: options.Seed = 0,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    view: options.View = None,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    json_lines: options.Json = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Compare predictions with references, frame by frame, and write tables and a report.

    Dice and distances per structure in mm, validity and temporal flags under every criteria set,
    ejection fraction by Simpson's disks with its agreement, each with a 95 % interval by patient.

    DIR gets frames.csv, sequences.csv, summary.md, report.html and, when all that is done,
    summary.json. A file without a partner and a pair that cannot be compared are listed.
    """
    from cardiovae.io import refuse_to_replace

    screen = Screen(json=json_lines)
    how = options.reading(labels, spacing, None, view)
    for name in (*TABLES, *PARQUET, "summary.md", "report.html", RECORD):
        refuse_to_replace(output / name, overwrite=overwrite)
    pairing, lost = find_pairs(predictions, references, before, manifest, patient_pattern)
    run = Run({pair.prediction: pair for pair in pairing.pairs}, how, screen)
    unmatched = [(str(u.path), f"{u.path}: {u.side}, {u.reason}") for u in pairing.unmatched]
    cases = Cases(tuple(run.pairs), (*lost, *unmatched))
    tally = run_cases(cases, lambda path: _measure(run, path), screen, title="evaluating")
    if run.results:
        where = (predictions or str(manifest), references or str(manifest), before)
        record = _write(run, pairing, where, seed, output, overwrite=overwrite)
        screen.record({**record, "output": str(output)})
        if not json_lines:
            _show(record, output, screen)
    return tally.exit_code(gate=False)


def find_pairs(
    predictions: str | None,
    references: str | None,
    before: str | None,
    manifest: Path | None,
    pattern_text: str | None,
) -> tuple[Pairing, tuple[tuple[str, str], ...]]:
    """The pairs that are meant, and the arguments that name no file.

    Raises:
        ConfigError: Neither two folders nor a manifest, or both.
        FileError: The manifest cannot be read.
    """
    from cardiovae.evaluation import pairing
    from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern

    pattern = compile_pattern(pattern_text or DEFAULT_PATTERN)
    if manifest is not None:
        from cardiovae.evaluation.manifest import read_manifest

        if predictions or references or before:
            raise ConfigError(
                f"--manifest {manifest}: names all files itself; leave out PRED_DIR, REF_DIR and "
                "--before, or leave out --manifest"
            )
        return read_manifest(manifest, pattern=pattern), ()
    if predictions is None or references is None:
        raise ConfigError("PRED_DIR and REF_DIR: two folders are needed, or --manifest FILE.csv")
    found: list[dict[Path, str]] = []
    lost: list[tuple[str, str]] = []
    for argument in (predictions, references, before):
        cases = find_cases([argument] if argument else [], results=True)
        lost += cases.unmatched
        path = Path(argument or "").expanduser()
        folder = path if path.is_dir() else None
        found.append(pairing.names_below(cases.paths, folder))
    if all(
        argument is None or Path(argument).expanduser().is_file()
        for argument in (predictions, references, before)
    ):  # meant for each other
        name = next(iter(found[1].values()))
        found = [dict.fromkeys(files, name) for files in found]
    return pairing.pair_files(*found, pattern=pattern), tuple(lost)


def _measure(run: Run, path: Path) -> bool:
    """Measure one pair; whatever is wrong with it becomes its row."""
    from cardiovae.evaluation.grids import read_pair
    from cardiovae.evaluation.measure import measure_pair
    from cardiovae.evaluation.results import sequence_rows

    pair = run.pairs[path]
    try:
        how = run.how
        sequences = read_pair(pair, labels=how.labels, spacing_mm=how.spacing_mm, view=how.view)
        result = measure_pair(pair, sequences)
    except CardiovaeError as error:
        run.errors.append((pair, str(error)))
        raise
    run.results.append(result)
    for row in sequence_rows([result]):
        run.screen.record(row)
    return True


def _write(
    run: Run,
    pairing: Pairing,
    where: tuple[str, str, str | None],
    seed: int,
    output: Path,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Write everything; returns the content of `summary.json`, which is written last."""
    import numpy as np

    from cardiovae.evaluation import results
    from cardiovae.evaluation.record import Origin, evaluation_record
    from cardiovae.evaluation.summary import summarize
    from cardiovae.evaluation.tables import kinds
    from cardiovae.intervals.bootstrap import N_RESAMPLES
    from cardiovae.io import write_text
    from cardiovae.io.tables import parquet_available, write_table
    from cardiovae.report.evaluation import write_evaluation
    from cardiovae.report.evaluation_text import evaluation_markdown

    summary = summarize(run.results, rng=np.random.default_rng(seed))
    origin = Origin(__version__, *where, seed, N_RESAMPLES)
    record = evaluation_record(summary, origin, run.errors, pairing.unmatched)
    parquet = parquet_available()
    if not parquet:
        run.screen.say("CSV only; Parquet tables need: pip install 'cardiovae[tables]'")
    sequences = list(results.sequence_rows(run.results, run.errors))
    if overwrite:  # what says "done" goes first, and no old table stays beside a new one
        for name in (RECORD, *PARQUET):
            (output / name).unlink(missing_ok=True)
    for name, columns, rows in (
        (TABLES[0], results.FRAME_COLUMNS, list(results.frame_rows(run.results))),
        (TABLES[1], results.SEQUENCE_COLUMNS, sequences),
    ):
        write_table(output / name, kinds(columns), rows, parquet=parquet, overwrite=overwrite)
    write_text(output / "summary.md", evaluation_markdown(record), overwrite=overwrite)
    pictures = _worst_maps(run, summary)
    write_evaluation(output / "report.html", record, sequences, pictures, overwrite=overwrite)
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    write_text(output / RECORD, text, overwrite=overwrite)
    return record


def _worst_maps(run: Run, summary: Summary) -> list[dict[str, Any]]:
    """The label maps of the worst frames, read again: a whole cohort need not stay in memory."""
    from cardiovae.evaluation.grids import read_pair

    maps = []
    for worst in summary.worst:
        pair = summary.results[worst.pair].pair
        how = run.how
        sequences = read_pair(pair, labels=how.labels, spacing_mm=how.spacing_mm, view=how.view)
        frames: dict[str, Any] = {n: s.frame(worst.frame) for n, s in sequences.items()}
        maps.append({**frames, "spacing_mm": sequences["reference"].spacing_mm})
    return maps


def _show(record: dict[str, Any], output: Path, screen: Screen) -> None:
    """Show the tables to people."""
    from rich.padding import Padding
    from rich.table import Table

    from cardiovae.report.evaluation_text import headline, tables

    screen.say(headline(record))
    for words in tables(record)[:3]:
        if not words.rows:
            continue
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for i, heading in enumerate(words.headings):
            side: Literal["left", "right"] = "left" if i < words.n_names else "right"
            table.add_column(heading, justify=side, overflow="fold")
        for row in words.rows:
            table.add_row(*row)
        screen.say(f"\n{words.title}")
        screen.say(Padding(table, (0, 0, 0, 2), expand=False))
    screen.say(f"\nresults  {output}")
