"""Shares of valid hearts: pairs are what they should be, intervals draw patients, not frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.validity import between, draw_pairs, mean_of_pairs, share_of_draws
from cardiovae.intervals.bootstrap import Interval
from cardiovae.intervals.proportion import wilson

VIEWS = ("A2C", "A4C", "A2C", "A4C", "A2C", "A4C")
PATIENTS = ("a", "a", "b", "b", "c", "c")


def rng():
    return np.random.default_rng(0)


def test_the_share_of_draws_has_wilsons_interval():
    assert share_of_draws(np.arange(100) < 95) == wilson(95, 100)


def test_pairs_are_of_one_view_and_two_patients_and_occur_once():
    views, patients = np.array(VIEWS), np.array(PATIENTS)
    pairs = draw_pairs(VIEWS, PATIENTS, 100, rng=rng())
    # Three patients make three pairs in each of two views.
    assert {tuple(sorted(p)) for p in pairs.tolist()} == {
        (0, 2), (0, 4), (2, 4), (1, 3), (1, 5), (3, 5)
    }  # fmt: skip
    assert len(pairs) == 6
    assert np.all(views[pairs[:, 0]] == views[pairs[:, 1]])
    assert np.all(patients[pairs[:, 0]] != patients[pairs[:, 1]])


@given(st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_as_many_pairs_as_wanted_and_the_seed_decides_them(n, seed):
    one, same = (draw_pairs(VIEWS, PATIENTS, n, rng=np.random.default_rng(seed)) for _ in range(2))
    assert one.shape == (n, 2)
    np.testing.assert_array_equal(one, same)


def test_pairs_that_cannot_be_are_refused():
    with pytest.raises(CardiovaeError, match="none of 2 frames"):
        draw_pairs(["A2C", "A4C"], ["a", "b"], 5, rng=rng())
    with pytest.raises(CardiovaeError, match="one view and one patient"):
        draw_pairs(["A2C"], ["a", "b"], 5, rng=rng())


def test_what_lies_between_leaves_out_the_ends():
    codes = np.array([[0.0, 2.0], [4.0, 2.0], [2.0, 0.0]])
    found = between(codes, np.array([[0, 1]]), 3, way="linear")
    np.testing.assert_allclose(found, [[[1, 2], [2, 2], [3, 2]]])
    round_the_origin = between(codes, np.array([[0, 2]]), 1, way="spherical")
    np.testing.assert_allclose(round_the_origin, [[[np.sqrt(2), np.sqrt(2)]]])
    with pytest.raises(CardiovaeError, match="linear or spherical"):
        between(codes, np.array([[0, 1]]), 3, way="scenic")
    with pytest.raises(CardiovaeError, match="at least one step"):
        between(codes, np.array([[0, 1]]), 0, way="linear")


def test_the_interval_of_pairs_weighs_them_by_both_patients():
    """By hand: of three patients drawn thrice, {a, b} alone counts where no c is drawn, ..."""
    values, patients = [1.0, 0.0, 0.5], [("a", "b"), ("b", "c"), ("a", "c")]
    found = mean_of_pairs(values, patients, rng=rng(), n_resamples=4000)
    assert found.value == 0.5
    # Draws without c give 1, without a 0: each in 6 of 27, far more than 2.5 %.
    assert (found.low, found.high) == (0.0, 1.0)


def test_patients_and_not_pairs_make_the_interval():
    """Pairs of one bad patient fail: many pairs do not make that one patient many."""
    names = [f"p{i}" for i in range(20)]
    both = [(p, q) for i, p in enumerate(names) for q in names[i + 1 :]]
    values = [float("p0" not in pair) for pair in both]
    found = mean_of_pairs(values, both, rng=rng())
    independent = wilson(sum(values), len(values))
    assert found.value == independent.value == pytest.approx(0.9)
    assert found.high - found.low > 2 * (independent.high - independent.low)
    assert found.high == 1.0


def test_where_all_pairs_agree_the_interval_is_that_of_so_many_patients():
    both = [("a", "b"), ("b", "c"), ("c", "d")]
    assert mean_of_pairs([1.0] * 3, both, rng=rng()) == wilson(4, 4)
    assert mean_of_pairs([0.0] * 3, both, rng=rng()) == wilson(0, 4)
    half = mean_of_pairs([0.5] * 3, both, rng=rng())
    assert half.value == 0.5
    assert np.isnan(half.low)


def test_unknown_values_leave_out_their_pair():
    both = [("a", "b"), ("b", "c"), ("c", "a")]
    assert mean_of_pairs([1.0, np.nan, 1.0], both, rng=rng()).value == 1.0
    assert np.isnan(mean_of_pairs([np.nan] * 3, both, rng=rng()).value)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=12), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_interval_lies_within_the_values(values, seed):
    both = [(f"p{i}", f"p{(i + 1) % len(values)}") for i in range(len(values))]
    found = mean_of_pairs(values, both, rng=np.random.default_rng(seed), n_resamples=200)
    assert isinstance(found, Interval)
    if np.ptp(values) > 0 and np.isfinite(found.low):
        assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_a_pair_has_two_patients():
    with pytest.raises(CardiovaeError, match="two patients per value"):
        mean_of_pairs([1.0], [("a",)], rng=rng())
    with pytest.raises(CardiovaeError, match="two patients per value"):
        mean_of_pairs([1.0, 2.0], [("a", "b")], rng=rng())
