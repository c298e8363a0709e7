"""Published normal ranges, and where a heart lies: data of `configs/reference`, strictly read."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from cardiovae.config import build_settings, read_preset
from cardiovae.errors import ConfigError
from cardiovae.indices.names import INDICES
from cardiovae.indices.subjects import SEXES, Subject
from cardiovae.indices.view import Index
from cardiovae.sequence import SAX

DEFAULT = "ase2015"
ANY = "any"
NORMAL, OUTSIDE, UNKNOWN = "normal", "outside", "unknown"
DEGREES = ("mildly abnormal", "moderately abnormal", "severely abnormal")
CHECKED = {
    "page": "",
    "limits": " (degrees not compared with print)",
    "memory": " (not compared with print)",
}
"""How a range was compared with print, and what is said of that beside its source."""


@dataclass(frozen=True)
class Range:
    """A normal range with degrees of abnormality.

    Args:
        index: One of `INDICES`.
        sex: "female", "male" or "any".
        low: Smallest normal value.
        high: Largest.
        source: Key of the set's sources.
        checked: How it was compared with print: "page", "limits" (what is normal, not the
            degrees) or "memory" (not yet).
        above: Largest value that is mildly, then moderately abnormal; None = no degrees.
        below: Smallest value that is mildly, then moderately abnormal; None = no degrees.
        why_not: Why nothing is judged by it; empty where something is.

    Raises:
        ConfigError: An unknown index, sex or check, or numbers in the wrong order.
    """

    index: str
    sex: str
    low: float
    high: float
    source: str
    checked: str
    above: tuple[float, float] | None = None
    below: tuple[float, float] | None = None
    why_not: str = ""

    def __post_init__(self) -> None:
        title = f"range of '{self.index}', {self.sex}"
        if self.index not in INDICES:
            raise ConfigError(f"{title}: no such index; there are {', '.join(INDICES)}")
        if self.sex not in (*SEXES, ANY) or self.checked not in CHECKED:
            raise ConfigError(
                f"{title}: sex is one of {(*SEXES, ANY)} and checked one of {(*CHECKED,)}, got "
                f"'{self.sex}' and '{self.checked}'"
            )
        order = (*reversed(self.below or ()), self.low, self.high, *(self.above or ()))
        if list(order) != sorted(order):
            raise ConfigError(f"{title}: below, low, high and above must rise, got {order}")

    def degree(self, value: float) -> str:
        """What a value is called, rounded to a whole number as the ranges are printed."""
        whole = math.floor(value + 0.5)
        if self.low <= whole <= self.high:
            return NORMAL
        if whole > self.high:
            steps = None if self.above is None else [whole > limit for limit in self.above]
        else:
            steps = None if self.below is None else [whole < limit for limit in self.below]
        return OUTSIDE if steps is None else DEGREES[sum(steps)]


@dataclass(frozen=True)
class Ranges:
    """A set of ranges, with its sources by key.

    Args:
        name: What it is called.
        description: Whom and which methods it is for.
        sources: By key.
        ranges: Each index and sex once.
        short_axis: Whether it is for stacks of short-axis slices instead of apical views, whose
            volumes differ.

    Raises:
        ConfigError: A source that is none, or a range given twice.
    """

    name: str
    description: str
    sources: dict[str, str]
    ranges: tuple[Range, ...]
    short_axis: bool = False

    def __post_init__(self) -> None:
        lost = sorted({r.source for r in self.ranges} - self.sources.keys())
        keys = [(r.index, r.sex) for r in self.ranges]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if lost or twice:
            raise ConfigError(
                f"ranges '{self.name}': unknown sources {lost or 'none'}, given twice "
                f"{twice or 'none'}"
            )

    def of(self, index: str, sex: str | None) -> Range | None:
        """The range that holds for an index and sex; None where there is none."""
        return next((r for r in self.ranges if r.index == index and r.sex in (ANY, sex)), None)


@dataclass(frozen=True)
class Judgment:
    """Where a value lies.

    Args:
        flag: "normal", a degree, "outside" (no degrees are published) or "unknown".
        side: "low" or "high" of the normal range; empty where it is neither.
        low: Normal from here; None = no range.
        high: Normal up to here.
        source: Where the range is from.
        reason: Why it is unknown.
    """

    flag: str
    side: str = ""
    low: float | None = None
    high: float | None = None
    source: str = ""
    reason: str = ""


@functools.cache
def reference(name: str = DEFAULT) -> Ranges:
    """The ranges of a preset of `configs/reference`, or of a YAML file by its path.

    Raises:
        ConfigError: No such preset, or one that breaks a rule.
    """
    return build_settings(Ranges, read_preset("reference", name), origin=f"reference {name}")


def judge(name: str, index: Index, subject: Subject, ranges: Ranges) -> Judgment:
    """Where an index of a patient lies in published ranges; "unknown" rather than a guess."""
    if index.method and (index.method == SAX) != ranges.short_axis:
        other = "short-axis stacks" if ranges.short_axis else "apical views"
        return Judgment(UNKNOWN, reason=index.reason or f"the ranges are for {other}")
    found = ranges.of(name, subject.sex)
    if found is None:
        sexed = any(ranges.of(name, sex) for sex in SEXES)
        reason = "the sex is unknown" if sexed else "no range is published for it"
        return Judgment(UNKNOWN, reason=index.reason or reason)
    source = ranges.sources[found.source] + CHECKED[found.checked]
    if not math.isfinite(index.value) or found.why_not:
        reason = index.reason or found.why_not
        return Judgment(UNKNOWN, "", found.low, found.high, source, reason)
    flag = found.degree(index.value)
    side = "" if flag == NORMAL else "high" if index.value > found.high else "low"
    return Judgment(flag, side, found.low, found.high, source)
