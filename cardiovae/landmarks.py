"""Annulus hinge points and apex of the left ventricle in one frame.

Points are (row, col) positions of pixel centers in mm, measured from the center of pixel (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.labels import STRUCTURES, Label
from cardiovae.morphology import bounding_box, dilate

Point = tuple[float, float]
NO_POINT: Point = (math.nan, math.nan)


@dataclass(frozen=True)
class Landmarks:
    """Hinge points of the mitral annulus and apex, (row, col) in mm; NaN where not found.

    `reason` says why a point is missing; empty when all were found.
    """

    hinge_left_mm: Point
    hinge_right_mm: Point
    apex_mm: Point
    reason: str = ""

    @property
    def base_mm(self) -> Point:
        """Middle of the annulus, (row, col) in mm."""
        (r0, c0), (r1, c1) = self.hinge_left_mm, self.hinge_right_mm
        return (r0 + r1) / 2, (c0 + c1) / 2


@dataclass(frozen=True)
class Axis:
    """Principal inertia axis of a region: centroid (row, col) in mm, unit vector pointing down."""

    center_mm: Point
    down: Point


def long_axis(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Axis | None:
    """Principal inertia axis of `mask`, shape (H, W); None when it has no unique axis.

    The direction of largest variance of the pixel centers, oriented towards growing rows
    (Painchaud et al., IEEE TMI 41(10), 2022: orientation of the LV against the vertical).
    """
    rows, cols = np.nonzero(mask)
    if rows.size < 3:
        return None
    y, x = rows * spacing_mm[0], cols * spacing_mm[1]
    cy, cx = float(y.mean()), float(x.mean())
    dy, dx = y - cy, x - cx
    yy, xx, xy = float((dy * dy).mean()), float((dx * dx).mean()), float((dx * dy).mean())
    spread = math.hypot(yy - xx, 2 * xy)
    if spread <= 1e-9 * (yy + xx):
        return None
    angle = 0.5 * math.atan2(2 * xy, yy - xx)  # of the axis, measured from the vertical
    return Axis((cy, cx), (math.cos(angle), math.sin(angle)))


def find_landmarks(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    structures: tuple[Label, ...] = STRUCTURES,
) -> Landmarks:
    """Hinge points and apex of one frame.

    With a myocardium, a hinge is the lowest LV pixel along the LV's long axis, on its side of that
    axis, that touches both myocardium and something else than LV or myocardium (8-neighbors).
    Without an annotated myocardium it is the LV's corner: the pixel farthest down and out at 45
    degrees to the long axis. The apex is the LV pixel farthest from the middle of the annulus
    (Painchaud et al., IEEE TMI 41(10), 2022, definitions of its public code).

    Args:
        labels: Label map of one frame, shape (H, W).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        structures: Annotated structures.

    Returns:
        The landmarks; NaN points and a reason when they cannot be found.
    """
    lv = labels == Label.LV
    box = bounding_box(lv, margin=1)
    if box is None:
        return Landmarks(NO_POINT, NO_POINT, NO_POINT, "no LV pixel")
    crop = labels[box]
    lv = crop == Label.LV
    axis = long_axis(lv, spacing_mm)
    if axis is None:
        return Landmarks(NO_POINT, NO_POINT, NO_POINT, "the LV has no long axis")
    if Label.MYO in structures:
        myo = crop == Label.MYO
        other = ~lv & ~myo
        seen = dilate(myo) & dilate(other)
        rows, cols = np.nonzero(lv & seen)
    else:
        rows, cols = np.nonzero(lv)
    y = rows * spacing_mm[0] - axis.center_mm[0]
    x = cols * spacing_mm[1] - axis.center_mm[1]
    depth = y * axis.down[0] + x * axis.down[1]
    lateral = x * axis.down[0] - y * axis.down[1]
    hinges: list[Point] = []
    for side in (-1.0, 1.0):
        there = side * lateral > 0
        if not there.any():
            name = "left" if side < 0 else "right"
            reason = f"no LV pixel on the {name} touches both myocardium and its outside"
            return Landmarks(NO_POINT, NO_POINT, NO_POINT, reason)
        score = depth if Label.MYO in structures else depth + side * lateral
        best = int(np.flatnonzero(there)[np.argmax(score[there])])
        hinges.append((float(rows[best] * spacing_mm[0]), float(cols[best] * spacing_mm[1])))
    (r0, c0), (r1, c1) = hinges
    rows, cols = np.nonzero(lv)
    far = np.hypot(rows * spacing_mm[0] - (r0 + r1) / 2, cols * spacing_mm[1] - (c0 + c1) / 2)
    best = int(np.argmax(far))
    apex = (float(rows[best] * spacing_mm[0]), float(cols[best] * spacing_mm[1]))
    offset = (box[0].start * spacing_mm[0], box[1].start * spacing_mm[1])
    left, right, apex = ((r + offset[0], c + offset[1]) for r, c in (*hinges, apex))
    return Landmarks(left, right, apex)
