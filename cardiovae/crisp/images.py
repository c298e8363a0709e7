"""Images as the network sees them: scaled to 0 to 1, and brought to the canonical grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.prior.codec import separable
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM, Placement, averaging
from cardiovae.prior.shapes import MARGIN_PX, WIDE_SHAPE

Floats = NDArray[np.float32]
BRIGHTEST_PERCENTILE = 99.5  # of the pixels that are not black: a few marks count for nothing


def gray_levels(images: NDArray[Any], source: object = "image") -> Floats:
    """Images of any number type as 0 to 1: black is their least value, white the brightest tissue.

    Args:
        images: Shape (H, W, T); one scale for all frames.
        source: Named in messages.

    Raises:
        FileError: A value that is not finite.
    """
    values = images.astype(np.float32)
    if not np.isfinite(values).all():
        raise FileError(f"{source}: an image has finite gray levels; NaN or infinity found")
    values -= values.min()
    lit = values[values > 0]
    top = np.percentile(lit, BRIGHTEST_PERCENTILE) if lit.size else 1.0
    return np.asarray(np.clip(values / top, 0, 1), np.float32)


def canvas_images(images: Floats, placement: Placement) -> Floats:
    """Images (H, W, T) of 0 to 1 on the canonical grid, (T, 128, 96); 0 outside of them."""
    return _averaged(images, placement, CANVAS_SHAPE, ORIGIN_MM)


def wide_images(images: Floats, placement: Placement) -> Floats:
    """The same with the margin of the training shapes, (T, 160, 128)."""
    margin = MARGIN_PX * CANVAS_MM
    return _averaged(images, placement, WIDE_SHAPE, (ORIGIN_MM[0] + margin, ORIGIN_MM[1] + margin))


def _averaged(
    images: Floats, placement: Placement, shape: tuple[int, int], origin_mm: tuple[float, float]
) -> Floats:
    """Area averages around the placement's center, which lies at `origin_mm` of the result."""
    matrices = []
    for axis in (0, 1):
        step = placement.pixel_mm[axis] / CANVAS_MM
        first = origin_mm[axis] / CANVAS_MM - (placement.center_px[axis] + 0.5) * step
        matrices.append(averaging(shape[axis], placement.shape[axis], first, step))
    return separable(matrices[0], np.moveaxis(images, 2, 0), matrices[1])
