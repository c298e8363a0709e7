"""What a result said of its own doubt, beside what was true: one pair at a time, no network.

Reads what `cardiovae correct --uncertainty` wrote beside the labels: the record "uncertainty" of
`audit.json` and the maps. Any number may be missing; what is missing is NaN and its reason kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.association import GRID, mutual_information, overlaps
from cardiovae.calibration.reliability import pixel_sums
from cardiovae.errors import CardiovaeError, FileError
from cardiovae.evaluation.pairing import Pair
from cardiovae.indices.ejection import ejection
from cardiovae.io.content import file_bytes
from cardiovae.io.nifti import read_map
from cardiovae.labels import Label
from cardiovae.manifest.inputs import IMAGE_DOUBT, RECORD, UNCERTAINTY
from cardiovae.sequence import EchoSequence

Array = NDArray[np.float64]
KEY = "uncertainty"
MAPS: Mapping[str, str] = {
    "posterior": UNCERTAINTY,
    "crisp": IMAGE_DOUBT,
}
"""The maps by what made them, and how they are called beside the labels."""
NO_SIGNAL = ("frame", "look_rank", "lv_area_mm2", "lv_area_low_mm2", "lv_area_high_mm2")
"""Numbers of a frame that say nothing of its doubt by themselves."""
MORE_IS_BETTER = (
    "density_percentile", "typicality_percentile", "valid_share", "crisp_cosine", "crisp_dice",
    "opinion_dice", "dice_expected", "dice_low",
)  # fmt: skip
"""Signals that fall as doubt grows; all others rise."""
ROUNDING = 1e-5  # of float32
LEARNED = ("failure_probability", "dice_expected", "dice_low")
"""Signals that come out of a calibration, so none may be made of them."""


@dataclass(frozen=True)
class Stated:
    """A number with its stated interval, and the true one; NaN where unknown."""

    value: float
    low: float
    high: float
    sd: float
    truth: float
    reason: str = ""


@dataclass(frozen=True, eq=False)
class MapDoubt:
    """One uncertainty map against the errors of the labels.

    Args:
        sums: `pixel_sums` of all frames, shape (3, B).
        information: Mutual information with the error of each frame, in nats, shape (T,).
        error_size: Wrong pixels of each frame, shape (T,).
        curves: Overlap with the errors above each threshold of `GRID`, shape (T, K).
    """

    sums: Array
    information: Array
    error_size: Array
    curves: Array


@dataclass(frozen=True, eq=False)
class Doubt:
    """What was said of one sequence, and what was true.

    Args:
        pair: The files.
        dice: Mean Dice over the structures that either side has, shape (T,).
        signals: Numbers per frame, each (T,), NaN where null.
        reasons: Why something is null, by its name.
        method: As the record says: "posterior", "crisp", "both".
        level: Of the stated intervals; NaN where not said.
        calibration: Name of what they were calibrated with; "" = they are not calibrated.
        ef: Ejection fraction in percent.
        area: LV area per frame in mm2: stated, lower end, upper end and truth, shape (4, T).
        maps: What is there of `MAPS`.
    """

    pair: Pair
    dice: Array
    signals: Mapping[str, Array]
    reasons: Mapping[str, str]
    method: str
    level: float
    calibration: str
    ef: Stated
    area: Array
    maps: Mapping[str, MapDoubt]

    def signal(self, name: str) -> Array:
        """A signal, or NaN throughout where the sequence lacks it."""
        return self.signals.get(name, np.full(self.dice.size, np.nan))


def measure_doubt(pair: Pair, sequences: Mapping[str, EchoSequence]) -> Doubt:
    """Read what was said beside the prediction, and compare it with the reference.

    Args:
        pair: The files; the record and the maps lie beside the prediction.
        sequences: Of `cardiovae.evaluation.grids.read_pair`.

    Raises:
        FileError: No record, a damaged one, or one without uncertainty.
        CardiovaeError: A record or a map of another shape.
    """
    folder = pair.prediction.parent
    said = read_uncertainty(folder / RECORD)
    found, truth = sequences["prediction"], sequences["reference"]
    frames = _frames(said, found.n_frames, folder / RECORD)
    names = dict.fromkeys(name for frame in frames for name in frame if _is_signal(name, frames))
    column = {name: np.array([_number(f.get(name)) for f in frames]) for name in names}
    area = math.nan if truth.spacing_mm is None else math.prod(truth.spacing_mm)
    lv = np.count_nonzero(truth.labels == Label.LV, axis=(0, 1)) * area
    stated = ("lv_area_mm2", "lv_area_low_mm2", "lv_area_high_mm2")
    areas = [[_number(frame.get(key)) for frame in frames] for key in stated]
    calibration = said.get("calibration") or {}
    return Doubt(
        pair=pair,
        dice=mean_dice(found.labels, truth.labels, truth.structures),
        signals=column,
        reasons={str(k): str(v) for k, v in (said.get("reasons") or {}).items()},
        method=str(said.get("method", "")),
        level=_number(said.get("level")),
        calibration=str(calibration.get("name", "")),
        ef=_ejection(said.get("ejection") or {}, truth),
        area=np.array([*areas, lv], np.float64),
        maps=_maps(folder, found, truth),
    )


def read_uncertainty(path: Path) -> dict[str, Any]:
    """The record "uncertainty" of `audit.json`.

    Raises:
        FileError: It is not there.
    """
    try:
        content = json.loads(file_bytes(path))
    except ValueError as error:
        raise FileError(f"{path}: is damaged ({error}); correct the sequence again") from error
    said = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(said, dict):
        raise FileError(
            f"{path}: says nothing of uncertainty; correct the sequence again with "
            "--uncertainty posterior, crisp or both"
        )
    return said


def mean_dice(
    found: NDArray[np.uint8], truth: NDArray[np.uint8], structures: tuple[Label, ...]
) -> Array:
    """Dice of each frame, the mean over the structures that either side has, shape (T,).

    0 for a structure that only one side has; NaN where neither has any.

    Args:
        found: Label map, shape (H, W, T).
        truth: Same shape.
        structures: What the reference annotates.

    Examples:
        >>> a = np.array([[[1], [1], [2]]], np.uint8)
        >>> mean_dice(a, np.array([[[1], [0], [2]]], np.uint8), (Label.LV, Label.MYO)).round(3)
        array([0.833])
    """
    scores = np.full((len(structures), truth.shape[2]), np.nan)
    for row, structure in zip(scores, structures, strict=True):
        a, b = found == structure, truth == structure
        shared, total = (
            np.count_nonzero(a & b, axis=(0, 1)),
            np.count_nonzero(a, axis=(0, 1)) + np.count_nonzero(b, axis=(0, 1)),
        )
        np.divide(2 * shared, total, out=row, where=total > 0)
    held = np.isfinite(scores)
    mean = np.full(truth.shape[2], np.nan)
    np.divide(np.where(held, scores, 0).sum(axis=0), held.sum(0), out=mean, where=held.any(axis=0))
    return mean


def _frames(said: Mapping[str, Any], n_frames: int, path: Path) -> list[dict[str, Any]]:
    frames = said.get("frames")
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise FileError(f"{path}: the record of uncertainty has no frames; correct it again")
    if len(frames) != n_frames:
        raise CardiovaeError(
            f"{path}: speaks of {len(frames)} frames, the labels beside it have {n_frames}; "
            "correct the sequence again"
        )
    return frames


def _is_signal(name: str, frames: list[dict[str, Any]]) -> bool:
    """Whether a key holds numbers, or nothing but null: a signal that is missing throughout."""
    if name in NO_SIGNAL:
        return False
    values = [frame.get(name) for frame in frames]
    return all(
        v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _ejection(said: Mapping[str, Any], truth: EchoSequence) -> Stated:
    """What was said of the ejection fraction, and that of the reference by Simpson's disks."""
    known = math.nan
    reason = "the pixel spacing is unknown"
    if truth.spacing_mm is not None:
        found = ejection(truth.labels, truth.spacing_mm, structures=truth.structures)
        known, reason = found.ef_percent, found.reason
    value, low, high, sd = (_number(said.get(k)) for k in ("ef_percent", "low", "high", "sd"))
    if math.isnan(value):
        reason = str(said.get("reason") or "the record has no ejection fraction")
    return Stated(value, low, high, sd, known, reason)


def _maps(folder: Path, found: EchoSequence, truth: EchoSequence) -> dict[str, MapDoubt]:
    """Every map beside the labels against their errors.

    Raises:
        CardiovaeError: A map of another shape.
    """
    maps = {}
    for name, file in MAPS.items():
        if not (folder / file).exists():
            continue
        doubt = read_map(folder / file)
        if doubt.shape != found.labels.shape:
            raise CardiovaeError(
                f"{folder / file}: has the shape {doubt.shape}, the labels beside it have "
                f"{found.labels.shape}; correct the sequence again"
            )
        if np.nanmin(doubt, initial=0) < 0 or np.nanmax(doubt, initial=0) > 1 + ROUNDING:
            raise CardiovaeError(
                f"{folder / file}: an uncertainty lies between 0 and 1, got "
                f"{np.nanmin(doubt):g} to {np.nanmax(doubt):g}; is it another map?"
            )
        wrong = found.labels != truth.labels
        every = range(doubt.shape[2])
        maps[name] = MapDoubt(
            pixel_sums(np.minimum(doubt, 1), found.labels, truth.labels),
            np.array([mutual_information(wrong[:, :, t], doubt[:, :, t]) for t in every]),
            np.count_nonzero(wrong, axis=(0, 1)).astype(np.float64),
            np.array([overlaps(wrong[:, :, t], doubt[:, :, t], GRID) for t in every]),
        )
    return maps
