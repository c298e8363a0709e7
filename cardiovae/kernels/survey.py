"""Where labels lie: how many pixels, between which rows and columns, spread how."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import kernel
from cardiovae.kernels.runs import OTHER, Ints


@kernel
def boxes(first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Top, left, bottom and right of the box around every label, the latter two exclusive.

    Shape (5, 4); all 0 for a label without a pixel.
    """
    found = np.zeros((OTHER + 1, 4), np.int64)
    for row in range(first.size - 1):
        for run in range(first[row], first[row + 1]):
            box = found[label[run]]
            if box[3] == 0:
                box[0], box[1] = row, start[run]
            box[1], box[3] = min(box[1], start[run]), max(box[3], stop[run])
            box[2] = row + 1
    return found


@kernel
def moments(first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sums over the pixels of every label: 1, row, col, row ** 2, col ** 2, row * col.

    Shape (5, 6), exact. Rows and columns are those of the runs.
    """
    found = np.zeros((OTHER + 1, 6), np.int64)
    for row in range(first.size - 1):
        for run in range(first[row], first[row + 1]):
            low, high = np.int64(start[run]), np.int64(stop[run] - 1)
            count = high - low + 1
            cols = (low + high) * count // 2
            total = found[label[run]]
            total[0] += count
            total[1] += count * row
            total[2] += cols
            total[3] += count * row * row
            total[4] += (high * (high + 1) * (2 * high + 1) - (low - 1) * low * (2 * low - 1)) // 6
            total[5] += cols * row
    return found


@kernel
def pixels_at_center(
    first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8], one: int, other: int
) -> tuple[int, int]:
    """Pixels of two labels on the row of the center of mass of both; (0, 0) without."""
    pixels = moment = 0
    for row in range(first.size - 1):
        for run in range(first[row], first[row + 1]):
            if label[run] == one or label[run] == other:
                pixels += stop[run] - start[run]
                moment += row * (stop[run] - start[run])
    n_one = n_other = 0
    if pixels:
        row = moment // pixels
        for run in range(first[row], first[row + 1]):
            n_one += (stop[run] - start[run]) * (label[run] == one)
            n_other += (stop[run] - start[run]) * (label[run] == other)
    return n_one, n_other
