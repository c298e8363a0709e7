"""Drawn apical hearts whose landmarks, areas and volumes are known.

A heart is two shapes, ED and ES; in between every quantity goes linearly with the contraction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label
from cardiovae.landmarks import Landmarks
from cardiovae.morphology import bounding_box
from cardiovae.phantom.contours import HeartContours, heart_contours
from cardiovae.phantom.motion import full_cycle, half_cycle
from cardiovae.phantom.parameters import draw_parameters
from cardiovae.phantom.quantities import HeartParameters
from cardiovae.phantom.raster import clip_to_image, fill_polygon, polygon_area
from cardiovae.sequence import EchoSequence

__all__ = ["HeartParameters", "Phantom", "draw_heart", "draw_parameters"]

Cycle = Literal["half", "full"]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Phantom:
    """A drawn sequence and its truth.

    Args:
        sequence: Labels (H, W, T) with spacing, frame time and view.
        landmarks: True hinge points and apex of every frame.
        lv_area_mm2, myo_area_mm2, la_area_mm2: Exact areas inside the image, shape (T,).
        lv_volume_ml: Volume of the stack of discs the cavity is made of, shape (T,).
        ed_index, es_index: Frames of ED and ES.
        ef: Ejection fraction of those two frames.
    """

    sequence: EchoSequence
    landmarks: tuple[Landmarks, ...]
    lv_area_mm2: Values
    myo_area_mm2: Values
    la_area_mm2: Values
    lv_volume_ml: Values
    ed_index: int
    es_index: int
    ef: float


def draw_heart(
    parameters: HeartParameters,
    *,
    n_frames: int = 20,
    cycle: Cycle = "half",
    spacing_mm: tuple[float, float] | None = (0.5, 0.5),
    shape: tuple[int, int] | None = None,
) -> Phantom:
    """Draw a heart as a label map sequence.

    Args:
        parameters: The heart.
        n_frames: Number of frames T; a half cycle of the CAMUS frame rate has 18, a full one 46.
        cycle: "half" from ED to ES, "full" from ED to the next ED.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None makes `shape`
            hold the whole image, with anisotropic pixels where need be.
        shape: Height and width of a frame; None takes what the image needs at that spacing. The
            middle of the top edge stays the transducer, what lies outside is cut.

    Raises:
        CardiovaeError: Fewer than 2 frames, an unknown cycle, or neither spacing nor shape.
    """
    if n_frames < 2 or cycle not in ("half", "full"):
        raise CardiovaeError(
            "a phantom has 2 frames or more of a 'half' or 'full' cycle, "
            f"got {n_frames} frames of {cycle!r}"
        )
    spacing, shape = _grid(parameters, spacing_mm, shape)
    contraction = half_cycle(n_frames) if cycle == "half" else full_cycle(n_frames)
    shapes = [parameters.shape_at(float(a)) for a in contraction]
    # The image reaches half a pixel beyond the centers of its outer pixels.
    width_mm = (shape[1] - 1) * spacing[1]
    contours = [heart_contours(s, width_mm) for s in shapes]
    labels = np.stack([_labels(c, spacing, shape) for c in contours], axis=2)
    areas = np.array([_areas(c, spacing, shape) for c in contours])
    volumes = np.array([s.lv_volume_ml for s in shapes])
    es_index = int(np.argmax(contraction))
    duration = parameters.systole_ms + (parameters.diastole_ms if cycle == "full" else 0)
    sequence = EchoSequence(
        labels,
        spacing,
        frame_time_ms=duration / (n_frames - 1),
        view=parameters.view,
        source="phantom",
    )
    return Phantom(
        sequence,
        tuple(c.landmarks for c in contours),
        areas[:, 0],
        areas[:, 1],
        areas[:, 2],
        volumes,
        0,
        es_index,
        float(1 - volumes[es_index] / volumes[0]),
    )


def _grid(
    parameters: HeartParameters,
    spacing_mm: tuple[float, float] | None,
    shape: tuple[int, int] | None,
) -> tuple[tuple[float, float], tuple[int, int]]:
    size = parameters.image_depth_mm, parameters.image_width_mm
    if spacing_mm is None and shape is None:
        raise CardiovaeError("a phantom needs a spacing_mm or a shape, got neither")
    if spacing_mm is None:
        assert shape is not None
        spacing_mm = (size[0] / shape[0], size[1] / shape[1])
    if shape is None:
        shape = (round(size[0] / spacing_mm[0]), round(size[1] / spacing_mm[1]))
    return spacing_mm, shape


def _labels(
    contours: HeartContours, spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    labels = np.zeros(shape, np.uint8)
    labels[fill_polygon(contours.la, spacing_mm, shape)] = Label.LA
    labels[fill_polygon(contours.epicardium, spacing_mm, shape)] = Label.MYO
    labels[fill_polygon(contours.lv, spacing_mm, shape)] = Label.LV
    _close_tips(labels)
    return labels


def _close_tips(labels: NDArray[np.uint8]) -> None:
    """Give the cavity the pixel or two of wall that a sharp corner at a hinge cuts off."""
    box = bounding_box(labels == Label.MYO)
    if box is None:
        return
    pieces, count = ndimage.label(labels[box] == Label.MYO, np.ones((3, 3)))
    if count > 1:
        main = np.argmax(np.bincount(pieces.ravel())[1:]) + 1
        labels[box][(pieces > 0) & (pieces != main)] = Label.LV


def _areas(
    contours: HeartContours, spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> tuple[float, float, float]:
    """Exact areas of LV, MYO and LA inside the image, mm2."""
    low = (-spacing_mm[0] / 2, -spacing_mm[1] / 2)
    high = ((shape[0] - 0.5) * spacing_mm[0], (shape[1] - 0.5) * spacing_mm[1])
    lv, epicardium, la = (
        polygon_area(clip_to_image(points, low, high))
        for points in (contours.lv, contours.epicardium, contours.la)
    )
    return lv, epicardium - lv, la
