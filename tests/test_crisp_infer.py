"""Doubt by the masks that fit an image: a library of a few hearts, and answers known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from crisp_cases import heart, on_canvas, toy

from cardiovae.crisp.infer import NO_HEART, crisp_doubt
from cardiovae.crisp.library import Library, LibraryConfig, draw_moves
from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.grid import CANVAS_MM, ORIGIN_MM
from cardiovae.sequence import EchoSequence

SEQUENCE = heart()
IMAGES = np.zeros(SEQUENCE.labels.shape, np.float32)
EMPTY = np.zeros((128, 96), np.uint8)


def test_labels_that_every_fitting_mask_shares_are_hardly_doubted():
    found = crisp_doubt(toy([on_canvas(SEQUENCE)], [1.0]), IMAGES, SEQUENCE)
    assert found.pixel.min() >= 0
    assert found.pixel.max() <= 1
    assert found.score[0] < 0.12  # of pixels on contours, which 1.4 mm cannot tell
    assert found.expected_dice[0] > 0.93
    assert found.reasons == (None,)


def test_labels_that_no_fitting_mask_has_are_doubted_wherever_they_are():
    found = crisp_doubt(toy([EMPTY], [1.0]), IMAGES, SEQUENCE)
    foreground = SEQUENCE.labels != Label.BACKGROUND
    assert found.pixel[foreground] == pytest.approx(1)
    assert found.pixel[~foreground] == pytest.approx(0, abs=1e-6)
    assert found.score[0] == pytest.approx(1)
    assert found.expected_dice[0] == 0


def test_doubt_is_the_share_of_the_weight_of_masks_that_disagree():
    # One mask says the same, the other none: their weights are e^0 and e^(-0.2 / 0.1).
    crisp = toy([on_canvas(SEQUENCE), EMPTY], [1.0, 0.8], kernel="learned")
    crisp.network.log_scale.data.fill_(math.log(10.0))
    found = crisp_doubt(crisp, IMAGES, SEQUENCE)
    inner = (SEQUENCE.labels == Label.LV) & (found.pixel < 0.5)
    other = math.exp(-2) / (1 + math.exp(-2))
    assert np.median(found.pixel[inner]) == pytest.approx(other, abs=1e-4)


def test_only_as_many_neighbors_count_as_are_asked_for():
    crisp = toy([on_canvas(SEQUENCE), EMPTY, EMPTY], [1.0, 0.99, 0.98], neighbors=1)
    assert crisp_doubt(crisp, IMAGES, SEQUENCE).score[0] < 0.12


def test_the_published_measure_is_divided_by_its_largest_value():
    crisp = toy([on_canvas(SEQUENCE), EMPTY], [0.5, 0.4], measure="published")
    found = crisp_doubt(crisp, IMAGES, SEQUENCE)
    assert found.pixel.max() == pytest.approx(1)
    assert found.pixel.min() == pytest.approx(0, abs=1e-6)


def test_the_cosine_is_that_of_image_and_labels():
    found = crisp_doubt(toy([EMPTY], [1.0]), IMAGES, SEQUENCE)
    assert found.cosine[0] == pytest.approx(0.6)


def test_a_frame_without_a_heart_has_no_numbers_and_says_why():
    frames = np.concatenate([SEQUENCE.labels, np.zeros_like(SEQUENCE.labels)], 2)
    sequence = EchoSequence(frames, SEQUENCE.spacing_mm)
    found = crisp_doubt(toy([EMPTY], [1.0]), np.zeros(frames.shape, np.float32), sequence)
    assert found.reasons == (None, NO_HEART)
    assert np.isnan(found.pixel[:, :, 1]).all()
    assert np.isnan([found.score[1], found.expected_dice[1], found.cosine[1]]).all()


def test_a_sequence_without_any_heart_has_no_numbers_at_all():
    empty = EchoSequence(np.zeros((20, 30, 2), np.uint8), (1.0, 1.0))
    found = crisp_doubt(toy([EMPTY], [1.0]), np.zeros((20, 30, 2), np.float32), empty)
    assert found.reasons == (NO_HEART, NO_HEART)
    assert np.isnan(found.pixel).all()


def test_structures_that_are_not_annotated_are_not_missed():
    cavity = np.where(SEQUENCE.labels == Label.LV, SEQUENCE.labels, 0).astype(np.uint8)
    alone = EchoSequence(cavity, SEQUENCE.spacing_mm, STRUCTURES[:1])
    # The cavity's center is not the whole heart's, so the mask that fits has to be its own.
    whole = on_canvas(alone)
    assert crisp_doubt(toy([whole], [1.0]), IMAGES, alone).score[0] < 0.12
    walled = whole.copy()
    walled[:20][whole[:20] == Label.BACKGROUND] = Label.MYO
    changed = crisp_doubt(toy([walled], [1.0]), IMAGES, alone).score[0]
    assert changed == pytest.approx(crisp_doubt(toy([whole], [1.0]), IMAGES, alone).score[0])


def test_looking_again_from_beside_finds_the_same_where_all_looks_agree():
    images = IMAGES + 0.5
    one, many = (
        crisp_doubt(toy([EMPTY], [1.0], looks_px=looks), images, SEQUENCE) for looks in ((), (3,))
    )
    assert np.allclose(one.pixel, many.pixel)


def test_unknown_spacing_is_no_obstacle():
    sequence = EchoSequence(SEQUENCE.labels, None)
    assert np.isfinite(crisp_doubt(toy([EMPTY], [1.0]), IMAGES, sequence).score[0])


def test_images_of_another_shape_are_refused():
    with pytest.raises(CardiovaeError, match="one shape"):
        crisp_doubt(toy([EMPTY], [1.0]), IMAGES[1:], SEQUENCE)


@pytest.mark.parametrize("wrong", [{"kernel": "x"}, {"measure": "x"}, {"neighbors": 0}])
def test_settings_of_the_search_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"search\."):
        toy([EMPTY], [1.0], **wrong)


def test_a_move_shifts_and_scales_around_the_hearts_center():
    row, col = (round(o / CANVAS_MM) for o in ORIGIN_MM)
    mask = EMPTY.copy()
    mask[row - 10 : row + 10, col - 10 : col + 10] = 1
    config = LibraryConfig(rotation_deg=0, log_scale=0.2, shift_mm=10, seed=0)
    moves = draw_moves(1, config, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    rng.normal(0, 0, 1)
    scale, shift = np.exp(rng.normal(0, 0.2, 1))[0], rng.normal(0, 10, (1, 2))[0] / CANVAS_MM
    library = Library(np.ones((1, 1), np.float32), mask[None], np.zeros(1, int), moves)
    found = np.argwhere(library.masks(np.array([0]))[0])
    middle = np.array(ORIGIN_MM) / CANVAS_MM - 0.5
    assert found.mean(0) == pytest.approx(middle + shift, abs=1.0)
    assert np.ptp(found, axis=0) + 1 == pytest.approx([20 * scale] * 2, abs=1.1)
