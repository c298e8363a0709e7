"""What probabilities of the true classes say of labels at hand; plain arithmetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def rate(shown: Floats, likely: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Doubt of each pixel and expected Dice of each structure.

    The expected Dice is 2 sum(A P) / (sum A + sum P), the ratio of the expectations of overlap
    and sizes where A are the labels and P the probabilities.

    Args:
        shown: Class shares of the labels at hand (one-hot where each pixel has one), shape
            (T, 4, ...), background first.
        likely: Probabilities of the true classes, same shape.

    Returns:
        P(true label is not the one at hand), shape (T, ...); Dice, shape (T, 3), NaN where the
        labels lack a structure that is not expected either.

    Examples:
        Two pixels labeled LV; the truth is LV surely in one, and as likely as not in the other.

        >>> import numpy as np
        >>> shown = np.array([[[0, 0], [1, 1], [0, 0], [0, 0]]])
        >>> likely = np.array([[[0, 0.5], [1, 0.5], [0, 0], [0, 0]]])
        >>> doubt, dice = rate(shown, likely)
        >>> doubt.tolist(), round(float(dice[0, 0]), 3)
        ([[0.0, 0.5]], 0.857)
    """
    a, p = (np.asarray(x, np.float64) for x in (shown, likely))
    overlap = a * p
    doubt = np.clip(1 - overlap.sum(1), 0, 1)
    pixels = tuple(range(2, a.ndim))
    size = (a[:, 1:] + p[:, 1:]).sum(pixels)
    # Where network outputs say "nowhere" they leave less than this of a pixel.
    there = size > 1e-3
    dice = 2 * overlap[:, 1:].sum(pixels) / np.where(there, size, 1)
    return doubt, np.where(there, dice, np.nan)
