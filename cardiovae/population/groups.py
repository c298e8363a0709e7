"""How far two groups of patients are apart, attribute by attribute.

A patient counts once in a group, with the mean of what is known of it there. Where patients
belong to both groups, as to both views, they are paired: p-values then come from swapping the
groups within patients, since the tests of two samples assume different ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from cardiovae.intervals.bootstrap import Interval, interval, resampled

Array = NDArray[np.float64]
N_PERMUTATIONS = 999
MIN_PATIENTS = 3
"""Patients of a group below which nothing is compared."""


@dataclass(frozen=True)
class Difference:
    """One quantity in two groups.

    Args:
        n: Patients of each group.
        n_both: Patients in both.
        mean: Of each group.
        sd: Of each group.
        g: Standardized difference after Hedges, first minus second group, with its interval.
        ks: Largest distance between the two distribution functions.
        ks_p: p-value of Kolmogorov and Smirnov.
        above: Share of pairs in which the first group's patient has more; 0.5 is none.
        rank_p: p-value of Mann and Whitney.
        paired: Whether the p-values come from swapping within patients.
    """

    n: tuple[int, int]
    n_both: int
    mean: tuple[float, float]
    sd: tuple[float, float]
    g: Interval
    ks: float
    ks_p: float
    above: float
    rank_p: float
    paired: bool


def difference(
    first: Mapping[str, float], second: Mapping[str, float], *, rng: np.random.Generator
) -> Difference | None:
    """Compare one quantity, known of the patients of two groups.

    Args:
        first: One finite number per patient.
        second: The same of the other group.
        rng: Source of randomness, of intervals and of swaps.

    Returns:
        None where a group has fewer than three patients, or no value differs.
    """
    if min(len(first), len(second)) < MIN_PATIENTS:
        return None
    a, b = np.array(list(first.values())), np.array(list(second.values()))
    if np.ptp(np.concatenate([a, b])) == 0:
        return None
    both = first.keys() & second.keys()
    if both:
        ks, ks_p, above, rank_p = _swapped(first, second, rng)
    else:
        smirnov = stats.ks_2samp(a, b)
        mann = stats.mannwhitneyu(a, b)
        ks, ks_p = float(smirnov.statistic), float(smirnov.pvalue)
        above, rank_p = float(mann.statistic) / (a.size * b.size), float(mann.pvalue)
    return Difference(
        (a.size, b.size),
        len(both),
        (float(a.mean()), float(b.mean())),
        (float(a.std(ddof=1)), float(b.std(ddof=1))),
        hedges_g(first, second, rng=rng),
        ks,
        ks_p,
        above,
        rank_p,
        bool(both),
    )


def hedges_g(
    first: Mapping[str, float], second: Mapping[str, float], *, rng: np.random.Generator
) -> Interval:
    """Difference of means over the pooled standard deviation, without its small-sample bias.

    Hedges, "Distribution theory for Glass's estimator of effect size", J Educ Stat 6(2), 1981,
    with the exact factor. The interval draws whole patients again: those of the first group, of
    the second, and of both, each among themselves.

    Args:
        first: One finite number per patient.
        second: The same of the other group.
        rng: Source of randomness.

    Returns:
        NaN where a group has fewer than two patients or nothing varies.
    """
    patients = sorted(first.keys() | second.keys())
    known = np.array(list(first.values()) + list(second.values()))
    middle = float(known.mean()) if known.size else 0.0
    sums = np.array(
        [
            moment
            for p in patients
            for side in (first, second)
            for moment in _moments(side.get(p), middle)
        ]
    ).reshape(len(patients), 6)
    kind = [(p in first) + 2 * (p in second) for p in patients]
    drawn = None
    for which in sorted(set(kind)):
        part = sums[[k == which for k in kind]]
        again = resampled(part, rng=rng) if len(part) > 1 else np.broadcast_to(part[0], (1, 6))
        drawn = again if drawn is None else drawn + again
    whole = _g(sums.sum(axis=0, keepdims=True))
    return interval(float(whole[0]), _g(drawn) if drawn is not None else np.empty(0))


def holm(p_values: ArrayLike) -> Array:
    """p-values corrected for their number, shape (N,); NaN is left out and stays.

    Holm, "A simple sequentially rejective multiple test procedure", Scand J Stat 6(2), 1979.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    found = np.full(given.shape, math.nan)
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return found


def assignments(
    first: Sequence[str], second: Sequence[str], *, rng: np.random.Generator, n: int
) -> NDArray[np.bool_]:
    """Ways to deal observations to two groups that are as likely if the groups are alike.

    Patients of one group are shuffled among those of one group; patients of both keep one
    observation in each, and swap them or not.

    Args:
        first: Patient of each observation of the first group, each once.
        second: The same of the second group.
        rng: Source of randomness.
        n: How many.

    Returns:
        Whether each observation, first those of the first group, is in the first group: shape
        (n + 1, N), what was observed in row 0.
    """
    both = sorted(set(first) & set(second))
    at = [{p: i for i, p in enumerate(side)} for side in (first, second)]
    where = {p: (at[0][p], len(first) + at[1][p]) for p in both}
    dealt = np.zeros((n + 1, len(first) + len(second)), bool)
    dealt[:, : len(first)] = True
    single = np.ones(dealt.shape[1], bool)
    for pair in where.values():
        single[list(pair)] = False
    alone = np.flatnonzero(single)
    dealt[1:, alone] = rng.permuted(dealt[1:, alone], axis=1)
    if both:
        swaps = rng.random((n, len(both))) < 0.5
        pairs = np.array([where[p] for p in both])
        dealt[1:, pairs[:, 0]] = ~swaps
        dealt[1:, pairs[:, 1]] = swaps
    return dealt


def p_value(statistics: Array) -> float:
    """Share of statistics, shape (R + 1,), that are as large as the first, which was observed.

    Examples:
        >>> p_value(np.array([2.0, 1.0, 3.0, 0.0]))
        0.5
    """
    tolerance = 1e-12 * max(abs(float(statistics[0])), 1.0)
    return float(np.mean(statistics >= statistics[0] - tolerance))


def _swapped(
    first: Mapping[str, float], second: Mapping[str, float], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Statistics of both tests, with p-values by swapping within patients."""
    dealt = assignments(list(first), list(second), rng=rng, n=N_PERMUTATIONS)
    values = np.array(list(first.values()) + list(second.values()))
    n, m = len(first), len(second)
    order = np.argsort(values, kind="stable")
    steps = np.cumsum(np.where(dealt[:, order], 1 / n, -1 / m), axis=1)
    last = np.append(np.diff(values[order]) > 0, True)
    apart = np.abs(steps[:, last]).max(axis=1)
    above = (dealt @ stats.rankdata(values) - n * (n + 1) / 2) / (n * m)
    return (
        float(apart[0]), p_value(apart), float(above[0]), p_value(np.abs(above - 0.5))
    )  # fmt: skip


def _moments(value: float | None, middle: float) -> tuple[float, float, float]:
    if value is None:
        return 0.0, 0.0, 0.0
    return 1.0, value - middle, (value - middle) ** 2


def _g(sums: Array) -> Array:
    """From sums of (1, x, x^2) over both groups, shape (R, 6), to Hedges's g, shape (R,)."""
    n, x, xx, m, y, yy = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):  # a group of one: NaN is the answer
        freedom = n + m - 2
        within = np.clip(xx - x * x / n, 0, None) + np.clip(yy - y * y / m, 0, None)
        pooled = np.sqrt(within / freedom)
        exact = special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)
        unbiased = np.exp(exact) / np.sqrt(freedom / 2)
        g = unbiased * (x / n - y / m) / pooled
    # A spread that is the rounding of its own sums is none.
    return np.where((n > 1) & (m > 1) & (within > 1e-12 * (xx + yy)), g, math.nan)
