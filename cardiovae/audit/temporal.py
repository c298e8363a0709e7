"""Temporal consistency: how far each frame lies from what its neighbors let expect.

Two published tests, kept apart because their limits do not compare: `tmi2022` follows attributes
against tolerances of one data set (Painchaud et al., IEEE TMI 41(10), 2022), `rl4seg3d` scales
them per sequence and adds the Hausdorff distance between neighbors (Judge et al., 2510.14244, and
Echo-Toolkit). Unlike the published code, a measurement that fails is not taken for consistency.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from cardiovae.attributes import attribute_signals, measure_attributes
from cardiovae.audit.criteria import CriteriaSet, Criterion
from cardiovae.audit.verdicts import Finding, Verdict
from cardiovae.errors import ConfigError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.morphology import Mask, bounding_box

Signal = NDArray[np.float64]
PIXELS: tuple[float, float] = (1.0, 1.0)
MIN_FRAMES = 3


def deviation(signal: Signal) -> Signal:
    """What each value differs from the mean of its two neighbors, `e_t` of TMI 2022.

    Args:
        signal: One attribute over time, shape (T,), T >= 1.

    Returns:
        Shape (T,), in the unit of `signal`. The ends have one neighbor only and deviate by 0. NaN
        where the value or a neighbor it is compared with is NaN.

    Examples:
        >>> deviation(np.array([1.0, 2.0, 6.0, 4.0])).tolist()
        [0.0, -1.5, 3.0, 0.0]
    """
    result = np.where(np.isnan(signal), np.nan, 0.0)
    result[1:-1] = signal[1:-1] - (signal[:-2] + signal[2:]) / 2
    return result


def relative_deviation(signal: Signal) -> Signal:
    """`deviation` of the signal scaled by its own range, from 0.99 min to 1.01 max (RL4Seg3D).

    Returns:
        Shape (T,), a ratio; a signal without any range, all zeros, deviates by 0.
    """
    plain = deviation(signal)
    if np.isnan(signal).all():
        return plain
    width = 1.01 * float(np.nanmax(signal)) - 0.99 * float(np.nanmin(signal))
    return plain / width if width > 0 else plain


def neighbor_hausdorff_mm(masks: Mask, spacing_mm: tuple[float, float]) -> Signal:
    """Mean Hausdorff distance between the contours of each frame and of its neighbors.

    A contour is the pixels of a mask with an outside pixel among their 4 neighbors; beyond the
    frame is outside. The ends have one neighbor.

    Args:
        masks: One structure over time, shape (H, W, T), T >= 2.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.

    Returns:
        Shape (T,), in mm; NaN where the mask of the frame or of a neighbor is empty.
    """
    contours = [_contour_mm(masks[:, :, t], spacing_mm) for t in range(masks.shape[2])]
    trees = [KDTree(contour) if len(contour) else None for contour in contours]
    steps = np.full(len(contours) - 1, np.nan)
    for t in range(steps.size):
        here, there = trees[t], trees[t + 1]
        if here is not None and there is not None:
            ahead, back = here.query(contours[t + 1])[0], there.query(contours[t])[0]
            steps[t] = max(np.max(ahead), np.max(back))
    return np.concatenate([steps[:1], (steps[:-1] + steps[1:]) / 2, steps[-1:]])


def temporal_findings(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    temporal_set: CriteriaSet,
    structures: tuple[Label, ...] = STRUCTURES,
) -> tuple[Finding, ...]:
    """Apply a temporal criteria set to a sequence.

    Args:
        labels: Label maps, shape (H, W, T).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown,
            limits in mm and mm2 are then NOT_MEASURABLE.
        temporal_set: Set of kind "temporal".
        structures: Annotated structures; criteria that need others are left out.

    Returns:
        One finding per criterion and frame. Where nothing can be measured, as with fewer than 3
        frames, one per criterion, NOT_MEASURABLE, without a frame.

    Raises:
        ConfigError: A set of another kind.
    """
    if temporal_set.kind != "temporal":
        raise ConfigError(f"criteria '{temporal_set.name}' judges frames; give a temporal set")
    applying = temporal_set.applying_to(structures)
    if labels.shape[2] < MIN_FRAMES:
        reason = f"needs {MIN_FRAMES} frames, got {labels.shape[2]}"
        return tuple(_unmeasured(criterion, reason) for criterion in applying)
    signals = attribute_signals(labels, spacing_mm or PIXELS, structures)
    findings: list[Finding] = []
    for criterion in applying:
        if spacing_mm is None and criterion.unit in ("mm", "mm2"):
            reason = f"spacing unknown: pixels cannot be compared with {criterion.unit}"
            findings.append(_unmeasured(criterion, reason))
            continue
        values = _measure(criterion, labels, spacing_mm or PIXELS, signals)
        for t, value in enumerate(values.tolist()):
            reason = "" if spacing_mm else "spacing unknown: square pixels assumed"
            if math.isnan(value):
                reason = _why_missing(criterion, labels, t, structures)
            findings.append(_judged(criterion, value, reason, t))
    return tuple(findings)


def _measure(
    criterion: Criterion,
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    signals: dict[str, Signal],
) -> Signal:
    """Value of a criterion in every frame, shape (T,)."""
    if criterion.metric == "neighbor_hausdorff_mm":
        return neighbor_hausdorff_mm(_mask_of(labels, criterion.signal), spacing_mm)
    measure = {"deviation": deviation, "relative_deviation": relative_deviation}[criterion.metric]
    return measure(signals[criterion.signal])


def _mask_of(labels: NDArray[np.uint8], signal: str) -> Mask:
    """Pixels of the myocardium ("myo") or of all structures together ("heart")."""
    mask: Mask = labels == Label.MYO if signal == "myo" else labels != Label.BACKGROUND
    return mask


def _why_missing(
    criterion: Criterion, labels: NDArray[np.uint8], t: int, structures: tuple[Label, ...]
) -> str:
    """Why the value of frame `t` is missing: the first cause in the frame and its neighbors."""
    n_frames = labels.shape[2]
    for s in (t, t - 1, t + 1):
        if not 0 <= s < n_frames:
            continue
        if criterion.metric == "neighbor_hausdorff_mm":
            cause = "" if _mask_of(labels[:, :, s], criterion.signal).any() else "empty contour"
        else:
            found = measure_attributes(labels[:, :, s], PIXELS, structures)
            cause = found.reasons.get(criterion.signal, "")
        if cause:
            return cause if s == t else f"neighbor frame {s}: {cause}"
    return "undefined on this frame"


def _contour_mm(mask: Mask, spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Positions of the contour pixels of `mask`, shape (N, 2), in mm."""
    box = bounding_box(mask)
    if box is None:
        return np.empty((0, 2))
    crop = np.ascontiguousarray(mask[box])
    points = np.argwhere(crop & ~ndimage.binary_erosion(crop))
    corner = np.array([box[0].start, box[1].start])
    return np.asarray((points + corner) * spacing_mm, float)


def _judged(criterion: Criterion, value: float, reason: str, frame: int | None) -> Finding:
    verdict = Verdict.PASS if criterion.allows(value) else Verdict.FAIL
    if math.isnan(value):
        verdict = Verdict.NOT_MEASURABLE
    return Finding(
        criterion.name,
        verdict,
        value,
        criterion.low,
        criterion.high,
        criterion.unit,
        reason,
        frame,
    )


def _unmeasured(criterion: Criterion, reason: str) -> Finding:
    return _judged(criterion, math.nan, reason, None)
