"""Nearest codes against scipy, and dichotomic search where the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from cardiovae.errors import CardiovaeError
from cardiovae.latent import distances
from cardiovae.latent.search import bisect_segment, bisect_segments, nearest

SEEDS = st.integers(0, 2**32 - 1)


def precision(d, seed=0):
    """A symmetric positive definite matrix (D, D)."""
    a = np.random.default_rng(seed).standard_normal((d, d))
    return a @ a.T + 0.1 * np.eye(d)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 6), SEEDS)
def test_nearest_are_the_nearest_of_all_distances(n, m, d, seed):
    rng = np.random.default_rng(seed)
    bank, z, k = (
        rng.standard_normal((n, d)),
        rng.standard_normal((m, d)),
        int(rng.integers(1, n + 1)),
    )
    w = rng.uniform(0, 2, d)
    metrics = {
        "plain": (None, cdist(z, bank)),
        "weighted": (w, np.sqrt(((z[:, None] - bank) ** 2) @ w)),
        "full": (precision(d), cdist(z, bank, "mahalanobis", VI=precision(d))),
    }
    for weights, expected in metrics.values():
        indices, found = nearest(bank, z, k=k, weights=weights)
        np.testing.assert_allclose(found, np.sort(expected, axis=1)[:, :k], atol=1e-9)
        np.testing.assert_allclose(np.take_along_axis(expected, indices, axis=1), found, atol=1e-9)


def test_a_code_of_the_bank_is_its_own_neighbor_at_distance_zero_far_from_the_origin():
    bank = 1e6 + 1e-3 * np.random.default_rng(0).standard_normal((500, 48))
    indices, found = nearest(bank, bank[::7])
    assert indices[:, 0].tolist() == list(range(0, 500, 7))
    assert not found.any()


def test_blocks_do_not_change_the_neighbors(monkeypatch):
    rng = np.random.default_rng(0)
    bank, z = rng.standard_normal((300, 5)), rng.standard_normal((50, 5))
    whole = nearest(bank, z, k=3)
    monkeypatch.setattr(distances, "BLOCK_ELEMENTS", 1000)
    blocked = nearest(bank, z, k=3)
    assert np.array_equal(whole[0], blocked[0])
    assert np.array_equal(whole[1], blocked[1])


def test_a_half_precision_bank_and_no_query_are_served():
    bank = np.eye(3, dtype=np.float16)
    assert nearest(bank, [[0.9, 0, 0]])[0].tolist() == [[0]]
    indices, found = nearest(bank, np.empty((0, 3)), k=2)
    assert indices.shape == found.shape == (0, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 12), SEEDS)
def test_entry_into_a_ball_is_found_from_outside_within_the_last_halving(d, steps, seed):
    rng = np.random.default_rng(seed)
    center, radius = rng.standard_normal(d), rng.uniform(0.5, 2)
    towards = rng.standard_normal((2, d))
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    start = center + towards[0] * radius * rng.uniform(1.01, 10)
    end = center + towards[1] * radius * rng.uniform(0, 0.999)
    found = bisect_segment(
        start, end, lambda z: np.linalg.norm(z - center, axis=1) <= radius, steps=steps
    )
    # |start + alpha (end - start) - center| = radius: the smaller root of a quadratic.
    move, away = end - start, start - center
    a, b, c = move @ move, 2 * move @ away, away @ away - radius**2
    exact = (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a)
    assert exact - 1e-9 <= found.alpha < exact + 0.5**steps + 1e-9
    assert found.n_evaluated == steps + 1
    np.testing.assert_allclose(found.code, start + found.alpha * move, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 5), SEEDS)
def test_the_code_is_valid_and_on_the_segment_whatever_the_valid_set(m, d, seed):
    rng = np.random.default_rng(seed)
    waves, phase = rng.uniform(-20, 20, (d, 3)), rng.uniform(0, 6, 3)

    def is_valid(z):  # a set of many pieces, with holes
        return np.sin(z @ waves + phase).sum(axis=1) > 0.8

    start, end = rng.standard_normal((2, m, d))
    seen = []

    def watched(z):
        seen.append((z.copy(), is_valid(z)))
        return is_valid(z)

    results = bisect_segments(start, end, watched)
    for i, found in enumerate(results):
        at_end = np.array_equal(found.code, end[i])
        assert at_end or any(v[i] and np.array_equal(z[i], found.code) for z, v in seen)
        assert 0 <= found.alpha <= 1
        moved, whole = (np.linalg.norm(x - start[i]) for x in (found.code, end[i]))
        assert moved <= whole * (1 + 1e-12)
        assert moved == pytest.approx(found.alpha * whole, abs=1e-9)


def test_a_valid_start_does_not_move():
    start = np.array([0.1, 0.2, 0.3])
    found = bisect_segment(start, np.ones(3), lambda z: np.ones(len(z), bool))
    assert np.array_equal(found.code, start)
    assert (found.alpha, found.n_evaluated) == (0.0, 1)


def test_where_nothing_else_is_valid_the_end_comes_back_bit_for_bit_and_is_never_asked_about():
    end = np.array([0.1, 1 / 3, 1e-17])
    asked = []

    def is_valid(z):
        asked.append(z.copy())
        return np.zeros(len(z), bool)

    found = bisect_segment(np.full(3, 7.7), end, is_valid, steps=5)
    assert np.array_equal(found.code, end)
    assert (found.alpha, found.n_evaluated) == (1.0, 6)
    assert not any(np.array_equal(z[0], end) for z in asked)


def test_segments_are_searched_as_if_each_were_alone():
    rng = np.random.default_rng(0)
    start, end = rng.uniform(2, 5, (6, 3)), rng.uniform(-0.5, 0.5, (6, 3))
    start[2] = 0.1  # valid already
    together = bisect_segments(start, end, lambda z: np.linalg.norm(z, axis=1) < 1)
    for i, found in enumerate(together):
        alone = bisect_segment(start[i], end[i], lambda z: np.linalg.norm(z, axis=1) < 1)
        assert np.array_equal(found.code, alone.code)
        assert found.alpha == alone.alpha
    assert together[2].alpha == 0.0


def test_every_question_holds_one_code_of_every_segment_in_their_order():
    start, end = np.array([[0.0], [10.0], [20.0]]), np.array([[1.0], [11.0], [21.0]])
    entry = np.array([0.25, 10.5, 20.0])  # a criterion of its own for each segment
    results = bisect_segments(start, end, lambda z: z[:, 0] >= entry, steps=10)
    assert [r.alpha for r in results] == pytest.approx([0.25, 0.5, 0.0], abs=2e-3)
    assert bisect_segments(np.empty((0, 3)), np.empty((0, 3)), lambda z: z) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nearest(np.zeros((3, 2)), np.zeros((1, 3))), r"\(N, D\) and \(M, D\)"),
        (lambda: nearest(np.zeros((3, 2)), np.zeros((1, 2)), k=4), "between 1 and the 3 codes"),
        (lambda: nearest(np.zeros((3, 2)), np.full((1, 2), np.nan)), "are finite"),
        (lambda: nearest(np.zeros((3, 2)), np.zeros((1, 2)), weights=[1, -1]), "numbers >= 0"),
        (
            lambda: nearest(np.zeros((3, 2)), np.zeros((1, 2)), weights=-np.eye(2)),
            "positive definite",
        ),
        (lambda: bisect_segments(np.zeros((2, 3)), np.zeros((1, 3)), bool), "one shape"),
        (
            lambda: bisect_segment(np.zeros(3), np.ones(3), lambda z: z[:, 0]),
            "one bool per code",
        ),
    ],
)
def test_unusable_input_is_refused_with_the_reason(call, message):
    with pytest.raises(CardiovaeError, match=message):
        call()
