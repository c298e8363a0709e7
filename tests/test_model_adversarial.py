"""The critic: it learns in turns, costs nothing at weight 0, and is not kept."""

from __future__ import annotations

import dataclasses

import torch
from prior_cases import TINY, small_table

from cardiovae.prior.models.adversarial import MaskCritic
from cardiovae.prior.state import ObjectiveConfig, start
from cardiovae.prior.train import train

CONFIG = dataclasses.replace(TINY, model="adversarial")


def weights(network):
    return torch.cat([v.double().flatten() for v in network.state_dict().values()])


def test_both_networks_learn():
    table = small_table()
    before, after = start(CONFIG), train(table, table, CONFIG)
    assert not torch.equal(weights(before.critic), weights(after.critic))
    assert not torch.equal(weights(before.network), weights(after.network))
    assert {"adversarial", "critic"} < set(after.history[-1])


def test_at_weight_zero_the_network_learns_as_if_there_were_no_critic():
    table = small_table()
    states = [
        train(
            table,
            table,
            dataclasses.replace(CONFIG, model=name, objective=ObjectiveConfig(adversarial=0.0)),
        )
        for name in ("adversarial", "vae")
    ]
    first, second = (weights(state.average) for state in states)
    torch.testing.assert_close(first, second)


def test_the_critic_is_no_part_of_what_is_kept():
    assert not any("critic" in name for name in start(CONFIG).average.state_dict())


def test_a_critic_that_is_sure_pays_nothing_and_one_that_is_wrong_pays_all():
    critic = MaskCritic()

    class Scores(torch.nn.Module):
        def forward(self, maps):
            return [maps[:, 1:2]]  # takes the LV's share for its score

    critic.network = Scores()
    nothing, everything = torch.full((2, 3, 8, 8), 99.0), torch.full((2, 3, 8, 8), -99.0)
    real = type("Batch", (), {"target": torch.ones(2, 4, 8, 8)})
    assert float(critic.mistaken(nothing, real)) < 1e-6
    assert float(critic.mistaken(everything, real)) > 0.4
    assert float(critic.fooled(everything)) < 1e-6
    assert float(critic.fooled(nothing)) > 0.9
