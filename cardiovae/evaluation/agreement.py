"""How well a measurement agrees with its reference.

Bias and limits of agreement after Bland and Altman, Lancet 327(8476), 1986: the mean of the
differences, and that mean plus and minus 1.96 standard deviations of the differences.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.intervals.bootstrap import (
    N_RESAMPLES,
    Interval,
    check_lengths,
    clusters,
    interval,
    resampled,
)

LIMITS_SD = 1.96
MIN_FOR_CORRELATION = 3  # two points always lie on a line
NOISE = 1e-12


@dataclass(frozen=True)
class Agreement:
    """Measured minus reference, in the unit of both, with 95 % intervals by patient.

    Args:
        n: Pairs of which both numbers are known.
        n_patients: Patients they come from.
        bias: Mean difference.
        lower_limit: Lower limit of agreement; NaN for fewer than two pairs.
        upper_limit: Upper limit of agreement.
        mae: Mean absolute difference.
        pearson_r: Correlation; NaN for fewer than three pairs or where one never changes.
    """

    n: int
    n_patients: int
    bias: Interval
    lower_limit: Interval
    upper_limit: Interval
    mae: Interval
    pearson_r: Interval


def agreement(
    measured: ArrayLike,
    reference: ArrayLike,
    patients: Sequence[Hashable],
    *,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Agreement:
    """Bias, limits of agreement, mean absolute error and correlation of paired numbers.

    Args:
        measured: One number per pair, shape (N,); pairs with a NaN are left out.
        reference: The numbers to agree with, shape (N,).
        patients: Patient of each pair; whole patients are drawn again for the intervals.
        rng: Source of randomness.
        n_resamples: How often patients are drawn.

    Returns:
        All NaN where no pair is known; no interval for a single patient.

    Raises:
        CardiovaeError: The lengths differ.
    """
    found, truth = np.asarray(measured, np.float64), np.asarray(reference, np.float64)
    check_lengths(patients, found, truth)
    known = np.flatnonzero(np.isfinite(found) & np.isfinite(truth))
    group = clusters([patients[i] for i in known.tolist()])
    sums = group.sums(_moments(found[known], truth[known]))
    whole = _statistics(sums.sum(axis=0, keepdims=True))
    drawn = _statistics(resampled(sums, rng=rng, n_resamples=n_resamples))
    estimates = [interval(float(whole[0, k]), drawn[:, k]) for k in range(whole.shape[1])]
    return Agreement(int(known.size), group.n, *estimates)


def _moments(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every statistic is made of, for each pair: shape (N, 10)."""
    difference = found - truth
    # Centered, or the squares of large numbers would cancel away their small spread.
    x, y, d = (v - v.mean() if v.size else v for v in (found, truth, difference))
    one, absolute = np.ones_like(difference), np.abs(difference)
    return np.stack([one, difference, absolute, d, x, y, d * d, x * x, y * y, x * y], axis=1)


def _statistics(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bias, lower and upper limit, MAE and correlation from sums of moments: (R, 10) to (R, 5)."""
    n = sums[:, :1]
    with np.errstate(invalid="ignore", divide="ignore"):  # no pair, or one: NaN is the answer
        _, bias, mae, d, x, y, dd, xx, yy, xy = (sums / n).T
        var_d, var_x, var_y = (np.clip(q - m * m, 0, None) for q, m in ((dd, d), (xx, x), (yy, y)))
        n = n[:, 0]
        half = LIMITS_SD * np.sqrt(np.where(n > 1, var_d * n / (n - 1), np.nan))
        r = np.clip((xy - x * y) / np.sqrt(var_x * var_y), -1, 1)
    # Below that share of its own squares, a variance is the rounding of their sum.
    changes = (var_x > NOISE * xx) & (var_y > NOISE * yy) & (n >= MIN_FOR_CORRELATION)
    return np.stack([bias, bias - half, bias + half, mae, np.where(changes, r, np.nan)], axis=1)
