"""What segmentation networks do wrong, one pure function per defect.

Every function takes the labels (H, W) uint8 of one frame, `spacing_mm` (row, col), a severity
between 0 and 1 that scales the size, and the generator; it returns a new label map that holds no
label that the frame did not hold, and is the frame itself where the defect cannot occur in it.
The list comes from the errors of U-Nets on CAMUS (leaks, islands, gaps, wrong atria, missing
walls, shadows); sizes at severity 1 are those of a network that fails, some 20 mm.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.labels import ALL, Label
from cardiovae.morphology import Mask, dilate
from cardiovae.phantom.shapes import Spacing, blob, displaced, smooth_field

Labels = NDArray[np.uint8]

# Which structures touch in a sound frame, in the apical views and in the short axis.
TOUCHING = (
    (Label.LV, Label.MYO),
    (Label.LV, Label.LA),
    (Label.MYO, Label.LA),
    (Label.MYO, Label.RV),
)


def present_in(labels: Labels) -> list[Label]:
    """The structures that a frame shows."""
    return [s for s in ALL if (labels == s).any()]


def pick(mask: Mask, rng: np.random.Generator) -> tuple[int, int] | None:
    """A random pixel of `mask`; None where it is empty."""
    at = np.flatnonzero(mask)
    if at.size == 0:
        return None
    row, col = divmod(int(at[rng.integers(at.size)]), mask.shape[1])
    return row, col


def islands(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """Blobs of a label where there is background, near or far, small or as big as a chamber."""
    present, out = present_in(labels), labels.copy()
    if not present:
        return labels
    for _ in range(1 + rng.binomial(3, 0.8 * severity)):
        center = pick(labels == Label.BACKGROUND, rng)
        if center is None:
            return out
        big = rng.random() < 0.3
        first, second = 1.5 + rng.random(2) * ((5 + 15 * severity) if big else (2 + 3 * severity))
        island = blob(
            labels.shape, spacing_mm, center, (first, second), rng, angle=rng.random() * math.pi
        )
        island[center] = True
        out[island & (labels == Label.BACKGROUND)] = present[rng.integers(len(present))]
    return out


def holes(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """Spots of background, or of a wrong label, inside a structure."""
    present, out = present_in(labels), labels.copy()
    if not present:
        return labels
    for _ in range(1 + rng.binomial(3, 0.8 * severity)):
        inside = present[rng.integers(len(present))]
        center = pick(labels == inside, rng)
        if center is None:
            continue
        first, second = 1.2 + rng.random(2) * (1 + 7 * severity)
        spot = blob(
            labels.shape, spacing_mm, center, (first, second), rng, angle=rng.random() * math.pi
        )
        spot[center] = True
        others = [Label.BACKGROUND, *(s for s in present if s != inside)]
        wrong = others[rng.integers(len(others))] if rng.random() < 0.4 else Label.BACKGROUND
        out[spot & (labels == inside)] = wrong
    return out


def missing_wall(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """A piece of the myocardium is taken for cavity or for background."""
    myo = labels == Label.MYO
    center = pick(myo, rng)
    if center is None:
        return labels
    radius = 3 + (3 + 20 * severity) * rng.random()
    lost = blob(
        labels.shape,
        spacing_mm,
        center,
        (radius, radius * rng.uniform(0.5, 1)),
        rng,
        angle=rng.random() * math.pi,
    )
    lost[center] = True
    cavity = rng.random() < 0.5 and (labels == Label.LV).any()
    return np.where(lost & myo, np.uint8(Label.LV if cavity else Label.BACKGROUND), labels)


def wrong_la(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The atrium too large, too small, elsewhere, or swallowing part of the LV."""
    atrium = labels == Label.LA
    rows, cols = np.nonzero(atrium)
    if rows.size == 0:
        return labels
    middle = float(rows.mean()), float(cols.mean())
    scale, shift = np.exp(rng.normal(0, 0.1, 2)), np.zeros(2)
    kind = rng.integers(4)
    if kind == 0:
        scale *= 1.12 + 0.6 * severity * rng.random()
    elif kind == 1:
        scale *= 0.85 - 0.5 * severity * rng.random()
    else:
        reach, angle = 2 + rng.random() * (3 + 14 * severity), rng.random() * 2 * math.pi
        shift = reach * np.array([math.cos(angle), math.sin(angle)]) / spacing_mm
    if kind == 3:
        shift[0], scale = -abs(shift[0]), scale * 1.1
    height, width = labels.shape
    down = (np.arange(height) - middle[0] - shift[0]) / scale[0] + middle[0]
    right = (np.arange(width) - middle[1] - shift[1]) / scale[1] + middle[1]
    in_rows, in_cols = (down >= 0) & (down <= height - 1), (right >= 0) & (right <= width - 1)
    at = np.ix_(
        np.rint(down.clip(0, height - 1)).astype(np.intp),
        np.rint(right.clip(0, width - 1)).astype(np.intp),
    )
    moved = atrium[at] & in_rows[:, None] & in_cols[None, :]
    over = moved & ((labels == Label.BACKGROUND) | ((labels == Label.LV) & (kind == 3)))
    out = labels.copy()
    out[atrium & ~moved] = Label.BACKGROUND
    out[over] = Label.LA
    return out


def missing_structure(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """A structure vanishes, wholly (never the only one) or on one side of a random line."""
    present = present_in(labels)
    if not present:
        return labels
    gone = labels == present[rng.integers(len(present))]
    if len(present) == 1 or rng.random() > 0.2 + 0.5 * severity:
        rows, cols = np.nonzero(gone)
        angle = rng.random() * 2 * math.pi
        reach = math.cos(angle) * rows * spacing_mm[0] + math.sin(angle) * cols * spacing_mm[1]
        lost = reach >= np.quantile(reach, 0.95 - (0.25 + 0.4 * severity) * rng.random())
        out = labels.copy()
        out[rows[lost], cols[lost]] = Label.BACKGROUND
        return out
    return np.where(gone, np.uint8(Label.BACKGROUND), labels)


def wall_leak(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """The cavity bulges through the wall into what lies behind it."""
    lv, myo = labels == Label.LV, labels == Label.MYO
    center = pick(myo & dilate(lv), rng)
    if center is None:
        return labels
    radius = 3 + rng.random() * (4 + 20 * severity)
    bulge = blob(
        labels.shape,
        spacing_mm,
        center,
        (radius, radius * rng.uniform(0.3, 0.9)),
        rng,
        angle=rng.random() * math.pi,
    )
    bulge[center] = True
    return np.where(bulge & (labels != Label.LA), np.uint8(Label.LV), labels)


def jitter(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """All contours wander smoothly."""
    amplitude = max(0.7 + 3.3 * severity, 0.7 * min(spacing_mm))
    return displaced(labels, spacing_mm, amplitude, rng.uniform(12, 28), rng)


def gaps(labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator) -> Labels:
    """A slit of background where two structures should touch."""
    seams = []
    for first, second in TOUCHING:
        seam = dilate(labels == first) & (labels == second)
        if seam.any():
            seams.append(seam)
    if not seams:
        return labels
    slit = seams[rng.integers(len(seams))]
    kept = slit & (smooth_field(labels.shape, spacing_mm, 20.0, rng) > rng.uniform(-2, 0))
    slit = kept if kept.any() else slit
    width_mm = rng.random() * (0.5 + 3 * severity)
    for _ in range(int(width_mm / min(spacing_mm))):
        slit = dilate(slit)
    return np.where(slit, np.uint8(Label.BACKGROUND), labels)


def rough_edges(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """Contours frayed at the scale of a few pixels."""
    cell = max(rng.uniform(2, 5), 2 * min(spacing_mm))
    return displaced(labels, spacing_mm, max(0.7 + severity, 0.7 * min(spacing_mm)), cell, rng)


def shadow(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """A wedge of the picture, from the transducer down, is lost or wanders."""
    hit = pick(labels != Label.BACKGROUND, rng)
    if hit is None:
        return labels
    height, width = labels.shape
    y = np.arange(height)[:, None] * spacing_mm[0]
    x = (np.arange(width)[None, :] - width / 2) * spacing_mm[1]
    bearing = np.arctan2(x, y + 1e-3)
    half = math.radians(1.5 + rng.random() * (2 + 8 * severity))
    start = rng.uniform(0, 1) * hit[0]
    wedge = np.abs(bearing - bearing[hit]) <= half
    wedge &= np.arange(height)[:, None] >= start
    if rng.random() < 0.5:
        return np.where(wedge, np.uint8(Label.BACKGROUND), labels)
    wander = displaced(labels, spacing_mm, 3 + 7 * severity, rng.uniform(8, 20), rng)
    return np.where(wedge, wander, labels)


def wrong_size(
    labels: Labels, spacing_mm: Spacing, severity: float, rng: np.random.Generator
) -> Labels:
    """One structure swollen over its neighbors, or shrunken away from them."""
    present = present_in(labels)
    if not present:
        return labels
    structure = present[rng.integers(len(present))]
    mask = labels == structure
    reach_mm = 0.5 + rng.random() * (1 + 4 * severity)
    steps = max(round(reach_mm / min(spacing_mm)), 1)
    if rng.random() < 0.5:
        for _ in range(steps):
            mask = dilate(mask)
        return np.where(mask, np.uint8(structure), labels)
    rest = ~mask
    for _ in range(steps):
        rest = dilate(rest)
    return np.where(mask & rest, np.uint8(Label.BACKGROUND), labels)
