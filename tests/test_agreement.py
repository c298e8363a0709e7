from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.agreement import agreement
from cardiovae.intervals.bootstrap import mean_by_patient

NAMES = ("bias", "lower_limit", "upper_limit", "mae", "pearson_r")


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(seed)
    reference = source.normal(55, 10, n)
    return reference + source.normal(2, 4, n), reference


def test_differences_of_minus_1_1_and_3_are_summarized_by_hand():
    found = agreement([59, 41, 33], [60, 40, 30], "abc", rng=rng())
    assert (found.n, found.n_patients) == (3, 3)
    assert found.bias.value == pytest.approx(1)
    assert found.mae.value == pytest.approx(5 / 3)
    assert found.lower_limit.value == pytest.approx(1 - 1.96 * 2)  # variance (4 + 0 + 4) / 2
    assert found.upper_limit.value == pytest.approx(1 + 1.96 * 2)


def test_the_correlation_and_the_limits_are_those_of_scipy_and_numpy():
    measured, reference = drawn(40)
    found = agreement(measured, reference, list(range(40)), rng=rng())
    assert found.pearson_r.value == pytest.approx(stats.pearsonr(measured, reference).statistic)
    half = 1.96 * np.std(measured - reference, ddof=1)
    assert found.upper_limit.value - found.bias.value == pytest.approx(half)


def test_the_interval_of_the_bias_is_that_of_a_plain_bootstrap_when_patients_have_one_pair():
    measured, reference = drawn(60)
    found = agreement(measured, reference, list(range(60)), rng=rng(), n_resamples=8000)
    plain = stats.bootstrap(
        (measured - reference,), np.mean, n_resamples=8000, method="percentile", rng=rng()
    ).confidence_interval
    assert found.bias.low == pytest.approx(plain.low, abs=0.1)
    assert found.bias.high == pytest.approx(plain.high, abs=0.1)


def test_the_same_seed_gives_the_same_intervals():
    measured, reference = drawn(20)
    patients = [i // 2 for i in range(20)]
    assert agreement(measured, reference, patients, rng=rng()) == agreement(
        measured, reference, patients, rng=rng()
    )


def test_more_pairs_of_the_same_patients_that_say_the_same_narrow_no_interval():
    measured, reference = drawn(12)
    once = agreement(measured, reference, list(range(12)), rng=rng())
    often = agreement(np.tile(measured, 9), np.tile(reference, 9), [*range(12)] * 9, rng=rng())
    assert often.bias.low == pytest.approx(once.bias.low)
    assert often.mae.high == pytest.approx(once.mae.high)
    alone = agreement(np.tile(measured, 9), np.tile(reference, 9), range(108), rng=rng())
    assert alone.bias.high - alone.bias.low < 0.5 * (once.bias.high - once.bias.low)


def test_pairs_with_an_unknown_number_are_left_out():
    measured, reference = drawn(10)
    gaps = np.r_[measured, math.nan, 50], np.r_[reference, 50, math.nan]
    found = agreement(*gaps, list(range(12)), rng=rng())
    assert found == agreement(measured, reference, list(range(10)), rng=rng())


def test_one_patient_has_values_and_no_intervals():
    measured, reference = drawn(5)
    found = agreement(measured, reference, ["p"] * 5, rng=rng())
    for name in NAMES:
        assert math.isfinite(getattr(found, name).value)
        assert math.isnan(getattr(found, name).low)


def test_what_two_pairs_or_none_cannot_say_is_nan():
    two = agreement([50, 60], [51, 58], "ab", rng=rng())
    assert math.isnan(two.pearson_r.value)
    assert math.isfinite(two.lower_limit.value)
    none = agreement([], [], [], rng=rng())
    assert none.n == none.n_patients == 0
    assert all(math.isnan(getattr(none, name).value) for name in NAMES)
    constant = agreement([50.1] * 4, [50, 51, 52, 53], "abcd", rng=rng())
    assert math.isnan(constant.pearson_r.value)


numbers = st.floats(0, 100)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, st.integers(0, 5)), min_size=2, max_size=20))
def test_the_numbers_keep_their_order(rows):
    measured, reference, patients = zip(*rows, strict=True)
    found = agreement(measured, reference, patients, rng=rng(), n_resamples=200)
    assert found.lower_limit.value <= found.bias.value <= found.upper_limit.value
    assert abs(found.bias.value) <= found.mae.value + 1e-9
    for name in ("bias", "mae"):
        interval = getattr(found, name)
        assert math.isnan(interval.low) or interval.low <= interval.high
    swapped = agreement(reference, measured, patients, rng=rng(), n_resamples=200)
    assert swapped.bias.value == pytest.approx(-found.bias.value)
    assert swapped.mae == found.mae


def test_a_mean_counts_every_known_value_once():
    found = mean_by_patient([1, 2, math.nan, 9], ["a", "a", "b", "b"], rng=rng())
    assert found.value == 4
    assert (found.low, found.high) == (1.5, 9)
    nothing = mean_by_patient([math.nan], ["a"], rng=rng())
    assert math.isnan(nothing.value)


def test_patients_and_values_of_different_number_are_refused():
    with pytest.raises(CardiovaeError, match="3 patients for values of shape"):
        agreement([1.0, 2.0], [1.0, 2.0], "abc", rng=rng())
