"""What a second opinion says of label maps, given their images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiovae.crisp.images import canvas_images
from cardiovae.crisp.infer import NO_HEART, has_heart, to_pixels
from cardiovae.errors import CardiovaeError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.opinion.folder import Opinion
from cardiovae.opinion.rate import rate
from cardiovae.prior.codec import to_canvas, visible_input
from cardiovae.prior.grid import Placement, place
from cardiovae.sequence import EchoSequence

Floats = NDArray[np.float32]
CHUNK = 32  # frames at a time


@dataclass(frozen=True, eq=False)
class OpinionDoubt:
    """Doubt of a sequence.

    Args:
        pixel: Probability that the true label is another one, shape (H, W, T); NaN in frames
            without a heart.
        score: Sum of `pixel` over the number of foreground pixels, shape (T,); NaN likewise.
        expected_dice: Dice of the labels with the truth as expected, mean over the annotated
            structures, shape (T,); NaN likewise.
        expected_dice_by_structure: The same of LV, MYO and LA, shape (T, 3); NaN also where a
            structure is not annotated, or neither labeled nor expected.
        second: The most probable labels, shape (H, W, T), uint8; 0 in frames without a heart.
        reasons: Why a frame has no numbers; None where it has.
    """

    pixel: Floats
    score: NDArray[np.float64]
    expected_dice: NDArray[np.float64]
    expected_dice_by_structure: NDArray[np.float64]
    second: NDArray[np.uint8]
    reasons: tuple[str | None, ...]


def opinion_doubt(
    opinion: Opinion, images: NDArray[np.floating], sequence: EchoSequence
) -> OpinionDoubt:
    """Doubt of each pixel and frame of a label map sequence, given its images.

    Args:
        opinion: The network.
        images: Gray levels 0 to 1 as `crisp.files.load_image` gives them, shape (H, W, T).
        sequence: The labels.

    Raises:
        CardiovaeError: Images of another shape than the labels, or not finite.
    """
    labels = sequence.labels
    if images.shape != labels.shape:
        raise CardiovaeError(
            f"{sequence.source}: images and labels have one shape (H, W, T); got {images.shape} "
            f"and {labels.shape}"
        )
    if not np.isfinite(images).all():
        raise CardiovaeError(
            f"{sequence.source}: images are finite gray levels from 0 to 1; NaN or infinity found"
        )
    n = sequence.n_frames
    pixel, second = np.full(labels.shape, np.nan, np.float32), np.zeros(labels.shape, np.uint8)
    score, dice = np.full(n, np.nan), np.full((n, len(STRUCTURES)), np.nan)
    found = [t for t in range(n) if has_heart(sequence.frame(t))]
    placement = place(labels, sequence.spacing_mm)
    unknown = [i for i, s in enumerate(STRUCTURES) if s not in sequence.structures]
    for first in range(0, len(found) if placement is not None else 0, CHUNK):
        chosen = found[first : first + CHUNK]
        assert placement is not None  # else there is nothing in the range
        likely = _likely(opinion, images[:, :, chosen], labels[:, :, chosen], placement, sequence)
        for p, t in zip(likely, chosen, strict=True):
            shown = np.stack([labels[:, :, t] == value for value in range(len(p))])
            doubt, expected = rate(shown[None], p[None])
            pixel[:, :, t], dice[t] = doubt[0], expected[0]
            score[t] = doubt.sum() / np.count_nonzero(labels[:, :, t] != Label.BACKGROUND)
            second[:, :, t] = p.argmax(0)
    dice[:, unknown] = np.nan
    reasons = tuple(None if t in found else NO_HEART for t in range(n))
    return OpinionDoubt(pixel, score, _mean(dice), dice, second, reasons)


def _mean(dice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of what is known of each row; NaN where nothing is."""
    known = np.isfinite(dice)
    total = np.where(known, dice, 0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def _likely(
    opinion: Opinion,
    images: NDArray[np.floating],
    labels: NDArray[np.uint8],
    placement: Placement,
    sequence: EchoSequence,
) -> Floats:
    """Probabilities of the true classes at the native pixels, (T, 4, H, W)."""
    canvas, inside = to_canvas(labels, placement)
    maps = visible_input(canvas, inside, sequence.structures)
    gray = torch.from_numpy(canvas_images(images.astype(np.float32), placement))[:, None]
    with torch.no_grad():
        scores = opinion.network(torch.cat([gray, maps], 1))
    at_pixels = to_pixels(np.asarray(scores.softmax(1).numpy(), np.float32), placement)
    # Interpolation may overshoot by a little; what is left sums to one again.
    return np.asarray(at_pixels / at_pixels.sum(1, keepdims=True), np.float32)
