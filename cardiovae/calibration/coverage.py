"""Whether intervals hold what they promise: on patients they were not made from."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.calibration.columns import (
    Array,
    Flags,
    check_share,
    columns,
    known,
    patient_numbers,
)
from cardiovae.calibration.conformal import (
    EVERYBODY,
    Conformal,
    bounds,
    fit_conformal,
    inside,
)
from cardiovae.errors import CardiovaeError
from cardiovae.intervals.proportion import wilson_by_cluster

MIN_SPLIT = 2  # patients on either side


@dataclass(frozen=True)
class Coverage:
    """How often the truth lay in its interval.

    Args:
        value: Share, every patient with the same weight; NaN without a case.
        low: Lower end of its 95 % interval by patient.
        high: Upper end.
        n: Cases with an interval and a truth.
        n_patients: Patients they come from.
        n_infinite: Intervals without an end that should have one: they hold, and say nothing.
        width: Mean width of the finite ones, in the unit of the truth; NaN for lower bounds.
    """

    value: float
    low: float
    high: float
    n: int
    n_patients: int
    n_infinite: int
    width: float


@dataclass(frozen=True)
class Splits:
    """Coverage over many ways to deal patients to calibration and test.

    Args:
        level: What was promised.
        mean: Mean coverage of the test patients; NaN where no split gave any.
        sd: Standard deviation between splits.
        low: 2.5th percentile of the splits.
        high: 97.5th percentile.
        width: Mean width of the finite intervals; NaN for lower bounds.
        n_splits: Splits.
        n_calibration: Patients to learn from in each.
        n_test: Patients to test on in each.
        n_infinite: Splits in which an interval was infinite.
    """

    level: float
    mean: float
    sd: float
    low: float
    high: float
    width: float
    n_splits: int
    n_calibration: int
    n_test: int
    n_infinite: int


def coverage(
    low: ArrayLike,
    high: ArrayLike,
    truth: ArrayLike,
    patients: Sequence[Hashable] | None = None,
) -> Coverage:
    """Share of cases whose truth lies between `low` and `high`, ends included.

    Args:
        low: Lower ends, shape (N,); -inf is an end that does not exist.
        high: Upper ends.
        truth: True values; rows with a NaN anywhere are left out.
        patients: Whose; None = every row is a patient.

    Examples:
        >>> found = coverage([0, 0, 0, 0], [1, 1, 1, 1], [0.5, 1, 2, 0.1])
        >>> found.value, found.n_patients, found.width
        (0.75, 4, 1.0)
    """
    a, b, true = columns(low=low, high=high, truth=truth)
    hit = inside(a, b, true)
    rows = known(hit)
    who = patient_numbers(patients, true.size)[rows]
    _, slot, count = np.unique(who, return_inverse=True, return_counts=True)
    shares = np.bincount(slot, hit[rows], count.size) / np.maximum(count, 1)
    found = wilson_by_cluster(np.clip(shares, 0, 1), np.ones_like(shares))
    # A lower bound alone has no upper end in any row; an infinite lower end says nothing.
    one_sided = bool(np.all(np.isposinf(b[rows])))
    endless = np.isinf(a[rows]) if one_sided else np.isinf(a[rows]) | np.isinf(b[rows])
    widths = (b - a)[rows][~endless]
    width = math.nan if one_sided or not widths.size else float(widths.mean())
    n_infinite = int(endless.sum())
    return Coverage(
        found.value, found.low, found.high, int(rows.sum()), count.size, n_infinite, width
    )


def repeated_splits(
    prediction: ArrayLike,
    truth: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    level: float,
    residual: str = "absolute",
    sd: ArrayLike | None = None,
    floor: float = 0.0,
    groups: Sequence[str] | None = None,
    frames: str = "any",
    n_splits: int = 200,
    share: float = 0.5,
    seed: int = 0,
) -> Splits:
    """Coverage on held-out patients, averaged over many splits by patient.

    One split alone varies by several points; the guarantee is about the average.

    Args:
        prediction: Shape (N,).
        truth: Shape (N,); rows where anything is unknown are left out.
        patients: Whose; None = every row is a patient.
        level: What to promise.
        residual: See `Conformal`, as `sd`, `floor`, `groups` and `frames`. Groups in which a
            split leaves no calibration patient are left out of its test.
        sd: Standard deviations for "normalized".
        floor: Smallest standard deviation that is believed.
        groups: Group of each row.
        frames: How several rows of a patient count.
        n_splits: How often patients are dealt.
        share: Of the patients to learn from.
        seed: Same seed, same splits.

    Raises:
        CardiovaeError: Fewer than two patients on either side.
    """
    check_share(share, "share")
    cases = _cases(prediction, truth, patients, sd, groups)
    owners = np.unique(cases.who)
    n_fit = round(share * owners.size)
    if min(n_fit, owners.size - n_fit) < MIN_SPLIT:
        raise CardiovaeError(
            f"repeated_splits: {owners.size} patients, of whom a share of {share:g} learns, leave "
            f"fewer than {MIN_SPLIT} on a side"
        )
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(n_splits):
        learns = np.isin(cases.who, rng.permutation(owners)[:n_fit])
        drawn = int(rng.integers(2**31))
        fitted = _fitted(cases.of(learns), level, residual, floor, frames, drawn)
        known_group = np.isin(cases.names, [q.group for q in fitted.quantiles])
        results.append(_tested(fitted, cases.of(~learns & known_group), level))
    values, widths, infinite = np.array(results).T
    kept, wide = values[np.isfinite(values)], widths[np.isfinite(widths)]
    low, high = np.percentile(kept, (2.5, 97.5)).tolist() if kept.size else (math.nan, math.nan)
    return Splits(
        level=level,
        mean=float(kept.mean()) if kept.size else math.nan,
        sd=float(kept.std(ddof=1)) if kept.size > 1 else math.nan,
        low=low,
        high=high,
        width=float(wide.mean()) if wide.size else math.nan,
        n_splits=n_splits,
        n_calibration=n_fit,
        n_test=owners.size - n_fit,
        n_infinite=int(infinite.sum()),
    )


@dataclass(frozen=True, eq=False)
class _Cases:
    """Rows of which everything is known."""

    found: Array
    true: Array
    spread: Array
    names: NDArray[np.str_]
    who: NDArray[np.int64]

    def of(self, rows: Flags) -> _Cases:
        """Some of them."""
        return _Cases(
            self.found[rows],
            self.true[rows],
            self.spread[rows],
            self.names[rows],
            self.who[rows],
        )


def _cases(
    prediction: ArrayLike,
    truth: ArrayLike,
    patients: Sequence[Hashable] | None,
    sd: ArrayLike | None,
    groups: Sequence[str] | None,
) -> _Cases:
    found, true = columns(prediction=prediction, truth=truth)
    spread = np.ones_like(found) if sd is None else columns(prediction=found, sd=sd)[1]
    names = np.array([EVERYBODY] * found.size if groups is None else [str(g) for g in groups])
    everything = _Cases(found, true, spread, names, patient_numbers(patients, found.size))
    return everything.of(known(found, true, spread))


def _fitted(
    cases: _Cases, level: float, residual: str, floor: float, frames: str, seed: int
) -> Conformal:
    return fit_conformal(
        cases.found,
        cases.true,
        cases.who.tolist(),
        levels=(level,),
        residual=residual,
        sd=cases.spread,
        floor=floor,
        groups=cases.names.tolist(),
        frames=frames,
        seed=seed,
    )


def _tested(fitted: Conformal, cases: _Cases, level: float) -> tuple[float, float, bool]:
    """Mean coverage of the patients, mean width of finite intervals, whether one was infinite."""
    low, high = bounds(
        fitted, cases.found, level=level, sd=cases.spread, groups=cases.names.tolist()
    )
    hit = inside(low, high, cases.true)
    _, slot, count = np.unique(cases.who, return_inverse=True, return_counts=True)
    if fitted.frames == "all":  # the promise is about all frames of a patient together
        means = np.ones(count.size)
        np.minimum.at(means, slot, hit)
    else:
        means = np.bincount(slot, hit, count.size) / np.maximum(count, 1)
    finite = np.isfinite(high - low)
    endless = np.isinf(low) if fitted.residual == "lower" else ~finite
    width = float((high - low)[finite].mean()) if finite.any() else math.nan
    return float(means.mean()) if means.size else math.nan, width, bool(endless.any())
