"""`cardiovae uncertainty evaluate`: stated doubt against references."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardiovae import __version__
from cardiovae.cli import options
from cardiovae.cli.cases import Cases, run_cases
from cardiovae.cli.evaluate import find_pairs
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.errors import CardiovaeError, ConfigError

if TYPE_CHECKING:
    from cardiovae.evaluation.doubt import Doubt
    from cardiovae.evaluation.pairing import Pair, Pairing

DEFAULT_OUTPUT = Path("cardiovae-uncertainty")
TABLES = (
    "frames.csv", "sequences.csv", "signals.csv", "thresholds.csv", "maps.csv",
    "reliability.csv", "intervals.csv", "verified.csv",
)  # fmt: skip
PAGE = "report.html"
RECORD = "uncertainty.json"
"""Written last: where it lies, the judgement is complete."""


@dataclass
class Run:
    """One judgement while it goes on."""

    pairs: Mapping[Path, Pair]
    how: options.Reading
    screen: Screen
    doubts: list[Doubt] = field(default_factory=list)
    errors: list[tuple[Pair, str]] = field(default_factory=list)


def evaluate(
    results: Annotated[
        str,
        typer.Argument(
            metavar="RESULTS",
            help="A folder written by 'cardiovae correct --uncertainty ...'.",
        ),
    ],
    reference: Annotated[
        str,
        typer.Option(
            "--reference", metavar="DIR", help="Label maps to judge them by, of the same names."
        ),
    ],
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="FILE.json",
            help="Learn intervals and the probability of failure from these patients and write "
            "them here.",
        ),
    ] = None,
    level: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="What conformal intervals made of these patients promise."
        ),
    ] = 0.9,
    below: Annotated[
        float, typer.Option(metavar="DICE", help="A frame failed when its Dice is below this.")
    ] = 0.85,
    patient_pattern: options.PatientPattern = None,
    seed: options.Seed = 0,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    json_lines: options.Json = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Judge the doubt that 'cardiovae correct --uncertainty' stated, against references.

    Which signal tells failed frames from good ones and how well, whether probabilities come true
    and intervals hold, each with a 95 % interval by patient; how many frames to look at for a
    stated miss rate.

    DIR gets tables, report.html and, when all that is done, uncertainty.json. A file without a
    partner and a result without a record of uncertainty are listed.
    """
    from cardiovae.io import refuse_to_replace

    screen = Screen(json=json_lines)
    how = options.reading(labels, spacing, None)
    _check_shares(level, below)
    for name in (*TABLES, *(t.replace(".csv", ".parquet") for t in TABLES), PAGE, RECORD):
        refuse_to_replace(output / name, overwrite=overwrite)
    if calibrate is not None:
        refuse_to_replace(calibrate, overwrite=overwrite)
    pairing, lost = find_pairs(results, reference, None, None, patient_pattern)
    run = Run({pair.prediction: pair for pair in pairing.pairs}, how, screen)
    unmatched = [(str(u.path), f"{u.path}: {u.side}, {u.reason}") for u in pairing.unmatched]
    cases = Cases(tuple(run.pairs), (*lost, *unmatched))
    tally = run_cases(cases, lambda path: _measure(run, path), screen, title="judging")
    if run.doubts:
        origin = {"results": results, "reference": reference, "below": below, "level": level}
        record = _write(run, pairing, origin, seed, output, overwrite=overwrite)
        if calibrate is not None:
            _calibrate(run, calibrate, record, overwrite=overwrite)
        screen.record({**record, "output": str(output)})
        if not json_lines:
            _show(record, output, screen)
    return tally.exit_code(gate=False)


def _check_shares(level: float, below: float) -> None:
    """Both lie between 0 and 1.

    Raises:
        ConfigError: One does not.
    """
    for name, value in (("--level", level), ("--below", below)):
        if not 0 < value < 1:
            raise ConfigError(f"{name} {value:g}: lies between 0 and 1, such as 0.9")


def _measure(run: Run, path: Path) -> bool:
    """Judge one pair; whatever is wrong with it is listed."""
    from cardiovae.evaluation.doubt import measure_doubt
    from cardiovae.evaluation.doubt_tables import sequence_rows
    from cardiovae.evaluation.grids import read_pair

    pair = run.pairs[path]
    try:
        how = run.how
        sequences = read_pair(pair, labels=how.labels, spacing_mm=how.spacing_mm)
        doubt = measure_doubt(pair, sequences)
    except CardiovaeError as error:
        run.errors.append((pair, str(error)))
        raise
    run.doubts.append(doubt)
    for row in sequence_rows([doubt]):
        run.screen.record(row)
    return True


def _write(
    run: Run,
    pairing: Pairing,
    origin: Mapping[str, Any],
    seed: int,
    output: Path,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    """Write everything; returns the content of `uncertainty.json`, which is written last."""
    from cardiovae.evaluation import doubt_tables
    from cardiovae.evaluation.doubt_frames import Origin
    from cardiovae.evaluation.doubt_record import doubt_record
    from cardiovae.io import write_text
    from cardiovae.io.tables import parquet_available, write_table
    from cardiovae.report.judged import write_doubt

    where = Origin(version=__version__, seed=seed, **origin)
    record = doubt_record(run.doubts, where, run.errors, pairing.unmatched)
    parquet = parquet_available()
    if overwrite:  # what says "done" goes first, and no old table stays beside a new one
        for name in (RECORD, *TABLES, *(t.replace(".csv", ".parquet") for t in TABLES)):
            (output / name).unlink(missing_ok=True)
    tables = {
        "frames.csv": list(doubt_tables.frame_rows(run.doubts)),
        "sequences.csv": list(doubt_tables.sequence_rows(run.doubts)),
        **doubt_tables.record_tables(record),
    }
    for name in TABLES:
        rows = tables[name]
        if rows:
            kinds = doubt_tables.kinds(list(rows[0]))
            write_table(output / name, kinds, rows, parquet=parquet, overwrite=overwrite)
    write_doubt(output / PAGE, record, overwrite=overwrite)
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    write_text(output / RECORD, text, overwrite=overwrite)
    return record


def _calibrate(run: Run, path: Path, record: Mapping[str, Any], *, overwrite: bool) -> None:
    """Learn a calibration from what was judged, and write it."""
    from cardiovae.calibration.record import calibration_text
    from cardiovae.evaluation.doubt_fit import calibration_of
    from cardiovae.io import write_text

    calibration = calibration_of(
        run.doubts,
        name=path.stem,
        source=f"{record['results']} against {record['reference']}",
        below=record["below"],
        level=record["level"],
        seed=record["seed"],
    )
    write_text(path, calibration_text(calibration), overwrite=overwrite)
    for note in calibration.notes:
        run.screen.note(f"calibration: {note}")
    run.screen.say(f"calibration of {calibration.n_patients} patients  {path}")


def _show(record: dict[str, Any], output: Path, screen: Screen) -> None:
    """Show the tables to people."""
    from rich.padding import Padding
    from rich.table import Table

    from cardiovae.report import judged_text as text

    screen.say(text.headline(record))
    for words in (text.signal_table(record), text.map_table(record), text.interval_table(record)):
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
