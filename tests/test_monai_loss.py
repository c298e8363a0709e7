from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import AsDiscrete
from monai_cases import SPACING_MM, meta_tensor, sound, stored

from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.monai import PlausibilityLoss, ShapePriorNet
from cardiovae.prior.codec import to_canvas
from cardiovae.prior.grid import place


def one_hot(sequence) -> torch.Tensor:
    """(1, 4, X, Y, T)."""
    return AsDiscrete(to_onehot=4)(meta_tensor(sequence)).as_tensor()[None]


def target(sequence) -> torch.Tensor:
    return torch.from_numpy(stored(sequence)[None, None])


def loss(**changes) -> PlausibilityLoss:
    return PlausibilityLoss("phantom", spacing_mm=SPACING_MM, **changes)


def test_the_latent_distance_of_a_reference_to_itself_is_zero_and_grows_with_the_error():
    only_latent = loss(own=0.0)
    truth = target(sound())
    assert only_latent(one_hot(sound()), truth).item() == pytest.approx(0, abs=1e-10)
    moved = torch.roll(one_hot(sound()), 6, dims=3)
    farther = torch.roll(one_hot(sound()), 12, dims=3)
    near, far = only_latent(moved, truth).item(), only_latent(farther, truth).item()
    assert 0 < near < far


def test_a_hole_is_unlike_its_own_reconstruction_even_where_no_reference_tells():
    only_own = loss(latent=0.0)
    whole = only_own(one_hot(sound()), target(sound())).item()
    labels = sound().labels.copy()
    row, col = np.argwhere(labels[:, :, 0] == 1).mean(0).astype(int)
    labels[row - 6 : row + 6, col - 6 : col + 6] = 0
    hole = only_own(one_hot(sound().with_labels(labels)), target(sound())).item()
    assert 0 < whole < 0.2
    assert hole > 1.15 * whole  # its 144 pixels are a small part of the heart's


def test_the_gradient_is_that_of_finite_differences():
    torch.manual_seed(0)
    frame, truth = one_hot(sound())[..., 0], target(sound())[..., 0]
    scores = (4 * frame + torch.randn(frame.shape)).double().float()
    asked = loss(softmax=True)
    scores.requires_grad_(True)
    asked(scores, truth).backward()
    gradient = scores.grad
    assert torch.isfinite(gradient).all()
    direction = gradient / gradient.norm()
    step = 0.5
    with torch.no_grad():
        above = asked(scores + step * direction, truth).item()
        below = asked(scores - step * direction, truth).item()
    assert (above - below) / (2 * step) == pytest.approx(gradient.norm().item(), rel=0.1)


def test_descent_on_the_loss_brings_a_prediction_closer_to_the_reference():
    frame, truth = one_hot(sound())[..., 0], target(sound())[..., 0]
    scores = (3 * torch.roll(frame, 5, dims=2)).requires_grad_(True)
    asked = loss(softmax=True)
    optimizer = torch.optim.Adam([scores], lr=0.2)
    values = []
    for _ in range(6):
        optimizer.zero_grad()
        value = asked(scores, truth)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]


def test_frames_without_a_heart_do_not_count_and_none_at_all_costs_nothing():
    soft = one_hot(sound()).clone().requires_grad_(True)
    empty = torch.zeros_like(target(sound()))
    value = loss()(soft, empty)
    value.backward()
    assert value.item() == 0
    assert soft.grad.abs().sum() == 0
    half = target(sound()).clone()
    half[..., 1:] = 0
    kept = loss()(soft.detach()[..., :1], target(sound())[..., :1])
    assert loss()(soft.detach(), half).item() == pytest.approx(kept.item(), rel=1e-4)


def test_fewer_classes_are_read_by_their_number_and_strange_ones_refused():
    lv = one_hot(sound())[:, :2].clone()
    lv[:, 0] = 1 - lv[:, 1]
    truth = (target(sound()) == 1).to(torch.uint8)
    assert loss(own=0.0)(lv, truth).item() == pytest.approx(0, abs=1e-10)
    with pytest.raises(ConfigError, match="6 classes"):
        loss()(torch.rand(1, 6, 8, 8), torch.zeros(1, 1, 8, 8))
    with pytest.raises(CardiovaeError, match="differ in batch or grid"):
        loss()(torch.rand(1, 4, 8, 8), torch.zeros(1, 1, 8, 9))


def test_the_prior_as_a_network_gives_the_heart_back():
    network = ShapePriorNet("phantom").eval()
    sequence = sound()
    placement = place(sequence.labels, sequence.spacing_mm)
    shares = torch.from_numpy(to_canvas(sequence.labels, placement)[0])
    with torch.no_grad():
        result = network(shares)
    assert result.shape == shares.shape == (3, 4, 128, 96)
    assert torch.allclose(result.sum(1), torch.ones(3, 128, 96), atol=1e-5)
    same = (result.argmax(1) == shares.argmax(1)).float().mean().item()
    assert same > 0.97
    assert np.isfinite(network.encode(shares).detach().numpy()).all()


def test_a_batch_of_meta_tensors_brings_its_own_spacing():
    items = [{"label": meta_tensor(sound()), "pred": one_hot(sound())[0].roll(4, 1)}] * 2
    (batch,) = DataLoader(Dataset(items), batch_size=2)
    by_meta = PlausibilityLoss("phantom")(batch["pred"], batch["label"])
    stated = loss()(items[0]["pred"][None], target(sound()))
    assert by_meta.item() == pytest.approx(stated.item(), rel=1e-5)
