"""The shrunk density: its spread, its likelihood, and that it is a density at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cardiovae.errors import CardiovaeError
from cardiovae.latent.density import fit_parzen
from cardiovae.latent.shrunk import fit_shrunk

COVARIANCE = np.array([[4.0, 1.9, 0.0], [1.9, 1.0, 0.0], [0.0, 0.0, 0.25]])


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(0).multivariate_normal([1.0, -2.0, 5.0], COVARIANCE, 400)


@pytest.fixture(scope="module")
def density(codes):
    return fit_shrunk(codes, groups=np.arange(400))


def test_draws_have_the_mean_and_the_covariance_of_the_codes(codes, density):
    drawn = density.sample(40_000, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.06)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.12)


@pytest.mark.parametrize("width", [0.3, 0.7])
def test_the_log_density_is_that_of_the_mixture_written_out(codes, width):
    few = codes[:7]
    density = fit_shrunk(few, groups=range(7), width=width)
    covariance = np.cov(few.T, bias=True)
    at = codes[10:14]
    kernels = [
        stats.multivariate_normal(
            few.mean(0) + np.sqrt(1 - width**2) * (code - few.mean(0)), width**2 * covariance
        ).pdf(at)
        for code in few
    ]
    np.testing.assert_allclose(density.log_prob(at), np.log(np.mean(kernels, axis=0)))


def test_codes_that_are_correlated_are_likelier_than_under_round_kernels(codes, density):
    fresh = np.random.default_rng(2).multivariate_normal([1.0, -2.0, 5.0], COVARIANCE, 300)
    plain = fit_parzen(codes, groups=np.arange(400))
    assert density.log_prob(fresh).mean() > plain.log_prob(fresh).mean() + 0.2


def test_of_gaussian_codes_wide_kernels_are_likeliest_and_of_clusters_narrow_ones(codes):
    rng = np.random.default_rng(3)
    clusters = rng.choice([-10.0, 10.0], (400, 3)) + rng.normal(0, 0.5, (400, 3))
    wide, narrow = (fit_shrunk(c, groups=range(400)).kernels.bandwidth for c in (codes, clusters))
    assert wide > 0.6
    assert narrow < 0.3


def test_an_axis_without_variation_is_no_obstacle(codes):
    flat = codes.copy()
    flat[:, 2] = 5.0
    drawn = fit_shrunk(flat, groups=range(400)).sample(100, np.random.default_rng(0))
    assert np.abs(drawn[:, 2] - 5).max() < 0.2


@pytest.mark.parametrize(
    ("array", "width", "words"),
    [
        (np.zeros((4, 2)), None, "all the same"),
        (np.full((4, 2), np.nan), None, "finite"),
        (np.zeros((1, 2)), None, "N >= 2"),
        (np.eye(4), 1.0, "between 0 and 1"),
    ],
)
def test_what_no_density_fits_is_refused(array, width, words):
    with pytest.raises(CardiovaeError, match=words):
        fit_shrunk(array, groups=range(len(array)), width=width)
