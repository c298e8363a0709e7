"""A cohort as a reference for others: its distributions, and the places of others in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import FileError
from cardiovae.intervals.bootstrap import Interval
from cardiovae.intervals.proportion import wilson_by_cluster
from cardiovae.population.cohort import QUANTITIES, Sample
from cardiovae.population.quantiles import (
    LEVELS,
    Curve,
    Quantile,
    curve_of,
    patient_weights,
    quantiles,
)

Array = NDArray[np.float64]
Key = tuple[str, str, str]
FORMAT = "cardiovae population 1"
GRID = np.arange(0.5, 100.0, 0.5)
"""Percentiles that are stored: enough to place a frame, no single patient where there are many."""
OUTER = (LEVELS[0], LEVELS[-1])


@dataclass(frozen=True)
class Percentiles:
    """One quantity of a cohort at one view and instant.

    Args:
        view: "A2C", "A4C", "unknown" or "biplane".
        instant: "ED", "ES", "any" or "cycle".
        quantity: One of `QUANTITIES`.
        n_patients: Of whom it is known.
        n_values: Observations.
        found: Percentiles with their intervals.
        curve: The whole distribution.
    """

    view: str
    instant: str
    quantity: str
    n_patients: int
    n_values: int
    found: tuple[Quantile, ...]
    curve: Curve

    @property
    def key(self) -> Key:
        """View, instant and quantity."""
        return self.view, self.instant, self.quantity


@dataclass(frozen=True)
class Reference:
    """Distributions of another cohort.

    Args:
        name: Where they come from.
        n_patients: Of that cohort.
        curves: By view, instant and quantity.
    """

    name: str
    n_patients: int
    curves: Mapping[Key, Curve]

    def percentile(self, view: str, instant: str, quantity: str, x: ArrayLike) -> Array:
        """Percentiles of `x` within it, any shape; NaN where it knows nothing of the kind.

        A frame that is neither ED nor ES, `instant` "", is compared with all frames.
        """
        curve = self.curves.get((view, instant or "any", quantity))
        given = np.asarray(x, np.float64)
        return np.full(given.shape, math.nan) if curve is None else curve.percentile(given)


@dataclass(frozen=True)
class Place:
    """Where a cohort lies within a reference, in one quantity at one view and instant.

    Args:
        view: See `Percentiles`.
        instant: See `Percentiles`.
        quantity: See `Percentiles`.
        n_patients: Of the cohort.
        median_percent: Percentile, within the reference, of the cohort's median.
        below: Share of patients below the reference's percentile 2.5, where 2.5 % are expected;
            of their frames where there are several.
        above: Share of patients above its percentile 97.5.
    """

    view: str
    instant: str
    quantity: str
    n_patients: int
    median_percent: float
    below: Interval
    above: Interval


def percentiles_of(samples: Mapping[tuple[str, str], Sample]) -> tuple[Percentiles, ...]:
    """Percentiles of every quantity that is known of some patient, by view and instant."""
    found = []
    for (view, instant), sample in samples.items():
        for k, quantity in enumerate(QUANTITIES):
            rows = np.flatnonzero(np.isfinite(sample.values[:, k])).tolist()
            if not rows:
                continue
            values = sample.values[rows, k]
            whose = [sample.patients[i] for i in rows]
            found.append(
                Percentiles(
                    view,
                    instant,
                    quantity,
                    len(set(whose)),
                    len(rows),
                    quantiles(values, whose),
                    curve_of(values, patient_weights(whose)),
                )
            )
    return tuple(found)


def stored(curve: Curve) -> dict[str, list[float]]:
    """A curve as plain data for JSON, thinned out to half percents between its own ends."""
    ends = float(curve.percentiles[0]), float(curve.percentiles[-1])
    levels = np.unique(np.clip(GRID, *ends))
    return {"percentiles": levels.tolist(), "values": curve.value(levels).tolist()}


def read_reference(path: Path) -> Reference:
    """The reference that a `population.json` is.

    Raises:
        FileError: Absent, or no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            f"--reference {path}: cannot be read ({error.strerror or error}); give the "
            "population.json that 'cardiovae population' wrote about the reference cohort"
        ) from error
    except ValueError as error:
        raise FileError(f"--reference {path}: is no JSON ({error})") from error
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format is {content['format']!r}, not {FORMAT!r}")
        curves = {
            (row["view"], row["instant"], row["quantity"]): _curve(row["distribution"])
            for row in content["percentiles"]
        }
        n_patients = int(content["n_patients"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"--reference {path}: is no population.json of this version ({error!r}); write it "
            "again with 'cardiovae population'"
        ) from error
    return Reference(path.name, n_patients, MappingProxyType(curves))


def places(samples: Mapping[tuple[str, str], Sample], reference: Reference) -> tuple[Place, ...]:
    """Where a cohort lies within a reference, for all that both know."""
    found = []
    for (view, instant), sample in samples.items():
        for k, quantity in enumerate(QUANTITIES):
            curve = reference.curves.get((view, instant, quantity))
            rows = np.flatnonzero(np.isfinite(sample.values[:, k])).tolist()
            if curve is None or not rows:
                continue
            found.append(
                _place((view, instant, quantity), sample.values[rows, k],
                       [sample.patients[i] for i in rows], curve)
            )  # fmt: skip
    return tuple(found)


def _place(key: Key, values: Array, whose: Sequence[str], curve: Curve) -> Place:
    weights = patient_weights(whose)
    percents = curve.percentile(values)
    patients = {p: i for i, p in enumerate(dict.fromkeys(whose))}
    index = [patients[p] for p in whose]
    shares = [
        np.clip(np.bincount(index, weights * beyond, len(patients)), 0.0, 1.0)
        for beyond in (percents < OUTER[0], percents > OUTER[1])
    ]
    middle = float(curve_of(values, weights).value(50))
    below, above = (wilson_by_cluster(share, np.ones(len(patients))) for share in shares)
    return Place(*key, len(patients), float(curve.percentile(middle)), below, above)


def _curve(content: Mapping[str, Any]) -> Curve:
    values = np.asarray(content["values"], np.float64)
    levels = np.asarray(content["percentiles"], np.float64)
    if values.shape != levels.shape or values.ndim != 1 or not values.size:
        raise ValueError("a distribution has one value per percentile")
    if not (np.isfinite(values).all() and np.all(np.diff(values) >= 0)):
        raise ValueError("the values of a distribution rise")
    unique, first = np.unique(values, return_index=True)
    last = len(values) - 1 - np.unique(values[::-1], return_index=True)[1]
    return Curve(unique, (levels[first] + levels[last]) / 2)
