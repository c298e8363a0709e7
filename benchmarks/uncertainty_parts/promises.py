"""Whether what a calibration promises holds for patients it never saw, dealt again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.coverage import coverage
from cardiovae.calibration.fit import (
    LEVELS,
    MISS_RATES,
    FrameColumns,
    HeartColumns,
    fit_calibration,
)
from cardiovae.calibration.record import Calibration, FrameJudgement
from cardiovae.calibration.reliability import expected_calibration_error
from cardiovae.calibration.roc import auroc
from uncertainty_parts.analysis import BELOW, Frames, Records, column

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
N_DEALS = 40
TAUGHT = 0.75  # of the patients: what is shipped learns from all of them
SHARE = 0.3  # of these fit the judges of frames, few numbers; the others bound the Dice


@dataclass(frozen=True, eq=False)
class Hearts:
    """Ejection fractions of many sequences, columns of shape (M,)."""

    patients: list[str]
    levels: list[str]
    ef: Array
    sd: Array
    true: Array


def hearts_of(records: Records) -> Hearts:
    """Ejection fractions of all records."""
    return Hearts(
        [r["patient"] for r in records],
        [r["level"] for r in records],
        column(r["ef"] for r in records),
        column(r["ef_sd"] for r in records),
        column(r["ef_true"] for r in records),
    )


def calibrated(
    name: str, source: str, frames: Frames, hearts: Hearts, who: set[str] | None = None
) -> Calibration:
    """The calibration that patients `who` (None = all) teach."""
    rows = _of(frames.patients, who)
    some = _of(hearts.patients, who)
    return fit_calibration(
        name,
        source,
        FrameColumns(
            _kept(frames.patients, rows),
            {name: values[rows] for name, values in frames.signals.items()},
            frames.dice[rows],
            frames.area[rows],
            frames.area_true[rows],
        ),
        HeartColumns(
            _kept(hearts.patients, some), hearts.ef[some], hearts.sd[some], hearts.true[some]
        ),
        below=BELOW,
        share=SHARE,
    )


@dataclass(frozen=True)
class Promise:
    """What was promised and what came of it.

    Args:
        what: "EF", "LV area" or "Dice, lower bound".
        level: Promised share.
        found: Share of cases on patients that taught nothing, mean over the deals.
        low, high: Of the middle 95 % of the deals.
        width: Mean width of the finite intervals, in the unit of the thing.
        by_level: Share in each level of quality (not promised), mean over the deals.
    """

    what: str
    level: float
    found: float
    low: float
    high: float
    width: float
    by_level: Mapping[str, float]


@dataclass(frozen=True)
class Detection:
    """Failure detection on patients that taught nothing, mean over the deals.

    Args:
        auroc, ece: Of the probability of failure.
        share_judged: Share of frames that have one.
        promised: Share of a patient's failed frames that the threshold may miss.
        missed: Share that it missed, mean over patients with a failed frame.
        looked: Share of all frames that are to be looked at.
        failed: Share of frames that failed.
        reason: Why no frame was judged; empty where some were.
    """

    auroc: float
    ece: float
    share_judged: float
    promised: float
    missed: float
    looked: float
    failed: float
    reason: str = ""


def kept_promises(
    frames: Frames, hearts: Hearts, *, n_deals: int = N_DEALS, seed: int = 0
) -> tuple[list[Promise], Detection]:
    """Calibrate on three quarters of the patients and test on the others, `n_deals` times."""
    rng = np.random.default_rng(seed)
    owners = sorted({*frames.patients, *hearts.patients})
    deals: dict[tuple[str, float], list[tuple[float, float, dict[str, float]]]] = {}
    detections = []
    for _ in range(n_deals):
        teach = set(rng.permutation(owners)[: round(TAUGHT * len(owners))].tolist())
        found = calibrated("deal", "some of the patients", frames, hearts, teach)
        rows, some = ~_of(frames.patients, teach), ~_of(hearts.patients, teach)
        for level in LEVELS:
            for what, low, high, true, patients, levels in _tested(
                found, frames, hearts, rows, some, level
            ):
                share = coverage(low, high, true, patients)
                parts = {
                    name: coverage(low[at], high[at], true[at]).value
                    for name in dict.fromkeys(levels)
                    if (at := np.array(levels) == name).any()
                }
                deals.setdefault((what, level), []).append((share.value, share.width, parts))
        judged = found.judge({n: v[rows] for n, v in frames.signals.items()}, level=LEVELS[1])
        patients = _kept(frames.patients, rows)
        detections.append(_detected(judged, frames.dice[rows], patients))
    promises = [_promise(what, level, parts) for (what, level), parts in deals.items()]
    numbers = np.array(detections)
    some = np.isfinite(numbers).any(0)  # with too few failed frames nothing is judged
    means = np.full(numbers.shape[1], np.nan)
    means[some] = np.nanmean(numbers[:, some], axis=0)
    area, ece, share, *rest = means.tolist()
    why = "" if share else calibrated("all", "all", frames, hearts).notes[0]
    return promises, Detection(area, ece, share, MISS_RATES[0], *rest, reason=why)


def _tested(
    found: Calibration, frames: Frames, hearts: Hearts, rows: Flags, some: Flags, level: float
) -> list[tuple[str, Array, Array, Array, list[str], list[str]]]:
    """Intervals of everything that is promised, with the truth."""
    ef, sd, true = hearts.ef[some], hearts.sd[some], hearts.true[some]
    ends = np.array(
        [found.ef_interval(v, s, level=level) for v, s in zip(ef, sd, strict=True)]
    ).reshape(-1, 2)
    area = found.area_interval(frames.area[rows], level=level)
    judged = found.judge({n: v[rows] for n, v in frames.signals.items()}, level=level)
    top = np.where(np.isnan(judged.dice_low), np.nan, np.inf)
    own = _kept(frames.patients, rows), _kept(frames.levels, rows)
    of_hearts = _kept(hearts.patients, some), _kept(hearts.levels, some)
    return [
        ("EF", ends[:, 0], ends[:, 1], true, *of_hearts),
        ("LV area", *area, frames.area_true[rows], *own),
        ("Dice, lower bound", judged.dice_low, top, frames.dice[rows], *own),
    ]


def _promise(
    what: str, level: float, parts: Sequence[tuple[float, float, dict[str, float]]]
) -> Promise:
    shares = np.array([share for share, _, _ in parts])
    low, high = np.percentile(shares, (2.5, 97.5)).tolist()
    widths = np.array([width for _, width, _ in parts])
    names = dict.fromkeys(name for _, _, found in parts for name in found)
    return Promise(
        what,
        level,
        float(shares.mean()),
        low,
        high,
        float(np.nanmean(widths)) if np.isfinite(widths).any() else float("nan"),
        {n: float(np.mean([f[n] for _, _, f in parts if n in f])) for n in names},
    )


def _detected(judged: FrameJudgement, dice: Array, patients: Sequence[str]) -> tuple[float, ...]:
    probability = judged.failure_probability
    known = np.isfinite(probability) & np.isfinite(dice)
    failed = dice < BELOW
    who = np.array(patients)
    missed = [
        float((~judged.look)[failed & (who == p)].mean()) for p in dict.fromkeys(who[failed])
    ]
    return (
        auroc(probability[known], failed[known]).value,
        expected_calibration_error(probability[known], failed[known]),
        float(known.mean()),
        float(np.mean(missed)) if missed else float("nan"),
        float(judged.look.mean()),
        float(failed.mean()),
    )


def _of(patients: Sequence[str], who: set[str] | None) -> Flags:
    return np.array([who is None or p in who for p in patients], bool)


def _kept(values: Sequence[str], rows: Flags) -> list[str]:
    return [v for v, kept in zip(values, rows, strict=True) if kept]
