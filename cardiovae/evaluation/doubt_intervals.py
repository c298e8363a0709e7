"""Whether the truth lay in the stated intervals, and in those these patients would give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cardiovae.calibration.columns import known
from cardiovae.calibration.coverage import MIN_SPLIT, coverage, repeated_splits
from cardiovae.evaluation.doubt_frames import Frames, Origin, held_patients, number


def interval_rows(frames: Frames) -> Iterator[dict[str, Any]]:
    """How often the truth lay in the interval that was stated."""
    doubts = frames.doubts
    ef = np.array([[d.ef.low, d.ef.high, d.ef.truth] for d in doubts]).reshape(-1, 3).T
    owners = [doubt.pair.patient for doubt in doubts]
    low = frames.signals.get("dice_low", np.full(frames.dice.size, np.nan))
    open_end = np.where(np.isnan(low), np.nan, np.inf)
    levels = sorted({doubt.level for doubt in doubts if math.isfinite(doubt.level)})
    calibrated = bool(doubts) and all(doubt.calibration for doubt in doubts)
    for quantity, unit, columns, patients in (
        ("ejection fraction", "%", ef, owners),
        ("LV area", "mm2", frames.area[1:], frames.patients),
        ("Dice, lower bound", "", np.stack([low, open_end, frames.dice]), frames.patients),
    ):
        found = coverage(columns[0], columns[1], columns[2], patients)
        yield {
            "quantity": quantity,
            "unit": unit,
            "level": levels[0] if len(levels) == 1 else None,
            "calibrated": calibrated,
            **{key: number(value) for key, value in vars(found).items() if key[:2] != "n_"},
            "n_patients": found.n_patients,
            "n_infinite": found.n_infinite,
            "n": found.n,
        }


def verified_rows(frames: Frames, origin: Origin) -> Iterator[dict[str, Any]]:
    """Conformal intervals made on half of these patients and tested on the others, many times."""
    doubts = frames.doubts
    ef = np.array([[d.ef.value, d.ef.truth, d.ef.sd] for d in doubts]).reshape(-1, 3).T
    owners = [doubt.pair.patient for doubt in doubts]
    dice = frames.signals.get("dice_expected", np.full(frames.dice.size, np.nan))
    for quantity, unit, found, truth, sd, patients, residual in (
        ("ejection fraction", "%", ef[0], ef[1], None, owners, "absolute"),
        ("ejection fraction, by its sd", "%", ef[0], ef[1], ef[2], owners, "normalized"),
        ("LV area", "mm2", frames.area[0], frames.area[3], None, frames.patients, "relative"),
        ("Dice, lower bound", "", dice, frames.dice, None, frames.patients, "lower"),
    ):
        held = known(found, truth) if sd is None else known(found, truth, sd)
        if len(set(held_patients(patients, held))) < 2 * MIN_SPLIT:
            continue
        splits = repeated_splits(
            found,
            truth,
            patients,
            level=origin.level,
            residual=residual,
            sd=sd,
            floor=1.0 if sd is not None else 0.0,
            seed=origin.seed,
        )
        yield {
            "quantity": quantity,
            "unit": unit,
            **{key: number(value) for key, value in vars(splits).items() if key[:2] != "n_"},
            **{key: value for key, value in vars(splits).items() if key[:2] == "n_"},
        }
