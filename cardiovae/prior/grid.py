"""The canonical grid that the network sees, and the invertible way there and back.

One placement (a translation and a scale, no rotation) is fixed for a whole sequence, so the motion
of the heart stays in the codes. The transform is separable, so both directions are small matrix
products: area averaging of one-hot maps on the way in, cubic convolution of scores on the way out.
Labels are never resampled, only scores (resampling labels costs 1 to 4 points of Dice).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.labels import Label
from cardiovae.morphology import Mask, bounding_box

Floats = NDArray[np.float32]

# The canvas holds 99.5 % of CAMUS hearts around their epicardial centroid (percentiles of 1,600
# ground-truth masks: 59 mm above, 108 mm below, 51 and 63 mm to the sides).
CANVAS_SHAPE = (128, 96)
CANVAS_MM = 1.4
ORIGIN_MM = (66.0, 67.2)  # of the heart's center inside the canvas, (row, col)
KNOT_STEP = 2  # the network's scores live on every second canvas pixel
KNOT_SHAPE = (CANVAS_SHAPE[0] // KNOT_STEP, CANVAS_SHAPE[1] // KNOT_STEP)

# A stack is turned by quarters such that its RV lies below the LV, where an apical view has its
# LA: a crescent 40 mm thick beside a heart 70 mm across then fits on the same canvas.

# Square root of LV + MYO area in the same masks: 1st and 99th percentile 50.7 and 93.9 mm, median
# 70.9 mm; of the LV alone, median 49.3 mm. Outside the wider range the spacing counts as unusual.
EPI_SIZE_MM = 70.9
LV_SIZE_MM = 49.3
# The same of the median slice of a short-axis stack, median of 100 drawn ones; the extremes are 43
# and 76 mm, of the LV 22 and 64 mm.
SLICE_EPI_SIZE_MM = 58.8
SLICE_LV_SIZE_MM = 43.3
SIZE_RANGE = (0.6, 1.6)
LEAST_FIT = 0.8  # a heart too large for the canvas is shrunk to fit, but no further than this


@dataclass(frozen=True)
class Placement:
    """Where one sequence lies on the canonical grid.

    Args:
        shape: Height and width of the native frames in pixels, turned.
        center_px: Native position (row, col) of the heart's center, in pixels, turned.
        pixel_mm: Canonical mm per native pixel along (rows, columns), turned.
        turn: Quarter turns that bring native frames upright, as `numpy.rot90` takes them; 0 for
            an apical view.
        scale: Canonical mm per true mm; 1 unless the heart's size is unusual; NaN where the
            spacing is unknown and the size was normalized instead.
    """

    shape: tuple[int, int]
    center_px: tuple[float, float]
    pixel_mm: tuple[float, float]
    scale: float = 1.0
    turn: int = 0

    def upright(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Native frames (..., H, W) turned as the canvas has them."""
        return np.rot90(frames, self.turn, axes=(-2, -1)) if self.turn else frames

    def native(self, frames: NDArray[Any]) -> NDArray[Any]:
        """Upright frames turned back: the inverse of `upright`."""
        return np.rot90(frames, -self.turn, axes=(-2, -1)) if self.turn else frames

    def to_canvas(self) -> tuple[Floats, Floats]:
        """Area-averaging matrices, shapes (128, H) and (96, W): canvas = rows @ x @ cols.T.

        Of upright frames, as all matrices here.

        Beyond the image its border pixels are repeated: what a picture cuts off may go on.
        """
        matrices = []
        for axis in (0, 1):
            matrix = averaging(CANVAS_SHAPE[axis], self.shape[axis], *self._axis(axis))
            missing = 1 - matrix.sum(1)
            before = np.arange(CANVAS_SHAPE[axis]) + 0.5 < self._axis(axis)[0]
            matrix[:, 0] += np.where(before, missing, 0)
            matrix[:, -1] += np.where(before, 0, missing)
            matrices.append(matrix)
        return matrices[0], matrices[1]

    def inside(self) -> Floats:
        """Share of each canvas pixel inside the image, shape (128, 96)."""
        rows, cols = (
            averaging(CANVAS_SHAPE[axis], self.shape[axis], *self._axis(axis)).sum(1)
            for axis in (0, 1)
        )
        return np.asarray(np.clip(np.outer(rows, cols), 0, 1), np.float32)

    def to_native(self) -> tuple[Floats, Floats]:
        """Interpolation matrices, shapes (H, 64) and (W, 48): native = rows @ scores @ cols.T."""
        rows, cols = (
            interpolation(n, (self.canvas_positions(axis) + 0.5) / KNOT_STEP - 0.5)
            for axis, n in enumerate(KNOT_SHAPE)
        )
        return rows, cols

    def canvas_positions(self, axis: int) -> NDArray[np.float64]:
        """Canvas coordinate of each native pixel center along one axis, shape (H,) or (W,)."""
        first, step = self._axis(axis)
        return np.asarray((np.arange(self.shape[axis]) + 0.5) * step + first - 0.5)

    def _axis(self, axis: int) -> tuple[float, float]:
        """Canvas coordinate of the native frame's edge, and canvas pixels per native pixel."""
        step = self.pixel_mm[axis] / CANVAS_MM
        return ORIGIN_MM[axis] / CANVAS_MM - (self.center_px[axis] + 0.5) * step, step


def averaging(n_out: int, n_in: int, first: float, step: float) -> Floats:
    """Share of each canvas pixel that each native pixel covers, shape (n_out, n_in)."""
    edges = first + step * np.arange(n_in + 1)
    low = np.maximum(edges[None, :-1], np.arange(n_out)[:, None])
    high = np.minimum(edges[None, 1:], np.arange(1, n_out + 1)[:, None])
    return np.asarray(np.clip(high - low, 0, None), np.float32)


def interpolation(n_knots: int, positions: NDArray[np.float64]) -> Floats:
    """Cubic convolution weights (Keys 1981, a = -1/2), shape (n_positions, n_knots).

    Positions are in knots; the outermost knots are repeated beyond the ends.
    """
    matrix = np.zeros((positions.size, n_knots), np.float32)
    base = np.floor(positions).astype(int)
    rows = np.arange(positions.size)
    for offset in (-1, 0, 1, 2):
        d = np.abs(positions - (base + offset))
        near = 1.5 * d**3 - 2.5 * d**2 + 1
        far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
        weight = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
        np.add.at(matrix, (rows, np.clip(base + offset, 0, n_knots - 1)), weight)
    return matrix


def knots_to_canvas() -> tuple[Floats, Floats]:
    """Interpolation matrices from the network's scores to the canvas: (128, 64) and (96, 48)."""
    rows, cols = (
        interpolation(k, (np.arange(n) + 0.5) / KNOT_STEP - 0.5)
        for n, k in zip(CANVAS_SHAPE, KNOT_SHAPE, strict=True)
    )
    return rows, cols


def place(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    *,
    stack: bool = False,
) -> Placement | None:
    """Placement of a sequence: median epicardial centroid and size over its frames.

    Args:
        labels: Label map sequence, shape (H, W, T).
        spacing_mm: Pixel spacing (row, col) in mm; None where unknown: pixels are then taken as
            square and the heart's size is normalized to the usual.
        stack: The frames are short-axis slices, which any way up may be.

    Returns:
        The placement, or None when no frame has an LV or a myocardium.
    """
    spacing = spacing_mm or (1.0, 1.0)
    turn = _quarter_turns(labels, spacing) if stack else 0
    if turn:
        labels = np.rot90(labels, turn, axes=(0, 1))
        spacing = spacing if turn == 2 else spacing[::-1]
    with_myo = bool((labels == Label.MYO).any())
    found = [_center_and_size(labels[:, :, t], spacing) for t in range(labels.shape[2])]
    measured = np.array([f for f in found if f is not None])
    if measured.size == 0:
        return None
    row, col, size = np.median(measured, axis=0)
    sizes = (SLICE_EPI_SIZE_MM, SLICE_LV_SIZE_MM) if stack else (EPI_SIZE_MM, LV_SIZE_MM)
    expected = sizes[0] if with_myo else sizes[1]
    scale = 1.0
    if spacing_mm is None or not SIZE_RANGE[0] < size / expected < SIZE_RANGE[1]:
        scale = expected / float(size)
    scale *= _fit(labels, (float(row), float(col)), (spacing[0] * scale, spacing[1] * scale))
    return Placement(
        shape=(labels.shape[0], labels.shape[1]),
        center_px=(float(row), float(col)),
        pixel_mm=(spacing[0] * scale, spacing[1] * scale),
        scale=scale if spacing_mm is not None else math.nan,
        turn=turn,
    )


def _quarter_turns(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> int:
    """Quarter turns that bring the RV of a stack (H, W, Z) below its LV and MYO; 0 without RV."""
    epi = ((labels == Label.LV) | (labels == Label.MYO)).sum(2)
    right = (labels == Label.RV).sum(2)
    if not epi.any() or not right.any():
        return 0
    down, across = (
        (_mean_index(right.sum(1 - axis)) - _mean_index(epi.sum(1 - axis))) * spacing[axis]
        for axis in (0, 1)
    )
    return int(np.argmax([down, -across, -down, across]))


def _mean_index(counts: NDArray[np.integer]) -> float:
    return float(counts @ np.arange(counts.size)) / float(counts.sum())


def _fit(
    labels: NDArray[np.uint8], center: tuple[float, float], pixel_mm: tuple[float, float]
) -> float:
    """Factor, at most 1, that brings the foreground of the median frame onto the canvas."""
    reach = []
    for t in range(labels.shape[2]):
        box = bounding_box(labels[:, :, t] != Label.BACKGROUND)
        if box is not None:
            reach.append(
                [
                    (side * (edge - c)) * mm
                    for c, mm, extent in zip(center, pixel_mm, box, strict=True)
                    for side, edge in ((-1, extent.start), (1, extent.stop))
                ]
            )
    room = [
        room
        for origin, n in zip(ORIGIN_MM, CANVAS_SHAPE, strict=True)
        for room in (origin, n * CANVAS_MM - origin)
    ]
    beyond = np.median(reach, axis=0) / (np.array(room) - 2 * CANVAS_MM)
    return float(np.clip(1 / max(beyond.max(), 1.0), LEAST_FIT, 1.0))


def _center_and_size(
    labels: NDArray[np.uint8], spacing: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Median row and column of LV + MYO, and the square root of its area; None if absent."""
    epi: Mask = (labels == Label.LV) | (labels == Label.MYO)
    total = int(np.count_nonzero(epi))
    if total == 0:
        return None
    row, col = (float(epi.sum(1 - axis) @ np.arange(epi.shape[axis])) / total for axis in (0, 1))
    return row, col, math.sqrt(total * spacing[0] * spacing[1])
