"""Everything about a cohort as plain data: the content of `population.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cardiovae.population.cohort import (
    QUANTITY_UNITS,
    Cohort,
    Member,
    Sample,
    cohort_of,
    samples,
)
from cardiovae.population.compare import Comparison, compare
from cardiovae.population.measure import known
from cardiovae.population.outliers import UNUSUAL
from cardiovae.population.reference import (
    FORMAT,
    Percentiles,
    Place,
    Reference,
    percentiles_of,
    places,
    stored,
)
from cardiovae.population.rows import (
    difference_rows,
    distance_rows,
    latent_rows,
    outlier_rows,
    place_rows,
)
from cardiovae.population.worst import Distances, Outlier, distances_of, outliers_of

MOST_OUTLIERS = 500
"""Sequences that the record names; the table has all."""
MOST_LATENT = 24
UNKNOWN_BELOW = 0.5
"""Percentile below which a prior does not know a shape, as in `cardiovae.correction.usual`."""


@dataclass(frozen=True)
class Origin:
    """Where a record comes from.

    Args:
        cardiovae: Version.
        inputs: What was named on the command line.
        seed: Start of the random numbers.
        grouping: What groups are; None = nothing is compared.
        prior: Name of the prior that looked at the frames; None = none.
    """

    cardiovae: str
    inputs: tuple[str, ...]
    seed: int
    grouping: str | None = None
    prior: str | None = None


@dataclass(frozen=True, eq=False)
class Population:
    """A cohort and all that was found in it.

    Args:
        cohort: The cohort.
        samples: By view and instant.
        percentiles: Of every quantity.
        distances: Of every frame.
        outliers: Every sequence, the most unusual first.
        comparison: Of groups; None where nothing is compared.
        reference: Another cohort; None where there is none.
        places: Where this one lies within it.
    """

    cohort: Cohort
    samples: Mapping[tuple[str, str], Sample]
    percentiles: tuple[Percentiles, ...]
    distances: Distances
    outliers: tuple[Outlier, ...]
    comparison: Comparison | None = None
    reference: Reference | None = None
    places: tuple[Place, ...] = ()


def describe(
    members: Sequence[Member],
    *,
    grouping: str | None = None,
    reference: Reference | None = None,
    seed: int = 0,
) -> Population:
    """Describe a cohort; neither the order of its sequences nor how they were read matters.

    Args:
        members: Its sequences, measured.
        grouping: What `Member.group` is; None compares nothing.
        reference: Another cohort to place this one in.
        seed: Start of the random numbers of permutations and intervals.

    Raises:
        ConfigError: Fewer than two groups, or too many.
    """
    cohort = cohort_of(members, grouping=grouping)
    found = samples(cohort)
    distances = distances_of(cohort)
    return Population(
        cohort,
        found,
        percentiles_of(found),
        distances,
        outliers_of(cohort, distances),
        None if grouping is None else compare(cohort, found, grouping=grouping, seed=seed),
        reference,
        () if reference is None else places(found, reference),
    )


def population_record(
    population: Population, origin: Origin, errors: Sequence[tuple[Member, str]] = ()
) -> dict[str, Any]:
    """Plain data for JSON; None where something is unknown."""
    cohort, comparison = population.cohort, population.comparison
    return {
        "format": FORMAT,
        "cardiovae": origin.cardiovae,
        "inputs": list(origin.inputs),
        "seed": origin.seed,
        "group_by": origin.grouping,
        "prior": origin.prior,
        "n_sequences": len(cohort.members),
        "n_patients": cohort.n_patients,
        "n_frames": len(cohort.frame),
        "views": dict(sorted(Counter(m.view for m in cohort.members).items())),
        "errors": [{"source": m.source, "error": message} for m, message in errors],
        "unmeasured": unmeasured(cohort),
        "percentiles": [_percentiles(entry) for entry in population.percentiles],
        "outliers": {
            "tail": UNUSUAL,
            "n": sum(o.flagged for o in population.outliers),
            "views_without": dict(population.distances.reasons),
            "sequences": list(outlier_rows(cohort, population.outliers[:MOST_OUTLIERS])),
            "latent": list(latent_rows(cohort, population.outliers))[:MOST_LATENT],
            "latent_below": UNKNOWN_BELOW,
        },
        "groups": None if comparison is None else _comparison(comparison),
        "reference": None
        if population.reference is None
        else {
            "name": population.reference.name,
            "n_patients": population.reference.n_patients,
            "places": list(place_rows(population.places)),
        },
    }


def unmeasured(cohort: Cohort) -> list[dict[str, Any]]:
    """Reasons why an attribute could not be measured, the most frequent first.

    Structures that a file does not annotate are no fault of its frames, and left out.
    """
    frames: Counter[tuple[str, str]] = Counter()
    sequences: dict[tuple[str, str], set[str]] = {}
    for m in cohort.members:
        for reasons in m.record["reasons"]:
            for attribute, reason in reasons.items():
                if reason.endswith("is not annotated"):
                    continue
                frames[attribute, reason] += 1
                sequences.setdefault((attribute, reason), set()).add(m.name)
    return [
        {"attribute": key[0], "reason": key[1], "n_frames": n,
         "n_sequences": len(sequences[key]), "first": min(sequences[key])}
        for key, n in sorted(frames.items(), key=lambda item: (-item[1], item[0]))
    ]  # fmt: skip


def _percentiles(entry: Percentiles) -> dict[str, Any]:
    return {
        "view": entry.view,
        "instant": entry.instant,
        "quantity": entry.quantity,
        "unit": QUANTITY_UNITS[entry.quantity],
        "n_patients": entry.n_patients,
        "n_values": entry.n_values,
        "interval": entry.found[0].method,
        "percentiles": [
            {"percent": q.percent, **_interval(q.found.value, q.found.low, q.found.high)}
            for q in entry.found
        ],
        "distribution": stored(entry.curve),
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "by": found.grouping,
        "patients": dict(found.patients),
        "sequences_without": found.without,
        "differences": _plain(difference_rows(found)),
        "distances": _plain(distance_rows(found)),
    }


def _plain(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows without NaN, which JSON does not have."""
    return [
        {k: known(float(v)) if isinstance(v, float | np.floating) else v for k, v in row.items()}
        for row in rows
    ]


def _interval(value: float, low: float, high: float) -> dict[str, float | None]:
    return {"value": known(value), "low": known(low), "high": known(high)}
