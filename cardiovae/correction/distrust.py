"""Doubt that is known before a correction: what it trusts less from the start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.prior.codec import Floats, separable
from cardiovae.prior.grid import Placement

LEAST = 0.05  # what the most doubtful frame still weighs


@dataclass(frozen=True, eq=False)
class Distrust:
    """Where the input is doubtful, as an image says.

    Args:
        frames: Probability that a frame is usable, shape (T,), 0 to 1.
        pixels: Probability that a pixel's label is wrong, shape (H, W, T), 0 to 1.
    """

    frames: NDArray[np.float64]
    pixels: NDArray[np.float32]

    def __post_init__(self) -> None:
        shapes_fit = self.pixels.ndim == 3 and self.frames.shape == self.pixels.shape[2:]
        known = shapes_fit and all(
            bool(np.isfinite(a).all() and a.min() >= 0 and a.max() <= 1)
            for a in (self.frames, self.pixels)
        )
        if not known:
            raise CardiovaeError(
                "distrust: frames (T,) and pixels (H, W, T) are numbers from 0 to 1; got shapes "
                f"{self.frames.shape} and {self.pixels.shape}, or other numbers"
            )

    def weights(self) -> NDArray[np.float64]:
        """What each frame weighs against others, shape (T,), above 0."""
        return np.maximum(self.frames, LEAST)

    def on_canvas(self, placement: Placement) -> Floats:
        """Share of what each canvas pixel shows that can be trusted, shape (T, 1, 128, 96)."""
        rows, cols = placement.to_canvas()
        doubt = separable(rows, placement.upright(np.moveaxis(self.pixels, 2, 0)), cols)
        return np.asarray(1 - doubt.clip(0, 1)[:, None], np.float32)
