"""Left ventricular volume and ejection fraction by Simpson's method of disks.

Twenty disks, biplane where both apical views are there: V = pi / 4 * sum(d2 * d4) * L / 20, with
the longer of the two axes as L (METHODS 7.6, after `heart_us.py` of the public code `vital`; the
recommendation of Lang et al., J Am Soc Echocardiogr 28(1), 2015). A single view stands for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.landmarks import find_landmarks
from cardiovae.morphology import bounding_box

N_DISKS = 20
_SUBPIXELS = 4  # a pixel on the edge of two disks is shared by both, in sixteenths
_MM3_PER_ML = 1000.0


@dataclass(frozen=True, eq=False)
class Disks:
    """The left ventricle of one frame, cut across its long axis.

    Args:
        widths_mm: Mean width of each disk, base to apex, shape (20,); NaN where unknown.
        length_mm: From the annulus to the apex.
        area_mm2: Of the LV, which says what is ED and what is ES; 0 when there is none.
        reason: Why it could not be cut; empty when it was.
    """

    widths_mm: NDArray[np.float64]
    length_mm: float
    area_mm2: float
    reason: str = ""


@dataclass(frozen=True)
class Ejection:
    """Volumes at ED and ES, and the ejection fraction.

    Args:
        ed_ml: End-diastolic volume.
        es_ml: End-systolic volume.
        ef_percent: Share of the end-diastolic volume that leaves, in percent.
        method: "biplane" or "single-plane".
        reason: Why a number is missing; empty when none is.
    """

    ed_ml: float
    es_ml: float
    ef_percent: float
    method: str
    reason: str = ""


def lv_disks(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    structures: tuple[Label, ...] = STRUCTURES,
) -> Disks:
    """Cut the left ventricle of one frame into 20 disks of the same height.

    The axis runs from the middle of the annulus to the apex (`cardiovae.landmarks`), half a pixel
    further at both ends, since landmarks are centers of pixels that belong to the ventricle. The
    width of a disk is the LV's area in it over its height; what lies beyond the annulus, where
    that is not square to the axis, is left out.

    Args:
        labels: Label map of one frame, shape (H, W).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        structures: Annotated structures; without MYO the annulus is found by the LV's corners.

    Returns:
        The disks; NaN and a reason where the landmarks cannot be found.
    """
    lv = labels == Label.LV
    area = float(np.count_nonzero(lv)) * spacing_mm[0] * spacing_mm[1]
    marks = find_landmarks(labels, spacing_mm, structures)
    if marks.reason or marks.base_mm == marks.apex_mm:
        reason = marks.reason or "the apex lies on the annulus"
        return Disks(np.full(N_DISKS, np.nan), math.nan, area, reason)
    return Disks(*cut_disks(lv, spacing_mm, marks.base_mm, marks.apex_mm), area)


def cut_disks(
    mask: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    base_mm: tuple[float, float],
    tip_mm: tuple[float, float],
) -> tuple[NDArray[np.float64], float]:
    """Cut a mask across an axis into 20 disks of the same height.

    Args:
        mask: What is cut, shape (H, W).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        base_mm: First pixel center of the axis, (row, col).
        tip_mm: Its last, another one. The axis is half a pixel longer at both ends.

    Returns:
        Mean width of each disk in mm, base to tip, shape (20,), and the length of the axis in mm;
        what lies beyond its ends is left out.
    """
    base, tip = np.array(base_mm), np.array(tip_mm)
    between = math.dist(base_mm, tip_mm)
    up = (tip - base) / between
    half_pixel = float(np.abs(up) @ np.array(spacing_mm)) / 2
    length = between + 2 * half_pixel
    depth = _depths(mask, spacing_mm, base, up) + half_pixel
    index = np.floor(depth * N_DISKS / length).astype(np.int64)
    inside = index[(index >= 0) & (index < N_DISKS)]
    part_mm2 = spacing_mm[0] * spacing_mm[1] / _SUBPIXELS**2
    areas = np.bincount(inside, minlength=N_DISKS) * part_mm2
    return np.asarray(areas / (length / N_DISKS), np.float64), length


def _depths(
    lv: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    base: NDArray[np.float64],
    up: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Height above the annulus, along the axis, of every part of every pixel of `lv`, in mm."""
    box = bounding_box(lv) or (slice(0, 0), slice(0, 0))
    rows, cols = np.nonzero(lv[box])
    y = (rows + box[0].start) * spacing_mm[0] - base[0]
    x = (cols + box[1].start) * spacing_mm[1] - base[1]
    offsets = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    parts = np.add.outer(offsets * spacing_mm[0] * up[0], offsets * spacing_mm[1] * up[1])
    depths: NDArray[np.float64] = np.add.outer(y * up[0] + x * up[1], parts.ravel()).ravel()
    return depths


def volume_ml(disks_4ch: Disks, disks_2ch: Disks | None = None) -> float:
    """Volume of the disks of one view, or of two; NaN where either is not known."""
    other = disks_4ch if disks_2ch is None else disks_2ch
    length = float(np.maximum(disks_4ch.length_mm, other.length_mm))  # NaN of either stays
    squares = float(disks_4ch.widths_mm @ other.widths_mm)
    return math.pi / 4 * squares * length / N_DISKS / _MM3_PER_ML


def lv_volume_ml(
    frame_4ch: NDArray[np.uint8],
    spacing_4ch: tuple[float, float],
    frame_2ch: NDArray[np.uint8] | None = None,
    spacing_2ch: tuple[float, float] | None = None,
    *,
    structures: tuple[Label, ...] = STRUCTURES,
) -> float:
    """Volume of the left ventricle in ml, from one apical view or from both at one instant.

    Args:
        frame_4ch: Label map (H, W) of the four-chamber view, or of the only view there is.
        spacing_4ch: Its distance between pixel centers along (rows, columns) in mm.
        frame_2ch: Label map (H, W) of the two-chamber view; None = single-plane.
        spacing_2ch: Its spacing; None = that of `frame_4ch`.
        structures: Annotated structures.

    Returns:
        The volume, NaN where annulus or apex cannot be found in a view.
    """
    first = lv_disks(frame_4ch, spacing_4ch, structures)
    if frame_2ch is None:
        return volume_ml(first)
    return volume_ml(first, lv_disks(frame_2ch, spacing_2ch or spacing_4ch, structures))


def ejection(
    cine_4ch: NDArray[np.uint8],
    spacing_4ch: tuple[float, float],
    cine_2ch: NDArray[np.uint8] | None = None,
    spacing_2ch: tuple[float, float] | None = None,
    *,
    structures: tuple[Label, ...] = STRUCTURES,
    instants_4ch: tuple[int, int] | None = None,
    instants_2ch: tuple[int, int] | None = None,
) -> Ejection:
    """Ejection fraction of a cine of one view, or of a pair of both.

    Args:
        cine_4ch: Label map (H, W, T) of the four-chamber view, or of the only view there is.
        spacing_4ch: Its distance between pixel centers along (rows, columns) in mm.
        cine_2ch: Label map (H, W, T) of the two-chamber view; T may differ.
        spacing_2ch: Its spacing; None = that of `cine_4ch`.
        structures: Annotated structures.
        instants_4ch: Its frames at (ED, ES), such as those of a reference (`ed_es`); None = its
            own frames of largest and smallest LV area.
        instants_2ch: The same for `cine_2ch`.

    Returns:
        Volumes and ejection fraction; NaN with a reason where something cannot be measured.

    Raises:
        CardiovaeError: An instant that is no frame.
    """
    cines = [(cine_4ch, spacing_4ch, instants_4ch)]
    if cine_2ch is not None:
        cines.append((cine_2ch, spacing_2ch or spacing_4ch, instants_2ch))
    views = []
    for cine, spacing_mm, instants in cines:
        frames = instants or ed_es(np.count_nonzero(cine == Label.LV, axis=(0, 1)))
        if frames is None:
            return not_ejecting(len(cines), "no two frames with different LV areas")
        if not all(0 <= t < cine.shape[2] for t in frames):
            raise CardiovaeError(
                f"instants: are frames of the cine, 0 to {cine.shape[2] - 1}; got {frames}"
            )
        views.append([lv_disks(cine[:, :, t], spacing_mm, structures) for t in frames])
    return ejection_of_disks([(ed, es) for ed, es in views])


def ejection_of_disks(views: Sequence[tuple[Disks, Disks]]) -> Ejection:
    """Ejection fraction from the disks at (ED, ES) of one view or of both."""
    reasons = {
        f"{name}: {disks.reason}": None
        for view in views
        for name, disks in zip(("ED", "ES"), view, strict=True)
        if disks.reason
    }
    if reasons:
        return not_ejecting(len(views), "; ".join(reasons))
    ed, es = (volume_ml(*disks) for disks in zip(*views, strict=True))
    if ed <= 0:
        return not_ejecting(len(views), "the ED volume is zero")
    return Ejection(ed, es, 100 * (ed - es) / ed, _method(len(views)))


def not_ejecting(n_views: int, reason: str) -> Ejection:
    """What cannot be measured, and why."""
    return Ejection(math.nan, math.nan, math.nan, _method(n_views), reason)


def ed_es(areas: NDArray[np.number]) -> tuple[int, int] | None:
    """Indices of the frames at (ED, ES): largest and smallest LV area, shape (T,), any unit.

    By area, as in the rest of the package: it needs no landmark, so one stray hinge does not
    choose the frames. Frames without LV are left out.

    Returns:
        The first of each; None when fewer than two areas differ.
    """
    seen = np.flatnonzero(areas > 0)
    if np.unique(areas[seen]).size < 2:
        return None
    return int(seen[np.argmax(areas[seen])]), int(seen[np.argmin(areas[seen])])


def _method(n_views: int) -> str:
    return "biplane" if n_views == 2 else "single-plane"
