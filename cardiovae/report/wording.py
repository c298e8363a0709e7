"""Numbers, names and limits of the record in words that people read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

NOT_MEASURABLE = "not measurable"
MAX_RUNS = 8
NOISE = 1e-9  # mm, degrees or shares: below it a value is the rounding of a sum
UNITS = {"mm2": "mm²", "px2": "px²", "deg": "°", "ratio": "", "flag": ""}
ACTIONS = {
    "kept": "kept bit for bit",
    "repaired": "repaired",
    "smoothed": "moved for consistent motion",
    "changed": "changed",
    "reverted": "left as it came",
    "implausible": "does not pass",
}
_TOKENS = {
    "lv": "LV",
    "myo": "MYO",
    "la": "LA",
    "rv": "RV",
    "epi": "epicardium",
    "hausdorff": "Hausdorff distance",
    "bg": "background",
    "atrium": "LA",
}
_UNIT_SUFFIX = re.compile(r"_(mm2|mm|px2|px|deg)$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def number(value: float | None, digits: int = 4) -> str:
    """A number as people read it; "not measurable" for None and NaN.

    Examples:
        >>> number(12345.6), number(0.12345), number(None), number(10)
        ('12,346', '0.1235', 'not measurable', '10')
    """
    if not is_number(value):
        return NOT_MEASURABLE
    if abs(value) < NOISE:
        return "0"
    text = f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
    return text.replace("-", "\N{MINUS SIGN}")


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether there is a finite value."""
    return value is not None and math.isfinite(value)


def unit_text(unit: str) -> str:
    """A unit as it is printed; empty for pure numbers.

    Examples:
        >>> unit_text("mm2"), unit_text("mm"), unit_text("ratio")
        ('mm²', 'mm', '')
    """
    return UNITS.get(unit, unit)


def readable(name: str) -> str:
    """A criterion or attribute by its name, without its unit; other text as it is.

    Examples:
        >>> readable("lv_hole_area_mm2"), readable("lv_la_gap_area_mm2"), readable("Too dark")
        ('LV hole area', 'LV-LA gap area', 'Too dark')
    """
    if not _NAME.fullmatch(name):
        return name
    words = " ".join(_TOKENS.get(w, w) for w in _UNIT_SUFFIX.sub("", name).split("_"))
    words = re.sub(r"\b(LV|MYO|RV) (MYO|LA|RV|background)\b", "\\1-\\2", words)
    return words[0].upper() + words[1:]


def with_unit(value: float | None, unit: str, digits: int = 4) -> str:
    """A value and its unit; a flag is "yes" or "no".

    Examples:
        >>> with_unit(12.0, "mm2"), with_unit(1.0, "flag"), with_unit(None, "mm")
        ('12 mm²', 'yes', 'not measurable')
    """
    if not is_number(value):
        return NOT_MEASURABLE
    if unit == "flag":
        return "yes" if value else "no"
    return f"{number(value, digits)} {unit_text(unit)}".rstrip().replace(" °", "°")


def limits(finding: Mapping[str, Any]) -> str:
    """The limits of a finding in words.

    Examples:
        >>> limits({"low": None, "high": 0.0, "unit": "mm2"})
        'at most 0 mm²'
        >>> limits({"low": -0.2, "high": 0.2, "unit": "ratio"})
        '±0.2'
        >>> limits({"low": 1.0, "high": None, "unit": "flag"})
        'must be yes'
        >>> limits({"low": 0.0, "high": 0.0, "unit": "px"})
        'exactly 0 px'
    """
    low, high, unit = finding["low"], finding["high"], finding["unit"]
    if unit == "flag":
        return "must be yes" if low else "must be no"
    if low is None:
        return f"at most {with_unit(high, unit)}"
    if high is None:
        return f"at least {with_unit(low, unit)}"
    if low == high:
        return f"exactly {with_unit(high, unit)}"
    if low == -high:
        return f"±{with_unit(high, unit)}"
    return f"{number(low)} to {with_unit(high, unit)}"


def brief_limits(finding: Mapping[str, Any]) -> str:
    """`limits` for a narrow column, without the unit.

    Examples:
        >>> brief_limits({"low": 0.2, "high": None, "unit": "ratio"})
        'min 0.2'
    """
    low, high, unit = finding["low"], finding["high"], finding["unit"]
    if unit == "flag":
        return limits(finding)
    if low is None or high is None:
        return f"max {number(high)}" if low is None else f"min {number(low)}"
    if low == high:
        return number(high)
    return f"±{number(high)}" if low == -high else f"{number(low)} to {number(high)}"


def count(n: int, one: str, many: str = "") -> str:
    """A number of things.

    Examples:
        >>> count(1, "frame"), count(3, "frame")
        ('1 frame', '3 frames')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def frames_text(frames: Iterable[int]) -> str:
    """Ascending frame indices with runs drawn together, cut off when there are many.

    Examples:
        >>> frames_text([0, 3, 4, 5, 12])
        '0, 3-5, 12'
        >>> frames_text(range(0, 40, 2))
        '0, 2, 4, 6, 8, 10, 12, 14, ...'
    """
    runs: list[tuple[int, int]] = []
    for t in frames:
        if runs and runs[-1][1] == t - 1:
            runs[-1] = (runs[-1][0], t)
        else:
            runs.append((t, t))
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:MAX_RUNS]]
    return ", ".join(texts + ["..."] * (len(runs) > MAX_RUNS))
