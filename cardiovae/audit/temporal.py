"""Temporal consistency: how far each frame lies from what its neighbors let expect.

Two published tests, kept apart because their limits do not compare: `tmi2022` follows attributes
against tolerances of one data set (Painchaud et al., IEEE TMI 41(10), 2022), `rl4seg3d` scales
them per sequence and adds the Hausdorff distance between neighbors (Judge et al., 2510.14244, and
Echo-Toolkit). Unlike the published code, a measurement that fails is not taken for consistency.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import FrameAttributes, attributes_on
from cardiovae.audit.criteria import CriteriaSet, Criterion
from cardiovae.audit.heart import ANY, MYO, Heart
from cardiovae.audit.verdicts import Finding, Verdict
from cardiovae.errors import ConfigError
from cardiovae.kernels.contours import contour, hausdorff_mm
from cardiovae.kernels.runs import Ints
from cardiovae.labels import STRUCTURES, Label
from cardiovae.morphology import Mask

Signal = NDArray[np.float64]
Contour = tuple[Ints, Ints]  # first contour pixel of every row, columns of the contour pixels
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
    hearts = (Heart.of(masks[:, :, t].astype(np.uint8)) for t in range(masks.shape[2]))
    return _steps_mm([_contour_of(heart, 1 << 1) for heart in hearts], spacing_mm)


def _contour_of(heart: Heart, members: int) -> Contour:
    """Contour, as of `neighbor_hausdorff_mm`, of the pixels of some labels, each as one bit."""
    return contour(heart.labels.shape, *heart.runs[:4], members)


def _steps_mm(contours: list[Contour], spacing_mm: tuple[float, float]) -> Signal:
    """Mean Hausdorff distance of each contour to those before and after."""
    row_mm, col_mm = spacing_mm
    steps = np.full(len(contours) - 1, np.nan)
    for t in range(steps.size):
        (index, cols), (next_index, next_cols) = contours[t], contours[t + 1]
        if cols.size and next_cols.size:
            steps[t] = hausdorff_mm(
                index, cols, next_index, next_cols, float(row_mm), float(col_mm)
            )
    return np.concatenate([steps[:1], (steps[:-1] + steps[1:]) / 2, steps[-1:]])


@dataclass(frozen=True, eq=False)
class Motion:
    """What temporal criteria follow in one sequence; measured once, for any number of sets.

    Args:
        labels: Label maps, shape (H, W, T), T >= 2.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown,
            everything is in square pixels.
        structures: Annotated structures.
    """

    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float] | None
    structures: tuple[Label, ...] = STRUCTURES
    _distances: dict[str, Signal] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def hearts(self) -> tuple[Heart, ...]:
        """The heart of every frame."""
        return tuple(Heart.of(self.labels[:, :, t]) for t in range(self.labels.shape[2]))

    @functools.cached_property
    def attributes(self) -> tuple[FrameAttributes, ...]:
        """Attributes of every frame."""
        spacing_mm = self.spacing_mm or PIXELS
        return tuple(
            attributes_on(heart.runs, spacing_mm, self.structures) for heart in self.hearts
        )

    def follow(self, criterion: Criterion) -> Signal:
        """Value of a criterion in every frame, shape (T,)."""
        if criterion.metric == "neighbor_hausdorff_mm":
            return self._hausdorff(criterion.signal)
        signal = np.array([frame[criterion.signal] for frame in self.attributes])
        measure = {"deviation": deviation, "relative_deviation": relative_deviation}
        return measure[criterion.metric](signal)

    def why_missing(self, criterion: Criterion, t: int) -> str:
        """Why the value of frame `t` is missing: the first cause in it and its neighbors."""
        for s in (t, t - 1, t + 1):
            if not 0 <= s < len(self.hearts):
                continue
            if criterion.metric == "neighbor_hausdorff_mm":
                found = bool(_contour_of(self.hearts[s], _members(criterion.signal))[1].size)
                cause = "" if found else "empty contour"
            else:
                cause = self.attributes[s].reasons.get(criterion.signal, "")
            if cause:
                return cause if s == t else f"neighbor frame {s}: {cause}"
        return "undefined on this frame"

    def _hausdorff(self, signal: str) -> Signal:
        if signal not in self._distances:
            contours = [_contour_of(heart, _members(signal)) for heart in self.hearts]
            self._distances[signal] = _steps_mm(contours, self.spacing_mm or PIXELS)
        return self._distances[signal]


def temporal_findings(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    temporal_set: CriteriaSet,
    structures: tuple[Label, ...] = STRUCTURES,
    *,
    motion: Motion | None = None,
) -> tuple[Finding, ...]:
    """Apply a temporal criteria set to a sequence.

    Args:
        labels: Label maps, shape (H, W, T).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown,
            limits in mm and mm2 are then NOT_MEASURABLE.
        temporal_set: Set of kind "temporal".
        structures: Annotated structures; criteria that need others are left out.
        motion: That of this very sequence, where several sets are applied to it.

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
    motion = motion or Motion(labels, spacing_mm, structures)
    findings: list[Finding] = []
    for criterion in applying:
        if spacing_mm is None and criterion.unit in ("mm", "mm2"):
            reason = f"spacing unknown: pixels cannot be compared with {criterion.unit}"
            findings.append(_unmeasured(criterion, reason))
            continue
        for t, value in enumerate(motion.follow(criterion).tolist()):
            reason = "" if spacing_mm else "spacing unknown: square pixels assumed"
            if math.isnan(value):
                reason = motion.why_missing(criterion, t)
            findings.append(_judged(criterion, value, reason, t))
    return tuple(findings)


def _members(signal: str) -> int:
    """What a Hausdorff distance follows: the myocardium ("myo"), or all structures ("heart")."""
    return MYO if signal == "myo" else ANY


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
