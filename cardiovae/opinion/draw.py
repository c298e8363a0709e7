"""Training batches: an image, labels that may be wrong, and the truth, on the canonical grid."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiovae.crisp.augment import ImageConfig, degraded
from cardiovae.crisp.infer import has_heart
from cardiovae.labels import STRUCTURES, Label
from cardiovae.opinion.examples import Examples, Scene
from cardiovae.phantom.corruption import corrupt_frame
from cardiovae.prior.augment import AugmentConfig, moved_grid, network_input
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM, place
from cardiovae.prior.shapes import MARGIN_PX, WIDE_SHAPE

QUARTERS_MM = (-CANVAS_MM / 4, CANVAS_MM / 4)  # from a pixel's center to points inside of it


def _moves() -> AugmentConfig:
    return AugmentConfig(
        rotation_deg=5.0, log_scale=0.05, log_stretch=0.03, shear=0.03, shift_mm=3.0, warp_mm=0.7
    )


@dataclass(frozen=True)
class DrawConfig:
    """How a batch is drawn.

    Args:
        errors: Share of items that show a network's prediction.
        damage: Share that show the truth with simulated damage; the rest show the truth.
        degrade: Share of images that are degraded, as `image` says.
        moves: What happens to image and labels alike, and which structures are left out.
        image: What happens to images alone.
    """

    errors: float = 0.75
    damage: float = 0.15
    degrade: float = 0.6
    moves: AugmentConfig = field(default_factory=_moves)
    image: ImageConfig = field(default_factory=ImageConfig)


@dataclass(frozen=True)
class Batch:
    """What a training step needs.

    Args:
        inputs: Gray level, then the prior's seven maps of the labels, shape (N, 8, 128, 96).
        target: True class shares, shape (N, 4, 128, 96).
        inside: Share inside the image, shape (N, 1, 128, 96).
    """

    inputs: Tensor
    target: Tensor
    inside: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; itself where it is there."""
        return Batch(*(part.to(device, non_blocking=True) for part in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Shown:
    """One item before it is brought to the grid: labels (H, W) shown for a scene."""

    scene: Scene
    labels: NDArray[np.uint8]
    structures: tuple[Label, ...]


def choose(
    examples: Examples, n: int, config: DrawConfig, rng: np.random.Generator
) -> list[Shown]:
    """Items of a batch: predictions, damaged truths and truths, with some structures left out."""
    found = []
    for draw in rng.random(n):
        if draw < config.errors and len(examples.seen):
            row = int(rng.integers(len(examples.seen)))
            scene, labels = examples.scenes[examples.owner[row]], examples.seen[row]
        else:
            scene = examples.scenes[int(rng.integers(len(examples.scenes)))]
            labels = scene.truth
            if draw < config.errors + config.damage:
                labels = _damaged(scene, rng)
        structures = _annotated(scene, labels, config.moves, rng)
        found.append(Shown(scene, _shown(labels, structures), structures))
    return found


def _damaged(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The truth with simulated damage; the truth itself where damage leaves no heart."""
    broken, _ = corrupt_frame(scene.truth, scene.spacing_mm, severity=float(rng.random()), rng=rng)
    return broken if has_heart(broken) else scene.truth


def _annotated(
    scene: Scene, labels: NDArray[np.uint8], moves: AugmentConfig, rng: np.random.Generator
) -> tuple[Label, ...]:
    """Which structures count as annotated; all where nothing of the heart would be left."""
    draw = rng.random()
    n = 1 if draw < moves.drop_myo else 2 if draw < moves.drop_myo + moves.drop_la else 3
    kept = tuple(s for s in scene.structures if s in STRUCTURES[:n])
    whole = has_heart(_shown(labels, kept)) and has_heart(_shown(scene.truth, kept))
    return kept if whole else scene.structures


def _shown(labels: NDArray[np.uint8], structures: tuple[Label, ...]) -> NDArray[np.uint8]:
    """Labels of the structures alone."""
    if set(structures) == set(STRUCTURES):
        return labels
    return np.where(np.isin(labels, structures), labels, np.uint8(0))


def draw_batch(examples: Examples, n: int, config: DrawConfig, rng: np.random.Generator) -> Batch:
    """A batch of `n` items, moved and degraded; deterministic given `rng`."""
    items = choose(examples, n, config, rng)
    grids, _ = moved_grid(np.full((n, 3, 2), np.nan, np.float32), config.moves, rng)
    batch = on_canvas(items, _millimeters(grids))
    images, inside = batch.inputs[:, :1], batch.inside
    worse = degraded(images, config.image, rng) * inside
    chosen = torch.from_numpy(rng.random(n) < config.degrade).view(n, 1, 1, 1)
    return Batch(
        torch.cat([torch.where(chosen, worse, images), batch.inputs[:, 1:]], 1),
        batch.target,
        inside,
    )


def plain_batch(items: list[Shown]) -> Batch:
    """Items as they are, each in the middle of the canvas."""
    return on_canvas(items, _canvas_points().expand(len(items), -1, -1, -1))


def _canvas_points() -> Tensor:
    """Position of each canvas pixel in mm (row, col) from the heart's center, (1, 128, 96, 2)."""
    rows, cols = (
        (torch.arange(n) + 0.5) * CANVAS_MM - origin
        for n, origin in zip(CANVAS_SHAPE, ORIGIN_MM, strict=True)
    )
    return torch.stack(torch.meshgrid(rows, cols, indexing="ij"), -1)[None]


def _millimeters(grid: Tensor) -> Tensor:
    """Positions in mm (row, col) from the heart's center of a grid on the wide canvas."""
    half = torch.tensor([n * CANVAS_MM / 2 for n in WIDE_SHAPE])
    origin = torch.tensor([o + MARGIN_PX * CANVAS_MM for o in ORIGIN_MM])
    return grid.flip(-1) * half + half - origin


def on_canvas(items: list[Shown], points_mm: Tensor) -> Batch:
    """Items sampled at points (N, 128, 96, 2) in mm from the center of the labels shown.

    Each canvas pixel is the mean of four points in it, labels being taken from the nearest pixel.
    """
    at = _unit(points_mm, items)
    gray, labels = [], []
    for item, points in zip(items, at, strict=True):
        both = np.stack([item.labels, _shown(item.scene.truth, item.structures)])
        labels.append(_sampled(both, points, "nearest"))
        gray.append(_sampled(item.scene.image[None], points, "bilinear"))
    share = (at.abs().amax(-1) <= 1).float().mean(1, keepdim=True)
    image = torch.stack(gray).mean(2) / 255 * share
    seen, true = _shares(torch.stack(labels)).unbind(1)
    maps = []
    for i, item in enumerate(items):
        part = slice(i, i + 1)
        maps.append(network_input(visible(seen[part], share[part]), share[part], item.structures))
    return Batch(torch.cat([image, torch.cat(maps)], 1), true, share)


def visible(classes: Tensor, inside: Tensor) -> Tensor:
    """Class shares with background alone outside of the image."""
    seen = classes * inside
    seen[:, 0] += 1 - inside[:, 0]
    return seen


def _unit(points_mm: Tensor, items: list[Shown]) -> Tensor:
    """Four points in each canvas pixel as `grid_sample` wants them: (col, row), -1 to 1.

    Args:
        points_mm: Centers of the pixels, (row, col) from the heart's center, (N, 128, 96, 2).
        items: Their placements are those of the labels shown.

    Returns:
        Shape (N, 4, 128, 96, 2).
    """
    found: dict[str, list[tuple[float, float]]] = {"pixel_mm": [], "center_px": [], "shape": []}
    for item in items:
        placement = place(item.labels[:, :, None], item.scene.spacing_mm)
        assert placement is not None  # what is shown has a heart
        for key, values in found.items():
            values.append(getattr(placement, key)[::-1])
    per_mm, middle, extent = (
        torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1, 2) for values in found.values()
    )
    factor = 2 / (per_mm * extent)
    within = torch.tensor([(x, y) for y in QUARTERS_MM for x in QUARTERS_MM]).view(1, 4, 1, 1, 2)
    return points_mm.flip(-1)[:, None] * factor + (within * factor + (2 * middle + 1) / extent - 1)


def _sampled(maps: NDArray[np.uint8], at: Tensor, mode: str) -> Tensor:
    """Maps (C, H, W) at points (4, h, w, 2), shape (C, 4, h, w); the border is repeated."""
    values = torch.from_numpy(maps.astype(np.float32))[None]
    found = functional.grid_sample(
        values, at.flatten(0, 1)[None], mode=mode, padding_mode="border", align_corners=False
    )
    return found.view(len(maps), *at.shape[:-1])


def _shares(labels: Tensor) -> Tensor:
    """Class shares (N, 2, 4, 128, 96) of labels (N, 2, 4 points, 128, 96)."""
    found = [(labels == value).float().mean(2) for value in STRUCTURES]
    return torch.stack([1 - torch.stack(found).sum(0), *found], 2)
