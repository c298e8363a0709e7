"""What is measured of one corrected sequence: plain data for JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.verdicts import Verdict
from cardiovae.correction.record import Correction
from cardiovae.evaluation.overlap import score_frames
from cardiovae.indices.ejection import ejection
from cardiovae.labels import STRUCTURES, Label
from proof.cases import Case

Record = dict[str, Any]


def record(case: Case, done: Correction, seconds: float) -> Record:
    """Audit, overlap, distances, ejection fraction and smoothness of the result.

    Numbers that cannot be measured are None.
    """
    given, found = done.original, done.sequence
    scores = score_frames(found.labels, case.truth, found.spacing_mm, STRUCTURES)
    area = lv_area_mm2(found.labels, found.spacing_mm or (math.nan, math.nan))
    cine = found.n_frames >= 3
    return {
        "case": case.name,
        "patient": case.patient,
        "seconds": round(seconds, 5),
        "status": done.status,
        "valid": [[frame.passed for frame in audit.frames] for audit in done.after],
        "steady": [audit.temporal_verdict is Verdict.PASS for audit in done.after] if cine else [],
        "sound": [not change.why for change in done.frames],
        "same": (found.labels == given.labels).all((0, 1)).tolist(),
        "changed_share": _numbers(changed_share(given.labels, found.labels), 4),
        "dice": _numbers(scores.dice, 5),
        "hausdorff_mm": _numbers(scores.hausdorff_mm, 4),
        "area_mm2": _numbers(area, 2),
        "density": _numbers(np.array([change.density_before for change in done.frames]), 3),
        "typicality": _numbers(np.array([change.typicality for change in done.frames]), 3),
        "flagged": [change.out_of_distribution for change in done.frames],
        **(_ejection(case, done) if cine else {}),
    }


def lv_area_mm2(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Area of the LV in every frame, shape (T,); 0 where there is none."""
    count = np.count_nonzero(labels == Label.LV, axis=(0, 1))
    return np.asarray(count * math.prod(spacing_mm), np.float64)


def bending(area: NDArray[np.float64]) -> float:
    """Integral of the squared second derivative of a signal (T,) over its frames.

    Examples:
        >>> bending(np.array([0.0, 1.0, 2.0, 3.0])), bending(np.array([0.0, 1.0, 0.0]))
        (0.0, 4.0)
    """
    second = np.diff(area, 2)
    return float(second @ second)


def changed_share(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Changed pixels of every frame over those that had a label before, shape (T,).

    Examples:
        >>> before, after = np.array([[[1], [1]]]), np.array([[[1], [2]]])
        >>> changed_share(before, after).tolist()
        [0.5]
    """
    labelled = np.count_nonzero(before, axis=(0, 1))
    changed = np.count_nonzero(before != after, axis=(0, 1))
    return np.asarray(changed / np.maximum(labelled, 1), np.float64)


def _ejection(case: Case, done: Correction) -> Record:
    """Ejection fractions of one view: of the result and of the reference's label maps."""
    spacing = done.sequence.spacing_mm
    if spacing is None:
        return {}
    structures = done.sequence.structures
    own, at, reference = (
        ejection(labels, spacing, structures=structures, instants_4ch=instants).ef_percent
        for labels, instants in (
            (done.sequence.labels, None),
            (done.sequence.labels, case.instants),
            (case.truth, None),
        )
    )
    return {
        "ef": _number(own),
        "ef_at": _number(at) if case.instants else None,
        "ef_reference": _number(reference),
        "ef_true": _number(case.true_ef_percent),
        "reference_area_mm2": _numbers(lv_area_mm2(case.truth, spacing), 2),
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _numbers(values: NDArray[np.float64], digits: int) -> list[Any]:
    """Nested lists with None for NaN."""
    rounded = np.round(values, digits)
    return np.where(np.isfinite(rounded), rounded.astype(object), None).tolist()
