"""The published metrics as their public code has them, plainly: slow, and the measure of speed.

Twelve anatomical metrics of vitalab/vital (Painchaud et al., IEEE TMI 39(11), 2020), seven
attributes of the same (IEEE TMI 41(10), 2022, definitions of that time), and the mean Hausdorff
distance to the neighbors of vitalab/Echo-Toolkit (Judge et al., 2510.14244). Written from their
description, on whole frames, one mask after the other, as they work.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from skimage import measure, morphology

FULL = np.ones((3, 3), bool)
CROSS = ndimage.generate_binary_structure(2, 1)


def holes(mask):
    """Components of the padded complement, 8-connected, that do not reach the top padding."""
    numbers = measure.label(np.pad(1 - mask, 1, constant_values=1), connectivity=2)
    return sum(p.area for p in measure.regionprops(numbers) if p.bbox[0] != 0)


def disconnectivity(mask):
    """Pixels outside the largest 8-connected component."""
    areas = [p.area for p in measure.regionprops(measure.label(mask, connectivity=2))]
    return sum(areas) - max(areas) if areas else 0


def gap(a, b, floor):
    """Fill the own holes of either structure, then count what pixel (0, 0) does not reach."""

    def own_holes(inside, other):
        # One hole after the other is looked up among those that the other structure fills.
        numbers, count = measure.label(1 - inside, connectivity=1, return_num=True)
        numbers[numbers == numbers[0, 0]] = 0
        own = [h for h in range(1, count + 1) if h not in np.unique(numbers * other)]
        return np.isin(numbers, own).astype(np.uint8)

    filled = a + own_holes(a, b) + b + own_holes(b, a)
    numbers = measure.label(1 - (filled > 0), connectivity=1)
    numbers[numbers == numbers[0, 0]] = 0
    pixels = int((numbers > 0).sum())
    return pixels if pixels > floor else 0


def frontier_ratio(a, b):
    """Pixels of `a` in the dilated `b` by the columns of `a`."""
    touched = morphology.dilation(b, FULL)
    contact = int((a * touched).sum())
    if not a.any():
        return 0.0
    _, left, _, right = measure.regionprops(a)[0].bbox
    return (contact if contact > 1 else 0) / (right - left)


def erosion_ratio(mask, floor):
    """Erosions until the mask is not one component, by its largest depth."""
    if not mask.any() or mask.all():  # the published code does not end on a full frame
        return math.nan
    thickest = ndimage.distance_transform_edt(mask).max()
    left, erosions = mask, 0
    while measure.label(left, connectivity=2, return_num=True)[1] == 1:
        left = ndimage.binary_erosion(left, FULL, border_value=1)
        left = morphology.remove_small_objects(left, max_size=math.ceil(floor) - 1)
        erosions += 1
    return erosions / thickest


def width_ratio(lv, myo):
    """Pixels of `lv` by those of `myo` on the row of the center of mass of both."""
    if not (lv | myo).any():
        return math.nan
    row = int(ndimage.center_of_mass(lv | myo)[0])
    widths = lv[row].sum(), myo[row].sum()
    return widths[0] / widths[1] if all(widths) else math.nan


def published_metrics(labels):
    """The twelve metrics of one frame; the eighth is computed as the seventh is."""
    background, lv, myo, la = (np.isin(labels, value).astype(np.uint8) for value in range(4))
    epi = np.isin(labels, (1, 2)).astype(np.uint8)
    floor = labels.size / 2**14
    return {
        "holes_in_lv": holes(lv),
        "holes_in_epi": holes(epi),
        "holes_in_atrium": holes(la),
        "disconnectivity_in_lv": disconnectivity(lv),
        "disconnectivity_in_myo": disconnectivity(myo),
        "disconnectivity_in_atrium": disconnectivity(la),
        "holes_between_lv_and_myo": gap(lv, myo, floor),
        "holes_between_lv_and_atrium": gap(lv, myo, floor),
        "frontier_ratio_between_lv_and_bg": frontier_ratio(lv, background),
        "frontier_ratio_between_myo_and_atrium": frontier_ratio(myo, la),
        "erosion_ratio_before_myo_split": erosion_ratio(myo, floor),
        "width_ratio_between_lv_and_myo": width_ratio(lv, myo),
    }


def published_attributes(labels, spacing_mm):
    """The seven attributes of one frame in mm and degrees; NaN without two base points."""
    lv, myo = labels == 1, labels == 2
    # The axis in pixels is that in mm only where pixels are square.
    assert spacing_mm[0] == spacing_mm[1]
    tilt = measure.regionprops(lv.astype(np.uint8))[0].orientation
    tilt = -tilt if abs(tilt) <= math.pi / 2 else tilt
    center = ndimage.center_of_mass(lv)
    other = ~lv & ~myo
    edge = lv & ndimage.binary_dilation(myo, FULL) & ndimage.binary_dilation(other, FULL)
    rows, cols = np.nonzero(edge)
    y, x = rows - center[0], cols - center[1]
    down = (math.cos(tilt), -math.sin(tilt))
    depth, lateral = y * down[0] + x * down[1], x * down[0] - y * down[1]
    width = length = math.nan
    if (lateral < 0).any() and (lateral > 0).any():
        base = []
        for side in (-1, 1):
            there = np.flatnonzero(side * lateral > 0)
            best = there[np.argmax(depth[there])]
            base.append(np.array([rows[best], cols[best]]) * spacing_mm)
        middle = (base[0] + base[1]) / 2
        points = np.argwhere(lv) * spacing_mm
        width = float(np.linalg.norm(base[0] - base[1]))
        length = float(np.linalg.norm(points - middle, axis=1).max())
    row, col = ndimage.center_of_mass(lv | myo)
    pixel_mm2 = spacing_mm[0] * spacing_mm[1]
    return {
        "lv_area": lv.sum() * pixel_mm2,
        "lv_base_width": width,
        "lv_length": length,
        "lv_orientation": math.degrees(math.atan2(down[1], down[0])),
        "myo_area": myo.sum() * pixel_mm2,
        "epi_center_x": col * spacing_mm[1],
        "epi_center_y": row * spacing_mm[0],
    }


def surface_distances(a, b, spacing_mm):
    """Distances of the border pixels of `a` to those of `b`, by a distance transform."""
    a_border = a ^ ndimage.binary_erosion(a, CROSS)
    b_border = b ^ ndimage.binary_erosion(b, CROSS)
    return ndimage.distance_transform_edt(~b_border, sampling=spacing_mm)[a_border]


def hausdorff_mm(a, b, spacing_mm):
    """Hausdorff distance between the borders of two masks."""
    there = surface_distances(a, b, spacing_mm).max()
    return max(there, surface_distances(b, a, spacing_mm).max())


def published_hausdorff(masks, spacing_mm):
    """Mean Hausdorff distance of every frame to its neighbors, masks of shape (H, W, T)."""
    last = masks.shape[2] - 1
    found = []
    for t in range(last + 1):
        beside = [s for s in (t - 1, t + 1) if 0 <= s <= last]
        distances = [hausdorff_mm(masks[..., t], masks[..., s], spacing_mm) for s in beside]
        found.append(sum(distances) / len(distances))
    return np.array(found)


def published_motion(labels, spacing_mm):
    """What the published temporal tests follow: attributes and Hausdorff distances, by name."""
    frames = [published_attributes(labels[..., t], spacing_mm) for t in range(labels.shape[2])]
    found = {name: np.array([frame[name] for frame in frames]) for name in frames[0]}
    found["myo_hausdorff_mm"] = published_hausdorff(labels == 2, spacing_mm)
    found["heart_hausdorff_mm"] = published_hausdorff(labels != 0, spacing_mm)
    return found
