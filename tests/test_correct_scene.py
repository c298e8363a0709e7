"""What the prior sees of a sequence: place, codes, and which frames are to be believed."""

from __future__ import annotations

import numpy as np
import pytest
from correct_cases import cine, config, only, with_frame, with_leak

from cardiovae.correction.blend import COMPARABLE, clean
from cardiovae.correction.config import FitConfig
from cardiovae.correction.fit import fit_codes
from cardiovae.correction.scene import LEAST_TRUST, see
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import canvas_distances, decode, knots_of
from cardiovae.prior.grid import CANVAS_SHAPE

RUINED = 5


@pytest.fixture(scope="module")
def cines():
    """A sound cine, and the same with an island in frame 2 and a ruined frame."""
    sound = cine()
    island = sound.frame(2).copy()
    island[2:5, 2:5] = Label.LV
    hurt = with_frame(sound, 2, island)
    ruined = with_leak(sound.frame(RUINED))
    ruined[: ruined.shape[0] // 2] = 0  # the upper half of the heart is gone
    return sound, with_frame(hurt, RUINED, ruined)


def flags(sequence, *frames):
    broken = np.zeros(sequence.n_frames, bool)
    broken[list(frames)] = True
    return broken


@pytest.fixture(scope="module")
def scenes(cines, phantom_prior):
    sound, hurt = cines
    fit = config().fit
    return (
        see(sound, flags(sound), phantom_prior, fit),
        see(hurt, flags(hurt, 2, RUINED), phantom_prior, fit),
    )


def test_a_sequence_without_a_heart_shows_nothing(phantom_prior):
    empty = cine().with_labels(np.zeros_like(cine().labels))
    atrium = only(cine(), (Label.LA,))
    for sequence in (empty, atrium):
        broken = np.ones(sequence.n_frames, bool)
        assert see(sequence, broken, phantom_prior, config().fit) is None


def test_a_sound_sequence_is_seen_as_it_is(scenes, cines, phantom_prior):
    scene, n = scenes[0], cines[0].n_frames
    assert np.array_equal(scene.cleaned, cines[0].labels)
    assert np.array_equal(scene.codes, scene.encoded)
    assert scene.codes.shape == scene.spread.shape == (n, phantom_prior.codes.shape[1])
    assert scene.measured.shape == (n, 3, *CANVAS_SHAPE)
    assert (scene.spread > 0).all()
    assert (scene.trust == 1).all()


def test_only_broken_frames_are_cleaned_and_the_input_is_not(scenes, cines):
    scene, hurt = scenes[1], cines[1]
    kept = hurt.labels.copy()
    for t in range(hurt.n_frames):
        expected = hurt.frame(t)
        if t in (2, RUINED):
            expected = clean(expected, keep=COMPARABLE)
        assert np.array_equal(scene.cleaned[:, :, t], expected)
    assert np.array_equal(hurt.labels, kept)
    assert not hurt.labels.flags.writeable


def test_sound_frames_keep_the_encoders_code_next_to_broken_ones(scenes):
    sound = np.delete(np.arange(12), [2, RUINED])
    assert np.array_equal(scenes[1].codes[sound], scenes[1].encoded[sound])


def test_trust_is_one_for_sound_frames_and_least_for_ruined_ones(scenes):
    trust = scenes[1].trust
    assert (np.delete(trust, [2, RUINED]) == 1).all()
    assert trust[RUINED] == pytest.approx(LEAST_TRUST, abs=0.01)
    assert 0.3 < trust[2] < 1  # some stray pixels cost little


def test_the_decoded_codes_lie_on_the_contours(scenes, phantom_prior):
    scene = scenes[0]
    decoded = canvas_distances(decode(phantom_prior.network, scene.codes))
    for structure in (0, 1):
        near = np.abs(scene.measured[:, structure]) < 3
        apart = np.abs(decoded - scene.measured)[:, structure][near]
        assert np.median(apart) < 1.5  # mm


# the fit


def distance_to(scene, prior, codes):
    """Mean distance in mm between decoded and measured contours, near them."""
    target = knots_of(scene.measured)
    decoded = decode(prior.network, codes)
    return float(np.abs(decoded - target)[np.abs(target) < 4].mean())


def fitted(scene, prior, start, fit, structures=STRUCTURES):
    inside = np.ones(scene.measured.shape[2:], np.float32)
    return fit_codes(prior, start, knots_of(scene.measured), knots_of(inside), structures, fit)


def test_no_step_is_no_move(scenes, phantom_prior):
    start = scenes[0].encoded
    assert fitted(scenes[0], phantom_prior, start, FitConfig(n_steps=0)) is start


def test_the_fit_brings_a_mean_heart_to_the_contours(scenes, phantom_prior):
    start = np.repeat(phantom_prior.codes.mean(0)[None], 12, axis=0)
    fit = FitConfig(n_steps=12, step=0.5, scale_mm=8.0, anchor=0.0)
    found = fitted(scenes[0], phantom_prior, start, fit)
    before, after = (distance_to(scenes[0], phantom_prior, c) for c in (start, found))
    assert after < 0.5 * before


def test_a_strong_anchor_holds_the_code(scenes, phantom_prior):
    start = scenes[0].encoded
    spread = phantom_prior.codes.std(0)
    moves = [
        np.abs(
            (fitted(scenes[0], phantom_prior, start, FitConfig(n_steps=6, anchor=a)) - start)
            / spread
        )
        for a in (0.0, 1e4)
    ]
    assert moves[1].mean() < 0.5 * moves[0].mean()


def test_the_fit_is_blind_to_what_is_not_annotated(scenes, phantom_prior):
    without = scenes[0].measured.copy()
    without[:, 2] = 60.0  # no atrium
    start, inside = scenes[0].encoded, np.ones((64, 48), np.float32)
    fits = [
        fit_codes(phantom_prior, start, knots_of(m), inside, STRUCTURES[:2], FitConfig(n_steps=3))
        for m in (scenes[0].measured, without)
    ]
    assert np.array_equal(*fits)
