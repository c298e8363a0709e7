"""Tables of many audits: one row per sequence, per frame, or per finding, made of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cardiovae.attributes import ATTRIBUTES
from cardiovae.audit.record import (
    RV_AREA,
    count,
    criteria_not_passed,
    findings_of,
    implausible_frames,
    worst_frame,
)
from cardiovae.audit.verdicts import Verdict
from cardiovae.io.tables import Kind

SEQUENCE_COLUMNS: Mapping[str, Kind] = {
    "source": "text",
    "sha256": "text",
    "status": "text",
    "passed": "flag",
    "n_frames": "whole",
    "n_invalid_frames": "whole",
    "temporal_verdict": "text",
    "n_implausible_frames": "whole",
    "n_failed": "whole",
    "n_not_measurable": "whole",
    "worst_frame": "whole",
    "worst_criteria": "text",
    "view": "text",
    "structures": "text",
    "height": "whole",
    "width": "whole",
    "row_mm": "number",
    "col_mm": "number",
    "frame_time_ms": "number",
    "notes": "text",
    "error": "text",
}
FINDING_COLUMNS: Mapping[str, Kind] = {
    "source": "text",
    "set": "text",
    "criterion": "text",
    "frame": "whole",
    "verdict": "text",
    "value": "number",
    "low": "number",
    "high": "number",
    "unit": "text",
    "reason": "text",
}
_DOUBT: Mapping[str, Kind] = {
    "ef_percent": "number",
    "ef_low": "number",
    "ef_high": "number",
    "ef_sd": "number",
    "n_look": "whole",
}
_FRAME: Mapping[str, Kind] = {
    "source": "text",
    "frame": "whole",
    "valid": "flag",
    "plausible": "flag",
    "not_passed": "text",
}


def frame_columns(
    criteria: Iterable[Mapping[str, Any]], doubt: Iterable[str] = ()
) -> dict[str, Kind]:
    """Columns of the table of frames: who, verdicts, attributes and one value per criterion.

    Args:
        criteria: Plain data with `set` and `name` of each, in the order of the columns, and
            `structures` where the RV is among them.
        doubt: Numbers that the record has on the doubt of each frame; none = no such columns.
    """
    criteria = tuple(criteria)
    values = [_value_column(c["set"], c["name"]) for c in criteria]
    sizes = [*ATTRIBUTES, *[RV_AREA][: any("rv" in c.get("structures", ()) for c in criteria)]]
    of_doubt = [f"doubt:{name}" for name in doubt]
    numbers: dict[str, Kind] = dict.fromkeys([*sizes, *values, *of_doubt], "number")
    flags: dict[str, Kind] = {"doubt:look": "flag", "doubt:look_rank": "whole"} if of_doubt else {}
    return {**_FRAME, **numbers, **flags}


def sequence_columns(*, doubt: bool = False) -> dict[str, Kind]:
    """Columns of the table of sequences, with those on the ejection fraction where asked for."""
    return {**SEQUENCE_COLUMNS, **(_DOUBT if doubt else {})}


def sequence_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a sequence; of one that could not be read, the error alone."""
    row: dict[str, Any] = dict.fromkeys(SEQUENCE_COLUMNS)
    row |= {name: record.get(name) for name in ("source", "sha256", "status", "error")}
    if record["status"] != "ok":
        return row
    worst = worst_frame(record)
    row_mm, col_mm = record["spacing_mm"] or (None, None)
    same = ("passed", "n_frames", "temporal_verdict", "view", "height", "width", "frame_time_ms")
    return row | {
        **_doubt_of_sequence(record),
        **{name: record[name] for name in same},
        "n_invalid_frames": len(record["invalid_frames"]),
        "n_implausible_frames": len(implausible_frames(record)),
        "n_failed": count(record, "F"),
        "n_not_measurable": count(record, "N"),
        "worst_frame": worst,
        "worst_criteria": " ".join(criteria_not_passed(record, worst)),
        "structures": " ".join(record["structures"]),
        "row_mm": row_mm,
        "col_mm": col_mm,
        "notes": "; ".join(record["notes"]),
    }


def frame_rows(record: Mapping[str, Any], columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One row per frame of a sequence, with `frame_columns`; none of one that was not read.

    A criterion that does not apply, or was measured for the whole sequence alone, is None.
    """
    if record["status"] != "ok":
        return
    blank = dict.fromkeys(columns)
    invalid, bad = set(record["invalid_frames"]), set(implausible_frames(record))
    each = [c for c in record["criteria"] if not c["whole"]]
    for t in range(record["n_frames"]):
        yield blank | {
            "source": record["source"],
            "frame": t,
            "valid": t not in invalid,
            "plausible": t not in bad,
            "not_passed": " ".join(criteria_not_passed(record, t)),
            **{name: values[t] for name, values in record["attributes"].items()},
            **{_value_column(c["set"], c["name"]): c["values"][t] for c in each},
            **_doubt_of_frame(record, t, blank),
        }


def finding_rows(
    record: Mapping[str, Any], *, everything: bool = False
) -> Iterator[dict[str, Any]]:
    """The findings of a sequence that are not PASS, or all of them; none of one not read."""
    for c in record.get("criteria", ()):
        for finding in findings_of(c):
            if everything or finding.verdict is not Verdict.PASS:
                yield {"source": record["source"], "set": c["set"], **finding.to_json()}


def _doubt_of_sequence(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is in doubt about a corrected sequence; nothing where nothing was asked."""
    found = record.get("uncertainty")
    if not found:
        return {}
    ef = found["ejection"]
    return {
        "ef_percent": ef["ef_percent"],
        **{f"ef_{name}": ef[name] for name in ("low", "high", "sd")},
        "n_look": sum(frame["look"] for frame in found["frames"]),
    }


def _doubt_of_frame(
    record: Mapping[str, Any], t: int, columns: Mapping[str, Any]
) -> dict[str, Any]:
    found = record.get("uncertainty")
    if not found:
        return {}
    known = {f"doubt:{name}": value for name, value in found["frames"][t].items()}
    return {name: value for name, value in known.items() if name in columns}


def _value_column(of: str, criterion: str) -> str:
    """An attribute and a criterion on it share a name; the set tells them apart."""
    return f"{of}:{criterion}"
