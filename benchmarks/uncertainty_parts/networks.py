"""Ways to tell where a network is wrong, all on the same predictions of CAMUS test patients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.association import absolute_pearson, mean_by_error, mutual_information
from cardiovae.calibration.reliability import calibration_error, pixel_sums
from cardiovae.calibration.risk import risk_coverage
from cardiovae.calibration.roc import auroc
from cardiovae.crisp.images import gray_levels
from cardiovae.crisp.infer import crisp_doubt
from cardiovae.io.atomic import write_text
from cardiovae.io.content import view_from_name
from cardiovae.opinion.infer import opinion_doubt
from cardiovae.sequence import EchoSequence
from cardiovae.uncertainty.experts import Experts
from uncertainty_parts.measure import mean_dice, number
from uncertainty_parts.segmenter_scores import LEVELS, segmenter_scores

BELOW = 0.85


@dataclass(frozen=True)
class Row:
    """One method at one level, or over all of them."""

    method: str
    level: str
    pearson: float
    mi: float
    ece: float
    auroc: float
    aurc: float


def measured(data: Path, level: str, experts: Experts, path: Path) -> dict[str, Any]:
    """Scores of every method on one level's predictions, kept in `path`."""
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    given = segmenter_scores(data, level)
    spacing = _spacing(data, given.names)
    pixel = {name: np.asarray(maps, np.float32) for name, maps in given.pixel.items()}
    for name in ("crisp", "opinion"):
        pixel[name] = np.zeros(given.labels.shape, np.float32)
    scores = {name: values.tolist() for name, values in given.score.items()}
    scores |= {"crisp": [], "opinion": []}
    for i, (labels, image, name) in enumerate(
        zip(given.labels, given.images, given.names, strict=True)
    ):
        sequence = EchoSequence(labels[:, :, None], spacing[i], view=view_from_name(str(name)))
        gray = gray_levels(image[:, :, None])
        for method, doubt in (
            ("crisp", crisp_doubt(experts.crisp, gray, sequence)),
            ("opinion", opinion_doubt(experts.opinion, gray, sequence)),
        ):
            pixel[method][i] = doubt.pixel[:, :, 0]
            scores[method].append(number(float(doubt.score[0])))
    error = given.labels != given.truth
    result = {
        "names": [str(n) for n in given.names],
        "dice": [
            mean_dice(a[:, :, None], b[:, :, None])[0]
            for a, b in zip(given.labels, given.truth, strict=True)
        ],
        "n_errors": error.sum((1, 2)).tolist(),
        "scores": scores,
        "mi": {
            name: [_mi(e, m) for e, m in zip(error, maps, strict=True)]
            for name, maps in pixel.items()
        },
        "sums": {
            name: pixel_sums(_known(maps), given.labels, given.truth).tolist()
            for name, maps in pixel.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(result, allow_nan=False), overwrite=True)
    return result


def rows(found: dict[str, dict[str, Any]]) -> list[Row]:
    """Every method over all levels, and at each."""
    methods = list(next(iter(found.values()))["scores"])
    result = []
    for method in methods:
        for level in ("all", *LEVELS):
            parts = [found[name] for name in LEVELS if level in ("all", name)]
            result.append(_row(method, level, parts))
    return result


def _row(method: str, level: str, parts: list[dict[str, Any]]) -> Row:
    score, dice, mi, sizes = (
        _joined(parts, pick)
        for pick in (
            lambda p: p["scores"][method],
            lambda p: p["dice"],
            lambda p: p["mi"][method],
            lambda p: p["n_errors"],
        )
    )
    patients = [name.split("_")[0] for part in parts for name in part["names"]]
    known = np.isfinite(score) & np.isfinite(dice)
    sums = np.sum([np.array(part["sums"][method]) for part in parts], axis=0)
    who = [p for p, k in zip(patients, known, strict=True) if k]
    return Row(
        method,
        level,
        absolute_pearson(score, dice),
        mean_by_error(mi, sizes),
        calibration_error(sums).expected,
        auroc(score[known], dice[known] < BELOW, who).value,
        risk_coverage(score[known], 1 - dice[known]).area,
    )


def _joined(parts: list[dict[str, Any]], pick: Any) -> NDArray[np.float64]:
    values = [v for part in parts for v in pick(part)]
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _mi(error: NDArray[np.bool_], doubt: NDArray[np.float32]) -> float | None:
    return number(mutual_information(error, doubt)) if np.isfinite(doubt).all() else None


def _known(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.clip(maps.astype(np.float64), 0, 1)  # NaN stays, and is left out


def _spacing(data: Path, names: NDArray[np.str_]) -> list[tuple[float, float]]:
    with np.load(data / "camus224_dev.npz") as content:
        place = {str(n): i for i, n in enumerate(content["names"])}
        spacing = content["spacing_mm"]
    return [(float(r), float(c)) for r, c in (spacing[place[str(n)]] for n in names)]
