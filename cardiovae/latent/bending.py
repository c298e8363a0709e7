"""How much a signal in time bends, and the linear systems of signals that resist bending.

A signal is an array (T,) or (T, D), one column per latent dimension or attribute. Its bend at
frame t is s_t - (s_{t-1} + s_{t+1}) / 2, the quantity that the temporal limits and the smoothing
energy of Painchaud et al., IEEE TMI 41(10), 2022, are written in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_banded

from cardiovae.errors import CardiovaeError

Array = NDArray[np.float64]

# What a difference operator makes of 3 or 5 frames: the bend, and the bend of the bend.
BEND = (-0.5, 1.0, -0.5)
BEND_OF_BEND = (0.25, -1.0, 1.5, -1.0, 0.25)


def second_difference(signal: ArrayLike) -> Array:
    """Deviation of each frame from the mean of its two neighbors, shape (T,) or (T, D).

    Zero at the first and last frame, which have one neighbor only.

    Examples:
        >>> second_difference([0.0, 1.0, 0.0, -1.0]).tolist()
        [0.0, 1.0, 0.0, 0.0]
    """
    s = np.asarray(signal, np.float64)
    bend = np.zeros_like(s)
    bend[1:-1] = s[1:-1] - (s[:-2] + s[2:]) / 2
    return bend


def straight_line(signal: Array, weights: Array) -> Array:
    """Weighted least squares line through a signal, shapes (T,): where heavy smoothing ends."""
    time = np.arange(len(signal), dtype=np.float64)
    total = weights.sum()
    center, level = weights @ time / total, weights @ signal / total
    time -= center
    line: Array = level + (weights @ (time * (signal - level))) / (weights @ time**2) * time
    return line


def solve_bending(
    weights: Array, compliance: Array, force: Array, taps: tuple[float, ...] = BEND
) -> tuple[Array, Array]:
    """Minimize 1/2 sum_t w_t x_t^2 - force . x + 1/2 sum_j (B x)_j^2 / compliance_j over x.

    Solved with its multipliers v = B x / compliance, as W x + B^T v = force, B x - C v = 0: this
    system stays well conditioned however stiff a bend is, zero compliance (no bend at all)
    included, where the normal equations W + B^T C^-1 B lose every digit of the weights. With
    frames and multipliers in turn it is banded, and costs O(T).

    Args:
        weights: Shape (T,), >= 0; as many positive ones as `taps` less one, at least.
        compliance: Shape (T - n + 1,) for n taps, >= 0.
        force: Shape (T,) or (T, D).
        taps: The rows of B: what it takes from n neighboring frames, n odd.

    Returns:
        The minimum x, shape of `force`, and its bends B x, exact however small they are.
    """
    n, half = len(weights), len(taps) // 2
    width = 2 * half + 1
    bands = np.zeros((2 * width + 1, 2 * n))
    bands[width, ::2] = weights
    bands[width, 1::2] = -1.0  # multipliers that frames near the ends would have stay at zero
    bands[width, 2 * half + 1 : 2 * (n - half) : 2] = -compliance
    for k, tap in enumerate(taps):
        apart = 2 * (half - k) + 1  # from frame j + k to multiplier j, in the common order
        frames = slice(2 * k, 2 * (n - 2 * half + k), 2)
        bands[width + apart, frames] = tap
        bands[width - apart, 2 * half + 1 : 2 * (n - half) : 2] = tap
    right = np.zeros((2 * n, *force.shape[1:]))
    right[::2] = force
    both = solve_banded((width, width), bands, right, check_finite=False)
    multipliers = both[2 * half + 1 : 2 * (n - half) : 2]
    return both[::2], (compliance * multipliers.T).T


def checked(signal: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    """A finite signal (T,) or (T, D) and weights of its shape, the largest of each column 1.

    Raises:
        CardiovaeError: Wrong shapes, values that are not finite, negative weights, or fewer than
            two frames of weight among three or more.
    """
    s = np.asarray(signal, np.float64)
    if s.ndim not in (1, 2) or s.size == 0 or not np.isfinite(s).all():
        raise CardiovaeError(
            f"a signal is finite, of shape (T,) or (T, D); got shape {s.shape} with "
            f"{np.count_nonzero(~np.isfinite(s))} values that are not finite. Give frames "
            "without a code any finite one and weight 0"
        )
    w = np.ones(len(s)) if weights is None else np.asarray(weights, np.float64)
    if w.shape not in (s.shape, s.shape[:1]) or not np.all(np.isfinite(w) & (w >= 0)):
        raise CardiovaeError(
            f"weights are finite, >= 0, of shape {s.shape[:1]} or {s.shape}; got shape {w.shape}"
        )
    if w.ndim < s.ndim:
        w = np.broadcast_to(w[:, None], s.shape)
    if len(s) > 2 and np.any(np.count_nonzero(w, axis=0) < 2):
        raise CardiovaeError(
            "two frames or more must have weight, or nothing tells where the others belong; "
            "give every frame a small weight if none can be trusted"
        )
    return s, w / np.maximum(w.max(axis=0), np.finfo(np.float64).tiny)
