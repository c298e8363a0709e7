"""Training shapes: real or synthetic masks as signed distance maps around the heart's center.

Signed distances (mm, negative inside) can be moved, warped and mixed without blurring, so every
augmented sample keeps sharp contours.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.attributes import measure_attributes
from cardiovae.errors import ModelError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.morphology import Mask, bounding_box
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM, place
from cardiovae.sequence import APICAL, EchoSequence

MARGIN_PX = 16  # room around the canvas for rotations and shifts
WIDE_SHAPE = (CANVAS_SHAPE[0] + 2 * MARGIN_PX, CANVAS_SHAPE[1] + 2 * MARGIN_PX)
CHANNELS = ("lv", "epi", "neighbor", "image")
FAR_MM = 40.0  # distances are clipped here; farther ones carry no information


@dataclass(frozen=True)
class ShapeTable:
    """Frames of many sequences, aligned on the epicardial center of their sequence.

    Args:
        distances: Signed distances in mm of LV, LV + MYO, neighbor (LA or RV) and image, shape
            (N, 4, 160, 128).
        landmarks: Left hinge, right hinge and apex in mm (row, col) from the heart's center,
            shape (N, 3, 2); NaN where not found.
        sequence: Index of each frame's sequence, shape (N,).
        instant: Cardiac instant, ED 0 to ES 1; of slices their position, base 0 to apex 1; NaN
            where unknown, shape (N,).
        view: 0 for A2C, 1 for A4C, NaN where unknown, shape (N,).
        names: One name per sequence.
        structures: All that such hearts show, annotated or not.
    """

    distances: NDArray[np.float16]
    landmarks: NDArray[np.float32]
    sequence: NDArray[np.int64]
    instant: NDArray[np.float32]
    view: NDArray[np.float32]
    names: tuple[str, ...]
    structures: tuple[Label, ...] = STRUCTURES

    def fingerprint(self) -> str:
        """SHA-256 of the shapes and how they belong together, so that runs can be told apart."""
        digest = hashlib.sha256()
        for array in (self.distances, self.landmarks, self.sequence, self.instant):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def only(self, keep: Iterable[int]) -> ShapeTable:
        """The table with the frames of the sequences `keep` alone."""
        chosen = np.isin(self.sequence, np.fromiter(keep, np.int64))
        return dataclasses.replace(
            self,
            distances=self.distances[chosen],
            landmarks=self.landmarks[chosen],
            sequence=self.sequence[chosen],
            instant=self.instant[chosen],
            view=self.view[chosen],
        )


def build_shapes(sequences: Iterable[tuple[str, EchoSequence]]) -> ShapeTable:
    """Shapes of named sequences; frames without LV or MYO are left out.

    A sequence's instants run from its largest to its smallest LV area (ED 0, ES 1) by the share
    of that area change; where it hardly moves (less than 5 %), they are unknown. A stack's run
    from its base to its apex.

    Raises:
        ModelError: No usable frame, a sequence without known spacing, or stacks among sequences.
    """
    distances, landmarks, owner, instants, views = [], [], [], [], []
    names: list[str] = []
    anatomies: set[tuple[Label, ...]] = set()
    for name, sequence in sequences:
        anatomies.add(sequence.anatomy)
        _check(name, sequence, anatomies)
        sequence = upright(sequence)
        frames = [f for f in map(sequence.frame, range(sequence.n_frames)) if _usable(f)]
        if not frames:
            continue
        spacing = sequence.spacing_mm
        assert spacing is not None  # checked
        measured = [measure_attributes(f, spacing, sequence.structures) for f in frames]
        center = np.array([[m["epi_center_y"], m["epi_center_x"]] for m in measured]).mean(0)
        area = np.array([m["lv_area"] for m in measured])
        instants_of = slice_positions if sequence.is_stack else _instants
        for frame, found, instant in zip(frames, measured, instants_of(area), strict=True):
            distances.append(_distances(frame, spacing, center))
            marks = found.landmarks
            points = np.array([marks.hinge_left_mm, marks.hinge_right_mm, marks.apex_mm])
            landmarks.append(points - center)
            owner.append(len(names))
            instants.append(instant)
            views.append(np.nan if sequence.view not in APICAL else APICAL.index(sequence.view))
        names.append(name)
    if not distances:
        raise ModelError("no frame with both LV and MYO to train on")
    return ShapeTable(
        np.stack(distances),
        np.array(landmarks, np.float32),
        np.array(owner, np.int64),
        np.array(instants, np.float32),
        np.array(views, np.float32),
        tuple(names),
        anatomies.pop(),
    )


def _check(name: str, sequence: EchoSequence, anatomies: set[tuple[Label, ...]]) -> None:
    if sequence.spacing_mm is None:
        raise ModelError(f"{name}: training needs the pixel spacing in mm; give it in the file")
    if Label.MYO not in sequence.structures:
        raise ModelError(f"{name}: training needs at least LV and MYO labels")
    if len(anatomies) > 1:
        raise ModelError(
            f"{name}: apical views and short-axis stacks are two anatomies; train a prior for each"
        )


def upright(sequence: EchoSequence) -> EchoSequence:
    """A stack turned by quarters such that its RV lies below its LV; other sequences as is."""
    placement = place(sequence.labels, sequence.spacing_mm, stack=sequence.is_stack)
    if placement is None or placement.turn == 0:
        return sequence
    frames = placement.upright(np.moveaxis(sequence.labels, 2, 0))
    spacing = sequence.spacing_mm
    if spacing is not None and placement.turn != 2:
        spacing = spacing[::-1]
    return dataclasses.replace(sequence, labels=np.moveaxis(frames, 0, 2), spacing_mm=spacing)


def slice_positions(area: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position of each slice of a stack, base 0 to apex 1, from its LV areas, shape (Z,).

    The cavity narrows towards the apex: that end comes last whose half has the smaller areas.
    Of a single slice it is unknown.

    Examples:
        >>> slice_positions(np.array([200.0, 900.0, 1000.0])).tolist()
        [1.0, 0.5, 0.0]
    """
    n = area.size
    if n < 2:
        return np.full(n, np.nan)
    position = np.linspace(0, 1, n)
    first, last = area[: n // 2].sum(), area[-(n // 2) :].sum()
    return position if first >= last else position[::-1]


def _usable(labels: NDArray[np.uint8]) -> bool:
    return bool((labels == Label.LV).any() and (labels == Label.MYO).any())


def _instants(area: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(area.min()), float(area.max())
    if high - low < 0.05 * high:
        return np.full(area.size, np.nan)
    return (high - area) / (high - low)


def _distances(
    labels: NDArray[np.uint8], spacing: tuple[float, float], center: NDArray[np.float64]
) -> NDArray[np.float16]:
    """Signed distances of one frame on the wide canvas, shape (4, 160, 128)."""
    rows, cols = (
        ((np.arange(n) + 0.5) * CANVAS_MM - origin - MARGIN_PX * CANVAS_MM + c)
        for n, origin, c in zip(WIDE_SHAPE, ORIGIN_MM, center, strict=True)
    )
    grid = np.meshgrid(rows / spacing[0], cols / spacing[1], indexing="ij")
    lv = labels == Label.LV
    out = [
        ndimage.map_coordinates(signed_distance(mask, spacing), grid, order=1, mode="nearest")
        for mask in (lv, lv | (labels == Label.MYO), labels > Label.MYO)
    ]
    height, width = ((n - 0.5) * s for n, s in zip(labels.shape, spacing, strict=True))
    vertical = np.maximum(-rows - spacing[0] / 2, rows - height)[:, None]
    lateral = np.maximum(-cols - spacing[1] / 2, cols - width)[None, :]
    out.append(np.maximum(vertical, lateral))
    return np.clip(np.stack(out), -FAR_MM, FAR_MM).astype(np.float16)


def signed_distance(mask: Mask, spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Signed distance in mm to the boundary of `mask`, shape (H, W), negative inside.

    The boundary lies half a pixel (of the finer axis) from the pixel centers. The border of the
    frame is no boundary: what a picture cuts off may go on. An empty mask is `FAR_MM` away, a full
    one `-FAR_MM`.
    """
    if not mask.any():
        return np.full(mask.shape, FAR_MM)
    if mask.all():
        return np.full(mask.shape, -FAR_MM)
    out = np.full(mask.shape, FAR_MM)
    box = bounding_box(mask, margin=int(FAR_MM / min(spacing_mm)) + 1)
    assert box is not None  # a mask with pixels has a box
    crop = mask[box]
    half = 0.5 * min(spacing_mm)
    outside = ndimage.distance_transform_edt(~crop, spacing_mm) - half
    inside = ndimage.distance_transform_edt(crop, spacing_mm) - half
    out[box] = np.where(crop, -inside, outside)
    return out
