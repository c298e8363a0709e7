"""The twelve published anatomical metrics, as the published code computes them.

Painchaud et al., IEEE TMI 39(11), 2020; public code of vitalab/vital (`vital/metrics`), which
Echo-Toolkit inherits. They are kept faithful, shortcomings included, so that verdicts can be
compared with published ones: pixels instead of mm, a noise floor that grows with the frame, an
outside that is 8-connected in one metric and 4-connected in another, and metric 8 measuring what
metric 7 does. `cardiovae.audit.anatomy` holds the metrics we recommend.

Each takes one frame's label map, shape (H, W), and its spacing, which all of them ignore. Counts
are 0 for an absent structure. NaN means that the published code has no answer, which it reads as
an invalid frame.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.audit.regions import (
    CROSS,
    SQUARE,
    detached_pixels,
    erosions_before_split,
    hole_pixels,
    pieces,
    pocket_pixels,
    touching,
    width_pixels,
)
from cardiovae.labels import Label
from cardiovae.morphology import Mask, bounding_box, dilate

Labels = NDArray[np.uint8]
Spacing = tuple[float, float]


def lv_absent(labels: Labels, _spacing_mm: Spacing) -> float:
    """1 when the frame has no LV pixel, else 0 (Echo-Toolkit's addition, named `lv_pixels`)."""
    return 0.0 if (labels == Label.LV).any() else 1.0


def holes_in_lv(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 1: pixels of 8-connected holes in the LV."""
    return float(hole_pixels(labels == Label.LV, SQUARE))


def holes_in_epi(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 2: pixels of 8-connected holes in LV and MYO together."""
    return float(hole_pixels(_epicardium(labels), SQUARE))


def holes_in_atrium(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 3: pixels of 8-connected holes in the LA."""
    return float(hole_pixels(labels == Label.LA, SQUARE))


def disconnectivity_in_lv(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 4: LV pixels outside its largest 8-connected piece."""
    return float(detached_pixels(labels == Label.LV))


def disconnectivity_in_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 5: MYO pixels outside its largest 8-connected piece."""
    return float(detached_pixels(labels == Label.MYO))


def disconnectivity_in_atrium(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 6: LA pixels outside its largest 8-connected piece."""
    return float(detached_pixels(labels == Label.LA))


def holes_between_lv_and_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 7: pixels caught between LV and MYO, 0 up to the noise floor.

    The published code fills the holes of either structure that do not contain the other, and
    counts what is then left of the outside apart from the region of pixel (0, 0). That is the
    4-connected regions which border both structures, without the one of pixel (0, 0). A structure
    that reaches the frame's border can therefore turn the surroundings into a gap.
    """
    lv, myo = labels == Label.LV, labels == Label.MYO
    union = lv | myo
    if union[0].any() or union[-1].any() or union[:, 0].any() or union[:, -1].any():
        numbers, count = pieces(~union, CROSS)
        between = touching(numbers, count, lv) & touching(numbers, count, myo)
        between[[0, numbers[0, 0]]] = False
        gap = int(np.count_nonzero(between[numbers]))
    else:
        gap = pocket_pixels(lv, myo, union)
    return float(gap) if gap > _noise_floor(labels) else 0.0


def holes_between_lv_and_atrium(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 8: named after LV and LA, but computed by the published code as metric 7 is."""
    return holes_between_lv_and_myo(labels, spacing_mm)


def frontier_ratio_between_lv_and_bg(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 9: LV pixels with background among their 8 neighbors, by the LV's width."""
    return _frontier_ratio(labels, Label.LV, Label.BACKGROUND)


def frontier_ratio_between_myo_and_atrium(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 10: MYO pixels with LA among their 8 neighbors, by the MYO's width."""
    return _frontier_ratio(labels, Label.MYO, Label.LA)


def erosion_ratio_before_myo_split(
    labels: Labels, _spacing_mm: Spacing, *, enough: float = math.inf
) -> float:
    """Metric 11: 3 x 3 erosions until the MYO is not one piece, by its largest Euclidean depth.

    NaN without MYO, and when it fills the frame (the published code does not end then). Values
    above `enough` need not be told apart, which saves time.
    """
    myo = labels == Label.MYO
    box = bounding_box(myo, margin=1)
    if box is None or myo.all():
        return math.nan
    # Pixels beyond the frame count as myocardium, in the erosion and in the depth.
    crop = myo[box]
    thickest = float(ndimage.distance_transform_edt(crop).max())
    depth = ndimage.distance_transform_cdt(crop, "chessboard")
    return erosions_before_split(depth, 1, _noise_floor(labels), enough * thickest) / thickest


def width_ratio_between_lv_and_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 12: LV pixels by MYO pixels on the row of the epicardium's center of mass.

    NaN when either has no pixel on that row.
    """
    counts = _epicardium(labels).sum(1)
    if not counts.any():
        return math.nan
    row = labels[int(counts @ np.arange(counts.size) / counts.sum())]
    lv, myo = np.count_nonzero(row == Label.LV), np.count_nonzero(row == Label.MYO)
    return float(lv / myo) if lv and myo else math.nan


def _epicardium(labels: Labels) -> Mask:
    mask: Mask = (labels == Label.LV) | (labels == Label.MYO)
    return mask


def _noise_floor(labels: Labels) -> float:
    """Largest gap, in pixels, that the published code takes for an artifact."""
    return labels.size / 2**14


def _frontier_ratio(labels: Labels, first: Label, second: Label) -> float:
    """Pixels of `first` that touch `second` by the columns `first` spans; 0 up to one pixel."""
    box = bounding_box(labels == first, margin=1)
    if box is None:
        return 0.0
    mask = labels[box] == first
    contact = int(np.count_nonzero(mask & dilate(labels[box] == second)))
    return contact / width_pixels(mask) if contact > 1 else 0.0
