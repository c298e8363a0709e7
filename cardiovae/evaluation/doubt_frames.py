"""All frames of a cohort: how well each signal tells good ones from failed ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.association import absolute_pearson, spearman
from cardiovae.calibration.columns import known
from cardiovae.calibration.reliability import Reliability, brier, reliability
from cardiovae.calibration.risk import expected_miss_threshold, risk_coverage
from cardiovae.calibration.roc import auroc, average_precision
from cardiovae.evaluation.doubt import MORE_IS_BETTER, Doubt

Array = NDArray[np.float64]
MISS_RATES = (0.05, 0.1, 0.2)
CURVE_POINTS = 101
PROBABILITY = "failure_probability"


@dataclass(frozen=True)
class Origin:
    """Where a judgement of doubt comes from.

    Args:
        version: Of cardiovae.
        results: What was judged, as given.
        reference: What it was judged by.
        below: A frame failed when its Dice is below this.
        level: Of intervals that are made anew to verify them.
        seed: Of all that is drawn.
    """

    version: str
    results: str
    reference: str
    below: float
    level: float
    seed: int


@dataclass(frozen=True, eq=False)
class Frames:
    """All frames of a cohort below one another."""

    doubts: Sequence[Doubt]
    patients: tuple[str, ...]
    dice: Array
    signals: Mapping[str, Array]
    area: Array

    def worse(self, name: str) -> Array:
        """A signal turned so that more is worse."""
        return -self.signals[name] if name in MORE_IS_BETTER else self.signals[name]


def all_frames(doubts: Sequence[Doubt]) -> Frames:
    """The frames of all sequences, in their order."""
    names = dict.fromkeys(name for doubt in doubts for name in doubt.signals)
    return Frames(
        doubts,
        tuple(doubt.pair.patient for doubt in doubts for _ in range(doubt.dice.size)),
        np.concatenate([np.empty(0), *(doubt.dice for doubt in doubts)]),
        {n: np.concatenate([doubt.signal(n) for doubt in doubts]) for n in names},
        np.concatenate([np.empty((4, 0)), *(doubt.area for doubt in doubts)], axis=1),
    )


def signal_rows(frames: Frames, origin: Origin) -> Iterator[dict[str, Any]]:
    """How well each signal tells good frames from failed ones; the best AUROC first."""
    rows: list[tuple[tuple[float, str], dict[str, Any]]] = []
    for name, column in frames.signals.items():
        held = known(column, frames.dice)
        worse = frames.worse(name)
        failed = frames.dice < origin.below
        area = auroc(worse[held], failed[held], held_patients(frames.patients, held))
        risk = risk_coverage(worse[held], 1 - frames.dice[held])
        order = (-area.value if math.isfinite(area.value) else 1.0, name)
        row = {
            "signal": name,
            "more_is": "better" if name in MORE_IS_BETTER else "worse",
            "n": int(held.sum()),
            "n_missing": int((~known(column)).sum()),
            "abs_pearson": number(absolute_pearson(column, frames.dice)),
            "spearman": number(spearman(column, frames.dice)),
            "auroc": number(area.value),
            "auroc_low": number(area.low),
            "auroc_high": number(area.high),
            "average_precision": number(average_precision(worse[held], failed[held])),
            "aurc": number(risk.area),
            "excess_aurc": number(risk.excess),
            "augrc": number(risk.generalized_area),
        }
        rows.append((order, row))
    yield from [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def risk_curves(frames: Frames, origin: Origin) -> dict[str, Any]:
    """Mean loss of the frames kept, at even shares kept, for each signal and the best order."""
    at = np.linspace(0, 1, CURVE_POINTS)[1:]
    found: dict[str, Any] = {"coverage": at.tolist(), "risk": {}, "oracle": None}
    for name in frames.signals:
        held = known(frames.signals[name], frames.dice)
        if not held.any():
            continue
        risk = risk_coverage(frames.worse(name)[held], 1 - frames.dice[held])
        found["risk"][name] = np.interp(at, risk.coverage, risk.risk).tolist()
    held = known(frames.dice)
    if held.any():
        best = risk_coverage(1 - frames.dice[held], 1 - frames.dice[held])
        found["oracle"] = np.interp(at, best.coverage, best.risk).tolist()
    return found


def probability_row(frames: Frames, origin: Origin) -> dict[str, Any] | None:
    """Whether the stated probability of failure comes true; None where there is none."""
    stated = frames.signals.get(PROBABILITY, np.empty(0))
    if not stated.size:
        return None
    held = known(stated, frames.dice)
    if not held.any():
        return None
    failed = frames.dice[held] < origin.below
    owners = held_patients(frames.patients, held)
    parts = brier(stated[held], failed)
    table = reliability(stated[held], failed, owners)
    gap = np.abs(table.predicted - table.observed)
    n = table.count.sum()
    return {
        "n": int(n),
        "ece": number(np.nansum(gap * table.count) / n),
        "mce": number(np.nanmax(gap)),
        **{
            f"brier_{key}" if key != "score" else "brier": number(value)
            for key, value in vars(parts).items()
        },
        "reliability": reliability_rows(table),
    }


def threshold_rows(frames: Frames, origin: Origin) -> Iterator[dict[str, Any]]:
    """How many frames one has to look at for a promised miss rate, by signal."""
    held = known(frames.dice)
    if not held.any():
        return
    failed = frames.dice[held] < origin.below
    owners = held_patients(frames.patients, held)
    for name in frames.signals:
        score = frames.worse(name)[held]
        if not known(score).any():
            continue
        for rate in MISS_RATES:
            found = expected_miss_threshold(score, failed, owners, miss_rate=rate)
            look = np.isnan(score) | (score >= found.threshold)
            sign = -1 if name in MORE_IS_BETTER else 1
            yield {
                "signal": name,
                "miss_rate": rate,
                "threshold": number(sign * found.threshold),
                "look_share": float(look.mean()),
                "n_patients": found.n_patients,
                "reason": found.reason,
            }


def reliability_rows(found: Reliability) -> list[dict[str, Any]]:
    """The bins that hold something."""
    return [
        {
            "low_edge": float(found.edges[b]),
            "high_edge": float(found.edges[b + 1]),
            "predicted": number(found.predicted[b]),
            "observed": number(found.observed[b]),
            "low": number(found.low[b]),
            "high": number(found.high[b]),
            "count": int(found.count[b]),
        }
        for b in np.flatnonzero(found.count).tolist()
    ]


def held_patients(patients: Sequence[str], held: NDArray[np.bool_]) -> list[str]:
    """The patients of the rows that are held."""
    return [p for p, own in zip(patients, held, strict=True) if own]


def number(value: float) -> float | None:
    """A number for JSON: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None
