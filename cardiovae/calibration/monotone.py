"""Monotone functions of one number: fitted to points by isotonic regression, kept as knots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from cardiovae.calibration.columns import Array, columns, known
from cardiovae.errors import CardiovaeError, ConfigError


@dataclass(frozen=True)
class Knots:
    """A monotone function: straight between knots, constant beyond the outer ones.

    Args:
        x: Ascending.
        y: Value at each.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        steps = np.diff(self.x)
        if not self.x or len(self.x) != len(self.y) or not np.all(steps > 0):
            raise ConfigError(
                f"knots: need as many x as y, at least one, x ascending; got {len(self.x)} and "
                f"{len(self.y)}"
            )

    def at(self, x: ArrayLike) -> Array:
        """Value at each `x`; NaN stays NaN."""
        return np.asarray(np.interp(np.asarray(x, np.float64), self.x, self.y), np.float64)


def fit_isotonic(x: ArrayLike, y: ArrayLike, *, increasing: bool = True) -> Knots:
    """The monotone function closest to the points in the mean square.

    Args:
        x: Shape (N,); rows with a NaN are left out.
        y: Shape (N,), flags or numbers. Points of one `x` count by their mean.
        increasing: Else decreasing.

    Raises:
        CardiovaeError: No point is known.

    Examples:
        >>> fit_isotonic([1, 2, 3, 4], [0, 1, 0, 1])
        Knots(x=(1.0, 2.0, 3.0, 4.0), y=(0.0, 0.5, 0.5, 1.0))
    """
    a, b = columns(x=x, y=np.asarray(y, np.float64))
    rows = known(a, b)
    if not rows.any():
        raise CardiovaeError("fit_isotonic: no point is known")
    levels, slot, count = np.unique(a[rows], return_inverse=True, return_counts=True)
    means = np.bincount(slot, b[rows]) / count
    fitted = isotonic_regression(means, weights=count.astype(np.float64), increasing=increasing).x
    # Between its ends a level stretch says nothing more.
    flat = np.diff(fitted) == 0
    inner = np.concatenate([[False], flat]) & np.concatenate([flat, [False]])
    return Knots(tuple(levels[~inner].tolist()), tuple(fitted[~inner].tolist()))
