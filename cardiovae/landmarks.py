"""Annulus hinge points and apex of the left ventricle in one frame.

Points are (row, col) positions of pixel centers in mm, measured from the center of pixel (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.frontiers import common_contact
from cardiovae.kernels.runs import OTHER, Runs, encode, plain
from cardiovae.kernels.survey import moments
from cardiovae.labels import STRUCTURES, Label

Point = tuple[float, float]
NO_POINT: Point = (math.nan, math.nan)
FRAME = 1  # rows and columns that `encode` adds before the first
MYO = 1 << Label.MYO
OUTSIDE = 1 << Label.BACKGROUND | 1 << Label.LA | 1 << OTHER


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
    runs = encode(plain(mask.astype(np.uint8)))
    return axis_of(moments(*runs[:4])[1].tolist(), spacing_mm)


def axis_of(sums: list[int], spacing_mm: tuple[float, float]) -> Axis | None:
    """`long_axis` of pixels by their `moments`, in the rows and columns of framed runs."""
    n, r, c, rr, cc, rc = sums
    if n < 3:
        return None
    row_mm, col_mm = spacing_mm
    # Central moments times n ** 2, exact: Python's integers do not overflow.
    yy = (n * rr - r * r) * row_mm * row_mm
    xx = (n * cc - c * c) * col_mm * col_mm
    xy = (n * rc - r * c) * row_mm * col_mm
    spread = math.hypot(yy - xx, 2 * xy)
    if spread <= 1e-9 * (yy + xx):
        return None
    angle = 0.5 * math.atan2(2 * xy, yy - xx)  # of the axis, measured from the vertical
    center = ((r / n - FRAME) * row_mm, (c / n - FRAME) * col_mm)
    return Axis(center, (math.cos(angle), math.sin(angle)))


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
    runs = encode(plain(labels))
    return landmarks_on(runs, moments(*runs[:4])[Label.LV].tolist(), spacing_mm, structures)


def landmarks_on(
    runs: Runs, lv: list[int], spacing_mm: tuple[float, float], structures: tuple[Label, ...]
) -> Landmarks:
    """`find_landmarks` on the framed runs of a frame, given the `moments` of its LV."""
    if lv[0] == 0:
        return Landmarks(NO_POINT, NO_POINT, NO_POINT, "no LV pixel")
    axis = axis_of(lv, spacing_mm)
    if axis is None:
        return Landmarks(NO_POINT, NO_POINT, NO_POINT, "the LV has no long axis")
    hinges = _hinges(runs, axis, spacing_mm, structures)
    if isinstance(hinges, str):
        reason = f"no LV pixel on the {hinges} touches both myocardium and its outside"
        return Landmarks(NO_POINT, NO_POINT, NO_POINT, reason)
    (r0, c0), (r1, c1) = hinges
    y, x = _ends_of_runs(runs, spacing_mm)
    best = int(np.argmax(np.hypot(y - (r0 + r1) / 2, x - (c0 + c1) / 2)))
    return Landmarks(*hinges, (float(y[best]), float(x[best])))


def _hinges(
    runs: Runs, axis: Axis, spacing_mm: tuple[float, float], structures: tuple[Label, ...]
) -> tuple[Point, Point] | str:
    """The left and the right hinge, or the side that has none."""
    walled = Label.MYO in structures
    rows, cols = (
        common_contact(*runs[:4], int(Label.LV), MYO, OUTSIDE).T if walled else _pixels(runs)
    )
    row_mm, col_mm = ((rows - FRAME) * spacing_mm[0], (cols - FRAME) * spacing_mm[1])
    y, x = row_mm - axis.center_mm[0], col_mm - axis.center_mm[1]
    depth = y * axis.down[0] + x * axis.down[1]
    lateral = x * axis.down[0] - y * axis.down[1]
    hinges: list[Point] = []
    for side in (-1.0, 1.0):
        there = np.flatnonzero(side * lateral > 0)
        if there.size == 0:
            return "left" if side < 0 else "right"
        score = depth if walled else depth + side * lateral
        best = there[np.argmax(score[there])]
        hinges.append((float(row_mm[best]), float(col_mm[best])))
    return hinges[0], hinges[1]


def _pixels(runs: Runs) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Rows and columns of all LV pixels, in raster order."""
    rows, starts, stops = _lv_runs(runs)
    lengths = stops - starts
    before = np.repeat(np.cumsum(lengths) - lengths - starts, lengths)
    return np.repeat(rows, lengths), np.arange(lengths.sum()) - before


def _ends_of_runs(
    runs: Runs, spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions in mm of the ends of all LV runs: what is farthest from a point is among them."""
    rows, starts, stops = _lv_runs(runs)
    cols = np.stack([starts, stops - 1], axis=1).ravel()
    return (np.repeat(rows, 2) - FRAME) * spacing_mm[0], (cols - FRAME) * spacing_mm[1]


def _lv_runs(
    runs: Runs,
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]]:
    """Row, first column and column after the last of all LV runs."""
    which = np.flatnonzero(runs.label == Label.LV)
    rows = np.searchsorted(runs.first, which, side="right") - 1
    return rows, runs.start[which], runs.stop[which]
