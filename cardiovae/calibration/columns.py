"""What every function here takes: columns of numbers of one length, and whose they are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def columns(**named: ArrayLike) -> tuple[Array, ...]:
    """The columns as float64 of shape (N,), NaN allowed.

    Raises:
        CardiovaeError: Not one-dimensional, or of different lengths.
    """
    found = {name: np.asarray(values, np.float64) for name, values in named.items()}
    shapes = {name: column.shape for name, column in found.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise CardiovaeError(f"columns: need one shape (N,) each, got {said}")
    return tuple(found.values())


def known(*found: Array) -> Flags:
    """Where every column has a finite number."""
    return np.asarray(np.logical_and.reduce([np.isfinite(column) for column in found]), np.bool_)


def events(values: ArrayLike, name: str) -> Flags:
    """Values that are 0 or 1, or false or true, as flags.

    Raises:
        CardiovaeError: Any other value.
    """
    found = np.asarray(values)
    if found.dtype != np.bool_ and not np.all((found == 0) | (found == 1)):
        other = found[(found != 0) & (found != 1)].ravel()[0]
        raise CardiovaeError(f"{name}: is 0 or 1 throughout, got {other}")
    return np.asarray(found, np.bool_)


def check_share(value: float, name: str) -> float:
    """`value`, which lies between 0 and 1, ends excluded.

    Raises:
        CardiovaeError: It does not.
    """
    if not 0 < value < 1:
        raise CardiovaeError(f"{name}: lies between 0 and 1, such as 0.9; got {value}")
    return value


def patient_numbers(patients: Sequence[Hashable] | None, n: int) -> NDArray[np.int64]:
    """Patients counted from 0 in the order they come, shape (N,); None = each one its own.

    Raises:
        CardiovaeError: Not one patient per row.
    """
    if patients is None:
        return np.arange(n)
    if len(patients) != n:
        raise CardiovaeError(f"patients: one per row is needed, got {len(patients)} for {n} rows")
    numbers = {patient: i for i, patient in enumerate(dict.fromkeys(patients))}
    return np.array([numbers[p] for p in patients], np.int64)


def ranks(values: Array) -> Array:
    """Rank of each known value from 1, equal ones sharing the mean of theirs, shape (N,).

    As `scipy.stats.rankdata`, whose import takes a second.

    Examples:
        >>> ranks(np.array([5.0, 1.0, 5.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    _, slot, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[slot], np.float64)
