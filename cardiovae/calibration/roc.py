"""How well a score tells failed frames from good ones: AUROC with its interval, precision.

Frames of one patient resemble each other, so the interval of the area is that for clusters of
Obuchowski, Biometrics 53, 1997; with one frame per patient it is that of DeLong, DeLong and
Clarke-Pearson, Biometrics 44, 1988.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.calibration.columns import (
    Array,
    Flags,
    columns,
    events,
    known,
    patient_numbers,
    ranks,
)
from cardiovae.intervals.bootstrap import COVERAGE_PERCENT, Interval

Z = NormalDist().inv_cdf(0.5 + COVERAGE_PERCENT / 200)
MIN_PATIENTS = 2


def auroc(
    score: ArrayLike, failed: ArrayLike, patients: Sequence[Hashable] | None = None
) -> Interval:
    """Chance that a failed frame has the higher score than a good one, ties counting half.

    Only the order of the scores matters. The 95 % interval is taken on the logit scale (Pepe,
    "The Statistical Evaluation of Medical Tests", 2003), so that it stays within 0 to 1.

    Args:
        score: More is worse, shape (N,); rows with a NaN are left out.
        failed: Whether the frame failed.
        patients: Whose; None = every frame is a patient.

    Returns:
        NaN where there is no failed, or no good, frame; no interval for fewer than two patients,
        and none for an area of exactly 0 or 1, of which the method knows no error.

    Examples:
        >>> auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).value
        0.75
    """
    numbers, bad = columns(score=score, failed=failed)
    rows = known(numbers, bad)
    flags = events(bad[rows], "failed")
    who = patient_numbers(patients, numbers.size)[rows]
    if not flags.any() or flags.all():
        return Interval(math.nan)
    placements = _placements(numbers[rows], flags)
    area = float(placements[flags].mean())
    _, slot = np.unique(who, return_inverse=True)
    variance = _clustered_variance(placements, flags, slot, area)
    if not 0 < area < 1 or not variance > 0:
        return Interval(area)
    middle = math.log(area / (1 - area))
    half = Z * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(middle + side * half))) for side in (-1, 1))
    return Interval(area, low, high)


def average_precision(score: ArrayLike, failed: ArrayLike) -> float:
    """Mean precision over the failed frames, the highest scores first; NaN without one.

    Steps, not trapezoids: sum over thresholds of (gain in recall) times precision.

    Examples:
        >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
        0.8333
    """
    numbers, bad = columns(score=score, failed=failed)
    rows = known(numbers, bad)
    flags = events(bad[rows], "failed")
    if not flags.any():
        return math.nan
    _, slot, count = np.unique(-numbers[rows], return_inverse=True, return_counts=True)
    gained = np.bincount(slot, flags, count.size)
    precision = np.cumsum(gained) / np.cumsum(count)
    return float(gained @ precision / flags.sum())


def _placements(score: Array, failed: Flags) -> Array:
    """Of each frame, the share of the other kind that it is rightly above, or below."""
    order, own = ranks(score), np.empty_like(score)
    for flag in (True, False):
        own[failed == flag] = ranks(score[failed == flag])
    beaten = order - own  # how many of the other kind lie below, ties counting half
    n_failed, n_good = int(failed.sum()), int((~failed).sum())
    return np.where(failed, beaten / n_good, 1 - beaten / n_failed)


def _clustered_variance(
    placements: Array,
    failed: Flags,
    slot: NDArray[np.intp],
    area: float,
) -> float:
    """Variance of the area; NaN for fewer than two patients with, or without, a failed frame."""
    n = int(slot.max()) + 1
    deviations = []
    for flag in (True, False):
        of = failed == flag
        sums = np.bincount(slot[of], placements[of] - area, n)
        deviations.append((sums, int(of.sum()), np.unique(slot[of]).size))
    (d1, m, n1), (d0, k, n0) = deviations
    if min(n1, n0) < MIN_PATIENTS:
        return math.nan
    own = n1 / (n1 - 1) * float(d1 @ d1) / m**2 + n0 / (n0 - 1) * float(d0 @ d0) / k**2
    return own + 2 * n / (n - 1) * float(d1 @ d0) / (m * k)
