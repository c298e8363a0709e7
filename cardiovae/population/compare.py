"""Groups of a cohort compared: by view and instant, every pair of groups, patients as units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES
from cardiovae.errors import ConfigError
from cardiovae.population.cohort import BIPLANE, QUANTITIES, VIEW, Cohort, Sample
from cardiovae.population.distances import Distance, Vectors, distance, frechet
from cardiovae.population.groups import Difference, difference, holm

Array = NDArray[np.float64]
MOST_GROUPS = 12
KNOWN_SHARE = 0.9
"""Of the patients of both groups; an attribute known of fewer is left out of distances."""
BOTH_VIEWS = "A2C + A4C"


@dataclass(frozen=True)
class DifferenceRow:
    """One quantity of two groups, at one view and instant.

    `ks_p_holm` and `rank_p_holm` are corrected for all rows of a comparison.
    """

    view: str
    instant: str
    quantity: str
    groups: tuple[str, str]
    found: Difference
    ks_p_holm: float = math.nan
    rank_p_holm: float = math.nan


@dataclass(frozen=True)
class DistanceRow:
    """All attributes of two groups together, at one view and instant.

    Args:
        view: As in samples.
        instant: As in samples.
        groups: Which.
        attributes: Those that the distance is of.
        found: The distances; None where a group has too few patients.
        frechet: Of latent codes; NaN without a prior.
        frechet_p: Its p-value.
        energy_p_holm: Corrected for all rows of a comparison.
    """

    view: str
    instant: str
    groups: tuple[str, str]
    attributes: tuple[str, ...]
    found: Distance | None
    frechet: float = math.nan
    frechet_p: float = math.nan
    energy_p_holm: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """Every pair of groups compared.

    Args:
        grouping: What the groups are.
        patients: Number of patients of each group.
        without: Sequences that belong to none.
        differences: By view, instant, pair of groups and quantity.
        distances: By view, instant and pair of groups.
    """

    grouping: str
    patients: Mapping[str, int]
    without: int
    differences: tuple[DifferenceRow, ...]
    distances: tuple[DistanceRow, ...]


def compare(
    cohort: Cohort, samples: Mapping[tuple[str, str], Sample], *, grouping: str, seed: int
) -> Comparison:
    """Compare the groups of a cohort.

    Args:
        cohort: With groups in its members.
        samples: Of the cohort.
        grouping: What the groups are; "view" compares views over all patients.
        seed: Start of the random numbers; each pair of groups has its own.

    Raises:
        ConfigError: Fewer than two groups, or more than twelve.
    """
    members: dict[str, set[str]] = {}
    for m in cohort.members:
        if m.group:
            members.setdefault(m.group, set()).add(m.patient)
    _check(grouping, members)
    differences: list[DifferenceRow] = []
    distances: list[DistanceRow] = []
    for k, (view, instant, sample) in enumerate(_strata(samples, grouping)):
        vectors = _by_group(sample.values, sample)
        codes = _by_group(cohort.codes[sample.rows], sample) if cohort.codes.size else {}
        for i, pair in enumerate(combinations(sorted(members), 2)):
            rng = np.random.default_rng([seed, k, i])
            own = [vectors.get(group, {}) for group in pair]
            head = view, instant, (pair[0], pair[1])
            differences += _differences(head, own[0], own[1], rng)
            if instant not in ("cycle",) and view != BIPLANE:
                latent = [_complete(codes.get(group, {})) for group in pair]
                distances.append(_distance(head, (own[0], own[1]), (latent[0], latent[1]), rng))
    return Comparison(
        grouping,
        {group: len(members[group]) for group in sorted(members)},
        sum(not m.group for m in cohort.members),
        _corrected(differences),
        _corrected_distances(distances),
    )


def _check(grouping: str, members: Mapping[str, set[str]]) -> None:
    shown = ", ".join(sorted(members)[:MOST_GROUPS])
    if len(members) < 2:
        raise ConfigError(
            f"--group-by {grouping}: two groups or more are needed, got "
            f"{f'only {shown}' if members else 'none'}; give a column of the manifest that "
            "differs between sequences, or a CSV file with columns patient (or name) and group"
        )
    if len(members) > MOST_GROUPS:
        raise ConfigError(
            f"--group-by {grouping}: at most {MOST_GROUPS} groups are compared, got "
            f"{len(members)} ({shown}, ...); put them together in a CSV file of groups"
        )


def _strata(
    samples: Mapping[tuple[str, str], Sample], grouping: str
) -> Iterator[tuple[str, str, Sample]]:
    """What is compared: ED, ES and cycles; all frames where a view has neither.

    Views themselves are compared over all patients, since a heart is in both.
    """
    if grouping != VIEW:
        for (view, instant), sample in samples.items():
            if instant != "any" or (view, "ED") not in samples:
                yield view, instant, sample
        return
    cycles = any(instant == "ED" for _, instant in samples)
    for instant in ("ED", "ES", "cycle") if cycles else ("any",):
        parts = [s for (view, i), s in samples.items() if i == instant and view != BIPLANE]
        yield (
            BOTH_VIEWS,
            instant,
            Sample(
                tuple(p for s in parts for p in s.patients),
                tuple(g for s in parts for g in s.groups),
                np.concatenate([s.values for s in parts]),
                np.concatenate([s.rows for s in parts]),
            ),
        )


def _by_group(values: Array, sample: Sample) -> dict[str, dict[str, Array]]:
    """The mean of what is known of each patient, by group, patients sorted."""
    rows: dict[tuple[str, str], list[int]] = {}
    for i, (group, patient) in enumerate(zip(sample.groups, sample.patients, strict=True)):
        rows.setdefault((group, patient), []).append(i)
    found: dict[str, dict[str, Array]] = {}
    for (group, patient), of in sorted(rows.items()):
        own = values[of]
        known = np.isfinite(own)
        n = known.sum(axis=0)
        total = np.where(known, own, 0.0).sum(axis=0)
        mean = np.where(n > 0, total / np.maximum(n, 1), math.nan)
        found.setdefault(group, {})[patient] = mean
    return found


def _differences(
    head: tuple[str, str, tuple[str, str]], first: Vectors, second: Vectors,
    rng: np.random.Generator,
) -> Iterator[DifferenceRow]:  # fmt: skip
    for k, quantity in enumerate(QUANTITIES):
        known = [
            {p: float(v[k]) for p, v in side.items() if math.isfinite(v[k])}
            for side in (first, second)
        ]
        found = difference(known[0], known[1], rng=rng)
        if found is not None:
            view, instant, pair = head
            yield DifferenceRow(view, instant, quantity, pair, found)


def _distance(
    head: tuple[str, str, tuple[str, str]],
    vectors: tuple[Vectors, Vectors],
    codes: tuple[Vectors, Vectors],
    rng: np.random.Generator,
) -> DistanceRow:
    n = len(ATTRIBUTES)
    columns = [
        k
        for k in range(n)
        if all(
            side and np.mean([math.isfinite(v[k]) for v in side.values()]) >= KNOWN_SHARE
            for side in vectors
        )
    ]
    chosen = [_complete({p: v[columns] for p, v in side.items()}) for side in vectors]
    found = distance(chosen[0], chosen[1], rng=rng) if columns else None
    latent = frechet(codes[0], codes[1], rng=rng) or (math.nan, math.nan)
    names = tuple(ATTRIBUTES[k] for k in columns)
    return DistanceRow(*head, names, found, *latent)


def _complete(vectors: Vectors) -> dict[str, Array]:
    """Of the patients of whom everything is known."""
    return {p: v for p, v in vectors.items() if v.size and np.isfinite(v).all()}


def _corrected(rows: list[DifferenceRow]) -> tuple[DifferenceRow, ...]:
    ks, rank = holm([r.found.ks_p for r in rows]), holm([r.found.rank_p for r in rows])
    return tuple(
        replace(row, ks_p_holm=float(a), rank_p_holm=float(b))
        for row, a, b in zip(rows, ks, rank, strict=True)
    )


def _corrected_distances(rows: list[DistanceRow]) -> tuple[DistanceRow, ...]:
    given = [math.nan if row.found is None else row.found.energy_p for row in rows]
    return tuple(
        replace(row, energy_p_holm=float(p)) for row, p in zip(rows, holm(given), strict=True)
    )
