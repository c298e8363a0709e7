"""Random, seeded training batches: shapes moved, mixed and corrupted on the canonical grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiovae.labels import STRUCTURES, Label
from cardiovae.phantom.corruption import corrupt_frame
from cardiovae.phantom.slice_defects import corrupt_slice
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM
from cardiovae.prior.shapes import MARGIN_PX, WIDE_SHAPE, ShapeTable


@dataclass(frozen=True)
class AugmentConfig:
    """Sizes (standard deviations) and probabilities of the random changes of a batch."""

    rotation_deg: float = 7.0
    log_scale: float = 0.08
    log_stretch: float = 0.05
    shear: float = 0.05
    shift_mm: float = 4.0
    warp_mm: float = 1.0
    within_sequence: float = 0.5  # interpolate between two frames of one sequence
    across_sequences: float = 0.25  # mix with a frame of another sequence
    corrupt: float = 0.5  # the encoder sees a damaged map, the target stays whole
    drop_la: float = 0.15  # in a stack the RV
    drop_myo: float = 0.10


@dataclass(frozen=True)
class Batch:
    """What a training step needs.

    Args:
        inputs: Encoder input, shape (N, 7, 128, 96).
        target: Class shares of the whole heart, shape (N, 4, 128, 96).
        distances: Signed distances to LV, LV + MYO and LA in mm, shape (N, 3, 128, 96).
        inside: Share of each pixel inside the image, shape (N, 1, 128, 96).
        attributes: Seven attributes of the target, shape (N, 7); NaN where not measurable.
        instant: Cardiac instant, shape (N,), NaN where unknown.
        view: 0 for A2C, 1 for A4C, shape (N,), NaN where unknown.
    """

    inputs: Tensor
    target: Tensor
    distances: Tensor
    inside: Tensor
    attributes: Tensor
    instant: Tensor
    view: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; itself where it is there."""
        return Batch(*(part.to(device, non_blocking=True) for part in vars(self).values()))


def draw_batch(
    shapes: ShapeTable, indices: NDArray[np.int64], config: AugmentConfig, rng: np.random.Generator
) -> Batch:
    """One augmented batch of the frames `indices`; deterministic given `rng`."""
    distances, landmarks, instant, view = _mixed(shapes, indices, config, rng)
    grid, landmarks = moved_grid(landmarks, config, rng)
    moved = functional.grid_sample(
        torch.from_numpy(distances), grid, padding_mode="border", align_corners=False
    )
    target, inside = shares(moved)
    attributes = soft_attributes(target, torch.from_numpy(landmarks))
    inputs = _damaged(target, inside, shapes.structures, config, rng)
    told = (torch.from_numpy(facts) for facts in (instant, view))
    return Batch(inputs, target, moved[:, :3], inside, attributes, *told)


def shares(distances: Tensor) -> tuple[Tensor, Tensor]:
    """Class shares (N, 4, ...) and share inside the image (N, 1, ...) of signed distances in mm.

    A pixel's share falls linearly over one pixel across the contour, as area averaging gives for a
    straight edge.
    """
    cover = (0.5 - distances / CANVAS_MM).clamp(0, 1)
    lv, epi, la, inside = cover.unbind(1)
    epi = torch.maximum(epi, lv)
    la = torch.minimum(la, 1 - epi)
    classes = torch.stack([1 - epi - la, lv, epi - lv, la], 1)
    return classes, inside[:, None]


def network_input(
    classes: Tensor, inside: Tensor, structures: tuple[Label, ...] = STRUCTURES
) -> Tensor:
    """Encoder input (N, 7, 128, 96): class shares, inside, MYO and neighbor annotated."""
    flags = [torch.full_like(inside, float(len(structures) >= n)) for n in (2, 3)]
    return torch.cat([classes, inside, *flags], 1)


def _mixed(
    shapes: ShapeTable, indices: NDArray[np.int64], config: AugmentConfig, rng: np.random.Generator
) -> tuple[NDArray[np.float32], ...]:
    """Distances, landmarks, instant and view between frames of one sequence, or of two hearts.

    Between an A2C and an A4C the view is unknown.
    """
    n = indices.size
    distances = shapes.distances[indices].astype(np.float32)
    landmarks = shapes.landmarks[indices].copy()
    instant, view = shapes.instant[indices].copy(), shapes.view[indices].copy()
    draw = rng.random(n)
    for i, index in enumerate(indices):
        if draw[i] < config.within_sequence:
            mates = np.flatnonzero(shapes.sequence == shapes.sequence[index])
        elif draw[i] < config.within_sequence + config.across_sequences:
            mates = np.arange(shapes.sequence.size)
        else:
            continue
        other = int(rng.choice(mates))
        weight = np.float32(rng.random())
        image = np.maximum(distances[i, 3], shapes.distances[other, 3])
        distances[i] += weight * (shapes.distances[other] - distances[i])
        distances[i, 3] = image
        landmarks[i] += weight * (shapes.landmarks[other] - landmarks[i])
        instant[i] += weight * (shapes.instant[other] - instant[i])
        if shapes.view[other] != view[i]:
            view[i] = np.nan
    return distances, landmarks, instant, view


def moved_grid(
    landmarks: NDArray[np.float32], config: AugmentConfig, rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.float32]]:
    """Sampling grid (N, 128, 96, 2) on the wide canvas, and the landmarks moved along."""
    n = landmarks.shape[0]
    angle = np.deg2rad(rng.normal(0, config.rotation_deg, n))
    scale = np.exp(rng.normal(0, config.log_scale, n))
    stretch = np.exp(rng.normal(0, config.log_stretch, n))
    shear = rng.normal(0, config.shear, n)
    shift = rng.normal(0, config.shift_mm, (n, 2))
    forward = np.empty((n, 2, 2))
    forward[:, 0, 0] = scale * stretch * np.cos(angle)
    forward[:, 0, 1] = -scale / stretch * np.sin(angle) + shear
    forward[:, 1, 0] = scale * stretch * np.sin(angle)
    forward[:, 1, 1] = scale / stretch * np.cos(angle)
    backward = np.linalg.inv(forward)

    rows, cols = (
        (np.arange(size) + 0.5) * CANVAS_MM - origin
        for size, origin in zip(CANVAS_SHAPE, ORIGIN_MM, strict=True)
    )
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1)
    source = np.empty((n, *CANVAS_SHAPE, 2))
    y = (points[..., 0] - shift[:, 0, None, None], points[..., 1] - shift[:, 1, None, None])
    for axis in (0, 1):
        by = backward[:, axis, :, None, None]
        source[..., axis] = by[:, 0] * y[0] + by[:, 1] * y[1]
    coarse = torch.from_numpy(rng.normal(0, config.warp_mm, (n, 2, 6, 5)))
    warp = functional.interpolate(coarse, CANVAS_SHAPE, mode="bicubic", align_corners=True)
    source += warp.permute(0, 2, 3, 1).numpy()
    half = [size * CANVAS_MM / 2 for size in WIDE_SHAPE]
    offset = [o + MARGIN_PX * CANVAS_MM - h for o, h in zip(ORIGIN_MM, half, strict=True)]
    unit = [(source[..., axis] + offset[axis]) / half[axis] for axis in (1, 0)]
    grid = torch.from_numpy(np.stack(unit, -1).astype(np.float32))

    moved = np.einsum("nij,npj->npi", forward, landmarks) + shift[:, None]
    place = [
        (moved[..., a] + o) / (s * CANVAS_MM / 2) - 1
        for a, o, s in zip((1, 0), ORIGIN_MM[::-1], CANVAS_SHAPE[::-1], strict=True)
    ]
    at = torch.from_numpy(np.nan_to_num(np.stack(place, -1)))[:, None]
    local = functional.grid_sample(warp, at, padding_mode="border", align_corners=False)[:, :, 0]
    # To first order the warp (a displacement of the source) moves a point the other way.
    moved -= np.einsum("nij,njp->npi", forward, local.numpy())
    return grid, moved.astype(np.float32)


def soft_attributes(target: Tensor, landmarks: Tensor) -> Tensor:
    """The seven regularized attributes of class shares, shape (N, 7), in mm, mm2 and degrees.

    Order as in `cardiovae.attributes.UNITS`: LV area, base width, length, orientation, MYO area,
    epicardial center x and y (from the canvas origin).
    """
    n, _, height, width = target.shape
    y = ((torch.arange(height) + 0.5) * CANVAS_MM).view(1, height, 1)
    x = ((torch.arange(width) + 0.5) * CANVAS_MM).view(1, 1, width)
    lv, myo = target[:, 1], target[:, 2]

    def mean(values: Tensor, weight: Tensor) -> Tensor:
        return (values * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1e-6)

    cy, cx = (mean(c.expand_as(lv), lv).view(n, 1, 1) for c in (y, x))
    dy, dx = y - cy, x - cx
    spread = mean(dy * dy - dx * dx, lv)
    orientation = torch.rad2deg(0.5 * torch.atan2(2 * mean(dx * dy, lv), spread))
    left, right, apex = landmarks.unbind(1)
    base_width = (left - right).norm(dim=1)
    length = (apex - (left + right) / 2).norm(dim=1)
    area = CANVAS_MM**2
    epi = lv + myo
    return torch.stack(
        [
            lv.sum((1, 2)) * area,
            base_width,
            length,
            orientation,
            myo.sum((1, 2)) * area,
            mean(x.expand_as(epi), epi),
            mean(y.expand_as(epi), epi),
        ],
        1,
    )


def _damaged(
    target: Tensor,
    inside: Tensor,
    whole: tuple[Label, ...],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Tensor:
    """Encoder inputs: cut at the image, some corrupted, some with fewer annotated structures."""
    n = target.shape[0]
    classes = target * inside
    classes[:, 0] += 1 - inside[:, 0]
    labels = most_probable(classes)
    inputs = []
    for i in range(n):
        seen = classes[i : i + 1]
        if rng.random() < config.corrupt:
            broken = corrupted(labels[i], whole, float(rng.random()), rng)
            changed = torch.from_numpy(broken != labels[i])
            hard = functional.one_hot(torch.from_numpy(broken).long(), 4).permute(2, 0, 1)
            seen = torch.where(changed, hard.to(seen.dtype), seen[0])[None]
        draw = rng.random()
        structures = whole
        if draw < config.drop_myo:
            structures = whole[:1]
        elif draw < config.drop_myo + config.drop_la:
            structures = whole[:2]
        inputs.append(network_input(only(seen, structures), inside[i : i + 1], structures))
    return torch.cat(inputs)


def corrupted(
    classes: NDArray[np.uint8],
    structures: tuple[Label, ...],
    severity: float,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """A map of classes, shape (H, W), with the errors of a network on such a heart."""
    spacing = (CANVAS_MM, CANVAS_MM)
    if Label.RV not in structures:
        return corrupt_frame(classes, spacing, severity=severity, rng=rng)[0]
    labels = np.array((Label.BACKGROUND, *structures), np.uint8)[classes]
    broken, _ = corrupt_slice(labels, spacing, severity=severity, rng=rng)
    return np.minimum(broken, 3).astype(np.uint8)


def most_probable(classes: Tensor) -> NDArray[np.uint8]:
    """Class with the largest share, shape (N, H, W), of (N, 4, H, W); the first of equals.

    The same as `argmax(1)`, several times faster on this layout.
    """
    best = classes[:, 0].clone()
    labels = torch.zeros(best.shape, dtype=torch.uint8)
    for value in range(1, classes.shape[1]):
        larger = classes[:, value] > best
        labels[larger] = value
        best = torch.where(larger, classes[:, value], best)
    return labels.numpy()


def only(classes: Tensor, structures: tuple[Label, ...]) -> Tensor:
    """Class shares (N, 4, H, W) with the structures that are not annotated moved to background."""
    kept = classes.clone()
    for channel in range(len(structures) + 1, 4):
        kept[:, 0] += kept[:, channel]
        kept[:, channel] = 0
    return kept
