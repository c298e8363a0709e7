"""The outliers of a cohort: each sequence by its most unusual frame, and what is unusual there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES
from cardiovae.population.cohort import Cohort
from cardiovae.population.outliers import UNUSUAL, spread_of, unusual
from cardiovae.population.quantiles import curve_of, patient_weights

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Distances:
    """How unusual every frame of a cohort is among those of its view; see `outliers.Unusual`.

    Args:
        squared: Shape (F,).
        n_known: Shape (F,).
        tail: Shape (F,).
        scores: Shape (F, A).
        given_others: Shape (F, A).
        percents: Percentile of every attribute among all frames of the view, shape (F, A).
        reasons: Views without distances, and why.
    """

    squared: Array
    n_known: NDArray[np.int64]
    tail: Array
    scores: Array
    given_others: Array
    percents: Array
    reasons: dict[str, str]


@dataclass(frozen=True)
class Outlier:
    """The most unusual frame of a sequence.

    Args:
        row: Row of the cohort.
        squared: Squared Mahalanobis distance.
        n_known: Attributes that it is of.
        tail: Share of the chi-squared law beyond it.
        flagged: Whether that is less than one in a thousand.
        attribute: Farthest from its median; empty where none is known.
        value: Of that attribute.
        percent: Its percentile among all frames of the view.
        score: Robust standard deviations from the median.
        unexpected: The attribute that the others of the frame predict worst.
        unexpected_score: Standard deviations from that prediction.
        latent_row: Row of the frame least usual to the prior; -1 without a prior.
        latent_percent: Its percentile among the prior's training shapes.
    """

    row: int
    squared: float
    n_known: int
    tail: float
    flagged: bool
    attribute: str
    value: float
    percent: float
    score: float
    unexpected: str
    unexpected_score: float
    latent_row: int = -1
    latent_percent: float = math.nan


def distances_of(cohort: Cohort) -> Distances:
    """Compare every frame with those of its view, each patient with the same weight."""
    n, n_attributes = cohort.values.shape
    unknown, unknowns = np.full(n, math.nan), np.full((n, n_attributes), math.nan)
    out = Distances(
        squared=unknown,
        n_known=np.zeros(n, np.int64),
        tail=unknown.copy(),
        scores=unknowns,
        given_others=unknowns.copy(),
        percents=unknowns.copy(),
        reasons={},
    )
    views = np.array([m.view for m in cohort.members], dtype=np.str_)
    for view in sorted(set(views.tolist())):
        rows = np.flatnonzero(views[cohort.member] == view)
        values = cohort.values[rows]
        patients = [cohort.of(row).patient for row in rows.tolist()]
        found = unusual(values, spread_of(values, patients))
        if found.reason:
            out.reasons[view] = found.reason
        for name in ("squared", "n_known", "tail", "scores", "given_others"):
            getattr(out, name)[rows] = getattr(found, name)
        weights = patient_weights(patients)
        for k in range(n_attributes):
            out.percents[rows, k] = curve_of(values[:, k], weights).percentile(values[:, k])
    return out


def outliers_of(cohort: Cohort, found: Distances) -> tuple[Outlier, ...]:
    """One row per sequence of which something is known, the most unusual first.

    By the tail of the distance, then the distance itself; where a view has none, by the prior.
    """
    rows = []
    for of in _frames(cohort):
        measured = of[np.isfinite(found.tail[of])]
        seen = of[np.isfinite(cohort.usual[of])]
        least = int(seen[np.argmin(cohort.usual[seen])]) if seen.size else -1
        if measured.size:
            order = np.lexsort((-found.squared[measured], found.tail[measured]))
            rows.append(_outlier(cohort, found, int(measured[order[0]]), least))
        elif seen.size:
            rows.append(_outlier(cohort, found, least, least))
    return tuple(sorted(rows, key=lambda o: (*_rank(o), cohort.of(o.row).source)))


def _frames(cohort: Cohort) -> Iterator[NDArray[np.int64]]:
    """The rows of each sequence, which lie one after another."""
    first = np.searchsorted(cohort.member, np.arange(len(cohort.members) + 1))
    for start, stop in pairwise(first.tolist()):
        yield np.arange(start, stop)


def _rank(outlier: Outlier) -> tuple[bool, float, float, float]:
    """Measured sequences first, the least likely of them first; then by the prior."""
    if math.isnan(outlier.tail):
        return True, 1.0, 0.0, outlier.latent_percent
    return False, outlier.tail, -outlier.squared, 0.0


def _outlier(cohort: Cohort, found: Distances, row: int, least: int) -> Outlier:
    scores, others = np.abs(found.scores[row]), np.abs(found.given_others[row])
    far = int(np.nanargmax(scores)) if np.isfinite(scores).any() else None
    odd = int(np.nanargmax(others)) if np.isfinite(others).any() else None
    return Outlier(
        row,
        float(found.squared[row]),
        int(found.n_known[row]),
        float(found.tail[row]),
        bool(found.tail[row] < UNUSUAL),
        "" if far is None else ATTRIBUTES[far],
        math.nan if far is None else float(cohort.values[row, far]),
        math.nan if far is None else float(found.percents[row, far]),
        math.nan if far is None else float(found.scores[row, far]),
        "" if odd is None else ATTRIBUTES[odd],
        math.nan if odd is None else float(found.given_others[row, odd]),
        least,
        math.nan if least < 0 else float(cohort.usual[least]),
    )
