"""What an image speaks against weighs less in the correction, where that is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from correct_cases import cine, config, correct, mean_dice, with_frame, with_leak

from cardiovae.correction.config import DoubtConfig
from cardiovae.correction.correct import correct_sequence
from cardiovae.correction.distrust import LEAST, Distrust
from cardiovae.correction.scene import see
from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.labels import Label
from cardiovae.phantom.ultrasound import simulate_bmode
from cardiovae.uncertainty.assess import assess
from cardiovae.uncertainty.experts import Experts, load_experts
from cardiovae.uncertainty.guide import image_distrust

T = 5
QUICK = {"temporal": None, "also_temporal": None}


@pytest.fixture(scope="module")
def experts(phantom_prior):
    return load_experts(phantom_prior, by_image=True)


@pytest.fixture(scope="module")
def images():
    seen = simulate_bmode(cine().labels, cine().spacing_mm, rng=np.random.default_rng(0))
    return seen.astype(np.float32) / 255


def trusting(sequence, frames=1.0, pixels=0.0):
    n = sequence.n_frames
    return Distrust(np.full(n, frames), np.full(sequence.labels.shape, pixels, np.float32))


def test_trust_in_everything_changes_nothing(phantom_prior, phantom_bank):
    damaged = with_frame(cine(), T, with_leak(cine().frame(T)))
    plain = correct(damaged, phantom_prior, phantom_bank, config(**QUICK))
    guided = correct_sequence(
        damaged, phantom_prior, phantom_bank, config(**QUICK), distrust=trusting(damaged)
    )
    assert np.array_equal(plain.sequence.labels, guided.sequence.labels)


def test_sound_frames_stay_bit_for_bit_whatever_the_image_says(phantom_prior, phantom_bank):
    done = correct_sequence(
        cine(), phantom_prior, phantom_bank, config(), distrust=trusting(cine(), 0.0, 1.0)
    )
    assert done.status == "unchanged"


def test_contours_at_doubtful_pixels_are_not_carried_over(phantom_prior, phantom_bank):
    damaged = with_frame(cine(), T, with_leak(cine().frame(T)))
    found = [
        correct_sequence(damaged, phantom_prior, phantom_bank, config(**QUICK), distrust=doubt)
        for doubt in (trusting(damaged), trusting(damaged, pixels=1.0))
    ]
    kept, smooth = (int((d.sequence.frame(T) != damaged.frame(T)).sum()) for d in found)
    assert smooth > kept
    assert all(d.after[0].frames[T].passed for d in found)


def test_a_doubtful_broken_frame_is_trusted_less(phantom_prior):
    damaged = with_frame(cine(), T, with_leak(cine().frame(T)))
    broken = np.arange(damaged.n_frames) == T
    fit = config().fit
    plain, guided = (
        see(damaged, broken, phantom_prior, fit, doubt) for doubt in (None, trusting(damaged, 0.4))
    )
    assert guided.trust[T] == pytest.approx(0.4 * plain.trust[T])
    assert (guided.trust[~broken] == 1).all()


def test_distrust_is_of_the_right_shape_and_range():
    with pytest.raises(CardiovaeError, match="from 0 to 1"):
        Distrust(np.ones(3), np.zeros((4, 4, 2), np.float32))
    with pytest.raises(CardiovaeError, match="from 0 to 1"):
        Distrust(np.array([1.0, np.nan]), np.zeros((4, 4, 2), np.float32))
    found = Distrust(np.array([0.0, 1.0]), np.zeros((4, 4, 2), np.float32))
    assert found.weights().tolist() == [LEAST, 1.0]


def test_the_image_speaks_against_a_heart_in_the_wrong_place(experts, images):
    right = image_distrust(cine(), experts, images)
    moved = cine().with_labels(np.roll(cine().labels, 14, axis=1))
    wrong = image_distrust(moved, experts, images)
    assert wrong.frames.mean() < right.frames.mean()
    heart = cine().labels == Label.LV
    assert wrong.pixels[heart].mean() > right.pixels[heart].mean()


def test_a_wrong_heart_is_more_doubtful_than_a_right_one(
    experts, images, phantom_prior, phantom_bank
):
    asked = DoubtConfig(method="crisp")
    moved = cine().with_labels(np.roll(cine().labels, 14, axis=1))
    right, wrong = (
        assess(
            correct(s, phantom_prior, phantom_bank, config(**QUICK)),
            experts,
            asked,
            rng=np.random.default_rng(0),
            images=images,
        )
        for s in (cine(), moved)
    )
    for name in ("crisp", "opinion"):
        assert (wrong.signals[name] > right.signals[name]).all()
    for name in ("crisp_dice", "opinion_dice"):
        assert (wrong.signals[name] < right.signals[name]).all()
    assert right.posterior is None
    assert right.image.shape == cine().labels.shape
    assert mean_dice(moved, cine(), [0]) < 0.85  # it is wrong indeed


def test_guidance_needs_images(phantom_prior, images):
    with pytest.raises(ConfigError, match="needs the method crisp or both"):
        DoubtConfig(method="posterior", guided=True)
    with pytest.raises(CardiovaeError, match="needs a model"):
        image_distrust(cine(), Experts(phantom_prior), images)


def test_what_is_shipped_belongs_together(experts, phantom_prior):
    assert experts.errors is not None
    assert experts.errors.measured
    assert experts.crisp.name == "phantom"
    assert experts.opinion.name == "phantom"
    alone = load_experts(phantom_prior, by_image=False)
    assert alone.crisp is alone.opinion is None
