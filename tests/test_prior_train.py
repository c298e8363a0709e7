"""Training: batches, resuming, seeds, and what a checkpoint refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from prior_cases import TINY, drawn_sequence, small_table
from scipy import stats

from cardiovae.attributes import measure_attributes
from cardiovae.errors import ModelError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior import fidelity
from cardiovae.prior.augment import AugmentConfig, draw_batch, network_input, shares
from cardiovae.prior.seen import schemes, seen_with
from cardiovae.prior.shapes import build_shapes
from cardiovae.prior.state import load_checkpoint
from cardiovae.prior.step import learning_rate
from cardiovae.prior.train import train, validate
from cardiovae.sequence import EchoSequence

STILL = AugmentConfig(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def table():
    return small_table()


@pytest.fixture(scope="module")
def unbroken(table):
    return train(table, table, TINY)


def weights(state):
    both = {**state.network.state_dict(), **state.average.state_dict()}
    return torch.cat([v.double().flatten() for v in both.values()])


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_that_stops_at_any_step_and_resumes_equals_an_unbroken_one(
    table, unbroken, tmp_path, stop
):
    checkpoint = tmp_path / "checkpoint.pt"
    first = train(table, table, TINY, checkpoint=checkpoint, until=stop)
    assert first.step == stop
    second = train(table, table, TINY, checkpoint=checkpoint)
    assert second.step == TINY.n_steps
    assert torch.equal(weights(second), weights(unbroken))
    assert second.history[-1] == unbroken.history[-1]


def test_the_seed_decides_the_weights(table, unbroken):
    again = train(table, table, TINY)
    other = train(table, table, dataclasses.replace(TINY, seed=1))
    assert torch.equal(weights(again), weights(unbroken))
    assert not torch.equal(weights(other), weights(unbroken))


def test_training_leaves_the_callers_random_state_alone(table):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 - the global state is what is watched
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    train(table, table, TINY, until=1)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_progress_hears_of_every_step_and_every_term(table):
    heard = []
    train(table, table, TINY, progress=lambda step, terms: heard.append((step, set(terms))))
    names = {"distance", "cross_entropy", "dice", "beta", "gamma", "instant"}
    assert heard == [(step, names) for step in range(1, TINY.n_steps + 1)]


def test_a_checkpoint_of_other_settings_or_data_is_refused(table, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train(table, table, TINY, checkpoint=checkpoint, until=1)
    with pytest.raises(ModelError, match="other settings"):
        train(table, table, dataclasses.replace(TINY, seed=1), checkpoint=checkpoint)
    with pytest.raises(ModelError, match="other training data"):
        train(table.only([0, 1]), table, TINY, checkpoint=checkpoint)
    assert load_checkpoint(checkpoint, TINY).step == 1


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 torn"])
def test_a_damaged_checkpoint_is_named(table, tmp_path, content):
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.pt: not a readable checkpoint"):
        train(table, table, TINY, checkpoint=checkpoint)


def test_a_loss_that_is_not_finite_stops_the_run(table):
    wild = dataclasses.replace(TINY, learning_rate=1e30)
    with pytest.raises(ModelError, match="lower learning_rate"):
        train(table, table, wild)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_hundredth():
    config = dataclasses.replace(TINY, learning_rate=1.0, warmup_steps=10, n_steps=110)
    rates = [learning_rate(step, config) for step in range(111)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.505)
    assert rates[110] == pytest.approx(0.01)
    assert np.all(np.diff(rates[10:]) < 0)


@pytest.mark.parametrize("structures", schemes())
def test_shapes_are_seen_without_noise(table, unbroken, structures):
    first, second = (seen_with(unbroken.average, table, structures) for _ in range(2))
    assert first.codes.shape == (10, TINY.latent_dim)
    assert first.misfit_mm.shape == (10,)
    assert (first.misfit_mm > 0).all()
    np.testing.assert_array_equal(first.codes, second.codes)
    np.testing.assert_array_equal(first.misfit_mm, second.misfit_mm)


def test_a_structure_that_is_not_annotated_is_not_seen(table, unbroken):
    hidden = dataclasses.replace(table, distances=table.distances.copy())
    hidden.distances[:, 2] = 40  # no atrium anywhere
    for structures, same in ((schemes()[1], True), (schemes()[2], False)):
        with_atrium, without = (
            seen_with(unbroken.average, t, structures).codes for t in (table, hidden)
        )
        assert np.array_equal(with_atrium, without) == same


def test_validation_scores_lie_in_their_ranges(table, unbroken):
    found = validate(unbroken.average, table).as_dict()
    dice = [v for k, v in found.items() if k.startswith("dice_")]
    follow = [v for k, v in found.items() if k.startswith("spearman_")]
    assert (len(dice), len(follow)) == (3, 7)
    assert all(0 <= v <= 1 for v in dice)
    assert all(-1 <= v <= 1 for v in follow)


def test_shapes_are_centered_on_the_sequences_heart_and_know_their_instant():
    sequence = drawn_sequence()
    table = build_shapes([("one", sequence)])
    assert table.distances.shape == (2, 4, 160, 128)
    assert table.instant.tolist() == [0.0, 1.0]  # ED first, ES last
    measured = [measure_attributes(sequence.frame(t), (0.8, 1.1)) for t in (0, 1)]
    middle = np.mean([[m["epi_center_y"], m["epi_center_x"]] for m in measured], axis=0)
    apex = np.array(measured[0].landmarks.apex_mm) - middle
    np.testing.assert_allclose(table.landmarks[0, 2], apex, atol=1e-4)
    # The distance to the LV is zero where the apex is: the outer pixel's middle, half a pixel in.
    row, col = (apex + np.array([66.0, 67.2])) / 1.4 - 0.5 + 16
    assert abs(float(table.distances[0, 0, round(row), round(col)])) < 1.5


def test_a_sequence_that_hardly_moves_has_no_instant():
    sequence = drawn_sequence()
    still = EchoSequence(np.repeat(sequence.labels[:, :, :1], 2, axis=2), (0.8, 1.1))
    assert np.isnan(build_shapes([("still", still)]).instant).all()


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        (EchoSequence(drawn_sequence().labels, None), "pixel spacing"),
        (EchoSequence(np.ones((9, 9, 1), np.uint8), (1, 1), (Label.LV,)), "LV and MYO"),
        (EchoSequence(np.zeros((9, 9, 1), np.uint8), (1, 1)), "no frame with both"),
    ],
)
def test_sequences_that_cannot_train_are_refused(sequence, words):
    with pytest.raises(ModelError, match=words):
        build_shapes([("odd", sequence)])


def test_the_fingerprint_changes_with_the_shapes(table):
    assert table.fingerprint() == small_table().fingerprint()
    assert table.fingerprint() != table.only([0, 1]).fingerprint()


def test_a_batch_is_decided_by_its_generator(table):
    first, again, other = (
        draw_batch(table, np.arange(4), AugmentConfig(), np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert first.inputs.shape == (4, 7, 128, 96)


def test_without_augmentation_the_attributes_are_those_of_the_masks(table):
    batch = draw_batch(table, np.arange(10), STILL, np.random.default_rng(0))
    found = batch.attributes.numpy()
    expected = []
    for size in np.linspace(0.85, 1.15, 5):
        sequence = drawn_sequence(size)
        measured = [measure_attributes(sequence.frame(t), (0.8, 1.1)) for t in (0, 1)]
        middle = np.mean([[m["epi_center_x"], m["epi_center_y"]] for m in measured], axis=0)
        for m in measured:
            row = np.array([m[name] for name in fidelity.REGULARIZED])
            row[5:] += np.array([67.2, 66.0]) - middle
            expected.append(row)
    expected = np.array(expected)
    areas = [0, 4]
    np.testing.assert_allclose(found[:, areas], expected[:, areas], rtol=0.03)
    np.testing.assert_allclose(found[:, [1, 2]], expected[:, [1, 2]], atol=0.01)
    np.testing.assert_allclose(found[:, 3], expected[:, 3], atol=1.0)
    np.testing.assert_allclose(found[:, 5:], expected[:, 5:], atol=0.7)


def test_the_targets_are_shares_whatever_the_augmentation(table):
    batch = draw_batch(table, np.arange(10), AugmentConfig(), np.random.default_rng(4))
    assert torch.allclose(batch.target.sum(1), torch.ones(10, 128, 96), atol=1e-5)
    assert float(batch.target.min()) > -1e-6
    assert torch.allclose(batch.inputs[:, :4].sum(1), torch.ones(10, 128, 96), atol=1e-5)


def test_what_is_not_annotated_is_flagged():
    classes, inside = shares(torch.full((1, 4, 128, 96), 9.0))
    for structures, flags in ((STRUCTURES, (1, 1)), (STRUCTURES[:2], (1, 0)), ((1,), (0, 0))):
        maps = network_input(classes, inside, structures)
        assert tuple(maps[0, 5:, 0, 0].tolist()) == flags


def test_rank_correlations_leave_unmeasurable_frames_out():
    rng = np.random.default_rng(0)
    codes, attributes = rng.normal(size=(20, 8)), rng.normal(size=(20, 7))
    attributes[3:6, 1] = np.nan
    attributes[:, 2] = 4.0
    found = fidelity.rank_correlations(codes, attributes)
    keep = np.r_[0:3, 6:20]
    expected = stats.spearmanr(codes[keep, 1], attributes[keep, 1]).statistic
    assert found["lv_base_width"] == pytest.approx(expected)
    assert np.isnan(found["lv_length"])


def test_dice_of_two_empty_masks_is_unknown():
    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    half = np.array([[True, True], [False, False]])
    assert np.isnan(fidelity.dice(empty, empty))
    assert fidelity.dice(empty, full) == 0
    assert fidelity.dice(half, full) == pytest.approx(2 / 3)
