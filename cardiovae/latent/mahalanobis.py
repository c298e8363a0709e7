"""Distance from the training codes in units of their own spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_SHARE = 1e-6  # of the largest variance: directions without spread say nothing


def mahalanobis(codes: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Mahalanobis distances of codes from the mean of reference codes, shape (T,).

    Of Gaussian codes in D dimensions, squared, they follow a chi-square distribution of D degrees
    of freedom: their square root is near the square root of D.

    Args:
        codes: Shape (T, D); a row that is not finite has distance NaN.
        reference: Shape (N, D), N of at least 2.

    Examples:
        >>> square = [[-1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]
        >>> mahalanobis([[3.0, 0.0]], square).round(2).tolist()
        [2.6]
    """
    known = np.asarray(reference, np.float64)
    values, vectors = np.linalg.eigh(np.cov(known, rowvar=False))
    kept = values > LEAST_SHARE * values.max()
    along = (np.asarray(codes, np.float64) - known.mean(0)) @ vectors[:, kept]
    return np.asarray(np.linalg.norm(along / np.sqrt(values[kept]), axis=1))
