"""The way from a bad code to a good one: nearest codes of a bank, and the least step to validity.

After Painchaud et al., IEEE TMI 39(11), 2020: move towards the nearest valid code, and find by
dichotomic search how little of that way is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.latent.distances import blocks, squared_distances

Array = NDArray[np.float64]
IsValid = Callable[[Array], NDArray[np.bool_]]

SPARE = 4  # more candidates than asked for, so that rounding in the first pass drops none


@dataclass(frozen=True, eq=False)
class SegmentResult:
    """A valid code (D,) on a segment: (1 - alpha) start + alpha end.

    `n_evaluated` counts the codes of this segment whose validity was asked for.
    """

    code: Array
    alpha: float
    n_evaluated: int


def nearest(
    codes_bank: ArrayLike, z: ArrayLike, *, k: int = 1, weights: ArrayLike | None = None
) -> tuple[NDArray[np.intp], Array]:
    """The `k` nearest codes of a bank, exactly, by blocked matrix products.

    At 48 dimensions a k-d tree visits nearly every code: for 25 codes among 20,000 it took two to
    four times as long, its construction not counted.

    Args:
        codes_bank: Shape (N, D).
        z: Codes to look for, shape (M, D).
        k: Neighbors of each, 1 to N.
        weights: None for Euclidean distance; shape (D,) >= 0 for sqrt(sum_d w_d (z_d - b_d)^2);
            shape (D, D), symmetric positive definite such as an inverse covariance, for the
            Mahalanobis distance.

    Returns:
        Rows of the bank and distances, both (M, k), nearest first.

    Raises:
        CardiovaeError: Shapes that do not fit, values that are not finite, a `k` out of range,
            or weights that give no distance.

    Examples:
        >>> nearest([[0.0, 0.0], [3.0, 4.0]], [[3.0, 5.0]], k=2)
        (array([[1, 0]]), array([[1.        , 5.83095189]]))
    """
    bank, points = np.asarray(codes_bank, np.float64), np.asarray(z, np.float64)
    if bank.ndim != 2 or points.ndim != 2 or bank.shape[1] != points.shape[1]:
        raise CardiovaeError(
            f"codes_bank and z have shapes (N, D) and (M, D); got {bank.shape} and {points.shape}"
        )
    if not 1 <= k <= len(bank):
        raise CardiovaeError(f"k lies between 1 and the {len(bank)} codes of the bank, got {k}")
    if not (np.isfinite(bank).all() and np.isfinite(points).all()):
        raise CardiovaeError("codes_bank and z are finite; drop codes that are not")
    if weights is not None:
        root = _root(np.asarray(weights, np.float64), bank.shape[1])
        bank, points = bank @ root, points @ root
    indices = np.empty((len(points), k), np.intp)
    distances = np.empty((len(points), k))
    n_candidates = min(k + SPARE, len(bank))
    for rows in blocks(len(points), len(bank)):
        squared = squared_distances(points[rows], bank)
        candidates = np.argpartition(squared, n_candidates - 1, axis=1)[:, :n_candidates]
        exact = np.linalg.norm(points[rows, None, :] - bank[candidates], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        indices[rows] = np.take_along_axis(candidates, order, axis=1)
        distances[rows] = np.take_along_axis(exact, order, axis=1)
    return indices, distances


def bisect_segment(
    start: ArrayLike, end: ArrayLike, is_valid: IsValid, *, steps: int = 8
) -> SegmentResult:
    """The least move from `start` towards `end` that gives a valid code.

    `start` itself is tried first, then `steps` halvings of the interval between an invalid and a
    valid code. Where validity starts once and for all along the segment, alpha exceeds the
    smallest possible one by less than 2^-steps; in any case the code returned is `end` or was
    found valid.

    Args:
        start: Code to move, shape (D,).
        end: Code known to be valid, shape (D,); never asked about.
        is_valid: Tells for codes (m, D) which are valid, shape (m,).
        steps: Halvings.
    """
    pair = np.asarray(start, np.float64)[None], np.asarray(end, np.float64)[None]
    return bisect_segments(*pair, is_valid, steps=steps)[0]


def bisect_segments(
    start: ArrayLike, end: ArrayLike, is_valid: IsValid, *, steps: int = 8
) -> list[SegmentResult]:
    """`bisect_segment` on m segments at once, so that a decoder sees whole batches.

    Args:
        start: Codes to move, shape (m, D).
        end: Codes known to be valid, shape (m, D); never asked about.
        is_valid: Tells which of m codes (m, D) are valid, shape (m,). It always gets one code of
            every segment, in their order, so it may judge each by criteria of its own.
        steps: Halvings.
    """
    first, last = np.asarray(start, np.float64), np.asarray(end, np.float64)
    if first.ndim != 2 or first.shape != last.shape or steps < 0:
        raise CardiovaeError(
            f"start and end have one shape (m, D) and steps is >= 0; "
            f"got {first.shape}, {last.shape} and {steps}"
        )
    if len(first) == 0:
        return []
    code, alpha = last.copy(), np.ones(len(first))
    invalid = np.zeros(len(first))  # largest alpha found invalid, below every valid one
    trial_alpha, trial = np.zeros(len(first)), first.copy()
    n_evaluated = 0
    for _ in range(steps + 1):
        n_evaluated += 1
        valid = np.asarray(is_valid(trial.copy()))
        if valid.shape != alpha.shape or valid.dtype != np.bool_:
            raise CardiovaeError(
                f"is_valid gives one bool per code, shape {alpha.shape}; "
                f"got {valid.dtype} of shape {valid.shape}"
            )
        alpha = np.where(valid, trial_alpha, alpha)
        code = np.where(valid[:, None], trial, code)
        invalid = np.where(valid, invalid, trial_alpha)
        if not alpha.any():
            break
        trial_alpha = np.where(alpha > 0, (invalid + alpha) / 2, 0.0)
        trial = first + trial_alpha[:, None] * (last - first)
    return [SegmentResult(code[i], float(alpha[i]), n_evaluated) for i in range(len(alpha))]


def _root(weights: Array, d: int) -> Array:
    """Matrix R (D, D) with R R^T = the metric, so that distances are Euclidean after `@ R`."""
    if weights.shape == (d,) and np.all(np.isfinite(weights) & (weights >= 0)):
        return np.diag(np.sqrt(weights))
    symmetric = weights.shape == (d, d) and np.allclose(weights, weights.T)
    if not symmetric or not np.linalg.eigvalsh(weights)[0] > 0:
        raise CardiovaeError(
            f"weights are {d} finite numbers >= 0 or a symmetric positive definite ({d}, {d}) "
            f"matrix; got shape {weights.shape}"
        )
    return np.asarray(np.linalg.cholesky(weights), np.float64)
