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
from cardiovae.labels import Label
from cardiovae.morphology import Mask, bounding_box
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM
from cardiovae.sequence import APICAL, EchoSequence

MARGIN_PX = 16  # room around the canvas for rotations and shifts
WIDE_SHAPE = (CANVAS_SHAPE[0] + 2 * MARGIN_PX, CANVAS_SHAPE[1] + 2 * MARGIN_PX)
CHANNELS = ("lv", "epi", "la", "image")
FAR_MM = 40.0  # distances are clipped here; farther ones carry no information


@dataclass(frozen=True)
class ShapeTable:
    """Frames of many sequences, aligned on the epicardial center of their sequence.

    Args:
        distances: Signed distances in mm of LV, LV + MYO, LA and image, shape (N, 4, 160, 128).
        landmarks: Left hinge, right hinge and apex in mm (row, col) from the heart's center,
            shape (N, 3, 2); NaN where not found.
        sequence: Index of each frame's sequence, shape (N,).
        instant: Cardiac instant, ED 0 to ES 1; NaN where unknown, shape (N,).
        view: 0 for A2C, 1 for A4C, NaN where unknown, shape (N,).
        names: One name per sequence.
    """

    distances: NDArray[np.float16]
    landmarks: NDArray[np.float32]
    sequence: NDArray[np.int64]
    instant: NDArray[np.float32]
    view: NDArray[np.float32]
    names: tuple[str, ...]

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
    of that area change; where it hardly moves (less than 5 %), they are unknown.

    Raises:
        ModelError: No usable frame, or a sequence without known spacing.
    """
    distances, landmarks, owner, instants, views = [], [], [], [], []
    names: list[str] = []
    for name, sequence in sequences:
        if sequence.spacing_mm is None:
            raise ModelError(
                f"{name}: training needs the pixel spacing in mm; give it in the file"
            )
        if Label.MYO not in sequence.structures:
            raise ModelError(f"{name}: training needs at least LV and MYO labels")
        frames = [f for f in map(sequence.frame, range(sequence.n_frames)) if _usable(f)]
        if not frames:
            continue
        spacing = sequence.spacing_mm
        measured = [measure_attributes(f, spacing, sequence.structures) for f in frames]
        center = np.array([[m["epi_center_y"], m["epi_center_x"]] for m in measured]).mean(0)
        area = np.array([m["lv_area"] for m in measured])
        for frame, found, instant in zip(frames, measured, _instants(area), strict=True):
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
    )


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
        for mask in (lv, lv | (labels == Label.MYO), labels == Label.LA)
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
