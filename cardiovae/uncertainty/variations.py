"""Small changes of an image that are undone in what a network says of it, for test-time doubt."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from cardiovae.errors import ConfigError


@dataclass(frozen=True)
class Variation:
    """How far the changes go; each is drawn evenly up to its limit, either way.

    The limits are about half of what the networks of the project are trained with
    (`benchmarks/camus_unet.py`), so that a change stays within what a network should not mind.

    Args:
        shift: Of the height and of the width, 0 to 0.5; drawn as whole pixels, so that undoing
            it is exact. Pixels that leave the image count as not seen in that pass.
        rotation_deg: Around the center of the image, degrees. Off by default: undoing it
            interpolates, which blurs every contour and so reads as doubt.
        gain: Relative change of the gray levels, above the darkest of the image; below 1.
        gamma: Gray levels (0 to 1 within the image) are raised to exp(+-gamma).
        speckle: Standard deviation of noise that multiplies the gray levels.
        flip: Whether passes are mirrored left to right, half of them. Off by default: a mirrored
            heart is none that a network of apical views was trained on.
    """

    shift: float = 0.03
    rotation_deg: float = 0.0
    gain: float = 0.15
    gamma: float = 0.2
    speckle: float = 0.05
    flip: bool = False

    def __post_init__(self) -> None:
        limits = {"shift": 0.5, "rotation_deg": 180.0, "gain": 1.0}
        for name in ("shift", "rotation_deg", "gain", "gamma", "speckle"):
            value, high = getattr(self, name), limits.get(name, math.inf)
            if not 0 <= value < high:
                raise ConfigError(f"Variation: {name} is {value}; expected 0 to below {high}")


@dataclass(frozen=True)
class Change:
    """One drawn change.

    Args:
        shift: Rows and columns, as shares of the height and the width.
        angle: Radians.
        gain: Factor of the gray levels.
        gamma: Their exponent.
        speckle: Standard deviation of the multiplying noise.
        mirrored: Left to right.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    gain: float = 1.0
    gamma: float = 1.0
    speckle: float = 0.0
    mirrored: bool = False

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return self.shift != (0, 0) or self.angle != 0 or self.mirrored


def draw_changes(
    variation: Variation, n: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Change, ...]:
    """`n` changes of images of that size (H, W); the first changes nothing, as is usual."""

    def drawn() -> Change:
        whole = (round(side * variation.shift * rng.uniform(-1, 1)) / side for side in size)
        down, right = whole
        return Change(
            shift=(down, right),
            angle=math.radians(variation.rotation_deg) * rng.uniform(-1, 1),
            gain=1 + variation.gain * rng.uniform(-1, 1),
            gamma=math.exp(variation.gamma * rng.uniform(-1, 1)),
            speckle=variation.speckle,
            mirrored=variation.flip and bool(rng.integers(2)),
        )

    return (Change(), *(drawn() for _ in range(n - 1)))


def changed(images: Tensor, change: Change) -> Tensor:
    """Images (N, C, H, W) after the change; noise is of torch's random state."""
    found = images
    if change.moves:
        grid = _grid(_matrix(change, images.shape), images)
        found = grid_sample(found, grid, padding_mode="border", align_corners=False)
    low = found.amin((1, 2, 3), keepdim=True)
    span = (found.amax((1, 2, 3), keepdim=True) - low).clamp(min=torch.finfo(found.dtype).tiny)
    if (change.gain, change.gamma) != (1, 1):
        found = low + span * ((found - low) / span).pow(change.gamma) * change.gain
    if change.speckle:
        found = low + (found - low) * (1 + change.speckle * torch.randn_like(found))
    return found


def undone(shares: Tensor, change: Change) -> tuple[Tensor, Tensor]:
    """What was said of a changed image, on the grid of the image as it was.

    Args:
        shares: (N, C, H, W); the size may be another than that of the image.
        change: What `changed` was given.

    Returns:
        The shares (N, C, H, W), and 1 where the changed image showed the pixel, else 0,
        (N, 1, H, W).
    """
    if not change.moves:
        return shares, torch.ones_like(shares[:, :1])
    grid = _grid(torch.linalg.inv(_matrix(change, shares.shape)), shares)
    back = grid_sample(shares, grid, padding_mode="border", align_corners=False)
    return back, (grid.abs() <= 1).all(-1)[:, None].to(shares.dtype)


def _matrix(change: Change, shape: torch.Size) -> Tensor:
    """Where a pixel of the changed image comes from, (3, 3), in coordinates of -1 to 1, (x, y)."""
    aspect = shape[-2] / shape[-1]
    cosine, sine = math.cos(change.angle), math.sin(change.angle)
    side = -1.0 if change.mirrored else 1.0
    down, right = change.shift
    rows = [
        [side * cosine, -side * sine * aspect, -2 * right],
        [sine / aspect, cosine, -2 * down],
        [0.0, 0.0, 1.0],
    ]
    return torch.tensor(rows, dtype=torch.float64)


def _grid(matrix: Tensor, images: Tensor) -> Tensor:
    theta = matrix[:2].to(images)[None].expand(len(images), 2, 3)
    return affine_grid(theta, list(images.shape), align_corners=False)
