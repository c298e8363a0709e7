"""Numbers as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiovae.intervals.bootstrap import Interval


def percent(flags: NDArray[np.bool_]) -> str:
    """Share of flags that are set, in percent; "-" of none.

    Examples:
        >>> percent(np.array([True, False, False])), percent(np.array([True]))
        ('33.3', '100')
    """
    if not flags.size:
        return "-"
    share = 100 * np.count_nonzero(flags) / flags.size
    return "100" if share == 100 else f"{share:.2f}" if share > 99 else f"{share:.1f}"


def number(value: float, digits: int) -> str:
    """A number, "-" where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def interval(found: Interval, digits: int) -> str:
    """An estimate and its interval."""
    value, low, high = (number(v, digits) for v in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def with_interval(number: Interval, digits: int) -> str:
    """A difference with its interval.

    Examples:
        >>> with_interval(Interval(0.5, -0.25, 1.0), 1)
        '+0.5 [-0.2, +1.0]'
    """
    if math.isnan(number.value):
        return "-"
    if math.isnan(number.low):
        return f"{number.value:+.{digits}f}"
    return f"{number.value:+.{digits}f} [{number.low:+.{digits}f}, {number.high:+.{digits}f}]"


def signed(numbers: Sequence[Interval], digits: int) -> str:
    """Differences of LV, MYO and LA with their intervals."""
    return " / ".join(with_interval(number, digits) for number in numbers)
