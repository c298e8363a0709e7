"""What was measured of a pair, and the rows of the tables made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.verdicts import Verdict
from cardiovae.evaluation.indices import INDICES, NO_INSTANTS, sequence_heart
from cardiovae.evaluation.pairing import Pair
from cardiovae.indices.ejection import Disks, Ejection, ejection_of_disks, not_ejecting
from cardiovae.indices.measure import Cine
from cardiovae.indices.names import NO_NEWS
from cardiovae.labels import ALL, Label
from cardiovae.sequence import SAX

if TYPE_CHECKING:
    from cardiovae.evaluation.overlap import FrameScores

ANATOMY = ("camus", "camus-public")
SHORT_AXIS_ANATOMY = ("acdc",)
MOTION = ("tmi2022", "rl4seg3d")
SIDES = ("before", "prediction", "reference")
METRICS: Mapping[str, str] = {
    "dice": "ratio",
    "hausdorff_mm": "mm",
    "hd95_mm": "mm",
    "mean_surface_mm": "mm",
}
"""Scores of a frame and structure, with their units; the names of the fields of FrameScores."""


@dataclass(frozen=True, eq=False)
class Side:
    """One label map sequence of a pair.

    Args:
        scores: Against the reference; None for the reference itself.
        valid: Per anatomical criteria set for its view, whether each frame passes, T values.
        motion: Per temporal criteria set, the verdict; None for fewer than three frames, and for
            slices.
        disks: The LV at the instants of the pair; empty where the spacing is unknown.
        cine: All that is measured at these instants, or of the stack; None without an LV in an
            apical view.
    """

    scores: FrameScores | None
    valid: Mapping[str, tuple[bool, ...]]
    motion: Mapping[str, Verdict | None]
    disks: tuple[Disks, ...]
    cine: Cine | None


@dataclass(frozen=True, eq=False)
class PairResult:
    """What was measured of one pair.

    Args:
        pair: The files.
        n_frames: Number of frames T.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown.
        structures: What the scores are about: what the reference annotates.
        instants: Frames of the reference at ED and ES; one frame where there is only one, none
            where no frame has an LV.
        sides: "prediction", "reference" and perhaps "before".
        is_stack: Whether the frames are short-axis slices of one instant.
    """

    pair: Pair
    n_frames: int
    spacing_mm: tuple[float, float] | None
    structures: tuple[Label, ...]
    instants: tuple[int, ...]
    sides: Mapping[str, Side]
    is_stack: bool = False

    def values(self, side: str, metric: str) -> NDArray[np.float64]:
        """One of `METRICS` per frame and structure of `ALL`: (T, 4), NaN where unknown."""
        table = np.full((self.n_frames, len(ALL)), np.nan)
        scores = self.sides[side].scores if side in self.sides else None
        if scores is not None:
            columns = [ALL.index(s) for s in scores.structures]
            table[:, columns] = getattr(scores, metric)
        return table

    def ejection(self, side: str) -> Ejection:
        """Of this sequence alone, single-plane, at the reference's ED and ES."""
        disks = self.sides[side].disks
        if self.is_stack:
            return not_ejecting(1, "the frames are slices of one instant")
        if self.spacing_mm is None:
            return not_ejecting(1, "the pixel spacing is unknown")
        if len(disks) < 2:
            return not_ejecting(1, NO_INSTANTS)
        return ejection_of_disks([(disks[0], disks[1])])


def score_name(metric: str, structure: Label) -> str:
    """Column of a metric of a structure.

    Examples:
        >>> score_name("hausdorff_mm", Label.LA)
        'hausdorff_la_mm'
    """
    name = metric.removesuffix("_mm")
    return f"{name}_{structure.name.lower()}{metric[len(name) :]}"


SCORES = tuple(score_name(metric, s) for metric in METRICS for s in ALL)
JUDGES = (*ANATOMY, *SHORT_AXIS_ANATOMY)
VALID = tuple(f"valid_{name}".replace("-", "_") for name in JUDGES)
FRAME_COLUMNS = ("name", "patient", "view", "side", "frame", *SCORES, *VALID)
EJECTION = ("ed_ml", "es_ml", "ef_percent")
SEQUENCE_COLUMNS = (
    "name", "patient", "view", "side", "file", "reference", "n_frames", "row_mm", "col_mm",
    *SCORES, *VALID, *(f"motion_{name}" for name in MOTION), *EJECTION, *INDICES, "note",
    "indices_reason", "error",
)  # fmt: skip


def frame_rows(results: Sequence[PairResult]) -> Iterator[dict[str, Any]]:
    """One row per pair, side and frame, with `FRAME_COLUMNS`; what is unknown is None."""
    for result in results:
        for name in (s for s in SIDES if s in result.sides):
            scores = _columns(result, name)
            for t in range(result.n_frames):
                found = result.sides[name].valid
                valid = [bool(found[a][t]) if a in found else None for a in JUDGES]
                yield dict(
                    zip(
                        FRAME_COLUMNS,
                        (*_who(result.pair, result), name, t, *map(_known, scores[t]), *valid),
                        strict=True,
                    )
                )


def sequence_rows(
    results: Sequence[PairResult], errors: Sequence[tuple[Pair, str]] = ()
) -> Iterator[dict[str, Any]]:
    """One row per pair and side, with `SEQUENCE_COLUMNS`: means over frames, shares of valid ones.

    Args:
        results: Pairs that were measured.
        errors: Pairs that could not be, and why: one row each, with nothing but names and error.
    """
    blank = dict.fromkeys(SEQUENCE_COLUMNS)
    for result in results:
        for name in (s for s in SIDES if s in result.sides):
            yield blank | _sequence_row(result, name)
    for pair, message in errors:
        yield blank | _names(pair, "prediction") | {"error": message}


def _sequence_row(result: PairResult, name: str) -> dict[str, Any]:
    side, volumes = result.sides[name], result.ejection(name)
    row, col = result.spacing_mm or (None, None)
    means = [_mean(column) for column in _columns(result, name).T]
    return {
        **_names(result.pair, name, result),
        "n_frames": result.n_frames,
        "row_mm": row,
        "col_mm": col,
        **dict(zip(SCORES, means, strict=True)),
        **{
            v: float(np.mean(side.valid[a])) if a in side.valid else None
            for v, a in zip(VALID, JUDGES, strict=True)
        },
        **{f"motion_{m}": _verdict(side.motion[m]) for m in MOTION},
        **{column: _known(getattr(volumes, column)) for column in EJECTION},
        **_indices(result, name),
        "note": volumes.reason,
    }


def _indices(result: PairResult, side: str) -> dict[str, Any]:
    """The clinic's indices of a side, and why some are missing."""
    heart = sequence_heart(result, side)
    if heart is None:
        return {"indices_reason": "the reference shows no LV in an apical view"}
    view = f"{heart.views[0].name}: "
    told = (heart.indices[name].reason.removeprefix(view) for name in INDICES)
    news = [reason for reason in told if reason and reason not in NO_NEWS]
    return {
        **{name: _known(heart[name]) for name in INDICES},
        "indices_reason": "; ".join(dict.fromkeys(news)),
    }


def _columns(result: PairResult, side: str) -> NDArray[np.float64]:
    """Every score of every frame in the order of `SCORES`: (T, 16)."""
    return np.concatenate([result.values(side, metric) for metric in METRICS], axis=1)


def _names(pair: Pair, side: str, result: PairResult | None = None) -> dict[str, Any]:
    file = {"before": pair.before, "reference": pair.reference}.get(side, pair.prediction)
    who = dict(zip(("name", "patient", "view"), _who(pair, result), strict=True))
    return {**who, "side": side, "file": str(file), "reference": str(pair.reference)}


def _who(pair: Pair, result: PairResult | None) -> tuple[str, str, str | None]:
    return pair.name, pair.patient, SAX if result and result.is_stack else pair.view


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _verdict(verdict: Verdict | None) -> str | None:
    return None if verdict is None else verdict.value
