"""Failure detection: areas by hand, and scikit-learn as the oracle of every fit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from cardiovae.calibration.failure import (
    FailureModel,
    first_known,
    fit_failure,
    held_out_probability,
)
from cardiovae.calibration.monotone import Knots, fit_isotonic
from cardiovae.calibration.roc import auroc, average_precision
from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.intervals.bootstrap import clusters, resampled

ranked = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(flag for _, flag in rows) < len(rows)
)


def frames(n_patients: int = 40, n_frames: int = 10, seed: int = 0):
    """Two signals of which one tells of the Dice, and patients."""
    rng = np.random.default_rng(seed)
    doubt = rng.normal(size=n_patients * n_frames)
    other = rng.normal(3, 2, size=doubt.size)
    dice = np.clip(0.88 - 0.04 * doubt + 0.02 * rng.normal(size=doubt.size), 0, 1)
    return {"doubt": doubt, "other": other}, dice, np.repeat(np.arange(n_patients), n_frames)


def test_the_area_by_hand_with_a_tie():
    # Failed 3, 1 against good 1, 0: 3 beats both, 1 beats one and ties one: 3.5 of 4.
    assert auroc([3, 1, 1, 0], [1, 1, 0, 0]).value == 3.5 / 4


@settings(max_examples=40)
@given(ranked)
def test_area_and_precision_are_those_of_scikit_learn(rows):
    score, failed = zip(*rows, strict=True)
    assert auroc(score, failed).value == pytest.approx(roc_auc_score(failed, score))
    assert average_precision(score, failed) == pytest.approx(
        average_precision_score(failed, score)
    )


@settings(max_examples=40)
@given(ranked)
def test_only_the_order_of_the_score_matters(rows):
    score, failed = (np.array(v, float) for v in zip(*rows, strict=True))
    assert auroc(np.exp(score) * 5 - 2, failed) == auroc(score, failed)
    assert average_precision(score**3 + 1, failed) == average_precision(score, failed)


def test_average_precision_by_hand():
    # From the top: hit, miss, hit: (1 + 2 / 3) / 2.
    assert average_precision([9, 8, 7, 1], [1, 0, 1, 0]) == pytest.approx((1 + 2 / 3) / 2)


def test_a_perfect_score_has_area_one_a_constant_one_a_half():
    assert auroc([0, 1, 2, 3], [0, 0, 1, 1]).value == 1
    assert math.isnan(auroc([0, 1, 2, 3], [0, 0, 1, 1]).low)
    assert auroc([5, 5, 5, 5], [0, 0, 1, 1]).value == 0.5
    assert average_precision([5, 5, 5, 5], [0, 0, 0, 1]) == 0.25


def test_of_one_kind_of_frame_nothing_is_known():
    assert math.isnan(auroc([1, 2], [1, 1]).value)
    assert math.isnan(auroc([np.nan, 1], [1, 0]).value)
    assert math.isnan(average_precision([1, 2], [0, 0]))


def test_the_interval_of_independent_frames_is_that_of_delong():
    rng = np.random.default_rng(0)
    score, failed = rng.normal(size=40), np.arange(40) < 15
    score[failed] += 1
    # DeLong's structural components, pair by pair. Obuchowski's factor for clusters is I / (I - 1)
    # with I the patients that have such a frame: DeLong's own where each frame is a patient.
    x, y = score[failed], score[~failed]
    psi = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    area = psi.mean()
    variance = psi.mean(1).var(ddof=1) / x.size + psi.mean(0).var(ddof=1) / y.size
    half = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    middle = math.log(area / (1 - area))
    found = auroc(score, failed)
    assert found.value == pytest.approx(area)
    assert found.low == pytest.approx(1 / (1 + math.exp(half - middle)), abs=1e-6)
    assert found.high == pytest.approx(1 / (1 + math.exp(-half - middle)), abs=1e-6)


def test_the_interval_by_patient_is_that_of_drawing_patients_again():
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(60), 8)
    own = np.repeat(rng.normal(size=60), 8)
    failed = rng.random(480) < 1 / (1 + np.exp(-own))
    score = own + failed + rng.normal(size=480)
    found = auroc(score, failed, who.tolist())
    above = (score[:, None] > score[None]).astype(float)
    wins = above * failed[:, None] * ~failed[None]
    one_hot = np.eye(60)[who]
    table = one_hot.T @ wins @ one_hot  # wins of one patient's failed over another's good frames
    n1, n0 = failed @ one_hot, ~failed @ one_hot
    times = resampled(np.eye(60), rng=rng, n_resamples=1000)
    assert clusters(who.tolist()).n == 60
    areas = np.einsum("ri,ij,rj->r", times, table, times) / ((times @ n1) * (times @ n0))
    low, high = np.percentile(areas, (2.5, 97.5))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)


def test_the_weights_are_those_of_scikit_learn():
    table, dice, who = frames()
    model = fit_failure(table, dice, who.tolist(), inputs=("doubt", "other"), ridge=2.0)
    x = np.column_stack(list(table.values()))
    z = (x - x.mean(0)) / x.std(0)
    oracle = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(z, dice < 0.85)
    assert model.weights == pytest.approx(oracle.coef_[0], abs=1e-4)
    assert model.intercept == pytest.approx(oracle.intercept_[0], abs=1e-4)
    expected = oracle.predict_proba(z)[:, 1]
    np.testing.assert_allclose(model.probability(table), expected, atol=1e-5)
    assert (model.n_patients, model.n_frames) == (40, 400)
    assert model.n_failed == (dice < 0.85).sum()


def test_a_model_is_read_as_a_formula():
    model = FailureModel(("a",), (1.0,), (2.0,), (3.0,), -0.5, 0.85, 10, 20, 5)
    logit = 3 * (5 - 1) / 2 - 0.5
    assert model.logit({"a": [5.0]}) == pytest.approx([logit])
    assert model.probability({"a": [5.0]}) == pytest.approx([1 / (1 + math.exp(-logit))])
    assert np.isnan(model.probability({"a": [np.nan]})).all()
    assert np.isnan(model.expected_dice({"a": [5.0]})).all()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=2, max_size=40))
def test_isotonic_calibration_is_that_of_scikit_learn(rows):
    x, y = (np.array(v, float) for v in zip(*rows, strict=True))
    at = np.linspace(-2, 12, 57)
    for increasing in (True, False):
        oracle = IsotonicRegression(out_of_bounds="clip", increasing=increasing).fit(x, y)
        found = fit_isotonic(x, y, increasing=increasing)
        np.testing.assert_allclose(found.at(at), oracle.predict(at), atol=1e-12)


def test_an_isotonic_curve_is_right_on_average():
    table, dice, who = frames()
    model = fit_failure(table, dice, who.tolist(), inputs=("doubt",), isotonic=True)
    assert model.isotonic is not None
    stated = model.probability(table)
    assert stated.mean() == pytest.approx((dice < 0.85).mean(), abs=0.02)
    assert np.all(np.diff(stated[np.argsort(table["doubt"])]) >= 0)


def test_the_expected_dice_falls_with_the_doubt():
    table, dice, who = frames()
    model = fit_failure(table, dice, who.tolist(), inputs=("doubt",))
    expected = model.expected_dice(table)
    assert np.all(np.diff(expected[np.argsort(table["doubt"])]) <= 0)
    assert np.abs(expected - dice).mean() < 0.025


def test_held_out_probabilities_come_from_models_without_that_patient():
    table, dice, who = frames(20, 10)
    found = held_out_probability(table, dice, who.tolist(), inputs=("doubt",), n_folds=4)
    assert auroc(found, dice < 0.85, who.tolist()).value > 0.9
    noise = {"noise": np.random.default_rng(99).normal(size=200)}
    blind = held_out_probability(noise, dice, who.tolist(), inputs=("noise",), n_folds=4)
    assert auroc(blind, dice < 0.85).value < 0.65
    # Another Dice of patient 3 must not change what is said of it.
    other = dice.copy()
    other[who == 3] = 0.5
    again = held_out_probability(table, other, who.tolist(), inputs=("doubt",), n_folds=4)
    if ((dice < 0.85)[who == 3]).any():  # same parts only where it failed before too
        np.testing.assert_allclose(again[who == 3], found[who == 3])
    assert np.isnan(
        held_out_probability(
            {"doubt": np.where(who == 2, np.nan, table["doubt"])}, dice, who.tolist(),
            inputs=("doubt",), n_folds=4,
        )[who == 2]
    ).all()  # fmt: skip


def test_a_missing_input_is_judged_by_the_next_model_and_never_filled_in():
    rich = FailureModel(("a", "b"), (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), 0.0, 0.85, 9, 9, 9)
    poor = FailureModel(("a",), (0.0,), (1.0,), (1.0,), 0.0, 0.85, 9, 9, 9)
    table = {"a": [1.0, 1.0, np.nan], "b": [1.0, np.nan, 1.0]}
    assert first_known([rich, poor], table).tolist() == [0, 1, -1]
    assert first_known([rich, poor], {"a": [1.0]}).tolist() == [1]
    assert first_known([rich, poor], {}).tolist() == []
    assert first_known([], table).tolist() == [-1, -1, -1]


def test_rows_with_a_missing_input_teach_nothing():
    table, dice, who = frames()
    holed = {**table, "doubt": np.where(np.arange(400) % 7 == 0, np.nan, table["doubt"])}
    kept = np.arange(400) % 7 != 0
    whole = fit_failure(
        {n: c[kept] for n, c in table.items()}, dice[kept], who[kept].tolist(), inputs=("doubt",)
    )
    assert fit_failure(holed, dice, who.tolist(), inputs=("doubt",)) == whole


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, d: fit_failure(t, d, inputs=("gone",)), "lacks the inputs gone"),
        (lambda t, d: fit_failure(t, d, inputs=()), r"none named"),
        (lambda t, d: fit_failure(t, np.ones(400), inputs=("doubt",)), "5 patients with a failed"),
        (lambda t, d: fit_failure(t, d * 0, inputs=("doubt",)), "5 patients with a good"),
        (lambda t, d: fit_failure({"c": np.ones(400)}, d, inputs=("c",)), "c never changes"),
        (lambda t, d: fit_failure(t, d, inputs=("doubt",), n_folds=1), "n_folds"),
        (lambda t, d: first_known([], {"a": [1.0], "b": [1.0, 2.0]}), "one length"),
        (lambda t, d: fit_isotonic([np.nan], [1]), "no point"),
        (lambda t, d: Knots((1.0, 1.0), (0.0, 1.0)), "ascending"),
        (lambda t, d: Knots((), ()), "at least one"),
        (lambda t, d: FailureModel((), (), (), (), 0.0, 0.85, 1, 1, 1), "at least one input"),
        (
            lambda t, d: FailureModel(("a",), (0.0,), (0.0,), (1.0,), 0.0, 0.85, 1, 1, 1),
            "sds above 0",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, message):
    table, dice, _ = frames()
    with pytest.raises(CardiovaeError, match=message):
        call(table, dice)


def test_a_model_that_cannot_be_is_a_configuration_error():
    with pytest.raises(ConfigError):
        FailureModel(("a",), (0.0,), (1.0,), (math.nan,), 0.0, 0.85, 1, 1, 1)


def test_every_order_of_the_rows_gives_the_same_area():
    rows = [(1, 0), (2, 1), (2, 0), (0, 1)]
    areas = {auroc(*zip(*order, strict=True)).value for order in itertools.permutations(rows)}
    assert len(areas) == 1
