"""Contours of masks, and how far two of them lie apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel
from cardiovae.kernels.runs import Ints


@kernel
def contour(
    labels: NDArray[np.uint8], first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8], members: int
) -> tuple[Ints, Ints]:
    """Pixels of a mask with an outside pixel among their 4 neighbors; the frame is surrounded.

    Args:
        labels: The label map, shape (H, W).
        first: As the next three, a field of its framed `Runs`.
        start: See there.
        stop: See there.
        label: See there.
        members: The labels of the mask, each as one bit.

    Returns:
        Index of the first contour pixel of every row, and their number, shape (H + 1,); and the
        columns of the contour pixels, ascending in every row.
    """
    height, width = labels.shape
    member = np.zeros(256, np.bool_)
    for value in range(256):
        member[value] = 1 << min(value, 4) & members
    capacity = 0
    for run in range(start.size):
        if 1 << label[run] & members:
            capacity += stop[run] - start[run]
    index, cols = np.zeros(height + 1, np.int32), np.empty(capacity, np.int32)
    n = 0
    for row in range(height):
        up, down = labels[max(row - 1, 0)], labels[min(row + 1, height - 1)]
        here, at_end = labels[row], row in (0, height - 1)
        for run in range(first[row + 1], first[row + 2]):
            if 1 << label[run] & members:
                for col in range(start[run] - 1, stop[run] - 1):
                    if (
                        at_end
                        or not member[up[col]]
                        or not member[down[col]]
                        or col == 0
                        or col == width - 1
                        or not member[here[col - 1]]
                        or not member[here[col + 1]]
                    ):
                        cols[n] = col
                        n += 1
        index[row + 1] = n
    return index, cols[:n]


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
    farthest = _farthest(index, cols, other_index, other_cols, row_mm, col_mm, 0.0)
    return np.sqrt(_farthest(other_index, other_cols, index, cols, row_mm, col_mm, farthest))


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
