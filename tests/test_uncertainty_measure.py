"""Errors of codes, measured on predictions beside their references."""

from __future__ import annotations

import numpy as np
import pytest

from cardiovae.errors import ModelError
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.prior.cohort import DataConfig
from cardiovae.uncertainty.measure import measure_errors

CONFIG = DataConfig(patient=r"phantom\d+")
SPACING = (0.9, 0.9)
N_FRAMES = 3


def written(path, masks, names):
    spacing = np.tile(SPACING, (len(names), 1))
    np.savez(path, masks=np.stack(masks), names=np.array(names), spacing_mm=spacing)
    return str(path)


@pytest.fixture(scope="module")
def frames():
    """Frames of six drawn hearts by name."""
    found = {}
    shape = (190, 190)
    for phantom, view, seed in phantom_cohort(
        3, 5, n_frames=N_FRAMES, spacing_mm=SPACING, shape=shape
    ):
        for t in range(N_FRAMES):
            found[f"phantom{seed[1]:05d}_{view}_{t}"] = phantom.sequence.frame(t)
    return found


def wider(labels):
    """The heart with its columns stretched about the middle by a tenth."""
    columns = np.arange(labels.shape[1])
    middle = (labels.shape[1] - 1) / 2
    source = np.rint(middle + (columns - middle) / 1.1).astype(int)
    return labels[:, source]


def test_a_network_that_is_right_errs_nowhere(phantom_prior, frames, tmp_path):
    names = list(frames)
    data = written(tmp_path / "data.npz", list(frames.values()), names)
    noisy = [np.roll(m, 1 if i % 2 else 0, axis=0) for i, m in enumerate(frames.values())]
    moved = written(tmp_path / "moved.npz", noisy, names)  # a moved heart has the same shape
    wide = written(tmp_path / "wide.npz", [wider(m) for m in frames.values()], names)
    found = [
        measure_errors(phantom_prior, data, p, CONFIG, rng=np.random.default_rng(0))
        for p in (moved, wide)
    ]
    small, large = (float(np.trace(e.shared + e.own)) for e in found)
    assert small < 0.2 * large
    assert found[0].n_patients == 3
    assert found[0].weights_sha256 == phantom_prior.sha256()["weights.safetensors"]


def test_an_error_made_in_every_frame_is_shared(phantom_prior, frames, tmp_path):
    names = list(frames)
    data = written(tmp_path / "data.npz", list(frames.values()), names)
    each = {name[:-2]: i % 2 for i, name in enumerate(names[::N_FRAMES])}  # every other heart
    masks = [wider(m) if each[name[:-2]] else m for name, m in frames.items()]
    predictions = written(tmp_path / "p.npz", masks, names)
    found = measure_errors(phantom_prior, data, predictions, CONFIG, rng=np.random.default_rng(0))
    assert np.trace(found.shared) > np.trace(found.own)


def test_only_the_patients_asked_for_are_used(phantom_prior, frames, tmp_path):
    names = list(frames)
    data = written(tmp_path / "data.npz", list(frames.values()), names)
    wide = written(tmp_path / "wide.npz", [wider(m) for m in frames.values()], names)
    found = measure_errors(
        phantom_prior,
        data,
        wide,
        CONFIG,
        {"phantom00001", "phantom00002"},
        rng=np.random.default_rng(0),
    )
    assert found.n_patients == 2


def test_a_prediction_without_reference_is_named(phantom_prior, frames, tmp_path):
    names = list(frames)
    data = written(tmp_path / "data.npz", list(frames.values())[:-1], names[:-1])
    predictions = written(tmp_path / "p.npz", list(frames.values()), names)
    with pytest.raises(ModelError, match=f"'{names[-1]}' has no reference"):
        measure_errors(phantom_prior, data, predictions, CONFIG, rng=np.random.default_rng(0))
