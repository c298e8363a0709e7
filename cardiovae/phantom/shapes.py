"""Random shapes and smooth random fields on a pixel grid, sized in mm."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.morphology import Mask

Spacing = tuple[float, float]


def blob(
    shape: tuple[int, int],
    spacing_mm: Spacing,
    center: tuple[float, float],
    radii_mm: tuple[float, float],
    rng: np.random.Generator,
    *,
    angle: float = 0.0,
) -> Mask:
    """A wobbly ellipse as a boolean mask, shape (H, W); empty where it lies outside.

    Args:
        shape: Height and width of the frame.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        center: Middle of the ellipse in (fractional) pixels, (row, col).
        radii_mm: Half axes in mm: along the direction `angle`, and across it.
        rng: Draws the wobble of the contour.
        angle: Angle of the first half axis from the downward vertical, in radians.
    """
    y = (np.arange(shape[0], dtype=np.float32)[:, None] - center[0]) * spacing_mm[0]
    x = (np.arange(shape[1], dtype=np.float32)[None, :] - center[1]) * spacing_mm[1]
    u = (y * math.cos(angle) + x * math.sin(angle)) / radii_mm[0]
    v = (x * math.cos(angle) - y * math.sin(angle)) / radii_mm[1]
    # The second and third harmonic of the angle, as polynomials of the unit direction.
    square = u * u + v * v
    second, third = rng.uniform(-0.3, 0.3, 2)
    wobble = 1 + second * (u * u - v * v) / (square + 1e-6)
    wobble += third * u * (u * u - 3 * v * v) / (square + 1e-6) ** 1.5
    filled: Mask = square <= wobble
    return filled


def mm_from(mask: Mask, spacing_mm: Spacing) -> NDArray[np.float64]:
    """Distance of every pixel from the nearest one of `mask`, in mm, shape (H, W)."""
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~mask, spacing_mm)
    return distance


def smooth_field(
    shape: tuple[int, int], spacing_mm: Spacing, cell_mm: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """A smooth random field of unit variance at its nodes, shape (H, W), nodes `cell_mm` apart."""
    weights = []
    for size, spacing in zip(shape, spacing_mm, strict=True):
        place = np.arange(size, dtype=np.float32) * np.float32(spacing / cell_mm) + rng.random()
        nodes = np.arange(int(place[-1]) + 2, dtype=np.float32)
        near = np.clip(1 - np.abs(place[:, None] - nodes), 0, 1)
        weights.append((near * near * (3 - 2 * near)).astype(np.float32))
    noise = rng.standard_normal((weights[0].shape[1], weights[1].shape[1]), np.float32)
    field: NDArray[np.float32] = weights[0] @ noise @ weights[1].T
    return field


def displaced(
    labels: NDArray[np.uint8],
    spacing_mm: Spacing,
    amplitude_mm: float,
    cell_mm: float,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """`labels`, shape (H, W), pulled through a smooth random displacement (nearest pixel)."""
    height, width = labels.shape
    down = smooth_field(labels.shape, spacing_mm, cell_mm, rng) * (amplitude_mm / spacing_mm[0])
    right = smooth_field(labels.shape, spacing_mm, cell_mm, rng) * (amplitude_mm / spacing_mm[1])
    rows = np.rint(np.arange(height)[:, None] + down).astype(np.intp).clip(0, height - 1)
    cols = np.rint(np.arange(width)[None, :] + right).astype(np.intp).clip(0, width - 1)
    pulled: NDArray[np.uint8] = labels[rows, cols]
    return pulled
