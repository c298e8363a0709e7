"""A calibration made of judged results: what `--calibrate` writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cardiovae.calibration.fit import (
    INPUT_SETS,
    LEVELS,
    FrameColumns,
    HeartColumns,
    fit_calibration,
)
from cardiovae.calibration.record import Calibration
from cardiovae.evaluation.doubt import LEARNED, Doubt
from cardiovae.evaluation.doubt_frames import all_frames


def calibration_of(
    doubts: Sequence[Doubt],
    *,
    name: str,
    source: str,
    below: float,
    level: float,
    seed: int = 0,
    input_sets: Sequence[Sequence[str]] = INPUT_SETS,
) -> Calibration:
    """Learn a calibration from sequences with references.

    Signals that come out of an earlier calibration are never inputs.

    Args:
        doubts: The sequences.
        name: Of the calibration.
        source: Of the cohort.
        below: A frame failed when its Dice is below this.
        level: Of the intervals, besides the usual ones.
        seed: Of the parts that patients are dealt to.
        input_sets: Signals for each judge, see `fit_calibration`.
    """
    frames = all_frames(doubts)
    stated = np.array([[d.ef.value, d.ef.sd, d.ef.truth] for d in doubts]).reshape(-1, 3).T
    return fit_calibration(
        name,
        source,
        FrameColumns(
            frames.patients,
            {n: column for n, column in frames.signals.items() if n not in LEARNED},
            frames.dice,
            frames.area[0],
            frames.area[3],
        ),
        HeartColumns([doubt.pair.patient for doubt in doubts], stated[0], stated[1], stated[2]),
        levels=tuple(sorted({*LEVELS, level})),
        below=below,
        input_sets=input_sets,
        seed=seed,
    )
