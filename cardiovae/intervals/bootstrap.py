"""Confidence intervals by patient: whole patients are drawn again, never single frames.

Frames of one patient resemble each other, so an interval that draws frames is too narrow (Field
and Welsh, "Bootstrapping clustered data", J R Stat Soc B 69(3), 2007). Percentile intervals.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError

N_RESAMPLES = 2000
COVERAGE_PERCENT = 95.0
MIN_PATIENTS = 2  # one alone says nothing of how patients differ


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval; NaN where it cannot be had.

    An interval takes at least two patients; with one, only the value is known.
    """

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which observation belongs to which patient.

    Args:
        index: Patient of each observation, counted from 0, shape (N,).
        n: Number of patients.
    """

    index: NDArray[np.int64]
    n: int

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of `values`, shape (N, K), over each patient: (P, K)."""
        total = np.zeros((self.n, values.shape[1]))
        np.add.at(total, self.index, values)
        return total


def clusters(patients: Sequence[Hashable]) -> Clusters:
    """Number the patients in the order of their first observation.

    Examples:
        >>> clusters(["b", "a", "b"]).index.tolist()
        [0, 1, 0]
    """
    numbers = {patient: i for i, patient in enumerate(dict.fromkeys(patients))}
    return Clusters(np.array([numbers[p] for p in patients], np.int64), len(numbers))


def resampled(
    sums: NDArray[np.float64], *, rng: np.random.Generator, n_resamples: int = N_RESAMPLES
) -> NDArray[np.float64]:
    """Sums over patients drawn with replacement, as many as there are.

    Args:
        sums: Sums of each patient, shape (P, K).
        rng: Source of randomness.
        n_resamples: How often.

    Returns:
        Shape (n_resamples, K); no rows for fewer than two patients.
    """
    n = len(sums)
    if n < MIN_PATIENTS:
        return np.empty((0, sums.shape[1]))
    times = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)
    return np.asarray(times @ sums)


def interval(value: float, resamples: NDArray[np.float64]) -> Interval:
    """The middle 95 % of the resamples, shape (R,), where the statistic is defined."""
    known = resamples[np.isfinite(resamples)]
    if not known.size or not math.isfinite(value):
        return Interval(value)
    tail = (100 - COVERAGE_PERCENT) / 2
    low, high = np.percentile(known, (tail, 100 - tail))
    return Interval(value, float(low), float(high))


def mean_by_patient(
    values: ArrayLike,
    patients: Sequence[Hashable],
    *,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """Mean of all known values, with an interval that draws whole patients again.

    Args:
        values: One number per observation, shape (N,); NaN is left out. For a paired comparison,
            the differences.
        patients: Patient of each.
        rng: Source of randomness.
        n_resamples: How often patients are drawn.

    Raises:
        CardiovaeError: Not one patient per value.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> mean_by_patient([1.0, 3.0, np.nan], ["a", "b", "b"], rng=rng)
        Interval(value=2.0, low=1.0, high=3.0)
    """
    numbers = np.asarray(values, np.float64)
    check_lengths(patients, numbers)
    known = np.flatnonzero(np.isfinite(numbers))
    if not known.size:
        return Interval(math.nan)
    group = clusters([patients[i] for i in known.tolist()])
    rows = np.stack([np.ones(known.size), numbers[known]], axis=1)
    drawn = resampled(group.sums(rows), rng=rng, n_resamples=n_resamples)
    return interval(float(numbers[known].mean()), drawn[:, 1] / drawn[:, 0])


def check_lengths(patients: Sequence[Hashable], *columns: NDArray[np.float64]) -> None:
    """Raise unless every column has the shape (N,) of N patients.

    Raises:
        CardiovaeError: Otherwise.
    """
    for column in columns:
        if column.shape != (len(patients),):
            raise CardiovaeError(
                f"patients: one per value is needed; got {len(patients)} patients for values of "
                f"shape {column.shape}"
            )
