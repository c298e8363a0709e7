"""Label maps for the tests of the audit: drawn by hand, as digits, or as ellipses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def drawn(picture: str) -> NDArray[np.uint8]:
    """The label map that rows of digits draw; "." is background."""
    rows = [line.strip().replace(".", "0") for line in picture.strip().splitlines()]
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


def heart(height: int = 96, width: int = 80, *, wall: float = 0.13) -> NDArray[np.uint8]:
    """A sound heart that fills about half of the frame: LV in MYO, LA below the annulus."""
    y, x = np.mgrid[0:height, 0:width]
    v, u = y / height, x / width
    labels = np.zeros((height, width), np.uint8)
    atrium = ((v - 0.72) / 0.17) ** 2 + ((u - 0.5) / 0.14) ** 2 <= 1
    outer = ((v - 0.45) / (0.3 + wall / 2)) ** 2 + ((u - 0.5) / (0.18 + wall)) ** 2 <= 1
    inner = ((v - 0.45) / 0.3) ** 2 + ((u - 0.5) / 0.18) ** 2 <= 1
    labels[atrium & (v > 0.6)] = 3
    labels[outer & (v <= 0.65)] = 2
    labels[inner & (v <= 0.65)] = 1
    labels[(v > 0.6) & (v <= 0.65) & (np.abs(u - 0.5) < 0.12)] = 1
    return labels


def noise(
    shape: tuple[int, int], rng: np.random.Generator, *, background: float = 0.25
) -> NDArray[np.uint8]:
    """Every label at random: pieces, holes, pockets and border contacts of all kinds."""
    share = (1 - background) / 3
    return rng.choice(4, shape, p=[background, share, share, share]).astype(np.uint8)
