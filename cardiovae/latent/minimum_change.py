"""The smallest change of a signal that bounds its second differences, solved exactly.

The limits are those of Painchaud et al., IEEE TMI 41(10), 2022: frame t is consistent when
|s_t - (s_{t-1} + s_{t+1}) / 2| <= tau. Least squares under these limits is a convex quadratic
program that always has a solution, since every straight line satisfies them; unlike a quadratic
penalty it leaves a signal alone wherever the limits already hold, turning points included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.latent.bending import checked, second_difference, solve_bending, straight_line

Array = NDArray[np.float64]

MAX_STEPS = 100  # of the interior-point method; it takes 8 to 25
GAP = 1e-18  # duality gap per constraint at the end, in units of weight * tau^2
CENTERING = 0.1  # share of the duality gap that a step leaves
ROUNDING = 1e-9  # share of the limit kept free, so that the result passes a strict comparison
STAY_INSIDE = 0.995  # share of the way to the nearest limit that one step may go


def minimum_change(signal: ArrayLike, tau: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Closest signal whose second differences are at most `tau`.

    Minimizes 1/2 sum_t w_t (s_t - signal_t)^2 under |s_t - (s_{t-1} + s_{t+1}) / 2| <= tau for
    every inner frame, by a primal-dual interior-point method (Mehrotra, SIAM J. Optim. 2, 1992)
    that starts from the fitted straight line and stays strictly inside the limits.

    Args:
        signal: Shape (T,) or (T, D).
        tau: Limit of each dimension, a number or shape (D,); 0 asks for a straight line.
        weights: Weights >= 0, shape (T,) or as `signal`; None means ones. Frames of weight zero
            are free to move; two frames or more must have weight.

    Returns:
        Shape of `signal`; every dimension within its limit, and bit for bit the same where it
        was so already.

    Raises:
        CardiovaeError: Wrong shapes, values that are not finite, negative limits or weights, or
            fewer than two frames of weight in three frames or more.

    Examples:
        >>> minimum_change([0.0, 0.0, 3.0, 0.0, 0.0], tau=1.0).round(4).tolist()
        [0.0, 0.6667, 1.6667, 0.6667, 0.0]
    """
    s, w = checked(signal, weights)
    limits = np.broadcast_to(np.asarray(tau, np.float64), s.shape[1:])
    if not np.all(np.isfinite(limits) & (limits >= 0)):
        raise CardiovaeError(f"tau is a finite limit >= 0 of each dimension, got {limits}")
    result = s.copy()
    before, after, w = (array.reshape(len(s), -1) for array in (s, result, w))
    for d in np.flatnonzero(np.any(np.abs(second_difference(before)) > limits, axis=0)):
        line = straight_line(before[:, d], w[:, d])
        limit = float(limits.ravel()[d]) * (1 - ROUNDING)
        after[:, d] = line
        if limit > 0:
            after[:, d] += limit * _interior_point((before[:, d] - line) / limit, w[:, d])
    return result


def _interior_point(y: Array, w: Array) -> Array:
    """Minimize 1/2 sum w (x - y)^2 under |bend(x)| <= 1, for y whose fitted line is zero.

    Newton steps on the perturbed optimality conditions: multipliers times room = `aim`, with the
    pull of the multipliers in balance with w (y - x).
    """
    x = np.zeros_like(y)
    upper = np.full(len(y) - 2, max(1.0, float(np.max(w * np.abs(y)))))
    lower = upper.copy()  # multipliers of -bend(x) <= 1, as `upper` of bend(x) <= 1
    room_up, room_low = np.ones_like(upper), np.ones_like(upper)  # 1 - bend(x), 1 + bend(x)
    for _ in range(MAX_STEPS):
        gap = float(upper @ room_up + lower @ room_low) / (2 * len(upper))
        if gap <= GAP:
            break
        aim = CENTERING * gap
        pull = np.zeros_like(x)
        pull[1:-1] = aim / room_up - aim / room_low
        compliance = 1 / (upper / room_up + lower / room_low)
        step, turn = solve_bending(w, compliance, w * (y - x) - _bend_transposed(pull))
        push_up = (aim + upper * turn) / room_up - upper
        push_low = (aim - lower * turn) / room_low - lower
        reach = _reach((room_up, -turn), (room_low, turn), (upper, push_up), (lower, push_low))
        x = x + reach * step
        room_up, room_low = room_up - reach * turn, room_low + reach * turn
        upper, lower = upper + reach * push_up, lower + reach * push_low
    return x


def _bend_transposed(pull: Array) -> Array:
    """B^T times `pull`, shape (T,), whose first and last entries are zero."""
    moved = pull.copy()
    moved[:-1] -= pull[1:] / 2
    moved[1:] -= pull[:-1] / 2
    return moved


def _reach(*pairs: tuple[Array, Array]) -> float:
    """Longest step up to 1 that keeps every positive quantity positive along its direction."""
    shrinking = max(float(np.max(-change / amount)) for amount, change in pairs)
    return min(1.0, STAY_INSIDE / shrinking) if shrinking > 0 else 1.0
