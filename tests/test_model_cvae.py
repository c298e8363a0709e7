"""What a conditional model is told, and that it listens."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from prior_cases import drawn_sequence

from cardiovae.prior.augment import AugmentConfig, draw_batch
from cardiovae.prior.models.cvae import ConditionalVAE, facts
from cardiovae.prior.shapes import build_shapes

STILL = AugmentConfig(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
NAN = math.nan


@pytest.mark.parametrize(
    ("view", "instant", "annotated", "expected"),
    [
        (1.0, 0.25, (1, 1), [1, 1, 1, 0.25, 1, 1]),
        (0.0, NAN, (1, 0), [1, 0, 0, 0, 1, 0]),
        (NAN, 0.0, (0, 0), [0, 0, 1, 0, 0, 0]),
    ],
)
def test_a_fact_that_is_unknown_is_not_a_zero(view, instant, annotated, expected):
    found = facts(torch.tensor([view]), torch.tensor([instant]), torch.tensor([annotated]).float())
    assert found.tolist() == [expected]


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConditionalVAE(8, 8).eval()


def test_told_nothing_it_takes_whole_hearts_of_unknown_view_and_instant(model):
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    nothing = torch.tensor([[0, 0, 0, 0, 1, 1]]).float().expand(2, -1)
    assert torch.equal(model.decode(z), model.decode(z, nothing))


def test_what_it_is_told_changes_code_and_heart(model):
    told = torch.tensor([[1, 1, 1, 0, 1, 1]]).float()
    maps, z = torch.rand(1, 7, 128, 96), torch.zeros(1, 8)
    assert not torch.equal(model.encode(maps).mu, model.encode(maps, told).mu)
    assert not torch.equal(model.decode(z), model.decode(z, told))


def test_a_batch_knows_its_views_and_a_mixture_of_two_has_none():
    sequence = drawn_sequence()
    views = [type(sequence)(sequence.labels, sequence.spacing_mm, view=v) for v in ("A2C", "A4C")]
    table = build_shapes([("a", views[0]), ("b", views[1]), ("c", sequence)])
    np.testing.assert_array_equal(table.view, [0, 0, 1, 1, NAN, NAN])
    rng = np.random.default_rng
    assert draw_batch(table, np.arange(4), STILL, rng(0)).view.tolist() == [0, 0, 1, 1]
    mixed = AugmentConfig(0, 0, 0, 0, 0, 0, 0.0, 1.0, 0, 0, 0)
    drawn = draw_batch(table, np.zeros(60, int), mixed, rng(0)).view
    assert 0.5 < float(torch.isnan(drawn).float().mean()) < 0.85  # mates: 2 of 6 are A2C
