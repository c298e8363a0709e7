"""What segmentation networks do wrong in short-axis slices, and stacks damaged that way.

One pure function per defect, with the arguments and the result of `cardiovae.phantom.defects`,
whose general defects (islands, holes, ...) stand in the same table. The list is the one that the
16 published metrics of short-axis segmentations look for (Painchaud et al., IEEE TMI 39(11),
2020): each defect breaks what at least one of them measures, but for shifts and sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label
from cardiovae.morphology import dilate
from cardiovae.phantom import defects as damage
from cardiovae.phantom.corruption import Defect, check_defects, damaged_by
from cardiovae.phantom.defects import pick, present_in
from cardiovae.phantom.shapes import Spacing, blob, mm_from
from cardiovae.sequence import EchoSequence

Labels = NDArray[np.uint8]
Values = NDArray[np.float64]

UNKNOWN_PIXEL = (1.5, 1.5)  # mm, the middle of what ACDC has


def open_ring(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """A sector of the wall is lost, so that the cavity opens to what lies behind it."""
    myo = labels == Label.MYO
    center = pick(myo, rng)
    if center is None:
        return labels
    distance, direction = _around(labels, spacing_mm)
    # At the least a pixel wide where it was picked, whatever the sector.
    half = math.radians(5 + 40 * severity * rng.random())
    half = max(half, max(spacing_mm) / max(float(distance[center]), max(spacing_mm)))
    apart = np.abs(np.angle(np.exp(1j * (direction - direction[center]))))
    return np.where(myo & (apart <= half), np.uint8(Label.BACKGROUND), labels)


def septum_lost(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """LV and RV flow together where a piece of the wall between them is taken for a cavity."""
    lv, myo, rv = (labels == s for s in (Label.LV, Label.MYO, Label.RV))
    if not lv.any():
        return labels
    center = pick(myo & dilate(rv), rng)
    if center is None:
        return labels
    way = mm_from(lv, spacing_mm)[center]
    angle = _direction(labels, spacing_mm, center)
    length = way + 1.5 + 3 * severity * rng.random()
    lost = blob(
        labels.shape,
        spacing_mm,
        center,
        (1.3 * length, 2.0 + rng.random() * (1 + 7 * severity)),
        rng,
        angle=angle,
    )
    lost[center] = True
    cavity = Label.LV if rng.random() < 0.5 else Label.RV
    return np.where(lost & myo, np.uint8(cavity), labels)


def ring_gap(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """Background between cavity and wall, around a part of the cavity or all of it."""
    lv, myo = labels == Label.LV, labels == Label.MYO
    center = pick(lv & dilate(myo), rng)
    if center is None:
        return labels
    distance = mm_from(myo, spacing_mm)
    reach = min(0.5 + 4 * severity * rng.random(), 0.6 * float(distance[lv].max()))
    slit = (distance <= reach) | dilate(myo)
    _, direction = _around(labels, spacing_mm)
    half = math.pi * (0.2 + 0.8 * rng.random())
    near = np.abs(np.angle(np.exp(1j * (direction - direction[center])))) <= half
    near[center] = True
    return np.where(lv & slit & near, np.uint8(Label.BACKGROUND), labels)


def rv_detached(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The RV keeps a distance from the wall, along all of the septum."""
    rv, myo = labels == Label.RV, labels == Label.MYO
    if not ((rv & dilate(myo)).any()):
        return labels
    distance = mm_from(myo, spacing_mm)
    reach = min(1.5 + 6 * severity * rng.random(), 0.6 * float(distance[rv].max()))
    lost = rv & ((distance <= reach) | dilate(myo))
    return np.where(lost, np.uint8(Label.BACKGROUND), labels)


def second_lv(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """Another cavity, with a wall of its own or without, beside the heart or in the RV."""
    lv, walled = labels == Label.LV, (labels == Label.MYO).any()
    center = pick(~lv & ~(labels == Label.MYO) & ~dilate(lv), rng)
    if center is None or not lv.any():
        return labels
    radius = 2 + rng.random() * (2 + 14 * severity)
    radii = (radius, radius * rng.uniform(0.6, 1))
    cavity = blob(labels.shape, spacing_mm, center, radii, rng, angle=rng.random() * math.pi)
    cavity[center] = True
    free = (labels != Label.LV) & (labels != Label.MYO)
    out = labels.copy()
    if walled and rng.random() < 0.5:
        around = mm_from(cavity, spacing_mm) <= max(spacing_mm) + 5 * rng.random()
        out[around & free] = Label.MYO
    out[cavity & free] = Label.LV
    return out


def rv_dented(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The free wall of the RV has a bite taken out of it, or a spike out into the background."""
    rv = labels == Label.RV
    edge = rv & dilate(labels == Label.BACKGROUND)
    center = pick(edge, rng)
    if center is None:
        return labels
    angle = _direction(labels, spacing_mm, center) + rng.normal(0, 0.4)
    length = 3 + rng.random() * (3 + 17 * severity)
    radii = (length, length * rng.uniform(0.15, 0.6))
    dent = blob(labels.shape, spacing_mm, center, radii, rng, angle=angle)
    dent[max(center[0] - 1, 0) : center[0] + 2, max(center[1] - 1, 0) : center[1] + 2] = True
    if rng.random() < 0.5:
        return np.where(dent & rv, np.uint8(Label.BACKGROUND), labels)
    return np.where(dent & (labels == Label.BACKGROUND), np.uint8(Label.RV), labels)


def ragged_lv(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The cavity is a star: jagged around, over the wall and, where it is cut, given to it."""
    lv = labels == Label.LV
    if not lv.any():
        return labels
    distance, direction = _around(np.where(lv, labels, np.uint8(0)), spacing_mm)
    points = int(rng.integers(5, 15))
    size = math.sqrt(float(lv.sum()) * spacing_mm[0] * spacing_mm[1] / math.pi)
    depth = max(size * (0.1 + 0.5 * severity * rng.random()), 1.5 * max(spacing_mm))
    star = distance <= size + depth * np.cos(points * direction + rng.random() * 2 * math.pi)
    wall = Label.MYO if (labels == Label.MYO).any() else Label.BACKGROUND
    out = np.where(lv & ~star, np.uint8(wall), labels)
    out[star & (labels == Label.MYO)] = Label.LV
    return out


def swapped_patch(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """A patch in which cavity is called wall, and wall cavity."""
    lv, myo = labels == Label.LV, labels == Label.MYO
    center = pick(lv | myo, rng)
    if center is None or not (lv.any() and myo.any()):
        return labels
    first, second = 2.5 + rng.random(2) * (2 + 12 * severity)
    patch = blob(
        labels.shape, spacing_mm, center, (first, second), rng, angle=rng.random() * math.pi
    )
    patch[center] = True
    out = np.where(patch & lv, np.uint8(Label.MYO), labels)
    out[patch & myo] = Label.LV
    return out


def deleted_structure(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """One structure is not there at all; a lost cavity may be wall instead."""
    present = present_in(labels)
    if not present:
        return labels
    gone = present[rng.integers(len(present))]
    filled = gone == Label.LV and Label.MYO in present and rng.random() < 0.5
    return np.where(labels == gone, np.uint8(Label.MYO if filled else 0), labels)


def shifted_slice(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The whole slice lies elsewhere, as after another breath; what leaves the image is lost."""
    if not labels.any():
        return labels
    reach, angle = 2 + rng.random() * (2 + 12 * severity), rng.random() * 2 * math.pi
    rows = round(reach * math.cos(angle) / spacing_mm[0])
    cols = round(reach * math.sin(angle) / spacing_mm[1])
    if rows == cols == 0:
        cols = 1
    height, width = labels.shape
    out = np.zeros_like(labels)
    out[max(rows, 0) : height + min(rows, 0), max(cols, 0) : width + min(cols, 0)] = labels[
        max(-rows, 0) : height + min(-rows, 0), max(-cols, 0) : width + min(-cols, 0)
    ]
    return out


SLICE_DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        "deleted_structure": deleted_structure,
        "gaps": damage.gaps,
        "holes": damage.holes,
        "islands": damage.islands,
        "jitter": damage.jitter,
        "missing_structure": damage.missing_structure,
        "missing_wall": damage.missing_wall,
        "open_ring": open_ring,
        "ragged_lv": ragged_lv,
        "ring_gap": ring_gap,
        "rough_edges": damage.rough_edges,
        "rv_dented": rv_dented,
        "rv_detached": rv_detached,
        "second_lv": second_lv,
        "septum_lost": septum_lost,
        "shifted_slice": shifted_slice,
        "swapped_patch": swapped_patch,
        "wall_leak": damage.wall_leak,
        "wrong_size": damage.wrong_size,
    }
)


def corrupt_slice(
    labels: Labels,
    spacing_mm: Spacing,
    *,
    severity: float,
    rng: np.random.Generator,
    defects: tuple[str, ...] | None = None,
) -> tuple[Labels, tuple[str, ...]]:
    """Damage one short-axis slice; arguments and result as `corruption.corrupt_frame`.

    Raises:
        CardiovaeError: A severity outside 0 to 1, or a name that is not in `SLICE_DEFECTS`.
    """
    return damaged_by(SLICE_DEFECTS, labels, spacing_mm, severity, rng, defects)


def corrupt_stack(
    sequence: EchoSequence, *, severity: float, share: float = 0.5, rng: np.random.Generator
) -> tuple[EchoSequence, tuple[tuple[str, ...], ...]]:
    """Damage a stack as a network that works slice by slice does.

    Args:
        sequence: The sound stack; an unknown spacing counts as 1.5 mm.
        severity: Of the worst slices, 0 to 1; each has half of it at least.
        share: Of the slices that show anything, those that are damaged, 0 to 1; one at least.
        rng: Source of randomness; the same state gives the same result.

    Returns:
        The damaged stack, and for every slice the names of what was done to it.

    Raises:
        CardiovaeError: A severity or share outside 0 to 1, or a sequence that is no stack.
    """
    check_defects(SLICE_DEFECTS, severity, ())
    if not 0 <= share <= 1:
        raise CardiovaeError(f"share is a number from 0 to 1, got {share}")
    if not sequence.is_stack:
        raise CardiovaeError(
            f"{sequence.source}: corrupt_stack takes a stack of slices, view SAX, got view "
            f"{sequence.view}; corrupt_sequence is for apical views"
        )
    spacing = sequence.spacing_mm or UNKNOWN_PIXEL
    labels = sequence.labels.copy()
    done: list[tuple[str, ...]] = [()] * sequence.n_frames
    shown = np.flatnonzero(labels.any(axis=(0, 1)))
    hit = shown[rng.random(shown.size) < share]
    if hit.size == 0 and shown.size:
        hit = shown[[rng.integers(shown.size)]]
    for z in hit:
        level = severity * rng.uniform(0.5, 1)
        labels[:, :, z], done[z] = corrupt_slice(labels[:, :, z], spacing, severity=level, rng=rng)
    return sequence.with_labels(labels), tuple(done)


def _around(labels: Labels, spacing_mm: Spacing) -> tuple[Values, Values]:
    """Distance in mm and direction in radians of every pixel from the middle of LV and wall.

    In a slice without either, from the middle of the image.
    """
    rows, cols = np.nonzero((labels == Label.LV) | (labels == Label.MYO))
    height, width = labels.shape
    middle = (rows.mean(), cols.mean()) if rows.size else ((height - 1) / 2, (width - 1) / 2)
    y = (np.arange(height)[:, None] - middle[0]) * spacing_mm[0]
    x = (np.arange(width)[None, :] - middle[1]) * spacing_mm[1]
    return np.hypot(y, x), np.arctan2(x, y)


def _direction(labels: Labels, spacing_mm: Spacing, at: tuple[int, int]) -> float:
    """Direction of a pixel as seen from the LV, as the angle of `blob`."""
    return float(_around(labels, spacing_mm)[1][at])
