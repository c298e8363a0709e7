"""Scores of label maps that went through a model, by structure and patient."""

from __future__ import annotations

import numpy as np
import pytest
from prior_cases import drawn_sequence

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.overlap import score_frames
from cardiovae.evaluation.reconstruction import reconstruction
from cardiovae.labels import STRUCTURES, Label
from cardiovae.sequence import EchoSequence


def rng():
    return np.random.default_rng(0)


def test_what_comes_back_whole_scores_one_and_no_distance():
    truth = [drawn_sequence(1.0), drawn_sequence(0.9)]
    found = reconstruction(truth, [s.labels for s in truth], ["a", "b"])
    assert found.patients == ("a", "a", "b", "b")
    for structure in STRUCTURES:
        dice = found.mean("dice", structure, rng=rng())
        assert (dice.value, dice.low, dice.high) == (1.0, 1.0, 1.0)
        assert found.mean("hausdorff_mm", structure, rng=rng()).value == 0.0


def test_a_shift_is_as_far_as_its_pixels_are_wide():
    truth = drawn_sequence(1.0, spacing=(0.8, 1.1))
    found = reconstruction([truth], [np.roll(truth.labels, 2, axis=1)], ["a"])
    assert found.mean("hausdorff_mm", Label.LV, rng=rng()).value == pytest.approx(2.2)
    expected = score_frames(np.roll(truth.labels, 2, 1), truth.labels, (0.8, 1.1), STRUCTURES)
    np.testing.assert_array_equal(found.scores["dice"][:, :3], expected.dice)


def test_sequences_of_several_sizes_go_together_and_the_mean_is_over_frames():
    truth = [drawn_sequence(1.0), drawn_sequence(1.0, extent_mm=(160.0, 150.0))]
    back = [truth[0].labels, np.zeros_like(truth[1].labels)]
    found = reconstruction(truth, back, ["a", "b"])
    dice = found.mean("dice", Label.LV, rng=rng())
    assert (dice.value, dice.low, dice.high) == (0.5, 0.0, 1.0)


def test_what_is_not_annotated_is_not_scored():
    whole = drawn_sequence(1.0)
    labels = np.where(whole.labels == Label.LA, 0, whole.labels).astype(np.uint8)
    truth = EchoSequence(labels, whole.spacing_mm, (Label.LV, Label.MYO))
    found = reconstruction([truth], [whole.labels], ["a"])
    assert np.isnan(found.mean("dice", Label.LA, rng=rng()).value)
    assert found.mean("dice", Label.MYO, rng=rng()).value == 1.0


def test_every_sequence_has_its_label_map_and_patient():
    with pytest.raises(CardiovaeError, match="one label map and one patient"):
        reconstruction([drawn_sequence()], [], ["a"])
    assert reconstruction([], [], []).scores["dice"].shape == (0, 4)
