import dataclasses
import shutil

import numpy as np
import pytest

from cardiovae.errors import FileError, ModelError
from cardiovae.prior.folder import load_prior
from cardiovae.uncertainty.errors import (
    ERRORS,
    CodeErrors,
    encoder_errors,
    estimate_errors,
    load_errors,
    save_errors,
)


def simulated(n_sequences=4000, growth=0.0, seed=0):
    """Codes of predictions and truth with known errors, two frames a sequence."""
    rng = np.random.default_rng(seed)
    shared = np.array([[1.0, 0.3], [0.3, 0.25]])
    own = np.array([[0.5, -0.1], [-0.1, 0.2]])
    common = rng.multivariate_normal(np.zeros(2), shared, n_sequences).repeat(2, axis=0)
    single = rng.multivariate_normal(np.zeros(2), own, 2 * n_sequences)
    distances = rng.uniform(2, 8, n_sequences).repeat(2)
    truth = rng.normal(size=(2 * n_sequences, 2))
    scale = (distances / np.median(distances)) ** growth
    names = [f"s{i // 2}" for i in range(2 * n_sequences)]
    patients = [f"p{i // 8}" for i in range(2 * n_sequences)]
    found = truth + scale[:, None] * (common + single)
    return (found, truth, distances, names, patients), shared, own


def test_what_frames_share_is_told_from_what_is_their_own():
    given, shared, own = simulated()
    found = estimate_errors(*given)
    assert found.measured
    assert found.n_patients == 1000
    assert np.allclose(found.shared, shared, atol=0.08)
    assert np.allclose(found.own, own, atol=0.08)
    assert found.growth[1] == pytest.approx(0, abs=0.1)


def test_errors_that_grow_with_the_distance_are_seen_to_grow():
    given, shared, own = simulated(growth=1.0)
    found = estimate_errors(*given)
    assert found.growth[1] == pytest.approx(1, abs=0.1)
    # Twice the distance is twice the error, and the usual frame has scale 1.
    usual = np.median(given[2])
    assert found.scale([usual]) == pytest.approx(1, rel=0.02)
    assert found.scale([2 * usual]) == pytest.approx(2, rel=0.1)
    assert np.allclose(found.shared + found.own, shared + own, atol=0.15)


def test_a_lost_heart_does_not_widen_all_intervals():
    given, shared, own = simulated()
    found = given[0].copy()
    found[::100] += 1000
    errors = estimate_errors(found, *given[1:])
    assert np.trace(errors.shared + errors.own) < 2 * np.trace(shared + own)


def test_own_errors_are_never_singular():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(50, 3)).repeat(2, axis=0)  # both frames err alike
    names = [f"s{i // 2}" for i in range(100)]
    found = estimate_errors(
        common, np.zeros((100, 3)), np.full(100, 5.0) + common[:, 0], names, names
    )
    assert np.linalg.eigvalsh(found.own).min() > 0


def test_single_frames_cannot_be_parted():
    with pytest.raises(ModelError, match="two frames of one sequence"):
        estimate_errors(
            np.random.default_rng(0).normal(size=(9, 2)),
            np.zeros((9, 2)),
            np.arange(1.0, 10),
            [str(i) for i in range(9)],
            ["p"] * 9,
        )


def test_without_measured_errors_the_encoder_speaks():
    found = encoder_errors([[1.0, 3.0], [1.0, 1.0]])
    assert not found.measured
    assert np.allclose(found.own, np.diag([1.0, 5.0]))  # mean of the variances
    assert not found.shared.any()
    assert found.scale([1.0, 100.0]).tolist() == [1.0, 1.0]


def test_errors_come_back_from_their_file_and_belong_to_their_weights(phantom_prior, tmp_path):
    folder = tmp_path / "prior"
    shutil.copytree(
        phantom_prior.folder, folder, ignore=shutil.ignore_patterns("baselines", ERRORS)
    )
    prior = load_prior(str(folder))
    assert load_errors(prior) is None
    n_dims = prior.codes.shape[1]
    weights = prior.sha256()["weights.safetensors"]
    errors = CodeErrors(np.eye(n_dims), 2 * np.eye(n_dims), (-1.0, 0.5), 7, weights)
    save_errors(folder / ERRORS, errors)
    again = load_errors(prior)
    assert again is not None
    assert (again.growth, again.n_patients) == ((-1.0, 0.5), 7)
    assert np.array_equal(again.own, errors.own)
    with pytest.raises(FileError, match="overwrite"):
        save_errors(folder / ERRORS, errors)
    save_errors(folder / ERRORS, dataclasses.replace(errors, weights_sha256="x"), overwrite=True)
    with pytest.raises(ModelError, match="belongs to other weights"):
        load_errors(prior)
    (folder / ERRORS).write_bytes(b"PK\3\4 no zip")
    with pytest.raises(ModelError, match="damaged"):
        load_errors(prior)
