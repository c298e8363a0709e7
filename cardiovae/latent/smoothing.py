"""Temporal smoothing of codes: exact, robust to ruined frames, and true to the amplitude.

The energy is that of Painchaud et al., IEEE TMI 41(10), 2022:

    1/2 sum_t w_t (s_t - s0_t)^2 + strength/2 sum_t (s_t - (s_{t-1} + s_{t+1}) / 2)^2,

over the inner frames t of the second sum. It is quadratic, so one banded system gives its minimum.
The weights are ours: a frame that cannot be trusted weighs little, and its neighbors decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.latent.bending import (
    BEND,
    BEND_OF_BEND,
    checked,
    second_difference,
    solve_bending,
    straight_line,
)
from cardiovae.latent.minimum_change import minimum_change

__all__ = [
    "Smoothed",
    "minimum_change",
    "robust_weights",
    "second_difference",
    "smallest_strength",
    "smooth",
]

Array = NDArray[np.float64]

LEAST_STRENGTH = 1e-6  # weaker smoothing changes nothing but the frames without weight
MAX_STRENGTH = 1e9  # of a search; the slowest bend over 200 frames is down to 1.3 % there
TUKEY = 4.685  # deviations where trust ends: 95 % efficiency for Gaussian errors (Holland, 1977)
PREDICTION_STRENGTH = 5.0  # a clean beat of 12 frames is predicted to 0.3 % of its amplitude
REWEIGHTINGS = 20
GENTLE_REWEIGHTINGS = 10  # of them by absolute deviations, a convex problem to start from
CLIP = 4.0  # standard deviations from the median at which a frame stops pulling predictions
NEGLIGIBLE = 0.01  # share of its own spread that a signal may deviate in any case


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A smoothed signal, the strength that it took, and whether that was enough.

    `strength` is 0 where the signal was left alone and infinite for straight lines.
    """

    signal: Array
    strength: float
    feasible: bool


def smooth(
    codes: ArrayLike,
    weights: ArrayLike | None = None,
    strength: ArrayLike = 10.0,
    *,
    preserve_amplitude: bool = False,
) -> Array:
    """Smooth codes in time, every dimension by itself.

    With `preserve_amplitude` the second differences in the energy give way to fourth ones, the
    bend of the bend, with strength^2, so that the same frequencies are kept. A turning point,
    end of diastole or of systole, has the largest bend of the whole beat, and the plain energy
    pulls it in (or, at the end of a sequence, lets it overshoot) by several percent; its bend
    changes slowly, so the modified energy keeps it within 1 % for a beat of 18 frames or more.

    Args:
        codes: Shape (T, D) or (T,).
        weights: Trust >= 0 in each frame, shape (T,) or as `codes`, relative to the largest;
            None means ones. Frames of weight 0 are interpolated, and continue the nearest two
            others in a straight line at the ends.
        strength: Weight >= 0 of the bends, a number or shape (D,); 0 leaves a dimension as it is,
            infinity makes it a straight line.
        preserve_amplitude: See above. Needs five frames of weight; with fewer, and for straight
            lines, it changes nothing.

    Returns:
        Shape of `codes`; a copy of it where T < 3.

    Raises:
        CardiovaeError: Wrong shapes, values that are not finite, a negative strength or weight,
            or fewer than two frames of weight in three frames or more.

    Examples:
        >>> smooth([0.0, 1.0, 9.0, 3.0], weights=[1, 1, 0, 1], strength=10.0).round(6).tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    s, w = checked(codes, weights)
    strengths = np.broadcast_to(np.asarray(strength, np.float64), s.shape[1:]).ravel()
    if not np.all(strengths >= 0):
        raise CardiovaeError(f"strength is >= 0, one number or one per dimension; got {strengths}")
    result = s.copy()
    if len(s) < 3:
        return result
    before, after, w = (array.reshape(len(s), -1) for array in (s, result, w))
    alike: dict[bytes, list[int]] = {}  # dimensions of equal strength and weights share a system
    for d in np.flatnonzero(strengths > 0).tolist():
        alike.setdefault(strengths[d].tobytes() + w[:, d].tobytes(), []).append(d)
    for columns in alike.values():
        d = columns[0]
        after[:, columns] = _smooth_alike(
            before[:, columns], w[:, d], float(strengths[d]), preserve_amplitude
        )
    return result


def smallest_strength(
    signal: ArrayLike,
    weights: ArrayLike | None,
    is_feasible: Callable[[Array], bool],
    *,
    upper: float = 128.0,
    preserve_amplitude: bool = False,
    tolerance: float = 0.01,
) -> Smoothed:
    """Smooth no more than it takes to meet some limits, by bisection of the strength.

    Feasibility is checked, never assumed: strength 0 first; then `upper`, raised fourfold up to
    `MAX_STRENGTH` while it does not suffice; then the straight line; only between a strength that
    fails and one that passes is anything bisected, and only a signal that passed is returned.
    (The published search takes 128 to be feasible, and stops after five halvings.)

    Args:
        signal: Shape (T,) or (T, D), of one common strength.
        weights: As in `smooth`.
        is_feasible: Whether a smoothed signal, shape of `signal`, meets the limits.
        upper: First strength that should suffice.
        preserve_amplitude: As in `smooth`.
        tolerance: Relative width of the last interval of strengths.

    Returns:
        The smoothed signal; `feasible` is False, and the signal straight lines, where not even
        they meet the limits.
    """
    s, _ = checked(signal, weights)
    if is_feasible(s.copy()):
        return Smoothed(s.copy(), 0.0, True)

    def attempt(strength: float) -> Smoothed:
        moved = smooth(s, weights, strength, preserve_amplitude=preserve_amplitude)
        return Smoothed(moved, strength, bool(is_feasible(moved)))

    low, best = 0.0, attempt(upper)
    while not best.feasible and best.strength < MAX_STRENGTH:
        low, best = best.strength, attempt(4 * best.strength)
    if not best.feasible:
        return attempt(math.inf)
    while best.strength - low > tolerance * best.strength and best.strength > LEAST_STRENGTH:
        middle = attempt(math.expm1((math.log1p(low) + math.log1p(best.strength)) / 2))
        if middle.feasible:
            best = middle
        else:
            low = middle.strength
    return best


def robust_weights(
    signal: ArrayLike, broken: ArrayLike | None = None, *, broken_weight: float = 0.1
) -> Array:
    """Trust in each frame: near 1 for frames that fit between the others, 0 for ruined ones.

    Each frame is predicted from the others by smoothing without it; its deviation, in standard
    deviations of what the other frames deviate (median absolute deviation), is judged over all
    dimensions together and turned into Tukey's biweight (Beaton and Tukey, Technometrics 16,
    1974), again and again with the new weights. Huge errors thus lose all influence, also on the
    predictions of their neighbors.

    Args:
        signal: Codes (T, D) or one signal (T,), finite.
        broken: Frames known to be unreliable, shape (T,), such as those whose mask fails the
            audit.
        broken_weight: Share of its weight that a broken frame keeps.

    Returns:
        Shape (T,), 0 to 1, at least half of them above 0. With fewer than five frames none can
        be told from the others: ones, and `broken_weight` where broken.

    Examples:
        >>> robust_weights([0.0, 1.0, 2.0, 3.0, 99.0, 5.0, 6.0, 7.0]).round(2).tolist()
        [1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0]
    """
    s, _ = checked(signal, None)
    s = s.reshape(len(s), -1)
    base = np.ones(len(s))
    if broken is not None:
        flags = np.asarray(broken, bool)
        if flags.shape != base.shape or not 0 < broken_weight <= 1:
            raise CardiovaeError(
                f"broken has shape {base.shape} and broken_weight lies in (0, 1]; "
                f"got {flags.shape} and {broken_weight}"
            )
        base[flags] = broken_weight
    if len(s) < 5:
        return base
    s = s - np.median(s, axis=0)
    spread = _median_deviation(s)
    bounded = np.clip(s, -CLIP * spread, CLIP * spread)
    floor = NEGLIGIBLE * spread + 1e-12 * np.abs(s).max(axis=0)
    w = base
    for round_ in range(REWEIGHTINGS):
        deviation = np.abs(_deviation_from_others(s, bounded, w))
        deviation /= np.maximum(_median_deviation(deviation), floor) + np.finfo(np.float64).tiny
        together = np.maximum(
            np.sqrt(np.mean(deviation**2, axis=1)),  # all dimensions somewhat off
            deviation.max(axis=1) / max(1.0, math.sqrt(2 * math.log(s.shape[1]))),  # or one, far
        )
        together /= max(1.0, float(np.median(together)))  # no less than half are to be trusted
        if round_ < GENTLE_REWEIGHTINGS:
            w = base / np.maximum(together, 1.0)
        else:
            w = base * np.maximum(1 - (together / TUKEY) ** 2, 0.0) ** 2
    return w


def _smooth_alike(s: Array, w: Array, strength: float, preserve_amplitude: bool) -> Array:
    """Smooth columns (T, D) that share their weights (T,) and strength > 0."""
    if math.isinf(strength):
        return np.stack([straight_line(column, w) for column in s.T], axis=1)
    known = np.flatnonzero(w)
    inner = slice(int(known[0]), int(known[-1]) + 1)
    n_after = len(s) - inner.stop
    s, w = s[inner], w[inner]
    taps = BEND_OF_BEND if preserve_amplitude and known.size >= len(BEND_OF_BEND) else BEND
    strength = max(strength, LEAST_STRENGTH)
    stiffness = strength**2 if taps is BEND_OF_BEND else strength
    if len(s) > 2:
        compliance = np.full(len(s) - len(taps) + 1, 1 / stiffness)
        s, _ = solve_bending(w, compliance, (w * s.T).T, taps)
    return _continued(s, inner.start, n_after)


def _continued(s: Array, n_before: int, n_after: int) -> Array:
    """The signal, shape (T, D), continued straight on at both ends by so many frames."""
    back, on = np.arange(-n_before, 0)[:, None], np.arange(1, n_after + 1)[:, None]
    return np.concatenate([s[0] + back * (s[1] - s[0]), s, s[-1] + on * (s[-1] - s[-2])])


def _deviation_from_others(s: Array, bounded: Array, w: Array) -> Array:
    """What each frame of `s` deviates from its prediction by `bounded` others, shape (T, D).

    In units of the standard deviation that it would have if all frames had independent errors of
    standard deviation 1: predictions at the ends are the least certain.
    """
    n = len(s)
    taps, stiffness = (
        (BEND_OF_BEND, PREDICTION_STRENGTH**2) if n >= 8 else (BEND, PREDICTION_STRENGTH)
    )
    w = np.maximum(w, 1e-6)
    compliance = np.full(n - len(taps) + 1, 1 / stiffness)
    influence, _ = solve_bending(w, compliance, np.diag(w), taps)
    own = 1 - np.diag(influence)
    others = influence / own[:, None]
    np.fill_diagonal(others, 0.0)
    expected = np.sqrt(1 + np.sum(others**2, axis=1, keepdims=True))
    deviation: Array = (s - others @ bounded) / expected
    return deviation


def _median_deviation(s: Array) -> Array:
    """Standard deviation of each column, shape (D,), estimated by the median absolute value."""
    spread: Array = 1.4826 * np.median(np.abs(s), axis=0)  # consistent for Gaussian errors
    return spread
