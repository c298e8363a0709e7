"""Intervals that hold whatever the distribution: split conformal prediction by patient.

The errors made on earlier patients bound that on a new one, if the new patient is exchangeable
with them: of the same kind of hospital, machine and disease, and the predictor never saw any of
them. Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; Lei et al., J Am
Stat Assoc 113, 2018. Then, with `level` = 1 - a and one value per patient, the true value lies in
the interval with a probability of at least 1 - a and, without ties, at most 1 - a + 1 / (n + 1).

Several frames of one patient resemble each other, so they may not count as independent. Three
ways, after Dunn, Wasserman and Ramdas, J Am Stat Assoc 118, 2023, and Lee, Barber and Willett,
2023 (arXiv 2306.06342):

- `any` (default): every patient's frames share one weight and the new patient's counts as
  infinite (Lee et al., their split variant, which is the pooling of CDFs of Dunn et al. with the
  correction that makes it exact). Holds for *one frame taken at random* of a new patient.
- `once`: one frame of each patient, drawn with a seed (subsampling once, Dunn et al.). The same
  guarantee with fewer numbers: noisier.
- `all`: the largest error of each patient. Holds for *all frames* of a new patient together.

With one value per patient all three are the same. Where there are too few patients for the level,
the interval is infinite and says so; it is never cut to something that looks better.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cardiovae.calibration.columns import Array, check_share, columns, known, patient_numbers
from cardiovae.errors import CardiovaeError, ConfigError

RESIDUALS = ("absolute", "relative", "normalized", "lower")
FRAMES = ("any", "once", "all")
ROUNDING = 1e-9  # (n + 1)(1 - a) is meant, not what floats make of it
SAME_LEVEL = 1e-6
EVERYBODY = ""
"""The group of everybody where groups are not told apart."""


@dataclass(frozen=True)
class Quantile:
    """How far a prediction may be off.

    Args:
        level: Share of new patients of whom that holds, 0 to 1.
        value: In the unit of the residual; inf = too few patients for this level.
        n_patients: Patients it rests on.
        group: Of whom (Mondrian); `EVERYBODY` where groups are not told apart.
    """

    level: float
    value: float
    n_patients: int
    group: str = EVERYBODY

    @property
    def reason(self) -> str:
        """Why the interval is infinite; "" where it is not."""
        if math.isfinite(self.value):
            return ""
        of = f" of group {self.group}" if self.group else ""
        return (
            f"{self.n_patients} patients{of}; a level of {self.level:g} takes "
            f"{min_patients(self.level)}"
        )


@dataclass(frozen=True)
class Conformal:
    """Intervals learned from earlier patients.

    Args:
        residual: How errors are measured. "absolute": |truth - prediction|; "relative": the same
            over the prediction; "normalized": over its standard deviation, at least `floor`;
            "lower": prediction - truth, for a lower bound alone.
        quantiles: One per level and group.
        frames: How several frames of a patient count, see this module.
        floor: Smallest standard deviation that is believed, of "normalized".
    """

    residual: str
    quantiles: tuple[Quantile, ...]
    frames: str = "any"
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_words(self.residual, self.frames)
        if self.residual == "normalized" and not self.floor > 0:
            raise ConfigError(
                f"floor: a normalized residual needs a smallest sd above 0, got {self.floor:g}"
            )

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels that are calibrated, ascending."""
        return tuple(sorted({q.level for q in self.quantiles}))

    def quantile(self, level: float, group: str = EVERYBODY) -> Quantile:
        """The quantile of a level and group.

        Raises:
            ConfigError: This level, or this group, was not calibrated.
        """
        of_level = [q for q in self.quantiles if abs(q.level - level) < SAME_LEVEL]
        if not of_level:
            told = ", ".join(f"{known_level:g}" for known_level in self.levels)
            raise ConfigError(f"level {level:g}: is not calibrated; there are {told or 'none'}")
        for q in of_level:
            if q.group == group:
                return q
        told = ", ".join(q.group or "everybody" for q in of_level)
        raise ConfigError(f"group '{group}': is not calibrated; there are {told}")


def min_patients(level: float) -> int:
    """Fewest patients that give a finite interval at this level.

    Examples:
        >>> [min_patients(level) for level in (0.8, 0.9, 0.95, 0.99)]
        [4, 9, 19, 99]
    """
    return math.ceil(check_share(level, "level") / (1 - level) - ROUNDING)


def conformal_quantile(scores: ArrayLike, level: float) -> float:
    """The ceil((n + 1) level)-th smallest of n scores; inf where n is smaller than that.

    Examples:
        >>> conformal_quantile([3, 1, 2, 4], 0.8), conformal_quantile([3, 1, 2], 0.8)
        (4.0, inf)
    """
    (found,) = columns(scores=scores)
    return grouped_quantile(found, None, level)


def grouped_quantile(
    scores: ArrayLike, patients: Sequence[Hashable] | None, level: float
) -> float:
    """Quantile of the patients' pooled distributions, a new patient's being infinite.

    The smallest q such that sum over patients k of (share of k's scores that are at most q)
    reaches (K + 1) level, K being the number of patients: Lee, Barber and Willett, 2023. With one
    score per patient it is `conformal_quantile`.

    Args:
        scores: Shape (N,), without NaN.
        patients: Whose; None = each one's own.
        level: 0 to 1.

    Examples:
        >>> grouped_quantile([1, 9, 2, 3, 4, 5], ["a", "a", "b", "c", "d", "e"], 0.75)
        5.0
    """
    (found,) = columns(scores=scores)
    check_share(level, "level")
    if np.isnan(found).any():
        raise CardiovaeError("scores: must be known, got NaN; leave such rows out")
    who = patient_numbers(patients, found.size)
    _, slot, count = np.unique(who, return_inverse=True, return_counts=True)
    needed = (count.size + 1) * level - ROUNDING
    order = np.argsort(found, kind="stable")
    reached = np.cumsum((1 / count)[slot][order])
    at = int(np.searchsorted(reached, needed - ROUNDING, side="left"))
    return float(found[order][at]) if at < found.size else math.inf


def residuals(
    prediction: ArrayLike,
    truth: ArrayLike,
    residual: str = "absolute",
    *,
    sd: ArrayLike | None = None,
    floor: float = 0.0,
) -> Array:
    """How far predictions are off, shape (N,); NaN where that is not known. See `Conformal`."""
    found, true = columns(prediction=prediction, truth=truth)
    if residual == "lower":
        return found - true
    return np.abs(true - found) / _scale(residual, found, sd, floor)


def fit_conformal(
    prediction: ArrayLike,
    truth: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    levels: Sequence[float],
    residual: str = "absolute",
    sd: ArrayLike | None = None,
    floor: float = 0.0,
    groups: Sequence[str] | None = None,
    frames: str = "any",
    seed: int = 0,
) -> Conformal:
    """Learn from patients how far predictions are off.

    Args:
        prediction: Shape (N,). What made it must not have seen these patients.
        truth: Shape (N,); rows where anything is NaN are left out.
        patients: Whose each row is; None = every row is a patient.
        levels: Share of new patients of whom the interval shall hold, one or more.
        residual: See `Conformal`.
        sd: Stated standard deviation of each prediction, for "normalized".
        floor: Smallest standard deviation that is believed.
        groups: Group of each row, such as its view, for intervals that hold within each group
            (Mondrian); None = one interval for all.
        frames: How several rows of one patient count, see this module.
        seed: Of the rows drawn with frames="once".

    Raises:
        CardiovaeError: Columns or levels that cannot be.
    """
    _check_words(residual, frames)
    scores = residuals(prediction, truth, residual, sd=sd, floor=floor)
    who = patient_numbers(patients, scores.size)
    names = np.array([EVERYBODY] * scores.size if groups is None else [str(g) for g in groups])
    columns(scores=scores, groups=np.zeros(names.shape))
    rows = np.isfinite(scores)
    quantiles = []
    for name in dict.fromkeys(names.tolist()) or [EVERYBODY]:
        of = rows & (names == name)
        kept, owners = _one_way(scores[of], who[of], frames, seed)
        quantiles += [
            Quantile(level, grouped_quantile(kept, owners, level), np.unique(owners).size, name)
            for level in levels
        ]
    return Conformal(residual, tuple(quantiles), frames, floor)


def bounds(
    conformal: Conformal,
    prediction: ArrayLike,
    *,
    level: float,
    sd: ArrayLike | None = None,
    groups: Sequence[str] | None = None,
) -> tuple[Array, Array]:
    """Lower and upper end of the interval around each prediction, shapes (N,).

    Infinite where there were too few patients; NaN where the prediction, or the standard
    deviation it takes, is unknown. Not cut to a possible range: that is the caller's to do, and
    to say. "lower" has no upper end: it is inf.

    Args:
        conformal: What `fit_conformal` gave.
        prediction: Shape (N,).
        level: One of its levels.
        sd: Stated standard deviations, for "normalized".
        groups: Group of each, if groups were told apart.

    Raises:
        ConfigError: A level or a group that was not calibrated.
    """
    (found,) = columns(prediction=prediction)
    names = [EVERYBODY] * found.size if groups is None else list(groups)
    by_name: Mapping[str, float] = {
        name: conformal.quantile(level, name).value for name in dict.fromkeys(names)
    }
    width = np.array([by_name[name] for name in names], np.float64).reshape(found.shape)
    if conformal.residual == "lower":
        return found - width, np.where(np.isnan(found), np.nan, np.inf)
    half = width * _scale(conformal.residual, found, sd, conformal.floor)
    return found - half, found + half


def _check_words(residual: str, frames: str) -> None:
    for name, value, allowed in (("residual", residual, RESIDUALS), ("frames", frames, FRAMES)):
        if value not in allowed:
            raise ConfigError(f"{name}: is one of {', '.join(allowed)}, got '{value}'")


def _scale(residual: str, found: Array, sd: ArrayLike | None, floor: float) -> Array:
    """What an error is measured in."""
    if residual == "absolute":
        return np.ones_like(found)
    if residual == "relative":
        return np.where(found > 0, found, np.nan)
    if sd is None:
        raise CardiovaeError("sd: a normalized residual needs the stated standard deviations")
    _, spread = columns(prediction=found, sd=sd)
    return np.maximum(spread, floor)


def _one_way(scores: Array, who: Array, frames: str, seed: int) -> tuple[Array, list[int]]:
    """The scores that count, and whose they are."""
    if frames == "any":
        return scores, who.astype(int).tolist()
    rng = np.random.default_rng(seed)
    kept = []
    owners = np.unique(who)
    for p in owners:
        own = scores[who == p]
        kept.append(own.max() if frames == "all" else own[rng.integers(own.size)])
    return np.array(kept, np.float64), owners.astype(int).tolist()


def inside(low: ArrayLike, high: ArrayLike, truth: ArrayLike) -> Array:
    """1 where the true value lies in its interval, 0 where not, NaN where something is unknown."""
    a, b, true = columns(low=low, high=high, truth=truth)
    hit = ((a <= true) & (true <= b)).astype(np.float64)
    return np.where(np.isnan(a) | np.isnan(b) | ~known(true), np.nan, hit)
