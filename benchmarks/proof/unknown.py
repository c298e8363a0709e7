"""Masks as the prior never saw them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.labels import Label

Labels = NDArray[np.uint8]
Spacing = tuple[float, float]

KINDS = {
    "known": "as it is",
    "flip": "mirrored, as in dextrocardia",
    "rot90": "turned by 90 degrees",
    "rot180": "upside down",
    "crop": "lower half of the image cut off",
    "finer": "spacing said to be half of what it is",
    "coarser": "spacing said to be twice what it is",
    "lv-only": "only the cavity annotated",
}
STATES = ("sound", "broken")


def as_unknown(
    kind: str, frames: tuple[Labels, ...], spacing_mm: Spacing
) -> tuple[tuple[Labels, ...], Spacing]:
    """Frames (H, W) as one of `KINDS`, and their spacing.

    Examples:
        >>> frames, spacing = as_unknown("rot90", (np.array([[1, 2]], np.uint8),), (0.5, 1.0))
        >>> frames[0].tolist(), spacing
        ([[2], [1]], (1.0, 0.5))
    """
    row, col = spacing_mm
    match kind:
        case "flip":
            frames = tuple(f[:, ::-1] for f in frames)
        case "rot90":
            frames, spacing_mm = tuple(np.rot90(f) for f in frames), (col, row)
        case "rot180":
            frames = tuple(np.rot90(f, 2) for f in frames)
        case "crop":
            frames = tuple(f[: f.shape[0] // 2] for f in frames)
        case "finer":
            spacing_mm = (row / 2, col / 2)
        case "coarser":
            spacing_mm = (row * 2, col * 2)
        case "lv-only":
            frames = tuple(np.where(f == Label.LV, f, 0).astype(np.uint8) for f in frames)
    return tuple(np.ascontiguousarray(f) for f in frames), spacing_mm
