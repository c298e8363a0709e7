"""Many records of one method as arrays, and comparisons of two methods frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.intervals.bootstrap import Interval, mean_by_patient
from proof.records import Record, bending

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pool:
    """Records of one method on one or more groups; F frames of C cases.

    Args:
        patients: Patient of each frame.
        valid: Passes `camus`, and `camus-public`, shape (F, 2).
        sound: Whether the input passes `camus` and no temporal criterion flags it, shape (F,).
        passing: Sound, in a sequence of which the same holds for all frames, shape (F,).
        same: Came back bit for bit, shape (F,).
        changed_share: Changed pixels over labelled ones, shape (F,).
        dice, hausdorff_mm: Against the truth: LV, MYO, LA, shape (F, 3), NaN where undefined.
        density: Percentile of the input's code among the training codes, shape (F,).
        typicality: The same of code and misfit together.
        flagged: Whether the input is said to be out of distribution, shape (F,).
        case_patients: Patient of each case.
        steady: Passes `tmi2022`, and `rl4seg3d`, shape (C, 2); no rows for single frames.
        ef, ef_at, ef_reference, ef_true: Ejection fractions in percent, shape (C,): at the
            result's own ED and ES, at the true ones, of the true label maps, of the heart.
        bending: Of the LV area of the result, shape (C,).
        reference_bending: Of that of the true label maps.
        seconds: Of one core for each case.
        lengths: Frames of each case.
        status: What `correct` says of each case.
    """

    patients: tuple[str, ...]
    valid: Flags
    sound: Flags
    passing: Flags
    same: Flags
    changed_share: Values
    dice: Values
    hausdorff_mm: Values
    density: Values
    typicality: Values
    flagged: Flags
    case_patients: tuple[str, ...]
    steady: Flags
    ef: Values
    ef_at: Values
    ef_reference: Values
    ef_true: Values
    bending: Values
    reference_bending: Values
    seconds: Values
    lengths: NDArray[np.int64]
    status: tuple[str, ...]


def pool(records: Sequence[Record]) -> Pool:
    """Records, one or more, in the order in which all methods have them."""

    def frames(name: str) -> Values:
        return np.concatenate([np.array(r[name], np.float64) for r in records])

    def each(name: str) -> Values:
        return np.array([r.get(name) for r in records], np.float64)

    lengths = np.array([len(r["sound"]) for r in records])
    return Pool(
        patients=tuple(r["patient"] for r in records for _ in r["sound"]),
        valid=np.concatenate([np.array(r["valid"], bool).T for r in records]),
        sound=frames("sound") > 0,
        passing=np.concatenate([np.full(len(r["sound"]), all(r["sound"])) for r in records]),
        same=frames("same") > 0,
        changed_share=frames("changed_share"),
        dice=frames("dice"),
        hausdorff_mm=frames("hausdorff_mm"),
        density=frames("density"),
        typicality=frames("typicality"),
        flagged=frames("flagged") > 0,
        case_patients=tuple(r["patient"] for r in records),
        steady=np.array([r["steady"] for r in records if r["steady"]], bool).reshape(-1, 2),
        ef=each("ef"),
        ef_at=each("ef_at"),
        ef_reference=each("ef_reference"),
        ef_true=each("ef_true"),
        bending=np.array([bending(np.array(r["area_mm2"])) for r in records]),
        reference_bending=np.array(
            [bending(np.array(r.get("reference_area_mm2", []))) for r in records]
        ),
        seconds=each("seconds"),
        lengths=lengths,
        status=tuple(r["status"] for r in records),
    )


def difference(
    found: Values, other: Values, patients: Iterable[str], rng: np.random.Generator
) -> Interval:
    """Mean of `found - other` where both are known, with an interval by patient."""
    return mean_by_patient(found - other, tuple(patients), rng=rng)


def known_mean(values: Values) -> float:
    """Mean of the known values; NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def relative_drop(found: Values, other: Values) -> float:
    """By what share the mean of `found` lies below that of `other`, where both are known.

    Examples:
        >>> relative_drop(np.array([1.0, np.nan]), np.array([4.0, 100.0]))
        0.75
    """
    both = np.isfinite(found) & np.isfinite(other)
    if not both.any() or other[both].mean() == 0:
        return math.nan
    return float(1 - found[both].mean() / other[both].mean())


def smoother(found: Values, given: Values) -> float:
    """How many times less something bends than `given`: geometric mean of the cases' ratios.

    Cases in which either does not bend at all are not counted.

    Examples:
        >>> smoother(np.array([1.0, 2.0, 0.0]), np.array([4.0, 8.0, 1.0]))
        4.0
    """
    both = (found > 0) & (given > 0)
    if not both.any():
        return math.nan
    return float(np.exp(np.log(given[both] / found[both]).mean()))


def absolute_errors(measured: Values, truth: Values) -> Values:
    """Absolute differences, NaN where either is unknown."""
    return np.asarray(np.abs(measured - truth), np.float64)
