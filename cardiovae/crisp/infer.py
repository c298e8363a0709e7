"""Doubt of label maps by the masks that fit their images.

For each frame: the image's place in the joint space, the masks of the library nearest to it, and
how they disagree with the frame's own labels. After Judge et al., MICCAI 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cardiovae.crisp.folder import Crisp
from cardiovae.crisp.images import canvas_images
from cardiovae.crisp.kernel import kernel_width, shares, weights
from cardiovae.crisp.search import SearchConfig
from cardiovae.errors import CardiovaeError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import separable, to_canvas, visible_input
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, Placement, interpolation, place
from cardiovae.sequence import EchoSequence

Floats = NDArray[np.float32]
NO_HEART = "no heart in this frame"
N_CLASSES = len(STRUCTURES) + 1


@dataclass(frozen=True, eq=False)
class CrispDoubt:
    """Doubt of a sequence.

    Args:
        pixel: 0 (every mask that fits the image says the same as the label) to 1 (none does),
            shape (H, W, T); NaN in frames without a heart.
        score: Sum of `pixel` over the number of foreground pixels, shape (T,); NaN likewise.
        expected_dice: Dice of the labels with the masks that fit the image, expected over these,
            mean over the annotated structures, shape (T,); NaN likewise.
        cosine: Of image and labels in the joint space, -1 to 1, shape (T,); NaN likewise.
        reasons: Why a frame has no numbers; None where it has.
    """

    pixel: Floats
    score: NDArray[np.float64]
    expected_dice: NDArray[np.float64]
    cosine: NDArray[np.float64]
    reasons: tuple[str | None, ...]


def crisp_doubt(
    crisp: Crisp, images: Floats, sequence: EchoSequence, search: SearchConfig | None = None
) -> CrispDoubt:
    """Doubt of each pixel and frame of a label map sequence, given its images.

    Args:
        crisp: The model.
        images: Gray levels 0 to 1 as `load_image` gives them, shape (H, W, T).
        sequence: The labels.
        search: How to search; None takes what the model was validated with.

    Raises:
        CardiovaeError: Images of another shape than the labels.
    """
    labels = sequence.labels
    if images.shape != labels.shape:
        raise CardiovaeError(
            f"{sequence.source}: images and labels have one shape (H, W, T); got {images.shape} "
            f"and {labels.shape}"
        )
    search = search or crisp.search
    placement = place(labels, sequence.spacing_mm)
    n = sequence.n_frames
    pixel, numbers = np.full(labels.shape, np.nan, np.float32), np.full((3, n), np.nan)
    found = [t for t in range(n) if has_heart(sequence.frame(t))]
    if placement is not None and found:
        chosen = labels[:, :, found]
        likely, total = masks_that_fit(crisp, images[:, :, found], placement, search)
        likely = _annotated(likely, sequence.structures)
        at_pixels = to_pixels(likely, placement)
        for i, t in enumerate(found):
            seen = chosen[:, :, i]
            pixel[:, :, t] = _disagreement(at_pixels[i], seen, total[i], search.measure)
            numbers[0, t] = float(pixel[:, :, t].sum()) / int((seen != Label.BACKGROUND).sum())
            numbers[1, t] = _expected_dice(at_pixels[i], seen, sequence.structures)
        numbers[2, found] = own_cosines(crisp, images[:, :, found], chosen, placement, sequence)
    reasons = tuple(None if t in found else NO_HEART for t in range(n))
    return CrispDoubt(pixel, numbers[0], numbers[1], numbers[2], reasons)


def masks_that_fit(
    crisp: Crisp, images: Floats, placement: Placement, search: SearchConfig
) -> tuple[Floats, NDArray[np.float64]]:
    """What the library's masks that fit images (H, W, T) say of each canvas pixel.

    Returns:
        Share of each class, shape (T, 4, 128, 96); and the mean weight of the neighbors, (T,).
    """
    width = kernel_width(search.kernel, crisp.library.codes, crisp.scale)
    shifts = [(0, 0)]
    for step in search.looks_px:
        shifts += [(step, 0), (-step, 0), (0, step), (0, -step)]
    likely, mean_weight = [], []
    for shift in shifts:
        codes = embed_images(crisp, images, _shifted(placement, shift))
        said, weight = _said(crisp, codes, search.neighbors, width)
        likely.append(_shifted_back(said, shift))
        mean_weight.append(weight)
    return np.mean(likely, 0, np.float32), np.mean(mean_weight, 0)


def embed_images(crisp: Crisp, images: Floats, placement: Placement) -> Floats:
    """Unit vectors (T, J) of images (H, W, T)."""
    inside = placement.inside()
    gray = canvas_images(images, placement)
    maps = np.stack([gray, np.broadcast_to(inside, gray.shape)], 1)
    with torch.no_grad():
        return np.asarray(crisp.network.embed_images(torch.from_numpy(maps)).numpy(), np.float32)


def own_cosines(
    crisp: Crisp,
    images: Floats,
    labels: NDArray[np.uint8],
    placement: Placement,
    sequence: EchoSequence,
) -> NDArray[np.float64]:
    """Cosine of each image with its own labels, both (H, W, T), in the joint space, (T,)."""
    canvas, inside = to_canvas(labels, placement)
    with torch.no_grad():
        mask = crisp.network.embed_masks(visible_input(canvas, inside, sequence.structures))
    return np.asarray((embed_images(crisp, images, placement) * mask.numpy()).sum(1), np.float64)


def _said(
    crisp: Crisp, codes: Floats, neighbors: int, width: float
) -> tuple[Floats, NDArray[np.float64]]:
    """Weighted shares of the classes among the nearest masks, and the mean weight of these."""
    cosines = codes @ crisp.library.codes.T
    k = min(neighbors, len(crisp.library))
    said = np.zeros((len(codes), N_CLASSES, *CANVAS_SHAPE), np.float32)
    total = np.empty(len(codes))
    for t, row in enumerate(cosines):
        nearest = np.argpartition(-row, k - 1)[:k]
        share = shares(row[nearest], width).astype(np.float32)
        masks = crisp.library.masks(nearest)
        for value in STRUCTURES:
            said[t, value] = np.tensordot(share, (masks == value).astype(np.float32), 1)
        said[t, 0] = 1 - said[t, 1:].sum(0)
        total[t] = weights(row[nearest], width).mean()
    return said, total


def _shifted(placement: Placement, shift: tuple[int, int]) -> Placement:
    """The placement under which the heart lies `shift` canvas pixels further on."""
    row, col = (
        center - by * CANVAS_MM / mm
        for center, by, mm in zip(placement.center_px, shift, placement.pixel_mm, strict=True)
    )
    return replace(placement, center_px=(row, col))


def _shifted_back(maps: Floats, shift: tuple[int, int]) -> Floats:
    """Maps (..., 128, 96) moved by minus `shift`; the border is repeated."""
    rows, cols = (
        np.clip(np.arange(n) + by, 0, n - 1) for n, by in zip(CANVAS_SHAPE, shift, strict=True)
    )
    return maps[..., rows[:, None], cols]


def to_pixels(likely: Floats, placement: Placement) -> Floats:
    """Class shares (T, 4, 128, 96) interpolated at the native pixels, (T, 4, H, W)."""
    rows, cols = (
        interpolation(n, placement.canvas_positions(axis)) for axis, n in enumerate(CANVAS_SHAPE)
    )
    found = np.clip(separable(rows, likely, cols), 0, 1)  # the interpolation overshoots
    return np.asarray(found / found.sum(1, keepdims=True), np.float32)


def _annotated(likely: Floats, structures: tuple[Label, ...]) -> Floats:
    """What is not annotated is background."""
    found = likely.copy()
    for structure in STRUCTURES:
        if structure not in structures:
            found[:, 0] += found[:, structure]
            found[:, structure] = 0
    return found


def _disagreement(
    likely: Floats, labels: NDArray[np.uint8], weight: float, measure: str
) -> Floats:
    """How much masks that fit disagree with labels (H, W), by class shares (4, H, W)."""
    own = np.take_along_axis(likely, labels[None].astype(np.intp), 0)[0]
    if measure == "probability":
        return np.asarray(1 - own, np.float32)
    # |y - y*| summed over the structures: another structure counts twice, once where it is and
    # once where it is missing.
    foreground = 1 - likely[0]
    summed = np.where(labels == Label.BACKGROUND, foreground, 1 - own + foreground - own)
    largest = float(summed.max()) * weight
    return np.asarray(summed * weight / largest if largest > 0 else summed * 0, np.float32)


def _expected_dice(
    likely: Floats, labels: NDArray[np.uint8], structures: tuple[Label, ...]
) -> float:
    """Dice of labels (H, W) with class shares (4, H, W), mean over the structures."""
    found = []
    for structure in structures:
        own, there = likely[structure], labels == structure
        size = float(own.sum()) + int(there.sum())
        found.append(2 * float(own[there].sum()) / size if size > 0 else math.nan)
    return float(np.nanmean(found)) if np.isfinite(found).any() else math.nan


def has_heart(frame: NDArray[np.uint8]) -> bool:
    """Whether a frame has an LV or a myocardium, so that it can be placed."""
    return bool(((frame == Label.LV) | (frame == Label.MYO)).any())
