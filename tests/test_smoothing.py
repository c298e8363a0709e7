"""Smoothing against dense algebra, generic optimizers, descent, and what a beat must keep."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cardiovae.errors import CardiovaeError
from cardiovae.latent.bending import BEND, BEND_OF_BEND, solve_bending
from cardiovae.latent.smoothing import (
    minimum_change,
    robust_weights,
    second_difference,
    smallest_strength,
    smooth,
)

SEEDS = st.integers(0, 2**32 - 1)


def bends(n):
    """The matrix of second differences, shape (n - 2, n)."""
    rows = np.zeros((n - 2, n))
    for t in range(n - 2):
        rows[t, t : t + 3] = -0.5, 1.0, -0.5
    return rows


def energy(s, s0, w, strength):
    return 0.5 * np.sum(w * (s - s0) ** 2) + strength / 2 * np.sum((bends(len(s)) @ s) ** 2)


def half_beat(n):
    """From end of diastole, 1, to end of systole, -1."""
    return np.cos(np.pi * np.arange(n) / (n - 1))


def full_beat(n):
    return np.cos(2 * np.pi * np.arange(n) / (n - 1))


def noisy(signal, seed, share=0.02):
    """`signal` with errors of `share` of its amplitude, many times over, shape (T, 400)."""
    rng = np.random.default_rng(seed)
    return signal[:, None] + share * np.ptp(signal) * rng.standard_normal((len(signal), 400))


# --- the energy ---------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.floats(1e-3, 1e4), SEEDS)
def test_smoothing_solves_the_normal_equations_of_the_energy(n, strength, seed):
    rng = np.random.default_rng(seed)
    s0, w = rng.standard_normal(n), rng.uniform(0.05, 1, n)
    w /= w.max()
    dense = np.linalg.solve(np.diag(w) + strength * bends(n).T @ bends(n), w * s0)
    np.testing.assert_allclose(smooth(s0, w, strength), dense, atol=1e-8)


def test_no_generic_optimizer_finds_less_energy():
    rng = np.random.default_rng(0)
    for n in (3, 7, 20):
        s0, w = rng.standard_normal(n), rng.uniform(0, 1, n)
        w /= w.max()
        found = minimize(energy, s0, (s0, w, 7.0), method="BFGS", options={"gtol": 1e-9})
        ours = smooth(s0, w, 7.0)
        assert energy(ours, s0, w, 7.0) <= found.fun + 1e-9
        np.testing.assert_allclose(ours, found.x, atol=1e-5)


def test_slow_descent_with_momentum_ends_at_the_minimum_and_the_published_shortcut_does_not():
    # Published settings: momentum 0.9, step 1e-2, 1e4 iterations, strength 50, ends repeated. The
    # published gradient leaves out that moving a frame also moves the means of its neighbors.
    rng = np.random.default_rng(1)
    n, strength = 15, 50.0
    s0, b = full_beat(n) + 0.1 * rng.standard_normal(n), bends(n)

    def published(s):
        padded = np.pad(s, 1, mode="edge")
        return s - s0 + strength * (s - (padded[:-2] + padded[2:]) / 2)

    ends = []
    for gradient in (lambda s: s - s0 + strength * b.T @ (b @ s), published):
        s, velocity = s0.copy(), np.zeros(n)
        for _ in range(10_000):
            velocity = 0.9 * velocity + 0.1 * gradient(s)
            s = s - 1e-2 * velocity
        ends.append(s)
    ours, ones = smooth(s0, None, strength), np.ones(n)
    np.testing.assert_allclose(ours, ends[0], atol=1e-6)
    assert energy(ours, s0, ones, strength) < 0.5 * energy(ends[1], s0, ones, strength)


@pytest.mark.parametrize("taps", [BEND, BEND_OF_BEND])
def test_the_banded_system_gives_the_same_bends_as_the_dense_one(taps):
    rng = np.random.default_rng(4)
    n = 12
    b = bends(n) if taps is BEND else bends(n - 2) @ bends(n)
    w, compliance = rng.uniform(0.1, 1, n), rng.uniform(0.01, 2, len(b))
    force = rng.standard_normal((n, 3))
    x, bent = solve_bending(w, compliance, force, taps)
    dense = np.linalg.solve(np.diag(w) + b.T @ np.diag(1 / compliance) @ b, force)
    np.testing.assert_allclose(x, dense, atol=1e-10)
    np.testing.assert_allclose(bent, b @ dense, atol=1e-10)


def test_second_differences_are_deviations_from_the_mean_of_the_neighbors():
    assert second_difference([1.0, 4.0, 3.0, 3.0]).tolist() == [0.0, 2.0, -0.5, 0.0]
    two = second_difference(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]))
    assert two.tolist() == [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    assert second_difference([5.0]).tolist() == [0.0]


# --- laws ---------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.floats(-9, 9), st.floats(-5, 5), st.booleans(), SEEDS)
def test_constant_and_linear_signals_stay(n, level, slope, preserve, seed):
    line = level + slope * np.arange(n)
    w = np.random.default_rng(seed).uniform(0.01, 1, n)
    for strength in (1.0, 1e5, math.inf):
        moved = smooth(line, w, strength, preserve_amplitude=preserve)
        np.testing.assert_allclose(moved, line, atol=1e-7)
    assert np.array_equal(minimum_change(line, 1e-6, w), line)


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_frames_stay(n):
    codes = np.arange(n * 3.0).reshape(n, 3) ** 2
    assert np.array_equal(smooth(codes, None, 50.0), codes)
    assert np.array_equal(smooth(codes, np.zeros(n), math.inf), codes)
    assert np.array_equal(minimum_change(codes, 0.0), codes)
    assert robust_weights(codes).tolist() == [1.0] * n
    assert smallest_strength(codes, None, lambda s: True).strength == 0.0


def test_strength_zero_leaves_a_dimension_alone_and_each_has_its_own():
    rng = np.random.default_rng(2)
    codes, w = rng.standard_normal((20, 4)), rng.uniform(0.1, 1, 20)
    strengths = np.array([0.0, 3.0, math.inf, 3.0])
    moved = smooth(codes, w, strengths)
    assert np.array_equal(moved[:, 0], codes[:, 0])
    for d in (1, 2, 3):
        np.testing.assert_allclose(moved[:, d], smooth(codes[:, d], w, strengths[d]), atol=1e-12)
    t = np.arange(20)
    line = np.polyval(np.polyfit(t, codes[:, 2], 1, w=np.sqrt(w)), t)
    np.testing.assert_allclose(moved[:, 2], line, atol=1e-10)


def test_each_dimension_may_have_its_own_weights():
    rng = np.random.default_rng(3)
    codes, w = rng.standard_normal((15, 3)), rng.uniform(0.1, 1, (15, 3))
    moved = smooth(codes, w, 5.0)
    for d in range(3):
        np.testing.assert_allclose(moved[:, d], smooth(codes[:, d], w[:, d], 5.0), atol=1e-12)


def test_only_the_ratio_of_weights_matters():
    rng = np.random.default_rng(3)
    s, w = rng.standard_normal(15), rng.uniform(0.1, 1, 15)
    np.testing.assert_allclose(smooth(s, 1e-4 * w, 5.0), smooth(s, w, 5.0), atol=1e-10)


def test_huge_strength_ends_in_the_straight_line():
    s = np.random.default_rng(5).standard_normal(30)
    np.testing.assert_allclose(smooth(s, None, 1e12), smooth(s, None, math.inf), atol=1e-6)


def test_frames_without_weight_do_not_matter_and_are_filled_in():
    rng = np.random.default_rng(6)
    s, w = full_beat(25) + 0.01 * rng.standard_normal(25), np.ones(25)
    w[[0, 1, 9, 10, 24]] = 0
    for preserve in (False, True):
        moved = smooth(s, w, 10.0, preserve_amplitude=preserve)
        s[w == 0] = 1e9
        again = smooth(s, w, 10.0, preserve_amplitude=preserve)
        np.testing.assert_allclose(again, moved, atol=1e-9)
        np.testing.assert_allclose(moved[9:11], full_beat(25)[9:11], atol=0.1)
        np.testing.assert_allclose(np.diff(moved[:4], 2)[:2], 0, atol=1e-9)
        assert moved[24] - moved[23] == pytest.approx(moved[23] - moved[22])


def test_two_trusted_frames_define_a_line():
    w = np.array([0, 0, 1, 0, 0, 0.2, 0])
    moved = smooth(np.array([9, 9, 1.0, 9, 9, 4.0, 9]), w, 10.0, preserve_amplitude=True)
    np.testing.assert_allclose(moved, [-1, 0, 1, 2, 3, 4, 5], atol=1e-9)


# --- amplitude ----------------------------------------------------------------------------------


@pytest.mark.parametrize("beat", [half_beat(18), half_beat(25), full_beat(25), full_beat(46)])
@pytest.mark.parametrize("strength", [2.0, 10.0, 50.0])
def test_a_clean_beat_keeps_its_amplitude_within_one_percent(beat, strength):
    moved = smooth(beat, None, strength, preserve_amplitude=True)
    assert np.ptp(moved) == pytest.approx(np.ptp(beat), rel=0.01)
    ends = np.argmax(beat), np.argmin(beat)
    assert moved[ends[0]] - moved[ends[1]] == pytest.approx(np.ptp(beat), rel=0.01)


@pytest.mark.parametrize("beat", [half_beat(12), half_beat(18), full_beat(25), full_beat(46)])
@pytest.mark.parametrize("strength", [10.0, 50.0])
def test_a_noisy_beat_keeps_its_amplitude_without_bias(beat, strength):
    moved = smooth(noisy(beat, 0), None, strength, preserve_amplitude=True)
    assert np.ptp(moved, axis=0).mean() == pytest.approx(np.ptp(beat), rel=0.02)
    assert np.mean((moved - beat[:, None]) ** 2) < 0.8 * np.mean((noisy(beat, 0).T - beat) ** 2)


def test_the_plain_energy_does_not_keep_the_amplitude():
    beat = np.cos(2 * np.pi * np.arange(25) / 25 + 1)  # both turning points inside
    assert np.ptp(smooth(beat, None, 50.0)) < 0.96 * np.ptp(beat)
    kept = smooth(beat, None, 50.0, preserve_amplitude=True)
    assert np.ptp(kept) == pytest.approx(np.ptp(beat), rel=0.01)


def test_keeping_the_amplitude_passes_the_same_frequencies():
    # Half of the amplitude is left where strength (1 - cos omega)^2 = 1, with either energy.
    n, strength = 400, 50.0
    omega = math.acos(1 - strength**-0.5)
    wave = np.cos(omega * np.arange(n))
    for preserve in (False, True):
        moved = smooth(wave, None, strength, preserve_amplitude=preserve)
        np.testing.assert_allclose(moved[100:300], wave[100:300] / 2, atol=1e-6)


# --- robust weights -----------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(16, 60), st.sampled_from([1, 8, 48]), st.sampled_from([3.0, 1e3, 1e9]), SEEDS)
def test_one_ruined_frame_never_bends_its_neighbors(n, d, error, seed):
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, d)
    clean = np.cos(2 * np.pi * np.arange(n)[:, None] / max(n, 18) + phase)
    ruined, t = clean.copy(), int(rng.integers(n))
    ruined[t] += error * rng.choice([-1, 1], d)
    weights = robust_weights(ruined)
    assert weights[t] < 1e-3
    others = np.arange(n) != t
    moved = smooth(ruined, weights, 10.0, preserve_amplitude=True)
    assert np.abs(moved - clean)[others].max() < 0.05  # of an amplitude of 2
    assert np.abs(smooth(ruined, None, 10.0) - clean)[others].max() > 0.15


def test_a_frame_ruined_in_one_dimension_of_many_is_seen():
    rng = np.random.default_rng(0)
    codes = full_beat(30)[:, None] + 0.02 * rng.standard_normal((30, 48))
    codes[11, 5] += 3.0
    weights = robust_weights(codes)
    assert weights[11] == 0.0
    assert np.delete(weights, 11).min() > 0.5


def test_clean_frames_keep_their_weight_turning_points_included():
    for beat in (half_beat(18), full_beat(25), full_beat(46)):
        assert robust_weights(beat).min() > 0.9
    weights = robust_weights(noisy(full_beat(46), 0)[:, :10])
    assert np.median(weights) > 0.9
    assert weights.min() > 0.5


def test_broken_frames_weigh_little_however_well_they_fit():
    broken = np.zeros(25, bool)
    broken[[3, 4, 17]] = True
    weights = robust_weights(full_beat(25), broken, broken_weight=0.05)
    assert np.all(weights[broken] <= 0.05)
    assert np.all(weights[~broken] > 0.9)
    assert robust_weights([0.0, 5.0, 1.0], [False, True, False]).tolist() == [1.0, 0.1, 1.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), SEEDS)
def test_weights_always_suffice_to_smooth(n, d, seed):
    rng = np.random.default_rng(seed)
    codes = rng.standard_cauchy((n, d)) ** 3
    broken = rng.random(n) < 0.5
    weights = robust_weights(codes, broken)
    assert weights.shape == (n,)
    assert np.all((weights >= 0) & (weights <= 1))
    assert np.count_nonzero(weights) >= n / 2
    smooth(codes, weights, 10.0)


def test_a_constant_signal_with_one_error_is_judged():
    signal = np.full(20, 3.0)
    assert robust_weights(signal).tolist() == [1.0] * 20
    signal[7] = 4.0
    weights = robust_weights(signal)
    assert weights[7] == 0.0
    assert np.delete(weights, 7).min() > 0.9


# --- the smallest change under limits -----------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(3, 80),
    st.floats(1e-6, 0.5),
    st.sampled_from(["ones", "any", "many zeros"]),
    st.sampled_from([1.0, 1e4]),
    SEEDS,
)
def test_minimum_change_meets_its_limit(n, tau, kind, error, seed):
    rng = np.random.default_rng(seed)
    s = full_beat(n) + rng.standard_normal(n)
    s[rng.integers(n)] += error
    w = {"ones": np.ones(n), "any": 10 ** rng.uniform(-6, 0, n)}.get(kind, rng.random(n) < 0.4)
    assume(np.count_nonzero(w) >= 2)
    moved = minimum_change(s, tau, w)
    assert np.abs(second_difference(moved)).max() <= tau * (1 + 1e-12) + 1e-12 * error


@pytest.mark.parametrize("seed", range(12))
def test_no_generic_optimizer_finds_a_smaller_change(seed):
    rng = np.random.default_rng(seed)
    n, tau = int(rng.integers(3, 16)), float(rng.choice([0.003, 0.05, 0.3]))
    s0, w = full_beat(n) + 0.3 * rng.standard_normal(n), rng.uniform(0.05, 1, n)
    b = bends(n)
    limits = [
        {
            "type": "ineq",
            "fun": lambda x, side=side: tau + side * b @ x,
            "jac": lambda x, side=side: side * b,
        }
        for side in (-1, 1)
    ]
    start = np.polyval(np.polyfit(np.arange(n), s0, 1), np.arange(n))
    found = minimize(
        lambda x: 0.5 * np.sum(w * (x - s0) ** 2),
        start,
        jac=lambda x: w * (x - s0),
        constraints=limits,
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 2000},
    )
    ours = minimum_change(s0, tau, w)
    assert 0.5 * np.sum(w * (ours - s0) ** 2) <= found.fun + 1e-8
    np.testing.assert_allclose(ours, found.x, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_minimum_change_satisfies_the_optimality_conditions_on_long_signals(seed):
    # W (s0 - x) is the pull of the limits: only at frames at their limit, and inwards.
    rng = np.random.default_rng(seed)
    n, tau = 200, 0.02
    s0, w = full_beat(n) + 0.2 * rng.standard_normal(n), rng.uniform(0.1, 1, n)
    x = minimum_change(s0, tau, w)
    pull, residual, *_ = np.linalg.lstsq(bends(n).T, w * (s0 - x))
    assert residual.max(initial=0.0) < 1e-12
    bend = second_difference(x)[1:-1]
    inside = np.abs(bend) < tau * (1 - 1e-5)
    assert np.abs(pull[inside]).max() < 1e-5 * np.abs(pull).max()
    assert np.all((pull * bend)[~inside] > -1e-6)


def test_minimum_change_leaves_what_is_within_its_limits_bit_for_bit():
    rng = np.random.default_rng(0)
    codes = np.stack([full_beat(25), full_beat(25) + 0.1 * rng.standard_normal(25)], axis=1)
    moved = minimum_change(codes, np.array([0.05, 0.05]))
    assert np.array_equal(moved[:, 0], codes[:, 0])
    assert not np.array_equal(moved[:, 1], codes[:, 1])
    np.testing.assert_allclose(moved[:, 1], minimum_change(codes[:, 1], 0.05), atol=1e-12)


def test_minimum_change_keeps_the_amplitude_better_than_the_quadratic_penalty():
    beat = np.cos(2 * np.pi * np.arange(25) / 25 + 1)
    s = beat.copy()
    s[12] += 0.3  # one frame out of line
    tau = 1.2 * np.abs(second_difference(beat)).max()
    by_penalty = smallest_strength(s, None, lambda x: np.abs(second_difference(x)).max() <= tau)
    change = minimum_change(s, tau)
    assert by_penalty.feasible
    assert np.abs(change - beat)[[0, 1, 2, 3, 20, 21, 22, 23, 24]].max() < 1e-9
    assert np.sum((change - s) ** 2) < 0.9 * np.sum((by_penalty.signal - s) ** 2)


def test_a_limit_of_zero_asks_for_the_straight_line():
    s = np.random.default_rng(0).standard_normal(12)
    np.testing.assert_allclose(minimum_change(s, 0.0), smooth(s, None, math.inf), atol=1e-12)


# --- the smallest strength ----------------------------------------------------------------------


def limited(tau):
    return lambda s: bool(np.abs(second_difference(s)).max() <= tau)


@pytest.mark.parametrize("preserve", [False, True])
def test_the_smallest_strength_is_feasible_and_a_little_less_is_not(preserve):
    s, w = noisy(full_beat(25), 0)[:, 0], np.linspace(0.2, 1, 25)
    found = smallest_strength(s, w, limited(0.08), preserve_amplitude=preserve)
    assert found.feasible
    assert limited(0.08)(found.signal)
    assert not limited(0.08)(smooth(s, w, 0.98 * found.strength, preserve_amplitude=preserve))
    again = smooth(s, w, found.strength, preserve_amplitude=preserve)
    assert np.array_equal(again, found.signal)


def test_a_feasible_signal_is_returned_as_it_is():
    s = full_beat(25)
    found = smallest_strength(s, None, limited(1.0))
    assert found.strength == 0.0
    assert np.array_equal(found.signal, s)


def test_the_upper_strength_is_raised_until_it_suffices():
    s = np.random.default_rng(0).standard_normal(25)
    low, high = (smallest_strength(s, None, limited(1e-3), upper=u) for u in (0.5, 1e5))
    assert low.feasible
    assert low.strength > 200  # the published upper limit, 128, would not have been enough
    assert low.strength == pytest.approx(high.strength, rel=0.02)


def test_the_straight_line_is_the_last_resort_and_its_failure_is_reported():
    s = full_beat(25) + np.arange(25)
    line = smallest_strength(s, None, limited(1e-12))
    assert (line.feasible, line.strength) == (True, math.inf)
    np.testing.assert_allclose(line.signal, smooth(s, None, math.inf), atol=1e-12)
    never = smallest_strength(s, None, lambda x: False)
    assert (never.feasible, never.strength) == (False, math.inf)


def test_only_a_signal_that_was_checked_is_called_feasible():
    checked = []

    def erratic(s):  # feasible now and then, as a decoder behind it may be
        checked.append(s.copy())
        return len(checked) % 3 == 0

    found = smallest_strength(noisy(full_beat(20), 1)[:, :4], None, erratic)
    accepted = [s for i, s in enumerate(checked, start=1) if i % 3 == 0]
    assert found.feasible
    assert any(np.array_equal(found.signal, s) for s in accepted)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smooth(np.zeros((2, 2, 2))), r"shape \(T,\) or \(T, D\)"),
        (lambda: smooth(np.array([0.0, np.nan, 1.0])), "1 values that are not finite"),
        (lambda: smooth(np.zeros(4), np.ones(3)), r"weights are finite, >= 0, of shape \(4,\)"),
        (lambda: smooth(np.zeros(4), [1, 1, -1, 1]), "weights are finite, >= 0"),
        (lambda: smooth(np.zeros(4), [0, 1, 0, 0]), "two frames or more must have weight"),
        (lambda: smooth(np.zeros(4), None, -1.0), "strength is >= 0"),
        (lambda: smooth(np.zeros(4), None, math.nan), "strength is >= 0"),
        (lambda: minimum_change(np.zeros(4), -0.1), "tau is a finite limit >= 0"),
        (lambda: robust_weights(np.zeros(6), np.zeros(5, bool)), r"broken has shape \(6,\)"),
        (lambda: robust_weights(np.zeros(6), np.zeros(6, bool), broken_weight=0), "broken_weight"),
    ],
)
def test_unusable_input_is_refused_with_the_reason(call, message):
    with pytest.raises(CardiovaeError, match=message):
        call()
