"""The evaluation as plain data: the content of `summary.json`, and all that a report may say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiovae.evaluation.aggregate import ChangeRow, ShareRow, StructureRow, WorstFrame
from cardiovae.evaluation.agreement import Agreement
from cardiovae.evaluation.pairing import Pair, Unmatched
from cardiovae.evaluation.results import METRICS
from cardiovae.evaluation.summary import Summary
from cardiovae.indices.ejection import Ejection
from cardiovae.indices.names import INDICES
from cardiovae.intervals.bootstrap import COVERAGE_PERCENT, Interval


@dataclass(frozen=True)
class Origin:
    """Where an evaluation comes from.

    Args:
        version: Of cardiovae.
        predictions: What was asked to be judged, as given.
        references: What to judge it by.
        before: Where the predictions before correction are; None = not given.
        seed: Of the intervals.
        n_resamples: How often patients were drawn.
    """

    version: str
    predictions: str
    references: str
    before: str | None
    seed: int
    n_resamples: int


def evaluation_record(
    summary: Summary,
    origin: Origin,
    errors: Sequence[tuple[Pair, str]] = (),
    unmatched: Sequence[Unmatched] = (),
) -> dict[str, Any]:
    """Plain data, strictly valid JSON: what is not known is None.

    Args:
        summary: Of the pairs that were measured.
        origin: Where they come from.
        errors: Pairs that could not be measured, and why.
        unmatched: Files in no pair.
    """
    results = summary.results
    return {
        "cardiovae": origin.version,
        "predictions": origin.predictions,
        "references": origin.references,
        "before": origin.before,
        "seed": origin.seed,
        "n_resamples": origin.n_resamples,
        "confidence_percent": COVERAGE_PERCENT,
        "n_pairs": len(results),
        "n_frames": sum(r.n_frames for r in results),
        "n_patients": len({r.pair.patient for r in results}),
        "sides": list(summary.sides),
        "structures": list(dict.fromkeys(row.structure.name for row in summary.structures)),
        "metrics": dict(METRICS),
        "scores": [entry for row in summary.structures for entry in _scores(row)],
        "changes": [_change(row) for row in summary.changes],
        "validity": [_share(row) for row in summary.validity],
        "motion": [_share(row) for row in summary.motion],
        "ejection": {
            "agreement": {s: _agreement(a) for s, a in summary.agreements.items()},
            "mae_change": _interval(summary.mae_change),
            "patients": [
                {
                    "patient": heart.patient,
                    "views": list(heart.views),
                    **{side: _volumes(found) for side, found in heart.sides.items()},
                }
                for heart in summary.ejections
            ],
        },
        "indices": {
            "agreement": [
                {
                    "index": row.index,
                    "title": INDICES[row.index].title,
                    "unit": INDICES[row.index].unit,
                    "side": row.side,
                    **_agreement(row.found),
                }
                for row in summary.index_agreements
            ],
            "patients": [
                {
                    "patient": heart.patient,
                    "views": list(heart.views),
                    **{s: {n: _known(v) for n, v in of.items()} for s, of in heart.sides.items()},
                }
                for heart in summary.indices
            ],
        },
        "worst": [_worst(summary, row) for row in summary.worst],
        "errors": [
            {"name": pair.name, "prediction": str(pair.prediction), "error": message}
            for pair, message in errors
        ],
        "unmatched": [
            {"path": str(u.path), "side": u.side, "reason": u.reason} for u in unmatched
        ],
    }


def _scores(row: StructureRow) -> list[dict[str, Any]]:
    return [
        {
            "side": row.side,
            "structure": row.structure.name,
            "metric": metric,
            "unit": METRICS[metric],
            **_interval(mean),
            "n_frames": row.counts[metric],
            "n_one_sided": row.n_one_sided,
        }
        for metric, mean in row.means.items()
    ]


def _change(row: ChangeRow) -> dict[str, Any]:
    return {
        "structure": row.structure.name,
        "metric": row.metric,
        "unit": METRICS[row.metric],
        **_interval(row.change),
        "n_frames": row.n_frames,
        "n_better": row.n_better,
        "n_worse": row.n_worse,
    }


def _share(row: ShareRow) -> dict[str, Any]:
    return {
        "side": row.side,
        "criteria": row.criteria,
        "n": row.n,
        "total": row.total,
        "n_unmeasured": row.n_unmeasured,
        **_interval(row.percent),
    }


def _agreement(found: Agreement) -> dict[str, Any]:
    names = ("bias", "lower_limit", "upper_limit", "mae", "pearson_r")
    return {
        "n": found.n,
        "n_patients": found.n_patients,
        **{name: _interval(getattr(found, name)) for name in names},
    }


def _volumes(found: Ejection) -> dict[str, Any]:
    return {
        "ed_ml": _known(found.ed_ml),
        "es_ml": _known(found.es_ml),
        "ef_percent": _known(found.ef_percent),
        "method": found.method,
        "reason": found.reason,
    }


def _worst(summary: Summary, row: WorstFrame) -> dict[str, Any]:
    pair = summary.results[row.pair].pair
    return {
        "name": pair.name,
        "prediction": str(pair.prediction),
        "frame": row.frame,
        "structure": row.structure.name,
        "dice": _known(row.dice),
        "hausdorff_mm": _known(row.hausdorff_mm),
        "dice_before": _known(row.dice_before),
    }


def _interval(found: Interval) -> Mapping[str, float | None]:
    return {"value": _known(found.value), "low": _known(found.low), "high": _known(found.high)}


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
