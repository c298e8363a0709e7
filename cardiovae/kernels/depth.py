"""How deep the pixels of one label lie below its surface.

Depths are held for the box around the label, one row and column larger on every side; nothing
beyond it can be the nearest outside pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner
from cardiovae.kernels.runs import Ints

Depths = NDArray[np.float64]
ENDLESS = 1 << 20  # further than any frame is large; its square still is an integer


@inner
def runs_of(
    first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8], value: int
) -> tuple[Ints, Ints, Ints, int]:
    """Runs of one label in raster order: rows, first columns, columns after, how many."""
    row = np.empty(start.size, np.int32)
    begin, end = np.empty(start.size, np.int32), np.empty(start.size, np.int32)
    n = 0
    for r in range(first.size - 1):
        for run in range(first[r], first[r + 1]):
            if label[run] == value:
                row[n], begin[n], end[n] = r, start[run], stop[run]
                n += 1
    return row, begin, end, n


@inner
def box_of(row: Ints, begin: Ints, end: Ints, n: int) -> tuple[int, int, int, int]:
    """Top row, left column, height and width of the box around `n` runs, margin included."""
    left, right = begin[0], end[0]
    for k in range(n):
        left, right = min(left, begin[k]), max(right, end[k])
    return row[0] - 1, left - 1, row[n - 1] - row[0] + 3, right - left + 2


@inner
def column_depth(
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    box: tuple[int, int, int, int],
    above: int,
    below: int,
) -> Ints:
    """Rows to the nearest outside pixel of the same column, for every pixel of the runs.

    `above` and `below` are that distance just beyond the box: 0 outside, `ENDLESS` inside.
    """
    top, left, height, width = box
    up = np.zeros((height, width), np.int32)
    down = np.zeros((height, width), np.int32)
    for c in range(width):
        up[0, c], down[height - 1, c] = above, below
    for k in range(n):
        r = row[k] - top
        for c in range(begin[k] - left, end[k] - left):
            up[r, c] = up[r - 1, c] + 1
    for k in range(n - 1, -1, -1):
        r = row[k] - top
        for c in range(begin[k] - left, end[k] - left):
            down[r, c] = down[r + 1, c] + 1
            up[r, c] = min(up[r, c], down[r, c])
    return up


@inner
def euclidean_depth(
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    box: tuple[int, int, int, int],
    row_mm: float,
    col_mm: float,
) -> tuple[Depths, float]:
    """Distance in mm of every pixel of the runs to the nearest outside pixel, and the largest.

    Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", Theory of
    Computing 8, 2012: along a row, the lower envelope of the parabolas of the column depths. Only
    the pixels of a run and the outside pixels at its ends can be nearest to the pixels of a run.
    """
    top, left, height, width = box
    vertical = column_depth(row, begin, end, n, box, 0, 0)
    depth = np.zeros((height, width), np.float64)
    vertex = np.empty(width, np.int64)
    bound = np.empty(width + 1, np.float64)
    deepest = 0.0
    for k in range(n):
        r = row[k] - top
        low, high = begin[k] - left - 1, end[k] - left
        _lower_envelope(vertical[r], low, high, row_mm, col_mm, vertex, bound)
        v = 0
        for c in range(low + 1, high):
            while bound[v + 1] < c:
                v += 1
            down, across = vertical[r, vertex[v]] * row_mm, (vertex[v] - c) * col_mm
            depth[r, c] = np.sqrt(down * down + across * across)
            deepest = max(deepest, depth[r, c])
    return depth, deepest


@inner
def _lower_envelope(
    vertical: Ints,
    low: int,
    high: int,
    row_mm: float,
    col_mm: float,
    vertex: NDArray[np.int64],
    bound: NDArray[np.float64],
) -> None:
    """Which column of `low` to `high` is nearest from where: `vertex[v]` up to `bound[v + 1]`."""
    scale = (row_mm / col_mm) ** 2
    n = 0
    vertex[0], bound[0], bound[1] = low, -np.inf, np.inf
    for c in range(low + 1, high + 1):
        own = scale * vertical[c] * vertical[c]
        while True:
            v = vertex[n]
            lift = own - scale * vertical[v] * vertical[v]
            meet = 0.5 * (lift / (c - v) + (c + v))
            if meet > bound[n]:
                break
            n -= 1
        n += 1
        vertex[n], bound[n], bound[n + 1] = c, meet, np.inf


@inner
def chessboard_depth(
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    box: tuple[int, int, int, int],
    beyond: tuple[int, int, int, int],
) -> Ints:
    """Number of 3 x 3 erosions after which every pixel of the runs is gone.

    Rosenfeld and Pfaltz, "Sequential operations in digital picture processing", J. ACM 13(4),
    1966. `beyond` is the depth in the margin of the box: top, left, bottom, right.
    """
    top, left, height, width = box
    depth = np.zeros((height, width), np.int32)
    for c in range(width):
        depth[0, c], depth[height - 1, c] = beyond[0], beyond[2]
    for r in range(height):
        depth[r, 0] = max(depth[r, 0], beyond[1])
        depth[r, width - 1] = max(depth[r, width - 1], beyond[3])
    for k in range(n):
        r = row[k] - top
        for c in range(begin[k] - left, end[k] - left):
            over = min(depth[r - 1, c - 1], depth[r - 1, c], depth[r - 1, c + 1])
            depth[r, c] = min(over, depth[r, c - 1]) + 1
    for k in range(n - 1, -1, -1):
        r = row[k] - top
        for c in range(end[k] - left - 1, begin[k] - left - 1, -1):
            under = min(depth[r + 1, c - 1], depth[r + 1, c], depth[r + 1, c + 1])
            depth[r, c] = min(depth[r, c], min(under, depth[r, c + 1]) + 1)
    return depth


@inner
def squared_thickness(
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    box: tuple[int, int, int, int],
    chessboard: Ints,
    beyond: tuple[int, int, int, int],
) -> int:
    """Square of the largest Euclidean depth, in pixels.

    A depth is at most the chessboard depth times the root of 2, which leaves few pixels to look
    at, and most of those are given up on the first outside pixel that is near enough.
    """
    top, left, _, width = box
    vertical = column_depth(row, begin, end, n, box, beyond[0], beyond[2])
    deepest = 0
    for k in range(n):
        r = row[k] - top
        low, high = begin[k] - left, end[k] - left
        for c in range(low, high):
            if 2 * chessboard[r, c] ** 2 > deepest:
                at_left = ENDLESS if low == 1 and beyond[1] else c - low + 1
                at_right = ENDLESS if high == width - 1 and beyond[3] else high - c
                nearest = min(vertical[r, c], at_left, at_right) ** 2
                step = 1
                while step * step < nearest and nearest > deepest:
                    if c - step >= low:
                        nearest = min(nearest, vertical[r, c - step] ** 2 + step * step)
                    if c + step < high:
                        nearest = min(nearest, vertical[r, c + step] ** 2 + step * step)
                    step += 1
                deepest = max(deepest, nearest)
    return deepest
