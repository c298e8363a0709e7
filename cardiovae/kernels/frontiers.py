"""Frontiers: the pixels of one label that have another among their 8 neighbors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel
from cardiovae.kernels.pieces import find, join
from cardiovae.kernels.runs import Ints


@kernel
def contact_pixels(
    first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8], one: int, other: int
) -> int:
    """Pixels of `one` with `other` among their 8 neighbors; the frame around does not count."""
    _, begin, end, n = _contacts(first, start, stop, label, one, 1 << other, 1)
    count = 0
    for k in range(n):
        count += end[k] - begin[k]
    return count


@kernel
def longest_contact(
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    one: int,
    other: int,
    row_mm: float,
    col_mm: float,
) -> tuple[int, int]:
    """Rows and columns that the longest contact goes along, minus one each.

    A contact is an 8-connected set of pixels of `one` with `other` among their 8 neighbors, its
    length in mm the diagonal of the box around its pixel centers; (0, 0) where there is none.
    """
    row, begin, end, n = _contacts(first, start, stop, label, one, 1 << other, 0)
    parent = join(row, begin, end, n, 1)
    bottom = np.zeros(n, np.int32)
    for k in range(n):  # roots come first: theirs is the top row
        root = find(parent, k)
        bottom[root] = row[k]
        begin[root] = min(begin[root], begin[k])
        end[root] = max(end[root], end[k])
    best, rows, cols = 0.0, 0, 0
    for k in range(n):
        if parent[k] == k:
            down, across = bottom[k] - row[k], end[k] - 1 - begin[k]
            length = math.hypot(down * row_mm, across * col_mm)
            if length > best:
                best, rows, cols = length, down, across
    return rows, cols


@kernel
def common_contact(
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    one: int,
    these: int,
    those: int,
) -> Ints:
    """Pixels of `one` that have labels of two sets, each as bits, among their 8 neighbors.

    Returns:
        Row and column of every pixel, in raster order, shape (N, 2).
    """
    row, begin, end, n = _contacts(first, start, stop, label, one, these, 1)
    other_row, other_begin, other_end, m = _contacts(first, start, stop, label, one, those, 1)
    capacity = 0
    for i in range(n):
        capacity += end[i] - begin[i]
    points = np.empty((capacity, 2), np.int32)
    found = k = 0
    for i in range(n):
        while k < m and (
            other_row[k] < row[i] or (other_row[k] == row[i] and other_end[k] <= begin[i])
        ):
            k += 1
        j = k
        while j < m and other_row[j] == row[i] and other_begin[j] < end[i]:
            for c in range(max(begin[i], other_begin[j]), min(end[i], other_end[j])):
                points[found, 0], points[found, 1] = row[i], c
                found += 1
            j += 1
    return points[:found]


@inner
def _contacts(
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    one: int,
    others: int,
    margin: int,
) -> tuple[Ints, Ints, Ints, int]:
    """Runs of contact pixels in raster order: rows, first columns, columns after, how many.

    `others` are labels, each as one bit; `margin` rows and columns on every side hold none.
    """
    n_rows, width = first.size - 1, stop[stop.size - 1]
    row = np.empty(4 * start.size, np.int32)
    begin, end = np.empty(4 * start.size, np.int32), np.empty(4 * start.size, np.int32)
    at = np.empty(3, np.int64)
    n = 0
    for r in range(n_rows):
        low, high = max(r - 1, margin), min(r + 2, n_rows - margin)
        for k in range(low, high):
            at[k - low] = first[k]
        for run in range(first[r], first[r + 1]):
            if label[run] == one:
                first_of_run = n
                done = start[run]  # columns before are settled
                while done < stop[run]:
                    a, b = _next_neighbors(
                        first, start, stop, label, others, at, low, high, margin, width, done
                    )
                    a, b = max(a, done), min(b, stop[run])
                    if a >= stop[run]:
                        break
                    if n > first_of_run and a == end[n - 1]:
                        end[n - 1] = b
                    else:
                        row[n], begin[n], end[n] = r, a, b
                        n += 1
                    done = b
    return row, begin, end, n


@inner
def _next_neighbors(
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    others: int,
    at: NDArray[np.int64],
    low: int,
    high: int,
    margin: int,
    width: int,
    done: int,
) -> tuple[int, int]:
    """The next columns, not all before `done`, beside a run of `others`; (width, width) if none.

    `at` holds, for the rows from `low` to `high`, the run from which to look on; it moves on.
    """
    best, best_end = width, width
    for k in range(low, high):
        run = at[k - low]
        while run < first[k + 1]:
            a, b = max(start[run], margin), min(stop[run], width - margin)
            if 1 << label[run] & others and a < b and b + 1 > done:
                if a - 1 < best:
                    best, best_end = a - 1, b + 1
                break
            run += 1
        at[k - low] = run
    return best, best_end
