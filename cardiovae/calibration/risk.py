"""What is gained by looking at doubtful frames first, and how far down one has to look."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from cardiovae.calibration.columns import (
    Array,
    check_share,
    columns,
    events,
    known,
    patient_numbers,
)

CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What is lost when only the frames of least doubt are kept: arrays of shape (N,).

    Args:
        coverage: Share of frames kept, 1 / N to 1.
        risk: Mean loss of those kept (El-Yaniv and Wiener, JMLR 11, 2010).
        generalized: Loss of those kept per frame there is, kept or not (Traub et al.,
            NeurIPS 2024): a frame nobody keeps costs nothing.
        area: Mean of `risk` over coverage (AURC; Geifman, Uziel and El-Yaniv, ICLR 2019);
            0 is perfect. NaN without a frame.
        oracle: The smallest area that any order could have.
        generalized_area: Mean of `generalized` (AUGRC).
    """

    coverage: Array
    risk: Array
    generalized: Array
    area: float
    oracle: float
    generalized_area: float

    @property
    def excess(self) -> float:
        """Area over that of the best order (E-AURC); 0 is a perfect order."""
        return self.area - self.oracle


@dataclass(frozen=True)
class MissThreshold:
    """Look at frames whose score reaches `threshold`.

    Args:
        threshold: -inf = look at all, there are too few patients for the promise.
        miss_rate: What was asked for.
        bound: What is promised, at most `miss_rate`; NaN where nothing is.
        confidence: How sure; None = the promise is one about the average over all cohorts.
        n_patients: Patients with a failed frame that it rests on.
        reason: Why all must be looked at; "" otherwise.
    """

    threshold: float
    miss_rate: float
    bound: float
    confidence: float | None
    n_patients: int
    reason: str = ""


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """What each threshold costs: arrays of shape (K,), the strictest threshold first.

    Args:
        threshold: Frames whose score reaches it are looked at; inf = none.
        true_positive: Share of the failed frames that are looked at (sensitivity).
        false_positive: Share of the good frames that are.
        flagged: Share of all frames that are.
    """

    threshold: Array
    true_positive: Array
    false_positive: Array
    flagged: Array


def risk_coverage(uncertainty: ArrayLike, loss: ArrayLike) -> RiskCoverage:
    """Risk-coverage curve with its areas.

    Frames of equal uncertainty come in random order, of which this is the mean: a constant
    uncertainty has the mean loss everywhere. Only the order of the uncertainty matters.

    Args:
        uncertainty: Of each frame, more is worse, shape (N,); rows with a NaN are left out.
        loss: Of each frame, such as 1 - Dice, or 1 where Dice is below a limit.

    Examples:
        >>> found = risk_coverage([0.1, 0.9], [0.0, 1.0])
        >>> found.risk.tolist(), found.area, found.excess
        ([0.0, 0.5], 0.25, 0.0)
    """
    doubt, cost = columns(uncertainty=uncertainty, loss=loss)
    rows = known(doubt, cost)
    doubt, cost = doubt[rows], cost[rows]
    n = cost.size
    _, slot, count = np.unique(doubt, return_inverse=True, return_counts=True)
    mean = np.bincount(slot, cost, count.size) / np.maximum(count, 1)
    kept = np.arange(1, n + 1)
    total = np.cumsum(np.repeat(mean, count))
    best = np.cumsum(np.sort(cost)) / kept
    if not n:
        return RiskCoverage(total, total, total, math.nan, math.nan, math.nan)
    risk, generalized = total / kept, total / n
    areas = (float(curve.mean()) for curve in (risk, best, generalized))
    return RiskCoverage(kept / n, risk, generalized, *areas)


def look_first(uncertainty: ArrayLike) -> NDArray[np.int64]:
    """Frames in the order a person should look at them: most doubt first, then by frame.

    Frames of unknown uncertainty come first of all: nothing speaks for them.

    Examples:
        >>> look_first([0.2, 0.9, 0.2, float("nan")]).tolist()
        [3, 1, 0, 2]
    """
    (doubt,) = columns(uncertainty=uncertainty)
    return np.argsort(-np.where(np.isnan(doubt), np.inf, doubt), kind="stable")


def look_rank(uncertainty: ArrayLike) -> NDArray[np.int64]:
    """Place of each frame in the order of `look_first`, counted from 1."""
    order = look_first(uncertainty)
    rank = np.empty_like(order)
    rank[order] = np.arange(1, order.size + 1)
    return rank


def expected_miss_threshold(
    score: ArrayLike,
    failed: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    miss_rate: float,
) -> MissThreshold:
    """The largest threshold that misses at most `miss_rate` of a new patient's failed frames.

    Conformal risk control (Angelopoulos et al., ICLR 2024) by patient: the loss of a patient is
    the share of its failed frames below the threshold. On average over cohorts and new patients
    that have a failed frame, and whatever the distribution, at most `miss_rate` is missed.

    Args:
        score: Of each frame, more is worse, shape (N,). A NaN is never missed: nothing speaks
            for that frame, so it is looked at.
        failed: Whether the frame failed, shape (N,).
        patients: Whose; None = every frame is a patient.
        miss_rate: 0 to 1.
    """
    scores, weights, n = _failures(score, failed, patients)
    check_share(miss_rate, "miss_rate")
    # (missed + 1) / (n + 1) <= miss_rate: the new patient counts as all missed.
    allowed = miss_rate * (n + 1) - 1
    missed = np.concatenate([[0.0], np.cumsum(weights)])
    n_below = int(np.searchsorted(missed, allowed + 1e-9, side="right")) - 1
    if n_below < 0 or not n:
        return _look_at_all(miss_rate, None, n, math.ceil(1 / miss_rate - 1e-9) - 1)
    # Of equal scores all or none lie below a threshold.
    threshold = float(scores[n_below]) if n_below < scores.size else math.inf
    return MissThreshold(threshold, miss_rate, miss_rate, None, n)


def sure_miss_threshold(
    score: ArrayLike,
    failed: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    miss_rate: float,
    confidence: float = CONFIDENCE,
) -> MissThreshold:
    """The largest threshold at which at most `miss_rate` of the patients are surely let down.

    A patient is let down when any of its failed frames lies below the threshold. The exact upper
    binomial bound (Clopper and Pearson, Biometrika 26, 1934) at an order statistic of the
    patients' smallest scores, which is a distribution-free tolerance limit (Wilks, Ann Math Stat
    12, 1941): in `confidence` of all cohorts, at most `miss_rate` of new patients with a failed
    frame are let down.

    Args:
        score: Of each frame, more is worse, shape (N,); a NaN is never missed.
        failed: Whether the frame failed, shape (N,).
        patients: Whose; None = every frame is a patient.
        miss_rate: 0 to 1.
        confidence: 0 to 1.
    """
    check_share(miss_rate, "miss_rate")
    check_share(confidence, "confidence")
    numbers, bad = columns(score=score, failed=failed)
    rows = events(bad, "failed")
    who = patient_numbers(patients, numbers.size)[rows]
    found = np.where(np.isnan(numbers[rows]), np.inf, numbers[rows])
    weakest = np.sort([found[who == p].min() for p in np.unique(who)])
    n = weakest.size
    bounds = upper_bounds(np.arange(n), n, confidence)
    n_ok = int(np.searchsorted(bounds, miss_rate + 1e-12, side="right"))
    if not n_ok:
        least = math.ceil(math.log(1 - confidence) / math.log(1 - miss_rate) - 1e-9)
        return _look_at_all(miss_rate, confidence, n, least)
    threshold = float(weakest[n_ok - 1])  # n_ok - 1 patients lie below, where none is tied
    below = int(np.count_nonzero(weakest < threshold))
    return MissThreshold(threshold, miss_rate, float(bounds[below]), confidence, n)


def upper_bounds(missed: ArrayLike, n: int, confidence: float = CONFIDENCE) -> Array:
    """Exact upper bound of a share of which `missed` among `n` were seen.

    Examples:
        >>> upper_bounds([0], 59).round(4).tolist()
        [0.0495]
    """
    k = np.asarray(missed, np.float64)
    if not n:
        return np.ones_like(k)
    return np.where(k >= n, 1.0, betaincinv(k + 1, np.maximum(n - k, 1), confidence))


def operating_points(score: ArrayLike, failed: ArrayLike) -> OperatingPoints:
    """True against false positives at every threshold that makes a difference.

    Args:
        score: Of each frame, more is worse, shape (N,); rows with a NaN are left out.
        failed: Whether the frame failed.

    Returns:
        Shares are NaN where there is no failed, or no good, frame.
    """
    numbers, bad = columns(score=score, failed=failed)
    rows = known(numbers, bad)
    numbers, flags = numbers[rows], events(bad[rows], "failed")
    levels = np.unique(numbers)[::-1]
    order = np.sort(numbers[flags]), np.sort(numbers[~flags])
    reached = [v.size - np.searchsorted(v, levels, side="left") for v in order]
    hits, alarms = (np.concatenate([[0], r]).astype(np.float64) for r in reached)
    with np.errstate(invalid="ignore", divide="ignore"):  # no such frame: NaN is the answer
        return OperatingPoints(
            np.concatenate([[np.inf], levels]),
            hits / order[0].size,
            alarms / order[1].size,
            (hits + alarms) / numbers.size,
        )


def _failures(
    score: ArrayLike, failed: ArrayLike, patients: Sequence[Hashable] | None
) -> tuple[Array, Array, int]:
    """Scores of the failed frames, ascending, the share each is of its patient's, and patients."""
    numbers, bad = columns(score=score, failed=failed)
    rows = events(bad, "failed")
    who = patient_numbers(patients, numbers.size)[rows]
    found = np.where(np.isnan(numbers[rows]), np.inf, numbers[rows])
    _, slot, count = np.unique(who, return_inverse=True, return_counts=True)
    order = np.argsort(found, kind="stable")
    return found[order], (1 / count)[slot][order], count.size


def _look_at_all(miss_rate: float, confidence: float | None, n: int, least: int) -> MissThreshold:
    reason = (
        f"{n} patients with a failed frame; a miss rate of {miss_rate:g}"
        + (f" at confidence {confidence:g}" if confidence is not None else "")
        + f" takes {least}"
    )
    return MissThreshold(-math.inf, miss_rate, math.nan, confidence, n, reason)
