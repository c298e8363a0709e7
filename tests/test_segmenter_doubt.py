"""Doubt of segmentation networks: known answers, nothing left behind, any network of MONAI."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.networks.nets import BasicUNet, UNet
from torch import nn

from cardiovae.errors import ConfigError, ModelError
from cardiovae.uncertainty.segmenter import (
    METHODS,
    doubt_by_foreground,
    edge_doubt,
    segmenter_doubt,
)
from cardiovae.uncertainty.variations import (
    Change,
    Variation,
    changed,
    draw_changes,
    undone,
)

MOVES = Variation(shift=0.2, gain=0, gamma=0, speckle=0)


class Constant(nn.Module):
    """The same logits everywhere."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n, _, height, width = images.shape
        return self.logits[None, :, None, None].expand(n, -1, height, width)


class Plain(nn.Module):
    """Pixel by pixel, so equivariant to every move; with dropout of its channels."""

    def __init__(self, dropout: float | None = None) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, 8, 1), nn.BatchNorm2d(8), nn.ReLU()]
        if dropout is not None:
            layers.append(nn.Dropout2d(dropout))
        self.layers = nn.Sequential(*layers, nn.Conv2d(8, 4, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


def images(n: int = 2, side: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 1, side, side + 4), dtype=np.float32)


def test_equal_logits_are_doubted_fully_and_sure_ones_not_at_all():
    unsure = segmenter_doubt(Constant([0.7, 0.7, 0.7, 0.7]), images())
    np.testing.assert_allclose(unsure.pixel, 1, atol=1e-6)
    sure = segmenter_doubt(Constant([0.0, 200.0, 0.0, 0.0]), images())
    np.testing.assert_allclose(sure.pixel, 0, atol=1e-6)
    assert (sure.labels == 1).all()
    assert sure.score.tolist() == [0, 0]


def test_two_equal_classes_of_four_have_half_the_entropy():
    doubt = segmenter_doubt(Constant([100.0, 100.0, -100.0, -100.0]), images())
    np.testing.assert_allclose(doubt.pixel, math.log(2) / math.log(4), atol=1e-6)
    np.testing.assert_allclose(doubt.probabilities[:, :2], 0.5, atol=1e-6)


def test_a_single_channel_is_the_logit_of_the_foreground():
    doubt = segmenter_doubt(Constant([math.log(3)]), images())
    np.testing.assert_allclose(doubt.probabilities[:, 1], 0.75, atol=1e-6)
    assert (doubt.labels == 1).all()


def test_probabilities_are_taken_as_they_are():
    doubt = segmenter_doubt(Constant([0.5, 0.5, 0.0]), images(), outputs="probabilities")
    np.testing.assert_allclose(doubt.pixel, math.log(2) / math.log(3), atol=1e-6)


def test_the_score_is_doubt_by_foreground_and_nan_without_any():
    pixel = np.array([[[0.5, 0.25], [0.0, 0.25]], [[1.0, 1.0], [1.0, 1.0]]])
    labels = np.array([[[0, 1], [2, 0]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(doubt_by_foreground(pixel, labels), [0.5, np.nan])


def test_two_networks_that_contradict_each_other_share_all_of_their_entropy():
    pair = [Constant([0.0, 200.0]), Constant([200.0, 0.0])]
    doubt = segmenter_doubt(pair, images(), "ensemble")
    np.testing.assert_allclose(doubt.pixel, 1, atol=1e-6)
    np.testing.assert_allclose(doubt.mutual_information, 1, atol=1e-6)
    same = segmenter_doubt(nn.ModuleList([pair[0], pair[0]]), images(), "ensemble")
    np.testing.assert_allclose(same.mutual_information, 0, atol=1e-6)


def test_dropout_that_drops_nothing_is_plain_entropy():
    network = Plain(dropout=0.0)
    plain = segmenter_doubt(network, images(), "entropy")
    dropped = segmenter_doubt(network, images(), "mc-dropout", n_passes=3)
    np.testing.assert_allclose(dropped.pixel, plain.pixel, atol=1e-5)
    np.testing.assert_allclose(dropped.mutual_information, 0, atol=1e-5)


def test_dropout_before_a_known_layer_gives_the_binomial_mean():
    # One channel, kept with probability 1/2 and then doubled: logits (0, 2 a) or (0, 0).
    network = nn.Sequential(nn.Dropout2d(0.5), nn.Conv2d(1, 2, 1, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))
    doubt = segmenter_doubt(network, np.ones((1, 1, 2, 2)), "mc-dropout", n_passes=4000)
    kept = 1 / (1 + math.exp(-2))
    expected = 0.5 * kept + 0.5 * 0.5
    np.testing.assert_allclose(doubt.probabilities[0, 1], expected, atol=0.02)
    own = 0.5 + 0.5 * -(kept * math.log2(kept) + (1 - kept) * math.log2(1 - kept))
    whole = -(expected * math.log2(expected) + (1 - expected) * math.log2(1 - expected))
    np.testing.assert_allclose(doubt.mutual_information, whole - own, atol=0.01)


@pytest.mark.parametrize("flip", [False, True])
def test_moves_are_undone_so_that_an_equivariant_network_keeps_its_entropy(flip):
    variation = Variation(shift=0.2, gain=0, gamma=0, speckle=0, flip=flip)
    torch.manual_seed(1)
    network = Plain().eval()
    plain = segmenter_doubt(network, images(), "entropy")
    moved = segmenter_doubt(network, images(), "tta", variation=variation)
    np.testing.assert_allclose(moved.probabilities, plain.probabilities, atol=1e-4)
    np.testing.assert_allclose(moved.pixel, plain.pixel, atol=1e-4)
    np.testing.assert_allclose(moved.mutual_information, 0, atol=1e-4)


def test_a_shift_rolls_whole_pixels_and_says_what_it_did_not_see():
    image = torch.arange(20.0).reshape(1, 1, 4, 5)
    change = Change(shift=(1 / 4, -2 / 5))  # content moves down by one and left by two
    moved = changed(image, change)
    torch.testing.assert_close(moved[0, 0, 1:, :3], image[0, 0, :3, 2:])
    back, seen = undone(moved, change)
    expected = torch.zeros(4, 5)
    expected[:3, 2:] = 1
    assert torch.equal(seen[0, 0], expected)
    torch.testing.assert_close(back * seen, image * expected)


def test_a_rotation_is_undone_where_the_image_is_smooth():
    row, col = torch.meshgrid(torch.linspace(-1, 1, 60), torch.linspace(-2, 2, 120), indexing="ij")
    blob = torch.exp(-4 * ((row - 0.2) ** 2 + (col - 0.3) ** 2))[None, None]
    change = Change(angle=math.radians(20))
    moved = changed(blob, change)
    # A rotation in pixels: the peak turns about the center by the angle, on any aspect.
    peak = np.unravel_index(int(moved.argmax()), (60, 120))
    at = np.array([peak[1] - 59.5, peak[0] - 29.5])
    start = np.array([0.3 * 119 / 4, 0.2 * 59 / 2])
    assert np.linalg.norm(at) == pytest.approx(np.linalg.norm(start), abs=1)
    turned = math.degrees(math.atan2(at[1], at[0]) - math.atan2(start[1], start[0]))
    assert abs(turned) == pytest.approx(20, abs=5)
    back, seen = undone(moved, change)
    torch.testing.assert_close(back * seen, blob * seen, atol=0.02, rtol=0)


def test_gray_changes_keep_black_black_and_follow_gain_and_gamma():
    image = torch.tensor([[[[10.0, 20.0], [15.0, 10.0]]]])
    found = changed(image, Change(gain=1.2, gamma=2.0))
    torch.testing.assert_close(found, torch.tensor([[[[10.0, 22.0], [13.0, 10.0]]]]))
    noisy = changed(image, Change(speckle=0.5))
    assert (noisy[image == 10] == 10).all()
    assert (noisy[image > 10] != image[image > 10]).all()
    flat = torch.full((1, 1, 3, 3), 2.0)
    torch.testing.assert_close(changed(flat, Change(gain=1.5, gamma=0.5, speckle=0.3)), flat)


def test_the_first_change_of_several_is_none():
    changes = draw_changes(Variation(), 5, (112, 112), np.random.default_rng(0))
    assert changes[0] == Change()
    assert len(set(changes)) == 5
    assert all((112 * share).is_integer() for change in changes for share in change.shift)


def test_edges_of_a_square_fall_off_linearly_by_hand():
    labels = np.zeros((1, 9, 9), np.uint8)
    labels[0, 3:6, 3:6] = 1
    found = edge_doubt(labels, thickness_px=2)
    inside = [[1, 1, 1], [1, 0.5, 1], [1, 1, 1]]
    expected = np.zeros((9, 9))
    expected[1:8, 1:8] = 0.5
    expected[2:7, 2:7] = 1
    expected[3:6, 3:6] = inside
    np.testing.assert_array_equal(found[0], expected)


def test_edges_between_two_structures_count_and_the_border_of_the_image_does_not():
    labels = np.array([[[1, 1, 1, 2, 2, 2]] * 3], np.uint8)
    found = edge_doubt(labels, thickness_px=4)
    np.testing.assert_array_equal(found[0], [[0.5, 0.75, 1, 1, 0.75, 0.5]] * 3)
    assert not edge_doubt(np.ones((1, 4, 4), np.uint8)).any()


def test_edges_are_five_pixels_thick_at_256():
    labels = np.zeros((1, 256, 256), np.uint8)
    labels[:, :, 128:] = 3
    np.testing.assert_allclose(edge_doubt(labels)[0, 0, 127:133], [1, 1, 0.8, 0.6, 0.4, 0.2])
    small = edge_doubt(labels[:, ::2, ::2])
    np.testing.assert_allclose(small[0, 0, 63:67], [1, 1, 0.6, 0.2], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_mode_weights_and_random_state_are_as_before(method):
    network = UNet(2, 1, 4, (4, 8), (2,), norm="batch", dropout=0.3)
    network.model[1].eval()  # a mixed mode, such as of a frozen part
    modes = [module.training for module in network.modules()]
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    before = torch.get_rng_state()
    passed = [network, network] if method == "ensemble" else network
    segmenter_doubt(passed, images(), method, n_passes=3)
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name])  # running statistics of batch norm among them


def test_mode_and_random_state_are_restored_after_a_failure():
    network = Plain(dropout=0.5).train()
    before = torch.get_rng_state()

    def broken(batch: torch.Tensor, _: nn.Module) -> torch.Tensor:
        torch.rand(3)
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        segmenter_doubt(network, images(), "mc-dropout", predictor=broken)
    assert network.training
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", ["mc-dropout", "tta"])
def test_the_seed_decides_and_dropout_layers_alone_are_in_training(method):
    network = BasicUNet(2, 1, 4, features=(4, 4, 8, 8, 8, 4), dropout=0.3)
    first, again, other = (
        segmenter_doubt(network, images(side=28), method, n_passes=3, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.pixel, again.pixel)
    assert (first.pixel != other.pixel).any()
    assert first.mutual_information.max() > 0
    for map_ in (first.pixel, first.mutual_information):
        assert map_.min() >= 0
        assert map_.max() <= 1
    np.testing.assert_allclose(first.probabilities.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_batches_do_not_change_a_deterministic_answer(method):
    torch.manual_seed(3)
    network = Plain(dropout=0.0)
    passed = [network, Plain()] if method == "ensemble" else network
    variation = Variation(speckle=0)
    one, all_ = (
        segmenter_doubt(passed, images(5), method, batch_size=size, variation=variation)
        for size in (1, 5)
    )
    np.testing.assert_allclose(one.pixel, all_.pixel, atol=1e-5)
    np.testing.assert_array_equal(one.labels, all_.labels)


def test_inferers_of_monai_metatensors_and_resizing_predictors_fit():
    network = Plain()
    plain = segmenter_doubt(network, images(side=12))
    windows = SlidingWindowInferer(roi_size=(8, 8), sw_batch_size=2)
    seen = segmenter_doubt(network, MetaTensor(images(side=12)), predictor=windows)
    np.testing.assert_allclose(seen.pixel, plain.pixel, atol=1e-5)

    def doubled(batch: torch.Tensor, one: nn.Module) -> torch.Tensor:
        return one(batch).repeat_interleave(2, 2).repeat_interleave(2, 3)

    large = segmenter_doubt(network, images(side=12), "tta", predictor=doubled, variation=MOVES)
    np.testing.assert_allclose(large.pixel[:, ::2, ::2], plain.pixel, atol=1e-4)
    assert large.labels.shape == (2, 24, 32)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"method": "magic"}, ConfigError, "expected one of entropy, mc-dropout"),
        ({"outputs": "labels"}, ConfigError, "outputs is 'labels'"),
        ({"n_passes": 0}, ConfigError, "n_passes is 0"),
        ({"batch_size": 0}, ConfigError, "batch_size is 0"),
        ({"images": np.zeros((4, 8, 8))}, ConfigError, r"shape \(4, 8, 8\)"),
        ({"method": "ensemble"}, ConfigError, "a list of two or more"),
        ({"network": [Plain()], "method": "ensemble"}, ConfigError, "with 1 networks"),
        ({"network": [Plain(), Plain()]}, ConfigError, "every other method one network"),
        ({"method": "mc-dropout"}, ModelError, "Plain has no dropout layer"),
        ({"outputs": "probabilities"}, ModelError, "are they logits"),
        ({"images": np.full((1, 1, 4, 4), np.nan)}, ModelError, "not finite"),
        ({"predictor": lambda batch, network: [network(batch)]}, ModelError, "returned list"),
        ({"predictor": lambda batch, network: batch[0]}, ModelError, r"returned \(1, 16, 20\)"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, error, says):
    given = {"network": Plain(), "images": images(), **arguments}
    with pytest.raises(error, match=says):
        segmenter_doubt(**given)


@pytest.mark.parametrize(
    "limits", [{"shift": 0.5}, {"gain": -0.1}, {"gain": 1}, {"gamma": math.nan}]
)
def test_variations_without_sense_are_refused(limits):
    with pytest.raises(ConfigError, match=f"{next(iter(limits))} is "):
        Variation(**limits)


def test_label_maps_of_another_shape_have_no_edges():
    with pytest.raises(ConfigError, match=r"expected \(N, H, W\)"):
        edge_doubt(np.zeros((4, 4), np.uint8))
    with pytest.raises(ConfigError, match="thickness_px is 0"):
        edge_doubt(np.zeros((1, 4, 4), np.uint8), 0)
