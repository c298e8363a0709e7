"""Risk against coverage, the order of looking, and thresholds that promise a miss rate."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import roc_curve

from cardiovae.calibration.risk import (
    expected_miss_threshold,
    look_first,
    look_rank,
    operating_points,
    risk_coverage,
    sure_miss_threshold,
    upper_bounds,
)
from cardiovae.errors import CardiovaeError

frames = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 10).map(lambda i: i / 10)), min_size=1, max_size=6
)


def test_risk_coverage_by_hand():
    found = risk_coverage([0.1, 0.3, 0.2, 0.9], [0.0, 0.4, 0.2, 0.2])
    assert found.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found.risk == pytest.approx([0, 0.1, 0.2, 0.2])
    assert found.generalized == pytest.approx([0, 0.05, 0.15, 0.2])
    assert found.area == pytest.approx(0.5 / 4)
    assert found.generalized_area == pytest.approx(0.4 / 4)
    # The best order: 0, 0.2, 0.2, 0.4.
    best = (0 + 0.1 + 0.4 / 3 + 0.2) / 4
    assert found.oracle == pytest.approx(best)
    assert found.excess == pytest.approx(0.125 - best)


def test_a_perfect_order_has_no_excess_and_a_constant_one_the_mean_risk_everywhere():
    loss = [0.5, 0.1, 0.0, 0.3]
    assert risk_coverage(loss, loss).excess == pytest.approx(0)
    assert risk_coverage([7] * 4, loss).risk == pytest.approx([0.225] * 4)


@settings(max_examples=40)
@given(frames)
def test_ties_are_the_mean_over_all_orders(rows):
    doubt, loss = zip(*rows, strict=True)
    areas = []
    for order in itertools.permutations(range(len(rows))):
        chosen = sorted(order, key=lambda i: doubt[i])  # stable: ties in the order given
        areas.append(np.mean(np.cumsum([loss[i] for i in chosen]) / np.arange(1, len(rows) + 1)))
    assert risk_coverage(doubt, loss).area == pytest.approx(np.mean(areas))


@settings(max_examples=40)
@given(frames)
def test_only_the_order_of_the_doubt_matters(rows):
    doubt, loss = zip(*rows, strict=True)
    moved = risk_coverage(np.exp(np.array(doubt, float)) - 3, loss)
    assert moved.area == pytest.approx(risk_coverage(doubt, loss).area)
    assert moved.oracle <= moved.area + 1e-12


def test_without_a_frame_there_is_no_area():
    assert math.isnan(risk_coverage([np.nan], [1]).area)
    assert math.isnan(risk_coverage([], []).excess)


def test_ties_are_looked_at_in_the_order_of_frames_and_the_unknown_first_of_all():
    assert look_first([0.5, 0.7, 0.5, np.nan, 0.7]).tolist() == [3, 1, 4, 0, 2]
    assert look_rank([0.5, 0.7, 0.5, np.nan, 0.7]).tolist() == [4, 2, 5, 1, 3]
    assert look_first([]).tolist() == []


def test_the_expected_miss_rate_by_hand():
    # 19 patients with one failed frame each, scores 1 to 19: 10 % of 20 allows one to be missed.
    score = np.arange(1.0, 20)
    found = expected_miss_threshold(score, np.ones(19), miss_rate=0.1)
    assert (found.threshold, found.n_patients) == (2.0, 19)
    # Of 20 patients 5 % would be one, and the new one counts as missed: none may be.
    assert expected_miss_threshold(score, np.ones(19), miss_rate=0.05).threshold == 1.0


def test_frames_of_one_patient_share_its_weight():
    # Patient a has two failed frames: missing one of them is half a patient.
    score, who = [1, 5, 6, 7], ["a", "a", "b", "c"]
    found = expected_miss_threshold(score, [1] * 4, who, miss_rate=0.375)  # 4 * 0.375 - 1 = 0.5
    assert found.threshold == 5
    assert found.n_patients == 3


def test_good_frames_and_unknown_scores_of_failed_ones_change_no_threshold():
    score = np.arange(1.0, 20)
    more = np.concatenate([score, [0.0, 0.5], [np.nan]])
    failed = [1] * 19 + [0, 0] + [0]
    found = expected_miss_threshold(more, failed, miss_rate=0.1)
    assert found == expected_miss_threshold(score, np.ones(19), miss_rate=0.1)


def test_too_few_patients_means_looking_at_all_and_saying_so():
    found = expected_miss_threshold([1, 2, 3], [1, 1, 1], miss_rate=0.1)
    assert found.threshold == -math.inf
    assert found.reason == "3 patients with a failed frame; a miss rate of 0.1 takes 9"
    sure = sure_miss_threshold(np.arange(58), np.ones(58), miss_rate=0.05)
    assert sure.threshold == -math.inf
    assert sure.reason.endswith("takes 59")
    assert sure_miss_threshold(np.arange(59), np.ones(59), miss_rate=0.05).threshold == 0
    assert expected_miss_threshold([], [], miss_rate=0.1).threshold == -math.inf


def test_a_patient_is_let_down_by_its_weakest_failed_frame():
    who = np.repeat(np.arange(60), 2)
    score = np.column_stack([np.arange(60.0), np.full(60, 999.0)]).ravel()
    found = sure_miss_threshold(score, np.ones(120), who.tolist(), miss_rate=0.05)
    assert (found.threshold, found.n_patients) == (0.0, 60)


def test_the_bound_is_the_exact_one_of_scipy():
    for missed, n in ((0, 20), (3, 40), (7, 9)):
        expected = binomtest(missed, n).proportion_ci(confidence_level=0.9, method="exact").high
        assert upper_bounds([missed], n, 0.95)[0] == pytest.approx(expected)
    assert upper_bounds([4], 4).tolist() == [1.0]


def test_the_sure_threshold_keeps_its_promise_in_the_stated_share_of_cohorts():
    # With uniform scores the true share let down is the threshold itself.
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(400):
        found = sure_miss_threshold(rng.random(80), np.ones(80), miss_rate=0.1, confidence=0.9)
        kept += found.threshold <= 0.1
    assert kept >= binom.ppf(0.001, 400, 0.9)
    assert kept < 400  # and is not needlessly careful


def test_the_expected_threshold_keeps_its_promise_on_average():
    rng = np.random.default_rng(1)
    missed = [
        expected_miss_threshold(rng.random(30), np.ones(30), miss_rate=0.2).threshold
        for _ in range(2000)
    ]
    # The 6th of 30 order statistics lies at 6 / 31 on average.
    assert np.mean(missed) == pytest.approx(6 / 31, abs=0.005)


@settings(max_examples=40)
@given(frames)
def test_operating_points_are_those_of_scikit_learn(rows):
    score, loss = (np.array(v, float) for v in zip(*rows, strict=True))
    failed = np.concatenate([loss > 0.5, [True, False]])
    score = np.concatenate([score, [2.0, 2.0]])
    false, true, levels = roc_curve(failed, score, drop_intermediate=False)
    found = operating_points(score, failed)
    assert found.true_positive == pytest.approx(true)
    assert found.false_positive == pytest.approx(false)
    assert found.threshold[1:] == pytest.approx(levels[1:])
    assert found.flagged[-1] == 1


def test_operating_points_without_a_failure_are_unknown():
    assert np.isnan(operating_points([1, 2], [0, 0]).true_positive).all()


@pytest.mark.parametrize("rate", [0, 1, -0.1, math.nan])
def test_impossible_miss_rates_are_refused(rate):
    with pytest.raises(CardiovaeError, match="miss_rate"):
        expected_miss_threshold([1], [1], miss_rate=rate)
