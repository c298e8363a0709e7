"""How often a structure can be eroded before it is no longer in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel
from cardiovae.kernels.depth import (
    ENDLESS,
    box_of,
    chessboard_depth,
    euclidean_depth,
    runs_of,
    squared_thickness,
)
from cardiovae.kernels.pieces import find, join
from cardiovae.kernels.runs import Ints


@kernel
def euclidean_erosions(
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    value: int,
    row_mm: float,
    col_mm: float,
    levels: int,
    smallest: float,
    enough: float,
) -> int:
    """Erosions, each by a share of the largest depth in mm, that leave one piece, plus one.

    Args:
        first: As the next three, a field of framed `Runs`.
        start: See there.
        stop: See there.
        label: See there.
        value: The label, which has a pixel and is in one piece.
        row_mm: Distance between the centers of rows.
        col_mm: Distance between the centers of columns.
        levels: Into how many erosions the largest depth is divided.
        smallest: Pixels below which a fragment does not count.
        enough: Stop after this many erosions.
    """
    row, begin, end, n = runs_of(first, start, stop, label, value)
    box = box_of(row, begin, end, n)
    depth, deepest = euclidean_depth(row, begin, end, n, box, row_mm, col_mm)
    return _erosions(depth, row, begin, end, n, box, deepest / levels, smallest, enough)


@kernel
def chessboard_erosions(
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    value: int,
    in_one_piece: bool,
    smallest: float,
    enough: float,
) -> tuple[int, int]:
    """3 x 3 erosions that leave one piece, plus one, and the square of the largest depth.

    The depth is Euclidean, in pixels. What lies beyond the frame belongs to the structure.

    Args:
        first: As the next three, a field of framed `Runs`.
        start: See there.
        stop: See there.
        label: See there.
        value: The label; it has a pixel, and so has the rest of the frame.
        in_one_piece: Otherwise there is no erosion.
        smallest: Pixels below which a fragment does not count.
        enough: Stop after this many erosions, as a share of the largest depth.
    """
    row, begin, end, n = runs_of(first, start, stop, label, value)
    box = box_of(row, begin, end, n)
    top, left, height, width = box
    beyond = (
        ENDLESS if top == 0 else 0,
        ENDLESS if left == 0 else 0,
        ENDLESS if top + height == first.size - 1 else 0,
        ENDLESS if left + width == stop[-1] else 0,
    )
    depth = chessboard_depth(row, begin, end, n, box, beyond)
    squared = squared_thickness(row, begin, end, n, box, depth, beyond)
    if not in_one_piece:
        return 0, squared
    enough = enough * np.sqrt(squared)
    return _erosions(depth, row, begin, end, n, box, 1, smallest, enough), squared


@inner
def _erosions(
    depth: NDArray[np.number],
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    box: tuple[int, int, int, int],
    step: float,
    smallest: float,
    enough: float,
) -> int:
    """Number of the first erosion that leaves several pieces or none, or enough of them.

    Eroding `n` times leaves the pixels deeper than `n * step`. 4-connected fragments below
    `smallest` pixels are dropped, then 8-connected pieces are counted.
    """
    top, left = box[0], box[1]
    capacity = 0  # a run can be split in two wherever it is two pixels longer
    for k in range(n):
        capacity += (end[k] - begin[k] + 1) // 2
    new_row = np.empty(capacity, np.int32)
    new_begin, new_end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    old_row = np.empty(capacity, np.int32)
    old_begin, old_end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    for k in range(n):
        old_row[k], old_begin[k], old_end[k] = row[k] - top, begin[k] - left, end[k] - left
    count = 0
    while count < enough:
        count += 1
        n = _deeper(depth, old_row, old_begin, old_end, n, count * step, new_row, new_begin, new_end)
        if _large_pieces(new_row, new_begin, new_end, n, smallest) != 1:
            break
        old_row, new_row = new_row, old_row
        old_begin, new_begin = new_begin, old_begin
        old_end, new_end = new_end, old_end
    return count


@inner
def _deeper(
    depth: NDArray[np.number],
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    limit: float,
    new_row: Ints,
    new_begin: Ints,
    new_end: Ints,
) -> int:
    """The runs of pixels deeper than `limit` within `n` runs, written to the last three."""
    found = 0
    for k in range(n):
        r = row[k]
        inside = False
        for c in range(begin[k], end[k]):
            deep = depth[r, c] > limit
            if deep != inside:
                if deep:
                    new_row[found], new_begin[found] = r, c
                else:
                    new_end[found] = c
                    found += 1
                inside = deep
        if inside:
            new_end[found] = end[k]
            found += 1
    return found


@inner
def _large_pieces(row: Ints, begin: Ints, end: Ints, n: int, smallest: float) -> int:
    """Number of 8-connected pieces once 4-connected fragments below `smallest` are dropped."""
    parent = join(row, begin, end, n, 0)
    size = np.zeros(n, np.int64)
    for k in range(n):
        size[find(parent, k)] += end[k] - begin[k]
    pieces = 0
    for k in range(n):
        pieces += parent[k] == k and size[k] >= smallest
    if pieces < 2:
        return pieces
    kept_row = np.empty(n, np.int32)
    kept_begin, kept_end = np.empty(n, np.int32), np.empty(n, np.int32)
    kept = 0
    for k in range(n):
        if size[find(parent, k)] >= smallest:
            kept_row[kept], kept_begin[kept], kept_end[kept] = row[k], begin[k], end[k]
            kept += 1
    parent = join(kept_row, kept_begin, kept_end, kept, 1)
    pieces = 0
    for k in range(kept):
        pieces += parent[k] == k
    return pieces
