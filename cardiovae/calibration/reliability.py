"""Whether stated probabilities come true: calibration errors, Brier score, reliability table.

Bins have equal width, 20 of them as in Judge et al. (MICCAI 2022); a value on an edge belongs to
the bin above, 1 to the last. Everything is made of sums per bin, which add up over files, so a
cohort of images need not be held in memory.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.calibration.columns import Array, Flags, columns, events, patient_numbers
from cardiovae.errors import CardiovaeError
from cardiovae.intervals.proportion import wilson_by_cluster

N_BINS = 20
FLOAT32_DIGITS = 6


@dataclass(frozen=True)
class CalibrationError:
    """Distance between stated and observed shares, NaN without a case.

    Args:
        expected: Mean over the bins, weighted by their cases (ECE; Naeini, Cooper and
            Hauskrecht, AAAI 2015).
        maximum: The largest of any bin that has a case (MCE, ibid.).
        n: Cases.
    """

    expected: float
    maximum: float
    n: int


@dataclass(frozen=True, eq=False)
class Reliability:
    """Stated against observed shares, a row per bin: arrays of shape (B,), NaN in empty bins.

    Args:
        edges: Of the bins, shape (B + 1,).
        predicted: Mean stated probability.
        observed: Share of cases in which the event came.
        low: Lower end of the 95 % interval of `observed`, patients being the unit.
        high: Upper end.
        count: Cases.
    """

    edges: Array
    predicted: Array
    observed: Array
    low: Array
    high: Array
    count: NDArray[np.int64]


@dataclass(frozen=True)
class Brier:
    """The Brier score and what it is made of: reliability - resolution + uncertainty + within.

    Murphy, J Appl Meteorol 12, 1973; within bins of finite width, Stephenson, Coelho and Jolliffe,
    Weather Forecast 23, 2008. NaN without a case.

    Args:
        score: Mean squared difference of probability and event; 0 is perfect.
        reliability: Of stated and observed shares of the bins; 0 is perfect.
        resolution: How far the bins differ in their shares of events; more is better.
        uncertainty: Of the event itself.
        within: What bins of finite width leave over: variance of the probabilities within bins
            less twice their covariance with the event.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def bin_sums(probability: ArrayLike, event: ArrayLike, *, n_bins: int = N_BINS) -> Array:
    """Cases, sum of probabilities, and events in each bin: shape (3, B).

    Args:
        probability: Stated probabilities, 0 to 1, any shape; NaN is left out with its event.
        event: Whether it came, 0 or 1, same shape.
        n_bins: Number of bins B.

    Raises:
        CardiovaeError: Shapes differ, a probability beyond 0 to 1, an event that is neither.

    Examples:
        >>> bin_sums([0.1, 0.2, 0.9], [0, 1, 1], n_bins=2).round(2).tolist()
        [[2.0, 1.0], [0.3, 0.9], [1.0, 1.0]]
    """
    stated, happened = np.asarray(probability, np.float64), np.asarray(event)
    if stated.shape != happened.shape:
        raise CardiovaeError(
            f"probability, event: need one shape, got {stated.shape} and {happened.shape}"
        )
    sure = np.isfinite(stated)
    stated, came = stated[sure], events(happened[sure], "event").astype(np.float64)
    if stated.size and not (stated.min() >= 0 and stated.max() <= 1):
        raise CardiovaeError(
            f"probability: lies between 0 and 1, got {stated.min():g} to {stated.max():g}"
        )
    which = np.digitize(stated, _edges(n_bins)[1:-1])
    return np.stack([np.bincount(which, w, n_bins) for w in (np.ones_like(stated), stated, came)])


def calibration_error(sums: Array) -> CalibrationError:
    """Expected and maximum calibration error from the sums of `bin_sums`, shape (3, B)."""
    count, stated, came = sums[:, sums[0] > 0]
    if not count.size:
        return CalibrationError(math.nan, math.nan, 0)
    gaps = np.abs(stated - came)
    n = float(count.sum())
    return CalibrationError(float(gaps.sum() / n), float((gaps / count).max()), int(n))


def expected_calibration_error(
    probability: ArrayLike, event: ArrayLike, *, n_bins: int = N_BINS
) -> float:
    """Mean distance of stated and observed shares over the bins; see `bin_sums`.

    Examples:
        >>> expected_calibration_error([0.25, 0.25, 0.75, 0.75], [0, 1, 1, 1], n_bins=2)
        0.25
    """
    return calibration_error(bin_sums(probability, event, n_bins=n_bins)).expected


def maximum_calibration_error(
    probability: ArrayLike, event: ArrayLike, *, n_bins: int = N_BINS
) -> float:
    """Largest distance of stated and observed shares in any bin; see `bin_sums`."""
    return calibration_error(bin_sums(probability, event, n_bins=n_bins)).maximum


def top_class(probabilities: ArrayLike, truth: ArrayLike) -> tuple[Array, Flags]:
    """Confidence of the likeliest class and whether it is the true one, shapes (N,).

    With `bin_sums` the calibration error of several classes (Guo et al., ICML 2017).

    Args:
        probabilities: Of each class, shape (N, C); the first of equal ones counts.
        truth: True class of each, 0 to C - 1, shape (N,).

    Raises:
        CardiovaeError: Shapes that do not fit.
    """
    stated, true = np.asarray(probabilities, np.float64), np.asarray(truth)
    if stated.ndim != 2 or true.shape != stated.shape[:1]:
        raise CardiovaeError(
            f"probabilities, truth: need shapes (N, C) and (N,), got {stated.shape}, {true.shape}"
        )
    return stated.max(axis=1), np.asarray(stated.argmax(axis=1) == true)


def pixel_sums(
    uncertainty: ArrayLike, found: ArrayLike, truth: ArrayLike, *, n_bins: int = N_BINS
) -> Array:
    """`bin_sums` of pixels: confidence 1 - uncertainty against "the label is right".

    Pixels predicted as background are skipped, as Judge et al. (MICCAI 2022) do: there are many
    and nearly all are right. Their code also leaves out confidences that lie on an edge of a bin,
    so those of 1, that is all pixels without doubt; here every pixel counts.

    Args:
        uncertainty: 0 to 1, any shape; NaN is left out.
        found: Predicted label map, same shape.
        truth: True label map, same shape.
        n_bins: Number of bins.
    """
    heart = np.asarray(found) != 0
    right = np.asarray(found) == np.asarray(truth)
    # Maps are float32: without rounding 1 - 0.8 would miss the bin that begins at 0.2.
    sure = np.round(1 - np.asarray(uncertainty, np.float64)[heart], FLOAT32_DIGITS)
    return bin_sums(sure, right[heart], n_bins=n_bins)


def reliability_table(sums: ArrayLike) -> Reliability:
    """Stated and observed shares with intervals.

    Args:
        sums: `bin_sums` of each patient, shape (P, 3, B). With one row per case every case is a
            patient of its own; with a single row there is no interval.
    """
    by_patient = np.asarray(sums, np.float64)
    count, stated, _ = by_patient.sum(axis=0)
    n_bins = count.size
    share, predicted, low, high = (np.full(n_bins, np.nan) for _ in range(4))
    for b in np.flatnonzero(count > 0):
        found = wilson_by_cluster(by_patient[:, 2, b], by_patient[:, 0, b])
        predicted[b] = stated[b] / count[b]
        share[b], low[b], high[b] = found.value, found.low, found.high
    return Reliability(_edges(n_bins), predicted, share, low, high, count.astype(np.int64))


def reliability(
    probability: ArrayLike,
    event: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    n_bins: int = N_BINS,
) -> Reliability:
    """`reliability_table` of single cases, shape (N,); without patients each is one."""
    stated, came = columns(probability=probability, event=event)
    who = patient_numbers(patients, stated.size)
    rows = [bin_sums(stated[who == p], came[who == p], n_bins=n_bins) for p in np.unique(who)]
    return reliability_table(np.array(rows).reshape(-1, 3, n_bins))


def brier(probability: ArrayLike, event: ArrayLike, *, n_bins: int = N_BINS) -> Brier:
    """Brier score with its parts; rows with a NaN probability are left out.

    Examples:
        >>> brier([0.5, 0.5], [0, 1]).score
        0.25
    """
    stated, came = columns(probability=probability, event=event)
    stated, came = stated[np.isfinite(stated)], came[np.isfinite(stated)]
    count, p_sum, e_sum = bin_sums(stated, came, n_bins=n_bins)
    if not stated.size:
        return Brier(*(math.nan,) * 5)
    n, mean = stated.size, float(came.mean())
    held = count > 0
    count, p_bin, e_bin = count[held], p_sum[held] / count[held], e_sum[held] / count[held]
    score = float(((stated - came) ** 2).mean())
    rel = float((count * (p_bin - e_bin) ** 2).sum() / n)
    res = float((count * (e_bin - mean) ** 2).sum() / n)
    spread = mean * (1 - mean)
    which = np.digitize(stated, _edges(n_bins)[1:-1])
    slot = np.cumsum(held)[which] - 1
    dp, de = stated - p_bin[slot], came - e_bin[slot]
    return Brier(score, rel, res, spread, float((dp * dp - 2 * dp * de).mean()))


def _edges(n_bins: int) -> Array:
    """Edges of the bins as people write them: 0.95, not the 0.9500000000000001 of linspace."""
    return np.arange(n_bins + 1) / n_bins
