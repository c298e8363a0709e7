"""Defects at the two ends of the ventricle, one pure function per defect.

Arguments and results as in `cardiovae.phantom.defects`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.labels import Label
from cardiovae.landmarks import long_axis
from cardiovae.morphology import dilate
from cardiovae.phantom.shapes import Spacing, blob

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class _Base:
    """Where the annulus seems to be: pixels along and across the LV's long axis, in mm.

    `depth` is zero on the annulus and grows towards the atrium; `lateral` is zero in its middle.
    """

    depth: NDArray[np.float64]
    lateral: NDArray[np.float64]
    half_width_mm: float
    center: tuple[float, float]
    angle: float


def _base(labels: Labels, spacing_mm: Spacing, tilt: float = 0.0) -> _Base | None:
    """The annulus of a possibly broken frame: LV next to LA, else the LV's lowest part."""
    lv = labels == Label.LV
    axis = long_axis(lv, spacing_mm)
    if axis is None:
        return None
    angle = math.atan2(axis.down[1], axis.down[0]) + tilt
    y = np.arange(labels.shape[0])[:, None] * spacing_mm[0]
    x = np.arange(labels.shape[1])[None, :] * spacing_mm[1]
    along = y * math.cos(angle) + x * math.sin(angle)
    across = x * math.cos(angle) - y * math.sin(angle)
    seam = lv & dilate(labels == Label.LA)
    if not seam.any():
        depths = along[lv]
        seam = lv & (along >= depths.max() - 0.06 * np.ptp(depths))
    depth, lateral = float(along[seam].mean()), across[seam]
    middle = float(lateral.min() + lateral.max()) / 2
    row = depth * math.cos(angle) - middle * math.sin(angle)
    col = depth * math.sin(angle) + middle * math.cos(angle)
    return _Base(
        along - depth,
        across - middle,
        max(float(np.ptp(lateral)) / 2, 4.0),
        (row / spacing_mm[0], col / spacing_mm[1]),
        angle,
    )


def annulus_leak(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The LV flows through the mitral plane into the atrium or what lies beside it."""
    base = _base(labels, spacing_mm)
    if base is None:
        return labels
    length = 3 + (4 + 16 * severity) * rng.random()
    width = 3 + 0.7 * base.half_width_mm * severity + 4 * rng.random()
    side = rng.uniform(-0.7, 0.7) * base.half_width_mm
    angle = base.angle + rng.normal(0, 0.3)
    center = (
        base.center[0] + (0.6 * length * math.cos(angle) - side * math.sin(angle)) / spacing_mm[0],
        base.center[1] + (0.6 * length * math.sin(angle) + side * math.cos(angle)) / spacing_mm[1],
    )
    leak = blob(labels.shape, spacing_mm, center, (length, width), rng, angle=angle)
    return np.where(leak & (labels != Label.MYO), np.uint8(Label.LV), labels)


def bridge(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """A band of myocardium across the annulus or across the cavity."""
    base = _base(labels, spacing_mm, rng.normal(0, 0.15))
    if base is None or not (labels == Label.MYO).any():
        return labels
    cavity = labels == Label.LV
    top = float(base.depth[cavity].min())
    place = 0.0 if rng.random() < 0.5 else rng.uniform(0.1, 0.8) * top
    thickness = 1.5 + rng.random() * (1 + 5 * severity)
    share = 0.4 + 0.6 * rng.random() * (0.5 + 0.5 * severity)
    side = 1 if rng.random() < 0.5 else -1
    lateral = side * base.lateral
    half = base.half_width_mm * (1.0 if place == 0.0 else 1.5)
    bent = place + rng.uniform(-0.2, 0.2) * base.lateral
    band = (np.abs(base.depth - bent) <= thickness) & (lateral <= half * (2 * share - 1))
    return np.where(band & (cavity | (labels == Label.LA)), np.uint8(Label.MYO), labels)


def shifted_base(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The annulus too high (LV cut, its rest atrium or nothing) or too low (LV in the atrium)."""
    base = _base(labels, spacing_mm, rng.normal(0, 0.15))
    if base is None:
        return labels
    shift = 2 + rng.random() * (3 + 17 * severity)
    if rng.random() < 0.5:
        below = base.depth > -shift
        whole = rng.random() < 0.5
        cut = below & ((labels == Label.LV) | ((labels == Label.MYO) & whole))
        atrium = (labels == Label.LA).any() and rng.random() < 0.7
        cavity = np.uint8(Label.LA if atrium else Label.BACKGROUND)
        return np.where(
            cut, np.where(labels == Label.LV, cavity, np.uint8(Label.BACKGROUND)), labels
        )
    room = (base.depth > -2) & (base.depth <= shift)
    room &= np.abs(base.lateral) <= base.half_width_mm
    return np.where(room & (labels != Label.MYO), np.uint8(Label.LV), labels)


def apex_cut(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The tip is lost: of the whole heart, or of the cavity under a wall that is too thick."""
    base = _base(labels, spacing_mm, rng.normal(0, 0.2))
    if base is None:
        return labels
    lv, myo = labels == Label.LV, labels == Label.MYO
    inner = bool(myo.any()) and rng.random() < 0.5
    tip = lv if inner else lv | myo
    reach = 2 + rng.random() * (4 + 22 * severity)
    cut = tip & (base.depth <= float(base.depth[tip].min()) + reach)
    return np.where(cut, np.uint8(Label.MYO if inner else Label.BACKGROUND), labels)
