"""Hearts drawn from solids of revolution whose volumes are known, in apical views."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cardiovae.labels import STRUCTURES, Label
from cardiovae.sequence import EchoSequence

Inside = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Whether places lie in a solid, by their height above the annulus and their distance from the
axis, in mm."""
FINE = (0.3, 0.3)


def ellipsoid(a: float, b: float, d: float = 0.0) -> Inside:
    """An ellipsoid of half axes a, b, b whose widest level is d above the annulus."""
    return lambda up, across: (up >= 0) & (((up - d) / a) ** 2 + (across / b) ** 2 <= 1)


def truncated_ml(a: float, b: float, d: float = 0.0) -> float:
    """Its volume above the annulus: the integral of pi b^2 (1 - (z - d)^2 / a^2)."""
    return math.pi * b**2 * ((a + d) - (a**3 + d**3) / (3 * a**2)) / 1000


def bullet(length: float, b: float, cylinder: float | None = None) -> Inside:
    """A cylinder up to half its length (or `cylinder`), half an ellipsoid above."""
    low = length / 2 if cylinder is None else cylinder

    def inside(up: np.ndarray, across: np.ndarray) -> np.ndarray:
        cap = (np.maximum(up - low, 0) / (length - low)) ** 2 + (across / b) ** 2 <= 1
        return (up >= 0) & cap

    return inside


def cylinder(depth: float, b: float) -> Inside:
    """A cylinder below the annulus."""
    return lambda up, across: (up < 0) & (up >= -depth) & (np.abs(across) <= b)


def drawn(
    lv: Inside,
    epi: Inside | None = None,
    la: Inside | None = None,
    *,
    spacing: tuple[float, float] = FINE,
    tilt_deg: float = 0.0,
    size_mm: float = 130.0,
) -> np.ndarray:
    """One frame, (H, W): a pixel belongs to what its center lies in. Apex up, atrium below."""
    height, width = (round(size_mm / d) for d in spacing)
    y = (np.arange(height)[:, None] + 0.5) * spacing[0] - 0.72 * size_mm
    x = (np.arange(width)[None] + 0.5) * spacing[1] - size_mm / 2
    angle = math.radians(tilt_deg)
    up = -y * math.cos(angle) - x * math.sin(angle)
    across = x * math.cos(angle) - y * math.sin(angle)
    labels = np.zeros((height, width), np.uint8)
    for label, inside in ((Label.LA, la), (Label.MYO, epi), (Label.LV, lv)):
        if inside is not None:
            labels[inside(up, across)] = label
    return labels


def cine(
    *frames: np.ndarray,
    spacing: tuple[float, float] | None = FINE,
    view: str | None = "A4C",
    frame_time_ms: float | None = None,
    structures: tuple[Label, ...] = STRUCTURES,
) -> EchoSequence:
    """Frames as a sequence."""
    labels = np.stack(frames, axis=2)
    return EchoSequence(labels, spacing, structures, frame_time_ms=frame_time_ms, view=view)
