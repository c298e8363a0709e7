"""Motion: smooth the codes over time as little as the temporal criteria ask for.

The codes are smoothed exactly and robustly, keeping the amplitude between ED and ES; what the
codes do not explain of the contours is smoothed alike, so that detail survives without flicker;
what a single frame alone shows at a place is left out of it.
Frames that need not move stay bit for bit: first only the frames that violate a limit move, then
their neighbors, then all.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.correction.blend import render
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.judge import Judge
from cardiovae.correction.scene import Scene
from cardiovae.labels import Label
from cardiovae.latent.smoothing import robust_weights, smooth
from cardiovae.prior.codec import Floats, canvas_distances, decode
from cardiovae.prior.folder import ShapePrior

Smoother = Callable[..., NDArray[np.float64]]

FIXED = 100.0  # weight of a frame that must not move, against 1 for the others
LEAST_BEAT = 0.7  # share of the LV area's range that must be left: better no result than no beat
WINDOW = 5  # frames whose median is usual at a place
STEADY_MM = 1.0  # what one frame may differ from it
MANY = 0.6  # share of moving frames from which all move: islands of stillness would jump


@dataclass(frozen=True, eq=False)
class Motion:
    """A smoothed sequence.

    Args:
        labels: Label maps, shape (H, W, T).
        codes: The codes used, shape (T, D).
        moved: Frames that were changed, shape (T,).
        detail: Share of the contours' detail that was kept.
        strength: Strength of smoothing.
    """

    labels: NDArray[np.uint8]
    codes: NDArray[np.float64]
    moved: NDArray[np.bool_]
    detail: float
    strength: float


def smooth_motion(
    scene: Scene, prior: ShapePrior, judge: Judge, config: CorrectConfig
) -> Motion | None:
    """The least smoothing after which every frame and the motion pass; None if none is found.

    Args:
        scene: The sequence with its broken frames repaired; `broken` are those that were.
        prior: The shape prior.
        judge: What has to pass.
        config: Settings.
    """
    beat = _amplitude(scene.sequence.labels, scene.trust)
    steady = without_outliers(scene.measured)
    residual = steady - canvas_distances(decode(prior.network, scene.codes))
    trust = robust_weights(scene.codes, scene.broken)
    if scene.distrust is not None:
        trust = trust * scene.distrust.weights()
    trust = np.maximum(trust, 1e-3)
    for movable in _growing(judge.jumps(scene.sequence.labels), scene.broken):
        everything = bool(movable.all())
        weights = np.where(movable, trust, FIXED)
        # Keeping the amplitude ends at a cubic curve, however strong; the plain energy ends at a
        # straight line, which meets every limit but may leave no beat.
        for keep_amplitude, detail in itertools.product((True, False), config.detail):
            if not everything and (detail < 1 or not keep_amplitude):
                break  # a few frames that do not fit between the others: let the others move too
            smoother = functools.partial(
                smooth, np.eye(len(weights)), weights, preserve_amplitude=keep_amplitude
            )
            found = _least_strength(
                scene, prior, judge, config, residual * np.float32(detail), smoother, movable
            )
            if found is None:
                continue
            labels, codes, strength = found
            if keep_amplitude or _amplitude(labels, scene.trust) >= LEAST_BEAT * beat:
                return Motion(labels, codes, movable, detail, strength)
    return None


def without_outliers(distances: Floats) -> Floats:
    """Distances (T, 3, 128, 96) in mm drawn to within `STEADY_MM` of their median over time.

    What one frame alone shows at a place, though it is valid, is its error there.
    """
    window = min(WINDOW, len(distances) - 1 + len(distances) % 2)
    usual = ndimage.median_filter(distances, size=(window, 1, 1, 1), mode="nearest")
    return np.asarray(usual + np.clip(distances - usual, -STEADY_MM, STEADY_MM), np.float32)


def _amplitude(labels: NDArray[np.uint8], trust: NDArray[np.float64]) -> float:
    """Range of the LV area over (H, W, T), in pixels, outliers smoothed away."""
    area = np.count_nonzero(labels == Label.LV, axis=(0, 1)).astype(float)
    return float(np.ptp(smooth(area, np.maximum(trust, 1e-3), 4.0)))


def _growing(jumping: NDArray[np.bool_], broken: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Sets of frames that may move, from the fewest to all."""
    wider = ndimage.binary_dilation(jumping, iterations=2) | broken
    return [m for m in (jumping, wider) if m.mean() <= MANY] + [np.ones_like(jumping)]


def _least_strength(
    scene: Scene,
    prior: ShapePrior,
    judge: Judge,
    config: CorrectConfig,
    residual: Floats,
    smoother: Smoother,
    movable: NDArray[np.bool_],
) -> tuple[NDArray[np.uint8], NDArray[np.float64], float] | None:
    """Labels, codes and strength of the weakest smoothing that passes; None if none does.

    The weakest that meets the temporal limits is found by bisection; from there on upwards the
    first that leaves every frame valid is taken.
    """

    def smoothed(index: int) -> tuple[NDArray[np.uint8], NDArray[np.float64], float]:
        strength = config.strengths[index]
        return (*_smoothed(scene, prior, residual, smoother(strength=strength), movable), strength)

    low, high = 0, len(config.strengths)
    while low < high:
        middle = (low + high) // 2
        if judge.jumps(smoothed(middle)[0]).any():
            low = middle + 1
        else:
            high = middle
    for index in range(low, len(config.strengths)):
        labels, codes, strength = smoothed(index)
        valid = all(judge.frame_passes(labels[:, :, t]) for t in np.flatnonzero(movable))
        if valid and not judge.jumps(labels).any():
            return labels, codes, strength
    return None


def _smoothed(
    scene: Scene,
    prior: ShapePrior,
    residual: Floats,
    operator: NDArray[np.float64],
    movable: NDArray[np.bool_],
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Labels (H, W, T) and codes (T, D) under one linear smoothing operator (T, T)."""
    codes = operator @ scene.codes
    distances = canvas_distances(decode(prior.network, codes))
    distances += np.tensordot(operator.astype(np.float32), residual, 1)
    labels = scene.sequence.labels.copy()
    moved = np.flatnonzero(movable)
    labels[:, :, moved] = render(
        distances[moved],
        scene.measured[moved],
        labels[:, :, moved],
        scene.placement,
        scene.sequence.structures,
        0.0,
    )
    return labels, codes
