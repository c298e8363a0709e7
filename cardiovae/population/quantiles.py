"""Percentiles of a cohort in which every patient counts once, with 95 % intervals.

Levels are those of Hazen, (i - 1/2) / n, in between linear; with weights, the share of weight
below plus half of one's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cardiovae.intervals.bootstrap import COVERAGE_PERCENT, Interval, check_lengths, clusters
from cardiovae.intervals.proportion import wilson_by_cluster

Array = NDArray[np.float64]
Method = Literal["order statistics", "by patient", "none"]
LEVELS = (2.5, 5.0, 25.0, 50.0, 75.0, 95.0, 97.5)
"""Percentiles that are reported; the outer two hold what is called the reference interval."""
MIN_PATIENTS = 2


@dataclass(frozen=True, eq=False)
class Curve:
    """A distribution as a rising line from values to percentiles.

    Args:
        values: Rising, each once, shape (K,).
        percentiles: Of each, 0 to 100, shape (K,).
    """

    values: Array
    percentiles: Array

    def percentile(self, x: ArrayLike) -> Array:
        """Percentile of `x` within it, any shape; 0 and 100 beyond its ends, NaN for NaN."""
        given = np.asarray(x, np.float64)
        if not self.values.size:
            return np.full(given.shape, math.nan)
        found = np.interp(given, self.values, self.percentiles, left=0.0, right=100.0)
        return np.where(np.isnan(given), math.nan, found)

    def value(self, percentiles: ArrayLike) -> Array:
        """The values at `percentiles`, any shape; the extremes beyond the ends."""
        if not self.values.size:
            return np.full(np.shape(percentiles), math.nan)
        return np.asarray(
            np.interp(np.asarray(percentiles, np.float64), self.percentiles, self.values)
        )


def patient_weights(patients: Sequence[str]) -> Array:
    """Weights of observations, shape (N,), that sum to 1 over each patient.

    Examples:
        >>> patient_weights(["a", "b", "b"]).tolist()
        [1.0, 0.5, 0.5]
    """
    group = clusters(patients)
    return np.asarray(1.0 / np.bincount(group.index, minlength=group.n)[group.index], np.float64)


def curve_of(values: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """The distribution of known values, shape (N,); empty where none is known.

    Examples:
        >>> curve = curve_of([3.0, 1.0])
        >>> curve.value([25, 50, 75]).tolist(), curve.percentile([1.0, 2.0, 9.0]).tolist()
        ([1.0, 2.0, 3.0], [25.0, 50.0, 100.0])
    """
    numbers = np.asarray(values, np.float64)
    heavy = np.ones_like(numbers) if weights is None else np.asarray(weights, np.float64)
    known = np.isfinite(numbers)
    unique, index = np.unique(numbers[known], return_inverse=True)
    mass = np.bincount(index, heavy[known], unique.size)
    levels = 100.0 * (np.cumsum(mass) - mass / 2) / max(float(mass.sum()), 1e-300)
    return Curve(unique, levels)


@dataclass(frozen=True)
class Quantile:
    """One percentile of one quantity.

    Args:
        percent: Which.
        found: Its value with the 95 % interval; a bound is NaN where the cohort is too small to
            have one.
        method: How the interval was made.
    """

    percent: float
    found: Interval
    method: Method


def quantiles(
    values: ArrayLike, patients: Sequence[str], percents: Sequence[float] = LEVELS
) -> tuple[Quantile, ...]:
    """Percentiles of known values in which every patient has the same weight.

    With one value per patient, the interval is that of order statistics, exact whatever the
    distribution (Conover, "Practical Nonparametric Statistics", 3rd ed., 1999, as in SciPy). With
    several, the interval of the share below the percentile, between patients, is carried over to
    values (Woodruff, J Am Stat Assoc 47(260), 1952). Either way a bound takes as many patients as
    the exact one does: 146 for the outer bound of the percentiles 2.5 and 97.5.

    Args:
        values: One number per observation, shape (N,); NaN is left out.
        patients: Patient of each.
        percents: Which percentiles, 0 to 100.

    Raises:
        CardiovaeError: Not one patient per value.
    """
    numbers = np.asarray(values, np.float64)
    check_lengths(patients, numbers)
    known = np.flatnonzero(np.isfinite(numbers))
    whose = [patients[i] for i in known.tolist()]
    numbers = numbers[known]
    n_patients = len(set(whose))
    weights = patient_weights(whose) if whose else np.empty(0)
    curve = curve_of(numbers, weights)
    found = []
    for percent in percents:
        value = float(curve.value(percent))
        method: Method = "order statistics" if n_patients == len(whose) else "by patient"
        if n_patients < MIN_PATIENTS:
            found.append(Quantile(percent, Interval(value), "none"))
            continue
        if method == "order statistics":
            low, high = _by_order(numbers, percent / 100)
        else:
            low, high = _by_patient(numbers, whose, weights, curve, value)
        low, high = _allowed(low, high, percent / 100, n_patients)
        found.append(Quantile(percent, Interval(value, low, high), method))
    return tuple(found)


def _by_order(numbers: Array, p: float) -> tuple[float, float]:
    if not 0 < p < 1:
        return math.nan, math.nan
    test = stats.quantile_test(numbers, q=float(numbers[0]), p=p)
    bounds: Any = test.confidence_interval(COVERAGE_PERCENT / 100)  # SciPy's stubs: a float
    return float(bounds.low), float(bounds.high)


def _by_patient(
    numbers: Array, whose: Sequence[str], weights: Array, curve: Curve, value: float
) -> tuple[float, float]:
    """Woodruff's interval: of the share below, then of the values that have such shares."""
    group = clusters(whose)
    below = np.where(numbers < value, 1.0, np.where(numbers == value, 0.5, 0.0))
    shares = np.clip(np.bincount(group.index, below * weights, group.n), 0.0, 1.0)
    share = wilson_by_cluster(shares, np.ones(group.n))
    low, high = curve.value([100 * share.low, 100 * share.high])
    return float(low), float(high)


def _allowed(low: float, high: float, p: float, n: int) -> tuple[float, float]:
    """The bounds that `n` patients can have: one of order statistics takes a value beyond it."""
    tail = (1 - COVERAGE_PERCENT / 100) / 2
    return (
        low if (1 - p) ** n <= tail else math.nan,
        high if p**n <= tail else math.nan,
    )
