"""Conformal intervals: quantiles by hand, and the promise kept on drawn patients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.calibration.conformal import (
    Conformal,
    Quantile,
    bounds,
    conformal_quantile,
    fit_conformal,
    grouped_quantile,
    inside,
    min_patients,
    residuals,
)
from cardiovae.calibration.coverage import coverage, repeated_splits
from cardiovae.errors import CardiovaeError, ConfigError

scores = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=30)


def hearts(n_patients: int, n_frames: int, seed: int):
    """Predictions, truths and patients; errors of a patient resemble each other."""
    rng = np.random.default_rng(seed)
    prediction = rng.uniform(30, 70, n_patients * n_frames)
    own = np.repeat(rng.standard_normal(n_patients), n_frames)
    truth = prediction + 3 * own + rng.standard_normal(prediction.size)
    return prediction, truth, np.repeat(np.arange(n_patients), n_frames).tolist()


@pytest.mark.parametrize(
    ("n", "level", "expected"),
    [(9, 0.9, 9), (10, 0.9, 10), (19, 0.9, 18), (19, 0.95, 19), (18, 0.95, math.inf), (3, 0.5, 2)],
)
def test_the_quantile_is_the_right_order_statistic(n, level, expected):
    assert conformal_quantile(np.arange(n, 0, -1), level) == expected


@settings(max_examples=40)
@given(scores, st.sampled_from([0.5, 0.6, 0.75, 0.8, 0.9]))
def test_the_quantile_is_the_sorted_one_by_brute_force(found, level):
    k = math.ceil((len(found) + 1) * level - 1e-9)
    expected = sorted(found)[k - 1] if k <= len(found) else math.inf
    assert conformal_quantile(found, level) == expected


def test_frames_of_a_patient_share_one_weight_by_hand():
    # Of 5 patients and the new one, 4.5 must be reached: patient a gives half below 9.
    values, who = [1, 9, 2, 3, 4, 5], ["a", "a", "b", "c", "d", "e"]
    assert grouped_quantile(values, who, 0.75) == 5
    assert grouped_quantile(values, who, 5 / 6) == 9
    assert grouped_quantile(values, who, 0.9) == math.inf


@settings(max_examples=40)
@given(scores, st.integers(1, 4))
def test_a_patient_measured_several_times_alike_counts_once(found, times):
    who = np.repeat(np.arange(len(found)), times).tolist()
    repeated = grouped_quantile(np.repeat(found, times), who, 0.8)
    assert repeated == conformal_quantile(found, 0.8)


def test_residuals_by_hand():
    assert residuals([10, 20], [12, 15]).tolist() == [2, 5]
    assert residuals([10, 20], [12, 15], "relative").tolist() == [0.2, 0.25]
    assert residuals([10, 20], [12, 15], "lower").tolist() == [-2, 5]
    wide = residuals([10, 20], [12, 15], "normalized", sd=[0.1, 2], floor=1)
    assert wide.tolist() == [2, 2.5]
    assert np.isnan(residuals([0.0, np.nan], [1, 1], "relative")).all()


def test_intervals_by_hand():
    # Errors 1 to 9 of nine patients: the ninth at 90 %.
    prediction, truth = np.full(9, 50.0), 50 + np.arange(1.0, 10)
    plain = fit_conformal(prediction, truth, levels=(0.5, 0.9))
    assert plain.quantile(0.5) == Quantile(0.5, 5, 9)
    assert [v.tolist() for v in bounds(plain, [60], level=0.9)] == [[51], [69]]
    relative = fit_conformal(prediction, truth, levels=(0.9,), residual="relative")
    low, high = bounds(relative, [100, -1], level=0.9)
    assert (low[0], high[0]) == pytest.approx((82, 118))
    assert np.isnan(low[1])
    lower = fit_conformal(truth, prediction, levels=(0.9,), residual="lower")
    assert [v.tolist() for v in bounds(lower, [60], level=0.9)] == [[51], [math.inf]]


def test_a_stated_spread_makes_intervals_wide_where_doubt_is_large():
    fitted = fit_conformal(
        np.zeros(9), np.arange(1.0, 10), levels=(0.9,), residual="normalized",
        sd=np.full(9, 3.0), floor=1.0,
    )  # fmt: skip
    assert fitted.quantile(0.9).value == 3
    low, high = bounds(fitted, [0, 0, 0], level=0.9, sd=[4, 0.01, np.nan])
    assert high[:2].tolist() == [12, 3]
    assert np.isnan(low[2])


def test_too_few_patients_make_an_infinite_interval_that_says_so():
    fitted = fit_conformal([1, 2, 3], [1, 2, 4], levels=(0.9,))
    assert [v.tolist() for v in bounds(fitted, [5], level=0.9)] == [[-math.inf], [math.inf]]
    assert fitted.quantile(0.9).reason == "3 patients; a level of 0.9 takes 9"
    assert fit_conformal([], [], levels=(0.9,)).quantile(0.9).value == math.inf


@settings(max_examples=40)
@given(st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_the_fewest_patients_are_just_enough(level):
    n = min_patients(level)
    assert math.isfinite(conformal_quantile(np.zeros(n), level))
    assert conformal_quantile(np.zeros(n - 1), level) == math.inf


def test_groups_have_quantiles_of_their_own():
    groups = ["A2C"] * 4 + ["A4C"] * 4
    fitted = fit_conformal(np.zeros(8), [1, 2, 3, 4, 10, 20, 30, 40], levels=(0.8,), groups=groups)
    _, high = bounds(fitted, [0, 0], level=0.8, groups=["A4C", "A2C"])
    assert high.tolist() == [40, 4]
    with pytest.raises(ConfigError, match="group 'PLAX': is not calibrated; there are A2C, A4C"):
        bounds(fitted, [0], level=0.8, groups=["PLAX"])


def test_all_frames_together_take_the_worst_of_each_patient():
    values, who = [1, 5, 2, 3, 1, 1, 4, 0], [0, 0, 1, 1, 2, 2, 3, 3]
    fitted = fit_conformal(np.zeros(8), values, who, levels=(0.8,), frames="all")
    assert fitted.quantile(0.8) == Quantile(0.8, 5, 4)
    once = fit_conformal(np.zeros(8), values, who, levels=(0.8,), frames="once", seed=1)
    assert once.quantile(0.8).value in values
    assert once.quantile(0.8).n_patients == 4


@pytest.mark.parametrize("frames", ["any", "once", "all"])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_the_promise_is_kept_and_not_by_far_exceeded(frames, level):
    # 1,000 cohorts of 29 patients with 6 frames, and one new patient each.
    rng = np.random.default_rng(7)
    kept = []
    for _ in range(1000):
        prediction, truth, who = hearts(30, 6, int(rng.integers(2**31)))
        old = np.array(who) < 29
        fitted = fit_conformal(
            prediction[old], truth[old], np.array(who)[old].tolist(), levels=(level,),
            frames=frames, seed=int(rng.integers(2**31)),
        )  # fmt: skip
        hit = inside(*bounds(fitted, prediction[~old], level=level), truth[~old])
        kept.append(hit.min() if frames == "all" else hit.mean())
    error = 3 * math.sqrt(level * (1 - level) / 1000)
    assert level - error < np.mean(kept) < level + 1 / 30 + error


def test_coverage_by_hand():
    # Patient a: 1 of 2 frames, b: 1 of 1; patients weigh the same.
    found = coverage([0, 0, 0, np.nan], [2, 2, np.inf, 1], [1, 3, 5, 0], ["a", "a", "b", "c"])
    assert (found.value, found.n, found.n_patients, found.n_infinite) == (0.75, 3, 2, 1)
    assert found.width == 2
    assert found.low < 0.75 < found.high


def test_a_lower_bound_has_no_width_and_is_infinite_only_below():
    found = coverage([0.5, -np.inf], [np.inf, np.inf], [0.6, 0.1])
    assert (found.value, found.n_infinite) == (1.0, 1)
    assert math.isnan(found.width)


def test_without_a_case_there_is_no_coverage():
    found = coverage([np.nan], [1], [1])
    assert math.isnan(found.value)
    assert found.n == 0


@pytest.mark.parametrize("frames", ["any", "once", "all"])
def test_repeated_splits_find_the_promised_level(frames):
    found = repeated_splits(*hearts(60, 4, 3), level=0.9, frames=frames, n_splits=100)
    assert 0.88 < found.mean < 0.9 + 1 / 31 + 0.02
    assert found.low < found.mean < found.high
    assert (found.n_calibration, found.n_test, found.n_infinite) == (30, 30, 0)


def test_repeated_splits_with_groups_a_spread_and_a_lower_bound():
    prediction, truth, who = hearts(60, 2, 5)
    wide = repeated_splits(
        prediction, truth, who, level=0.8, residual="normalized", sd=np.ones(120), floor=0.5,
        groups=["A2C", "A4C"] * 60, n_splits=30,
    )  # fmt: skip
    lower = repeated_splits(prediction, truth, who, level=0.8, residual="lower", n_splits=30)
    assert 0.74 < wide.mean < 0.9
    assert 0.74 < lower.mean < 0.9
    assert wide.width > 0
    assert math.isnan(lower.width)


def test_the_same_seed_gives_the_same_splits():
    cases = hearts(20, 2, 0)
    first, second, other = (
        repeated_splits(*cases, level=0.8, n_splits=5, seed=s) for s in (1, 1, 2)
    )
    assert first == second
    assert first.mean != other.mean


def test_few_patients_for_splits_are_refused_and_infinite_splits_are_counted():
    with pytest.raises(CardiovaeError, match="3 patients"):
        repeated_splits([1, 2, 3], [1, 2, 3], level=0.8)
    found = repeated_splits(*hearts(8, 1, 0), level=0.9, n_splits=10)
    assert (found.n_infinite, found.mean) == (10, 1.0)
    assert math.isnan(found.width)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_conformal([1], [1, 2], levels=(0.9,)), "one shape"),
        (lambda: fit_conformal([1], [1], levels=(1.0,)), "level"),
        (lambda: fit_conformal([1], [1], levels=(0.9,), residual="squared"), "residual: is one"),
        (lambda: fit_conformal([1], [1], levels=(0.9,), frames="some"), "frames: is one of"),
        (lambda: fit_conformal([1], [1], ["a", "b"], levels=(0.9,)), "patients: one per row"),
        (lambda: fit_conformal([1], [1], levels=(0.9,), residual="normalized"), "sd:"),
        (lambda: Conformal("normalized", ()), "floor"),
        (lambda: Conformal("absolute", ()).quantile(0.9), "there are none"),
        (lambda: bounds(fit_conformal([1], [1], levels=(0.5,)), [1], level=0.9), "there are 0.5"),
        (lambda: grouped_quantile([np.nan], None, 0.9), "scores: must be known"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(CardiovaeError, match=message):
        call()
