"""Drawn stacks of short-axis slices whose volumes are known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.errors import CardiovaeError
from cardiovae.labels import SHORT_AXIS, Label
from cardiovae.phantom.raster import Points, fill_polygon
from cardiovae.phantom.short_axis_parameters import draw_stack_parameters
from cardiovae.phantom.short_axis_quantities import (
    Phase,
    StackParameters,
    endo_radius_mm,
    epi_radius_mm,
    rv_angles,
    rv_profile,
    rv_width_mm,
    wave,
)
from cardiovae.sequence import SAX, EchoSequence

__all__ = [
    "Sections",
    "Stack",
    "StackParameters",
    "draw_stack",
    "draw_stack_parameters",
    "sections_at",
    "stack_cohort",
]

Values = NDArray[np.float64]
Seed = tuple[int, int, int]

# Nobody outlines a cavity or a tip of wall that is narrower than a few pixels: half of it.
LEAST_RADIUS_MM = 4.0
SAMPLES = 240  # points around a contour, about 1 mm apart; they lose 1e-4 of its area


@dataclass(frozen=True)
class Stack:
    """A drawn stack of slices and its truth.

    Args:
        sequence: Labels (H, W, Z), the base first, view "SAX".
        position: Depth of each slice over the length of the epicardium, base 0 and apex 1;
            slices beyond an end have that end's. Shape (Z,).
        depth_mm: Depth of each slice below the base plane, shape (Z,).
        slice_mm: Distance between slices.
        lv_volume_ml, myo_volume_ml, rv_volume_ml: Volumes of the whole heart, also of what of it
            no slice meets.
    """

    sequence: EchoSequence
    position: Values
    depth_mm: Values
    slice_mm: float
    lv_volume_ml: float
    myo_volume_ml: float
    rv_volume_ml: float


@dataclass(frozen=True)
class Sections:
    """Closed polygons (N, 2) at one depth, (row, col) in mm from the LV's axis; None: not there.

    The RV's polygon reaches under the epicardium, so that painting that over it leaves no gap.
    """

    lv: Points | None
    epicardium: Points | None
    rv: Points | None


def sections_at(parameters: StackParameters, depth_mm: float) -> Sections:
    """The contours at a depth.

    A cavity or a tip of wall whose mean radius is below `LEAST_RADIUS_MM` is left out, as in
    outlines by hand.
    """
    angles = np.linspace(0, 2 * math.pi, SAMPLES, endpoint=False)
    inner, outer = (
        endo_radius_mm(parameters, depth_mm),
        epi_radius_mm(parameters, depth_mm),
    )
    lv = epicardium = None
    if inner >= LEAST_RADIUS_MM:
        ratio = wave(parameters, parameters.endo_waves, depth_mm, angles)
        lv = _polar(angles, inner * ratio)
    if outer >= LEAST_RADIUS_MM:
        ratio = wave(parameters, parameters.epi_waves, depth_mm, angles)
        epicardium = _polar(angles, outer * ratio)
    return Sections(lv, epicardium, _rv(parameters, depth_mm))


def draw_stack(
    parameters: StackParameters,
    *,
    spacing_mm: tuple[float, float] | None = None,
    slice_mm: float | None = None,
    n_slices: int | None = None,
    shape: tuple[int, int] | None = None,
) -> Stack:
    """Draw a heart as a stack of label maps, from the base to the apex.

    Args:
        parameters: The heart and its scan.
        spacing_mm: Distance between pixel centers along (rows, columns); None: the scan's own.
        slice_mm: Distance between slices; None: the scan's own. The first slice lies at
            `first_mm` of the scan, or half a slice deep where a distance is given.
        n_slices: Number of slices Z; None: all that meet the epicardium. More are empty at the
            end, fewer leave the apex out.
        shape: Height and width of a slice; None: what the scan's field needs. The heart keeps
            its place around the middle of the image, what lies outside is cut.

    Raises:
        CardiovaeError: No slices, or a distance that is not positive.
    """
    spacing = parameters.pixel_mm if spacing_mm is None else spacing_mm
    first = parameters.first_mm if slice_mm is None else slice_mm / 2
    step = parameters.slice_mm if slice_mm is None else slice_mm
    _check(spacing, step, n_slices)
    if shape is None:
        height, width = parameters.field_mm
        shape = (round(height / spacing[0]), round(width / spacing[1]))
    if n_slices is None:
        n_slices = max(math.ceil((parameters.epi_length_mm - first) / step), 1)
    depths: Values = first + step * np.arange(n_slices, dtype=np.float64)
    labels = np.stack([_slice(parameters, float(d), spacing, shape) for d in depths], axis=2)
    return Stack(
        EchoSequence(labels, spacing, SHORT_AXIS, view=SAX, source="phantom", slice_mm=step),
        (depths / parameters.epi_length_mm).clip(0, 1),
        depths,
        step,
        parameters.lv_volume_ml,
        parameters.myo_volume_ml,
        parameters.rv_volume_ml,
    )


def stack_cohort(n: int, seed: int) -> Iterator[tuple[Stack, str, Seed]]:
    """Draw the hearts 1 to `n` of a cohort as scanned, at ED and at ES: (stack, name, seed).

    Args:
        n: Number of hearts; 2 n stacks come out.
        seed: Of the cohort. Heart `i` alone: `default_rng((seed, i, 0))`.
    """
    phases: tuple[Phase, Phase] = ("ED", "ES")
    for number in range(1, n + 1):
        own = (seed, number, 0)
        for phase in phases:
            parameters = draw_stack_parameters(np.random.default_rng(own), phase=phase)
            yield draw_stack(parameters), f"phantom{number:05d}_{phase}", own


def _check(spacing_mm: tuple[float, float], slice_mm: float, n_slices: int | None) -> None:
    if not (min(spacing_mm) > 0 and slice_mm > 0 and (n_slices is None or n_slices > 0)):
        raise CardiovaeError(
            "a stack has positive distances between pixels and slices and a slice or more, got "
            f"spacing_mm {spacing_mm}, slice_mm {slice_mm}, n_slices {n_slices}"
        )


def _polar(angles: Values, radii: Values) -> Points:
    return np.stack([radii * np.sin(angles), radii * np.cos(angles)], axis=1)


def _rv(parameters: StackParameters, depth_mm: float) -> Points | None:
    width, base = rv_width_mm(parameters, depth_mm), epi_radius_mm(parameters, depth_mm)
    if width <= 0 or base < LEAST_RADIUS_MM:
        return None
    middle, half = rv_angles(parameters, depth_mm)
    across = np.sin(np.linspace(-math.pi / 2, math.pi / 2, SAMPLES // 2))  # denser at the tips
    angles = middle + half * across
    septum = base * wave(parameters, parameters.epi_waves, depth_mm, angles)
    outer = _polar(angles, septum + width * rv_profile(parameters, across))
    return np.concatenate([outer, _polar(angles, 0.8 * septum)[::-1]])


def _slice(
    parameters: StackParameters,
    depth_mm: float,
    spacing_mm: tuple[float, float],
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    sections = sections_at(parameters, depth_mm)
    middle = (np.array(shape) - 1) / 2 * spacing_mm
    place = middle + parameters.center_mm + np.array(parameters.drift) * depth_mm
    labels = np.zeros(shape, np.uint8)
    painted = [
        (points + place, label)
        for points, label in (
            (sections.rv, Label.RV),
            (sections.epicardium, Label.MYO),
            (sections.lv, Label.LV),
        )
        if points is not None
    ]
    if not painted:
        return labels
    # The heart is a small part of the image: only that is filled.
    reach = np.concatenate([points for points, _ in painted]) / spacing_mm
    first = np.floor(reach.min(0)).clip(0).astype(int)
    last = np.ceil(reach.max(0)).astype(int) + 1
    window = labels[first[0] : max(last[0], 0), first[1] : max(last[1], 0)]
    for points, label in painted:
        inside = fill_polygon(points - first * spacing_mm, spacing_mm, window.shape)
        window[inside] = label
    _drop_crumbs(window)
    return labels


def _drop_crumbs(labels: NDArray[np.uint8]) -> None:
    """Take away pixels of the RV's thin ends that hang together with nothing."""
    pieces, count = ndimage.label(labels == Label.RV, np.ones((3, 3)))
    if count > 1:
        main = np.argmax(np.bincount(pieces.ravel())[1:]) + 1
        labels[(pieces > 0) & (pieces != main)] = Label.BACKGROUND
