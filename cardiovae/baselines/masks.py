"""Remedies that need no prior: cleaning of single frames, filters along time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.audit.regions import CROSS, SQUARE, pieces
from cardiovae.labels import Label
from cardiovae.morphology import Mask

Labels = NDArray[np.uint8]

SIGMA = 0.05  # of the number of frames: Painchaud et al., IEEE TMI 41(10), 2022
WINDOW = 5  # frames of the temporal median


def identity(labels: Labels) -> Labels:
    """The input itself."""
    return labels.copy()


def by_frame(remedy: Callable[[Labels], Labels]) -> Callable[[Labels], Labels]:
    """A remedy of one frame (H, W) as one of a sequence (H, W, T)."""

    def applied(labels: Labels) -> Labels:
        return np.stack([remedy(labels[:, :, t]) for t in range(labels.shape[2])], axis=2)

    return applied


def largest_component(frame: Labels) -> Labels:
    """The largest 8-connected part of each structure, its own holes filled, shape (H, W).

    Pixels between two structures stay background: they belong to neither.
    """
    result = np.zeros_like(frame)
    found = [s for s in Label if s and (frame == s).any()]
    for structure in found:
        result[largest(frame == structure)] = structure
    for structure in found:
        numbers, count = pieces(result != structure, CROSS)
        edge = np.ones_like(numbers, bool)
        edge[1:-1, 1:-1] = False
        occupied = (result != structure) & (result != Label.BACKGROUND)
        holes = np.ones(count + 1, bool)
        holes[numbers[edge | occupied]] = False
        holes[0] = False  # the structure itself
        result[holes[numbers]] = structure
    return result


def morphological(frame: Labels) -> Labels:
    """The plain repair of the authors of the published method (their `echo/default.yaml`).

    The largest 4-connected part of LV and of MYO; holes of MYO filled first, then those of the
    LV, which wins; background that both together enclose becomes MYO. The LA, or of a slice the
    RV, stays as it is.

    Args:
        frame: Label map, shape (H, W).
    """
    lv, myo = (largest(frame == s, CROSS) for s in (Label.LV, Label.MYO))
    result = np.where(frame > Label.MYO, frame, Label.BACKGROUND).astype(np.uint8)
    free = result == Label.BACKGROUND
    result[ndimage.binary_fill_holes(myo) & free] = Label.MYO
    result[ndimage.binary_fill_holes(lv) & free] = Label.LV
    if myo.any():
        heart = (result == Label.LV) | (result == Label.MYO)
        gap = ndimage.binary_fill_holes(heart) & (result == Label.BACKGROUND)
        result[gap] = Label.MYO
    return result


def largest(mask: Mask, neighbors: Mask = SQUARE) -> Mask:
    """The largest connected part of a mask (H, W), the first of equals; empty where it is.

    Examples:
        >>> largest(np.array([[True, False, True, True]])).tolist()
        [[False, False, True, True]]
    """
    numbers, count = pieces(mask, neighbors)
    if count < 2:
        return mask
    return np.asarray(numbers == 1 + int(np.bincount(numbers.ravel())[1:].argmax()))


def temporal_gaussian(labels: Labels) -> Labels:
    """Gaussian filter of the one-hot maps along time, then the likeliest label, (H, W, T).

    Its standard deviation is `SIGMA` times the number of frames; the first and last frames go on
    beyond the ends.
    """
    sigma = SIGMA * labels.shape[2]
    result = np.zeros_like(labels)
    best = np.full(labels.shape, -np.inf, np.float32)
    for label in np.unique(labels):
        share = (labels == label).astype(np.float32)
        share = ndimage.gaussian_filter1d(share, sigma, axis=2, mode="nearest")
        larger = share > best
        result[larger], best[larger] = label, share[larger]
    return result


def temporal_median(labels: Labels) -> Labels:
    """Median of the one-hot maps over `WINDOW` frames, (H, W, T).

    A pixel takes the label that more than half of the window has; where none has, its own. The
    first and last frames go on beyond the ends.
    """
    result = labels.copy()
    for label in np.unique(labels):
        share = (labels == label).astype(np.float32)
        share = ndimage.uniform_filter1d(share, WINDOW, axis=2, mode="nearest")
        result[share > 0.5] = label
    return result
