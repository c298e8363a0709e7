"""Learning the errors of a network: which pairs, where they lie, and what may change."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from prior_cases import TINY, drawn_heart, small_table

from cardiovae.errors import FileError, ModelError
from cardiovae.labels import Label
from cardiovae.prior.augment import shares
from cardiovae.prior.cohort import DataConfig
from cardiovae.prior.pairs import AdaptConfig, draw_pairs, load_pairs
from cardiovae.prior.train import train

SPACING = (0.8, 1.1)
ADAPT = AdaptConfig(n_steps=3, keep_sound=1.0, jitter_mm=0.0)


def broken_heart(size: float) -> np.ndarray:
    """A heart with an island and a hole."""
    labels = drawn_heart(size, spacing=SPACING)
    labels[:6, :6] = Label.LV
    rows, cols = np.nonzero(labels == Label.LV)
    labels[rows[len(rows) // 2], cols[len(rows) // 2]] = Label.BACKGROUND
    return labels


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """References of three patients, and two predictions of each, as `.npz` files."""
    folder = tmp_path_factory.mktemp("pairs")
    names = [f"patient{i}_A4C_{t}" for i in range(3) for t in ("ED", "ES")]
    sizes = [s * t for s in (0.9, 1.0, 1.1) for t in (1.0, 0.85)]
    masks = [drawn_heart(size, spacing=SPACING) for size in sizes]
    drawn = [broken_heart(size) for size in sizes]

    def save(name, masks, names):
        spacing = np.tile(SPACING, (len(names), 1))
        np.savez(folder / name, masks=np.stack(masks), names=names, spacing_mm=spacing)
        return str(folder / name)

    return save("truth.npz", masks, names), save("drawn.npz", drawn + masks, names * 2)


def pairs_of(files, patients, adapt=ADAPT, seed=0):
    rng = np.random.default_rng(seed)
    return load_pairs(files[1], files[0], DataConfig(), patients, adapt, rng)


def test_only_the_patients_to_learn_from_make_pairs(files):
    everyone = {f"patient{i}" for i in range(3)}
    assert len(pairs_of(files, everyone).seen) == 12
    assert len(pairs_of(files, {"patient1"}).seen) == 4
    with pytest.raises(ModelError, match="no prediction of a training patient"):
        pairs_of(files, {"somebody"})


def test_predictions_in_one_piece_can_be_left_out(files):
    adapt = dataclasses.replace(ADAPT, keep_sound=0.0)
    assert len(pairs_of(files, {"patient1"}, adapt).seen) == 2
    assert len(pairs_of(files, {"patient1"}, dataclasses.replace(ADAPT, max_pairs=3)).seen) == 3


def test_the_truth_is_whole_and_the_prediction_is_as_it_was_drawn(files):
    adapt = dataclasses.replace(ADAPT, keep_sound=0.0)
    pairs = pairs_of(files, {"patient1"}, adapt)
    cover = (0.5 - pairs.distances.astype(float) / 1.4).clip(0, 1)
    area_mm2 = cover.sum((2, 3)) * 1.4**2
    for size, found in zip((1.0, 0.85), area_mm2, strict=True):
        labels = drawn_heart(size, spacing=SPACING)
        for region, labels_in in enumerate(((1,), (1, 2), (3,))):
            expected = np.isin(labels, labels_in).sum() * SPACING[0] * SPACING[1]
            assert found[region] == pytest.approx(expected, rel=0.03)
    holes = pairs.seen[:, Label.BACKGROUND] * (pairs.distances[:, 0] < -4)
    assert (holes > 0.2).any((1, 2)).all()


def test_a_prediction_without_its_reference_is_named(files, tmp_path):
    other = tmp_path / "other.npz"
    spacing = np.array([SPACING])
    np.savez(other, masks=np.zeros((1, 4, 4), np.uint8), names=["patient1_A4C_ED"],
             spacing_mm=spacing)  # fmt: skip
    with pytest.raises(FileError, match="patient1_A4C_ED"):
        pairs_of((files[0], str(other)), {"patient1"})
    with pytest.raises(FileError, match="absent"):
        pairs_of((files[0], str(tmp_path / "absent.npz")), {"patient1"})


def test_a_batch_of_pairs_has_the_truth_as_target_and_no_attributes(files):
    pairs = pairs_of(files, {"patient1"})
    batch = draw_pairs(pairs, np.arange(4), ADAPT, np.random.default_rng(0))
    image = np.full((4, 1, 128, 96), -40, np.float32)
    distances = torch.from_numpy(np.concatenate([pairs.distances, image], 1).astype(np.float32))
    torch.testing.assert_close(batch.target, shares(distances)[0])
    torch.testing.assert_close(batch.target.sum(1), torch.ones(4, 128, 96))
    assert batch.attributes.isnan().all()
    assert batch.instant.isnan().all()


@pytest.fixture(scope="module")
def table():
    return small_table()


CONFIG = dataclasses.replace(TINY, adapt=ADAPT)


def state_of(module):
    return torch.cat([v.double().flatten() for v in module.state_dict().values()])


def test_learning_errors_changes_the_readers_encoder_alone(files, table):
    pairs = pairs_of(files, {"patient0", "patient1"})
    shapes = train(table, table, TINY).average
    both = train(table, table, CONFIG, pairs=pairs)
    assert torch.equal(state_of(shapes), state_of(both.average))
    for name in ("from_code", "decoder", "instant"):
        assert torch.equal(state_of(getattr(shapes, name)), state_of(getattr(both.reader, name)))
    assert not torch.equal(state_of(shapes.encoder), state_of(both.reader.encoder))


@pytest.mark.parametrize("stop", [3, 4, 5, 6])
def test_a_run_that_stops_while_learning_errors_equals_an_unbroken_one(
    files, table, tmp_path, stop
):
    pairs = pairs_of(files, {"patient0", "patient1"})
    checkpoint = tmp_path / "checkpoint.pt"
    train(table, table, CONFIG, pairs=pairs, checkpoint=checkpoint, until=stop)
    resumed = train(table, table, CONFIG, pairs=pairs, checkpoint=checkpoint)
    unbroken = train(table, table, CONFIG, pairs=pairs)
    assert resumed.step == 7
    assert torch.equal(state_of(resumed.average), state_of(unbroken.average))
    assert torch.equal(state_of(resumed.reader), state_of(unbroken.reader))
    with pytest.raises(ModelError, match="other training data"):
        train(table, table, CONFIG, pairs=pairs_of(files, {"patient0"}), checkpoint=checkpoint)


def test_learning_errors_needs_errors(table):
    with pytest.raises(ModelError, match="needs pairs"):
        train(table, table, CONFIG)
