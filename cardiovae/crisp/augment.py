"""Random, seeded batches of pairs: hearts moved with their images, images as bad scanners see."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiovae.crisp.pairs import EchoTable
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.augment import AugmentConfig, moved_grid, network_input, only, shares
from cardiovae.prior.grid import CANVAS_SHAPE


def _moves() -> AugmentConfig:
    return AugmentConfig(shift_mm=5.0, drop_la=0.2, drop_myo=0.1)


@dataclass(frozen=True)
class ImageConfig:
    """Sizes and probabilities of what happens to images alone.

    Args:
        log_gain: Standard deviation of the logarithm of a factor.
        offset: Standard deviation of what is added.
        log_gamma: Standard deviation of the logarithm of an exponent.
        speckle: Largest strength of multiplicative noise.
        blur: Probability of a blur over 3 pixels.
        shadow: Probability of an acoustic shadow.
    """

    log_gain: float = 0.15
    offset: float = 0.03
    log_gamma: float = 0.2
    speckle: float = 0.4
    blur: float = 0.3
    shadow: float = 0.4


@dataclass(frozen=True)
class DrawConfig:
    """How a batch is drawn.

    Args:
        moves: What happens to image and mask alike, and which structures are left out; what
            mixes and damages shapes has no image and is not used.
        image: What happens to images alone.
        twins: How often each frame is in a batch, moved differently: the others of its kind are
            wrong by their place and size alone.
    """

    moves: AugmentConfig = field(default_factory=_moves)
    image: ImageConfig = field(default_factory=ImageConfig)
    twins: int = 2


@dataclass(frozen=True)
class Batch:
    """What a training step needs.

    Args:
        images: Gray level 0 to 1 and share inside, shape (N, 2, 128, 96).
        maps: Input of the mask encoder, shape (N, 7, 128, 96).
        target: Class shares of the whole heart at the knots, shape (N, 4, 64, 48).
        inside: Share inside the image at the knots, shape (N, 1, 64, 48).
    """

    images: Tensor
    maps: Tensor
    target: Tensor
    inside: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; itself where it is there."""
        return Batch(*(part.to(device, non_blocking=True) for part in vars(self).values()))


def draw_batch(
    table: EchoTable, indices: NDArray[np.int64], config: DrawConfig, rng: np.random.Generator
) -> Batch:
    """One batch of the frames `indices`, moved and degraded; deterministic given `rng`."""
    shapes = table.shapes
    grid, _ = moved_grid(shapes.landmarks[indices], config.moves, rng)
    distances = torch.from_numpy(shapes.distances[indices].astype(np.float32))
    gray = torch.from_numpy(table.images[indices].astype(np.float32) / 255)[:, None]
    moved = _sampled(distances, grid)
    images = degraded(_sampled(gray, grid), config.image, rng)
    return _batch(images, moved, config.moves, rng)


def plain_batch(table: EchoTable, indices: NDArray[np.int64]) -> Batch:
    """The frames `indices` as they are, in the middle of the canvas."""
    margin = [(a - b) // 2 for a, b in zip(table.images.shape[1:], CANVAS_SHAPE, strict=True)]
    rows, cols = (slice(m, m + n) for m, n in zip(margin, CANVAS_SHAPE, strict=True))
    distances = table.shapes.distances[indices][:, :, rows, cols].astype(np.float32)
    images = table.images[indices][:, None, rows, cols].astype(np.float32) / 255
    return _batch(torch.from_numpy(images), torch.from_numpy(distances), None, None)


def _sampled(maps: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)


def _batch(
    images: Tensor, distances: Tensor, moves: AugmentConfig | None, rng: np.random.Generator | None
) -> Batch:
    """Both inputs and the target, cut at the border of the image."""
    target, inside = shares(distances)
    visible = target * inside
    visible[:, 0] += 1 - inside[:, 0]
    maps = []
    for i in range(len(target)):
        structures = STRUCTURES if rng is None or moves is None else _annotated(moves, rng)
        seen = only(visible[i : i + 1], structures)
        maps.append(network_input(seen, inside[i : i + 1], structures))
    return Batch(
        torch.cat([images * inside, inside], 1),
        torch.cat(maps),
        functional.avg_pool2d(target, 2),
        functional.avg_pool2d(inside, 2),
    )


def _annotated(moves: AugmentConfig, rng: np.random.Generator) -> tuple[Label, ...]:
    draw = rng.random()
    if draw < moves.drop_myo:
        return STRUCTURES[:1]
    return STRUCTURES[:2] if draw < moves.drop_myo + moves.drop_la else STRUCTURES


def degraded(images: Tensor, config: ImageConfig, rng: np.random.Generator) -> Tensor:
    """Images (N, 1, H, W) of 0 to 1 with another gain, gamma, speckle, blur and shadow each."""
    n, _, height, width = images.shape

    def column(values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).view(n, 1, 1, 1)

    grain = torch.from_numpy(rng.standard_normal((n, 1, height, width), np.float32))
    grain = functional.avg_pool2d(grain, 3, 1, 1) * 3
    found = images * (1 + column(rng.uniform(0, config.speckle, n)) * grain * 0.5)
    found = found.clamp(0, 1) ** column(np.exp(rng.normal(0, config.log_gamma, n)))
    found = found * column(np.exp(rng.normal(0, config.log_gain, n)))
    found = found + column(rng.normal(0, config.offset, n)) * (images > 0)
    row = torch.arange(height).view(1, 1, height, 1)
    col = torch.arange(width).view(1, 1, 1, width)
    middle = column(rng.uniform(0.1, 0.9, n) * width)
    slope, wide = column(rng.uniform(-0.5, 0.5, n)), column(rng.uniform(3, 13, n))
    beam = torch.exp(-0.5 * ((col - middle - slope * (row - height / 2)) / wide) ** 2)
    depth = column(rng.uniform(0.3, 1, n) * (rng.random(n) < config.shadow))
    found = found * (1 - depth * beam * (row > column(rng.uniform(0, 0.6, n) * height)))
    blurred = functional.avg_pool2d(found, 3, 1, 1, count_include_pad=False)
    chosen = column((rng.random(n) < config.blur).astype(np.float32))
    return (found + chosen * (blurred - found)).clamp(0, 1)
