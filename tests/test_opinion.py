"""The second opinion: its arithmetic, its batches, its training, and the shipped weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opinion_cases import TINY, draw_files, drawn_cohort

from cardiovae.errors import CardiovaeError, FileError, ModelError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.opinion.draw import Shown, choose, draw_batch, plain_batch
from cardiovae.opinion.examples import load_examples
from cardiovae.opinion.folder import Opinion, load_opinion
from cardiovae.opinion.infer import opinion_doubt
from cardiovae.opinion.network import NetworkConfig, OpinionNetwork
from cardiovae.opinion.rate import rate
from cardiovae.opinion.train import averaged, train
from cardiovae.phantom.corruption import corrupt_frame
from cardiovae.phantom.heart import draw_heart
from cardiovae.phantom.parameters import draw_parameters
from cardiovae.phantom.ultrasound import simulate_bmode
from cardiovae.sequence import EchoSequence

torch.set_num_threads(1)
SHIPPED = ("camus", "phantom")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return drawn_cohort(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def phantom():
    """A heart that no training has seen, and its simulated image."""
    drawn = draw_heart(draw_parameters(np.random.default_rng(991), "A4C"), n_frames=2)
    sequence = drawn.sequence
    images = simulate_bmode(sequence.labels, sequence.spacing_mm, rng=np.random.default_rng(992))
    return sequence, images / np.float32(255)


def four_pixels(*labels):
    """One-hot shares (1, 4, N) of labels."""
    return np.eye(4)[list(labels)].T[None]


def test_a_truth_that_is_certain_gives_the_true_dice_and_no_doubt_where_it_agrees():
    # LV: 2 of 3 shared, 2 * 2 / (3 + 2); MYO: none shared; LA: 1 of 1.
    doubt, dice = rate(four_pixels(1, 1, 1, 3), four_pixels(1, 1, 2, 3))
    assert doubt.tolist() == [[0, 0, 1, 0]]
    np.testing.assert_allclose(dice, [[0.8, 0.0, 1.0]])


def test_expected_dice_and_doubt_of_probabilities_are_those_computed_by_hand():
    likely = np.array([[0.1, 0.4, 0.8], [0.9, 0.5, 0.0], [0.0, 0.1, 0.2], [0, 0, 0]])[None]
    doubt, dice = rate(four_pixels(1, 1, 2), likely)
    np.testing.assert_allclose(doubt, [[0.1, 0.5, 0.8]])
    # LV: 2 (0.9 + 0.5) / (2 + 1.4); MYO: 2 * 0.2 / (1 + 0.3).
    np.testing.assert_allclose(dice[0, :2], [2.8 / 3.4, 0.4 / 1.3])
    assert np.isnan(dice[0, 2])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_doubt_and_expected_dice_lie_between_0_and_1(seed):
    rng = np.random.default_rng(seed)
    likely = rng.dirichlet(np.ones(4), (2, 5, 6)).transpose(0, 3, 1, 2)
    shown = np.eye(4)[rng.integers(0, 4, (2, 5, 6))].transpose(0, 3, 1, 2)
    doubt, dice = rate(shown, likely)
    assert doubt.min() >= 0
    assert doubt.max() <= 1
    assert not (dice < 0).any()
    assert not (dice > 1).any()


def test_a_batch_holds_shares_and_the_same_seed_gives_the_same_batch(cohort):
    first, second = (
        draw_batch(cohort.training, 6, TINY.draw, np.random.default_rng(3)) for _ in range(2)
    )
    assert first.inputs.shape == (6, 8, 128, 96)
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.target, second.target)
    for shares in (first.inputs[:, 1:5], first.target):
        assert float(shares.min()) >= 0
        torch.testing.assert_close(shares.sum(1), torch.ones(6, 128, 96))
    gray = first.inputs[:, 0]
    assert 0 <= float(gray.min()) < float(gray.max()) <= 1
    assert float(gray[first.inside[:, 0] == 0].abs().sum()) == 0


def test_a_truth_that_is_shown_is_its_own_target_and_keeps_its_area(cohort):
    scene = cohort.training.scenes[0]
    batch = plain_batch([Shown(scene, scene.truth, STRUCTURES)])
    inside = batch.inside > 0.999
    assert torch.equal(batch.inputs[:, 1:5] * inside, batch.target * inside)
    pixel_mm2 = scene.spacing_mm[0] * scene.spacing_mm[1]
    for structure in (Label.LV, Label.MYO):  # both lie inside of image and canvas
        area = float(batch.target[0, structure].sum()) * 1.4**2
        assert area == pytest.approx((scene.truth == structure).sum() * pixel_mm2, rel=0.02)


def test_structures_that_are_left_out_are_background_in_what_is_shown_and_in_the_target(cohort):
    moves = replace(TINY.draw.moves, drop_myo=1.0)
    items = choose(
        cohort.training, 4, replace(TINY.draw, damage=0, moves=moves), np.random.default_rng(0)
    )
    batch = plain_batch(items)
    assert {item.structures for item in items} == {(Label.LV,)}
    for shares in (batch.inputs[:, 1:5], batch.target):
        assert float(shares[:, 1].sum()) > 0
        assert float(shares[:, 2:].abs().sum()) == 0
    assert float(batch.inputs[:, 6:].abs().sum()) == 0


def test_the_network_expects_nothing_that_is_not_annotated():
    network = OpinionNetwork(NetworkConfig((4, 8), 0)).eval()
    inputs = torch.rand(1, 8, 128, 96)
    inputs[:, 6], inputs[:, 7] = 1, 0
    with torch.no_grad():
        likely = network(inputs).softmax(1)
    assert float(likely[:, 3].max()) < 1e-6
    assert float(likely[:, 2].min()) > 1e-6


def test_predictions_find_their_frames_and_those_of_test_patients_are_not_learned(tmp_path):
    data = draw_files(tmp_path)
    (tmp_path / "split.csv").write_text(
        "patient,split\nfirst,train\nsecond,val\nthird,test\n", encoding="utf-8"
    )
    with np.load(data.source) as content:
        masks, names, spacing = (content[key] for key in ("masks", "names", "spacing_mm"))
    rows = np.array([1, 0, 1, 3, 4, 5])
    masks = masks.copy()
    masks[5] = 0
    path = tmp_path / "predictions.npz"
    np.savez(path, masks=masks[rows], names=names[rows], spacing_mm=spacing[rows])
    found = load_examples(data, None, str(path))
    training, validation = (
        [part.scenes[i].name for i in part.owner] for part in (found.training, found.validation)
    )
    assert sorted(training) == ["first_ED", "first_ES", "first_ES"]
    assert validation == ["second_ES"]
    assert found.facts["predictions"] == {"train": 3, "val": 1}
    assert found.facts["errors"]["source"] == "predictions.npz"
    shown = choose(found.training, 8, replace(TINY.draw, errors=1.0), np.random.default_rng(0))
    assert {item.scene.name for item in shown} == {"first_ED", "first_ES"}


def test_a_prediction_of_an_unknown_frame_or_of_another_size_is_refused(tmp_path):
    data, path = draw_files(tmp_path), tmp_path / "predictions.npz"
    for name, message in (("nobody_1", "nobody_1"), ("first_ED", r"\(8, 8\)")):
        np.savez(path, masks=np.ones((1, 8, 8), np.uint8), names=[name], spacing_mm=[[1.0, 1.0]])
        with pytest.raises(FileError, match=message):
            load_examples(data, None, str(path))


def test_a_resumed_training_equals_an_unbroken_one(cohort, tmp_path):
    path = tmp_path / "checkpoint.pt"
    whole = train(cohort.training, cohort.validation, TINY)
    train(cohort.training, cohort.validation, TINY, checkpoint=path, until=2)
    resumed = train(cohort.training, cohort.validation, TINY, checkpoint=path)
    assert resumed.history == whole.history
    ours, theirs = (averaged(state).state_dict() for state in (resumed, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_checkpoint_of_other_settings_is_refused(cohort, tmp_path):
    path = tmp_path / "checkpoint.pt"
    train(cohort.training, cohort.validation, TINY, checkpoint=path, until=1)
    with pytest.raises(ModelError, match="other settings"):
        train(cohort.training, cohort.validation, replace(TINY, seed=9), checkpoint=path)


class Fixed(torch.nn.Module):
    """A network that believes one class everywhere, with the probability 0.7; the others alike."""

    def __init__(self, label: Label) -> None:
        super().__init__()
        self.label = label

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        likely = torch.full((len(inputs), 4, *inputs.shape[2:]), 0.1)
        likely[:, self.label] = 0.7
        return likely.log()


def test_doubt_of_a_sequence_is_one_less_the_probability_of_its_labels(tmp_path, phantom):
    sequence, images = phantom
    labels = sequence.labels.copy()
    labels[:, :, 1] = 0
    cut = sequence.with_labels(labels)
    opinion = Opinion(Fixed(Label.LV), {"name": "fixed"}, tmp_path)
    found = opinion_doubt(opinion, images, cut)
    first, heart = labels[:, :, 0], labels[:, :, 0] > 0
    np.testing.assert_allclose(
        found.pixel[:, :, 0], np.where(first == Label.LV, 0.3, 0.9), atol=1e-5
    )
    doubt = 0.3 * (first == Label.LV).sum() + 0.9 * (first != Label.LV).sum()
    assert found.score[0] == pytest.approx(doubt / heart.sum(), rel=1e-4)
    n, total = (first == Label.LV).sum(), first.size
    assert found.expected_dice_by_structure[0, 0] == pytest.approx(
        1.4 * n / (n + 0.7 * total), rel=1e-4
    )
    assert (found.second[:, :, 0] == Label.LV).all()
    assert found.reasons[0] is None
    assert found.reasons[1] is not None
    assert np.isnan(found.pixel[:, :, 1]).all()
    assert np.isnan([found.score[1], found.expected_dice[1]]).all()


def test_structures_that_are_not_annotated_have_no_expected_dice(tmp_path, phantom):
    sequence, images = phantom
    alone = EchoSequence(
        np.where(sequence.labels == Label.LV, sequence.labels, np.uint8(0)),
        sequence.spacing_mm,
        structures=(Label.LV,),
    )
    found = opinion_doubt(Opinion(Fixed(Label.LV), {"name": "fixed"}, tmp_path), images, alone)
    assert np.isnan(found.expected_dice_by_structure[:, 1:]).all()
    np.testing.assert_array_equal(found.expected_dice, found.expected_dice_by_structure[:, 0])


@pytest.mark.parametrize(("shape", "value"), [((4, 4, 2), 0.5), (None, np.nan)])
def test_images_that_do_not_fit_or_are_not_finite_are_refused(tmp_path, phantom, shape, value):
    sequence, _ = phantom
    images = np.full(shape or sequence.labels.shape, value, np.float32)
    with pytest.raises(CardiovaeError):
        opinion_doubt(Opinion(Fixed(Label.LV), {"name": "fixed"}, tmp_path), images, sequence)


def test_an_absent_opinion_is_named_with_the_way_out(tmp_path):
    with pytest.raises(ModelError, match="uncertainty train --model opinion"):
        load_opinion(str(tmp_path))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_opinions_rate_the_right_mask_of_a_phantom_above_a_broken_one(name, phantom):
    sequence, images = phantom
    opinion = load_opinion(name)
    broken = np.stack(
        [
            corrupt_frame(
                sequence.frame(t),
                sequence.spacing_mm,
                severity=0.9,
                rng=np.random.default_rng(5),
                defects=("wrong_size", "wall_leak", "shifted_base"),
            )[0]
            for t in range(sequence.n_frames)
        ],
        axis=2,
    )
    right = opinion_doubt(opinion, images, sequence)
    wrong = opinion_doubt(opinion, images, sequence.with_labels(broken))
    assert (right.expected_dice > wrong.expected_dice).all()
    assert (right.score < wrong.score).all()
    assert opinion.provenance["license"] == ("Apache-2.0" if name == "phantom" else CAMUS_LICENSE)


CAMUS_LICENSE = "CC BY-NC-SA 4.0"
