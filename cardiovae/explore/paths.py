"""Paths between two codes: straight, and along a great circle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError

Array = NDArray[np.float64]

NO_ARC = 1e-7  # rad; closer to 0 or pi than this, two directions do not span a plane


def lerp(a: ArrayLike, b: ArrayLike, shares: ArrayLike) -> Array:
    """Codes on the straight line from `a` to `b`.

    Args:
        a: First code, shape (D,).
        b: Last code, shape (D,).
        shares: Share of the way gone, 0 at `a` and 1 at `b`, shape (K,).

    Returns:
        Shape (K, D).

    Examples:
        >>> lerp([0.0, 2.0], [4.0, 0.0], [0.0, 0.25, 1.0]).tolist()
        [[0.0, 2.0], [1.0, 1.5], [4.0, 0.0]]
    """
    first, last = _pair(a, b)
    t = np.asarray(shares, np.float64)[:, None]
    return np.asarray((1 - t) * first + t * last)


def slerp(a: ArrayLike, b: ArrayLike, shares: ArrayLike, center: ArrayLike = 0.0) -> Array:
    """Codes on the arc from `a` to `b` around `center`: angle and radius change evenly.

    After White, "Sampling generative networks", arXiv:1609.04468, 2016: codes in many dimensions
    lie in a shell around their mean, and a straight line cuts through its empty middle. Where the
    radii of `a` and `b` differ, the radius goes from one to the other in a straight line.

    Args:
        a: First code, shape (D,).
        b: Last code, shape (D,).
        shares: Share of the way gone, 0 at `a` and 1 at `b`, shape (K,).
        center: Center of the shell, shape (D,) or a number; for a prior the mean of its codes.

    Returns:
        Shape (K, D). The straight line where there is no single arc: `a` and `b` in the same or
        in opposite directions, or one of them at the center.

    Examples:
        >>> slerp([1.0, 0.0], [0.0, 1.0], [0.0, 0.5, 1.0]).round(4).tolist()
        [[1.0, 0.0], [0.7071, 0.7071], [0.0, 1.0]]
    """
    first, last = (code - np.asarray(center, np.float64) for code in _pair(a, b))
    radii = float(np.linalg.norm(first)), float(np.linalg.norm(last))
    if min(radii) == 0:
        return lerp(a, b, shares)
    one, other = first / radii[0], last / radii[1]
    # Exact near 0 and pi, where the arc cosine of a product loses half of the digits.
    angle = 2 * math.atan2(float(np.linalg.norm(other - one)), float(np.linalg.norm(other + one)))
    if not NO_ARC < angle < math.pi - NO_ARC:
        return lerp(a, b, shares)
    t = np.asarray(shares, np.float64)[:, None]
    unit = (np.sin((1 - t) * angle) * one + np.sin(t * angle) * other) / math.sin(angle)
    return np.asarray(center + ((1 - t) * radii[0] + t * radii[1]) * unit)


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    first, last = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 1 or first.shape != last.shape:
        raise CardiovaeError(
            f"a and b: are two codes of one shape (D,), got {first.shape} and {last.shape}"
        )
    return first, last
