"""The record of a correction: strictly valid JSON whose numbers agree with the label maps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from correct_cases import changed_frames, cine, config, correct, with_frame, with_leak

from cardiovae import __version__
from cardiovae.attributes import ATTRIBUTES
from cardiovae.correction.record import number
from cardiovae.labels import Label
from cardiovae.sequence import EchoSequence

BROKEN = 5
KEYS = {
    "cardiovae", "source", "shape", "spacing_mm", "frame_time_ms", "view", "structures", "seed",
    "method", "settings", "prior", "status", "reason", "before", "after", "also", "frames",
    "attributes",
}  # fmt: skip
FRAME_KEYS = {
    "frame", "action", "why", "detail", "displacement", "changed_px", "changed_mm2",
    "density_percentile_before", "density_percentile_after",
    "typicality_percentile", "out_of_distribution",
}  # fmt: skip


@pytest.fixture(scope="module")
def damaged():
    return with_frame(cine(), BROKEN, with_leak(cine().frame(BROKEN)))


@pytest.fixture(scope="module")
def done(damaged, phantom_prior, phantom_bank):
    return correct(damaged, phantom_prior, phantom_bank, seed=11)


@pytest.fixture(scope="module")
def record(done):
    return strict(done)


def strict(done):
    """The record as a reader of the file gets it, who knows no NaN."""
    return json.loads(json.dumps(done.to_json(), allow_nan=False))


def test_the_record_has_the_agreed_keys(record):
    assert set(record) == KEYS
    assert set(record["also"]) == {"before", "after"}
    assert set(record["attributes"]) == {"units", "before", "after"}
    assert set(record["prior"]) == {"name", "license", "sha256"}
    assert all(set(frame) == FRAME_KEYS for frame in record["frames"])


def test_the_record_says_what_was_corrected_and_with_what(record, damaged, phantom_prior):
    assert record["cardiovae"] == __version__
    assert record["shape"] == list(damaged.labels.shape)
    assert record["spacing_mm"] == [0.8, 0.8]
    assert record["view"] == "A4C"
    assert record["structures"] == ["LV", "MYO", "LA"]
    assert record["seed"] == 11
    assert record["prior"]["name"] == phantom_prior.name
    assert set(record["prior"]["sha256"]) >= {"weights.safetensors", "latent.npz"}
    assert record["settings"]["criteria"] == "camus"
    assert record["settings"]["uncertainty"]["method"] == "posterior"


def test_before_and_after_are_audits_of_the_sets_in_use_and_of_the_others(record):
    for when in ("before", "after"):
        names = [(a["anatomy"], a["temporal"]) for a in (record[when], *record["also"][when])]
        assert names == [("camus", "tmi2022"), ("camus-public", "rl4seg3d")]
    assert record["status"] == "corrected"
    assert record["before"]["invalid_frames"] == [BROKEN]
    assert record["after"]["passed"]


def test_counts_agree_with_the_label_maps(record, damaged, done):
    pixels = np.count_nonzero(damaged.labels != done.sequence.labels, axis=(0, 1))
    for t, frame in enumerate(record["frames"]):
        assert frame["frame"] == t
        assert frame["changed_px"] == pixels[t]
        assert frame["changed_mm2"] == pytest.approx(pixels[t] * 0.64)
        assert (frame["action"] == "kept") == (pixels[t] == 0)
        for key in ("detail", "displacement"):
            assert (frame[key] is None) == (frame["action"] == "kept")
        for key in ("density_percentile_before", "density_percentile_after"):
            assert 0 <= frame[key] <= 100
    assert changed_frames(damaged, done.sequence) == np.flatnonzero(pixels).tolist()


def test_a_repaired_frame_says_why_and_kept_frames_are_where_they_were(record):
    broken = record["frames"][BROKEN]
    assert broken["action"] == "repaired"
    failed = {
        f"camus.{f['criterion']}"
        for f in record["before"]["frames"][BROKEN]["findings"]
        if f["verdict"] != "PASS"
    }
    assert failed <= set(broken["why"])
    assert 0 <= broken["detail"] <= 1
    assert broken["displacement"] > 0
    for frame in record["frames"]:
        if frame["action"] == "kept":
            assert frame["density_percentile_before"] == frame["density_percentile_after"]


def test_a_ruin_is_less_plausible_than_what_it_was_mended_to(phantom_prior, phantom_bank):
    ruin = cine().frame(BROKEN).copy()
    ruin[: ruin.shape[0] // 2] = 0
    ruin[:, : ruin.shape[1] // 2] = 0
    done = correct(with_frame(cine(), BROKEN, ruin), phantom_prior, phantom_bank)
    frame = strict(done)["frames"][BROKEN]
    assert frame["action"] == "repaired"
    assert frame["density_percentile_after"] > frame["density_percentile_before"]


def test_attributes_are_one_number_per_frame_and_true_to_the_maps(record, damaged, done):
    attributes = record["attributes"]
    assert list(attributes["before"]) == list(attributes["after"]) == list(ATTRIBUTES)
    assert attributes["units"]["lv_area"] == "mm2"
    for key, sequence in (("before", damaged), ("after", done.sequence)):
        areas = np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1)) * 0.64
        assert attributes[key]["lv_area"] == pytest.approx(areas)


def test_what_cannot_be_measured_is_null(phantom_prior, phantom_bank):
    empty = EchoSequence(np.zeros((40, 32, 4), np.uint8))
    record = strict(correct(empty, phantom_prior, phantom_bank))
    assert record["status"] == "not_corrected"
    assert record["reason"]
    assert record["spacing_mm"] is None
    assert record["attributes"]["after"]["lv_orientation"] == [None] * 4
    assert record["frames"][0]["density_percentile_before"] is None
    assert record["frames"][0]["changed_mm2"] is None
    assert [f["action"] for f in record["frames"]] == ["kept"] * 4


def test_without_second_sets_there_is_nothing_also(damaged, phantom_prior, phantom_bank):
    alone = config(also_criteria=None, also_temporal=None)
    record = strict(correct(damaged, phantom_prior, phantom_bank, alone))
    assert record["also"] == {"before": [], "after": []}
    assert record["status"] == "corrected"


def test_numbers_that_are_none_are_none():
    assert [number(v) for v in (1.5, np.float32(2), float("nan"), float("inf"))] == [
        1.5,
        2.0,
        None,
        None,
    ]
