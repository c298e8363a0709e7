"""Drawn hearts with known volumes, and folders of predictions and references."""

from __future__ import annotations

import math

import numpy as np

from cardiovae.labels import Label

WALL_MM = 9.0


def half_ellipse(
    length_mm: float,
    radius_mm: float,
    spacing_mm: tuple[float, float],
    *,
    tilt_deg: float = 0.0,
    size_mm: float = 130.0,
) -> np.ndarray:
    """An LV that is half an ellipse, apex up, in a wall, over an atrium: (H, W).

    A pixel belongs to what its center lies in. The middle of the annulus is 105 mm deep.
    """
    height, width = (round(size_mm / d) for d in spacing_mm)
    y = (np.arange(height)[:, None] + 0.5) * spacing_mm[0] - 105
    x = (np.arange(width)[None] + 0.5) * spacing_mm[1] - size_mm / 2
    angle = math.radians(tilt_deg)
    up = -y * math.cos(angle) - x * math.sin(angle)
    across = x * math.cos(angle) - y * math.sin(angle)
    labels = np.zeros((height, width), np.uint8)

    def inside(a: float, b: float) -> np.ndarray:
        return (up >= 0) & ((up / a) ** 2 + (across / b) ** 2 <= 1)

    labels[inside(length_mm + WALL_MM, radius_mm + WALL_MM)] = Label.MYO
    labels[inside(length_mm, radius_mm)] = Label.LV
    labels[(up < 0) & (up**2 + across**2 <= radius_mm**2)] = Label.LA
    return labels


def half_ellipsoid_ml(length_mm: float, radius_mm: float, other_mm: float | None = None) -> float:
    """Volume of half an ellipsoid of these semi-axes."""
    return 2 / 3 * math.pi * length_mm * radius_mm * (other_mm or radius_mm) / 1000
