"""Numbers of the page, from records: signals, calibration, intervals, failure detection."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.association import absolute_pearson, mean_by_error
from cardiovae.calibration.failure import held_out_probability
from cardiovae.calibration.reliability import calibration_error, reliability
from cardiovae.calibration.risk import risk_coverage
from cardiovae.calibration.roc import auroc
from cardiovae.errors import CardiovaeError
from cardiovae.uncertainty.record import SIGNALS

Array = NDArray[np.float64]
Records = Sequence[Mapping[str, Any]]

BELOW = 0.85
GOOD_WHEN_HIGH = ("density_percentile", "typicality_percentile", "valid_share", "crisp_cosine",
                  "crisp_dice", "opinion_dice")  # fmt: skip
WITH_IMAGE = ("opinion_dice", "crisp_dice", "misfit_mm", "mahalanobis", "disagreement")
BY_SHAPE = ("misfit_mm", "mahalanobis", "disagreement", "valid_share")
JUDGES = {"with the image": WITH_IMAGE, "by shape alone": BY_SHAPE}
"""Few inputs, chosen before any of this was measured: what a judge of frames looks at."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of many records as columns of shape (N,).

    Args:
        signals: By name; NaN where unknown.
        dice: Of the frames that were returned.
        dice_before: Of the predictions.
        patients, levels, views: Whose and what they are.
        area, area_true: LV areas in mm2.
    """

    signals: Mapping[str, Array]
    dice: Array
    dice_before: Array
    patients: list[str]
    levels: list[str]
    views: list[str]
    area: Array
    area_true: Array

    def of(self, level: str) -> Frames:
        """Frames of one level."""
        rows = np.array(self.levels) == level
        some = [list(np.array(c)[rows]) for c in (self.patients, self.levels, self.views)]
        return Frames(
            {name: column[rows] for name, column in self.signals.items()},
            self.dice[rows],
            self.dice_before[rows],
            some[0],
            some[1],
            some[2],
            self.area[rows],
            self.area_true[rows],
        )


def frames_of(records: Records) -> Frames:
    """All frames of all records."""
    rows = [(r, t) for r in records for t in range(len(r["frames"]))]
    signals = {name: column(r["frames"][t].get(name) for r, t in rows) for name in SIGNALS}
    return Frames(
        signals,
        column(r["dice"][t] for r, t in rows),
        column(r["dice_before"][t] for r, t in rows),
        [r["patient"] for r, _ in rows],
        [r["level"] for r, _ in rows],
        [r["view"] for r, _ in rows],
        column(r["frames"][t]["lv_area_mm2"] for r, t in rows),
        column(r["area_true"][t] for r, t in rows),
    )


def column(values: Any) -> Array:
    """Numbers with NaN for None."""
    return np.array([np.nan if v is None else v for v in values], np.float64)


@dataclass(frozen=True)
class SignalQuality:
    """How well a signal ranks frames: of those where it is known."""

    n: int
    pearson: float
    auroc: float
    auroc_low: float
    auroc_high: float
    aurc: float


def signal_quality(values: Array, dice: Array, patients: Sequence[str]) -> SignalQuality:
    """Quality of a signal, more of which is worse."""
    known = np.isfinite(values) & np.isfinite(dice)
    v, d = values[known], dice[known]
    who = [p for p, k in zip(patients, known, strict=True) if k]
    area = auroc(v, d < BELOW, who)
    return SignalQuality(
        int(known.sum()),
        absolute_pearson(v, d),
        area.value,
        area.low,
        area.high,
        risk_coverage(v, 1 - d).area,
    )


def worse_when_high(name: str, values: Array) -> Array:
    """A signal turned so that more of it is worse."""
    return -values if name in GOOD_WHEN_HIGH else values


def failure_probability(
    frames: Frames, inputs: Sequence[str], dice: Array, *, isotonic: bool = False
) -> Array:
    """Probability of failure of every frame from models that never saw its patient.

    NaN where too few patients have a failed frame to learn from; why, is said on standard error.
    """
    try:
        return held_out_probability(
            frames.signals, dice, frames.patients, inputs=inputs, below=BELOW, isotonic=isotonic
        )
    except CardiovaeError as error:
        print(error, file=sys.stderr)
        return np.full(dice.shape, np.nan)


@dataclass(frozen=True)
class MapQuality:
    """How well a map of doubt fits the errors."""

    ece: float
    mi: float
    n: int


def map_quality(records: Records, name: str) -> MapQuality | None:
    """Pooled calibration error of pixels, and mutual information weighted by the errors."""
    maps = [r["maps"][name] for r in records if name in r["maps"]]
    sums = [np.array(s) for m in maps for s in m["sums"] if s is not None]
    if not sums:
        return None
    mi = column(v for m in maps for v in m["mi"])
    sizes = column(v for m in maps for v in m["n_errors"])
    known = np.isfinite(mi)
    return MapQuality(
        calibration_error(np.sum(sums, axis=0)).expected,
        mean_by_error(mi[known], sizes[known]),
        int(known.sum()),
    )


def reliability_of(probability: Array, failed: Array) -> Any:
    """Reliability of a probability of failure, in ten bins."""
    known = np.isfinite(probability)
    return reliability(probability[known], failed[known], n_bins=10)
