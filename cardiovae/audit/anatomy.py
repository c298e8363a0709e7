"""The anatomical metrics of the `camus` criteria, each a pure function of one frame.

They keep the numbers and the ideas of the twelve published metrics (Painchaud et al., IEEE TMI
39(11), 2020) and mend what `docs/decisions/0001-differences-from-published-code.md` lists:
areas in mm2, anisotropic pixels honored, structures 8-connected and their outside 4-connected,
the frame's border outside, the gap between LV and LA really measured, frontiers as the longest
contiguous segment. No metric depends on how much background surrounds the heart.

Each takes one frame's label map, shape (H, W), or the `Heart` on it, which measures once what
several metrics need, and `spacing_mm`, the distance between pixel centers along (rows, columns).
Areas are 0.0 for an absent structure and ratios NaN; whether a
structure must be there is a criterion of its own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.heart import ANY, EPI, LA, LV, MYO, Heart, Spacing
from cardiovae.labels import Label

Labels = NDArray[np.uint8] | Heart

# Depth levels at which `myo_thickness_ratio` looks for a split: it is known to 1/20. Chosen so
# that the number of labelings does not grow with the resolution.
DEPTH_LEVELS = 20
# Pieces below this share of the MYO are artifacts of an erosion, not parts of a wall: 2.3 mm2 of
# the 23 cm2 that a CAMUS myocardium measures; the published floor is 1.7 mm2 there (H W / 2^14).
SMALLEST_PIECE = 1e-3


def lv_present(labels: Labels, _spacing_mm: Spacing) -> float:
    """1.0 when the frame has an LV, else 0.0."""
    return float(Heart.of(labels).pixels(Label.LV) > 0)


def myo_present(labels: Labels, _spacing_mm: Spacing) -> float:
    """1.0 when the frame has a MYO, else 0.0."""
    return float(Heart.of(labels).pixels(Label.MYO) > 0)


def la_present(labels: Labels, _spacing_mm: Spacing) -> float:
    """1.0 when the frame has an LA, else 0.0."""
    return float(Heart.of(labels).pixels(Label.LA) > 0)


def lv_hole_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 1: area of the holes in the LV, in mm2.

    Examples:
        >>> ring = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.uint8)
        >>> lv_hole_area_mm2(ring, (0.5, 0.5))
        0.25
    """
    return Heart.of(labels).holes(LV) * _pixel_mm2(spacing_mm)


def epi_hole_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 2: area of the holes in the epicardium, LV and MYO together, in mm2."""
    return Heart.of(labels).holes(EPI) * _pixel_mm2(spacing_mm)


def la_hole_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 3: area of the holes in the LA, in mm2."""
    return Heart.of(labels).holes(LA) * _pixel_mm2(spacing_mm)


def lv_disconnected_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 4: area of the LV outside its largest piece, in mm2."""
    return Heart.of(labels).detached(Label.LV) * _pixel_mm2(spacing_mm)


def myo_disconnected_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 5: area of the MYO outside its largest piece, in mm2."""
    return Heart.of(labels).detached(Label.MYO) * _pixel_mm2(spacing_mm)


def la_disconnected_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 6: area of the LA outside its largest piece, in mm2."""
    return Heart.of(labels).detached(Label.LA) * _pixel_mm2(spacing_mm)


def lv_myo_gap_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 7: area of the pockets between LV and MYO, in mm2.

    A pocket is a 4-connected region that the two enclose and that borders both.
    """
    return Heart.of(labels).pockets(LV | MYO, LV, MYO) * _pixel_mm2(spacing_mm)


def lv_la_gap_area_mm2(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 8: area of the pockets between LV and LA, in mm2.

    As for metric 7. A gap that the myocardium closes at its ends is in `annulus_gap_ratio`;
    one that is open shows in `lv_la_frontier_ratio` and `lv_background_frontier_ratio`.

    Examples:
        >>> labels = np.array([[1, 1, 1], [1, 0, 1], [3, 3, 3]], np.uint8)
        >>> lv_la_gap_area_mm2(labels, (2.0, 0.5))
        1.0
    """
    return Heart.of(labels).pockets(LV | LA, LV, LA) * _pixel_mm2(spacing_mm)


def annulus_gap_ratio(labels: Labels, _spacing_mm: Spacing) -> float:
    """Background that all structures together enclose between LV and LA, by the LV's area.

    Ours: a gap along the annulus is closed by the myocardium at its ends, so that LV and LA alone
    do not enclose it. Where the three meet, real masks leave a few pixels unlabeled; a ratio, so
    that those can be told from a gap where the spacing is not known. NaN without LV.

    Examples:
        >>> labels = np.array([[2, 1, 1, 2], [2, 0, 0, 2], [2, 3, 3, 2]], np.uint8)
        >>> annulus_gap_ratio(labels, (1.0, 1.0)), lv_la_gap_area_mm2(labels, (1.0, 1.0))
        (1.0, 0.0)
    """
    heart = Heart.of(labels)
    area = heart.pixels(Label.LV)
    return heart.pockets(ANY, LV, LA) / area if area else math.nan


def lv_background_frontier_ratio(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 9: longest contiguous frontier of LV and background, by the LV's width.

    Beyond the frame is background. Without an annotated LA this is the open base, which has to be
    there. NaN without LV.
    """
    return _frontier_ratio(labels, Label.LV, Label.BACKGROUND, spacing_mm)


def myo_la_frontier_ratio(labels: Labels, spacing_mm: Spacing) -> float:
    """Metric 10: longest contiguous frontier of MYO and LA, by the MYO's width; NaN without."""
    return _frontier_ratio(labels, Label.MYO, Label.LA, spacing_mm)


def lv_la_frontier_ratio(labels: Labels, spacing_mm: Spacing) -> float:
    """Longest contiguous frontier of LV and LA, the mitral valve, by the LV's width.

    0.0 when they do not touch, NaN without LV. Ours: the published metrics do not see an LA that
    lies apart from the LV.
    """
    return _frontier_ratio(labels, Label.LV, Label.LA, spacing_mm)


def myo_thickness_ratio(labels: Labels, spacing_mm: Spacing, *, enough: float = 1.0) -> float:
    """Metric 11: depth of erosion that splits the MYO, by its largest depth.

    Both in mm. 0.0 for a MYO in pieces, 1.0 for one that shrinks to a point without a split, NaN
    without MYO. Values above `enough` need not be told apart, which saves time.
    """
    heart = Heart.of(labels)
    area = heart.pixels(Label.MYO)
    if not area:
        return math.nan
    smallest = SMALLEST_PIECE * area
    erosions = heart.erosions(Label.MYO, spacing_mm, DEPTH_LEVELS, smallest, enough * DEPTH_LEVELS)
    return min(erosions / DEPTH_LEVELS, 1.0)


def lv_myo_width_ratio(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 12: width of the LV by that of the MYO's walls, at mid-height.

    On the row of the epicardium's center of mass; NaN when either has no pixel there.
    """
    lv, myo = Heart.of(labels).widths_at_center(Label.LV, Label.MYO)
    return lv / myo if lv and myo else math.nan


def _pixel_mm2(spacing_mm: Spacing) -> float:
    return spacing_mm[0] * spacing_mm[1]


def _frontier_ratio(labels: Labels, first: Label, second: Label, spacing_mm: Spacing) -> float:
    """Longest frontier in mm by the width of `first` in mm; NaN without `first`."""
    heart = Heart.of(labels)
    width = heart.width(first)
    if not width:
        return math.nan
    rows, cols = heart.longest_contact(first, second, spacing_mm)
    return math.hypot(rows * spacing_mm[0], cols * spacing_mm[1]) / (width * spacing_mm[1])
