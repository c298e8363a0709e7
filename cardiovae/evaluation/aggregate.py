"""Many pairs as one number each: the rows of a summary, and how they are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cardiovae.audit.verdicts import Verdict
from cardiovae.evaluation.results import METRICS, PairResult
from cardiovae.intervals.bootstrap import COVERAGE_PERCENT, MIN_PATIENTS, Interval
from cardiovae.labels import ALL, Label

Mean = Callable[[ArrayLike, Sequence[Hashable]], Interval]
"""Mean of values with an interval by patient: `mean_by_patient` with its randomness given."""


@dataclass(frozen=True)
class StructureRow:
    """Scores of one structure on one side.

    Args:
        side: "before" or "prediction".
        structure: Which.
        means: Per metric of `METRICS`, mean over all frames where it is defined.
        counts: Per metric, how many those are.
        n_one_sided: Frames where only prediction or only reference has the structure: their Dice
            is 0 and they have no distance.
    """

    side: str
    structure: Label
    means: Mapping[str, Interval]
    counts: Mapping[str, int]
    n_one_sided: int


@dataclass(frozen=True)
class ChangeRow:
    """What correction did to one score of one structure, over frames where both are defined.

    Args:
        structure: Which.
        metric: Which of `METRICS`.
        change: Mean of prediction minus before.
        n_frames: Frames compared.
        n_better: Frames that improved: more Dice, less distance.
        n_worse: Frames that got worse.
    """

    structure: Label
    metric: str
    change: Interval
    n_frames: int
    n_better: int
    n_worse: int


@dataclass(frozen=True)
class ShareRow:
    """How many frames are valid, or how many sequences are flagged, on one side.

    Args:
        side: One of `SIDES`; the reference shows what the criteria think of good masks.
        criteria: Name of the criteria set.
        n: How many.
        total: Of how many.
        n_unmeasured: How many of the total could not be judged; not counted in `n`.
        percent: The share.
    """

    side: str
    criteria: str
    n: int
    total: int
    n_unmeasured: int
    percent: Interval


@dataclass(frozen=True)
class WorstFrame:
    """A frame of a prediction by its worst structure.

    Args:
        pair: Index of its pair among the results.
        frame: Index of the frame.
        structure: The structure with the lowest Dice.
        dice: Its Dice.
        hausdorff_mm: Its Hausdorff distance; NaN where either lacks it or the spacing is unknown.
        dice_before: Its Dice before correction; NaN where not given.
    """

    pair: int
    frame: int
    structure: Label
    dice: float
    hausdorff_mm: float
    dice_before: float


def structure_rows(results: Sequence[PairResult], side: str, mean: Mean) -> list[StructureRow]:
    """Means over the frames of one side, per structure that any reference annotates."""
    there = [result for result in results if side in result.sides]
    patients = _per_frame(there)
    values = {metric: _stacked(there, side, metric) for metric in METRICS}
    one_sided = sum(
        np.sum(np.isfinite(r.values(side, "dice")) & np.isnan(r.values(side, "hausdorff_mm")), 0)
        for r in there
        if r.spacing_mm is not None
    ) + np.zeros(len(ALL), np.int64)
    return [
        StructureRow(
            side,
            structure,
            MappingProxyType({m: mean(v[:, s], patients) for m, v in values.items()}),
            MappingProxyType({m: int(np.isfinite(v[:, s]).sum()) for m, v in values.items()}),
            int(one_sided[s]),
        )
        for s, structure in enumerate(ALL)
        if any(structure in result.structures for result in results)
    ]


def change_rows(results: Sequence[PairResult], mean: Mean) -> list[ChangeRow]:
    """Prediction against the same prediction before correction, frame by frame."""
    there = [result for result in results if "before" in result.sides]
    patients = _per_frame(there)
    rows = []
    for s, structure in enumerate(ALL):
        for metric in METRICS if any(structure in r.structures for r in there) else ():
            before, after = (
                _stacked(there, side, metric)[:, s] for side in ("before", "prediction")
            )
            change = after - before
            gain = change if metric == "dice" else -change
            rows.append(
                ChangeRow(
                    structure,
                    metric,
                    mean(change, patients),
                    int(np.isfinite(change).sum()),
                    int((gain > 0).sum()),
                    int((gain < 0).sum()),
                )
            )
    return rows


def validity_row(results: Sequence[PairResult], side: str, name: str, mean: Mean) -> ShareRow:
    """Valid frames of one side under one anatomical criteria set, of those that it is for."""
    there = [r for r in results if side in r.sides and name in r.sides[side].valid]
    valid = [float(v) for result in there for v in result.sides[side].valid[name]]
    percent = _percent(valid, _per_frame(there), mean)
    return ShareRow(side, name, int(sum(valid)), len(valid), 0, percent)


def motion_row(results: Sequence[PairResult], side: str, name: str, mean: Mean) -> ShareRow:
    """Temporally flagged sequences of one side under one temporal criteria set.

    Of all that have the three frames it takes; one that cannot be judged is not flagged, and
    counted apart.
    """
    verdicts = [
        (verdict, result.pair.patient)
        for result in results
        if side in result.sides and (verdict := result.sides[side].motion[name]) is not None
    ]
    flags = [verdict is Verdict.FAIL for verdict, _ in verdicts]
    unmeasured = sum(verdict is Verdict.NOT_MEASURABLE for verdict, _ in verdicts)
    percent = _percent(flags, [patient for _, patient in verdicts], mean)
    return ShareRow(side, name, sum(flags), len(flags), unmeasured, percent)


def _percent(hits: Sequence[float], patients: Sequence[str], mean: Mean) -> Interval:
    """Share of hits in percent.

    Where all or none hit, every draw says the same, and an interval of no width would claim to
    know: that of Clopper and Pearson, Biometrika 26(4), 1934, over patients takes its place.
    """
    share = mean([100.0 * hit for hit in hits], patients)
    n = len(set(patients))
    if share.value not in (0.0, 100.0) or n < MIN_PATIENTS:
        return share
    exact = stats.binomtest(n if share.value else 0, n).proportion_ci(COVERAGE_PERCENT / 100)
    return Interval(share.value, 100 * float(exact.low), 100 * float(exact.high))


def worst_frames(results: Sequence[PairResult], n: int) -> list[WorstFrame]:
    """The `n` frames of all predictions with the lowest Dice of any structure.

    Among equals the larger Hausdorff distance is worse, and none at all the worst.
    """
    found = []
    for index, result in enumerate(results):
        dice, far = (result.values("prediction", m) for m in ("dice", "hausdorff_mm"))
        before = result.values("before", "dice")
        for t in np.flatnonzero(np.isfinite(dice).any(axis=1)).tolist():
            distance = np.where(np.isnan(far[t]), np.inf, far[t])
            rank = np.lexsort((-distance, dice[t]))  # NaN last
            s = int(rank[0])
            found.append(
                WorstFrame(index, t, ALL[s], *map(float, (dice[t, s], far[t, s], before[t, s])))
            )
    found.sort(
        key=lambda w: (w.dice, -math.inf if math.isnan(w.hausdorff_mm) else -w.hausdorff_mm)
    )
    return found[:n]


def _per_frame(results: Sequence[PairResult]) -> list[str]:
    """Patient of every frame."""
    return [r.pair.patient for r in results for _ in range(r.n_frames)]


def _stacked(results: Sequence[PairResult], side: str, metric: str) -> NDArray[np.float64]:
    """A metric of every frame of all: (frames, 4)."""
    empty = np.empty((0, len(ALL)))
    return np.concatenate([empty, *(r.values(side, metric) for r in results)])
