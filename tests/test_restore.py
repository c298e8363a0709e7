"""Restoring images: the clean image, the pairs, and networks that learn from them."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cardiovae.baselines.denoise import NETWORKS
from cardiovae.baselines.restore import (
    ImagePairs,
    RestoreConfig,
    clean_images,
    draw_pairs,
    restore_images,
    train_restorer,
)
from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.labels import Label
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.phantom.ultrasound import simulate_bmode

SPACING = (1.4, 1.4)
TINY = RestoreConfig(n_hearts=1, n_frames=2, n_looks=1, n_steps=3, batch_size=2)


def heart(seed: int) -> np.ndarray:
    parameters = draw_parameters(np.random.default_rng(seed), "A4C")
    return draw_heart(parameters, n_frames=2, spacing_mm=SPACING).sequence.labels


def clean(labels: np.ndarray, n_looks: int, seed: int = 0) -> np.ndarray:
    return clean_images(labels, SPACING, n_looks=n_looks, rng=np.random.default_rng(seed))


def test_looks_average_out_as_independent_images_do():
    labels = heart(0)
    spread = {}
    for n_looks in (1, 4):
        first, second = (clean(labels, n_looks, seed).astype(float) for seed in (1, 2))
        difference = (first - second)[labels == Label.MYO]
        spread[n_looks] = difference.std()
    # The mean of four independent images varies half as much as one.
    assert spread[4] == pytest.approx(spread[1] / 2, rel=0.1)


def test_a_clean_image_shows_blood_darker_than_the_wall_in_every_frame():
    labels = heart(1)
    image = clean(labels, 4)
    assert (image.shape, image.dtype) == (labels.shape, np.uint8)
    for t in range(labels.shape[2]):
        blood, wall = (image[:, :, t][labels[:, :, t] == s] for s in (Label.LV, Label.MYO))
        assert np.percentile(blood, 75) < np.median(wall)


def test_an_image_without_a_look_and_labels_of_one_frame_are_refused():
    with pytest.raises(ConfigError, match="n_looks is 1 or more, got 0"):
        clean(heart(0), 0)
    with pytest.raises(CardiovaeError, match="labels"):
        simulate_bmode(heart(0)[:, :, 0], SPACING, rng=np.random.default_rng(0))


def test_pairs_show_both_views_of_every_heart_and_depend_on_the_seeds_alone():
    pairs, again = draw_pairs(TINY), draw_pairs(TINY)
    assert pairs.poor.shape == pairs.clean.shape == (4, 1, 128, 128)
    assert torch.equal(pairs.poor, again.poor)
    assert torch.equal(pairs.clean, again.clean)
    others = draw_pairs(dataclasses.replace(TINY, cohort_seed=1))
    assert not torch.equal(pairs.clean, others.clean)
    for images in (pairs.poor, pairs.clean):
        assert 0 <= float(images.min()) < float(images.max()) <= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_training_twice_gives_the_same_network(name):
    pairs = ImagePairs(*torch.rand(2, 4, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    losses: list[list[float]] = [[], []]
    first, second = (
        train_restorer(pairs, name, TINY, progress=lambda _, v, seen=seen: seen.append(v))
        for seen in losses
    )
    assert losses[0] == losses[1]
    assert len(losses[0]) == TINY.n_steps
    weights = first.state_dict()
    assert all((weights[k] == v).all() for k, v in second.state_dict().items())


def discs(seed: int) -> ImagePairs:
    """Bright discs on black, and the same with little contrast, too bright and noisy."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[:32, :32]
    middle, radius = rng.uniform(10, 22, (24, 2, 1, 1)), rng.uniform(4, 9, (24, 1, 1))
    clean = np.hypot(row - middle[:, 0], col - middle[:, 1]) < radius
    poor = 0.4 + 0.3 * clean + rng.normal(scale=0.1, size=clean.shape)
    return ImagePairs(*(torch.tensor(a[:, None], dtype=torch.float32) for a in (poor, clean)))


def test_a_trained_network_brings_images_it_has_not_seen_closer_to_the_clean_ones():
    config = RestoreConfig(n_steps=60, learning_rate=1e-2)
    network = train_restorer(discs(0), "denoise-skip", config)
    other = discs(1)
    with torch.no_grad():
        found = network(other.poor)
    before, after = (((a - other.clean) ** 2).mean() for a in (other.poor, found))
    assert float(after) < 0.5 * float(before)


def test_restored_images_have_the_shape_of_the_input_and_are_made_frame_by_frame():
    images = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    same = restore_images(nn.Identity(), images)
    assert (same.shape, same.dtype) == (images.shape, np.uint8)
    assert np.array_equal(same[:, :, :1], restore_images(nn.Identity(), images[:, :, :1]))
    smooth = np.full((90, 70, 2), 77, np.uint8)
    assert (restore_images(nn.Identity(), smooth) == 77).all()


def test_an_unknown_network_is_named_with_those_that_there_are():
    with pytest.raises(ConfigError, match="'unet': unknown; there are denoise, denoise-skip"):
        train_restorer(
            ImagePairs(torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)), "unet", TINY
        )


@pytest.fixture(scope="module")
def page():
    """The module that writes the page, found as when the benchmark runs."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
    try:
        yield importlib.import_module("proof.restoration")
    finally:
        sys.path.pop(0)


def test_the_page_compares_each_image_with_itself_and_draws_whole_patients(page):
    def images(psnr: float, dice: float) -> list[object]:
        return [page.Scores(p, p + psnr, 0.5, (dice, dice, math.nan)) for p in (1, 1, 2, 2)]

    scores = {
        ("poor", name): images(20 + gain, 0.6 - gain / 100)
        for gain, name in enumerate(("as it is", "median", "denoise", "denoise-skip"))
    }
    scores["good", "as it is"] = scores["clean", "as it is"] = images(25, 0.9)
    seconds, weights = ({"denoise": n, "denoise-skip": n} for n in (60.0, 200_000))
    m = page.Measured(TINY, seconds, weights, {"poor": 0.8}, scores)
    # The patients' own levels (1 and 2 dB) cancel in the difference: no width is left.
    gain = m.gain(("poor", "denoise"), 0)
    assert (gain.value, gain.low, gain.high) == pytest.approx((2, 2, 2))
    level = m.mean(("poor", "denoise"), 0)
    assert (level.value, level.low, level.high) == pytest.approx((23.5, 23, 24))
    text = page.write_page(m)
    worse = "| poor | restored, no skip connections | +2.0 [+2.0, +2.0] |"
    assert worse in text
    assert "segmented worse" in text
    assert "segmented better" not in text


def test_a_difference_counts_where_its_interval_leaves_zero_out(page):
    interval = page.Interval
    words = [page.verdict(interval(0.5, low, 0.9)) for low in (0.1, -0.1)]
    assert words == ["segmented better", "no difference shown"]
    assert page.verdict(interval(-0.5, -0.9, -0.1)) == "segmented worse"
