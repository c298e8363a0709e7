"""Two latent levels: divergences in closed form, and how codes are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prior_cases import small_table
from torch.distributions import Normal, kl_divergence

from cardiovae.errors import ConfigError
from cardiovae.prior import objective
from cardiovae.prior.augment import AugmentConfig, draw_batch
from cardiovae.prior.models.hierarchical import HierarchicalVAE
from cardiovae.prior.network import Posterior
from cardiovae.prior.state import ObjectiveConfig


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HierarchicalVAE(8, 8, n_top=3).eval()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_the_divergence_between_gaussians_is_that_of_torch_distributions(seed):
    numbers = torch.from_numpy(np.random.default_rng(seed).normal(size=(4, 5, 3)))
    first, second = Posterior(numbers[0], numbers[1]), Posterior(numbers[2], numbers[3])
    expected = kl_divergence(*(Normal(p.mu, torch.exp(p.logvar / 2)) for p in (first, second)))
    assert torch.allclose(objective.kl_between(first, second), expected.sum(1).mean())


def test_the_divergence_to_the_standard_normal_is_the_plain_one():
    p = Posterior(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.3, -1.0]]))
    standard = Posterior(torch.zeros(1, 2), torch.zeros(1, 2))
    torch.testing.assert_close(objective.kl_between(p, standard), objective.kl_divergence(p))


def test_both_levels_are_paid_for(model):
    batch = draw_batch(small_table(), np.arange(4), AugmentConfig(), np.random.default_rng(0))
    learned = model.learn(batch, ObjectiveConfig(), torch.Generator().manual_seed(5))
    top, features = model._top(batch.inputs)
    z_top = top.sample(torch.Generator().manual_seed(5))
    low, expected = model._low(z_top, features), model.expected(z_top)
    pairs = ((top, Posterior(torch.zeros(()), torch.zeros(()))), (low, expected))
    by_hand = sum(
        kl_divergence(*(Normal(p.mu, torch.exp(p.logvar / 2)) for p in pair)).sum(1).mean()
        for pair in pairs
    )
    assert float(learned.terms["beta"].detach()) == pytest.approx(
        float(by_hand.detach()), rel=1e-4
    )


def test_the_lower_level_is_drawn_around_what_the_top_expects(model):
    codes = model.sample(4000, torch.Generator().manual_seed(0))
    top, low = codes[:, :3], codes[:, 3:]
    assert torch.allclose(top.mean(0), torch.zeros(3), atol=0.08)
    assert torch.allclose(top.std(0), torch.ones(3), atol=0.06)
    expected = model.expected(top)
    scores = ((low - expected.mu) / torch.exp(expected.logvar / 2)).detach()
    assert torch.allclose(scores.mean(0), torch.zeros(5), atol=0.08)
    assert torch.allclose(scores.std(0), torch.ones(5), atol=0.06)


@pytest.mark.parametrize("n_top", [0, 8])
def test_levels_without_a_dimension_are_refused(n_top):
    with pytest.raises(ConfigError, match="n_top"):
        HierarchicalVAE(8, 8, n_top=n_top)


def test_the_log_density_is_that_of_both_levels(model):
    codes = model.sample(6, torch.Generator().manual_seed(1))
    expected = model.expected(codes[:, :3])
    low = Normal(expected.mu, torch.exp(expected.logvar / 2)).log_prob(codes[:, 3:]).sum(1)
    top = Normal(0.0, 1.0).log_prob(codes[:, :3]).sum(1)
    torch.testing.assert_close(model.log_prior(codes), top + low)
