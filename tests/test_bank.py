"""The bank: its codes are valid, its seed decides it, and it belongs to its prior."""

from __future__ import annotations

import re

import numpy as np
import pytest
from prior_cases import LinearShapes, linear_prior

from cardiovae import bank as module
from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.bank import build_bank, load_bank, rounded, save_bank
from cardiovae.errors import CardiovaeError, ConfigError, ModelError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.latent.density import fit_parzen
from cardiovae.prior.codec import compose, decode, native_distances
from cardiovae.prior.grid import Placement

SETS = ("camus", "camus-public")


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    return linear_prior(tmp_path_factory.mktemp("bank") / "linear")


@pytest.fixture(scope="module")
def bank(prior):
    return build_bank(prior, n_codes=60, rng=np.random.default_rng(3))


def test_every_code_decodes_to_a_heart_that_passes_every_set_after_the_round_trip(prior, bank):
    save_bank(bank, prior, overwrite=True)
    stored = load_bank(prior)
    assert stored.codes.shape == (60, LinearShapes.latent_dim)
    # 0.7 mm pixels whose grid begins where the canvas begins, written out by hand.
    grid = Placement((256, 192), (66.0 / 0.7 - 0.5, 67.2 / 0.7 - 0.5), (0.7, 0.7))
    distances = native_distances(decode(prior.network, stored.codes), grid)
    for structures in (STRUCTURES, (Label.LV, Label.MYO)):
        labels = compose(distances, structures)
        for name in SETS:
            valid = [
                frame_is_valid(labels[:, :, i], (0.7, 0.7), criteria(name), structures)
                for i in range(60)
            ]
            assert all(valid)


def test_codes_are_what_float16_can_hold(bank):
    np.testing.assert_array_equal(bank.codes, bank.codes.astype(np.float16))


def test_the_round_trip_keeps_everything(prior, bank):
    save_bank(bank, prior, overwrite=True)
    stored = load_bank(prior)
    np.testing.assert_array_equal(stored.codes, bank.codes)
    np.testing.assert_allclose(stored.log_density, bank.log_density, rtol=1e-6)
    np.testing.assert_allclose(stored.percentile, bank.percentile, rtol=1e-6)
    assert (stored.criteria, stored.seed, stored.n_training) == (SETS, 3, bank.n_training)
    assert stored.acceptance == bank.acceptance
    assert stored.density.bandwidth == bank.density.bandwidth
    np.testing.assert_array_equal(
        stored.density.log_prob(bank.codes), bank.density.log_prob(bank.codes)
    )


def test_the_seed_decides_the_bank(prior, bank):
    again, other = (build_bank(prior, n_codes=60, rng=np.random.default_rng(s)) for s in (3, 4))
    np.testing.assert_array_equal(again.codes, bank.codes)
    assert not np.array_equal(other.codes, bank.codes)


def test_the_valid_training_codes_come_first(prior, bank):
    training = {tuple(row) for row in rounded(prior.codes)}
    assert 0 < bank.n_training <= len(prior.codes)
    assert all(tuple(row) in training for row in bank.codes[: bank.n_training])
    assert not any(tuple(row) in training for row in bank.codes[bank.n_training :])
    assert bank.acceptance["training"]["judged"] == len(prior.codes)
    assert bank.n_training == round(bank.acceptance["training"]["all"] * len(prior.codes))


def test_shares_are_those_of_all_draws_and_all_sets(bank):
    drawn = bank.acceptance["drawn"]
    assert set(drawn) == {"judged", "all", *SETS}
    assert drawn["judged"] % module.BATCH == 0
    assert 0 < drawn["all"] <= min(drawn[name] for name in SETS) <= 1


def test_the_stored_density_is_that_of_the_training_codes_by_patient(prior, bank):
    expected = fit_parzen(prior.codes, groups=prior.patients)
    np.testing.assert_allclose(bank.log_density, expected.log_prob(bank.codes))
    assert bank.percentile.min() >= 0
    assert bank.percentile.max() <= 100


def test_a_small_bank_needs_no_draw(prior):
    found = build_bank(prior, n_codes=5, rng=np.random.default_rng(0))
    assert found.n_training == 5
    assert found.acceptance["drawn"] == {"judged": 0, "all": None, **dict.fromkeys(SETS)}


def test_rejection_sampling_fills_a_bank_in_low_dimension(prior):
    found = build_bank(prior, n_codes=50, rng=np.random.default_rng(0), proposal="rejection")
    assert len(found.codes) == 50


def test_progress_ends_with_all_codes(prior):
    heard = []
    build_bank(
        prior, n_codes=60, rng=np.random.default_rng(3), progress=lambda *of: heard.append(of)
    )
    assert heard[-1] == (60, 60)
    assert heard == sorted(heard)


def test_the_nearest_code_of_a_code_in_the_bank_is_itself(bank):
    ends, distances = bank.nearest(bank.codes[7], 3)
    np.testing.assert_array_equal(ends[0], bank.codes[7])
    assert distances[0] == 0
    expected = np.sort(np.linalg.norm(bank.codes - bank.codes[7], axis=1))[:3]
    np.testing.assert_allclose(distances, expected)
    assert bank.nearest(bank.codes[7], 1000)[0].shape == bank.codes.shape


def test_a_prior_that_draws_no_hearts_gets_no_bank(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ENOUGH_DRAWS", 2 * module.BATCH)
    hopeless = linear_prior(tmp_path / "hopeless")
    hopeless.network.mean.fill_(30.0)
    hopeless.network.modes.fill_(0.0)
    with pytest.raises(ModelError, match="only 0 of 500 drawn codes"):
        build_bank(hopeless, n_codes=10, rng=np.random.default_rng(0))


def test_sets_that_do_not_judge_frames_are_refused(prior):
    with pytest.raises(ConfigError, match="judges sequences"):
        build_bank(prior, criteria_names=("tmi2022",), rng=np.random.default_rng(0))


def test_a_missing_bank_names_the_command_that_builds_it(tmp_path):
    with pytest.raises(ModelError, match="cardiovae bank"):
        load_bank(linear_prior(tmp_path / "bare"))


def test_a_bank_is_not_replaced_by_accident(prior, bank):
    save_bank(bank, prior, overwrite=True)
    with pytest.raises(CardiovaeError, match="--overwrite"):
        save_bank(bank, prior)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", None])
def test_a_damaged_bank_is_a_model_error(prior, bank, content):
    path = save_bank(bank, prior, overwrite=True)
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    with pytest.raises(ModelError, match=re.escape("bank.npz is damaged")):
        load_bank(prior)


def test_a_bank_of_other_weights_is_refused(prior, bank):
    save_bank(bank, prior, overwrite=True)
    weights = prior.folder / "weights.safetensors"
    weights.write_bytes(b"others")
    try:
        with pytest.raises(ModelError, match="other weights"):
            load_bank(prior)
    finally:
        weights.write_bytes(b"weights")


def test_the_same_bank_is_the_same_file(prior, bank):
    first = save_bank(bank, prior, overwrite=True).read_bytes()
    assert save_bank(bank, prior, overwrite=True).read_bytes() == first


def test_draws_along_the_correlations_are_valid_codes_too(prior):
    drawn = build_bank(prior, n_codes=50, rng=np.random.default_rng(3), proposal="shrunk")
    plain = build_bank(prior, n_codes=50, rng=np.random.default_rng(3))
    assert drawn.codes.shape == plain.codes.shape == (50, LinearShapes.latent_dim)
    new = slice(drawn.n_training, None)
    assert not np.array_equal(drawn.codes[new], plain.codes[new])
    assert module.judged(prior, drawn.codes, tuple(map(criteria, SETS))).all()
