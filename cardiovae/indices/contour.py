"""The endocardium as a smooth curve, and the wall along it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from cardiovae.labels import Label
from cardiovae.landmarks import Landmarks
from cardiovae.morphology import bounding_box

Curve = NDArray[np.float64]
N_POINTS = 201
SMOOTH = 2.0
"""Gaussian along the curve, in its points: one percent of its length, some 2 mm. It takes away the
stairs of the pixels, which would make every oblique stretch up to 40 % too long."""
CORNER = 4
"""Points at each hinge whose normals do not count: the curve turns into the annulus there."""
REACH = 0.6
"""How far out of the endocardium the end of the wall is looked for, as a share of the LV length;
half of it would be a wall of 40 mm."""
N_STEPS = 256
GAPS = 0.8
"""Share of the curve that must have a wall for the curve in its middle to be known."""
LEVELS = ("basal", "mid", "apical")
SIDES = ("left", "right")
"""Of the picture. The columns of an apical view, in its usual display, show the walls `WALLS`."""
WALLS = {"A4C": ("septal", "lateral"), "A2C": ("inferior", "anterior")}


@dataclass(frozen=True, eq=False)
class Endocardium:
    """The endocardium of one frame, without the annulus.

    Args:
        points_mm: From the left hinge over the apex to the right hinge, (row, col), shape (N, 2).
        height: Of each above the annulus, along the axis, as a share of the LV length, shape (N,).
        apex: Index of the point nearest to the apex.
        wall_mm: Thickness of the wall at each, square to the curve, shape (N,); NaN without wall.
        reason: Why there is no curve; empty where there is one.
    """

    points_mm: Curve
    height: Curve
    apex: int
    wall_mm: Curve
    reason: str = ""

    @property
    def length_mm(self) -> float:
        """Length of the endocardium; NaN where there is none."""
        return _length(self.points_mm)

    @property
    def midwall_mm(self) -> float:
        """Length of the curve in the middle of the wall; NaN where much of the wall is missing.

        Short gaps, as at the hinges, are as thick as what is beside them.
        """
        known = np.flatnonzero(np.isfinite(self.wall_mm))
        if known.size < GAPS * self.wall_mm.size:
            return math.nan
        wall = _smooth(np.interp(np.arange(self.wall_mm.size), known, self.wall_mm[known]))
        return _length(_smooth(self.points_mm + wall[:, None] / 2 * _outward(self.points_mm)))

    def segments(self) -> dict[tuple[str, str], float]:
        """Mean thickness of the wall in mm by level (thirds of the axis) and side of the picture.

        NaN where less than half of a segment has a wall.
        """
        third = np.clip(np.floor(3 * self.height), 0, 2)
        left = np.arange(self.height.size) <= self.apex
        found = {}
        for k, level in enumerate(LEVELS):
            for side, there in zip(SIDES, (left, ~left), strict=True):
                wall = self.wall_mm[(third == k) & there]
                known = wall[np.isfinite(wall)]
                enough = known.size and 2 * known.size >= wall.size
                found[level, side] = float(known.mean()) if enough else math.nan
        return found


def trace_endocardium(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float], marks: Landmarks
) -> Endocardium:
    """The endocardium of one frame, and the thickness of the wall along it.

    Args:
        labels: Label map of one frame, shape (H, W).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        marks: Its landmarks (`cardiovae.landmarks.find_landmarks`).

    Returns:
        The curve; no points and a reason where the landmarks are missing or lie on one spot.
    """
    if marks.reason:
        return _none(marks.reason)
    outline = _outline(labels == Label.LV, spacing_mm)
    base, apex = np.array(marks.base_mm), np.array(marks.apex_mm)
    # Landmarks are centers of pixels: the outline passes half a pixel below or above them.
    half = (base - apex) / max(float(np.hypot(*(base - apex))), 1e-12) * np.array(spacing_mm) / 2
    left, right = (np.array(p) + half for p in (marks.hinge_left_mm, marks.hinge_right_mm))
    arc = _arc(outline, left, right, apex - half)
    if len(arc) < 3 or _length(arc) == 0:
        return _none("the hinge points lie on one spot")
    points = _smooth(_resampled(arc, N_POINTS))
    axis = apex - base
    height = (points - base) @ axis / float(axis @ axis)
    tip = _nearest(points, apex - half)
    reach = REACH * math.dist(marks.base_mm, marks.apex_mm)
    wall = _wall(labels, spacing_mm, points, reach)
    return Endocardium(points, height, tip, wall)


def _none(reason: str) -> Endocardium:
    nothing = np.full((N_POINTS, 2), np.nan)
    return Endocardium(nothing, nothing[:, 0], 0, nothing[:, 0], reason)


def _outline(lv: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Curve:
    """The longest outline of a mask, closed, (row, col) in mm, shape (N, 2)."""
    rows, cols = bounding_box(lv) or (slice(0, 1), slice(0, 1))
    find: Callable[..., list[Curve]] = measure.find_contours
    lines = find(np.pad(lv[rows, cols], 1).astype(np.float64), 0.5)
    longest: Curve = max(lines, key=len)[:-1] - 1
    corner = np.array([rows.start, cols.start])
    outline: Curve = (longest + corner) * np.array(spacing_mm)
    return outline


def _arc(outline: Curve, left: Curve, right: Curve, apex: Curve) -> Curve:
    """The part of a closed outline from `left` over `apex` to `right`."""
    start = _nearest(outline, left)
    turned = np.roll(outline, -start, axis=0)
    stop, tip = _nearest(turned, right), _nearest(turned, apex)
    if tip <= stop:
        return turned[: stop + 1]
    return np.concatenate([turned[:1], turned[stop:][::-1]])


def _nearest(points: Curve, to: Curve) -> int:
    return int(np.argmin(np.hypot(points[:, 0] - to[0], points[:, 1] - to[1])))


def _length(points: Curve) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _resampled(points: Curve, n: int) -> Curve:
    """The same curve with `n` points at equal distances."""
    way = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, way[-1], n)
    return np.stack([np.interp(at, way, points[:, k]) for k in (0, 1)], axis=1)


def _smooth(values: Curve) -> Curve:
    """Smoothed along the first axis; both ends stay where they are."""
    n = math.ceil(4 * SMOOTH)
    pad = [(n, n)] + [(0, 0)] * (values.ndim - 1)
    longer = np.pad(values, pad, mode="reflect", reflect_type="odd")
    smoothed: Curve = ndimage.gaussian_filter1d(longer, SMOOTH, axis=0)[n:-n]
    return smoothed


def _outward(points: Curve) -> Curve:
    """Unit normals of a curve that runs from the left hinge over the apex to the right one."""
    along = np.gradient(points, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    unit: Curve = normal / np.maximum(np.hypot(*normal.T), 1e-12)[:, None]
    return unit


def _wall(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float], points: Curve, reach_mm: float
) -> Curve:
    """From each point outwards to where the epicardium ends, in mm; NaN where no wall begins."""
    heart = ((labels == Label.LV) | (labels == Label.MYO)).astype(np.float32)
    steps = np.linspace(0, reach_mm, N_STEPS)
    places = points[:, None] + steps[None, :, None] * _outward(points)[:, None]
    pixels = np.moveaxis(places / np.array(spacing_mm), 2, 0)
    inside = ndimage.map_coordinates(heart, pixels, order=1, mode="constant", cval=0.0)
    wall = np.full(len(points), math.nan)
    ends = (inside < 0.5).any(1)
    last = np.argmax(inside < 0.5, axis=1)  # the first step outside
    for i in np.flatnonzero(ends & (last > 0)):
        k = int(last[i])
        before, after = float(inside[i, k - 1]), float(inside[i, k])
        wall[i] = steps[k - 1] + (before - 0.5) / (before - after) * (steps[k] - steps[k - 1])
    wall[wall < max(spacing_mm)] = math.nan  # a pixel is what an outline can be off by
    wall[:CORNER] = wall[-CORNER:] = math.nan
    return wall
