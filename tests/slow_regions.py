"""Regions of boolean masks by labeling pixels: what the kernels of runs are tested against.

A mask is 8-connected and its outside 4-connected, unless said otherwise; everything beyond the
frame is outside.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.audit.regions import CROSS, padded, pieces
from cardiovae.morphology import Mask, bounding_box, dilate


def hole_pixels(mask: Mask, neighbors: Mask = CROSS) -> int:
    """Pixels outside `mask` that cannot reach the surroundings without crossing it."""
    box = bounding_box(mask)
    if box is None:
        return 0
    # Pixel (0, 0) of the padded box is outside, and is the first that the numbering meets.
    numbers, count = pieces(~padded(mask[box]), neighbors)
    return int(np.count_nonzero(numbers > 1)) if count > 1 else 0


def detached_pixels(mask: Mask) -> int:
    """Pixels of `mask` that are not in its largest piece; 0 for an empty mask."""
    box = bounding_box(mask)
    if box is None:
        return 0
    numbers, count = pieces(mask[box])
    if count < 2:
        return 0
    sizes = np.bincount(numbers.ravel())[1:]
    return int(sizes.sum() - sizes.max())


def pocket_pixels(a: Mask, b: Mask, walls: Mask) -> int:
    """Pixels of the pockets that lie between `a` and `b`."""
    box = bounding_box(walls)
    if box is None:
        return 0
    numbers, count = pieces(~padded(walls[box]), CROSS)
    if count < 2:
        return 0
    between = touching(numbers, count, padded(a[box])) & touching(numbers, count, padded(b[box]))
    between[:2] = False  # 0 is the walls, 1 the surroundings
    return int(np.count_nonzero(between[numbers]))


def touching(numbers: NDArray[np.signedinteger], count: int, mask: Mask) -> Mask:
    """Which of the numbered pieces share a pixel edge with `mask`, shape (count + 1,)."""
    touched = np.zeros(count + 1, bool)
    touched[numbers[1:][mask[:-1]]] = True
    touched[numbers[:-1][mask[1:]]] = True
    touched[numbers[:, 1:][mask[:, :-1]]] = True
    touched[numbers[:, :-1][mask[:, 1:]]] = True
    return touched


def longest_frontier_mm(a: Mask, b: Mask, spacing_mm: tuple[float, float]) -> float:
    """Length of the longest contiguous segment along which `a` touches `b`."""
    contact = a & dilate(b)
    box = bounding_box(contact)
    if box is None:
        return 0.0
    numbers, _ = pieces(contact[box])
    return max(
        math.hypot(
            (rows.stop - rows.start - 1) * spacing_mm[0],
            (cols.stop - cols.start - 1) * spacing_mm[1],
        )
        for rows, cols in ndimage.find_objects(numbers)
    )


def width_pixels(mask: Mask) -> int:
    """Columns that the box around `mask` spans; 0 for an empty mask."""
    cols = np.flatnonzero(mask.any(0))
    return int(cols[-1] - cols[0]) + 1 if cols.size else 0


def erosions_before_split(
    depth: NDArray[np.number], step: float, smallest: float, enough: float = math.inf
) -> int:
    """How often a region can be eroded before it is no longer in one piece."""
    count = 0
    left = depth > 0
    if pieces(left)[1] != 1:
        return 0
    while count < enough:
        count += 1
        left = depth > count * step
        if _count_large_pieces(left, smallest) != 1:
            break
    return count


def _count_large_pieces(mask: Mask, smallest: float) -> int:
    """Number of 8-connected pieces once 4-connected fragments below `smallest` are dropped."""
    numbers, count = pieces(mask, CROSS)
    if count == 1:  # the usual case, at the price of one labeling
        return int(np.count_nonzero(mask) >= smallest)
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    large = (sizes >= smallest) & (sizes > 0)
    return pieces(large[numbers])[1] if np.count_nonzero(large) > 1 else int(large.any())
