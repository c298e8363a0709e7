"""Connected pieces of boolean masks, shape (H, W), pixel by pixel.

For those who need the pieces themselves; what only counts them is in `cardiovae.kernels`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.morphology import Mask

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
