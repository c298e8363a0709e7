"""Polygons on a pixel grid: exact area, exact clipping, and filling without gaps or overlaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.morphology import Mask

Points = NDArray[np.float64]


def polygon_area(points: Points) -> float:
    """Area of a closed polygon, shape (N, 2), without sign (shoelace formula); 0 below 3 points.

    Examples:
        >>> polygon_area(np.array([[0.0, 0.0], [0.0, 2.0], [3.0, 2.0], [3.0, 0.0]]))
        6.0
    """
    if len(points) < 3:
        return 0.0
    # Relative to one corner, or the products of large coordinates eat the digits.
    y, x = (points - points[0]).T
    return abs(float(y @ np.roll(x, -1) - x @ np.roll(y, -1))) / 2


def clip_polygon(points: Points, axis: int, limit: float, *, below: bool) -> Points:
    """The part of a polygon, shape (N, 2), on one side of a grid line (Sutherland-Hodgman).

    Args:
        points: Closed polygon, (row, col).
        axis: 0 keeps a range of rows, 1 of columns.
        limit: Where the line lies, in the unit of the points.
        below: Keep what is below `limit` in that coordinate, else what is above.

    Returns:
        The clipped polygon, shape (M, 2), M = 0 when nothing is left. Parts that fall apart stay
        joined by edges along the line, which enclose no area.
    """
    side = (limit - points[:, axis]) * (1 if below else -1)
    if (side >= 0).all():
        return points
    kept: list[Points] = []
    for i, point in enumerate(points):
        j = i - 1
        if (side[i] >= 0) != (side[j] >= 0):
            share = side[j] / (side[j] - side[i])
            kept.append(points[j] + share * (point - points[j]))
        if side[i] >= 0:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)


def clip_to_image(points: Points, low: tuple[float, float], high: tuple[float, float]) -> Points:
    """The part of a polygon, shape (N, 2), inside the box from `low` to `high` (row, col)."""
    for axis in (0, 1):
        points = clip_polygon(points, axis, low[axis], below=False)
        points = clip_polygon(points, axis, high[axis], below=True)
    return points


def fill_polygon(points: Points, spacing_mm: tuple[float, float], shape: tuple[int, int]) -> Mask:
    """Pixels whose center lies inside a polygon, shape (H, W) (even-odd rule).

    Centers on an edge belong to the polygon below or right of it, so polygons that share edges
    share no pixel and leave none out.

    Args:
        points: Closed polygon, shape (N, 2), (row, col) in mm from the center of pixel (0, 0).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        shape: Height and width of the frame.
    """
    height, width = shape
    start = points / spacing_mm
    end = np.roll(start, -1, axis=0)
    # Both polygons at a shared edge must compute the same crossings: always from the upper end.
    swap = start[:, 0] > end[:, 0]
    upper, lower = np.where(swap[:, None], end, start), np.where(swap[:, None], start, end)
    first = np.ceil(upper[:, 0]).clip(0, height).astype(np.intp)
    last = np.ceil(lower[:, 0]).clip(0, height).astype(np.intp)
    count = last - first
    edge = np.repeat(np.arange(len(points)), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    drop = lower[edge] - upper[edge]
    crossing = upper[edge, 1] + (row - upper[edge, 0]) / drop[:, 0] * drop[:, 1]
    col = np.ceil(crossing).clip(0, width).astype(np.intp)
    toggles = np.bincount(row * (width + 1) + col, minlength=height * (width + 1))
    inside: Mask = (np.cumsum(toggles.reshape(height, width + 1), axis=1) % 2)[:, :width] == 1
    return inside
