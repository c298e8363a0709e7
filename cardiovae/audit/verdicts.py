"""What an audit says: findings per criterion, gathered per frame and per sequence."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Outcome of one criterion."""

    PASS = "PASS"
    FAIL = "FAIL"
    NOT_MEASURABLE = "NOT_MEASURABLE"


@dataclass(frozen=True)
class Finding:
    """One criterion applied to one frame.

    Args:
        criterion: Name of the criterion.
        verdict: Its outcome.
        value: What was measured, in `unit`; NaN where it could not be.
        low: Smallest value that passes, None = no limit.
        high: Largest value that passes, None = no limit.
        unit: Unit of value and limits.
        reason: Why it is not measurable, or what the value rests on; empty when there is nothing
            to say.
        frame: Index of the frame, None when the finding is about a whole sequence.
    """

    criterion: str
    verdict: Verdict
    value: float
    low: float | None
    high: float | None
    unit: str
    reason: str = ""
    frame: int | None = None

    @property
    def limits(self) -> str:
        """The values that pass, for a reader, without their unit."""
        low = "" if self.low is None else f"{self.low:.4g}"
        high = "" if self.high is None else f"{self.high:.4g}"
        if low and high:
            return f"{low} to {high}"
        return f">= {low}" if low else f"<= {high}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; an unmeasured value is None."""
        return {
            "criterion": self.criterion,
            "verdict": self.verdict.value,
            "value": self.value if math.isfinite(self.value) else None,
            "low": self.low,
            "high": self.high,
            "unit": self.unit,
            "reason": self.reason,
            "frame": self.frame,
        }


@dataclass(frozen=True)
class CriterionSummary:
    """One criterion over a sequence.

    Args:
        criterion: Name of the criterion.
        n_passed: How many of its findings are PASS.
        findings: All of them, in the order of the frames; at least one.
    """

    criterion: str
    n_passed: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every finding is PASS."""
        return self.n_passed == len(self.findings)

    @property
    def worst(self) -> Finding:
        """The finding furthest beyond its limits; one that fails, if any does."""
        return max(self.findings, key=_badness)


def summarize(
    findings: Iterable[Finding], order: Iterable[str] = ()
) -> tuple[CriterionSummary, ...]:
    """One summary per criterion: those named in `order`, then by their first findings."""
    groups: dict[str, list[Finding]] = {name: [] for name in order}
    for finding in findings:
        groups.setdefault(finding.criterion, []).append(finding)
    return tuple(
        CriterionSummary(name, sum(f.verdict is Verdict.PASS for f in group), tuple(group))
        for name, group in groups.items()
        if group
    )


@dataclass(frozen=True)
class FrameAudit:
    """Findings of every criterion that applies to one frame."""

    findings: tuple[Finding, ...]
    frame: int | None = None

    @property
    def passed(self) -> bool:
        """Whether every finding is PASS."""
        return all(finding.verdict is Verdict.PASS for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that are not PASS."""
        return tuple(f for f in self.findings if f.verdict is not Verdict.PASS)

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "frame": self.frame,
            "passed": self.passed,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class SequenceAudit:
    """Anatomical audit of every frame and temporal audit of the whole sequence.

    Args:
        source: What was audited.
        anatomy: Name of the anatomical criteria set.
        temporal_set: Name of the temporal criteria set, None when there was none.
        frames: One audit per frame.
        temporal: Temporal findings, one per criterion and frame; one per criterion, without a
            frame, where nothing could be measured.
    """

    source: str
    anatomy: str
    temporal_set: str | None
    frames: tuple[FrameAudit, ...]
    temporal: tuple[Finding, ...]

    @property
    def anatomy_summaries(self) -> tuple[CriterionSummary, ...]:
        """One summary per anatomical criterion, in the order of the frame that is asked most."""
        most = max(self.frames, key=lambda frame: len(frame.findings), default=FrameAudit(()))
        findings = (finding for frame in self.frames for finding in frame.findings)
        return summarize(findings, (finding.criterion for finding in most.findings))

    @property
    def invalid_frames(self) -> tuple[int, ...]:
        """Indices of the frames that do not pass."""
        return tuple(t for t, frame in enumerate(self.frames) if not frame.passed)

    @property
    def temporal_verdict(self) -> Verdict:
        """FAIL if any temporal finding fails, else NOT_MEASURABLE if any is so, else PASS."""
        verdicts = {finding.verdict for finding in self.temporal}
        for verdict in (Verdict.FAIL, Verdict.NOT_MEASURABLE):
            if verdict in verdicts:
                return verdict
        return Verdict.PASS

    @property
    def passed(self) -> bool:
        """Whether all frames pass, and so does the sequence where it has the 3 frames it takes."""
        consistent = len(self.frames) < 3 or self.temporal_verdict is Verdict.PASS
        return consistent and not self.invalid_frames

    def to_json(self) -> dict[str, Any]:
        """Plain data, strictly valid JSON: unmeasured values are None."""
        return {
            "source": self.source,
            "passed": self.passed,
            "n_frames": len(self.frames),
            "invalid_frames": list(self.invalid_frames),
            "anatomy": self.anatomy,
            "temporal": self.temporal_set,
            "temporal_verdict": self.temporal_verdict.value if self.temporal_set else None,
            "frames": [frame.to_json() for frame in self.frames],
            "temporal_findings": [finding.to_json() for finding in self.temporal],
        }

    def json_text(self) -> str:
        """`to_json` as text."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False)

    def table(self) -> str:
        """Plain text: per criterion its worst frame, value, limits and how many frames pass."""
        lines = [_summary(self)]
        lines += _rows(f"anatomy: {self.anatomy}", self.anatomy_summaries)
        if self.temporal_set is not None:
            lines += _rows(f"temporal: {self.temporal_set}", summarize(self.temporal))
        return "\n".join(lines)


HEADINGS = ("criterion", "pass", "frame", "worst", "limits", "unit", "verdict")


def _summary(audit: SequenceAudit) -> str:
    n_frames, invalid = len(audit.frames), len(audit.invalid_frames)
    text = f"{audit.source}: {invalid} of {n_frames} frames invalid"
    if audit.temporal_set is not None:
        text += f", temporal consistency {audit.temporal_verdict}"
    return f"{text}: {Verdict.PASS if audit.passed else 'not passed'}"


def _rows(title: str, summaries: Sequence[CriterionSummary]) -> list[str]:
    """Aligned lines of text, one per criterion, under a title and headings."""
    if not summaries:
        return ["", title, "  no criterion applies"]
    rows: list[tuple[str, ...]] = [HEADINGS]
    notes: list[str] = []
    for summary in summaries:
        worst = summary.worst
        rows.append(
            (
                summary.criterion,
                f"{summary.n_passed}/{len(summary.findings)}",
                "-" if worst.frame is None else str(worst.frame),
                "-" if math.isnan(worst.value) else f"{worst.value:.4g}",
                worst.limits,
                worst.unit,
                worst.verdict.value,
            )
        )
        if worst.reason:
            notes.append(f"  {summary.criterion}: {worst.reason}")
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    table = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return ["", title, *table, *notes]


def _badness(finding: Finding) -> tuple[int, float]:
    """Failures before what could not be measured before passes, then by the excess."""
    rank = {Verdict.FAIL: 2, Verdict.NOT_MEASURABLE: 1, Verdict.PASS: 0}[finding.verdict]
    if math.isnan(finding.value):
        return rank, -math.inf
    below = -math.inf if finding.low is None else finding.low - finding.value
    above = -math.inf if finding.high is None else finding.value - finding.high
    return rank, max(below, above)
