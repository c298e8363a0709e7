"""Every anatomical metric in plain numpy and scipy: the slow oracle of the compiled ones.

They are the metrics of `cardiovae.audit.anatomy` and of `cardiovae.audit.public` as they were
before they worked on runs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from slow_regions import (
    detached_pixels,
    erosions_before_split,
    hole_pixels,
    longest_frontier_mm,
    pocket_pixels,
    touching,
    width_pixels,
)

from cardiovae.audit.criteria import CriteriaSet
from cardiovae.audit.regions import CROSS, SQUARE, padded, pieces
from cardiovae.labels import STRUCTURES, Label
from cardiovae.morphology import Mask, bounding_box, dilate

Labels = NDArray[np.uint8]
Spacing = tuple[float, float]

# Depth levels at which `myo_thickness_ratio` looks for a split: it is known to 1/20. Chosen so
# that the number of labelings does not grow with the resolution.
DEPTH_LEVELS = 20
# Pieces below this share of the MYO are artifacts of an erosion, not parts of a wall: 2.3 mm2 of
# the 23 cm2 that a CAMUS myocardium measures; the published floor is 1.7 mm2 there (H W / 2^14).
SMALLEST_PIECE = 1e-3


def lv_present(labels: Labels, _spacing_mm: Spacing) -> float:
    """1.0 when the frame has an LV, else 0.0."""
    return float((labels == Label.LV).any())


def myo_present(labels: Labels, _spacing_mm: Spacing) -> float:
    """1.0 when the frame has a MYO, else 0.0."""
    return float((labels == Label.MYO).any())


def la_present(labels: Labels, _spacing_mm: Spacing) -> float:
    """1.0 when the frame has an LA, else 0.0."""
    return float((labels == Label.LA).any())


def lv_hole_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 1: area of the holes in the LV, in mm2."""
    return hole_pixels(labels == Label.LV) * _pixel_mm2(spacing_mm)


def epi_hole_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 2: area of the holes in the epicardium, LV and MYO together, in mm2."""
    return hole_pixels(_epicardium(labels)) * _pixel_mm2(spacing_mm)


def la_hole_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 3: area of the holes in the LA, in mm2."""
    return hole_pixels(labels == Label.LA) * _pixel_mm2(spacing_mm)


def lv_disconnected_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 4: area of the LV outside its largest piece, in mm2."""
    return detached_pixels(labels == Label.LV) * _pixel_mm2(spacing_mm)


def myo_disconnected_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 5: area of the MYO outside its largest piece, in mm2."""
    return detached_pixels(labels == Label.MYO) * _pixel_mm2(spacing_mm)


def la_disconnected_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 6: area of the LA outside its largest piece, in mm2."""
    return detached_pixels(labels == Label.LA) * _pixel_mm2(spacing_mm)


def lv_myo_gap_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 7: area of the pockets between LV and MYO, in mm2."""
    lv, myo = labels == Label.LV, labels == Label.MYO
    return pocket_pixels(lv, myo, lv | myo) * _pixel_mm2(spacing_mm)


def lv_la_gap_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 8: area of the pockets between LV and LA, in mm2."""
    lv, la = labels == Label.LV, labels == Label.LA
    return pocket_pixels(lv, la, lv | la) * _pixel_mm2(spacing_mm)


def annulus_gap_ratio(labels: Labels, _spacing_mm: Spacing) -> float:
    """Background that all structures together enclose between LV and LA, by the LV's area."""
    lv, la = labels == Label.LV, labels == Label.LA
    if not lv.any():
        return math.nan
    gap = pocket_pixels(lv, la, labels != Label.BACKGROUND)
    return float(gap / np.count_nonzero(lv))


def lv_background_frontier_ratio(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 9: longest contiguous frontier of LV and background, by the LV's width."""
    return _frontier_ratio(labels, Label.LV, Label.BACKGROUND, spacing_mm)


def myo_la_frontier_ratio(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 10: longest contiguous frontier of MYO and LA, by the MYO's width; NaN without."""
    return _frontier_ratio(labels, Label.MYO, Label.LA, spacing_mm)


def lv_la_frontier_ratio(labels: Labels, spacing_mm: Spacing) -> float:
    """Longest contiguous frontier of LV and LA, the mitral valve, by the LV's width."""
    return _frontier_ratio(labels, Label.LV, Label.LA, spacing_mm)


def myo_thickness_ratio(labels: Labels, spacing_mm: Spacing, *, enough: float = 1.0) -> float:
    """Metric 11: depth of erosion that splits the MYO, by its largest depth."""
    myo = labels == Label.MYO
    box = bounding_box(myo)
    if box is None:
        return math.nan
    depth = ndimage.distance_transform_edt(padded(myo[box]), sampling=spacing_mm)
    step = float(depth.max()) / DEPTH_LEVELS
    smallest = SMALLEST_PIECE * np.count_nonzero(myo)
    erosions = erosions_before_split(depth, step, smallest, enough * DEPTH_LEVELS)
    return min(erosions / DEPTH_LEVELS, 1.0)


def lv_myo_width_ratio(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 12: width of the LV by that of the MYO's walls, at mid-height."""
    counts = _epicardium(labels).sum(1)
    if not counts.any():
        return math.nan
    row = labels[int(counts @ np.arange(counts.size) / counts.sum())]
    lv, myo = np.count_nonzero(row == Label.LV), np.count_nonzero(row == Label.MYO)
    return float(lv / myo) if lv and myo else math.nan


def _pixel_mm2(spacing_mm: Spacing) -> float:
    return spacing_mm[0] * spacing_mm[1]


def _epicardium(labels: Labels) -> Mask:
    mask: Mask = (labels == Label.LV) | (labels == Label.MYO)
    return mask


def _frontier_ratio(labels: Labels, first: Label, second: Label, spacing_mm: Spacing) -> float:
    """Longest frontier in mm by the width of `first` in mm; NaN without `first`."""
    mask = labels == first
    box = bounding_box(mask, margin=1)
    if box is None:
        return math.nan
    around = np.pad(labels[box], 1)
    frontier = longest_frontier_mm(around == first, around == second, spacing_mm)
    return frontier / (width_pixels(mask) * spacing_mm[1])


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
    """Metric 7: pixels caught between LV and MYO, 0 up to the noise floor."""
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
    return _published_frontier_ratio(labels, Label.LV, Label.BACKGROUND)


def frontier_ratio_between_myo_and_atrium(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 10: MYO pixels with LA among their 8 neighbors, by the MYO's width."""
    return _published_frontier_ratio(labels, Label.MYO, Label.LA)


def erosion_ratio_before_myo_split(
    labels: Labels, _spacing_mm: Spacing, *, enough: float = math.inf
) -> float:
    """Metric 11: 3 x 3 erosions until the MYO is not one piece, by its largest Euclidean depth."""
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
    """Metric 12: LV pixels by MYO pixels on the row of the epicardium's center of mass."""
    counts = _epicardium(labels).sum(1)
    if not counts.any():
        return math.nan
    row = labels[int(counts @ np.arange(counts.size) / counts.sum())]
    lv, myo = np.count_nonzero(row == Label.LV), np.count_nonzero(row == Label.MYO)
    return float(lv / myo) if lv and myo else math.nan


def _noise_floor(labels: Labels) -> float:
    """Largest gap, in pixels, that the published code takes for an artifact."""
    return labels.size / 2**14


def _published_frontier_ratio(labels: Labels, first: Label, second: Label) -> float:
    """Pixels of `first` that touch `second` by the columns `first` spans; 0 up to one pixel."""
    box = bounding_box(labels == first, margin=1)
    if box is None:
        return 0.0
    mask = labels[box] == first
    contact = int(np.count_nonzero(mask & dilate(labels[box] == second)))
    return contact / width_pixels(mask) if contact > 1 else 0.0


def audit_frame(
    labels: Labels,
    spacing_mm: Spacing | None,
    criteria_set: CriteriaSet,
    structures: tuple[Label, ...],
) -> dict[str, tuple[float, str]]:
    """Value and verdict of every criterion that applies, by name."""
    absent = {s.name.lower() for s in STRUCTURES if not (labels == s).any()}
    found = {}
    for criterion in criteria_set.applying_to(structures):
        value = math.nan
        of_absent = criteria_set.kind == "anatomy" and absent & set(criterion.structures)
        if not of_absent or criterion.unit == "flag":
            value = globals()[criterion.metric](labels, spacing_mm or (1.0, 1.0))
        if spacing_mm is None and criterion.unit in ("mm", "mm2") and value != 0:
            value = math.nan
        verdict = "PASS" if criterion.allows(value) else "FAIL"
        found[criterion.name] = (value, "NOT_MEASURABLE" if math.isnan(value) else verdict)
    return found
