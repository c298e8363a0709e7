"""An audit as one compact record, and the rows of tables that are made of records.

A record holds everything that tables and reports say about a sequence, by criterion instead of by
finding: a tenth of the size. It is plain data for JSON, the same to the byte wherever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cardiovae.attributes import ATTRIBUTES
from cardiovae.audit.temporal import Motion
from cardiovae.audit.verdicts import CriterionSummary, SequenceAudit, Verdict, summarize
from cardiovae.sequence import EchoSequence

LETTERS: Mapping[Verdict, str] = {
    Verdict.PASS: "P",
    Verdict.FAIL: "F",
    Verdict.NOT_MEASURABLE: "N",
}
VERDICTS: Mapping[str, Verdict] = {letter: verdict for verdict, letter in LETTERS.items()}

SEQUENCE_COLUMNS = (
    "source", "sha256", "status", "passed", "n_frames", "n_invalid_frames", "temporal_verdict",
    "n_implausible_frames", "n_failed", "n_not_measurable", "worst_frame", "worst_criteria",
    "view", "structures", "height", "width", "row_mm", "col_mm", "frame_time_ms", "notes", "error",
)  # fmt: skip
FINDING_COLUMNS = (
    "source", "set", "criterion", "frame", "verdict", "value", "low", "high", "unit", "reason",
)  # fmt: skip


def audit_record(sequence: EchoSequence, found: SequenceAudit, motion: Motion) -> dict[str, Any]:
    """What an audit found, with the attributes of every frame.

    Args:
        sequence: What was audited.
        found: Its audit.
        motion: Its motion, whose attributes are in pixels where the spacing is unknown.

    Returns:
        Facts about the sequence; `criteria`, one object per criterion with `set`, `name`, `unit`,
        `low`, `high`, `verdicts` (one of `LETTERS` per frame, or a single one where `whole` is
        true), `values` (None = not measurable) and `reasons` by position; `attributes`, T values
        each.
    """
    frames = [finding for frame in found.frames for finding in frame.findings]
    height, width = sequence.shape
    return {
        "passed": found.passed,
        "n_frames": sequence.n_frames,
        "height": height,
        "width": width,
        "spacing_mm": sequence.spacing_mm,
        "frame_time_ms": sequence.frame_time_ms,
        "view": sequence.view,
        "structures": [structure.name for structure in sequence.structures],
        "invalid_frames": list(found.invalid_frames),
        "temporal_verdict": found.temporal_verdict.value if found.temporal_set else None,
        "criteria": [
            *(_criterion(found.anatomy, summary) for summary in summarize(frames)),
            *(_criterion(str(found.temporal_set), s) for s in summarize(found.temporal)),
        ],
        "attributes": {
            name: [_known(frame[name]) for frame in motion.attributes] for name in ATTRIBUTES
        },
    }


def implausible_frames(record: Mapping[str, Any]) -> list[int]:
    """Frames of a record with a finding that fails or cannot be measured, anatomical or temporal.

    A temporal criterion that could not be measured for the whole sequence names no frame.
    """
    return [t for t, count in enumerate(_frame_counts(record, "FN")) if count]


def worst_frame(record: Mapping[str, Any]) -> int | None:
    """The frame with most failures, then with most findings not measurable; None if all pass."""
    failed, missing = _frame_counts(record, "F"), _frame_counts(record, "N")
    worst = max(range(len(failed)), key=lambda t: (failed[t], missing[t], -t), default=None)
    return None if worst is None or not failed[worst] + missing[worst] else worst


def badness(record: Mapping[str, Any]) -> tuple[float, int, int]:
    """What sequences are ordered by, worst last: share of implausible frames, FAIL, unmeasured."""
    share = len(implausible_frames(record)) / record["n_frames"]
    return share, _count(record, "F"), _count(record, "N")


def criteria_not_passed(record: Mapping[str, Any], frame: int | None) -> list[str]:
    """Names of the criteria that a frame does not pass; those of the whole sequence for None."""
    position = 0 if frame is None else frame
    return [
        c["name"]
        for c in record["criteria"]
        if c["whole"] == (frame is None) and c["verdicts"][position] != "P"
    ]


def sequence_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a sequence, with `SEQUENCE_COLUMNS`; of an unreadable one the error alone."""
    row: dict[str, Any] = dict.fromkeys(SEQUENCE_COLUMNS)
    row |= {name: record.get(name) for name in ("source", "sha256", "status", "error")}
    if record["status"] != "ok":
        return row
    worst = worst_frame(record)
    row_mm, col_mm = record["spacing_mm"] or (None, None)
    same = ("passed", "n_frames", "temporal_verdict", "view", "height", "width", "frame_time_ms")
    return row | {
        **{name: record[name] for name in same},
        "n_invalid_frames": len(record["invalid_frames"]),
        "n_implausible_frames": len(implausible_frames(record)),
        "n_failed": _count(record, "F"),
        "n_not_measurable": _count(record, "N"),
        "worst_frame": worst,
        "worst_criteria": " ".join(criteria_not_passed(record, worst)),
        "structures": " ".join(record["structures"]),
        "row_mm": row_mm,
        "col_mm": col_mm,
        "notes": "; ".join(record.get("notes", ())),
    }


def frame_columns(criteria: Sequence[str]) -> tuple[str, ...]:
    """Columns of the table of frames: who, verdicts, attributes, one value per criterion."""
    return ("source", "frame", "valid", "plausible", "not_passed", *ATTRIBUTES, *criteria)


def frame_rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One row per frame of a readable sequence, with the `frame_columns` of its criteria.

    A criterion whose name two sets share is named with its set, as `tmi2022:lv_area`.
    """
    invalid, bad = set(record["invalid_frames"]), set(implausible_frames(record))
    each = [c for c in record["criteria"] if not c["whole"]]
    for t in range(record["n_frames"]):
        yield {
            "source": record["source"],
            "frame": t,
            "valid": t not in invalid,
            "plausible": t not in bad,
            "not_passed": " ".join(criteria_not_passed(record, t)),
            **{name: values[t] for name, values in record["attributes"].items()},
            **{f"{c['set']}:{c['name']}": c["values"][t] for c in each},
        }


def finding_rows(
    record: Mapping[str, Any], *, everything: bool = False
) -> Iterator[dict[str, Any]]:
    """The findings that are not PASS, or all, one row each with `FINDING_COLUMNS`."""
    for c in record["criteria"]:
        limits = {name: c[name] for name in ("low", "high", "unit")}
        for t, letter in enumerate(c["verdicts"]):
            if letter == "P" and not everything:
                continue
            yield {
                "source": record["source"],
                "set": c["set"],
                "criterion": c["name"],
                "frame": None if c["whole"] else t,
                "verdict": VERDICTS[letter].value,
                "value": c["values"][t],
                **limits,
                "reason": c["reasons"].get(str(t), ""),
            }


def _criterion(of: str, summary: CriterionSummary) -> dict[str, Any]:
    first = summary.findings[0]
    return {
        "set": of,
        "name": summary.criterion,
        "unit": first.unit,
        "low": first.low,
        "high": first.high,
        "whole": first.frame is None,
        "verdicts": "".join(LETTERS[finding.verdict] for finding in summary.findings),
        "values": [_known(finding.value) for finding in summary.findings],
        "reasons": {str(i): f.reason for i, f in enumerate(summary.findings) if f.reason},
    }


def _frame_counts(record: Mapping[str, Any], letters: str) -> list[int]:
    """How many criteria say one of `letters`, for every frame."""
    columns = [c["verdicts"] for c in record["criteria"] if not c["whole"]]
    return [sum(c[t] in letters for c in columns) for t in range(record["n_frames"])]


def _count(record: Mapping[str, Any], letter: str) -> int:
    return sum(c["verdicts"].count(letter) for c in record["criteria"])


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
