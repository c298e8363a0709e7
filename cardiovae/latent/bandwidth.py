"""The width of a Parzen density's kernels, by leave-one-out likelihood.

Duin, "On the choice of smoothing parameters for Parzen estimators of probability density
functions", IEEE Trans. Computers C-25, 1976.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cardiovae.errors import CardiovaeError
from cardiovae.latent.distances import blocks, squared_distances

Array = NDArray[np.float64]

# Codes held out at most while the bandwidth is sought: 4,000 against 5,000 take a second on
# one core, and the optimum moves by less than its own sampling error beyond.
MAX_HELD_OUT = 4000


def leave_one_out_bandwidth(codes: Array, groups: NDArray[np.int64]) -> float:
    """Kernel width of largest leave-one-(group-)out log likelihood, in the units of `codes`.

    Setting the derivative to zero gives width^2 = mean over codes of a weighted mean of their
    squared distances to the others, divided by D, with weights that fall with distance: so every
    optimum lies between the root mean square distances to the nearest and to all others, over
    sqrt(D). The logarithm of the width is sought there, on a grid and then between grid points.

    Args:
        codes: Shape (N, D).
        groups: Codes left out together, shape (N,).
    """
    n, d = len(codes), int(codes.shape[1])
    held_out = np.unique(np.linspace(0, n - 1, min(n, MAX_HELD_OUT)).astype(np.int64))
    excess = np.empty((held_out.size, n), np.float32)
    nearest, mean = np.empty(held_out.size), np.empty(held_out.size)
    for rows in blocks(held_out.size, n):
        squared = squared_distances(codes[held_out[rows]], codes)
        same = groups[held_out[rows], None] == groups
        mean[rows] = np.mean(squared, axis=1, where=~same)
        squared[same] = np.inf
        nearest[rows] = squared.min(axis=1)
        excess[rows] = squared - nearest[rows, None]

    def loss(log_width: float) -> float:
        """Minus the mean log likelihood, but for constants."""
        rate = np.float32(0.5 * math.exp(-2 * log_width))
        sums = np.concatenate(
            [np.exp(-rate * excess[rows]).sum(axis=1) for rows in blocks(len(excess), n)]
        )
        fit = np.log(sums.astype(np.float64)) - float(rate) * nearest
        return d * log_width - float(fit.mean())

    if not nearest.any():
        raise CardiovaeError("every code occurs again in another group: no bandwidth fits that")
    low, high = 0.5 * math.log(nearest.mean() / d), 0.5 * math.log(mean.mean() / d)
    return math.exp(_minimize(loss, low, high))


def _minimize(loss: Callable[[float], float], low: float, high: float) -> float:
    """Minimum of a smooth function of one variable that may have several valleys."""
    grid = np.linspace(low, high, 9)
    best = int(np.argmin([loss(float(x)) for x in grid]))
    bounds = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 8)]))
    if not bounds[1] > bounds[0]:
        return low
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.asarray(found.x))
