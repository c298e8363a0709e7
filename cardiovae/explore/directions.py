"""Latent arithmetic: directions from the means of two groups of codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES

Array = NDArray[np.float64]

ED, ES = 0.05, 0.95  # instants up to the first are end-diastole, from the second on end-systole
MIN_GROUP = 5  # codes on each side; fewer say more of themselves than of their group
LV_AREA, MYO_AREA = ATTRIBUTES.index("lv_area"), ATTRIBUTES.index("myo_area")


@dataclass(frozen=True, eq=False)
class Direction:
    """From the mean of one group of codes to that of another.

    Args:
        name: What a heart becomes along it.
        meaning: The two groups, in words.
        vector: Mean of the second group less that of the first, shape (D,).
        sizes: Codes in the first and in the second group.
        attribute: The attribute that is to grow or shrink.
        sign: 1 if it is to grow along the vector, -1 if it is to shrink.
    """

    name: str
    meaning: str
    vector: Array
    sizes: tuple[int, int]
    attribute: str
    sign: int


def group_direction(codes: Array, low: NDArray[np.bool_], high: NDArray[np.bool_]) -> Array:
    """Mean of the codes in `high` less the mean of those in `low`, shape (D,)."""
    return np.asarray(codes[high].mean(0) - codes[low].mean(0))


def named_directions(codes: Array, attributes: Array, instants: Array) -> tuple[Direction, ...]:
    """Directions "thicker wall", "dilated" and "end-systole", as far as the codes allow them.

    The first two compare the outer quarters of codes at end-diastole, or of all codes where the
    instant is not known, so that they do not say once more that hearts contract. Wall thickness is
    the area of the myocardium less what a heart of that LV area has (linear regression).

    Args:
        codes: Codes, shape (N, D).
        attributes: Measured on their hearts, (N, 8) in the order of `ATTRIBUTES`.
        instants: ED 0 to ES 1, NaN where unknown, shape (N,).
    """
    measured = np.asarray(np.isfinite(attributes[:, [LV_AREA, MYO_AREA]]).all(axis=1))
    at_ed = np.asarray(measured & (instants <= ED))
    told = int(np.count_nonzero(at_ed)) >= 4 * MIN_GROUP
    used = at_ed if told else measured
    where = " at end-diastole" if told else ""
    quarters = (
        (
            "thicker wall",
            f"the quarter with the least to that with the most myocardium for its LV area{where}",
            excess(attributes[:, LV_AREA], attributes[:, MYO_AREA], used),
            "myo_area",
        ),
        (
            "dilated",
            f"the quarter with the smallest to that with the largest LV area{where}",
            attributes[:, LV_AREA],
            "lv_area",
        ),
    )
    found = [
        _direction(name, meaning, codes, *outer_quarters(values, used), attribute, 1)
        for name, meaning, values, attribute in quarters
    ]
    at_es = np.asarray(measured & (instants >= ES))
    meaning = "codes at end-diastole to codes at end-systole"
    found.append(_direction("end-systole", meaning, codes, at_ed, at_es, "lv_area", -1))
    return tuple(direction for direction in found if direction is not None)


def outer_quarters(
    values: Array, used: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the `used` values (N,) lie in the lowest and in the highest quarter."""
    if not used.any():
        return used, used
    low, high = np.quantile(values[used], (0.25, 0.75))
    return used & (values <= low), used & (values >= high)


def excess(x: Array, y: Array, used: NDArray[np.bool_]) -> Array:
    """What `y` has beyond its linear regression on `x`, fitted where `used`, shape (N,)."""
    if np.count_nonzero(used) < 2 or not np.ptp(x[used]):
        return y - (y[used].mean() if used.any() else 0.0)
    slope, intercept = np.polyfit(x[used], y[used], 1)
    return np.asarray(y - (slope * x + intercept))


def _direction(
    name: str,
    meaning: str,
    codes: Array,
    low: NDArray[np.bool_],
    high: NDArray[np.bool_],
    attribute: str,
    sign: int,
) -> Direction | None:
    sizes = int(np.count_nonzero(low)), int(np.count_nonzero(high))
    if min(sizes) < MIN_GROUP:
        return None
    vector = group_direction(codes, low, high)
    return Direction(name, meaning, vector, sizes, attribute, sign)
