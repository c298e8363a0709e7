"""One calibrated probability that a frame failed, from several signals of doubt.

Logistic regression of few standardized inputs with a small ridge, perhaps followed by isotonic
calibration of its score (Zadrozny and Elkan, KDD 2002) on patients the regression did not see.
The fitted model is a few numbers: it needs no library to be used, and can be read.

A missing input is never filled in. A model judges frames of which all its inputs are known;
`first_known` takes the first of several models, the richest first, that can judge a frame.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from cardiovae.calibration.columns import (
    Array,
    Flags,
    columns,
    events,
    known,
    patient_numbers,
)
from cardiovae.calibration.monotone import Knots, fit_isotonic
from cardiovae.errors import CardiovaeError, ConfigError

RIDGE = 1.0
N_FOLDS = 5
MIN_EACH = 5
"""Patients with, and patients without, a failed frame, below which nothing is fitted."""
Table = Mapping[str, ArrayLike]


@dataclass(frozen=True)
class FailureModel:
    """Probability that a frame failed, as a function of a few signals.

    Args:
        inputs: Names of the signals.
        means: Of each, on the frames it was fitted to.
        sds: Standard deviation of each.
        weights: Of each standardized signal; positive = more of it is worse.
        intercept: Of the logit.
        below: A frame failed when its Dice is below this.
        n_patients: Patients it was fitted to.
        n_frames: Their frames.
        n_failed: Failed frames among them.
        ridge: Penalty on the weights.
        isotonic: From the logit to the probability; None = the logistic function.
        dice: From the logit to the Dice to be expected; None = not fitted.
    """

    inputs: tuple[str, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    below: float
    n_patients: int
    n_frames: int
    n_failed: int
    ridge: float = RIDGE
    isotonic: Knots | None = None
    dice: Knots | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.inputs), len(self.means), len(self.sds), len(self.weights)}
        if len(sizes) > 1 or not self.inputs:
            raise ConfigError(
                f"failure model: one mean, sd and weight per input, at least one input; got "
                f"{len(self.inputs)} inputs, {len(self.means)} means, {len(self.sds)} sds, "
                f"{len(self.weights)} weights"
            )
        numbers = (*self.means, *self.sds, *self.weights, self.intercept)
        if not np.all(np.isfinite(numbers)) or min(self.sds) <= 0:
            raise ConfigError("failure model: numbers must be finite and sds above 0")

    def logit(self, table: Table) -> Array:
        """Log odds of failure, shape (N,); NaN where an input is unknown.

        Args:
            table: A column of shape (N,) per input; others are ignored.

        Raises:
            CardiovaeError: An input is not in the table, or lengths differ.
        """
        x = (_matrix(table, self.inputs) - np.array(self.means)) / np.array(self.sds)
        return np.asarray(x @ np.array(self.weights) + self.intercept, np.float64)

    def probability(self, table: Table) -> Array:
        """Probability that each frame failed, shape (N,); NaN where an input is unknown."""
        logit = self.logit(table)
        return self.isotonic.at(logit) if self.isotonic is not None else expit(logit)

    def expected_dice(self, table: Table) -> Array:
        """Dice to be expected, shape (N,); NaN where an input is unknown or nothing was fitted."""
        logit = self.logit(table)
        return self.dice.at(logit) if self.dice is not None else np.full(logit.shape, np.nan)


def fit_failure(
    table: Table,
    dice: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    inputs: Sequence[str],
    below: float = 0.85,
    ridge: float = RIDGE,
    isotonic: bool = False,
    n_folds: int = N_FOLDS,
    seed: int = 0,
) -> FailureModel:
    """Fit a `FailureModel` to frames with a known Dice.

    The curves that follow the logit (isotonic probability, expected Dice) are fitted to logits of
    models that did not see the patient (cross-validation by patient).

    Args:
        table: Signals, a column (N,) each; rows where an input is NaN are left out.
        dice: Dice of each frame, shape (N,); NaN rows are left out.
        patients: Whose; None = every frame is a patient.
        inputs: Signals to use.
        below: A frame failed when its Dice is below this.
        ridge: Penalty: half of it times the squared weights is added to the summed log loss.
        isotonic: Whether the probability is calibrated further.
        n_folds: Parts that patients are dealt to.
        seed: Of that.

    Raises:
        CardiovaeError: Too few patients with or without a failed frame, or an input that is
            constant or absent.
    """
    x = _matrix(table, inputs)
    (overlap,) = columns(dice=dice)
    rows = known(x.sum(axis=1), overlap)
    who = patient_numbers(patients, overlap.size)[rows]
    x, overlap = x[rows], overlap[rows]
    failed = overlap < below
    for flag, name in ((failed, "with a failed frame"), (~failed, "with a good frame")):
        n = np.unique(who[flag]).size
        if n < MIN_EACH:
            raise CardiovaeError(
                f"failure model of {', '.join(inputs)}: needs {MIN_EACH} patients {name} (Dice "
                f"{'below' if 'failed' in name else 'from'} {below:g}), got {n}"
            )
    means, sds, weights = _fit(x, failed, ridge, tuple(inputs))
    logits = _held_out(x, failed, who, ridge, n_folds, seed, tuple(inputs))
    return FailureModel(
        inputs=tuple(inputs),
        means=tuple(means.tolist()),
        sds=tuple(sds.tolist()),
        weights=tuple(weights[:-1].tolist()),
        intercept=float(weights[-1]),
        below=below,
        n_patients=np.unique(who).size,
        n_frames=overlap.size,
        n_failed=int(failed.sum()),
        ridge=ridge,
        isotonic=fit_isotonic(logits, failed) if isotonic else None,
        dice=fit_isotonic(logits, overlap, increasing=False),
    )


def held_out_probability(
    table: Table,
    dice: ArrayLike,
    patients: Sequence[Hashable] | None = None,
    *,
    inputs: Sequence[str],
    below: float = 0.85,
    ridge: float = RIDGE,
    isotonic: bool = False,
    n_folds: int = N_FOLDS,
    seed: int = 0,
) -> Array:
    """Probability of failure of each frame from models that never saw its patient, shape (N,).

    NaN where an input or the Dice is unknown. Everything is fitted within the other patients, the
    isotonic curve too. Arguments are those of `fit_failure`.
    """
    (overlap,) = columns(dice=dice)
    x = _matrix(table, inputs)
    who = patient_numbers(patients, overlap.size)
    rows = known(x.sum(axis=1), overlap)
    found = np.full(overlap.size, np.nan)
    fold = _folds(who, overlap < below, n_folds, seed)
    for part in np.unique(fold):
        learns, tests = rows & (fold != part), rows & (fold == part)
        model = fit_failure(
            dict(zip(inputs, x[learns].T, strict=True)),
            overlap[learns],
            who[learns].tolist(),
            inputs=inputs,
            below=below,
            ridge=ridge,
            isotonic=isotonic,
            n_folds=n_folds,
            seed=seed,
        )
        found[tests] = model.probability(dict(zip(inputs, x[tests].T, strict=True)))
    return found


def first_known(models: Sequence[FailureModel], table: Table) -> NDArray[np.int64]:
    """Of each frame, which model can judge it: the first all of whose inputs are known; -1 = none.

    Args:
        models: The richest first.
        table: Columns of shape (N,); a signal that is not there is unknown throughout.
    """
    sizes = {np.asarray(column).shape[0] for column in table.values()}
    if len(sizes) > 1:
        raise CardiovaeError(f"table: columns need one length, got {sorted(sizes)}")
    chosen = np.full(sizes.pop() if sizes else 0, -1)
    for i, model in reversed(list(enumerate(models))):
        if set(model.inputs) <= set(table):
            chosen[np.isfinite(model.logit(table))] = i
    return chosen


def _matrix(table: Table, inputs: Sequence[str]) -> Array:
    """The inputs side by side, shape (N, D)."""
    missing = [name for name in inputs if name not in table]
    if missing or not inputs:
        raise CardiovaeError(
            f"failure model: lacks the inputs {', '.join(missing) or '(none named)'}; the table "
            f"has {', '.join(table) or 'nothing'}"
        )
    return np.stack(columns(**{name: table[name] for name in inputs}), axis=1)


def _fit(
    x: Array, failed: Flags, ridge: float, inputs: tuple[str, ...]
) -> tuple[Array, Array, Array]:
    """Means and standard deviations of the inputs, weights with the intercept last."""
    means, sds = x.mean(axis=0), x.std(axis=0)
    constant = [name for name, sd in zip(inputs, sds, strict=True) if not sd > 0]
    if constant:
        raise CardiovaeError(f"failure model: {', '.join(constant)} never changes; leave it out")
    z = np.concatenate([(x - means) / sds, np.ones((len(x), 1))], axis=1)
    y = events(failed, "failed").astype(np.float64)
    penalty = np.append(np.full(len(inputs), ridge), 0.0)  # never on the intercept

    def loss(w: Array) -> tuple[float, Array]:
        logit = z @ w
        value = np.logaddexp(0, logit).sum() - y @ logit + 0.5 * penalty @ (w * w)
        return float(value), z.T @ (expit(logit) - y) + penalty * w

    def curvature(w: Array) -> Array:
        p = expit(z @ w)
        return np.asarray((z.T * (p * (1 - p))) @ z + np.diag(penalty))

    found = minimize(
        loss, np.zeros(z.shape[1]), jac=True, hess=curvature, method="trust-exact",
        options={"gtol": 1e-8},
    )  # fmt: skip
    return means, sds, np.asarray(found.x, np.float64)


def _held_out(
    x: Array,
    failed: Flags,
    who: NDArray[np.int64],
    ridge: float,
    n_folds: int,
    seed: int,
    inputs: tuple[str, ...],
) -> Array:
    """Logit of each frame from a model that did not see its patient."""
    fold = _folds(who, failed, n_folds, seed)
    logits = np.empty(len(x))
    for part in np.unique(fold):
        means, sds, weights = _fit(x[fold != part], failed[fold != part], ridge, inputs)
        logits[fold == part] = (x[fold == part] - means) / sds @ weights[:-1] + weights[-1]
    return logits


def _folds(who: NDArray[np.int64], failed: Flags, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Part of each row; a patient is in one part, and each part has its share of failures."""
    owners, slot = np.unique(who, return_inverse=True)
    if n_folds < 2 or owners.size < n_folds:
        raise CardiovaeError(
            f"n_folds: from 2 to the number of patients, {owners.size}; got {n_folds}"
        )
    has_failed = np.bincount(slot, failed, owners.size) > 0
    mixed = np.random.default_rng(seed).permutation(owners.size)
    order = mixed[np.argsort(has_failed[mixed], kind="stable")]
    part = np.empty(owners.size, np.int64)
    part[order] = np.arange(owners.size) % n_folds
    return part[slot]
