"""Overlap and surface distances of one label map sequence against another, frame by frame.

Frames are never pooled as a volume: a volume's Hausdorff distance finds the error of one frame
mended by its neighbor, and its Dice hides the worst frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from monai.metrics.utils import get_mask_edges, get_surface_distance
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label
from cardiovae.morphology import Mask, bounding_box

HD_PERCENTILE = 95.0
_MARGIN = 1  # pixels around both masks, so that the crop cuts no contour


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Scores of every frame and structure, each float64 of shape (T, S).

    Args:
        structures: What the columns are.
        dice: Dice overlap; 0 where only one of the two has the structure, NaN where neither has.
        hausdorff_mm: Largest distance from the contour of one to that of the other, the larger
            of both directions, in mm.
        hd95_mm: The same with the 95th percentile of each direction.
        mean_surface_mm: Mean of the distances of both directions together.

    Distances are NaN where either has no pixel of the structure, and everywhere when the spacing
    is unknown.
    """

    structures: tuple[Label, ...]
    dice: NDArray[np.float64]
    hausdorff_mm: NDArray[np.float64]
    hd95_mm: NDArray[np.float64]
    mean_surface_mm: NDArray[np.float64]


def score_frames(
    found: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    structures: Sequence[Label],
) -> FrameScores:
    """Compare two label map sequences frame by frame and structure by structure.

    Contours are the pixels of a mask that touch its outside or the edge of the frame
    (4-neighbors), distances those between pixel centers, both as in MONAI, whose primitives do
    the work: once per structure and direction for all three distances.

    Args:
        found: Label map, shape (H, W, T).
        truth: Label map to compare with, same shape.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown.
        structures: What to compare, in the order of the columns.

    Returns:
        One row per frame, one column per structure.

    Raises:
        CardiovaeError: The shapes differ, or are not (H, W, T).

    Examples:
        >>> truth = np.zeros((8, 8, 1), np.uint8)
        >>> truth[2:6, 2:6] = Label.LV
        >>> scores = score_frames(np.roll(truth, 2, axis=0), truth, (0.5, 1.0), (Label.LV,))
        >>> scores.dice.item(), scores.hausdorff_mm.item()
        (0.5, 1.0)
    """
    if found.shape != truth.shape or found.ndim != 3:
        raise CardiovaeError(
            f"score_frames: both label maps have one shape (H, W, T); got {found.shape} and "
            f"{truth.shape}; resample neither, compare on the grid they were drawn on"
        )
    scores = np.full((4, found.shape[2], len(structures)), np.nan)
    for t in range(found.shape[2]):
        for s, structure in enumerate(structures):
            pair = found[:, :, t] == structure, truth[:, :, t] == structure
            scores[:, t, s] = _scores(*pair, spacing_mm)
    return FrameScores(tuple(structures), *scores)


def _scores(
    found: Mask, truth: Mask, spacing_mm: tuple[float, float] | None
) -> tuple[float, float, float, float]:
    """Dice, Hausdorff, its 95th percentile and the mean distance of two masks (H, W)."""
    box = bounding_box(found | truth, _MARGIN)
    if box is None:
        return (np.nan,) * 4
    found, truth = np.ascontiguousarray(found[box]), np.ascontiguousarray(truth[box])
    sizes = int(np.count_nonzero(found)), int(np.count_nonzero(truth))
    dice = 2 * int(np.count_nonzero(found & truth)) / sum(sizes)
    if spacing_mm is None or 0 in sizes:
        return dice, np.nan, np.nan, np.nan
    edges: tuple[Mask, Mask] = get_mask_edges(found, truth, crop=False)
    there, back = (
        np.asarray(get_surface_distance(a, b, spacing=spacing_mm), np.float64)
        for a, b in (edges, edges[::-1])
    )
    hd95 = max(float(np.percentile(d, HD_PERCENTILE)) for d in (there, back))
    hausdorff = max(float(there.max()), float(back.max()))
    return dice, hausdorff, hd95, float(np.concatenate((there, back)).mean())
