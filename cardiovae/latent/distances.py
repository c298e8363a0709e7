"""Euclidean distances between many codes, in blocks that fit into the cache and into memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK_ELEMENTS = 2**22  # entries of one block of distances: 32 MB in float64


def squared_distances(a: Array, b: Array) -> Array:
    """Squared distances between the rows of `a` (M, D) and `b` (N, D), shape (M, N)."""
    middle = b.mean(axis=0)  # distances lose no digits to a common offset
    a, b = a - middle, b - middle
    squared = (-2.0 * a) @ b.T
    squared += np.einsum("id,id->i", a, a)[:, None]
    squared += np.einsum("id,id->i", b, b)
    return np.maximum(squared, 0.0, out=squared)


def blocks(n_rows: int, n_columns: int) -> list[slice]:
    """Slices of rows, so that a block of `n_columns` columns stays small."""
    step = max(1, BLOCK_ELEMENTS // n_columns)
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
