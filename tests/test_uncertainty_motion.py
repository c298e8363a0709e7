import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

from cardiovae.uncertainty.motion import (
    RATIOS,
    motion_posterior,
    restricted_likelihood,
)


def bends(n):
    """Second differences of n frames, by hand, shape (n - 2, n)."""
    return np.array(
        [[-0.5 if t in (i, i + 2) else float(t == i + 1) for t in range(n)] for i in range(n - 2)]
    )


def dense(precision, ratio):
    b = bends(len(precision))
    return np.diag(precision) + b.T @ b / ratio


@given(st.integers(1, 4), st.integers(0, 99))
def test_frames_of_a_short_sequence_speak_for_themselves(n_frames, seed):
    rng = np.random.default_rng(seed)
    precision = rng.uniform(0.1, 2, n_frames)
    found = motion_posterior(rng.normal(size=(n_frames, 3)), np.eye(3), precision)
    assert np.allclose(found.sd, 1 / np.sqrt(precision))
    assert np.isinf(found.ratio)


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 20), st.integers(0, 99))
def test_standard_deviations_are_those_of_the_dense_inverse(n_frames, seed):
    rng = np.random.default_rng(seed)
    precision = rng.uniform(0.05, 1, n_frames)
    found = motion_posterior(rng.normal(size=(n_frames, 4)), np.eye(4), precision)
    covariance = np.linalg.inv(dense(precision, found.ratio))
    assert np.allclose(found.sd, found.scale * np.sqrt(np.diag(covariance)), rtol=1e-6)


def test_the_likelihood_is_that_of_contrasts_without_a_straight_line():
    # Oracle: what is left of the codes once constants and trends are projected out is Gaussian.
    rng = np.random.default_rng(2)
    n, d = 9, 3
    white, precision = rng.normal(size=(n, d)), rng.uniform(0.2, 1, n)
    line = np.stack([np.ones(n), np.arange(n)])
    contrasts = null_space(line)
    differences = []
    for ratio in (0.01, 0.3, 5.0):
        likelihood, scale = restricted_likelihood(white, precision, ratio)
        b = bends(n)
        spread = np.diag(1 / precision) + ratio * np.linalg.pinv(b.T @ b)
        covariance = scale**2 * contrasts.T @ spread @ contrasts
        slow = sum(
            multivariate_normal(np.zeros(n - 2), covariance).logpdf(column)
            for column in (contrasts.T @ white).T
        )
        differences.append(likelihood - slow)
    assert np.ptp(differences) < 1e-6  # equal up to one constant


def test_the_scale_is_the_one_of_largest_likelihood():
    rng = np.random.default_rng(5)
    white, precision = 0.3 * rng.normal(size=(30, 20)), np.ones(30)
    best = max(RATIOS, key=lambda ratio: restricted_likelihood(white, precision, ratio)[0])
    assert best == RATIOS[0]  # noise alone does not bend
    assert restricted_likelihood(white, precision, best)[1] == pytest.approx(0.3, rel=0.1)


def test_neighbors_help_and_a_frame_without_trust_is_the_least_certain():
    rng = np.random.default_rng(0)
    beat = np.cos(np.linspace(0, 2 * np.pi, 24))[:, None] * rng.normal(size=(1, 8))
    codes = 4 * beat + 0.2 * rng.normal(size=(24, 8))
    precision = np.ones(24)
    precision[11] = 0.05
    found = motion_posterior(codes, 0.04 * np.eye(8), precision)
    assert found.scale == pytest.approx(1, rel=0.25)
    inner = np.delete(found.sd[3:-3], 11 - 3)
    assert (inner < found.scale).all()
    assert found.sd[11] > inner.max()


def test_samples_have_the_stated_spread():
    rng = np.random.default_rng(1)
    found = motion_posterior(rng.normal(size=(8, 2)), np.eye(2), np.linspace(0.2, 1, 8))
    drawn = found.sample(20_000, 2, rng)
    assert drawn.shape == (20_000, 8, 2)
    assert np.allclose(drawn.std(axis=(0, 2)), found.sd, rtol=0.03)
    neighbors = np.corrcoef(drawn[:, 3, 0], drawn[:, 4, 0])[0, 1]
    covariance = np.linalg.inv(dense(np.linspace(0.2, 1, 8), found.ratio))
    expected = covariance[3, 4] / np.sqrt(covariance[3, 3] * covariance[4, 4])
    assert neighbors == pytest.approx(expected, abs=0.03)
