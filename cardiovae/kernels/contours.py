"""Contours of masks, and how far two of them lie apart."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel
from cardiovae.kernels.runs import Ints


@kernel
def contour(
    shape: tuple[int, int],
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    members: int,
) -> tuple[Ints, Ints]:
    """Pixels of a mask with an outside pixel among their 4 neighbors; the frame is surrounded.

    Args:
        shape: Height and width of the frame.
        first: As the next three, a field of its framed `Runs`.
        start: See there.
        stop: See there.
        label: See there.
        members: The labels of the mask, each as one bit.

    Returns:
        Index of the first contour pixel of every row, and their number, shape (H + 1,); and the
        columns of the contour pixels, ascending in every row.
    """
    height, width = shape
    inside = np.zeros((3, width + 2), np.bool_)  # the row above, this one and the one below
    _fill(inside[1], first, start, stop, label, members, 1)
    index, cols = np.zeros(height + 1, np.int32), np.empty(height * width, np.int32)
    n = 0
    for row in range(1, height + 1):
        up, here, down = inside[(row - 1) % 3], inside[row % 3], inside[(row + 1) % 3]
        _fill(down, first, start, stop, label, members, row + 1)
        for run in range(first[row], first[row + 1]):
            if 1 << label[run] & members:
                for col in range(start[run], stop[run]):
                    if not (up[col] and down[col] and here[col - 1] and here[col + 1]):
                        cols[n] = col - 1
                        n += 1
        index[row] = n
    return index, cols[:n]


@inner
def _fill(
    inside: NDArray[np.bool_],
    first: Ints,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    members: int,
    row: int,
) -> None:
    """Say of every pixel of a framed row whether it is in the mask."""
    for run in range(first[row], first[row + 1]):
        member = 1 << label[run] & members != 0
        for col in range(start[run], stop[run]):
            inside[col] = member


@kernel
def hausdorff_mm(
    index: Ints,
    cols: Ints,
    other_index: Ints,
    other_cols: Ints,
    row_mm: float,
    col_mm: float,
) -> float:
    """Largest distance in mm of a pixel of either contour to the other; both have a pixel.

    Args:
        index: Rows of the first contour, as `contour` gives them.
        cols: Its columns.
        other_index: Rows of the second contour.
        other_cols: Its columns.
        row_mm: Distance between the centers of rows.
        col_mm: Distance between the centers of columns.
    """
    there = _farthest(index, cols, other_index, other_cols, row_mm, col_mm, 0.0)
    return math.sqrt(_farthest(other_index, other_cols, index, cols, row_mm, col_mm, there))


@inner
def _farthest(
    index: Ints,
    cols: Ints,
    other_index: Ints,
    other_cols: Ints,
    row_mm: float,
    col_mm: float,
    farthest: float,
) -> float:
    """Square of the largest distance from one contour to the other, or `farthest` if larger.

    A pixel is given up on as soon as it is known to lie nearer than the farthest so far (Taha and
    Hanbury, IEEE TPAMI 37(11), 2015).
    """
    height = index.size - 1
    for row in range(height):
        for k in range(index[row], index[row + 1]):
            nearest = np.inf
            for step in range(height):
                down = row_mm * row - row_mm * (row - step)
                if down * down >= nearest or nearest <= farthest:
                    break
                if row - step >= 0:
                    nearest = _nearer(
                        other_index, other_cols, row, row - step, cols[k], row_mm, col_mm, nearest
                    )
                if step and row + step < height:
                    nearest = _nearer(
                        other_index, other_cols, row, row + step, cols[k], row_mm, col_mm, nearest
                    )
            farthest = max(farthest, nearest)
    return farthest


@inner
def _nearer(
    index: Ints,
    cols: Ints,
    row: int,
    other_row: int,
    col: int,
    row_mm: float,
    col_mm: float,
    nearest: float,
) -> float:
    """Square of the distance of a pixel to the nearest of `other_row`, or `nearest` if smaller."""
    low, high = index[other_row], index[other_row + 1]
    first, last = low, high
    while low < high:  # binary search: the first column not before `col`
        middle = (low + high) // 2
        if cols[middle] < col:
            low = middle + 1
        else:
            high = middle
    down = row_mm * row - row_mm * other_row
    for k in range(max(low - 1, first), min(low + 1, last)):
        across = col_mm * col - col_mm * cols[k]
        nearest = min(nearest, down * down + across * across)
    return nearest
