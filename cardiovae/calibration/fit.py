"""A whole calibration from a cohort with references: intervals, judges of frames, thresholds.

Intervals around numbers that no fit has touched (ejection fraction, area) learn from all
patients. The judges of frames are fitted on one part of the patients, and the lower bound of the
Dice and the thresholds are learned from the others, which the judges never saw: else the promise
would not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cardiovae.calibration.columns import Array, Flags, check_share, known, patient_numbers
from cardiovae.calibration.conformal import Conformal, fit_conformal
from cardiovae.calibration.failure import FailureModel, fit_failure
from cardiovae.calibration.record import Calibration, FrameJudge
from cardiovae.calibration.risk import expected_miss_threshold
from cardiovae.errors import CardiovaeError

LEVELS = (0.8, 0.9, 0.95)
MISS_RATES = (0.1, 0.05, 0.2)
EF_SD_FLOOR = 1.0
"""Percentage points; a smaller stated standard deviation of an EF is not believed."""
MIN_KNOWN = 0.9
"""Share of frames in which a signal must be known to be an input; the same of standard deviations
of ejection fractions, or intervals are not scaled by them."""
INPUT_SETS: tuple[tuple[str, ...], ...] = (
    ("opinion_dice", "crisp_dice", "misfit_mm", "mahalanobis", "disagreement"),
    ("misfit_mm", "mahalanobis", "disagreement", "valid_share"),
)
"""Signals that are used together, the most first: with an image, and by shape alone."""


@dataclass(frozen=True, eq=False)
class FrameColumns:
    """Frames of a cohort.

    Args:
        patients: Whose each frame is, N of them.
        signals: Columns of shape (N,), NaN where unknown.
        dice: True Dice, shape (N,).
        area_mm2: LV area of the prediction; None = unknown.
        true_area_mm2: That of the reference.
    """

    patients: Sequence[str]
    signals: Mapping[str, Array]
    dice: Array
    area_mm2: Array | None = None
    true_area_mm2: Array | None = None


@dataclass(frozen=True, eq=False)
class HeartColumns:
    """Ejection fractions of a cohort, one row per sequence or per patient.

    Args:
        patients: Whose, M of them.
        ef_percent: Stated, shape (M,).
        sd: Stated standard deviation; NaN where unknown.
        true_ef_percent: That of the reference.
    """

    patients: Sequence[str] = ()
    ef_percent: Array = field(default_factory=lambda: np.empty(0))
    sd: Array = field(default_factory=lambda: np.empty(0))
    true_ef_percent: Array = field(default_factory=lambda: np.empty(0))


def fit_calibration(
    name: str,
    source: str,
    frames: FrameColumns,
    hearts: HeartColumns,
    *,
    levels: Sequence[float] = LEVELS,
    below: float = 0.85,
    input_sets: Sequence[Sequence[str]] = INPUT_SETS,
    miss_rates: Sequence[float] = MISS_RATES,
    share: float = 0.5,
    isotonic: bool = False,
    seed: int = 0,
) -> Calibration:
    """Learn everything that a prior ships about its doubt.

    What cannot be learned is left out, and the notes of the calibration say why.

    Args:
        name: Of the calibration.
        source: Of the cohort.
        frames: Its frames.
        hearts: Its ejection fractions.
        levels: Of the intervals.
        below: A frame failed when its Dice is below this.
        input_sets: Signals for each judge, the richest first; those that are seldom known in
            this cohort, or never change, are left out.
        miss_rates: Of the thresholds, the one to use first; see `expected_miss_threshold`.
        share: Of the patients that fit the judges; the others teach what these promise.
        isotonic: Whether the probability of failure is calibrated further.
        seed: Of the parts.

    Raises:
        CardiovaeError: Columns that do not fit.
    """
    notes: list[str] = []
    fits = _part(frames.patients, frames.dice < below, share, seed)
    judges = []
    for inputs in dict.fromkeys(_usable(frames, of) for of in input_sets):
        if not inputs:
            continue
        try:
            model = fit_failure(
                {n: frames.signals[n][fits] for n in inputs}, frames.dice[fits],
                [p for p, own in zip(frames.patients, fits, strict=True) if own],
                inputs=inputs, below=below, isotonic=isotonic, seed=seed,
            )  # fmt: skip
        except CardiovaeError as error:
            notes.append(str(error))
            continue
        judges.append(_judge(model, frames, ~fits, levels, miss_rates))
    if not judges and not notes:
        notes.append("no signal is known in enough frames to judge them")
    return Calibration(
        name=name,
        source=source,
        n_patients=len({*frames.patients, *hearts.patients}),
        ef=_ef(hearts, levels, notes),
        lv_area=_area(frames, levels, notes),
        judges=tuple(judges),
        notes=tuple(dict.fromkeys([*notes, *_promises(judges)])),
    )


def _part(patients: Sequence[str], failed: Flags, share: float, seed: int) -> Flags:
    """Which frames fit the judges: whole patients, of those with a failed frame the same share."""
    check_share(share, "share")
    who = patient_numbers(patients, failed.size)
    owners, slot = np.unique(who, return_inverse=True)
    has_failed = np.bincount(slot, failed, owners.size) > 0
    chosen = np.zeros(owners.size, bool)
    rng = np.random.default_rng(seed)
    for flag in (True, False):
        mixed = rng.permutation(np.flatnonzero(has_failed == flag))
        chosen[mixed[: round(share * mixed.size)]] = True
    return chosen[slot]


def _usable(frames: FrameColumns, inputs: Sequence[str]) -> tuple[str, ...]:
    """Those of the inputs that are known nearly everywhere and change."""
    kept = []
    for name in inputs:
        column = frames.signals.get(name)
        if column is None or not column.size:
            continue
        held = column[np.isfinite(column)]
        if held.size >= MIN_KNOWN * column.size and np.ptp(held) > 0:
            kept.append(name)
    return tuple(kept)


def _judge(
    model: FailureModel,
    frames: FrameColumns,
    teaches: Flags,
    levels: Sequence[float],
    miss_rates: Sequence[float],
) -> FrameJudge:
    """The judge with what patients it never saw teach of it."""
    table = {name: frames.signals[name][teaches] for name in model.inputs}
    dice = frames.dice[teaches]
    patients = [p for p, own in zip(frames.patients, teaches, strict=True) if own]
    lower = fit_conformal(
        model.expected_dice(table), dice, patients, levels=levels, residual="lower"
    )
    score = model.probability(table)
    rows = known(dice)
    owners = [p for p, own in zip(patients, rows, strict=True) if own]
    thresholds = tuple(
        expected_miss_threshold(score[rows], dice[rows] < model.below, owners, miss_rate=rate)
        for rate in miss_rates
    )
    return FrameJudge(model, lower, thresholds)


def _ef(hearts: HeartColumns, levels: Sequence[float], notes: list[str]) -> Conformal | None:
    rows = known(hearts.ef_percent, hearts.true_ef_percent)
    if not rows.any():
        notes.append("no ejection fraction is known of both sides")
        return None
    spread = float(np.isfinite(hearts.sd[rows]).mean()) >= MIN_KNOWN
    fitted = fit_conformal(
        hearts.ef_percent,
        hearts.true_ef_percent,
        hearts.patients,
        levels=levels,
        residual="normalized" if spread else "absolute",
        sd=hearts.sd if spread else None,
        floor=EF_SD_FLOOR if spread else 0.0,
    )
    if spread and not np.isfinite(hearts.sd[rows]).all():
        n_left = int((~np.isfinite(hearts.sd[rows])).sum())
        notes.append(f"EF: {n_left} sequences without a standard deviation taught nothing")
    notes += [f"EF: {q.reason}" for q in fitted.quantiles if q.reason]
    return fitted


def _area(frames: FrameColumns, levels: Sequence[float], notes: list[str]) -> Conformal | None:
    stated, true = frames.area_mm2, frames.true_area_mm2
    if stated is None or true is None or not known(stated, true).any():
        notes.append("no LV area is known of both sides")
        return None
    fitted = fit_conformal(stated, true, frames.patients, levels=levels, residual="relative")
    notes += [f"LV area: {q.reason}" for q in fitted.quantiles if q.reason]
    return fitted


def _promises(judges: Sequence[FrameJudge]) -> list[str]:
    """What a judge would promise and cannot."""
    said = []
    for judge in judges:
        said += [f"Dice: {q.reason}" for q in judge.dice.quantiles if q.reason]
        said += [f"threshold: {t.reason}" for t in judge.thresholds if t.reason]
    return said
