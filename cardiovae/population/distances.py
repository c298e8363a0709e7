"""How far two groups of patients are apart in all attributes, or in latent codes, together.

Energy distance: Szekely and Rizzo, "Energy statistics", J Stat Plan Inference 143(8), 2013.
MMD: Gretton et al., "A kernel two-sample test", JMLR 13, 2012, Gaussian kernel as wide as the
median distance. Frechet distance of two normal laws: Dowson and Landau, J Multivar Anal 12(3),
1982. p-values by dealing patients to groups anew (`groups.assignments`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from cardiovae.population.groups import MIN_PATIENTS, N_PERMUTATIONS, assignments, p_value

Array = NDArray[np.float64]
Vectors = Mapping[str, Array]
MOST = 2000
"""Patients of both groups together that are compared pairwise; more would not fit in memory."""


@dataclass(frozen=True)
class Distance:
    """Two groups in many dimensions; every value 0 where they are alike.

    Args:
        n: Patients of each group that were compared.
        n_both: Patients in both.
        energy: Energy distance (its square root is a metric), in pooled standard deviations.
        energy_p: Its p-value.
        mmd: Squared maximum mean discrepancy.
        mmd_p: Its p-value.
    """

    n: tuple[int, int]
    n_both: int
    energy: float
    energy_p: float
    mmd: float
    mmd_p: float


def distance(first: Vectors, second: Vectors, *, rng: np.random.Generator) -> Distance | None:
    """Energy distance and MMD of attributes in pooled standard deviations.

    Args:
        first: A vector of finite numbers per patient, shape (K,).
        second: The same of the other group.
        rng: Source of randomness.

    Returns:
        None where a group has fewer than three patients, or nothing varies.
    """
    first, second = _fewer(first, second, rng)
    if min(len(first), len(second)) < MIN_PATIENTS:
        return None
    points = np.stack([*first.values(), *second.values()])
    sd = points.std(axis=0)
    varies = sd > 1e-12 * np.maximum(np.abs(points).max(axis=0), 1e-12)
    if not varies.any():
        return None
    apart = squareform(pdist(points[:, varies] / sd[varies]))
    dealt = assignments(list(first), list(second), rng=rng, n=N_PERMUTATIONS)
    width = float(np.median(apart[np.triu_indices_from(apart, 1)]))
    kernel = np.exp(-(apart**2) / (2 * max(width, 1e-12) ** 2))
    energy, mmd = _contrast(-apart, dealt), _contrast(kernel, dealt)
    return Distance(
        (len(first), len(second)),
        len(first.keys() & second.keys()),
        float(energy[0]),
        p_value(energy),
        float(mmd[0]),
        p_value(mmd),
    )


def frechet(
    first: Vectors, second: Vectors, *, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Frechet distance of normal laws fitted to two groups, and its p-value.

    It grows with the number of dimensions over patients even where the groups are alike, so a
    value is read beside its p-value.

    Args:
        first: A code per patient, shape (D,).
        second: The same of the other group.
        rng: Source of randomness.

    Returns:
        None where a group has fewer than three patients.
    """
    if min(len(first), len(second)) < MIN_PATIENTS:
        return None
    points = np.stack([*first.values(), *second.values()])
    points = points - points.mean(axis=0)
    dealt = assignments(list(first), list(second), rng=rng, n=N_PERMUTATIONS).astype(np.float64)
    outer = np.einsum("ni,nj->nij", points, points).reshape(len(points), -1)
    means, covariances = [], []
    for side in (dealt, 1 - dealt):
        n = side.sum(axis=1, keepdims=True)
        mean = side @ points / n
        second_moment = (side @ outer / n).reshape(-1, points.shape[1], points.shape[1])
        unbiased = (n / (n - 1))[:, :, None]
        covariances.append((second_moment - np.einsum("ri,rj->rij", mean, mean)) * unbiased)
        means.append(mean)
    # The trace of the root of a product of covariances: its eigenvalues are real and not negative.
    roots = np.sqrt(np.clip(np.linalg.eigvals(covariances[0] @ covariances[1]).real, 0, None))
    traces = [np.trace(c, axis1=1, axis2=2) for c in covariances]
    squared = ((means[0] - means[1]) ** 2).sum(axis=1) + traces[0] + traces[1]
    squared = np.clip(squared - 2 * roots.sum(axis=1), 0, None)
    return math.sqrt(float(squared[0])), p_value(squared)


def _contrast(likeness: Array, dealt: NDArray[np.bool_]) -> Array:
    """Mean likeness within the groups minus twice that between them, for every dealing."""
    a = dealt / dealt.sum(axis=1, keepdims=True)
    b = ~dealt / (~dealt).sum(axis=1, keepdims=True)
    d = a - b
    return np.asarray(((d @ likeness) * d).sum(axis=1))


def _fewer(first: Vectors, second: Vectors, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """The same, or as many patients as can be compared, drawn among those of either group."""
    patients = sorted(first.keys() | second.keys())
    if len(patients) <= MOST:
        return first, second
    kept = {patients[i] for i in rng.choice(len(patients), MOST, replace=False).tolist()}
    return (
        {p: v for p, v in first.items() if p in kept},
        {p: v for p, v in second.items() if p in kept},
    )
