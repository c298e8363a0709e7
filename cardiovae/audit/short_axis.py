"""The sixteen published metrics of a short-axis slice of cardiac MRI, as pure functions.

Painchaud et al., IEEE TMI 39(11), 2020, as the public code of vitalab/vital computes them
(`vital/data/acdc/metrics/anatomical` and `vital/metrics/evaluate/segmentation.py`): counts in
pixels, gaps and concavities in mm, holes around which a diagonal contour does not close, gaps up
to a noise floor of 1 / 2^14 of the frame and contacts of one pixel ignored. Circularity is taken
in pixels, as there: slices have square ones.

Where that code depends on how a slice lies in its frame, this does not: beyond the frame is
outside, also for a structure that reaches its border, and holes of the MYO are counted less the
whole LV, not less its first piece in reading order. Turned or mirrored slices get the same values.

Each takes one slice's label map, shape (H, W), or the `Heart` on it, and `spacing_mm`, the
distance between pixel centers along (rows, columns). Without a structure that a metric is about
it is NaN, which the published code passes: near base and apex a slice may lack any of the three.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.audit.heart import EPI, LV, MYO, RV, Heart, Spacing
from cardiovae.labels import Label
from cardiovae.morphology import dilate

Labels = NDArray[np.uint8] | Heart

NOISE_SHARE = 2**14
"""The largest gap taken for an artifact is the frame's pixels by this, as published."""
_SQUARE = np.ones((3, 3), bool)


def disconnectivity_in_lv(labels: Labels, _spacing_mm: Spacing) -> float:
    """LV pixels outside its largest 8-connected piece."""
    return _detached(labels, Label.LV)


def disconnectivity_in_rv(labels: Labels, _spacing_mm: Spacing) -> float:
    """RV pixels outside its largest 8-connected piece."""
    return _detached(labels, Label.RV)


def disconnectivity_in_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """MYO pixels outside its largest 8-connected piece."""
    return _detached(labels, Label.MYO)


def holes_in_lv(labels: Labels, _spacing_mm: Spacing) -> float:
    """Pixels of 8-connected holes in the LV."""
    return _holes(labels, Label.LV)


def holes_in_rv(labels: Labels, _spacing_mm: Spacing) -> float:
    """Pixels of 8-connected holes in the RV."""
    return _holes(labels, Label.RV)


def holes_in_myo(labels: Labels, spacing_mm: Spacing) -> float:
    """Pixels of 8-connected holes in the MYO, less those of the LV; 0 for an open ring.

    Negative where a closed ring holds less than the whole LV, which is as wrong. What opens the
    ring shows in `frontier_between_lv_and_background` and `frontier_between_lv_and_rv`.

    Examples:
        >>> ring = np.array([[2, 2, 2, 2], [2, 1, 0, 2], [2, 2, 2, 2]], np.uint8)
        >>> holes_in_myo(ring, (1.0, 1.0))
        1.0
    """
    holes = _holes(labels, Label.MYO)
    return holes - Heart.of(labels).pixels(Label.LV) if holes > 0 else holes


def frontier_between_lv_and_background(labels: Labels, _spacing_mm: Spacing) -> float:
    """LV pixels with background among their 8 neighbors; 0 for a single one.

    Beyond the frame is none. An LV without a MYO around it fails here.
    """
    return _frontier(Heart.of(labels), Label.LV, Label.BACKGROUND)


def frontier_between_lv_and_rv(labels: Labels, _spacing_mm: Spacing) -> float:
    """LV pixels with RV among their 8 neighbors; 0 for a single one, NaN without either."""
    heart = Heart.of(labels)
    return _frontier(heart, Label.LV, Label.RV) if heart.pixels(Label.RV) else math.nan


def holes_between_lv_and_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Pixels of the 4-connected regions that LV and MYO enclose and that border both.

    0 up to the noise floor, NaN without either.
    """
    return _gap(labels, EPI, LV, MYO, (Label.LV, Label.MYO))


def holes_between_rv_and_myo(labels: Labels, _spacing_mm: Spacing) -> float:
    """Pixels of the 4-connected regions that RV and MYO enclose and that border both.

    0 up to the noise floor, NaN without either.
    """
    return _gap(labels, RV | MYO, RV, MYO, (Label.RV, Label.MYO))


def rv_disconnected_from_myo(labels: Labels, spacing_mm: Spacing) -> float:
    """Width in mm of the gap between RV and MYO; 0 where they touch, NaN without either.

    The smallest distance between pixel centers of the MYO and of the RV dilated by 3 x 3 pixels.

    Examples:
        >>> rv_disconnected_from_myo(np.array([[2, 0, 0, 0, 4]], np.uint8), (1.0, 1.5))
        4.5
    """
    heart = Heart.of(labels)
    if not (heart.pixels(Label.RV) and heart.pixels(Label.MYO)):
        return math.nan
    if heart.contact(Label.RV, Label.MYO):
        return 0.0
    distance_mm = ndimage.distance_transform_edt(heart.labels != Label.MYO, sampling=spacing_mm)
    return float(distance_mm[dilate(heart.labels == Label.RV)].min())


def lv_circularity(labels: Labels, _spacing_mm: Spacing) -> float:
    """4 pi area / perimeter^2 of the LV with its holes filled; see `myo_circularity`."""
    return _circularity(Heart.of(labels), Label.LV)


def myo_circularity(labels: Labels, _spacing_mm: Spacing) -> float:
    """4 pi area / perimeter^2 of the MYO with its holes filled, so of the epicardium.

    In pixels; the perimeter is that of `skimage.measure.perimeter` with 4 neighbors (Benkrid,
    Crookes and Benkrid, "Design and FPGA implementation of a perimeter estimator", 2000). NaN for
    a structure too small to have one.
    """
    return _circularity(Heart.of(labels), Label.MYO)


def lv_concavity(labels: Labels, spacing_mm: Spacing) -> float:
    """Depth in mm of the deepest concavity of the LV; see `myo_concavity`."""
    return _concavity(Heart.of(labels), Label.LV, spacing_mm)


def rv_concavity(labels: Labels, spacing_mm: Spacing) -> float:
    """Depth in mm of the deepest concavity of the RV, a crescent; see `myo_concavity`."""
    return _concavity(Heart.of(labels), Label.RV, spacing_mm)


def myo_concavity(labels: Labels, spacing_mm: Spacing) -> float:
    """Depth in mm of the deepest concavity of the MYO with its holes filled.

    A concavity is what the convex hull of the pixels has more than the filled structure, eroded by
    3 x 3 pixels; its depth is the largest distance of one of its pixels to the outside of the
    hull. So a dent up to two pixels wide is none, and an open ring has one.
    """
    return _concavity(Heart.of(labels), Label.MYO, spacing_mm)


def _detached(labels: Labels, label: Label) -> float:
    heart = Heart.of(labels)
    return float(heart.detached(label)) if heart.pixels(label) else math.nan


def _holes(labels: Labels, label: Label) -> float:
    heart = Heart.of(labels)
    return float(heart.holes(1 << label, around_corners=True)) if heart.pixels(label) else math.nan


def _frontier(heart: Heart, first: Label, second: Label) -> float:
    """Pixels of `first` that touch `second`, of which one alone is none; NaN without `first`."""
    if not heart.pixels(first):
        return math.nan
    contact = heart.contact(first, second)
    return float(contact) if contact > 1 else 0.0


def _gap(
    labels: Labels, walls: int, one: int, other: int, structures: tuple[Label, Label]
) -> float:
    heart = Heart.of(labels)
    if not all(map(heart.pixels, structures)):
        return math.nan
    gap = heart.pockets(walls, one, other)
    return float(gap) if gap > heart.n_pixels / NOISE_SHARE else 0.0


def _circularity(heart: Heart, label: Label) -> float:
    # skimage is needed for slices alone, and takes longer to start than echo takes to be audited.
    from skimage.measure import perimeter

    solid = heart.solid(label)
    if not solid.size:
        return math.nan
    length = float(perimeter(solid, 4))  # type: ignore[no-untyped-call]
    return 4 * math.pi * int(np.count_nonzero(solid)) / length**2 if length else math.nan


def _concavity(heart: Heart, label: Label, spacing_mm: Spacing) -> float:
    from skimage.morphology import convex_hull_image  # late for the reason above

    solid = heart.solid(label)
    if not solid.size:
        return math.nan
    hull = convex_hull_image(solid)  # type: ignore[no-untyped-call]
    dents = ndimage.binary_erosion(hull & ~solid, _SQUARE)
    if not dents.any():
        return 0.0
    depth_mm = ndimage.distance_transform_edt(hull, sampling=spacing_mm)
    return float(depth_mm[dents].max())
