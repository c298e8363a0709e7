"""Whether doubt lies where the errors are: by frame (correlation) and by pixel.

The measures of Judge et al. (MICCAI 2022), as their code computes them unless said otherwise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from cardiovae.calibration.columns import Array, columns, known, ranks
from cardiovae.errors import CardiovaeError

MIN_FOR_CORRELATION = 3  # two points always lie on a line
N_BINS = 10
GRID: tuple[float, ...] = tuple(np.round(np.arange(1, 41) * 0.025, 3).tolist())
"""Thresholds of uncertainty that are tried for the overlap: 0.025 to 1."""


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Correlation of two columns; NaN for fewer than three known pairs or a constant column.

    Examples:
        >>> round(pearson([1, 2, 3], [3, 2, 1]), 9)
        -1.0
    """
    a, b = columns(x=x, y=y)
    rows = known(a, b)
    if rows.sum() < MIN_FOR_CORRELATION:
        return math.nan
    a, b = a[rows], b[rows]
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    # Scaled first, so that neither tiny nor huge numbers lose their squares.
    a, b = ((v - v.mean()) / np.abs(v - v.mean()).max() for v in (a, b))
    return float(np.clip(a @ b / math.sqrt((a @ a) * (b @ b)), -1, 1))


def absolute_pearson(uncertainty: ArrayLike, dice: ArrayLike) -> float:
    """|Pearson| of frame uncertainty and Dice, the "Corr" of Judge et al.; see `pearson`."""
    return abs(pearson(uncertainty, dice))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Correlation of ranks, ties sharing theirs; NaN as for `pearson`.

    Examples:
        >>> round(spearman([1, 2, 300], [0, 7, 8]), 9)
        1.0
    """
    a, b = columns(x=x, y=y)
    rows = known(a, b)
    return pearson(ranks(a[rows]), ranks(b[rows]))


def mutual_information(error: ArrayLike, uncertainty: ArrayLike, *, n_bins: int = N_BINS) -> float:
    """Mutual information of an error map and an uncertainty map, in nats.

    From their joint histogram, each axis with `n_bins` equal bins between its own smallest and
    largest value, as published: the scale of the uncertainty does not matter. NaN where nothing
    is known.

    Args:
        error: 1 where the label is wrong, any shape.
        uncertainty: Same shape; pixels of unknown uncertainty are left out.
        n_bins: Number of bins.

    Raises:
        CardiovaeError: The shapes differ.

    Examples:
        >>> round(mutual_information([0, 0, 1, 1], [0.1, 0.1, 0.8, 0.8]) / math.log(2), 9)
        1.0
    """
    wrong, doubt = _maps(error, uncertainty)
    if not doubt.size:
        return math.nan
    joint = np.histogram2d(wrong, doubt, bins=n_bins)[0] / doubt.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    held = joint > 0
    return max(float((joint[held] * np.log(joint[held] / independent[held])).sum()), 0.0)


def mean_by_error(values: ArrayLike, error_sizes: ArrayLike) -> float:
    """Mean over frames, each weighing as much as it has wrong pixels; NaN without an error.

    Args:
        values: Of each frame, such as the mutual information; NaN is left out.
        error_sizes: Wrong pixels of each frame, shape (N,).
    """
    numbers, sizes = columns(values=values, error_sizes=error_sizes)
    rows = known(numbers, sizes)
    total = float(sizes[rows].sum())
    return float(numbers[rows] @ sizes[rows] / total) if total > 0 else math.nan


def overlaps(error: ArrayLike, uncertainty: ArrayLike, thresholds: ArrayLike = GRID) -> Array:
    """Dice overlap of the wrong pixels with those above each threshold, shape (K,).

    1 is perfect, 0 no overlap; NaN where there is neither error nor doubt.

    Args:
        error: 1 where the label is wrong, any shape.
        uncertainty: Same shape.
        thresholds: Shape (K,), ascending; a pixel is doubtful above, not at, the threshold.

    Raises:
        CardiovaeError: The shapes differ, or thresholds that do not ascend.

    Examples:
        >>> overlaps([0, 1, 1], [0.3, 0.3, 0.9], [0.1, 0.5]).round(3).tolist()
        [0.8, 0.667]
    """
    wrong, doubt = _maps(error, uncertainty)
    levels = np.asarray(thresholds, np.float64)
    if np.any(np.diff(levels) <= 0):
        raise CardiovaeError(f"thresholds: ascend, got {levels.tolist()}")
    # How many thresholds a pixel exceeds says above which it is doubtful: one pass for all.
    exceeded = np.searchsorted(levels, doubt, side="left")
    above, hits = (
        np.bincount(exceeded, w, levels.size + 1)[::-1].cumsum()[::-1][1:]
        for w in (np.ones_like(wrong), wrong)
    )
    total = above + wrong.sum()
    share = np.full(levels.size, np.nan)
    np.divide(2 * hits, total, out=share, where=total > 0)
    return share


def best_threshold(curves: ArrayLike, error_sizes: ArrayLike) -> int:
    """Index of the threshold with the largest mean overlap on validation frames.

    Judge the overlap on other patients than those it was chosen on.

    Args:
        curves: `overlaps` of each frame, shape (N, K).
        error_sizes: Wrong pixels of each frame, shape (N,): their weights.

    Raises:
        CardiovaeError: No frame has an error.
    """
    means = [mean_by_error(column, error_sizes) for column in np.asarray(curves, np.float64).T]
    if np.all(np.isnan(means)):
        raise CardiovaeError("best_threshold: no frame has an error, so nothing can be chosen")
    return int(np.nanargmax(means))


def _maps(error: ArrayLike, uncertainty: ArrayLike) -> tuple[Array, Array]:
    wrong, doubt = np.asarray(error, np.float64), np.asarray(uncertainty, np.float64)
    if wrong.shape != doubt.shape:
        raise CardiovaeError(
            f"error, uncertainty: need one shape, got {wrong.shape} and {doubt.shape}"
        )
    held = np.isfinite(doubt)
    return wrong[held], doubt[held]
