"""Terms of the objective against closed forms, slow loops and library functions, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prior_cases import TINY
from torch.distributions import Normal, kl_divergence

from cardiovae.prior import objective
from cardiovae.prior.models import build_model
from cardiovae.prior.network import Posterior

NAN = math.nan
LAW = settings(deadline=None, max_examples=20)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@LAW
@given(st.integers(0, 1000))
def test_the_kl_divergence_is_that_of_torch_distributions(seed):
    mu, logvar = normal(seed, 2, 5, 3).unbind(0)
    expected = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).sum(1).mean()
    assert torch.allclose(objective.kl_divergence(Posterior(mu, logvar)), expected)


def test_the_kl_divergence_of_the_prior_itself_is_zero():
    zero = torch.zeros(4, 3, dtype=torch.float64)
    assert float(objective.kl_divergence(Posterior(zero, zero))) == 0.0


def slow_attribute_loss(z, attributes, delta):
    total = 0.0
    for a in range(attributes.shape[1]):
        errors = []
        for i in range(len(z)):
            for j in range(len(z)):
                difference = float(attributes[i, a] - attributes[j, a])
                if not math.isnan(difference):
                    sign = (difference > 0) - (difference < 0)
                    errors.append(abs(math.tanh(delta * float(z[i, a] - z[j, a])) - sign))
        total += sum(errors) / max(len(errors), 1)
    return total


@LAW
@given(st.integers(0, 1000))
def test_the_attribute_loss_is_the_mean_over_known_pairs(seed):
    z, attributes = normal(seed, 5, 4), normal(seed + 1, 5, 3)
    attributes[seed % 5, seed % 3] = NAN
    found = float(objective.attribute_loss(z, attributes, 2.0))
    assert found == pytest.approx(slow_attribute_loss(z, attributes, 2.0))


def test_codes_in_the_order_of_their_attribute_cost_next_to_nothing():
    z = torch.arange(6, dtype=torch.float64)[:, None].requires_grad_()
    loss = objective.attribute_loss(z, 100 * z.detach() - 7, 10.0)
    loss.backward()
    assert float(loss.detach()) < 1e-7
    assert float(z.grad.abs().max()) < 1e-6


def test_codes_in_the_opposite_order_cost_two_for_each_pair():
    z = torch.arange(4, dtype=torch.float64)[:, None]
    assert float(objective.attribute_loss(z, -z, 10.0)) == pytest.approx(2 * 12 / 16)


def test_a_frame_without_the_attribute_does_not_count():
    z, attributes = normal(1, 5, 2), normal(2, 5, 2)
    attributes[2] = NAN
    keep = [0, 1, 3, 4]
    assert torch.allclose(
        objective.attribute_loss(z, attributes, 3.0),
        objective.attribute_loss(z[keep], attributes[keep], 3.0),
    )


def test_the_instant_loss_leaves_unknown_instants_out():
    predicted = torch.tensor([[0.5], [0.0], [9.0]], dtype=torch.float64, requires_grad=True)
    loss = objective.instant_loss(predicted, torch.tensor([0.0, 1.0, NAN], dtype=torch.float64))
    loss.backward()
    assert float(loss.detach()) == pytest.approx((0.25 + 1.0) / 2)
    assert predicted.grad[:, 0].tolist() == pytest.approx([0.5, -1.0, 0.0])


def test_without_any_known_instant_there_is_no_loss():
    assert float(objective.instant_loss(torch.ones(2, 1), torch.full((2,), NAN))) == 0.0


def test_class_shares_are_shares_and_nested():
    shares = objective.class_shares(5 * normal(3, 2, 3, 4, 5))
    assert torch.allclose(shares.sum(1), torch.ones(2, 4, 5, dtype=torch.float64))
    assert float(shares.min()) >= 0


def two_pixels(lv, epi, la):
    return torch.tensor([[[lv], [epi], [la]]], dtype=torch.float64)


def test_a_contour_off_by_one_millimeter_costs_one():
    target = two_pixels([-2.0, 2.0], [-8.0, -4.0], [20.0, 20.0])
    inside = torch.ones(1, 1, 1, 2, dtype=torch.float64)
    assert float(objective.distance_loss(target, target, inside)) == 0.0
    assert float(objective.distance_loss(target - 1, target, inside)) == pytest.approx(1.0)


def test_pixels_outside_the_image_cost_nothing():
    inside = torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64)
    decoded = two_pixels([-9.0, 9.0], [-9.0, 9.0], [9.0, -9.0])
    target = torch.tensor([[[[0.0, 0.0]], [[1.0, 1.0]], [[0.0, 0.0]], [[0.0, 0.0]]]]).double()
    regions = torch.tensor([[[[1.0, 1.0]], [[1.0, 1.0]], [[0.0, 0.0]]]]).double()
    assert float(objective.cross_entropy(decoded, regions, inside)) < 1e-5
    # LV is right; MYO and LA are absent from both, which counts as no overlap.
    assert float(objective.soft_dice_loss(decoded, target, inside)) == pytest.approx(
        2 / 3, abs=1e-4
    )


def test_the_cross_entropy_on_a_contour_is_that_of_a_coin():
    decoded, half = torch.zeros(1, 3, 2, 2).double(), torch.full((1, 3, 2, 2), 0.5).double()
    inside = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    assert float(objective.cross_entropy(decoded, half, inside)) == pytest.approx(math.log(2))


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model(TINY.model, TINY.latent_dim, TINY.width).eval()


def test_a_judged_network_decodes_the_mean_code(network):
    maps = torch.rand(3, 7, 128, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        posterior = network.encode(maps)
        assert torch.equal(network(maps), network.decode(posterior.mu))
        alone = network.encode(maps[1:2]).mu
    assert torch.allclose(alone, posterior.mu[1:2], atol=1e-5)
    assert posterior.mu.shape == (3, TINY.latent_dim)


def test_the_decoder_gives_three_distances_at_every_knot(network):
    assert network.decode(torch.zeros(2, TINY.latent_dim)).shape == (2, 3, 64, 48)


def test_posterior_samples_have_the_posteriors_mean_and_spread():
    mu, logvar = torch.full((20_000, 1), 3.0), torch.full((20_000, 1), math.log(4.0))
    drawn = Posterior(mu, logvar).sample(torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(3.0, abs=0.06)
    assert float(drawn.std()) == pytest.approx(2.0, abs=0.05)


def test_the_reparametrized_gradient_is_that_of_the_closed_form():
    # Of z ~ N(mu, s^2): E[z^2] = mu^2 + s^2, so d/dmu = 2 mu and d/dlogvar = s^2.
    mu = torch.tensor([[1.5, -0.5]], dtype=torch.float64, requires_grad=True)
    logvar = torch.tensor([[0.2, -1.0]], dtype=torch.float64, requires_grad=True)
    many = Posterior(mu.expand(200_000, -1), logvar.expand(200_000, -1))
    drawn = many.sample(torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.float64
    drawn.square().mean(0).sum().backward()
    torch.testing.assert_close(mu.grad, 2 * mu.detach(), atol=0.02, rtol=0)
    torch.testing.assert_close(logvar.grad, logvar.detach().exp(), atol=0.02, rtol=0)


def test_the_reparametrized_draw_is_linear_in_its_noise():
    mu, logvar = normal(1, 4, 3), normal(2, 4, 3)
    drawn = Posterior(mu, logvar).sample(torch.Generator().manual_seed(7))
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    torch.testing.assert_close(drawn, mu + torch.exp(logvar / 2) * noise)


def test_the_squared_error_counts_every_class_inside_the_image():
    decoded = torch.full((1, 3, 2, 2), 99.0, dtype=torch.float64)  # background everywhere
    target = torch.zeros(1, 4, 2, 2, dtype=torch.float64)
    target[:, 0] = 1
    target[0, :, 0, 0] = torch.tensor([0.0, 1.0, 0.0, 0.0])  # one pixel is LV
    inside = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]], dtype=torch.float64)
    # Two classes are wrong by 1 in one of two pixels that count: 2 / (4 * 2).
    assert float(objective.squared_error(decoded, target, inside)) == pytest.approx(0.25)
