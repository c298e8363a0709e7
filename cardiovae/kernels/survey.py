"""Where labels lie: between which rows and columns, how wide at half height."""

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
def pixels_at_center(
    first: Ints, start: Ints, stop: Ints, label: NDArray[np.uint8], one: int, other: int
) -> tuple[int, int]:
    """Pixels of two labels on the row of the center of mass of both; (0, 0) where there is none."""
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
