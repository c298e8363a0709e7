"""Every frame of a sequence measured: plain data that travels between processes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.indices.contour import LEVELS, SIDES, trace_endocardium
from cardiovae.indices.ejection import N_DISKS, cut_disks, lv_disks
from cardiovae.labels import Label
from cardiovae.landmarks import Landmarks, find_landmarks
from cardiovae.sequence import EchoSequence

Values = NDArray[np.float64]
SEGMENTS = tuple((level, side) for level in LEVELS for side in SIDES)
"""Of the wall, as `Endocardium.segments` names them."""
STACK_VOLUMES = {"lv_disks_ml": Label.LV, "myo_disks_ml": Label.MYO, "rv_disks_ml": Label.RV}
"""Volumes of a stack of short-axis slices, whose cine has a single frame."""
QUANTITIES = (
    "lv_area_mm2", "lv_length_mm", "endocardium_mm", "midwall_mm", "wall_mm", "la_area_mm2",
    "la_length_mm", *(f"wall_{level}_{side}_mm" for level, side in SEGMENTS),
    *STACK_VOLUMES,
)  # fmt: skip
"""What is measured of a frame: one number each."""
CUTS = ("lv", "epi", "la")
"""What is cut into disks; the epicardium across the axis of the LV."""
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Cine:
    """A heart in one view, measured frame by frame.

    Without a spacing all lengths are in pixels, and only their ratios mean anything.

    Args:
        view: "A2C", "A4C", "SAX" or "unknown".
        frame_time_ms: Time between frames; None = unknown.
        spaced: Whether the pixel spacing is known; of a stack, also that between its slices.
        values: Of each of `QUANTITIES`, NaN where unknown, shape (T,).
        widths_mm: Of the disks of each of `CUTS`, base to tip, shape (T, 20).
        la_at_border: Whether the atrium reaches the border of the image, shape (T,).
        reasons: Why something is missing, frame by frame.
        files: Number of files that it comes from.
    """

    view: str
    frame_time_ms: float | None
    spaced: bool
    values: Mapping[str, Values]
    widths_mm: Mapping[str, Values]
    la_at_border: NDArray[np.bool_]
    reasons: tuple[str, ...]
    files: int = 1

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return len(self.reasons)


def measure_cine(sequence: EchoSequence, frames: Collection[int] | None = None) -> Cine:
    """Measure the frames of a sequence; never raises on a broken mask, never invents a number.

    Args:
        sequence: Labels with their geometry.
        frames: Those that are measured; of the others only the LV area, which tells ED and ES.
            A frame takes some 10 ms. None = all.
    """
    wanted = range(sequence.n_frames) if frames is None else frames
    areas = lv_areas(sequence)
    found = [
        _frame(sequence, t) if t in wanted else _area_alone(float(areas[t]))
        for t in range(sequence.n_frames)
    ]
    return Cine(
        sequence.view or UNKNOWN,
        sequence.frame_time_ms,
        sequence.spacing_mm is not None,
        {name: np.array([f[0].get(name, math.nan) for f in found]) for name in QUANTITIES},
        {name: np.array([f[1][name] for f in found]) for name in CUTS},
        np.array([_at_border(sequence.frame(t) == Label.LA) for t in range(sequence.n_frames)]),
        tuple(f[2] for f in found),
    )


def lv_areas(sequence: EchoSequence) -> Values:
    """Area of the LV in every frame, in mm2, or in pixels without a spacing; shape (T,)."""
    row_mm, col_mm = sequence.spacing_mm or (1.0, 1.0)
    pixels = np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1))
    areas: Values = pixels.astype(np.float64) * row_mm * col_mm
    return areas


def _area_alone(area_mm2: float) -> tuple[dict[str, float], dict[str, Values], str]:
    """What is said of a frame that is not measured."""
    nothing = np.full(N_DISKS, math.nan)
    return {"lv_area_mm2": area_mm2}, dict.fromkeys(CUTS, nothing), ""


def _frame(sequence: EchoSequence, t: int) -> tuple[dict[str, float], dict[str, Values], str]:
    """Numbers of a frame, its disks, and why some are missing."""
    labels, spacing = sequence.frame(t), sequence.spacing_mm or (1.0, 1.0)
    structures = sequence.structures
    widths = {name: np.full(N_DISKS, math.nan) for name in CUTS}
    disks = lv_disks(labels, spacing, structures)
    numbers = {"lv_area_mm2": disks.area_mm2, "lv_length_mm": disks.length_mm}
    marks = find_landmarks(labels, spacing, structures)
    reasons = dict.fromkeys(filter(None, (disks.reason,)))
    widths["lv"] = disks.widths_mm
    walled = Label.MYO in structures
    if not disks.reason:
        edge = trace_endocardium(labels, spacing, marks)
        reasons |= dict.fromkeys(filter(None, (edge.reason,)))
        numbers["endocardium_mm"] = edge.length_mm
        if walled:
            numbers["midwall_mm"] = edge.midwall_mm
            known = edge.wall_mm[np.isfinite(edge.wall_mm)]
            numbers["wall_mm"] = float(known.mean()) if known.size else math.nan
            for (level, side), wall in edge.segments().items():
                numbers[f"wall_{level}_{side}_mm"] = wall
            heart = (labels == Label.LV) | (labels == Label.MYO)
            widths["epi"], _ = cut_disks(heart, spacing, marks.base_mm, marks.apex_mm)
    if Label.LA in structures:
        area, length, cut, why = la_disks(labels, spacing, marks)
        numbers |= {"la_area_mm2": area, "la_length_mm": length}
        widths["la"] = cut
        reasons |= dict.fromkeys(filter(None, (why,)))
    return numbers, widths, "; ".join(reasons)


def la_disks(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float], marks: Landmarks
) -> tuple[float, float, Values, str]:
    """Area, length and disks of the left atrium of one frame.

    Its axis stands on the middle of the mitral annulus, square to it, and reaches as deep as the
    atrium does (Lang et al., J Am Soc Echocardiogr 28(1), 2015).

    Args:
        labels: Label map of one frame, shape (H, W).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        marks: Its landmarks.

    Returns:
        Area in mm2, length in mm, widths of 20 disks in mm, annulus to roof; and why they are
        NaN, empty where they are not.
    """
    unknown = np.full(N_DISKS, math.nan)
    la = labels == Label.LA
    rows, cols = np.nonzero(la)
    if not rows.size:
        return math.nan, math.nan, unknown, "no LA pixel"
    area = rows.size * spacing_mm[0] * spacing_mm[1]
    if marks.reason:
        return area, math.nan, unknown, marks.reason
    left, right = np.array(marks.hinge_left_mm), np.array(marks.hinge_right_mm)
    base, across = (left + right) / 2, right - left
    width = float(np.hypot(*across))
    if width == 0:
        return area, math.nan, unknown, "the hinge points lie on one spot"
    down = np.array([across[1], -across[0]]) / width
    if (base - np.array(marks.apex_mm)) @ down < 0:
        down = -down
    first = base + down * float(np.abs(down) @ np.array(spacing_mm))  # one pixel below the LV
    depth = (rows * spacing_mm[0] - first[0]) * down[0] + (cols * spacing_mm[1] - first[1]) * down[
        1
    ]
    deepest = float(depth.max())
    if deepest <= 0:
        return area, math.nan, unknown, "the LA does not lie below the annulus"
    tip = first + deepest * down
    widths, length = cut_disks(la, spacing_mm, (first[0], first[1]), (tip[0], tip[1]))
    return area, length, widths, ""


def _at_border(mask: NDArray[np.bool_]) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def joined(cines: Sequence[Cine]) -> Cine:
    """Files of one heart and view as one cine; nothing is known of the time between them."""
    if len(cines) == 1:
        return cines[0]
    return Cine(
        cines[0].view,
        None,
        all(c.spaced for c in cines),
        {name: np.concatenate([c.values[name] for c in cines]) for name in QUANTITIES},
        {name: np.concatenate([c.widths_mm[name] for c in cines]) for name in CUTS},
        np.concatenate([c.la_at_border for c in cines]),
        tuple(reason for c in cines for reason in c.reasons),
        len(cines),
    )


def cine_record(cine: Cine) -> dict[str, Any]:
    """A cine as plain data for JSON; the inverse of `cine_of`."""
    return {
        "view": None if cine.view == UNKNOWN else cine.view,
        "frame_time_ms": cine.frame_time_ms,
        "spaced": cine.spaced,
        "values": {name: _plain(values) for name, values in cine.values.items()},
        "widths_mm": {k: [_plain(row) for row in rows] for k, rows in cine.widths_mm.items()},
        "la_at_border": cine.la_at_border.tolist(),
        "reasons": list(cine.reasons),
    }


def cine_of(record: Mapping[str, Any], view: str) -> Cine:
    """The cine that `cine_record` made, in the view that it is known to be of."""
    return Cine(
        view,
        record["frame_time_ms"],
        record["spaced"],
        {name: np.array(record["values"][name], np.float64) for name in QUANTITIES},
        {name: np.array(record["widths_mm"][name], np.float64) for name in CUTS},
        np.array(record["la_at_border"], np.bool_),
        tuple(record["reasons"]),
    )


def _plain(values: Values) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in values]
