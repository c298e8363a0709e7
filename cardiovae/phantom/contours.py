"""Contours of a drawn heart at one instant, as polygons in mm.

Points are (row, col) in mm; in the image they are measured from the center of pixel (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from cardiovae.landmarks import Landmarks
from cardiovae.phantom.quantities import LA_SLICES, SLICES, HeartShape

Points = NDArray[np.float64]

# Along the LV, an epicardial cap is this wide (over its width at the first slice) at a fifth of
# its height, where a parabola has 0.45: measured on CAMUS.
CAP_HEIGHT, CAP_WIDTH = 0.2, 0.56
AWAY = 0.35  # slope at which the atrium leaves the end of the wall
LA_NECK = 0.10  # share of the atrium over which its width comes from that of the annulus
SAMPLES = 72  # points per side of a contour, about 1 mm apart


@dataclass(frozen=True)
class HeartContours:
    """Closed polygons (N, 2) of one instant, (row, col) in mm, and the true landmarks.

    `epicardium` surrounds the LV and its wall; the atrium touches it without overlap.
    """

    lv: Points
    epicardium: Points
    la: Points
    landmarks: Landmarks


def heart_contours(shape: HeartShape, image_width_mm: float) -> HeartContours:
    """Contours of `shape` in an image of that width whose top left pixel's center is (0, 0)."""
    half = shape.base_width_mm / 2
    tilt = math.radians(shape.annulus_tilt_deg)
    drop, reach = half * math.sin(tilt), half * math.cos(tilt)
    left = np.array([shape.length_mm - drop, -reach])
    right = np.array([shape.length_mm + drop, reach])
    lv = _lv(shape, left, right)
    corners = (
        left + np.array([shape.corner_depth_left_mm, -shape.corner_lateral_left_mm]),
        right + np.array([shape.corner_depth_right_mm, shape.corner_lateral_right_mm]),
    )
    outer = _epicardium(shape, (left, right), corners)
    epicardium = np.concatenate([outer, right[None], left[None]])
    atrium = _atrium(shape, (left, right), _floor((left, right), corners, shape.la_contact_mm))

    angle = math.radians(shape.axis_tilt_deg)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-math.sin(angle), math.cos(angle)])
    apex = np.array([shape.apex_row_mm, shape.base_col_mm + image_width_mm / 2])
    apex[1] -= shape.length_mm * along[1]

    def place(points: Points) -> Points:
        placed: Points = apex + points[:, :1] * along + points[:, 1:] * across
        return placed

    marks = [(float(row), float(col)) for row, col in (*place(np.array([left, right])), apex)]
    return HeartContours(
        place(lv), place(epicardium), place(atrium), Landmarks(marks[0], marks[1], marks[2])
    )


def _sides(shape: HeartShape) -> tuple[Points, Points]:
    """Lateral position of the LV's left and right side at the slices."""
    bend = np.asarray(shape.bend_mm)
    half = shape.width_mm * np.asarray(shape.width_profile) / 2
    return bend - half, bend + half


def _lv(shape: HeartShape, left: Points, right: Points) -> Points:
    return _arch((0.0, 0.0), (left, right), (SLICES, SLICES), _sides(shape))


def _epicardium(
    shape: HeartShape, hinges: tuple[Points, Points], corners: tuple[Points, Points]
) -> Points:
    """Outer contour from the left corner over the top to the right corner."""
    walls = (-np.asarray(shape.wall_left), np.asarray(shape.wall_right))
    top = -shape.wall_apex_mm
    steps, laterals = [], []
    for inner, wall, hinge, corner in zip(_sides(shape), walls, hinges, corners, strict=True):
        # The last slice is left out: a corner may lie above it.
        outer = (inner + shape.wall_mm * wall)[:-1]
        height = SLICES[:-1] * hinge[0] - top
        depth = np.concatenate([[height[0] * CAP_HEIGHT], height])
        steps.append(depth / (corner[0] - top))
        laterals.append(np.concatenate([[outer[0] * CAP_WIDTH], outer]))
    return _arch((top, 0.0), corners, (steps[0], steps[1]), (laterals[0], laterals[1]))


def _floor(
    hinges: tuple[Points, Points], corners: tuple[Points, Points], contact_mm: float
) -> Points:
    """How high the atrium may reach, as a line of points (depth, lateral) from left to right.

    The annulus, then `contact_mm` along the end of each wall, then away from it.
    """
    line = []
    for hinge, corner in zip(hinges, corners, strict=True):
        way = corner - hinge
        share = min(contact_mm / float(np.linalg.norm(way)), 0.9)
        leave = hinge + share * way
        apart = corner + np.array([AWAY * (1 - share) * abs(way[1]), 0.0])
        line += [hinge, leave, apart]
    order = (2, 1, 0, 3, 4, 5)
    return np.array([line[i] for i in order])


def _atrium(shape: HeartShape, hinges: tuple[Points, Points], floor: Points) -> Points:
    """Atrium from the left hinge over its bottom to the right hinge.

    The atrium lies below `floor`, and where it would not, on it: so it comes to touch the wall.
    """
    angle = math.radians(shape.la_angle_deg)
    along, across = (
        np.array([math.cos(angle), math.sin(angle)]),
        np.array([-math.sin(angle), math.cos(angle)]),
    )
    base = np.array([shape.length_mm, 0.0])
    left, right = (np.array([(h - base) @ along, (h - base) @ across]) for h in hinges)
    bend = np.asarray(shape.la_bend_mm)
    half = shape.la_width_mm * np.asarray(shape.la_width_profile) / 2
    fade = np.exp(-0.5 * (LA_SLICES / LA_NECK) ** 2)
    sides = []
    for end, side in ((left, bend - half), (right, bend + half)):
        start = 1.5 * side[0] - 0.5 * side[1]  # where the profile alone would meet the annulus
        sides.append((side + fade * (end[1] - start))[::-1])
    steps = (1 - LA_SLICES)[::-1]
    pole = (shape.la_length_mm, float(bend[-1]))
    curve = _arch(pole, (left, right), (steps, steps), (sides[0], sides[1]))
    points: Points = base + curve[:, :1] * along + curve[:, 1:] * across
    points[0], points[-1] = hinges
    _rest_on(points, floor)
    return points


def _rest_on(points: Points, floor: Points) -> None:
    """Keep a contour below `floor`, and on it from either hinge to where it touches it last.

    Else the two would enclose a pocket of background.
    """
    heights = np.interp(points[:, 1], floor[:, 1], floor[:, 0])
    above = np.flatnonzero(points[:, 0] <= heights)
    middle = len(points) // 2
    first = above[above < middle].max(initial=0)
    last = above[above > middle].min(initial=len(points) - 1)
    points[: first + 1, 0] = heights[: first + 1]
    points[last:, 0] = heights[last:]


def _arch(
    pole: tuple[float, float],
    ends: tuple[Points, Points],
    steps: tuple[Points, Points],
    laterals: tuple[Points, Points],
) -> Points:
    """Curve from the left end over the pole to the right end, points (depth, lateral).

    `steps` are shares of the way in depth from the pole to each end, `laterals` the curve there.
    As a function of the root of that share, a rounded tip is a smooth curve.
    """
    knots = np.concatenate([[-1.0], -np.sqrt(steps[0])[::-1], [0.0], np.sqrt(steps[1]), [1.0]])
    sides = (laterals[0][::-1], laterals[1])
    values = np.concatenate([[ends[0][1]], sides[0], [pole[1]], sides[1], [ends[1][1]]])
    at = np.linspace(-1, 1, 2 * SAMPLES + 1)
    depth = pole[0] + at * at * (np.where(at < 0, ends[0][0], ends[1][0]) - pole[0])
    curve = np.stack([depth, CubicSpline(knots, values)(at)], 1)
    curve[0], curve[-1] = ends
    return curve
