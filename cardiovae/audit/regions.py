"""Regions of boolean masks: pieces, holes, pockets, frontiers and inner thickness.

Every function takes masks of shape (H, W) and works on the box around their true pixels. Unless
said otherwise a mask is 8-connected and its outside 4-connected (Rosenfeld, "Connectivity in
digital pictures", J. ACM 17(1), 1970), and everything beyond the frame is outside, so that a mask
which touches the border encloses nothing there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.morphology import Mask, bounding_box, dilate

CROSS: Mask = ndimage.generate_binary_structure(2, 1)
SQUARE: Mask = ndimage.generate_binary_structure(2, 2)


def pieces(mask: Mask, neighbors: Mask = SQUARE) -> tuple[NDArray[np.signedinteger], int]:
    """Number every connected piece of `mask` from 1; background is 0. Returns (numbers, count)."""
    numbers, count = ndimage.label(mask, neighbors)
    return numbers, int(count)


def padded(mask: Mask) -> Mask:
    """`mask` with one row and column of False on every side, shape (H + 2, W + 2)."""
    wide = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    wide[1:-1, 1:-1] = mask
    return wide


def hole_pixels(mask: Mask, neighbors: Mask = CROSS) -> int:
    """Pixels outside `mask` that cannot reach the surroundings without crossing it.

    Args:
        mask: Boolean image, shape (H, W).
        neighbors: Connectivity of the outside. With `SQUARE` a closed contour that is diagonal
            somewhere encloses nothing, as in the published code.

    Returns:
        Number of pixels; 0 for an empty mask.

    Examples:
        >>> ring = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
        >>> hole_pixels(ring), hole_pixels(ring, SQUARE)
        (1, 0)
    """
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
    """Pixels of the pockets that lie between `a` and `b`.

    A pocket is a 4-connected region that `walls` enclose; it lies between two structures when it
    shares a pixel edge with both. A hole of one structure borders only that one.

    Args:
        a: First structure, shape (H, W); the count is symmetric in `a` and `b`.
        b: Second structure.
        walls: What encloses a pocket: `a | b`, or more.

    Returns:
        Number of pixels; 0 when either structure is absent.
    """
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
    """Length of the longest contiguous segment along which `a` touches `b`.

    A segment is an 8-connected set of pixels of `a` that have a pixel of `b` among their 8
    neighbors; its length is the diagonal of the box around its pixel centers, so that a single
    contact has length 0 and the two sides of a corner do not add up.

    Args:
        a: First structure, shape (H, W).
        b: Second structure, disjoint from `a`.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.

    Returns:
        Length in mm; 0.0 when they do not touch.

    Examples:
        >>> labels = np.array([[1, 1, 1, 1, 1], [3, 3, 0, 0, 0]])
        >>> longest_frontier_mm(labels == 3, labels == 1, (1.0, 0.5))
        0.5
    """
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
    """How often a region can be eroded before it is no longer in one piece.

    Eroding `n` times leaves the pixels deeper than `n * step`, so no erosion is carried out.
    After each, 4-connected fragments below `smallest` pixels are dropped; the count ends at the
    first erosion that leaves several 8-connected pieces, or none.

    Args:
        depth: Distance of every pixel to the outside, 0 outside the region, shape (H, W).
        step: Depth that one erosion takes away, in the unit of `depth`.
        smallest: Size in pixels below which a fragment is an artifact of the erosion.
        enough: Stop once this many erosions have left one piece.

    Returns:
        Number of erosions; 0 when the region is empty or in pieces from the start.
    """
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
