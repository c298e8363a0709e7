"""Shares with a confidence interval that holds for few cases and near 0 and 100 %.

The interval of Wilson ("Probable inference, the law of succession, and statistical inference",
J Am Stat Assoc 22, 1927), which Brown, Cai and DasGupta recommend ("Interval estimation for a
binomial proportion", Stat Sci 16(2), 2001).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.intervals.bootstrap import COVERAGE_PERCENT, Interval

Z = NormalDist().inv_cdf(0.5 + COVERAGE_PERCENT / 200)
MIN_CLUSTERS = 2  # one alone says nothing of how clusters differ


def wilson(successes: float, n: float) -> Interval:
    """Share of `successes` among `n` independent cases, with its 95 % interval.

    Args:
        successes: From 0 to `n`; need not be whole, as with an effective number of cases.
        n: Number of cases.

    Returns:
        NaN throughout without a case.

    Raises:
        CardiovaeError: Successes that are not between 0 and `n`.

    Examples:
        >>> found = wilson(0, 10)
        >>> found.value, found.low, round(found.high, 4)
        (0.0, 0.0, 0.2775)
    """
    if not 0 <= successes <= n:
        raise CardiovaeError(f"successes: from 0 to n = {n}, got {successes}")
    if n == 0:
        return Interval(math.nan)
    share, z2 = successes / n, Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    # At the ends the bound is the share itself; rounding must not push it beyond.
    low = 0.0 if successes == 0 else max(middle - half, 0.0)
    high = 1.0 if successes == n else min(middle + half, 1.0)
    return Interval(share, low, high)


def wilson_by_cluster(successes: ArrayLike, sizes: ArrayLike) -> Interval:
    """Share of successes among cases that resemble each other within their cluster.

    Frames of one sequence are not independent. Wilson's interval is taken with the effective
    number of cases, that of independent ones whose share would vary as much as this one does
    between clusters (Dean and Pagano, "Evaluating confidence interval methods for binomial
    proportions in clustered surveys", J Surv Stat Methodol 3(4), 2015). Where the clusters do not
    differ, as when all cases succeed, each counts as one case, the cautious end.

    Args:
        successes: Of each cluster, shape (K,).
        sizes: Cases of each cluster, shape (K,).

    Returns:
        NaN throughout without a case; no bounds for a single cluster.

    Raises:
        CardiovaeError: Shapes that differ, or successes that are not between 0 and the size.
    """
    hits, cases = np.asarray(successes, np.float64), np.asarray(sizes, np.float64)
    if hits.shape != cases.shape or np.any(hits < 0) or np.any(hits > cases):
        raise CardiovaeError(
            "successes: one number per cluster, from 0 to its size; got shapes "
            f"{hits.shape} and {cases.shape}, excess up to {_excess(hits, cases):g}"
        )
    hits, cases = hits[cases > 0], cases[cases > 0]
    total, k = float(cases.sum()), cases.size
    if k < MIN_CLUSTERS:
        return Interval(float(hits.sum()) / total if k else math.nan)
    share = float(hits.sum()) / total
    # Linearized variance of a ratio of cluster totals (Cochran, "Sampling Techniques", 1977).
    variance = float(((hits - share * cases) ** 2).sum()) / total**2 * k / (k - 1)
    n = min(share * (1 - share) / variance, total) if variance > 0 else float(k)
    found = wilson(share * n, n)
    return Interval(share, found.low, found.high)


def _excess(hits: NDArray[np.float64], cases: NDArray[np.float64]) -> float:
    """How far successes lie outside 0 to the size; NaN where the shapes differ."""
    if hits.shape != cases.shape:
        return math.nan
    return float(np.maximum(-hits, hits - cases).max())
