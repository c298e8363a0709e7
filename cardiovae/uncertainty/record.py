"""What is in doubt about a corrected sequence, and how far; plain data for `audit.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cardiovae.correction.record import number
from cardiovae.indices.ejection import Ejection

Values = NDArray[np.float64]
Floats = NDArray[np.float32]

SIGNALS: Mapping[str, str] = {
    "entropy": "mean entropy near the contours over valid samples of the shape",
    "band_mm": "half-width in mm that holds 90 % of the sampled contours",
    "valid_share": "share of the sampled shapes that could be hearts",
    "lv_area_sd": "relative standard deviation of the LV area over the samples",
    "motion_sd": "standard deviation of the frame's code, given its neighbors",
    "density_percentile": "percentile of the input's shape among training shapes",
    "typicality_percentile": "percentile of its shape and of what that leaves out",
    "mahalanobis": "distance of the input's code from the training codes",
    "misfit_mm": "distance of the input's contours from the nearest shape the prior knows",
    "disagreement": "1 minus the mean Dice of input and result",
    "crisp": "disagreement with the masks that fit the image, per pixel of heart",
    "crisp_cosine": "agreement of image and labels in their joint space",
    "crisp_dice": "Dice expected from the masks that fit the image",
    "opinion": "pixels that a second look at the image labels otherwise, per pixel of heart",
    "opinion_dice": "Dice expected from a second look at the image",
}
"""Signals of single frames, in words."""

FRAME_NUMBERS = (
    *SIGNALS, "failure_probability", "dice_expected", "dice_low", "lv_area_mm2",
    "lv_area_low_mm2", "lv_area_high_mm2",
)  # fmt: skip
"""What the record says of each frame in numbers."""


@dataclass(frozen=True)
class Interval:
    """A number with the interval that holds the true one at the stated level.

    Args:
        value: The number.
        low, high: Ends of the interval; NaN where there is none, infinite where too few patients
            were there to calibrate it.
        sd: Standard deviation over samples; NaN where there are none.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    sd: float = math.nan


@dataclass(frozen=True)
class EjectionDoubt:
    """The ejection fraction of the result, and how it spreads over the samples.

    Args:
        ejection: Of the label maps that are returned, single-plane.
        ef_sd: Standard deviation of the ejection fraction over the samples, in points.
        ed_sd: Of the ED volume, relative to it.
        es_sd: Of the ES volume, likewise.
        n_samples: Samples whose ED and ES are both valid hearts.
        reason: Why there is no spread; empty where there is one.
    """

    ejection: Ejection
    ef_sd: float = math.nan
    ed_sd: float = math.nan
    es_sd: float = math.nan
    n_samples: int = 0
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Doubt:
    """Everything that is in doubt about a corrected sequence.

    Args:
        method: "posterior", "crisp" or "both".
        level: Of all intervals, such as 0.9.
        n_samples: Samples per frame that were asked for; 0 without a posterior.
        signals: Names of `SIGNALS` with one value per frame, shape (T,); NaN where unknown.
        failure_probability: That the Dice of a returned frame is below `below`, (T,).
        dice_expected, dice_low: Dice of a returned frame, and its lower bound, (T,).
        look: Frames that a person should look at, shape (T,).
        look_rank: Order in which to look at them, 1 first, shape (T,).
        below: The Dice below which a frame failed; NaN where nothing is calibrated.
        lv_area_mm2: LV area of each frame with its interval, shape (3, T): value, low, high.
        attribute_sd: Standard deviation of each attribute over the samples, in the units of
            `cardiovae.attributes`, shape (T,) each; none without a posterior.
        ef: Ejection fraction in percent.
        ejection: What it rests on; None without a posterior.
        calibrated: Which of "ejection", "lv_area" and "frames" the calibration speaks of; other
            intervals are the spread of samples.
        posterior: Entropy at each pixel, 0 to 1, shape (H, W, T), NaN in frames without a
            valid sample; None without a posterior.
        image: Doubt at each pixel by the image, 0 to 1, shape (H, W, T), NaN in frames without a
            heart; None without images.
        calibration: Name, source and patients of the calibration; None = not calibrated.
        reasons: Why something is missing.
    """

    method: str
    level: float
    n_samples: int
    signals: Mapping[str, Values]
    failure_probability: Values
    dice_expected: Values
    dice_low: Values
    look: NDArray[np.bool_]
    look_rank: NDArray[np.int64]
    below: float
    lv_area_mm2: Values
    attribute_sd: Mapping[str, Values]
    ef: Interval
    ejection: EjectionDoubt | None
    calibrated: tuple[str, ...]
    posterior: Floats | None
    image: Floats | None
    calibration: Mapping[str, Any] | None
    reasons: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain data: numbers that are unknown or infinite are None, with a reason."""
        return {
            "method": self.method,
            "level": self.level,
            "n_samples": self.n_samples,
            "below": number(self.below),
            "calibration": None if self.calibration is None else dict(self.calibration),
            "calibrated": list(self.calibrated),
            "ejection": self._ejection_json(),
            "attribute_sd": {
                name: [number(v) for v in values.tolist()]
                for name, values in self.attribute_sd.items()
            },
            "frames": [self._frame_json(t) for t in range(len(self.look))],
            "reasons": dict(self.reasons),
        }

    def _ejection_json(self) -> dict[str, Any]:
        found = self.ejection
        ends = {"low": number(self.ef.low), "high": number(self.ef.high)}
        known = {"ef_percent": number(self.ef.value), **ends, "sd": number(self.ef.sd)}
        if found is None:
            return known
        return {
            **known,
            "ed_ml": number(found.ejection.ed_ml),
            "es_ml": number(found.ejection.es_ml),
            **{
                f"ed_{end}_ml": value
                for end, value in self._volume(found.ejection.ed_ml, found.ed_sd)
            },
            **{
                f"es_{end}_ml": value
                for end, value in self._volume(found.ejection.es_ml, found.es_sd)
            },
            "n_samples": found.n_samples,
            "method": found.ejection.method,
        }

    def _volume(self, volume_ml: float, relative_sd: float) -> list[tuple[str, float | None]]:
        """Ends of a volume's interval: the spread of its samples, which is not calibrated."""
        half = float(ndtri((1 + self.level) / 2)) * relative_sd * volume_ml
        return [("low", number(max(volume_ml - half, 0.0))), ("high", number(volume_ml + half))]

    def _frame_json(self, t: int) -> dict[str, Any]:
        area, low, high = self.lv_area_mm2[:, t].tolist()
        return {
            "frame": t,
            **{name: number(float(values[t])) for name, values in self.signals.items()},
            "failure_probability": number(float(self.failure_probability[t])),
            "dice_expected": number(float(self.dice_expected[t])),
            "dice_low": number(float(self.dice_low[t])),
            "look": bool(self.look[t]),
            "look_rank": int(self.look_rank[t]),
            "lv_area_mm2": number(area),
            "lv_area_low_mm2": number(low),
            "lv_area_high_mm2": number(high),
        }
