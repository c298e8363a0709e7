"""A linear shape model: principal components of signed distances.

Signed distances in mm to LV, LV + MYO and LA at the knots of the canonical grid, as the decoders
of the other models give them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from cardiovae.prior.codec import Floats, knots_of
from cardiovae.prior.shapes import MARGIN_PX, ShapeTable

N_MODES = 48
CLIP_MM = 16.0  # farther from a contour a distance says little; of 8 to 40 the most faithful
PLAIN_WEIGHT = 1.0  # of the model in mm2 per squared standard deviation: hardly any


@dataclass(frozen=True, eq=False)
class ShapeModes:
    """A linear model of knot distances: `mean + sum_k b_k modes_k`.

    Args:
        mean: Shape (3, 64, 48), mm.
        modes: Principal components, shape (K, 3, 64, 48), of length 1 each.
        deviations: Standard deviation of each coefficient over the training shapes, (K,), mm.
    """

    mean: Floats
    modes: Floats
    deviations: Floats

    def decode(self, coefficients: NDArray[np.float64]) -> Floats:
        """Knot distances (T, 3, 64, 48) of coefficients (T, K)."""
        moved = np.tensordot(coefficients.astype(np.float32), self.modes, 1)
        return np.asarray(self.mean + moved, np.float32)

    def fit(
        self, target: Floats, weights: Floats, model_weight: float = PLAIN_WEIGHT
    ) -> NDArray[np.float64]:
        """Coefficients (K,) of one frame by weighted least squares under a Gaussian prior.

        Args:
            target: Signed distances, shape (3, 64, 48), mm.
            weights: Weight of each, same shape.
            model_weight: Weight of the squared coefficients, in units of their deviations.
        """
        modes = self.modes.reshape(len(self.modes), -1)
        error = (target - self.mean).ravel()
        weighted = modes * weights.ravel()
        normal = (weighted @ modes.T).astype(np.float64)
        normal[np.diag_indices_from(normal)] += model_weight / self.deviations.astype(float) ** 2
        return np.asarray(np.linalg.solve(normal, (weighted @ error).astype(np.float64)))


def knot_distances(shapes: ShapeTable) -> Floats:
    """Knot distances (N, 3, 64, 48) of training shapes, mm."""
    inner = slice(MARGIN_PX, -MARGIN_PX)
    return knots_of(shapes.distances[:, :3, inner, inner].astype(np.float32))


def principal_modes(distances: Floats, n_modes: int = N_MODES) -> ShapeModes:
    """The model of training shapes, knot distances (N, 3, 64, 48) in mm; N > n_modes.

    Lanczos iterations find the first modes alone, from a start that is always the same, and not a
    constant: centered shapes map that to zero.
    """
    flat = np.clip(distances, -CLIP_MM, CLIP_MM).reshape(len(distances), -1).astype(np.float64)
    mean = flat.mean(0)
    flat -= mean
    _, spread, rows = svds(flat, n_modes, v0=np.linspace(1, 2, min(flat.shape)))
    order = np.argsort(-spread)
    spread, rows = spread[order], rows[order]
    shape = distances.shape[1:]
    return ShapeModes(
        mean.reshape(shape).astype(np.float32),
        rows.reshape(n_modes, *shape).astype(np.float32),
        (spread / np.sqrt(len(flat) - 1)).astype(np.float32),
    )
