"""The objective of images and masks, against slow sums written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from cardiovae.crisp.network import CrispNetwork, NetworkConfig
from cardiovae.crisp.objective import (
    ObjectiveConfig,
    alike,
    contrast,
    cross_entropy,
    soft_dice,
    terms,
)

torch.set_num_threads(1)
GENERATOR = np.random.default_rng(0)


def unit(n, d):
    return functional.normalize(torch.from_numpy(GENERATOR.normal(size=(n, d))), dim=1)


def test_contrast_is_the_mean_of_both_cross_entropies():
    image, mask, scale = unit(5, 3), unit(5, 3), 7.0
    total = 0.0
    for i in range(5):
        row = [scale * float(image[i] @ mask[j]) for j in range(5)]
        column = [scale * float(image[j] @ mask[i]) for j in range(5)]
        for scores in (row, column):
            total += math.log(sum(math.exp(s) for s in scores)) - scores[i]
    assert float(contrast(image, mask, torch.tensor(scale))) == pytest.approx(total / 10)


def test_pairs_that_cannot_be_told_apart_cost_the_logarithm_of_their_number():
    same = unit(1, 3).repeat(4, 1)
    assert float(contrast(same, same, torch.tensor(10.0))) == pytest.approx(math.log(4))


def test_belonging_to_itself_alone_is_the_published_contrast():
    image, mask, scale = unit(5, 3), unit(5, 3), torch.tensor(7.0)
    own = torch.eye(5, dtype=image.dtype)
    assert float(contrast(image, mask, scale, own)) == pytest.approx(
        float(contrast(image, mask, scale))
    )


def squares(*corners):
    """Maps (N, 4, 8, 8) with a square of each structure, moved together by each corner."""
    maps = torch.zeros(len(corners), 4, 8, 8)
    for i, c in enumerate(corners):
        for structure, at in ((1, 0), (2, 2), (3, 4)):
            maps[i, structure, at : at + 2, c : c + 2] = 1
    maps[:, 0] = 1 - maps[:, 1:].sum(1)
    return maps


def test_masks_belong_by_their_dice():
    maps = squares(0, 1, 5)  # the first two overlap by half: Dice 1/2; the third not at all
    found = alike(maps, torch.ones(3, 1, 8, 8), softness=0.5)
    raw = np.exp(np.array([0, -0.5 / 0.5, -1 / 0.5]))
    assert found[0].numpy() == pytest.approx(raw / raw.sum(), rel=1e-5)
    assert found.sum(1).numpy() == pytest.approx([1, 1, 1])


def test_without_softness_every_mask_belongs_to_its_own_image_alone():
    assert alike(squares(0, 1), torch.ones(2, 1, 8, 8), 0.0) is None


def test_what_lies_outside_the_image_costs_nothing():
    target, inside = squares(0), torch.ones(1, 1, 8, 8)
    inside[:, :, :, 4:] = 0
    scores = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    other = scores.clone()
    other[:, :, :, 4:] += torch.tensor([9.0, 0, 0, 0]).view(1, 4, 1, 1)
    for loss in (cross_entropy, soft_dice):
        assert float(loss(scores, target, inside)) == pytest.approx(
            float(loss(other, target, inside))
        )


def test_a_certain_and_right_map_costs_nothing():
    target, inside = squares(0, 3), torch.ones(2, 1, 8, 8)
    assert float(cross_entropy(50 * target, target, inside)) == pytest.approx(0, abs=1e-6)
    assert float(soft_dice(50 * target, target, inside)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("stochastic", "image", "expected"),
    [
        (False, 0.0, {"contrast", "cross_entropy", "dice"}),
        (True, 0.5, {"contrast", "cross_entropy", "dice", "kl", "image"}),
    ],
)
def test_terms_are_those_that_are_switched_on(stochastic, image, expected):
    network = CrispNetwork(NetworkConfig(width=4, stochastic=stochastic))
    seen = network(torch.rand(2, 2, 128, 96), torch.rand(2, 7, 128, 96))
    target = functional.one_hot(torch.zeros(2, 64, 48).long(), 4).permute(0, 3, 1, 2).float()
    config = ObjectiveConfig(image=image, softness=0.1)
    found = terms(seen, network.scale, target, torch.ones(2, 1, 64, 48), config)
    assert set(found) == expected
    assert seen.image.norm(dim=1).detach().numpy() == pytest.approx([1, 1], rel=1e-5)
