"""Signals of single frames that need neither samples nor images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.correction.record import Correction
from cardiovae.labels import Label
from cardiovae.latent.mahalanobis import mahalanobis
from cardiovae.prior.fidelity import dice
from cardiovae.prior.folder import ShapePrior

Values = NDArray[np.float64]


def shape_signals(correction: Correction, prior: ShapePrior) -> dict[str, Values]:
    """What the shapes of the input, and the way to the result, tell: names of `SIGNALS`."""
    before, after = correction.original.labels, correction.sequence.labels
    found = {
        "density_percentile": np.array([f.density_before for f in correction.frames]),
        "typicality_percentile": np.array([f.typicality for f in correction.frames]),
        "disagreement": disagreement(before, after, correction.original.structures),
    }
    if correction.scene is not None:
        found["mahalanobis"] = mahalanobis(correction.scene.encoded, prior.codes)
        found["misfit_mm"] = correction.scene.misfit_mm
    return found


def disagreement(
    before: NDArray[np.uint8], after: NDArray[np.uint8], structures: tuple[Label, ...]
) -> Values:
    """1 minus the mean Dice of two label maps (H, W, T) over the structures, shape (T,).

    A structure that neither has is left out; NaN where that leaves none.
    """
    overlaps = np.array(
        [
            [dice(before[:, :, t] == s, after[:, :, t] == s) for s in structures]
            for t in range(before.shape[2])
        ]
    )
    known = np.isfinite(overlaps)
    total = np.where(known, overlaps, 0.0).sum(1)
    count = known.sum(1)
    return np.where(count > 0, 1 - total / np.maximum(count, 1), math.nan)


def per_pixel_of_heart(maps: NDArray[np.float32], labels: NDArray[np.uint8]) -> Values:
    """Sum of a map (H, W, T) over the number of labelled pixels, shape (T,); NaN without any."""
    size = np.count_nonzero(labels, axis=(0, 1))
    total = maps.sum((0, 1), dtype=np.float64)
    return np.where(size > 0, total / np.maximum(size, 1), math.nan)
