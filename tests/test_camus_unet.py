"""The network of the uncertainty benchmark: resumed as if never stopped, cached, split."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def parts():
    """The modules of the benchmark by name, found as when the script runs."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        names = ("camus_unet", "network_errors", "uncertainty_parts.segmenter_scores")
        yield {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def data(tmp_path, parts):
    """Two drawn frames of four training, one validation and one test patient."""
    with parts["network_errors"].SPLIT.open(encoding="utf-8") as lines:
        split = dict(line.strip().split(",") for line in lines)
    chosen = [
        patient
        for part, n in (("train", 4), ("val", 1), ("test", 1))
        for patient in [name for name, where in split.items() if where == part][:n]
    ]
    rng = np.random.default_rng(0)
    masks = np.zeros((12, 224, 224), np.uint8)
    for label, rows in ((2, slice(20, 120)), (1, slice(40, 100)), (3, slice(120, 170))):
        masks[:, rows, 60:160] = label
    np.savez(
        tmp_path / "camus224_dev.npz",
        names=np.array([f"{patient}_4CH_{when}" for patient in chosen for when in ("ED", "ES")]),
        masks=masks,
        images=(60 * masks + rng.integers(0, 40, masks.shape)).astype(np.uint8),
    )
    return tmp_path


def test_a_stopped_training_ends_with_the_weights_of_one_that_went_through(
    parts, data, tmp_path, monkeypatch
):
    unet = parts["camus_unet"]
    training = unet.Training(cycles=((2, 1e-3), (1, 1e-3)), batch=4, snapshots=(1,))
    monkeypatch.setattr(unet, "FOLDER", tmp_path / "through")
    unet.train(data, training)
    through = load_file(unet.snapshot_path(training, 3))

    monkeypatch.setattr(unet, "FOLDER", tmp_path / "stopped")
    whole, n_calls = unet.one_epoch, []

    def stops(*arguments):
        n_calls.append(1)
        if len(n_calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(unet, "one_epoch", stops)
    with pytest.raises(KeyboardInterrupt):
        unet.train(data, training)
    unet.train(data, training)
    resumed = load_file(unet.snapshot_path(training, 3))
    assert len(n_calls) == 4
    assert all(torch.equal(resumed[name], through[name]) for name in through)


def test_parts_of_the_split_share_no_patient(parts, data):
    names = [parts["camus_unet"].images_of(data, part).names for part in ("train", "val", "test")]
    assert [len(part) for part in names] == [8, 2, 2]
    patients = [{name.split("_")[0] for name in part} for part in names]
    assert len(set.union(*patients)) == 6


def test_degraded_images_depend_on_the_name_alone(parts, data):
    given = parts["camus_unet"].images_of(data, "train")
    degraded_images = parts["segmenter_scores"].degraded_images
    found = degraded_images(given)
    assert found.dtype == np.uint8
    assert all((worse != image).any() for worse, image in zip(found, given.images, strict=True))
    last = dataclasses.replace(
        given, images=given.images[-1:], masks=given.masks[-1:], names=given.names[-1:]
    )
    np.testing.assert_array_equal(degraded_images(last)[0], found[-1])


def test_levels_are_computed_once_and_read_again(parts, data, tmp_path, monkeypatch):
    scores, unet = parts["segmenter_scores"], parts["camus_unet"]
    network = unet.build_network(0.1)
    monkeypatch.setattr(scores, "FOLDER", tmp_path / "scores")
    monkeypatch.setattr(scores, "N_PASSES", 2)
    monkeypatch.setattr(scores, "trained", lambda *_: network)
    monkeypatch.setattr(scores, "snapshot_path", lambda *_: data / "camus224_dev.npz")
    first = scores.segmenter_scores(data, "degraded", "val")
    monkeypatch.setattr(scores, "segmenter_doubt", None)
    again = scores.segmenter_scores(data, "degraded", "val")
    assert set(first.pixel) == {*scores.METHODS, "mc-dropout-mi", "tta-mi", "ensemble-mi"}
    assert set(first.score) == set(first.pixel)
    assert first.probabilities.shape == (2, 4, 224, 224)
    said = np.take_along_axis(first.probabilities, first.labels[:, None].astype(int), 1)
    np.testing.assert_array_equal(said[:, 0], first.probabilities.max(1))  # ties in half precision
    for method, pixel in first.pixel.items():
        np.testing.assert_array_equal(again.pixel[method], pixel)
    np.testing.assert_array_equal(again.images, first.images)
