from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiovae.errors import CardiovaeError
from cardiovae.population.quantiles import LEVELS, curve_of, patient_weights, quantiles

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def names(n: int) -> list[str]:
    return [f"p{i:04d}" for i in range(n)]


def test_percentiles_of_five_numbers_are_those_worked_out_by_hand():
    # Levels of Hazen for n = 5: 10, 30, 50, 70 and 90 %.
    curve = curve_of([50.0, 10.0, 20.0, 40.0, 30.0])
    assert curve.percentiles.tolist() == pytest.approx([10, 30, 50, 70, 90])
    assert curve.value([2.5, 10, 20, 50, 80, 97.5]).tolist() == [10, 10, 15, 30, 45, 50]
    assert curve.percentile([10.0, 25.0, 50.0]).tolist() == pytest.approx([10, 40, 90])
    assert curve.percentile([9.9, 50.1]).tolist() == [0, 100]
    assert math.isnan(curve.percentile(math.nan))


@given(st.lists(FINITE, min_size=1, max_size=40, unique=True))
def test_without_weights_percentiles_are_those_of_numpy(values):
    expected = np.percentile(values, LEVELS, method="hazen")
    assert curve_of(values).value(LEVELS) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=30))
def test_tied_values_have_the_percentile_below_plus_half_of_their_own(values):
    numbers = np.array(values)
    for x in set(values):
        expected = 100 * ((numbers < x).mean() + (numbers == x).mean() / 2)
        assert curve_of(values).percentile(x) == pytest.approx(expected)


def test_a_patient_with_many_frames_weighs_no_more_than_one_with_few():
    assert patient_weights(["a", "b", "a", "a"]).tolist() == pytest.approx(
        [1 / 3, 1, 1 / 3, 1 / 3]
    )
    once = quantiles([1.0, 2.0, 5.0, 9.0], ["a", "b", "c", "d"])
    often = quantiles([1.0] * 7 + [2.0, 5.0, 9.0], ["a"] * 7 + ["b", "c", "d"])
    assert [q.found.value for q in often] == pytest.approx([q.found.value for q in once])


def test_intervals_of_one_value_per_patient_are_order_statistics():
    # n = 10: P(2 <= Bin(10, 1/2) <= 8) = 0.979, so from the 2nd to the 9th (Conover, table A3).
    (median,) = quantiles(np.arange(1.0, 11), names(10), [50])
    assert (median.found.value, median.found.low, median.found.high) == (5.5, 2, 9)
    assert median.method == "order statistics"


@pytest.mark.parametrize(("n", "known"), [(145, False), (146, True)])
def test_an_outer_bound_takes_146_patients(n, known):
    low, *_, high = quantiles(np.arange(float(n)), names(n))
    assert math.isfinite(low.found.low) == math.isfinite(high.found.high) == known
    assert math.isfinite(low.found.high)
    assert math.isfinite(high.found.low)


def test_more_frames_of_the_same_patients_do_not_narrow_the_interval():
    rng = np.random.default_rng(3)
    centers = rng.normal(size=30)
    few = centers + rng.normal(0, 1e-3, (2, 30))
    many = centers + rng.normal(0, 1e-3, (50, 30))
    widths = []
    for values in (few, many):
        (median,) = quantiles(values.ravel(), names(30) * len(values), [50])
        assert median.method == "by patient"
        widths.append(median.found.high - median.found.low)
    assert widths[1] > 0.8 * widths[0]  # as if frames were patients: a fifth


def test_intervals_by_patient_hold_the_true_median_about_as_often_as_they_say():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(200):
        values = rng.normal(size=(40, 1)) + 0.5 * rng.normal(size=(40, 6))
        (median,) = quantiles(values.ravel(), np.repeat(names(40), 6).tolist(), [50])
        hits += median.found.low <= 0 <= median.found.high
    assert 0.90 <= hits / 200 <= 0.995


def test_unknown_values_are_left_out_and_one_patient_has_no_interval():
    found = quantiles([math.nan, 4.0], ["a", "b"], [50])[0]
    assert (found.found.value, found.method) == (4, "none")
    assert math.isnan(found.found.low)
    assert math.isnan(quantiles([], [], [50])[0].found.value)
    with pytest.raises(CardiovaeError, match="one per value"):
        quantiles([1.0], ["a", "b"])
