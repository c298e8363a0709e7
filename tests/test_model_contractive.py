"""The penalty on the encoder's Jacobian against exact derivatives, in float64."""

from __future__ import annotations

import pytest
import torch
from prior_cases import TINY, small_table
from torch import nn

from cardiovae.prior.models.contractive import ContractiveAutoEncoder
from cardiovae.prior.objective import jacobian_penalty
from cardiovae.prior.state import ObjectiveConfig
from cardiovae.prior.train import train


def test_of_a_linear_encoder_it_is_the_squared_norm_of_its_matrix():
    matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]], dtype=torch.float64)  # norm^2 15
    maps = torch.zeros(4000, 3, dtype=torch.float64, requires_grad=True)
    found = jacobian_penalty(maps @ matrix.T, maps, torch.Generator().manual_seed(0))
    assert float(found.detach()) == pytest.approx(15.0, rel=0.05)


def test_of_any_encoder_its_mean_over_projections_is_that_of_the_exact_jacobian():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        encoder = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    maps = torch.linspace(-1, 1, 8, dtype=torch.float64).reshape(2, 4).requires_grad_(True)
    exact = torch.stack(
        [torch.autograd.functional.jacobian(encoder, row).square().sum() for row in maps.detach()]
    ).mean()
    generator = torch.Generator().manual_seed(0)
    draws = [float(jacobian_penalty(encoder(maps), maps, generator).detach()) for _ in range(3000)]
    assert sum(draws) / len(draws) == pytest.approx(float(exact), rel=0.05)


def test_the_penalty_has_a_gradient_and_contracts_the_code():
    table = small_table()
    spread = []
    for weight in (0.0, 1.0):
        config = TINY.__class__(
            model="contractive",
            latent_dim=8,
            width=8,
            batch_size=4,
            n_steps=30,
            warmup_steps=2,
            validate_every=30,
            objective=ObjectiveConfig(jacobian=weight),
        )
        state = train(table, table, config)
        assert isinstance(state.network, ContractiveAutoEncoder)
        heard = state.history[-1]["jacobian"]
        spread.append(heard)
    assert spread[1] < 0.5 * spread[0]
