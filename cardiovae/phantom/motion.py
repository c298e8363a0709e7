"""How far a heart has contracted, over one half cycle or one full cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A full cycle as shares of its duration after ED: (start, length, share of the contraction that
# is undone). Systole fills the first 38 % (316 of 827 ms); then isovolumic relaxation, rapid
# filling, a slow rise in diastasis and the atrial kick, which ends at ED again.
SYSTOLE = 0.38
FILLING = ((0.42, 0.24, 0.72), (0.60, 0.24, 0.06), (0.78, 0.19, 0.22))


def contraction(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contraction, 0 at ED and 1 at ES, at phases of a full cycle (0 to 1), same shape.

    Rises along a raised cosine until `SYSTOLE` and falls back in the three steps of `FILLING`;
    smooth (once differentiable, zero slope at ED and ES).
    """
    value = _step(phase / SYSTOLE)
    for start, length, share in FILLING:
        value = value - share * _step((phase - start) / length)
    return value


def half_cycle(n_frames: int) -> NDArray[np.float64]:
    """Contraction from ED to ES at `n_frames` equidistant instants, shape (n_frames,)."""
    return _step(np.linspace(0, 1, n_frames))


def full_cycle(n_frames: int) -> NDArray[np.float64]:
    """Contraction from ED to the next ED at `n_frames` equidistant instants."""
    return contraction(np.linspace(0, 1, n_frames))


def _step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    inside: NDArray[np.float64] = (1 - np.cos(np.pi * np.clip(x, 0, 1))) / 2
    return inside
