"""Correction by principal components of signed distances, fitted plainly or robustly.

The robust fit is the strongest linear method that is known: it starts from the largest components,
weighs contours that are far off ever less, and raises the weight of the model against the mask
until what it decodes passes the audit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.baselines.codes import painted
from cardiovae.baselines.outcome import Found
from cardiovae.correction.judge import Judge
from cardiovae.correction.scene import Scene
from cardiovae.labels import Label
from cardiovae.prior.codec import (
    Floats,
    canvas_distances,
    knots_of,
    measured_distances,
    to_canvas,
)
from cardiovae.prior.grid import CANVAS_MM, Placement
from cardiovae.prior.modes import CLIP_MM, PLAIN_WEIGHT, ShapeModes

CAUCHY_MM = 2.5 * CANVAS_MM  # error at which a distance has half its weight
RAISE = 2.0  # factor from one weight of the model to the next
STEPS = 24
REWEIGHTINGS = 6


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
    annotated = np.array([n <= len(structures) for n in (1, 2, 3)], np.float32)
    return annotated[:, None, None] * knots_of(placement.inside())
