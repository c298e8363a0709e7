"""Bounds of the log likelihood: by closed forms, and as the training objective defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prior_cases import LinearShapes, drawn_sequence
from scipy import stats
from scipy.special import logsumexp

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.likelihood import bound, no_bound, region_nats
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import canvas_distances, decode, to_canvas
from cardiovae.prior.grid import place
from cardiovae.prior.network import Posterior
from cardiovae.prior.objective import cross_entropy, kl_divergence

D = LinearShapes.latent_dim


def frames():
    """Class shares (2, 4, 128, 96) of a drawn heart, and what of the canvas its image covers."""
    sequence = drawn_sequence()
    placement = place(sequence.labels, sequence.spacing_mm)
    return to_canvas(sequence.labels, placement)


def linear(codes):
    return decode(LinearShapes(), codes)


def unmoved(codes):
    """A decoder that looks at no code."""
    return linear(np.zeros_like(codes))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_likelihood_is_the_objectives_cross_entropy_summed():
    shares, inside = frames()
    distances = canvas_distances(linear(rng().normal(0, 0.5, (2, D))))
    regions = np.stack([shares[:, 1], shares[:, 1] + shares[:, 2], shares[:, 3]], 1)
    found = region_nats(distances, shares, inside, STRUCTURES)
    for n in range(2):
        visible = torch.from_numpy(inside)[None, None]
        mean = cross_entropy(
            torch.from_numpy(distances[[n]]), torch.from_numpy(regions[[n]]), visible
        )
        assert found[n] == pytest.approx(float(mean) * 3 * inside.sum(), rel=1e-5)


def test_one_pixel_by_hand():
    shares = np.zeros((1, 4, 1, 1), np.float32)
    shares[0, Label.LV] = 1
    distances = np.array([-0.7, -1.4, 0.7], np.float32).reshape(1, 3, 1, 1)
    half = np.full((1, 1), 0.5, np.float32)
    # -log sigmoid(1) - log sigmoid(2) - log(1 - sigmoid(-1)), at half weight
    expected = 0.5 * (2 * np.log1p(np.exp(-1)) + np.log1p(np.exp(-2)))
    assert region_nats(distances, shares, half, STRUCTURES)[0] == pytest.approx(expected, rel=1e-6)
    lv = region_nats(distances, shares, half, (Label.LV,))[0]
    assert lv == pytest.approx(0.5 * np.log1p(np.exp(-1)), rel=1e-6)


def test_what_lies_outside_the_image_counts_nothing():
    shares, inside = frames()
    distances = canvas_distances(linear(np.zeros((2, D))))
    changed = np.where(inside > 0, distances, 99.0).astype(np.float32)
    np.testing.assert_array_equal(
        region_nats(changed, shares, inside, STRUCTURES),
        region_nats(distances, shares, inside, STRUCTURES),
    )


def test_the_divergence_is_the_objectives_and_the_elbo_what_is_left():
    shares, inside = frames()
    mean, std = rng().normal(0, 1, (2, D)), rng(1).uniform(0.1, 2, (2, D))
    found = bound(mean, std, linear, shares, inside, STRUCTURES, rng=rng())
    for n in range(2):
        posterior = Posterior(*(torch.from_numpy(a[[n]]) for a in (mean, 2 * np.log(std))))
        assert found.divergence[n] == pytest.approx(float(kl_divergence(posterior)))
    np.testing.assert_allclose(found.elbo, found.reconstruction - found.divergence)
    assert found.reason == ""


def test_where_the_code_tells_nothing_the_bounds_are_closed_forms():
    """p(x | z) = p(x): the log likelihood is that of any code, the ELBO lies the KL below it."""
    shares, inside = frames()
    exact = -region_nats(canvas_distances(unmoved(np.zeros((2, D)))), shares, inside, STRUCTURES)
    mean, std = np.full((2, D), 0.1), np.full((2, D), 0.95)
    found = bound(mean, std, unmoved, shares, inside, STRUCTURES, rng=rng(), n_samples=150)
    np.testing.assert_allclose(found.reconstruction, exact, rtol=1e-9)
    np.testing.assert_allclose(found.importance_weighted, exact, atol=0.08)
    kl = 0.5 * D * (0.1**2 + 0.95**2 - 1 - 2 * np.log(0.95))
    np.testing.assert_allclose(exact - found.elbo, kl, rtol=1e-4)
    standard = bound(0 * mean, 1 + 0 * std, unmoved, shares, inside, STRUCTURES, rng=rng())
    np.testing.assert_allclose(standard.elbo, exact)
    np.testing.assert_allclose(standard.importance_weighted, exact)


def test_the_weighted_bound_is_that_of_scipys_densities_on_the_same_codes():
    shares, inside = frames()
    mean, std = np.full((2, D), 0.1), np.full((2, D), 0.02)
    found = bound(mean, std, linear, shares, inside, STRUCTURES, rng=rng(5), n_samples=3)
    again, logs = rng(5), []
    for _ in range(3):
        z = mean + std * again.standard_normal(mean.shape)
        given = -region_nats(canvas_distances(linear(z)), shares, inside, STRUCTURES)
        ratio = stats.norm.logpdf(z).sum(1) - stats.norm.logpdf(z, mean, std).sum(1)
        logs.append(given + ratio)
    np.testing.assert_allclose(found.importance_weighted, logsumexp(logs, axis=0) - np.log(3))
    assert np.all(found.importance_weighted >= np.mean(logs, axis=0))  # Jensen


def test_the_seed_decides_and_a_model_without_posterior_says_why():
    shares, inside = frames()
    mean, std = np.zeros((2, D)), np.full((2, D), 0.1)
    one, same = (bound(mean, std, linear, shares, inside, STRUCTURES, rng=rng(3)) for _ in "ab")
    np.testing.assert_array_equal(one.elbo, same.elbo)
    none = no_bound(2, "principal components have no posterior")
    assert np.isnan(none.elbo).all()
    assert none.elbo.shape == (2,)
    assert none.reason == "principal components have no posterior"


@pytest.mark.parametrize(
    ("mean", "std", "n", "message"),
    [
        (np.zeros((2, D)), np.zeros((2, D)), 4, "no posterior"),
        (np.zeros((2, D)), np.ones((2, D)), 0, "at least one sample"),
        (np.zeros((3, D)), np.ones((3, D)), 4, "for 2 frames"),
        (np.zeros((2, D)), np.ones((2, 1)), 4, "mean and std"),
    ],
)
def test_what_is_no_posterior_is_refused(mean, std, n, message):
    with pytest.raises(CardiovaeError, match=message):
        bound(mean, std, linear, *frames(), STRUCTURES, rng=rng(), n_samples=n)


def test_a_prior_of_ones_own_takes_the_place_of_the_standard_normal():
    shares, inside = frames()
    mean, std = rng().normal(0, 1, (2, D)), rng(1).uniform(0.5, 1.5, (2, D))
    plain, told = (
        bound(
            mean, std, unmoved, shares, inside, STRUCTURES, rng=rng(), n_samples=100, log_prior=p
        )
        for p in (None, lambda z: stats.norm(0, 1).logpdf(z).sum(1))
    )
    np.testing.assert_allclose(told.importance_weighted, plain.importance_weighted)
    np.testing.assert_allclose(told.divergence, plain.divergence, atol=0.4)
    wide = bound(
        mean,
        std,
        unmoved,
        shares,
        inside,
        STRUCTURES,
        rng=rng(),
        n_samples=100,
        log_prior=lambda z: stats.norm(0, 3).logpdf(z).sum(1),
    )
    # KL(N(m, s) || N(0, 3)) = log(3 / s) + (s^2 + m^2) / 18 - 1/2 in each dimension.
    expected = (np.log(3 / std) + (std**2 + mean**2) / 18 - 0.5).sum(1)
    np.testing.assert_allclose(wide.divergence, expected, atol=0.4)
