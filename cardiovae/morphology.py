"""Neighborhoods of boolean masks, by shifting whole arrays (faster than a generic filter)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def dilate(mask: Mask) -> Mask:
    """Pixels of `mask`, shape (H, W), and their 8 neighbors.

    Examples:
        >>> dilate(np.eye(4, dtype=bool)[:, :1]).ravel().tolist()
        [True, True, False, False]
    """
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    grown = wide.copy()
    grown[1:] |= wide[:-1]
    grown[:-1] |= wide[1:]
    return grown


def bounding_box(mask: Mask, margin: int = 0) -> tuple[slice, slice] | None:
    """Box of the true pixels, `margin` pixels larger where the frame allows; None if none is."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return None
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, mask.shape[0])),
        slice(max(int(cols[0]) - margin, 0), min(int(cols[-1]) + 1 + margin, mask.shape[1])),
    )
