"""Whether the prior knows shapes like the input's: its answer means little where it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.bank import LatentBank
from cardiovae.correction.scene import Scene

UNKNOWN_BELOW = 0.5
"""Percentile: fewer than one in two hundred training shapes are less usual."""

MOST_CHANGED = 0.5
"""Of the labelled pixels; beyond it little of the input's heart is left to call it corrected."""


@dataclass(frozen=True, eq=False)
class Usual:
    """How usual the shapes of a sequence are.

    Args:
        density: Percentile of each frame's code among the training codes, shape (T,).
        percentile: Percentile of code and misfit together, shape (T,).
        unknown: Frames out of distribution, shape (T,): less usual than nearly all training
            shapes, or a heart of a size that had to be normalized.
    """

    density: NDArray[np.float64]
    percentile: NDArray[np.float64]
    unknown: NDArray[np.bool_]


def usual(scene: Scene, bank: LatentBank) -> Usual:
    """Compare each frame, as it came, with the training shapes of the same structures."""
    typical = bank.typical(scene.sequence.structures)
    percentile = typical.percentile(scene.encoded, scene.misfit_mm)
    unknown = ~(percentile >= UNKNOWN_BELOW)  # a frame that cannot be measured is unknown too
    if math.isfinite(scene.placement.scale) and scene.placement.scale != 1.0:
        unknown[:] = True
    if scene.sequence.is_stack:  # slices above the base and below the apex show no heart
        unknown &= scene.sequence.labels.any((0, 1))
    return Usual(typical.density_percentile(scene.encoded), percentile, unknown)


def replaced(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Frames of (H, W, T) that share little with what they were, shape (T,).

    The share is of changed pixels over those that had a label before; above `MOST_CHANGED` a
    frame is a new heart, and whoever uses it has to know.

    Examples:
        >>> before, after = np.array([[[1, 1], [1, 1]]]), np.array([[[1, 2], [1, 2]]])
        >>> replaced(before, after).tolist()
        [False, True]
    """
    changed = np.count_nonzero(before != after, axis=(0, 1))
    return np.asarray(changed > MOST_CHANGED * np.count_nonzero(before, axis=(0, 1)))
