"""How faithfully a prior gives masks back, and how well its dimensions follow their attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cardiovae.attributes import UNITS, measure_attributes
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.grid import CANVAS_MM

REGULARIZED = tuple(UNITS)[:7]  # latent dimension i follows REGULARIZED[i]


@dataclass(frozen=True)
class Fidelity:
    """Mean Dice per structure, and |Spearman| of each regularized dimension with its attribute."""

    dice: dict[str, float]
    spearman: dict[str, float]

    def as_dict(self) -> dict[str, float]:
        """All figures under one flat set of names."""
        return {f"dice_{k}": v for k, v in self.dice.items()} | {
            f"spearman_{k}": v for k, v in self.spearman.items()
        }


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice overlap of two masks of one frame, shape (H, W); NaN when both are empty."""
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / total if total else math.nan


def fidelity(
    truth: NDArray[np.integer],
    decoded: NDArray[np.integer],
    codes: NDArray[np.floating],
    *,
    spacing_mm: tuple[float, float] = (CANVAS_MM, CANVAS_MM),
    structures: tuple[Label, ...] = STRUCTURES,
) -> Fidelity:
    """Compare maps of classes (N, H, W) with their encode-decode, and codes with attributes.

    The codes have shape (N, D). Class 1 is the first of `structures`, and so on. NaN attributes
    are left out of the rank correlation.
    """
    overlap = {
        s.name.lower(): mean_known(
            np.array([dice(t == c, d == c) for t, d in zip(truth, decoded, strict=True)])
        )
        for c, s in enumerate(structures, start=1)
    }
    measured = [measure_attributes(t.astype(np.uint8), spacing_mm) for t in truth]
    values = np.array([[m[name] for name in REGULARIZED] for m in measured])
    return Fidelity(overlap, rank_correlations(codes, values))


def rank_correlations(
    codes: NDArray[np.floating], attributes: NDArray[np.floating]
) -> dict[str, float]:
    """Spearman correlation of dimension i of codes (N, D) with attribute i of (N, 7), by name.

    NaN attributes are left out; NaN where fewer than three are known or either never changes.
    """
    found = {}
    for i, name in enumerate(REGULARIZED):
        known = np.isfinite(attributes[:, i])
        a, b = codes[known, i], attributes[known, i]
        measurable = a.size >= 3 and np.ptp(a) > 0 and np.ptp(b) > 0
        found[name] = float(stats.spearmanr(a, b).statistic) if measurable else math.nan
    return found


def mean_known(values: NDArray[np.floating]) -> float:
    """Mean of the values that are not NaN; NaN when none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
