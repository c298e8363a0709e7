"""Where a contour is doubtful, from the prior alone: samples of each frame's posterior."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from cardiovae.correction.blend import canvas_to_native
from cardiovae.correction.scene import Scene
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import Floats, canvas_distances, decode
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.objective import class_shares


def posterior_entropy(
    scene: Scene,
    codes: NDArray[np.float64],
    prior: ShapePrior,
    n_samples: int,
    rng: np.random.Generator,
) -> Floats:
    """Entropy of the label at each native pixel over posterior samples, 0 to 1, shape (H, W, T).

    Codes are drawn from the encoder's posterior width around the codes in use, decoded to soft
    class shares and averaged; the entropy of the mean is divided by log 4, its largest value, and
    rounded to three digits.

    Args:
        scene: The sequence as the prior sees it.
        codes: The codes in use, shape (T, D).
        prior: The shape prior.
        n_samples: Samples per frame.
        rng: Source of randomness.
    """
    total: Floats | None = None
    for _ in range(n_samples):
        drawn = codes + scene.spread * rng.standard_normal(codes.shape)
        distances = canvas_distances(decode(prior.network, drawn))
        shares = _annotated(class_shares(torch.from_numpy(distances)).numpy(), scene)
        total = shares if total is None else total + shares
    if total is None:
        return np.zeros(scene.sequence.labels.shape, np.float32)
    mean = np.clip(total / n_samples, 1e-7, 1)
    entropy = -(mean * np.log(mean)).sum(1, keepdims=True) / math.log(4)
    native = canvas_to_native(entropy.astype(np.float32), scene.placement)[:, 0]
    # Three digits say all that a few samples can; the zeros make the file small.
    return np.ascontiguousarray(np.moveaxis(native.clip(0, 1).round(3), 0, 2))


def _annotated(shares: Floats, scene: Scene) -> Floats:
    """Class shares (T, 4, ...) with structures that are not annotated counted as background."""
    for structure in STRUCTURES:
        if structure not in scene.sequence.structures:
            shares[:, Label.BACKGROUND] += shares[:, structure]
            shares[:, structure] = 0
    return shares
