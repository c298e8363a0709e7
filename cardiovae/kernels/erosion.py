"""How often a structure can be eroded before it is no longer in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel
from cardiovae.kernels.depth import (
    Depths,
    bases_of,
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
    """Erosions, each by a share of the largest depth in mm, until a structure splits.

    Eroding `n` times leaves the pixels deeper than `n` shares. 4-connected fragments below
    `smallest` pixels do not count; the last erosion leaves several 8-connected pieces, or none.

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
    base, size = bases_of(begin, end, n)
    shape = first.size - 1, int(stop[-1])
    depth = euclidean_depth(row, begin, end, base, size, shape, row_mm, col_mm)
    deepest = 0.0
    for i in range(size):
        deepest = max(deepest, depth[i])
    step = deepest / levels
    capacity = _capacity(begin, end, n)
    row, begin, end = (
        _grown(row, n, capacity),
        _grown(begin, n, capacity),
        _grown(end, n, capacity),
    )
    base = _grown(base, n, capacity)
    new_row, new_base = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    new_begin, new_end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    count = 0
    while count < enough:
        count += 1
        n = _deeper(
            depth, row, begin, end, base, n, count * step, new_row, new_begin, new_end, new_base
        )
        if _large_pieces(new_row, new_begin, new_end, n, smallest) != 1:
            break
        row, new_row = new_row, row
        begin, new_begin = new_begin, begin
        end, new_end = new_end, end
        base, new_base = new_base, base
    return count


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
    """3 x 3 erosions until a structure splits, and the square of its largest depth.

    As `euclidean_erosions`; what lies beyond the frame belongs to the structure. The depth is
    Euclidean, in pixels.

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
    base, size = bases_of(begin, end, n)
    shape = first.size - 1, int(stop[-1])
    squared = squared_thickness(row, begin, end, base, size, shape)
    if not in_one_piece:
        return 0, squared
    enough = enough * np.sqrt(squared)
    capacity = _capacity(begin, end, n)
    row, begin, end = (
        _grown(row, n, capacity),
        _grown(begin, n, capacity),
        _grown(end, n, capacity),
    )
    new_row = np.empty(capacity, np.int32)
    new_begin, new_end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    count = 0
    while count < enough:
        count += 1
        n = _eroded(row, begin, end, n, shape, new_row, new_begin, new_end)
        if _large_pieces(new_row, new_begin, new_end, n, smallest) != 1:
            break
        row, new_row = new_row, row
        begin, new_begin = new_begin, begin
        end, new_end = new_end, end
    return count, squared


@inner
def _capacity(begin: Ints, end: Ints, n: int) -> int:
    """Runs that any part of `n` runs can have: one for every other pixel."""
    capacity = 0
    for k in range(n):
        capacity += (end[k] - begin[k] + 1) // 2
    return capacity


@inner
def _grown(values: Ints, n: int, capacity: int) -> Ints:
    """The first `n` values, with room for more."""
    grown = np.empty(capacity, np.int32)
    for k in range(n):
        grown[k] = values[k]
    return grown


@inner
def _deeper(
    depth: Depths,
    row: Ints,
    begin: Ints,
    end: Ints,
    base: Ints,
    n: int,
    limit: float,
    new_row: Ints,
    new_begin: Ints,
    new_end: Ints,
    new_base: Ints,
) -> int:
    """The runs of pixels deeper than `limit` within `n` runs, written to the last four."""
    found = 0
    for k in range(n):
        low, high, deep = _deep_part(depth, base[k] + begin[k], base[k] + end[k], limit)
        while deep:
            new_row[found], new_base[found] = row[k], base[k]
            new_begin[found] = low - base[k]
            if deep == high - low:
                low = high
                deep = 0
            else:
                while depth[low] > limit:
                    low += 1
                    deep -= 1
            new_end[found] = low - base[k]
            found += 1
            while low < high and not depth[low] > limit:
                low += 1
    return found


@inner
def _deep_part(depth: Depths, low: int, high: int, limit: float) -> tuple[int, int, int]:
    """From the first to after the last pixel deeper than `limit`, and how many there are."""
    while low < high and not depth[low] > limit:
        low += 1
    while low < high and not depth[high - 1] > limit:
        high -= 1
    deep = 0
    for i in range(low, high):  # no branches: several pixels at once
        deep += depth[i] > limit
    return low, high, deep


@inner
def _eroded(
    row: Ints,
    begin: Ints,
    end: Ints,
    n: int,
    shape: tuple[int, int],
    new_row: Ints,
    new_begin: Ints,
    new_end: Ints,
) -> int:
    """The runs left of `n` runs by a 3 x 3 erosion, written to the last three.

    Where three rows overlap, one pixel less at either end; what is beyond the frame is inside.
    """
    found = above = k = 0
    while k < n:
        r = row[k]
        after = k
        while after < n and row[after] == r:
            after += 1
        while above < k and row[above] < r - 1:
            above += 1
        over, over_end = (k, after) if r == 1 else (above, k)
        under, under_end = (k, after) if r == shape[0] - 2 else (after, after)
        if r < shape[0] - 2:
            while under_end < n and row[under_end] == r + 1:
                under_end += 1
        here = k
        while here < after and over < over_end and under < under_end:
            low = max(begin[over], begin[here], begin[under])
            high = min(end[over], end[here], end[under])
            left = low if low == 1 else low + 1
            right = high if high == shape[1] - 1 else high - 1
            if left < right:
                new_row[found], new_begin[found], new_end[found] = r, left, right
                found += 1
            over += end[over] == high
            under += end[under] == high
            here += end[here] == high
        k = after
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
