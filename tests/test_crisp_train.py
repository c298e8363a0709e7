"""Training a model of images and masks: the same again, on after a stop, of use afterwards."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from cli_cases import run

from cardiovae.cli.exits import ExitCode
from cardiovae.crisp.augment import DrawConfig, ImageConfig, degraded, draw_batch, plain_batch
from cardiovae.crisp.folder import load_crisp, save_crisp
from cardiovae.crisp.images import gray_levels
from cardiovae.crisp.infer import crisp_doubt
from cardiovae.crisp.network import NetworkConfig
from cardiovae.crisp.pairs import build_table, draw_echoes, load_pairs, read_frames
from cardiovae.crisp.train import CrispConfig, train
from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.labels import Label
from cardiovae.phantom.heart import draw_heart
from cardiovae.phantom.parameters import draw_parameters
from cardiovae.phantom.ultrasound import simulate_bmode
from cardiovae.prior.cohort import DataConfig
from cardiovae.sequence import EchoSequence

torch.set_num_threads(1)
TINY = CrispConfig(
    NetworkConfig(joint=3, image_code=8, mask_code=4, width=4),
    batch_size=4,
    n_steps=4,
    validate_every=2,
    checkpoint_every=1,
)
DRAWN = DataConfig(source="phantom", n_phantoms=2, n_frames=2, spacing_mm=(1.4, 1.4), seed=4)


@pytest.fixture(scope="module")
def echoes():
    return draw_echoes(DRAWN)


@pytest.fixture(scope="module")
def table(echoes):
    return build_table(echoes)


@pytest.fixture(scope="module")
def unbroken(table):
    return train(table, table, TINY)


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.network.parameters()])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(table, unbroken):
    assert torch.equal(weights(train(table, table, TINY)), weights(unbroken))
    assert not torch.equal(weights(train(table, table, replace(TINY, seed=1))), weights(unbroken))


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, table, unbroken):
    path = tmp_path / "checkpoint.pt"
    assert train(table, table, TINY, checkpoint=path, until=1).step == 1
    resumed = train(table, table, TINY, checkpoint=path)
    assert torch.equal(weights(resumed), weights(unbroken))
    assert resumed.history == unbroken.history


def test_a_checkpoint_of_other_settings_or_data_is_refused(tmp_path, table):
    path = tmp_path / "checkpoint.pt"
    train(table, table, TINY, checkpoint=path, until=1)
    with pytest.raises(ModelError, match="other settings"):
        train(table, table, replace(TINY, seed=1), checkpoint=path)
    with pytest.raises(ModelError, match="other settings or training data"):
        train(replace(table, images=255 - table.images), table, TINY, checkpoint=path)
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="readable"):
        train(table, table, TINY, checkpoint=path)


def test_image_and_mask_are_moved_alike(echoes):
    # As image the mask itself: where the map says LV with certainty, the image has to be white.
    name, echo = echoes[0]
    shown = (echo.sequence.labels == Label.LV).astype(np.uint8) * 255
    table = build_table([(name, replace(echo, images=shown))])
    dull = ImageConfig(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    rows = np.zeros(6, np.int64)
    batch = draw_batch(table, rows, DrawConfig(image=dull), np.random.default_rng(0))
    assert batch.images.shape == (6, 2, 128, 96)
    assert batch.target.shape == (6, 4, 64, 48)
    seen = torch.nn.functional.avg_pool2d(batch.images[:, :1], 2)
    lv = batch.target[:, 1:2]
    assert float(seen[lv > 0.99].mean()) > 0.95
    assert float(seen[lv < 0.01].mean()) < 0.02
    still = plain_batch(table, rows[:1])
    assert not torch.equal(batch.target[:1], still.target)


def test_degraded_images_stay_between_black_and_white_and_follow_their_seed():
    images = torch.rand(3, 1, 20, 16, generator=torch.Generator().manual_seed(0))
    one, same, other = (
        degraded(images, ImageConfig(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert 0 <= float(one.min()) <= float(one.max()) <= 1


def test_an_npz_without_images_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", masks=np.zeros((1, 4, 4), np.uint8), names=["a"])
    with pytest.raises(FileError, match="images, masks, names, spacing_mm"):
        read_frames(tmp_path / "d.npz")


def test_a_preset_without_data_asks_for_them():
    with pytest.raises(ConfigError, match="--data"):
        load_pairs(DataConfig())


def test_a_folder_of_pairs_is_read_by_names(tmp_path, echoes):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for name, echo in echoes:
        np.savez(tmp_path / "images" / f"{name}.npz", images=echo.images)
        np.savez(
            tmp_path / "labels" / f"{name}.npz",
            labels=echo.sequence.labels,
            spacing_mm=np.array((1.4, 1.4)),
            axes="HWT",
        )
    (tmp_path / "parts.csv").write_text("patient,split\nphantom00001,train\nphantom00002,val\n")
    config = DataConfig(split=str(tmp_path / "parts.csv"))
    cohort = load_pairs(config, str(tmp_path))
    assert cohort.facts["patients"] == {"train": 1, "val": 1, "test": 0}
    assert cohort.facts["frames"] == {"train": 4, "val": 4}
    (tmp_path / "images" / f"{echoes[0][0]}.npz").unlink()
    with pytest.raises(FileError, match="add its image"):
        load_pairs(config, str(tmp_path))
    with pytest.raises(FileError, match="'images' and 'labels'"):
        load_pairs(config, str(tmp_path / "labels"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("crisp") / "tiny"


SMALL = ("--config", "tiny", "--set", "data.n_phantoms=10", "--set", "train.n_steps=2")


def test_the_command_leaves_a_folder_that_explains_itself(capsys, folder):
    done = run(capsys, "uncertainty", "train", *SMALL, "-o", folder, "--seed", "5")
    assert done.code == ExitCode.OK, done.err
    assert "written to" in done.out
    assert {path.name for path in folder.iterdir()} == {
        "MODEL_CARD.md",
        "config.yaml",
        "library.npz",
        "provenance.json",
        "weights.safetensors",
    }
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert (facts["training"]["n_steps"], facts["training"]["seed"]) == (2, 5)
    again = run(capsys, "uncertainty", "train", *SMALL, "-o", folder)
    assert again.code == ExitCode.USAGE
    assert "--overwrite" in again.err


def test_a_damaged_folder_is_refused(capsys, tmp_path, folder):
    crisp = load_crisp(str(folder))
    config = {"network": vars(crisp.network.config), "search": {"neighbors": 5}}
    save_crisp(
        tmp_path / "copy",
        crisp.network,
        crisp.library,
        config=config,
        provenance=crisp.provenance,
        card="",
    )
    copy = load_crisp(str(tmp_path / "copy"))
    assert copy.search.neighbors == 5
    assert np.allclose(copy.library.codes, crisp.library.codes, atol=1e-3)
    (tmp_path / "copy" / "library.npz").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged"):
        load_crisp(str(tmp_path / "copy"))
    with pytest.raises(ModelError, match="uncertainty train"):
        load_crisp(str(tmp_path))


@pytest.mark.parametrize("name", ["camus", "phantom"])
def test_a_shipped_model_doubts_a_wrong_label_map_more_than_the_right_one(name):
    crisp = load_crisp(name)
    heart = draw_heart(
        draw_parameters(np.random.default_rng([77, 1]), "A4C"), n_frames=2, spacing_mm=(0.8, 0.8)
    ).sequence
    images = simulate_bmode(heart.labels, (0.8, 0.8), rng=np.random.default_rng(5))
    wrong = heart.labels.copy()
    rows = np.flatnonzero((wrong == Label.LV).any((1, 2)))
    wrong[rows[: len(rows) // 2]] = Label.BACKGROUND  # the upper half of the heart is not seen
    right, cut = (
        crisp_doubt(crisp, gray_levels(images), EchoSequence(labels, (0.8, 0.8)))
        for labels in (heart.labels, wrong)
    )
    assert (right.score < cut.score).all()
    assert (right.expected_dice > cut.expected_dice).all()
    assert np.isfinite(right.cosine).all()
    assert 0 <= right.pixel.min() <= right.pixel.max() <= 1
