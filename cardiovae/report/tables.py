"""The findings of the record, gathered into the rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiovae.report.wording import brief_limits, is_number, limits, readable, with_unit

Finding = Mapping[str, Any]
Audit = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A text and, where there is more to say, the words of its tooltip."""

    text: str
    tip: str = ""


@dataclass(frozen=True)
class Problem:
    """A criterion that one frame does not pass; `kind` is "anatomy" or "motion".

    `measured` tells a failure from a value that could not be had.
    """

    name: str
    kind: str
    value: Cell
    limit: str
    measured: bool


@dataclass(frozen=True)
class Count:
    """How many frames fail a criterion, and how many could not be measured."""

    failed: int
    unmeasured: int


@dataclass(frozen=True)
class CriterionRow:
    """One criterion over all frames, before and after.

    `verdicts` are those of the frames in order, before and after, None where a frame has none;
    empty when the criterion was judged without frames.
    """

    name: str
    raw: str
    limits: str
    before: Count
    after: Count
    worst_before: Cell
    worst_after: Cell
    verdicts: tuple[tuple[str | None, ...], tuple[str | None, ...]]

    @property
    def clean(self) -> bool:
        """Whether every frame passes, before and after."""
        return self.before == self.after == Count(0, 0)


def anatomy_rows(before: Audit, after: Audit) -> tuple[CriterionRow, ...]:
    """One row per anatomical criterion, in the order of the criteria set."""
    old, new = (
        [f for frame in audit["frames"] for f in frame["findings"]] for audit in (before, after)
    )
    return _rows(old, new, int(before["n_frames"]))


def temporal_rows(before: Audit, after: Audit) -> tuple[CriterionRow, ...]:
    """One row per temporal criterion, in the order of the criteria set."""
    return _rows(before["temporal_findings"], after["temporal_findings"], int(before["n_frames"]))


def problems(audit: Audit, t: int) -> tuple[Problem, ...]:
    """What frame `t` does not pass, anatomy first."""
    findings = [(f, "anatomy") for f in audit["frames"][t]["findings"]]
    findings += [(f, "motion") for f in audit["temporal_findings"] if f["frame"] == t]
    return tuple(
        Problem(
            readable(f["criterion"]),
            kind,
            Cell(with_unit(f["value"], f["unit"], 3), f["reason"]),
            brief_limits(f),
            f["verdict"] == "FAIL",
        )
        for f, kind in findings
        if f["verdict"] != "PASS"
    )


def state(found: tuple[Problem, ...]) -> str:
    """The worst of a frame's problems: "bad" anatomy, a "jump" of its motion, or "fine"."""
    kinds = {problem.kind for problem in found}
    return "bad" if "anatomy" in kinds else "jump" if kinds else "fine"


def failures(findings: Sequence[Finding]) -> int:
    """How many findings fail."""
    return sum(f["verdict"] == "FAIL" for f in findings)


def badness(finding: Finding) -> tuple[int, float]:
    """Sorts findings: failures above what was not measured above passes, then by the excess."""
    rank = {"FAIL": 2, "NOT_MEASURABLE": 1}.get(finding["verdict"], 0)
    value = finding["value"]
    if not is_number(value):
        return rank, -math.inf
    below = -math.inf if finding["low"] is None else finding["low"] - value
    above = -math.inf if finding["high"] is None else value - finding["high"]
    return rank, max(below, above)


def _rows(
    before: Sequence[Finding], after: Sequence[Finding], n_frames: int
) -> tuple[CriterionRow, ...]:
    groups = [_grouped(before), _grouped(after)]
    return tuple(
        _row(name, [group.get(name, []) for group in groups], n_frames)
        for name in dict.fromkeys([*groups[0], *groups[1]])
    )


def _grouped(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding["criterion"], []).append(finding)
    return groups


def _row(name: str, found: Sequence[Sequence[Finding]], n_frames: int) -> CriterionRow:
    first = next(f for findings in found for f in findings)
    counts = [
        Count(failures(findings), sum(f["verdict"] == "NOT_MEASURABLE" for f in findings))
        for findings in found
    ]
    worst = [_worst(findings) for findings in found]
    verdicts = [_by_frame(findings, n_frames) for findings in found]
    return CriterionRow(
        name=readable(name),
        raw=name,
        limits=limits(first),
        before=counts[0],
        after=counts[1],
        worst_before=worst[0],
        worst_after=worst[1],
        verdicts=(verdicts[0], verdicts[1]),
    )


def _worst(findings: Sequence[Finding]) -> Cell:
    if not findings:
        return Cell("not judged")
    worst = max(findings, key=badness)
    where = "" if worst["frame"] is None else f"frame {worst['frame']}: "
    return Cell(where + with_unit(worst["value"], worst["unit"]), worst["reason"])


def _by_frame(findings: Sequence[Finding], n_frames: int) -> tuple[str | None, ...]:
    verdicts: list[str | None] = [None] * n_frames
    for finding in findings:
        if finding["frame"] is not None:
            verdicts[finding["frame"]] = finding["verdict"]
    return tuple(verdicts)
