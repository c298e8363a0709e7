"""A folder of results: run.json, tables and report, all made of records and made anew at will."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cardiovae import __version__
from cardiovae.errors import ConfigError, FileError

if TYPE_CHECKING:
    from cardiovae.audit.criteria import CriteriaSet

RUN = "run.json"
INDEX = "index.html"
TABLES = ("sequences.csv", "frames.csv", "findings.csv")
PICTURES = ("thumbs", "cines")
Pages = Literal["flagged", "all", "none"]
Records = Callable[[], Iterator[dict[str, Any]]]


@dataclass
class Totals:
    """What came of all inputs.

    Args:
        passed: Sequences that pass.
        not_passed: Sequences that do not.
        errors: Inputs without a result.
        frames: Frames of all sequences.
        implausible_frames: Those that do not pass.
    """

    passed: int = 0
    not_passed: int = 0
    errors: int = 0
    frames: int = 0
    implausible_frames: int = 0

    @property
    def sequences(self) -> int:
        """Sequences with a result."""
        return self.passed + self.not_passed

    @property
    def share(self) -> float:
        """Share of sequences that do not pass; 0 without any."""
        return self.not_passed / self.sequences if self.sequences else 0.0


@dataclass(frozen=True)
class Wanted:
    """What a folder of results shall hold besides its records.

    Args:
        everything: Whether the table of findings holds what passes too.
        pages: Which sequences get a page of their own; None = no report at all.
        junit: Where to write JUnit XML, if anywhere.
        max_implausible: Largest share of sequences that may not pass; None = any.
    """

    everything: bool = False
    pages: Pages | None = "flagged"
    junit: Path | None = None
    max_implausible: float | None = None


def run_facts(
    verb: str, command: Sequence[str], sets: Iterable[CriteriaSet], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What run.json says: all that the results depend on, and nothing about the machine.

    Args:
        verb: "audit" or "correct".
        command: Words that repeat the run.
        sets: Criteria sets, anatomical ones first.
        settings: What else the results depend on, as plain data.
    """
    criteria = [{"set": of.name, **asdict(c)} for of in sets for c in of.criteria]
    facts = {"cardiovae": __version__, "verb": verb, "criteria": criteria, "settings": settings}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    names = [of.name for of in sets if of.kind != "temporal"]
    motion = [of.name for of in sets if of.kind == "temporal"]
    return {
        **facts,
        "settings_sha256": key,
        "command": list(command),
        "anatomy": names[0] if names else None,
        "temporal": motion[0] if motion else None,
        "versions": {"cardiovae": __version__, "python": platform.python_version()},
    }


def claim(folder: Path, facts: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Whether `folder` holds results of the same settings, which a run may go on from.

    Args:
        folder: Folder of results.
        facts: What `run_facts` says of this run.
        overwrite: Whether other results there may be replaced.

    Raises:
        ConfigError: It holds results of other settings.
        FileError: It holds something else, or cannot be read.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if folder.is_file():
        raise ConfigError(f"--output {folder}: is a file; give a folder, or a name ending in .csv")
    if not (folder / RUN).exists():
        if overwrite:
            return False
        raise FileError(
            f"{folder}: holds files but no {RUN}, so it is no folder of results; write elsewhere "
            "with -o, or allow replacing what has the name of a result with --overwrite"
        )
    earlier = read_run(folder)
    if earlier["settings_sha256"] == facts["settings_sha256"]:
        return True
    if overwrite:
        return False
    raise ConfigError(
        f"{folder}: holds results of other settings ({' '.join(earlier['command'])}); write "
        "elsewhere with -o, or replace them with --overwrite"
    )


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json in a folder of results says.

    Raises:
        FileError: There is none, or it is damaged.
    """
    from cardiovae.io.content import file_bytes

    try:
        content = json.loads(file_bytes(folder / RUN))
        missing = {"verb", "settings_sha256", "command", "criteria"} - set(content)
    except (ValueError, TypeError) as error:
        raise FileError(f"{folder / RUN}: is damaged ({error}); run again elsewhere") from error
    if missing:
        raise FileError(f"{folder / RUN}: lacks {sorted(missing)}; is it of another program?")
    return dict(content)


def write_run(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write run.json: from now on the folder is one of results.

    Raises:
        FileError: The file system refuses.
    """
    from cardiovae.io import write_text

    text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
    write_text(folder / RUN, text, overwrite=True)


def write_outcome(
    folder: Path,
    facts: Mapping[str, Any],
    records: Records,
    wanted: Wanted,
) -> Totals:
    """Write tables, run.json and report, all anew.

    Args:
        folder: Folder of results, claimed.
        facts: What `run_facts` says.
        records: Gives every record, sorted by source, each time it is called.
        wanted: What to write.

    Raises:
        FileError: The file system refuses.
    """
    totals = _write_tables(folder, facts, records, wanted)
    gates: dict[str, Any] = {}
    if wanted.max_implausible is not None:
        met = totals.share <= wanted.max_implausible
        gates = {"max_implausible": wanted.max_implausible, "share": totals.share, "met": met}
    facts = {**facts, "totals": asdict(totals), "gates": gates}
    write_run(folder, facts)
    if wanted.pages is not None:
        from cardiovae.report.batch import write_batch_report

        write_batch_report(folder, facts, records, pages=wanted.pages, overwrite=True)
    return totals


def _write_tables(
    folder: Path, facts: Mapping[str, Any], records: Records, wanted: Wanted
) -> Totals:
    """All tables in one pass over the records."""
    from cardiovae.audit import rows
    from cardiovae.cli.junit import junit
    from cardiovae.io.tables import parquet_available, table

    parquet, totals = parquet_available(), Totals()
    doubt = _doubted(facts)
    columns = (
        rows.sequence_columns(doubt=bool(doubt), indices=_measured(facts)),
        rows.frame_columns(facts["criteria"], doubt),
        rows.FINDING_COLUMNS,
    )
    with ExitStack() as stack:
        add_sequence, add_frame, add_finding = (
            stack.enter_context(table(folder / name, of, parquet=parquet, overwrite=True))
            for name, of in zip(TABLES, columns, strict=True)
        )
        add_case = stack.enter_context(junit(wanted.junit)) if wanted.junit else None
        for record in records():
            row = rows.sequence_row(record)
            add_sequence(row)
            for frame in rows.frame_rows(record, columns[1]):
                add_frame(frame)
            for finding in rows.finding_rows(record, everything=wanted.everything):
                add_finding(finding)
            if add_case is not None:
                add_case(record)
            _count(totals, row)
    return totals


def _measured(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Sides of which the records of a run have the clinic's indices."""
    if facts["verb"] == "correct":
        return ("before", "after")
    return ("",) if facts["settings"].get("indices") else ()


def _doubted(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Numbers on the doubt of each frame that the records of a run have."""
    config = facts["settings"].get("config", {})
    if config.get("uncertainty", {}).get("method", "none") == "none":
        return ()
    from cardiovae.uncertainty.record import FRAME_NUMBERS

    return FRAME_NUMBERS


def _count(totals: Totals, row: Mapping[str, Any]) -> None:
    if row["status"] != "ok":
        totals.errors += 1
        return
    totals.passed += bool(row["passed"])
    totals.not_passed += not row["passed"]
    totals.frames += row["n_frames"]
    totals.implausible_frames += row["n_implausible_frames"]
