"""What share of hearts out of a latent space is valid: drawn ones, and those between real ones.

Nothing here knows a network: codes come in, codes to decode and judge go out
(`cardiovae.bank.judged`), verdicts come back. Patients are the unit of every interval where there
are patients; a pair has two.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.intervals.bootstrap import (
    MIN_PATIENTS,
    N_RESAMPLES,
    Interval,
    clusters,
    interval,
)
from cardiovae.intervals.proportion import wilson
from cardiovae.latent.paths import lerp, slerp

Codes = NDArray[np.float64]
Pairs = NDArray[np.int64]
Way = Literal["linear", "spherical"]
WAYS: tuple[Way, ...] = ("linear", "spherical")


def share_of_draws(passed: ArrayLike) -> Interval:
    """Share of independent draws from a density that are valid, with its 95 % interval.

    No patients are drawn, so the interval says how well so many draws tell the share of *this*
    density, not how another cohort's would differ.

    Args:
        passed: Verdict of each draw, shape (N,).

    Examples:
        >>> share_of_draws([True, True, False, True]).value
        0.75
    """
    verdicts = np.asarray(passed, bool)
    return wilson(int(verdicts.sum()), verdicts.size)


def draw_pairs(
    views: Sequence[str], patients: Sequence[Hashable], n: int, *, rng: np.random.Generator
) -> Pairs:
    """Pairs of frames of one view and two patients, each pair once, shape (K, 2).

    Args:
        views: View of each frame, shape (N,).
        patients: Patient of each frame, shape (N,).
        n: Pairs wanted; where there are fewer, all of them.
        rng: Source of randomness.

    Raises:
        CardiovaeError: Not one view and patient per frame, or no such pair.
    """
    if len(views) != len(patients):
        raise CardiovaeError(
            f"pairs: one view and one patient per frame; got {len(views)} and {len(patients)}"
        )
    view = np.unique(np.asarray(views, str), return_inverse=True)[1]
    patient = clusters(patients).index
    first, second = np.triu_indices(len(view), 1)
    fits = (view[first] == view[second]) & (patient[first] != patient[second])
    candidates = np.flatnonzero(fits)
    if not candidates.size:
        raise CardiovaeError(
            f"pairs: none of {len(view)} frames has another of its view and of another patient"
        )
    chosen = rng.choice(candidates, size=min(n, candidates.size), replace=False)
    return np.stack([first[chosen], second[chosen]], axis=1).astype(np.int64)


def between(
    codes: Codes, pairs: Pairs, n_steps: int, *, way: Way, center: ArrayLike | None = None
) -> Codes:
    """Codes at even steps between the two of each pair, without the two, shape (K, n_steps, D).

    Args:
        codes: Shape (N, D).
        pairs: Rows of `codes`, shape (K, 2).
        n_steps: Codes on each way.
        way: "linear", or "spherical" around `center`.
        center: Shape (D,); None = the origin.

    Raises:
        CardiovaeError: No step, or an unknown way.
    """
    if n_steps < 1 or way not in WAYS:
        raise CardiovaeError(
            f"between: at least one step on a {' or '.join(WAYS)} way; got {n_steps} on '{way}'"
        )
    at = np.linspace(0, 1, n_steps + 2)[1:-1]
    start, end = codes[pairs[:, 0]], codes[pairs[:, 1]]
    if way == "linear":
        return lerp(start, end, at)
    return slerp(start, end, at, center=center)


def mean_of_pairs(
    values: ArrayLike,
    patients: Sequence[tuple[Hashable, Hashable]],
    *,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """Mean over pairs of patients, with a 95 % interval that draws whole patients again.

    A pair counts as often as its first patient was drawn, times as often as its second (Snijders
    and Borgatti, "Non-parametric standard errors and tests for network statistics", Connections
    22(2), 1999). Where all pairs agree, drawing again tells nothing: shares of 0 and 1 then get
    the interval of Wilson with a case per patient, the cautious end; other values none.

    Args:
        values: One number per pair, shape (K,); a share of valid codes, or 0 and 1. NaN is left
            out.
        patients: Both patients of each pair.
        rng: Source of randomness.
        n_resamples: How often patients are drawn.

    Raises:
        CardiovaeError: Not two patients per value.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.shape != (len(patients),) or any(len(both) != 2 for both in patients):
        raise CardiovaeError(
            f"pairs: two patients per value; got {len(patients)} pairs for values of shape "
            f"{numbers.shape}"
        )
    known = np.flatnonzero(np.isfinite(numbers))
    if not known.size:
        return Interval(math.nan)
    numbers = numbers[known]
    group = clusters([patient for i in known.tolist() for patient in patients[i]])
    first, second = group.index.reshape(-1, 2).T
    mean = float(numbers.mean())
    if group.n < MIN_PATIENTS:
        return Interval(mean)
    if np.ptp(numbers) == 0:
        same = wilson(mean * group.n, group.n) if mean in (0, 1) else Interval(mean)
        return Interval(mean, same.low, same.high)
    times = rng.multinomial(group.n, np.full(group.n, 1 / group.n), size=n_resamples)
    weights = (times[:, first] * times[:, second]).astype(np.float64)
    total = weights.sum(1)
    with np.errstate(invalid="ignore"):  # no pair was drawn: undefined, and left out
        drawn = weights @ numbers / total
    return interval(mean, drawn)
