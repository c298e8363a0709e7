"""What the report of a batch keeps of each record: one small row, whatever the length of the loop.

A criterion is judged by sequence: it fails where one frame fails, and its value is that of the
frame farthest beyond the limits, or closest to them.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cardiovae.audit.record import badness, implausible_frames, worst_frame
from cardiovae.errors import CardiovaeError
from cardiovae.report.batch_pictures import identifier
from cardiovae.report.wording import limits, readable

VERDICTS: Mapping[str, str] = {
    "F": "does not pass",
    "N": "not measurable",
    "E": "unreadable",
    "P": "passes",
}  # in the order of urgency
NOT_JUDGED = "-"


@dataclass(frozen=True)
class Rule:
    """A criterion of the run: what reports call it, its limits and where they come from."""

    set: str
    name: str
    unit: str
    low: float | None
    high: float | None
    source: str
    motion: bool

    @property
    def key(self) -> tuple[str, str]:
        """Set and name, by which records refer to it."""
        return self.set, self.name

    @property
    def label(self) -> str:
        """The criterion in words."""
        return f"Motion: {readable(self.name)}" if self.motion else readable(self.name)

    @property
    def limits(self) -> str:
        """The values that pass, in words."""
        return limits({"low": self.low, "high": self.high, "unit": self.unit})

    def excess(self, value: float) -> float:
        """How far a value lies beyond the limits; negative within them."""
        below = -math.inf if self.low is None else self.low - value
        above = -math.inf if self.high is None else value - self.high
        return max(below, above)


@dataclass(frozen=True, slots=True)
class Change:
    """What a correction did to a sequence.

    `fixed` counts, for each rule, the frames that did not pass before and pass now, `broken`
    those that passed before and do not now; `open` those that did not pass before.
    """

    status: str
    reason: str
    n_frames: int
    share: float | None
    ef_before: float | None
    ef_after: float | None
    verdict: str
    n_implausible: int
    worst_frame: int
    open: array[int]
    fixed: array[int]
    broken: array[int]

    @property
    def shift(self) -> float | None:
        """Ejection fraction after minus before, in points; None where either is unknown."""
        if self.ef_before is None or self.ef_after is None:
            return None
        return self.ef_after - self.ef_before


@dataclass(frozen=True, slots=True)
class Row:
    """One input. What has one entry per rule is empty where the input could not be read.

    Args:
        source: Its unique name.
        sha256: Of its content, "" where unknown.
        verdict: A key of `VERDICTS`.
        badness: What sequences are ordered by, worst last.
        n_frames: Frames, 0 where unreadable.
        n_implausible: Frames with a finding that is not PASS.
        n_failed: Findings that fail.
        n_unmeasured: Findings that could not be measured.
        worst_frame: The frame with most failures, -1 for none.
        view: View, "" where unknown.
        subgroups: Names and values.
        letters: Verdict by rule, `NOT_JUDGED` where it does not apply.
        values: Worst value by rule, NaN where there is none.
        frames: Frame of that value, -1 where there is none.
        failed: Frames that fail, by rule.
        text: Error or notes.
        page: A page about it that was written elsewhere, as an address relative to the report.
        change: What a correction did, None without one.
        patient: Whose heart it is, "" where unknown.
    """

    source: str
    sha256: str
    verdict: str
    badness: tuple[float, int, int]
    n_frames: int
    n_implausible: int
    n_failed: int
    n_unmeasured: int
    worst_frame: int
    view: str
    subgroups: tuple[tuple[str, str], ...]
    letters: str
    values: array[float]
    frames: array[int]
    failed: array[int]
    text: str
    page: str
    change: Change | None
    patient: str = ""

    @property
    def id(self) -> str:
        """Name of the files about it."""
        return identifier(self.source)

    @property
    def flagged(self) -> bool:
        """Whether a person should look: it does not pass, or a correction touched it."""
        return is_flagged(self.verdict, self.change)


def is_flagged(verdict: str, change: Change | None) -> bool:
    """Whether a person should look at a row; see `Row.flagged`."""
    touched = change is not None and (change.verdict != "P" or change.n_frames > 0)
    return verdict in "FN" or touched


def rules_of(run: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The criteria of a run, in its order."""
    return tuple(
        Rule(
            set=c["set"],
            name=c["name"],
            unit=c["unit"],
            low=c["low"],
            high=c["high"],
            source=c["source"],
            motion=bool(c.get("signal")) or c["set"] == run["temporal"],
        )
        for c in run["criteria"]
    )


def row_of(record: Mapping[str, Any], rules: Sequence[Rule]) -> Row:
    """The row of a record.

    Raises:
        CardiovaeError: The record names a criterion that the run does not list.
    """
    # Few words for many rows: each is kept once.
    named = record.get("subgroups", {}).items()
    subgroups = tuple(sorted((sys.intern(str(k)), sys.intern(str(v))) for k, v in named))
    source, sha256 = record["source"], record["sha256"] or ""
    patient = sys.intern(record.get("patient", ""))
    if record["status"] != "ok":
        return _unreadable(source, sha256, record["error"], subgroups, patient)
    found = _by_rule(record, rules)
    share, n_failed, n_unmeasured = badness(record)
    values, frames = array("d"), array("i")
    for criterion, rule in zip(found, rules, strict=True):
        value, frame = _extreme(criterion["values"], rule) if criterion else (math.nan, -1)
        values.append(value)
        frames.append(-1 if criterion is None or criterion["whole"] else frame)
    return Row(
        source=source,
        sha256=sha256,
        verdict=_verdict(record),
        badness=(share, n_failed, n_unmeasured),
        n_frames=record["n_frames"],
        n_implausible=len(implausible_frames(record)),
        n_failed=n_failed,
        n_unmeasured=n_unmeasured,
        worst_frame=_worst(record),
        view=sys.intern(record["view"] or ""),
        subgroups=subgroups,
        letters=sys.intern("".join(_letter(c["verdicts"]) if c else NOT_JUDGED for c in found)),
        values=values,
        frames=frames,
        failed=_counts(found, "F"),
        text="; ".join(record.get("notes", ())),
        page=_address(record.get("page", "")),
        change=_change(record, found, rules) if record.get("before") else None,
        patient=patient,
    )


def _unreadable(
    source: str, sha256: str, error: str, subgroups: tuple[tuple[str, str], ...], patient: str
) -> Row:
    return Row(
        source=source,
        sha256=sha256,
        verdict="E",
        badness=(0.0, 0, 0),
        n_frames=0,
        n_implausible=0,
        n_failed=0,
        n_unmeasured=0,
        worst_frame=-1,
        view="",
        subgroups=subgroups,
        letters="",
        values=array("d"),
        frames=array("i"),
        failed=array("I"),
        text=error,
        page="",
        change=None,
        patient=patient,
    )


def _address(page: str) -> str:
    """A path as an address: whatever its name, it is no address of anything but a file."""
    return PurePosixPath("/", page).as_uri().removeprefix("file:///") if page else ""


def _change(
    record: Mapping[str, Any], found: Sequence[Mapping[str, Any] | None], rules: Sequence[Rule]
) -> Change:
    before, done = record["before"], record["correction"]
    old = _by_rule(before, rules)
    pairs = [
        list(zip(a["verdicts"], b["verdicts"], strict=False)) if a and b else []
        for a, b in zip(old, found, strict=True)
    ]
    return Change(
        status=done["status"],
        reason=done["reason"] or "",
        n_frames=done["n_changed_frames"],
        share=done["changed_share"],
        ef_before=done["ef_before"],
        ef_after=done["ef_after"],
        verdict=_verdict(before),
        n_implausible=len(implausible_frames(before)),
        worst_frame=_worst(before),
        open=_counts(old, "FN"),
        # What one of both was not asked is neither: a slice may lose or gain a structure.
        fixed=array("I", (sum(a in "FN" and b == "P" for a, b in pair) for pair in pairs)),
        broken=array("I", (sum(a == "P" and b in "FN" for a, b in pair) for pair in pairs)),
    )


def _by_rule(
    record: Mapping[str, Any], rules: Sequence[Rule]
) -> tuple[Mapping[str, Any] | None, ...]:
    """The criteria of a record in the order of the rules; None where one does not apply."""
    found = {(c["set"], c["name"]): c for c in record["criteria"]}
    unknown = found.keys() - {rule.key for rule in rules}
    if unknown:
        raise CardiovaeError(
            f"{record.get('source', 'before')}: its record names criteria that the run does not "
            f"list: {sorted(unknown)}; report on records of one run"
        )
    return tuple(found.get(rule.key) for rule in rules)


def _verdict(record: Mapping[str, Any]) -> str:
    if record["passed"]:
        return "P"
    return "F" if any("F" in c["verdicts"] for c in record["criteria"]) else "N"


def _worst(record: Mapping[str, Any]) -> int:
    frame = worst_frame(record)
    return -1 if frame is None else frame


def _letter(verdicts: str) -> str:
    """The worst of the verdicts of all frames."""
    return next((letter for letter in "FN" if letter in verdicts), "P")


def _counts(found: Sequence[Mapping[str, Any] | None], letters: str) -> array[int]:
    """Frames with one of the verdicts, by rule."""
    return array("I", (sum(map(c["verdicts"].count, letters)) if c else 0 for c in found))


def _extreme(values: Sequence[float | None], rule: Rule) -> tuple[float, int]:
    """The value farthest beyond the limits, or closest to them, and its first position."""
    known = [value for value in values if value is not None]
    if not known:
        return math.nan, -1
    worst = max(min(known), max(known), key=rule.excess)
    return worst, values.index(worst)
