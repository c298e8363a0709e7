"""Shares and their intervals, against published numbers, scipy and a case done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cardiovae.errors import CardiovaeError
from cardiovae.intervals.proportion import wilson, wilson_by_cluster


# Table I, method 3 of Newcombe, "Two-sided confidence intervals for the single proportion",
# Stat Med 17, 1998.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals_come_out(successes, n, low, high):
    found = wilson(successes, n)
    assert found.value == successes / n
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(case):
    successes, n = case
    found = wilson(successes, n)
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_without_a_case_nothing_is_known():
    assert all(math.isnan(v) for v in vars(wilson(0, 0)).values())
    assert all(math.isnan(v) for v in vars(wilson_by_cluster([], [])).values())


def test_clusters_that_are_all_or_nothing_count_as_one_case_each_less_one():
    # Of K clusters of one size, a share p passes wholly. The variance of the share is then
    # p (1 - p) / (K - 1), that of K - 1 independent cases, whatever the size.
    for size in (1, 7, 400):
        found = wilson_by_cluster([size] * 12 + [0] * 4, [size] * 16)
        expected = binomtest(45, 60).proportion_ci(method="wilson")  # same share, 4 times n
        by_hand = wilson(0.75 * 15, 15)
        assert found.value == 0.75
        assert (found.low, found.high) == pytest.approx((by_hand.low, by_hand.high))
        assert found.low < expected.low < expected.high < found.high


def test_independent_cases_in_clusters_keep_nearly_all_their_weight():
    rng = np.random.default_rng(0)
    hits = rng.binomial(50, 0.9, size=2000)
    found = wilson_by_cluster(hits, np.full(2000, 50))
    plain = wilson(float(hits.sum()), 100_000)
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=0.1)


def test_where_clusters_do_not_differ_each_is_one_case():
    found = wilson_by_cluster([20] * 9, [20] * 9)
    expected = binomtest(9, 9).proportion_ci(method="wilson")
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(expected.low)


def test_one_cluster_has_a_share_and_no_interval():
    found = wilson_by_cluster([3], [4])
    assert found.value == 0.75
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_clusters_without_a_case_change_nothing():
    assert wilson_by_cluster([3, 0, 1], [4, 0, 4]) == wilson_by_cluster([3, 1], [4, 4])


@pytest.mark.parametrize(("hits", "sizes"), [([5], [4]), ([-1, 2], [3, 3]), ([1, 2], [3])])
def test_impossible_counts_are_refused(hits, sizes):
    with pytest.raises(CardiovaeError, match="successes"):
        wilson_by_cluster(hits, sizes)


def test_impossible_successes_are_refused():
    with pytest.raises(CardiovaeError, match=r"from 0 to n = 3, got 4"):
        wilson(4, 3)
