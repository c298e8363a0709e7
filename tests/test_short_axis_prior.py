"""Stacks of short-axis slices on the canonical grid, and what becomes of them there."""

from __future__ import annotations

import dataclasses
from functools import cache

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cardiovae.errors import ConfigError, ModelError
from cardiovae.labels import ACDC, SHORT_AXIS, STRUCTURES, Label
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.phantom.short_axis import draw_stack, draw_stack_parameters
from cardiovae.prior.augment import AugmentConfig, draw_batch
from cardiovae.prior.codec import compose, measured_distances, to_canvas
from cardiovae.prior.cohort import DataConfig, draw_stacks
from cardiovae.prior.grid import CANVAS_SHAPE, place
from cardiovae.prior.run import train_prior
from cardiovae.prior.shapes import build_shapes, slice_positions, upright
from cardiovae.sequence import EchoSequence


@cache
def stack(seed: int = 3, spacing_mm: tuple[float, float] = (1.5, 1.5)) -> EchoSequence:
    """A drawn stack, base first."""
    parameters = draw_stack_parameters(np.random.default_rng(seed), phase="ED")
    return draw_stack(parameters, spacing_mm=spacing_mm).sequence


def turned(sequence: EchoSequence, quarters: int) -> EchoSequence:
    """The stack as another scanner might have stored it."""
    row, col = sequence.spacing_mm or (1.0, 1.0)
    spacing = (row, col) if quarters % 2 == 0 else (col, row)
    labels = np.rot90(sequence.labels, quarters, axes=(0, 1))
    return dataclasses.replace(sequence, labels=labels, spacing_mm=spacing)


def placed(sequence: EchoSequence):
    found = place(sequence.labels, sequence.spacing_mm, stack=True)
    assert found is not None
    return found


@pytest.mark.parametrize("quarters", range(4))
def test_however_a_stack_is_stored_the_canvas_shows_it_alike(quarters):
    one, other = stack(spacing_mm=(1.2, 1.7)), turned(stack(spacing_mm=(1.2, 1.7)), quarters)
    expected, _ = to_canvas(one.labels, placed(one))
    found, _ = to_canvas(other.labels, placed(other))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_on_the_canvas_the_right_ventricle_lies_below():
    shares, _ = to_canvas(stack().labels, placed(stack()))
    rows = np.arange(CANVAS_SHAPE[0])
    lv, rv = ((shares[:, c].sum((0, 2)) @ rows) / shares[:, c].sum() for c in (1, 3))
    cols = np.arange(CANVAS_SHAPE[1])
    across = [(shares[:, c].sum((0, 1)) @ cols) / shares[:, c].sum() for c in (1, 3)]
    assert rv - lv > abs(across[1] - across[0])


@pytest.mark.parametrize("quarters", range(4))
def test_there_and_back_is_the_same_frame(quarters):
    sequence = turned(stack(), quarters)
    placement = placed(sequence)
    frames = np.moveaxis(sequence.labels, 2, 0)
    np.testing.assert_array_equal(placement.native(placement.upright(frames)), frames)
    assert placement.upright(frames).shape[1:] == placement.shape


def test_an_apical_view_is_never_turned():
    labels = np.zeros((40, 40, 1), np.uint8)
    labels[10:20, 20:30], labels[25:35, 2:10] = Label.LV, Label.LA
    found = place(labels, (1.0, 1.0))
    assert found is not None
    assert found.turn == 0


def test_a_stack_without_its_right_ventricle_is_left_as_it_lies():
    labels = np.where(stack().labels == Label.RV, 0, stack().labels).astype(np.uint8)
    found = place(labels, (1.5, 1.5), stack=True)
    assert found is not None
    assert found.turn == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_is_composed_has_a_closed_wall(seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, 3, 40, 30))
    distances = 60 * ndimage.gaussian_filter(noise, (0, 0, 4, 4)).astype(np.float32)
    labels = compose(distances, SHORT_AXIS)
    padded = np.pad(labels, ((1, 1), (1, 1), (0, 0)))
    outside = np.isin(padded, (Label.BACKGROUND, Label.RV))
    # At the border of the frame nothing is known of what comes after it.
    outside[[0, -1]], outside[:, [0, -1]] = False, False
    beside = ndimage.binary_dilation(outside, np.ones((3, 3, 1), bool))
    assert not (beside & (padded == Label.LV)).any()


def test_distances_of_a_drawn_slice_compose_to_it():
    sequence = upright(stack())
    placement = placed(sequence)
    shares, _ = to_canvas(sequence.labels, placement)
    again = compose(measured_distances(shares), SHORT_AXIS)
    seen = shares.argmax(1)
    for channel, label in enumerate(SHORT_AXIS, start=1):
        one, other = seen == channel, np.moveaxis(again, 2, 0) == label
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.97


def test_positions_run_from_base_to_apex_however_a_stack_is_ordered():
    area = np.array([900.0, 1000.0, 700.0, 200.0])
    np.testing.assert_allclose(slice_positions(area), [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(slice_positions(area[::-1]), [1, 2 / 3, 1 / 3, 0])
    assert np.isnan(slice_positions(area[:1])).all()


def test_shapes_of_stacks_know_their_position_and_anatomy():
    table = build_shapes([("a", stack()), ("b", turned(stack(), 1))])
    assert table.structures == SHORT_AXIS
    first, second = (table.sequence == i for i in (0, 1))
    assert table.instant[first][0] == 0
    assert table.instant[first][-1] == 1
    np.testing.assert_allclose(
        table.distances[first].astype(float), table.distances[second].astype(float), atol=0.05
    )


def test_stacks_and_apical_views_are_not_learned_together():
    heart = draw_heart(draw_parameters(np.random.default_rng(0), "A4C"), n_frames=2)
    with pytest.raises(ModelError, match="a prior for each"):
        build_shapes([("cine", heart.sequence), ("stack", stack())])


def test_drawn_training_stacks_are_those_of_their_patients_number():
    few, more = (draw_stacks(DataConfig(n_phantoms=n, seed=5)) for n in (1, 2))
    assert [name for name, _ in more] == [
        "phantom00001_ED", "phantom00001_ES", "phantom00002_ED", "phantom00002_ES",
    ]  # fmt: skip
    for (_, one), (_, other) in zip(few, more, strict=False):
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.anatomy == SHORT_AXIS != STRUCTURES


def test_a_batch_of_damaged_slices_has_the_whole_heart_as_its_target():
    table = build_shapes([("a", stack())])
    rng = np.random.default_rng(0)
    config = AugmentConfig(corrupt=1.0, drop_la=0.0, drop_myo=0.0)
    batch = draw_batch(table, np.arange(6), config, rng)
    assert batch.inputs.shape == (6, 7, *CANVAS_SHAPE)
    assert float((batch.inputs[:, 3] - batch.target[:, 3]).abs().sum()) > 0  # some RV is damaged
    np.testing.assert_allclose(batch.target.sum(1).numpy(), 1.0, atol=1e-5)
    assert (batch.inputs[:, 6] == 1).all()  # the RV counts as the annotated neighbor


def test_a_prior_of_ones_own_stacks_knows_whose_hearts_it_knows(tmp_path):
    """Files as those of ACDC, an ED and an ES stack of each patient; a few steps say nothing."""
    for number in range(1, 5):
        for phase, name in (("ED", "frame01"), ("ES", "frame12")):
            parameters = draw_stack_parameters(np.random.default_rng(number), phase=phase)
            drawn = draw_stack(parameters, spacing_mm=(2.0, 2.0), slice_mm=25.0).sequence
            values = np.swapaxes(ACDC.to_values(drawn.labels), 0, 1)
            path = tmp_path / "masks" / f"patient{number:03d}_{name}_gt.nii.gz"
            path.parent.mkdir(exist_ok=True)
            image = nib.Nifti1Image(values, np.diag([2.0, 2.0, 25.0, 1.0]))
            image.header.set_xyzt_units("mm")
            nib.save(image, path)
    split = tmp_path / "split.csv"
    split.write_text("patient,split\npatient001,train\npatient002,train\npatient003,val\n")
    prior = train_prior(
        "tiny",
        str(tmp_path / "masks"),
        tmp_path / "prior",
        overrides=[
            "data.labels=acdc", f"data.split={split}", "train.model=constrained",
            "train.n_steps=2", "train.batch_size=4",
        ],
    )  # fmt: skip
    assert prior.structures == SHORT_AXIS
    assert not prior.beats
    assert set(np.unique(prior.instants)) >= {0.0, 1.0}
    assert prior.provenance["structures"] == ["lv", "myo", "rv"]
    assert "right ventricle" in (tmp_path / "prior" / "MODEL_CARD.md").read_text()


def test_errors_of_networks_are_not_learned_of_stacks(tmp_path):
    masks = tmp_path / "stack.npz"
    masks.write_bytes(b"")
    with pytest.raises(ConfigError, match="these are short-axis stacks"):
        train_prior(
            "tiny",
            "short-axis phantom",
            tmp_path / "prior",
            errors=str(masks),
            overrides=["train.adapt.n_steps=2", "data.n_phantoms=12"],
        )
