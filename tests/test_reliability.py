"""Calibration errors and Brier score against sums done by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss

from cardiovae.calibration.reliability import (
    bin_sums,
    brier,
    calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
    pixel_sums,
    reliability,
    reliability_table,
    top_class,
)
from cardiovae.errors import CardiovaeError

# Ten cases in three of twenty bins. Bin 2 holds 0.1, 0.1, 0.14: mean 0.34 / 3, one event of 3.
# Bin 10 holds 0.5 x 4: two events of 4. Bin 19 holds 0.95, 1, 1: mean 2.95 / 3, two of 3.
STATED = [0.1, 0.1, 0.14, 0.5, 0.5, 0.5, 0.5, 0.95, 1.0, 1.0]
CAME = [0, 1, 0, 1, 0, 1, 0, 1, 1, 0]
cases = st.lists(
    st.tuples(st.floats(0, 1, allow_subnormal=False), st.integers(0, 1)), min_size=1, max_size=60
)


def test_the_expected_error_is_the_weighted_mean_of_the_gaps():
    by_hand = (abs(0.34 - 1) + 0 + abs(2.95 - 2)) / 10
    assert expected_calibration_error(STATED, CAME) == pytest.approx(by_hand)


def test_the_maximum_error_is_the_largest_gap():
    assert maximum_calibration_error(STATED, CAME) == pytest.approx((2.95 - 2) / 3)


def test_an_edge_belongs_to_the_bin_above_and_one_to_the_last():
    count = bin_sums([0, 0.05, 0.0499, 0.95, 1], [0] * 5)[0]
    assert np.flatnonzero(count).tolist() == [0, 1, 19]
    assert count[[0, 1, 19]].tolist() == [2, 1, 2]


def test_certain_and_right_has_no_error_certain_and_wrong_has_all():
    assert expected_calibration_error([0, 1, 1], [0, 1, 1]) == 0
    assert expected_calibration_error([1, 0, 0], [0, 1, 1]) == 1


def test_a_constant_prediction_errs_by_its_distance_from_the_base_rate():
    assert expected_calibration_error([0.3] * 4, [1, 0, 0, 0]) == pytest.approx(0.05)
    assert brier([0.3] * 4, [1, 0, 0, 0]).resolution == 0


def test_without_a_case_nothing_is_known():
    found = calibration_error(bin_sums([], []))
    assert math.isnan(found.expected)
    assert math.isnan(found.maximum)
    assert found.n == 0
    assert math.isnan(brier([np.nan], [1]).score)


@settings(max_examples=40)
@given(cases, cases)
def test_sums_of_two_files_are_the_sums_of_both_together(first, second):
    parts = [bin_sums(*zip(*rows, strict=True)) for rows in (first, second)]
    whole = bin_sums(*zip(*first + second, strict=True))
    np.testing.assert_allclose(parts[0] + parts[1], whole, atol=1e-12)


@settings(max_examples=40)
@given(cases)
def test_the_expected_error_is_that_of_a_plain_loop(rows):
    total = 0.0
    for b in range(20):
        low, high = b / 20, (b + 1) / 20
        held = [(p, e) for p, e in rows if (low <= p < high) or (b == 19 and p == 1)]
        total += abs(sum(p for p, _ in held) - sum(e for _, e in held))
    assert expected_calibration_error(*zip(*rows, strict=True)) == pytest.approx(total / len(rows))


@settings(max_examples=40)
@given(cases)
def test_the_brier_score_is_that_of_scikit_learn_and_the_sum_of_its_parts(rows):
    stated, came = zip(*rows, strict=True)
    found = brier(stated, came)
    assert found.score == pytest.approx(
        brier_score_loss([*came, 0, 1], [*stated, 0, 1]) * (len(rows) + 2) / len(rows)
    )
    parts = found.reliability - found.resolution + found.uncertainty + found.within
    assert parts == pytest.approx(found.score)


def test_the_parts_of_the_brier_score_by_hand():
    # Two bins: 0.2 with 1 event of 4, 0.8 with 3 of 4; the base rate is 0.5.
    found = brier([0.2] * 4 + [0.8] * 4, [1, 0, 0, 0, 1, 1, 1, 0])
    assert found.score == pytest.approx((6 * 0.04 + 2 * 0.64) / 8)
    assert found.reliability == pytest.approx(0.05**2)
    assert found.resolution == pytest.approx(0.25**2)
    assert found.uncertainty == 0.25
    assert found.within == pytest.approx(0)


def test_the_confidence_of_several_classes_is_that_of_the_likeliest():
    confidence, right = top_class([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], [0, 1])
    assert confidence.tolist() == [0.7, 0.4]
    assert right.tolist() == [True, False]
    assert expected_calibration_error(confidence, right) == pytest.approx((0.3 + 0.4) / 2)


def test_pixels_predicted_as_background_are_skipped_and_those_without_doubt_are_not():
    found = np.array([[0, 1], [2, 1]])
    truth = np.array([[1, 1], [1, 1]])
    doubt = np.array([[0.9, 0.0], [0.2, 0.2]])
    sums = pixel_sums(doubt, found, truth)
    assert sums[0].sum() == 3
    assert calibration_error(sums).expected == pytest.approx((0 + abs(0.8 * 2 - 1)) / 3)


def test_the_table_has_the_interval_of_wilson_where_every_case_is_a_patient():
    table = reliability([0.5] * 10 + [0.9] * 2, [1] * 4 + [0] * 6 + [1, 1])
    expected = binomtest(4, 10).proportion_ci(method="wilson")
    assert table.count[[10, 18]].tolist() == [10, 2]
    assert (table.predicted[10], table.observed[10]) == (0.5, 0.4)
    # 10 cases as 10 clusters lose one degree of freedom, so the interval is a little wider.
    assert table.low[10] == pytest.approx(expected.low, abs=0.02)
    assert table.low[10] < expected.low < expected.high < table.high[10]
    assert math.isnan(table.observed[0])


def test_frames_of_few_patients_make_a_wider_interval():
    alone = reliability([0.5] * 40, [1] * 20 + [0] * 20)
    shared = reliability([0.5] * 40, [1] * 20 + [0] * 20, [i // 10 for i in range(40)])
    assert shared.observed[10] == alone.observed[10]
    assert shared.high[10] - shared.low[10] > alone.high[10] - alone.low[10]


def test_the_table_of_no_patient_is_empty():
    table = reliability_table(np.zeros((0, 3, 20)))
    assert np.isnan(table.observed).all()
    assert table.count.sum() == 0


@pytest.mark.parametrize(
    ("stated", "came", "message"),
    [
        ([1.2], [1], "between 0 and 1"),
        ([0.2], [2], "0 or 1"),
        ([0.2, 0.3], [1], "one shape"),
    ],
)
def test_impossible_cases_are_refused(stated, came, message):
    with pytest.raises(CardiovaeError, match=message):
        bin_sums(stated, came)


def test_classes_that_do_not_fit_are_refused():
    with pytest.raises(CardiovaeError, match=r"\(N, C\)"):
        top_class([0.5], [0])
