"""How well doubt was stated over a cohort, as plain data: the content of `uncertainty.json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cardiovae.calibration.association import GRID, best_threshold, mean_by_error
from cardiovae.calibration.columns import known
from cardiovae.calibration.reliability import calibration_error, reliability_table
from cardiovae.evaluation.doubt import Doubt
from cardiovae.evaluation.doubt_frames import (
    Array,
    Origin,
    all_frames,
    number,
    probability_row,
    reliability_rows,
    risk_curves,
    signal_rows,
    threshold_rows,
)
from cardiovae.evaluation.doubt_intervals import interval_rows, verified_rows
from cardiovae.evaluation.pairing import Pair, Unmatched


def doubt_record(
    doubts: Sequence[Doubt],
    origin: Origin,
    errors: Sequence[tuple[Pair, str]] = (),
    unmatched: Sequence[Unmatched] = (),
) -> dict[str, Any]:
    """Plain data, strictly valid JSON: what is not known is None.

    Args:
        doubts: Of the pairs that could be judged.
        origin: Where they come from.
        errors: Pairs that could not be, and why.
        unmatched: Files in no pair.
    """
    frames = all_frames(doubts)
    failed = frames.dice < origin.below
    return {
        "cardiovae": origin.version,
        "results": origin.results,
        "reference": origin.reference,
        "below": origin.below,
        "level": origin.level,
        "seed": origin.seed,
        "n_sequences": len(doubts),
        "n_frames": int(frames.dice.size),
        "n_patients": len(set(frames.patients)),
        "n_failed": int(failed.sum()),
        "n_failed_patients": len(
            {p for p, bad in zip(frames.patients, failed, strict=True) if bad}
        ),
        "mean_dice": number(_mean(frames.dice)),
        "methods": sorted({doubt.method for doubt in doubts}),
        "calibrations": sorted({doubt.calibration for doubt in doubts if doubt.calibration}),
        "signals": list(signal_rows(frames, origin)),
        "curves": risk_curves(frames, origin),
        "probability": probability_row(frames, origin),
        "maps": list(_maps(doubts, origin)),
        "intervals": list(interval_rows(frames)),
        "verified": list(verified_rows(frames, origin)),
        "thresholds": list(threshold_rows(frames, origin)),
        "absent": _absent(doubts),
        "errors": [
            {"name": pair.name, "prediction": str(pair.prediction), "error": message}
            for pair, message in errors
        ],
        "unmatched": [
            {"path": str(u.path), "side": u.side, "reason": u.reason} for u in unmatched
        ],
    }


def _maps(doubts: Sequence[Doubt], origin: Origin) -> Iterator[dict[str, Any]]:
    """Every map over all frames."""
    for name in dict.fromkeys(name for doubt in doubts for name in doubt.maps):
        of = [doubt for doubt in doubts if name in doubt.maps]
        found = [doubt.maps[name] for doubt in of]
        patients = [doubt.pair.patient for doubt in of]
        by_patient = {
            p: sum(m.sums for m, owner in zip(found, patients, strict=True) if owner == p)
            for p in dict.fromkeys(patients)
        }
        sums = np.array(list(by_patient.values()))
        error = calibration_error(sums.sum(axis=0))
        information = np.concatenate([m.information for m in found])
        sizes = np.concatenate([m.error_size for m in found])
        overlap, chosen = _overlap(doubts=of, name=name, seed=origin.seed)
        yield {
            "map": name,
            "n_sequences": len(of),
            "n_frames": int(sizes.size),
            "n_pixels": error.n,
            "ece": number(error.expected),
            "mce": number(error.maximum),
            "mutual_information": number(mean_by_error(information, sizes)),
            "mutual_information_unweighted": number(_mean(information)),
            "overlap": number(overlap),
            "thresholds": chosen,
            "reliability": reliability_rows(reliability_table(sums)),
        }


def _overlap(doubts: Sequence[Doubt], name: str, seed: int) -> tuple[float, list[float]]:
    """Overlap of doubt and error, its threshold chosen on the other half of the patients."""
    owners = list(dict.fromkeys(doubt.pair.patient for doubt in doubts))
    first = set(np.random.default_rng(seed).permutation(owners)[: len(owners) // 2].tolist())
    halves: list[tuple[Array, Array]] = []
    for inside in (True, False):
        of = [doubt.maps[name] for doubt in doubts if (doubt.pair.patient in first) is inside]
        halves.append(
            (
                np.concatenate([np.empty((0, len(GRID))), *(m.curves for m in of)]),
                np.concatenate([np.empty(0), *(m.error_size for m in of)]),
            )
        )
    if any(not sizes.sum() for _, sizes in halves):
        return math.nan, []
    values, weights, chosen = [], [], []
    for (curves, sizes), (others, other_sizes) in zip(halves, halves[::-1], strict=True):
        k = best_threshold(others, other_sizes)
        chosen.append(GRID[k])
        values.append(curves[:, k])
        weights.append(sizes)
    return mean_by_error(np.concatenate(values), np.concatenate(weights)), chosen


def _absent(doubts: Sequence[Doubt]) -> list[dict[str, Any]]:
    """Signals that are null in some sequence, and why."""
    why: dict[str, dict[str, int]] = {}
    for doubt in doubts:
        for name, column in doubt.signals.items():
            if not known(column).all():
                reason = doubt.reasons.get(name) or "null, no reason given"
                of = why.setdefault(name, {})
                of[reason] = of.get(reason, 0) + 1
        if math.isnan(doubt.ef.value) or math.isnan(doubt.ef.truth):
            of = why.setdefault("ejection fraction", {})
            reason = doubt.reasons.get("ejection") or doubt.ef.reason
            of[reason] = of.get(reason, 0) + 1
    return [
        {"signal": name, "reason": reason, "n_sequences": n}
        for name, of in why.items()
        for reason, n in of.items()
    ]


def _mean(values: Array) -> float:
    held = values[known(values)]
    return float(held.mean()) if held.size else math.nan
