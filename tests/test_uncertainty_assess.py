import dataclasses
import functools
import json
import math

import numpy as np
import pytest
from correct_cases import cine, config, correct, only, with_frame, with_leak

from cardiovae.audit.criteria import criteria
from cardiovae.correction.config import DoubtConfig
from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.indices.ejection import ejection
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.folder import ShapePrior
from cardiovae.sequence import EchoSequence
from cardiovae.uncertainty.assess import assess
from cardiovae.uncertainty.ejection import ejection_doubt
from cardiovae.uncertainty.errors import CodeErrors
from cardiovae.uncertainty.experts import Experts
from cardiovae.uncertainty.record import SIGNALS
from cardiovae.uncertainty.samples import errors_of, hearts, spread
from cardiovae.uncertainty.signals import disagreement, per_pixel_of_heart

RUINED = 5
FEW = DoubtConfig(n_samples=4, n_ejection=12)


def code_errors(prior: ShapePrior, size: float, shared: float = 0.5) -> CodeErrors:
    """Independent errors of `size` standard deviations, so much of their variance shared."""
    unit = size**2 * np.eye(prior.codes.shape[1])
    return CodeErrors(shared * unit, (1 - shared) * unit, n_patients=9)


@functools.cache
def _corrected(prior, bank):
    damaged = with_frame(cine(), RUINED, with_leak(cine().frame(RUINED)))
    return correct(damaged, prior, bank, config(temporal=None, also_temporal=None))


@pytest.fixture
def corrected(phantom_prior, phantom_bank):
    return _corrected(phantom_prior, phantom_bank)


def doubted(correction, prior, size=0.3, asked=FEW, seed=0):
    experts = Experts(prior, code_errors(prior, size))
    return assess(correction, experts, asked, rng=np.random.default_rng(seed))


def test_doubt_lies_at_the_contours(corrected, phantom_prior):
    found = doubted(corrected, phantom_prior)
    labels = corrected.sequence.labels
    assert found.posterior.shape == labels.shape
    assert found.posterior.dtype == np.float32
    assert 0 <= found.posterior.min() < found.posterior.max() <= 1
    rows, cols = np.nonzero(labels[:, :, 0] == Label.LV)
    middle = int(rows.mean()), int(cols.mean())
    assert found.posterior[middle[0], middle[1], 0] < 0.02
    assert found.posterior[0, 0, 0] < 0.02
    at_apex = rows.min(), cols[rows.argmin()]
    assert found.posterior[at_apex[0], at_apex[1], 0] > 0.3


def test_larger_errors_give_wider_bands_and_intervals(corrected, phantom_prior):
    small, large = (doubted(corrected, phantom_prior, size) for size in (0.1, 0.6))
    assert (large.signals["band_mm"] > 2 * small.signals["band_mm"]).all()
    assert large.ef.sd > 2 * small.ef.sd
    assert large.ef.value == small.ef.value  # doubt moves no number


def test_the_interval_is_around_the_ejection_fraction_of_the_result(corrected, phantom_prior):
    found = doubted(corrected, phantom_prior)
    measured = ejection(corrected.sequence.labels, corrected.sequence.spacing_mm)
    assert found.ef.value == measured.ef_percent
    # Not calibrated: a Gaussian of the samples' standard deviation, 1.645 of it at 90 %.
    assert found.ef.high - found.ef.value == pytest.approx(1.6449 * found.ef.sd, rel=1e-4)
    assert found.calibration is None


def test_errors_that_ed_and_es_share_move_the_fraction_less(corrected, phantom_prior):
    scene = corrected.scene
    widths = []
    for shared in (1.0, 0.0):
        errors = code_errors(phantom_prior, 0.4, shared)
        errors = dataclasses.replace(errors, own=errors.own + 1e-6 * np.eye(len(errors.own)))
        n_frames = scene.sequence.n_frames
        spreading = errors_of(scene.codes[:2], np.ones(2), np.full(2, 6.0), errors)
        ends = dataclasses.replace(
            corrected.sequence,
            labels=np.ascontiguousarray(corrected.sequence.labels[:, :, [0, n_frames - 1]]),
        )
        around = hearts(ends, corrected.codes[[0, -1]], scene.placement, phantom_prior)
        found = ejection_doubt(
            around, spreading, phantom_prior, criteria("camus"), 40, np.random.default_rng(0)
        )
        widths.append(found.ef_sd)
    assert widths[0] < 0.75 * widths[1]


def test_only_valid_hearts_are_counted(corrected, phantom_prior):
    scene, wild = corrected.scene, code_errors(phantom_prior, 4.0)
    around = hearts(corrected.sequence, corrected.codes, scene.placement, phantom_prior)
    n_frames = corrected.sequence.n_frames
    spreading = errors_of(scene.codes, np.ones(n_frames), np.full(n_frames, 6.0), wild)
    found = spread(
        around, spreading, phantom_prior, criteria("camus"), 3, np.random.default_rng(0)
    )
    assert (found.valid_share < 1).any()
    assert (found.n_samples <= 3).all()
    short = found.n_samples < 2
    assert np.isnan(found.band_mm[short]).all()
    assert np.isfinite(found.band_mm[~short]).all()


def test_the_seed_decides_about_samples_alone(corrected, phantom_prior):
    first, again, other = (doubted(corrected, phantom_prior, seed=s) for s in (7, 7, 8))
    assert first.to_json() == again.to_json()
    assert np.array_equal(first.posterior, again.posterior)
    assert not np.array_equal(first.posterior, other.posterior)
    assert np.array_equal(first.signals["misfit_mm"], other.signals["misfit_mm"])


def test_the_record_is_plain_and_complete(corrected, phantom_prior):
    record = json.loads(json.dumps(doubted(corrected, phantom_prior).to_json(), allow_nan=False))
    assert (record["method"], record["level"], record["calibration"]) == ("posterior", 0.9, None)
    n_frames = corrected.sequence.n_frames
    assert [f["frame"] for f in record["frames"]] == list(range(n_frames))
    assert sorted(f["look_rank"] for f in record["frames"]) == list(range(1, n_frames + 1))
    shape_only = [name for name in SIGNALS if not name.startswith(("crisp", "opinion"))]
    assert set(shape_only) <= record["frames"][0].keys()
    for frame in record["frames"]:
        assert frame["failure_probability"] is None
        assert frame["lv_area_low_mm2"] < frame["lv_area_mm2"] < frame["lv_area_high_mm2"]


def test_the_frame_that_was_ruined_is_to_be_looked_at_first(corrected, phantom_prior):
    found = doubted(corrected, phantom_prior)
    assert found.look_rank[RUINED] == 1
    assert found.signals["disagreement"].argmax() == RUINED
    assert found.signals["motion_sd"][RUINED] > found.signals["motion_sd"][RUINED + 1]


def test_a_prior_without_measured_errors_says_so(corrected, phantom_prior):
    found = assess(corrected, Experts(phantom_prior), FEW, rng=np.random.default_rng(0))
    assert "carries no errors of networks" in found.reasons["posterior"]


def test_without_a_heart_everything_is_unknown_and_said(phantom_prior, phantom_bank):
    empty = EchoSequence(np.zeros((40, 32, 3), np.uint8), (2.0, 2.0))
    found = doubted(correct(empty, phantom_prior, phantom_bank), phantom_prior)
    assert found.reasons["posterior"] == "no frame shows a heart"
    assert np.isnan(found.posterior).all()
    assert math.isnan(found.ef.value)
    assert found.look_rank.tolist() == [1, 2, 3]
    json.dumps(found.to_json(), allow_nan=False)


def test_unknown_spacing_leaves_ratios_alone(phantom_prior, phantom_bank):
    unknown = dataclasses.replace(cine(), spacing_mm=None)
    done = correct(unknown, phantom_prior, phantom_bank, config(temporal=None, also_temporal=None))
    found = doubted(done, phantom_prior)
    assert np.isnan(found.signals["band_mm"]).all()
    assert found.reasons["band_mm"] == found.reasons["ejection"] == "the pixel spacing is unknown"
    assert np.isfinite(found.signals["lv_area_sd"]).all()
    assert np.isnan(found.lv_area_mm2).all()


def test_structures_that_are_not_annotated_are_not_doubted(phantom_prior, phantom_bank):
    alone = only(cine(), STRUCTURES[:1])
    done = correct(alone, phantom_prior, phantom_bank, config(temporal=None, also_temporal=None))
    found = doubted(done, phantom_prior)
    atrium = cine().labels == Label.LA
    below = np.nonzero(atrium[:, :, 0])[0].max()
    assert found.posterior[below - 2 :, :, 0].max() < 0.05


def test_what_cannot_be_assessed_is_refused(corrected, phantom_prior):
    experts, rng = Experts(phantom_prior), np.random.default_rng(0)
    with pytest.raises(CardiovaeError, match="'none'"):
        assess(corrected, experts, DoubtConfig(method="none"), rng=rng)
    with pytest.raises(CardiovaeError, match="needs images"):
        assess(corrected, experts, DoubtConfig(method="crisp"), rng=rng)
    with pytest.raises(ConfigError, match="one of none, posterior, crisp, both"):
        DoubtConfig(method="psychic")
    with pytest.raises(ConfigError, match="level lies between 0 and 1"):
        DoubtConfig(level=1.0)


def test_disagreement_by_hand():
    before = np.array([[[1, 0], [1, 0]], [[2, 0], [2, 0]]], np.uint8)  # (2, 2, 2)
    after = before.copy()
    after[0, 1, 0] = 0  # half of the LV gone: Dice 2 * 1 / (2 + 1)
    found = disagreement(before, after, STRUCTURES[:2])
    assert found[0] == pytest.approx(1 - (2 / 3 + 1) / 2)
    assert math.isnan(found[1])  # nothing there to disagree about


def test_doubt_per_pixel_of_heart_by_hand():
    labels = np.array([[[1, 0], [2, 0]]], np.uint8)
    maps = np.array([[[0.5, 0.5], [0.25, 0.5]]], np.float32)
    found = per_pixel_of_heart(maps, labels)
    assert found[0] == 0.375
    assert math.isnan(found[1])


def test_doubt_reaches_attributes_and_volumes(corrected, phantom_prior):
    record = doubted(corrected, phantom_prior).to_json()
    spreads = record["attribute_sd"]
    assert {"lv_area", "lv_length", "lv_base_width", "myo_area", "la_area"} <= spreads.keys()
    n_frames = corrected.sequence.n_frames
    assert all(len(values) == n_frames for values in spreads.values())
    assert all(0 < v < 30 for v in spreads["lv_length"])  # mm, of a heart of 80 mm
    # The area's spread is that of its own signal, in mm2 instead of shares.
    areas = np.array([f["lv_area_mm2"] for f in record["frames"]])
    shares = np.array([f["lv_area_sd"] for f in record["frames"]])
    assert np.allclose(spreads["lv_area"], shares * areas, rtol=0.25)
    beat = record["ejection"]
    for instant in ("ed", "es"):
        ends = beat[f"{instant}_low_ml"], beat[f"{instant}_high_ml"]
        assert ends[0] < beat[f"{instant}_ml"] < ends[1]


def test_unusual_sizes_are_spread_in_true_millimetres(phantom_prior, phantom_bank):
    # The same heart with pixels twice as large: lengths spread twice as far, areas four times.
    found = []
    for factor in (1.0, 2.0):
        row, col = cine().spacing_mm
        scaled = dataclasses.replace(cine(), spacing_mm=(factor * row, factor * col))
        done = correct(
            scaled, phantom_prior, phantom_bank, config(temporal=None, also_temporal=None)
        )
        found.append(doubted(done, phantom_prior).to_json()["attribute_sd"])
    small, large = (np.array(f["lv_length"]).mean() for f in found)
    assert large == pytest.approx(2 * small, rel=0.35)
    small, large = (np.array(f["lv_area"]).mean() for f in found)
    assert large == pytest.approx(4 * small, rel=0.35)
