"""An audit as one compact record, of which tables and reports of many files are made.

A record holds everything that is said about a sequence, by criterion instead of by finding: a
tenth of the size. It is plain data for JSON, the same to the byte wherever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cardiovae.attributes import ATTRIBUTES, ON_SLICES
from cardiovae.audit.temporal import PIXELS, Motion
from cardiovae.audit.verdicts import (
    CriterionSummary,
    Finding,
    FrameAudit,
    SequenceAudit,
    Verdict,
    summarize,
)
from cardiovae.labels import Label
from cardiovae.sequence import EchoSequence

LETTERS: Mapping[Verdict, str] = {
    Verdict.PASS: "P",
    Verdict.FAIL: "F",
    Verdict.NOT_MEASURABLE: "N",
}
RV_AREA = "rv_area"  # an attribute of short-axis slices alone, in mm2
NOT_ASKED = "-"  # of a frame that a criterion leaves out
VERDICTS: Mapping[str, Verdict] = {letter: verdict for verdict, letter in LETTERS.items()}


def audit_record(sequence: EchoSequence, found: SequenceAudit, motion: Motion) -> dict[str, Any]:
    """What an audit found, with the attributes of every frame.

    Args:
        sequence: What was audited.
        found: Its audit.
        motion: Its motion, whose attributes are in pixels where the spacing is unknown.

    Returns:
        Facts about the sequence; `criteria`, one object per criterion with `set`, `motion`,
        `name`, `unit`, `low`, `high`, `verdicts` (one of `LETTERS` per frame, `NOT_ASKED` where
        the frame was left out, or a single one where `whole` is true), `values` (None = not
        measurable) and `reasons` by position; `attributes`, T values each, None where they mean
        nothing, as the long axis of a short-axis slice, and of slices `RV_AREA` too.
    """
    (height, width), n = sequence.shape, sequence.n_frames
    return {
        "passed": found.passed,
        "anatomy": found.anatomy,
        "temporal": found.temporal_set,
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
            *(_criterion(found.anatomy, s, n, motion=False) for s in found.anatomy_summaries),
            *(
                _criterion(str(found.temporal_set), s, n, motion=True)
                for s in summarize(found.temporal)
            ),
        ],
        "attributes": _attributes(sequence, motion),
    }


def _attributes(sequence: EchoSequence, motion: Motion) -> dict[str, list[float | None]]:
    """The attributes of every frame by name; of a stack those that mean something on slices."""
    named = ON_SLICES if sequence.is_stack else ATTRIBUTES
    found = {
        name: [_known(frame[name]) if name in named else None for frame in motion.attributes]
        for name in ATTRIBUTES
    }
    if Label.RV in sequence.structures:
        row_mm, col_mm = sequence.spacing_mm or PIXELS
        pixels = [heart.pixels(Label.RV) for heart in motion.hearts]
        found[RV_AREA] = [n * row_mm * col_mm if n else None for n in pixels]
    return found


def audit_of(record: Mapping[str, Any]) -> SequenceAudit:
    """The audit that a record was made of."""
    frames: list[list[Finding]] = [[] for _ in range(record["n_frames"])]
    motion: list[Finding] = []
    for c in record["criteria"]:
        findings = findings_of(c)
        if c["motion"]:
            motion += findings
        else:
            for finding in findings:
                if finding.frame is not None:
                    frames[finding.frame].append(finding)
    return SequenceAudit(
        record["source"],
        record["anatomy"],
        record["temporal"],
        tuple(FrameAudit(tuple(found), t) for t, found in enumerate(frames)),
        tuple(motion),
    )


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
    return share, count(record, "F"), count(record, "N")


def criteria_not_passed(record: Mapping[str, Any], frame: int | None) -> list[str]:
    """Names of the criteria that a frame does not pass; those of the whole sequence for None."""
    position = 0 if frame is None else frame
    return [
        c["name"]
        for c in record["criteria"]
        if c["whole"] == (frame is None) and c["verdicts"][position] in "FN"
    ]


def _criterion(
    of: str, summary: CriterionSummary, n_frames: int, *, motion: bool
) -> dict[str, Any]:
    first = summary.findings[0]
    whole = first.frame is None
    at = {0 if whole else finding.frame: finding for finding in summary.findings}
    placed = [at.get(t) for t in range(1 if whole else n_frames)]
    return {
        "set": of,
        "motion": motion,
        "name": summary.criterion,
        "unit": first.unit,
        "low": first.low,
        "high": first.high,
        "whole": whole,
        "verdicts": "".join(NOT_ASKED if f is None else LETTERS[f.verdict] for f in placed),
        "values": [None if f is None else _known(f.value) for f in placed],
        "reasons": {str(i): f.reason for i, f in enumerate(placed) if f and f.reason},
    }


def findings_of(c: Mapping[str, Any]) -> list[Finding]:
    """Every finding of one of the `criteria` of a record."""
    return [
        Finding(
            c["name"],
            VERDICTS[letter],
            math.nan if value is None else value,
            c["low"],
            c["high"],
            c["unit"],
            c["reasons"].get(str(t), ""),
            None if c["whole"] else t,
        )
        for t, (letter, value) in enumerate(zip(c["verdicts"], c["values"], strict=True))
        if letter != NOT_ASKED
    ]


def _frame_counts(record: Mapping[str, Any], letters: str) -> list[int]:
    """How many criteria say one of `letters`, for every frame."""
    counts = [0] * record["n_frames"]
    for c in record["criteria"]:
        verdicts = c["verdicts"]
        if not c["whole"] and any(letter in verdicts for letter in letters):  # few say any
            counts = [n + (v in letters) for n, v in zip(counts, verdicts, strict=True)]
    return counts


def count(record: Mapping[str, Any], letter: str) -> int:
    """How many findings have the verdict of one of `LETTERS`."""
    return sum(c["verdicts"].count(letter) for c in record["criteria"])


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
