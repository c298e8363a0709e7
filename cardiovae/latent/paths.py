"""Ways from one code to another: straight, and along a sphere.

Codes drawn from N(0, I) in many dimensions lie near a sphere, which a straight way leaves: its
middle is closer to the center than almost any code. The spherical way turns the direction at a
constant rate instead (Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985; for
latent codes White, "Sampling generative networks", 2016, arXiv 1609.04468).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError

Array = NDArray[np.float64]

# Directions this close to the same or to opposite ones span no plane to turn in (radians).
LEAST_ANGLE = 1e-6


def lerp(start: ArrayLike, end: ArrayLike, at: ArrayLike) -> Array:
    """Codes on the straight line from `start` to `end`.

    Args:
        start: Codes, shape (..., D).
        end: Codes, shape (..., D).
        at: Where on the way: 0 is `start`, 1 is `end`, other numbers lie beyond, shape (S,).

    Returns:
        Shape (..., S, D); `start` and `end` exactly at 0 and 1.

    Raises:
        CardiovaeError: Shapes that do not fit.

    Examples:
        >>> lerp([0.0, 0.0], [4.0, 2.0], [0.0, 0.25, 1.0]).tolist()
        [[0.0, 0.0], [1.0, 0.5], [4.0, 2.0]]
    """
    a, b, t = _checked(start, end, at)
    return np.asarray((1 - t) * a + t * b)


def slerp(
    start: ArrayLike, end: ArrayLike, at: ArrayLike, *, center: ArrayLike | None = None
) -> Array:
    """Codes on the way from `start` to `end` around a center.

    The direction from the center turns along the great circle at a constant rate, the distance
    from the center changes linearly. White's formula is the same where both are equally far; where
    they are not, it leaves the range of the two distances. Two directions that are equal or
    opposite, or an end at the center, leave no circle to follow: the way is then straight.

    Args:
        start: Codes, shape (..., D).
        end: Codes, shape (..., D).
        at: Where on the way: 0 is `start`, 1 is `end`, shape (S,).
        center: Center of the sphere, shape (D,); None = the origin, the mean of N(0, I).

    Returns:
        Shape (..., S, D).

    Raises:
        CardiovaeError: Shapes that do not fit.

    Examples:
        >>> slerp([1.0, 0.0], [0.0, 3.0], [0.5]).round(6).tolist()  # length 2, at 45 degrees
        [[1.414214, 1.414214]]
    """
    a, b, t = _checked(start, end, at)
    middle = np.zeros(a.shape[-1]) if center is None else np.asarray(center, np.float64)
    if middle.shape != a.shape[-1:]:
        raise CardiovaeError(
            f"center: one number per dimension, shape {a.shape[-1:]}; got {middle.shape}"
        )
    a, b = a - middle, b - middle
    lengths = [np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b)]
    u, v = (x / np.where(n > 0, n, 1) for x, n in zip((a, b), lengths, strict=True))
    # Kahan's angle: exact near 0 and pi, where the arc cosine of the product is not.
    halves = (np.linalg.norm(u + s * v, axis=-1, keepdims=True) for s in (-1, 1))
    angle = 2 * np.arctan2(*halves)
    turns = (lengths[0] > 0) & (lengths[1] > 0) & (np.sin(angle) > LEAST_ANGLE)
    sine = np.where(turns, np.sin(angle), 1)
    direction = (np.sin((1 - t) * angle) * u + np.sin(t * angle) * v) / sine
    turned = ((1 - t) * lengths[0] + t * lengths[1]) * direction
    return np.asarray(middle + np.where(turns, turned, (1 - t) * a + t * b))


def _checked(start: ArrayLike, end: ArrayLike, at: ArrayLike) -> tuple[Array, Array, Array]:
    """Both ends as (..., 1, D), positions as (S, 1)."""
    a, b, t = (np.asarray(x, np.float64) for x in (start, end, at))
    if a.shape != b.shape or a.ndim < 1:
        raise CardiovaeError(
            f"start and end: codes of one shape (..., D); got {a.shape} and {b.shape}"
        )
    if t.ndim != 1:
        raise CardiovaeError(f"at: positions along the way, shape (S,); got shape {t.shape}")
    return a[..., None, :], b[..., None, :], t[:, None]
