"""How deep the pixels of one label lie below its surface.

Depths are held for the pixels of the label alone, run after run: that of column `c` of run `k` is
at `base[k] + c`. Rows and columns are those of framed `Runs`.
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
def bases_of(begin: Ints, end: Ints, n: int) -> tuple[Ints, int]:
    """Where the depths of every run are to be found, and how many there are."""
    base = np.empty(n, np.int32)
    size = 0
    for k in range(n):
        base[k] = size - begin[k]
        size += end[k] - begin[k]
    return base, size


@inner
def column_depth(
    row: Ints,
    begin: Ints,
    end: Ints,
    base: Ints,
    size: int,
    shape: tuple[int, int],
    beyond: int,
) -> Ints:
    """Rows to the nearest outside pixel of the same column, for every pixel of the runs.

    `shape` is that of the frame with its margin; `beyond` is the depth of the margin: 0 for
    outside, `ENDLESS` for inside.
    """
    height, width = shape
    depth = np.empty(size, np.int32)
    last, count = np.empty(width, np.int32), np.empty(width, np.int32)
    for c in range(width):
        last[c], count[c] = 0, beyond
    for k in range(base.size):
        r = row[k]
        for c in range(begin[k], end[k]):
            count[c] = (count[c] if last[c] == r - 1 else 0) + 1
            last[c] = r
            depth[base[k] + c] = count[c]
    for c in range(width):
        last[c], count[c] = height - 1, beyond
    for k in range(base.size - 1, -1, -1):
        r = row[k]
        for c in range(begin[k], end[k]):
            count[c] = (count[c] if last[c] == r + 1 else 0) + 1
            last[c] = r
            depth[base[k] + c] = min(depth[base[k] + c], count[c])
    return depth


@inner
def euclidean_depth(
    row: Ints,
    begin: Ints,
    end: Ints,
    base: Ints,
    size: int,
    shape: tuple[int, int],
    row_mm: float,
    col_mm: float,
) -> Depths:
    """Distance in mm of every pixel of the runs to the nearest outside pixel.

    Only the pixels of a run and the outside pixels at its ends can show the way to the nearest
    outside pixel of the pixels of a run: all are tried, the near ones first. Without branches
    this takes several pixels at once, and is faster than the lower envelope of parabolas.
    """
    vertical = column_depth(row, begin, end, base, size, shape, 0)
    depth = np.empty(size, np.float64)
    square = np.empty(shape[1], np.float64)  # of the column depths of a run
    near = np.empty(shape[1], np.float64)  # square of the depths found so far
    for k in range(base.size):
        length, offset = end[k] - begin[k], base[k] + begin[k]
        farthest = 0.0
        for c in range(length):
            down, across = vertical[offset + c] * row_mm, min(c + 1, length - c) * col_mm
            square[c] = down * down
            near[c] = min(square[c], across * across)
            farthest = max(farthest, near[c])
        step = 1
        while step < length and (step * col_mm) ** 2 < farthest:
            _look_aside(square, near, length, step, (step * col_mm) * (step * col_mm))
            step += 1
        for c in range(length):
            depth[offset + c] = np.sqrt(near[c])
    return depth


@inner
def _look_aside(square: Depths, near: Depths, length: int, step: int, aside: float) -> None:
    """Lower `near` by the way over the pixels `step` columns to the left and to the right."""
    for c in range(length - step):
        way = square[c + step] + aside
        near[c] = way if way < near[c] else near[c]
    for c in range(length - step):
        way = square[c] + aside
        near[c + step] = way if way < near[c + step] else near[c + step]


@inner
def squared_thickness(
    row: Ints, begin: Ints, end: Ints, base: Ints, size: int, shape: tuple[int, int]
) -> int:
    """Square of the largest Euclidean depth, in pixels; what lies beyond the frame is inside.

    Most pixels are given up on at the first outside pixel that is near enough.
    """
    vertical = column_depth(row, begin, end, base, size, shape, ENDLESS)
    deepest = 0
    for k in range(base.size):
        low, high = begin[k], end[k]
        for c in range(low, high):
            at_left = ENDLESS if low == 1 else c - low + 1
            at_right = ENDLESS if high == shape[1] - 1 else high - c
            nearest = min(int(vertical[base[k] + c]), at_left, at_right) ** 2
            step = 1
            while step * step < nearest and nearest > deepest:
                if c - step >= low:
                    there = int(vertical[base[k] + c - step])
                    nearest = min(nearest, there * there + step * step)
                if c + step < high:
                    there = int(vertical[base[k] + c + step])
                    nearest = min(nearest, there * there + step * step)
                step += 1
            deepest = max(deepest, nearest)
    return deepest
