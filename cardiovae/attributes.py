"""Attributes of one frame: areas, lengths, orientation and position, in physical units.

The first seven are those of Painchaud et al., IEEE TMI 41(10), 2022, with the definitions of its
public code; the area of the left atrium is ours. Positions are measured from the center of pixel
(0, 0), x along columns and y along rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.runs import Runs, encode, plain
from cardiovae.kernels.survey import moments
from cardiovae.labels import STRUCTURES, Label
from cardiovae.landmarks import FRAME, Landmarks, axis_of, landmarks_on

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "lv_area": "mm2",
        "lv_base_width": "mm",
        "lv_length": "mm",
        "lv_orientation": "deg",
        "myo_area": "mm2",
        "epi_center_x": "mm",
        "epi_center_y": "mm",
        "la_area": "mm2",
    }
)
ATTRIBUTES = tuple(UNITS)
# What means the same on a short-axis slice; the others follow the long axis of an apical view.
ON_SLICES = ("lv_area", "myo_area", "epi_center_x", "epi_center_y")


@dataclass(frozen=True)
class FrameAttributes:
    """Attributes and landmarks of one frame.

    `values` holds one number per name in `ATTRIBUTES` (units in `UNITS`), NaN where it cannot be
    measured; `reasons` says why, for exactly those names.
    """

    values: Mapping[str, float]
    reasons: Mapping[str, str]
    landmarks: Landmarks

    def __getitem__(self, name: str) -> float:
        return self.values[name]


def measure_attributes(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    structures: tuple[Label, ...] = STRUCTURES,
) -> FrameAttributes:
    """Measure one frame; never raises on a broken mask, never invents a number.

    Args:
        labels: Label map of one frame, shape (H, W).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm. Where it is not
            known, pass (1.0, 1.0) and read the results in pixels.
        structures: Annotated structures; attributes of others are NaN.

    Returns:
        Values in mm, mm2 and degrees. The orientation is the angle of the LV's long axis against
        the vertical, positive when the base lies to the right of the apex.

    Examples:
        >>> labels = np.zeros((6, 6), np.uint8)
        >>> labels[1:5, 2:4] = 1
        >>> found = measure_attributes(labels, (0.5, 2.0), (Label.LV,))
        >>> found["lv_area"], found.reasons["myo_area"]
        (8.0, 'MYO is not annotated')
    """
    return attributes_on(encode(plain(labels)), spacing_mm, structures)


def attributes_on(
    runs: Runs,
    spacing_mm: tuple[float, float],
    structures: tuple[Label, ...] = STRUCTURES,
) -> FrameAttributes:
    """`measure_attributes` of a frame, given its framed runs."""
    values = dict.fromkeys(ATTRIBUTES, math.nan)
    reasons: dict[str, str] = {}
    pixel_mm2 = spacing_mm[0] * spacing_mm[1]
    sums: list[list[int]] = moments(*runs[:4]).tolist()
    names = ("lv_area", "myo_area", "la_area")
    for name, structure in zip(names, STRUCTURES, strict=True):
        if structure not in structures:
            reasons[name] = f"{structure.name} is not annotated"
        elif not sums[structure][0]:
            reasons[name] = f"no {structure.name} pixel"
        else:
            values[name] = sums[structure][0] * pixel_mm2

    total, rows, cols = (sums[Label.LV][k] + sums[Label.MYO][k] for k in range(3))
    if total == 0:
        reasons["epi_center_x"] = reasons["epi_center_y"] = "no LV or MYO pixel"
    else:
        values["epi_center_x"] = (cols - FRAME * total) / total * spacing_mm[1]
        values["epi_center_y"] = (rows - FRAME * total) / total * spacing_mm[0]

    axis = axis_of(sums[Label.LV], spacing_mm)
    if axis is None:
        reasons["lv_orientation"] = "the LV has no long axis"
    else:
        values["lv_orientation"] = math.degrees(math.atan2(axis.down[1], axis.down[0]))

    marks = landmarks_on(runs, sums[Label.LV], spacing_mm, structures)
    if marks.reason:
        reasons["lv_length"] = reasons["lv_base_width"] = marks.reason
    else:
        values["lv_length"] = math.dist(marks.apex_mm, marks.base_mm)
        values["lv_base_width"] = math.dist(marks.hinge_left_mm, marks.hinge_right_mm)
    return FrameAttributes(MappingProxyType(values), MappingProxyType(reasons), marks)


def attribute_signals(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    structures: tuple[Label, ...] = STRUCTURES,
) -> dict[str, NDArray[np.float64]]:
    """The attributes of every frame of `labels`, shape (H, W, T), as one array (T,) per name."""
    frames = [
        measure_attributes(labels[:, :, t], spacing_mm, structures) for t in range(labels.shape[2])
    ]
    return {name: np.array([f[name] for f in frames]) for name in ATTRIBUTES}
