"""Frames that are unlike the rest: a robust Mahalanobis distance of their attributes.

Center and scale are the median and the normalized median absolute deviation; correlations are
those of normal scores, which few outliers hardly move (Boudt, Cornelissen and Croux, "The
Gaussian rank estimator of correlation coefficients", Stat Comput 22(2), 2012). All take weights,
so a patient with many frames weighs no more than one with few. Nothing is drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special, stats

from cardiovae.population.quantiles import curve_of, patient_weights

Array = NDArray[np.float64]
MAD_TO_SD = 1 / float(special.ndtri(0.75))
UNUSUAL = 0.001
"""Tail of the chi-squared law below which a frame is called an outlier."""
PATIENTS_PER_ATTRIBUTE = 2
"""Patients it takes per attribute: with fewer, correlations are mostly chance."""
FLAT = 1e-12  # a spread this small beside the values themselves is rounding


@dataclass(frozen=True, eq=False)
class Spread:
    """What is usual among frames of one view.

    Args:
        used: Attributes that vary, as columns, shape (K,).
        center: Their medians, shape (K,).
        scale: Their robust standard deviations, shape (K,).
        correlation: Shape (K, K).
    """

    used: NDArray[np.int64]
    center: Array
    scale: Array
    correlation: Array


@dataclass(frozen=True, eq=False)
class Unusual:
    """How far frames lie from the rest.

    Args:
        squared: Squared Mahalanobis distance over the known attributes, shape (F,).
        n_known: How many those are, shape (F,).
        tail: Share of the chi-squared law with as many degrees of freedom beyond it, shape (F,);
            what orders the frames, whatever is known of each.
        scores: Robust standard deviations from the median, shape (F, A).
        given_others: Standard deviations from what the other attributes of the frame let expect,
            shape (F, A).
        reason: Why there is no distance; empty where there is.
    """

    squared: Array
    n_known: NDArray[np.int64]
    tail: Array
    scores: Array
    given_others: Array
    reason: str = ""


def spread_of(values: Array, patients: Sequence[str]) -> Spread | str:
    """Median, scale and correlation of frames, or why there are none.

    Args:
        values: Attributes, NaN where unknown, shape (F, A).
        patients: Patient of each frame; each has the same weight.
    """
    weights = patient_weights(patients) if len(patients) else np.empty(0)
    curves = [curve_of(values[:, k], weights) for k in range(values.shape[1])]
    center = np.array([float(curve.value(50)) for curve in curves])
    scale = np.array(
        [
            MAD_TO_SD * float(curve_of(np.abs(values[:, k] - center[k]), weights).value(50))
            for k in range(values.shape[1])
        ]
    )
    used = np.flatnonzero(scale > FLAT * np.maximum(np.abs(center), 1.0))
    complete = np.flatnonzero(np.isfinite(values[:, used]).all(axis=1))
    n_patients = len({patients[i] for i in complete.tolist()})
    needed = PATIENTS_PER_ATTRIBUTE * max(used.size, 1)
    if not used.size or n_patients < needed:
        return (
            f"{n_patients} patients with all attributes known, {needed} are needed"
            if used.size
            else "no attribute is known and varies"
        )
    levels = [curves[k].percentile(values[complete, k]) / 100 for k in used]
    normal = special.ndtri(np.stack(levels, axis=1))
    covariance = np.atleast_2d(np.cov(normal.T, aweights=weights[complete]))
    sd = np.sqrt(np.diag(covariance))
    return Spread(used, center[used], scale[used], covariance / np.outer(sd, sd))


def unusual(values: Array, spread: Spread | str) -> Unusual:
    """Distances of frames, attributes of shape (F, A), from what is usual."""
    n, n_attributes = values.shape
    nothing = np.full((n, n_attributes), math.nan)
    if isinstance(spread, str):
        nan = np.full(n, math.nan)
        return Unusual(nan, np.zeros(n, np.int64), nan.copy(), nothing, nothing.copy(), spread)
    scores, others = nothing, nothing.copy()
    z = (values[:, spread.used] - spread.center) / spread.scale
    scores[:, spread.used] = z
    squared, tail = np.full(n, math.nan), np.full(n, math.nan)
    known = np.isfinite(z)
    for pattern in np.unique(known, axis=0):
        rows = np.flatnonzero((known == pattern).all(axis=1))
        if not pattern.any():
            continue
        inverse, rank = linalg.pinvh(
            spread.correlation[np.ix_(pattern, pattern)], return_rank=True
        )
        pull = z[np.ix_(rows, pattern)] @ inverse
        squared[rows] = np.maximum((pull * z[np.ix_(rows, pattern)]).sum(axis=1), 0.0)
        tail[rows] = stats.chi2.sf(squared[rows], rank)
        columns = spread.used[pattern]
        others[np.ix_(rows, columns)] = pull / np.sqrt(np.diag(inverse))
    return Unusual(squared, known.sum(axis=1), tail, scores, others)
