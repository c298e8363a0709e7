"""The input's own contours, kept where they are sound.

Decoded shapes are smoother than real contours. So the residual between the input's signed
distances and the decoded ones is carried over wherever both agree about where the contour is, and
dropped where they do not (leaks, islands, missing walls).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.audit.regions import CROSS, padded, pieces
from cardiovae.correction.config import BlendConfig
from cardiovae.labels import STRUCTURES, Label, neighbor
from cardiovae.morphology import Mask, bounding_box, dilate
from cardiovae.prior.codec import Floats, compose, separable
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, Placement, interpolation

COMPARABLE = 0.25  # of the largest part's size


def clean(
    labels: NDArray[np.uint8],
    structures: tuple[Label, ...] = STRUCTURES,
    *,
    keep: float = 1.0,
) -> NDArray[np.uint8]:
    """A copy of one frame (H, W) with the largest part of each region, holes filled.

    Parts of the epicardium (LV and MYO together; one beside the neighbor, LA or RV, is preferred
    to a somewhat larger one elsewhere), the LV and the neighbor are 8-connected. What is removed
    becomes background, or MYO inside the epicardium; background that neighbor and epicardium
    enclose becomes the neighbor. With `keep` below 1, parts of the neighbor of at least that share
    of the largest stay too: a slit may have cut them off.
    """
    cleaned = np.zeros(labels.shape, np.uint8)
    box = bounding_box(labels != Label.BACKGROUND, margin=1)
    if box is None:
        return cleaned
    crop = labels[box]
    beside = crop > Label.MYO
    epi = _filled(_largest((crop == Label.LV) | (crop == Label.MYO), beside=_largest(beside)))
    lv = _filled(_largest((crop == Label.LV) & epi))
    kept = _largest(beside & ~epi, keep=keep)
    inner = cleaned[box]
    if kept.any():
        inner[_filled(epi | kept)] = neighbor(structures)
    inner[epi] = Label.MYO if Label.MYO in structures else Label.LV
    inner[lv] = Label.LV
    return cleaned


def _largest(mask: Mask, *, beside: Mask | None = None, keep: float = 1.0) -> Mask:
    """The largest part of `mask`, and others of at least `keep` times its size.

    Of parts of comparable size one that touches `beside` comes first: of two hearts in a picture,
    the one that has an atrium is the heart.
    """
    numbers, count = pieces(mask)
    if count < 2:
        return mask
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    if beside is not None and beside.any():
        touching = np.bincount(numbers[dilate(beside)], minlength=sizes.size) > 0
        rivals = touching & (sizes > COMPARABLE * sizes.max())
        sizes = np.where(rivals, sizes, 0) if rivals.any() else sizes
    if keep >= 1:
        return np.asarray(numbers == int(sizes.argmax()))
    return np.asarray((sizes >= keep * sizes.max())[numbers])


def _filled(mask: Mask) -> Mask:
    """`mask` with what it encloses; beyond the frame is outside."""
    numbers, _ = pieces(padded(~mask) | ~padded(np.ones_like(mask)), CROSS)
    return np.asarray(numbers != numbers[0, 0])[1:-1, 1:-1]


def soundness(measured: Floats, decoded: Floats, config: BlendConfig) -> Floats:
    """Weight 0 to 1 of the input's contour at each canvas pixel, shape (T, 3, 128, 96).

    Args:
        measured: Signed distances of the input on the canvas, shape (T, 3, 128, 96), mm.
        decoded: Signed distances of its fitted code, same shape.
        config: Settings.
    """
    clip = 3 * config.broken_mm
    apart = np.abs(measured.clip(-clip, clip) - decoded.clip(-clip, clip))
    weight = (config.broken_mm - apart) / (config.broken_mm - config.sound_mm)
    size = 2 * round(config.margin_mm / CANVAS_MM) + 1
    sigma = config.soft_mm / CANVAS_MM
    weight = ndimage.minimum_filter(weight.clip(0, 1), size=(1, 1, size, size))
    return np.asarray(ndimage.gaussian_filter(weight, (0, 0, sigma, sigma)), np.float32)


def canvas_to_native(maps: Floats, placement: Placement) -> Floats:
    """Canvas maps (T, C, 128, 96) interpolated on the native grid, shape (T, C, H, W)."""
    rows, cols = (
        interpolation(n, placement.canvas_positions(axis)) for axis, n in enumerate(CANVAS_SHAPE)
    )
    return placement.native(separable(rows, maps, cols))


def render(
    distances: Floats,
    measured: Floats,
    labels: NDArray[np.uint8],
    placement: Placement,
    structures: tuple[Label, ...],
    same_mm: float,
) -> NDArray[np.uint8]:
    """Native label maps of blended distances, with the input's own labels where nothing moved.

    Args:
        distances: Blended signed distances on the canvas, shape (T, 3, 128, 96), mm.
        measured: Those of the input, same shape.
        labels: The input's label maps, shape (H, W, T).
        placement: Where the sequence lies on the canvas.
        structures: Annotated structures.
        same_mm: Below this the input's label is kept.
    """
    result = compose(canvas_to_native(distances, placement), structures)
    if same_mm > 0:
        moved = np.abs(distances - measured)[:, : len(structures)].max(1, keepdims=True)
        same = canvas_to_native(moved, placement)[:, 0] < same_mm
        same = np.moveaxis(same, 0, 2)
        result[same] = labels[same]
    frames = [clean(result[:, :, t], structures) for t in range(result.shape[2])]
    return np.stack(frames, axis=2)
