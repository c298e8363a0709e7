"""A linear shape model: principal components of signed distances, fitted plainly or robustly.

Signed distances in mm to LV, LV + MYO and LA at the knots of the canonical grid, as the prior's
decoder gives them. The robust fit is the strongest linear method that is known: it starts from the
largest components, weighs contours that are far off ever less, and raises the weight of the model
against the mask until what it decodes passes the audit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from cardiovae.baselines.codes import painted
from cardiovae.baselines.outcome import Found
from cardiovae.correction.judge import Judge
from cardiovae.correction.scene import Scene
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import (
    Floats,
    canvas_distances,
    knots_of,
    measured_distances,
    to_canvas,
)
from cardiovae.prior.grid import CANVAS_MM, Placement
from cardiovae.prior.shapes import MARGIN_PX, ShapeTable

N_MODES = 48
CLIP_MM = 16.0  # farther from a contour a distance says little; of 8 to 40 the most faithful
CAUCHY_MM = 2.5 * CANVAS_MM  # error at which a distance has half its weight
PLAIN_WEIGHT = 1.0  # of the model in mm2 per squared standard deviation: hardly any
RAISE = 2.0  # factor from one weight of the model to the next
STEPS = 24
REWEIGHTINGS = 6


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

    Lanczos iterations find the first modes alone, from a start that is always the same.
    """
    flat = np.clip(distances, -CLIP_MM, CLIP_MM).reshape(len(distances), -1).astype(np.float64)
    mean = flat.mean(0)
    flat -= mean
    _, spread, rows = svds(flat, n_modes, v0=np.ones(min(flat.shape)))
    order = np.argsort(-spread)
    spread, rows = spread[order], rows[order]
    shape = distances.shape[1:]
    return ShapeModes(
        mean.reshape(shape).astype(np.float32),
        rows.reshape(n_modes, *shape).astype(np.float32),
        (spread / np.sqrt(len(flat) - 1)).astype(np.float32),
    )


def project(
    modes: ShapeModes,
    labels: NDArray[np.uint8],
    placement: Placement,
    structures: tuple[Label, ...],
) -> NDArray[np.float64]:
    """Coefficients (T, K) of label maps (H, W, T), by what is annotated and inside the image."""
    target = _clipped(measured_distances(to_canvas(labels, placement)[0]))
    weights = _seen(placement, structures)
    return np.stack([modes.fit(frame, weights) for frame in target])


def pca(scene: Scene, modes: ShapeModes) -> Found:
    """Every frame, as it is, projected on the model and decoded."""
    sequence = scene.sequence
    fitted = project(modes, sequence.labels, scene.placement, sequence.structures)
    return Found(painted(scene, canvas_distances(modes.decode(fitted))))


def robust_pca(scene: Scene, modes: ShapeModes, judge: Judge) -> Found:
    """Invalid frames fitted robustly, with more and more of the model until they pass.

    A frame that does not pass even so gets the last fit.
    """
    target = _clipped(scene.measured)
    visible = _seen(scene.placement, scene.sequence.structures)
    labels = scene.sequence.labels.copy()
    for t in np.flatnonzero(scene.broken):
        coefficients = modes.fit(target[t], visible)
        for step in range(STEPS):
            model_weight = PLAIN_WEIGHT * RAISE**step
            for _ in range(REWEIGHTINGS):
                error = target[t] - modes.decode(coefficients[None])[0]
                weights = visible / (1 + (error / CAUCHY_MM) ** 2)
                coefficients = modes.fit(target[t], weights, model_weight)
            frame = painted(scene, canvas_distances(modes.decode(coefficients[None])))[:, :, 0]
            if judge.frame_passes(frame):
                break
        labels[:, :, t] = frame
    return Found(labels)


def _clipped(measured: Floats) -> Floats:
    """Knot distances (T, 3, 64, 48) of canvas distances (T, 3, 128, 96)."""
    return knots_of(measured).clip(-CLIP_MM, CLIP_MM)


def _seen(placement: Placement, structures: tuple[Label, ...]) -> Floats:
    """Weight of each distance, shape (3, 64, 48): 1 inside the image where annotated, else 0."""
    annotated = np.array([s in structures for s in STRUCTURES], np.float32)
    return annotated[:, None, None] * knots_of(placement.inside())
