"""The twelve published anatomical metrics, as the published code computes them.

Painchaud et al., IEEE TMI 39(11), 2020; public code of vitalab/vital (`vital/metrics`), which
Echo-Toolkit inherits. They are kept faithful, shortcomings included, so that verdicts can be
compared with published ones: pixels instead of mm, a noise floor that grows with the frame, an
outside that is 8-connected in one metric and 4-connected in another, and metric 8 measuring what
metric 7 does. `cardiovae.audit.anatomy` holds the metrics we recommend.

Each takes one frame's label map, shape (H, W), or the `Heart` on it, and its spacing, which all of
them ignore. Counts are 0 for an absent structure. NaN means that the published code has no answer,
which it reads as an invalid frame.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.heart import EPI, LA, LV, MYO, Heart, Spacing
from cardiovae.labels import Label

Labels = NDArray[np.uint8] | Heart


def lv_absent(labels: Labels, _spacing_mm: Spacing) -> float:
    """1 when the frame has no LV pixel, else 0 (Echo-Toolkit's addition, named `lv_pixels`)."""
    return 0.0 if Heart.of(labels).pixels(Label.LV) else 1.0


def holes_in_lv(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 1: pixels of 8-connected holes in the LV."""
    return float(Heart.of(labels).holes(LV, around_corners=True))


def holes_in_epi(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 2: pixels of 8-connected holes in LV and MYO together."""
    return float(Heart.of(labels).holes(EPI, around_corners=True))


def holes_in_atrium(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 3: pixels of 8-connected holes in the LA."""
    return float(Heart.of(labels).holes(LA, around_corners=True))


def disconnectivity_in_lv(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 4: LV pixels outside its largest 8-connected piece."""
    return float(Heart.of(labels).detached(Label.LV))


def disconnectivity_in_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 5: MYO pixels outside its largest 8-connected piece."""
    return float(Heart.of(labels).detached(Label.MYO))


def disconnectivity_in_atrium(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 6: LA pixels outside its largest 8-connected piece."""
    return float(Heart.of(labels).detached(Label.LA))


def holes_between_lv_and_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 7: pixels caught between LV and MYO, 0 up to the noise floor.

    The published code fills the holes of either structure that do not contain the other, and
    counts what is then left of the outside apart from the region of pixel (0, 0). That is the
    4-connected regions which border both structures, without the one of pixel (0, 0). A structure
    that reaches the frame's border can therefore turn the surroundings into a gap.
    """
    heart = Heart.of(labels)
    framed = not (heart.touches_border(Label.LV) or heart.touches_border(Label.MYO))
    gap = heart.pockets(EPI, LV, MYO, framed=framed)
    return float(gap) if gap > _noise_floor(heart) else 0.0


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
    heart = Heart.of(labels)
    if heart.pixels(Label.MYO) in (0, heart.n_pixels):
        return math.nan
    # Pixels beyond the frame count as myocardium, in the erosion and in the depth.
    erosions, squared = heart.square_erosions(Label.MYO, _noise_floor(heart), enough)
    return erosions / math.sqrt(squared)


def width_ratio_between_lv_and_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Metric 12: LV pixels by MYO pixels on the row of the epicardium's center of mass.

    NaN when either has no pixel on that row.
    """
    lv, myo = Heart.of(labels).widths_at_center(Label.LV, Label.MYO)
    return lv / myo if lv and myo else math.nan


def _noise_floor(heart: Heart) -> float:
    """Largest gap, in pixels, that the published code takes for an artifact."""
    return heart.n_pixels / 2**14


def _frontier_ratio(labels: Labels, first: Label, second: Label) -> float:
    """Pixels of `first` that touch `second` by the columns `first` spans; 0 up to one pixel."""
    heart = Heart.of(labels)
    contact = heart.contact(first, second)
    return contact / heart.width(first) if contact > 1 else 0.0
