"""The whole correction on drawn hearts: what passes stays, what breaks is mended or flagged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from audit_cases import noise
from correct_cases import (
    changed_frames,
    cine,
    config,
    correct,
    dice,
    mean_dice,
    only,
    passes,
    with_frame,
    with_leak,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import KDTree

from cardiovae.audit.audit import audit_sequence
from cardiovae.correction.correct import correct_sequence
from cardiovae.correction.judge import plausible
from cardiovae.labels import LV_MYO, STRUCTURES, Label
from cardiovae.phantom.corruption import corrupt_sequence
from cardiovae.sequence import EchoSequence

DATA = Path(__file__).parents[2] / "shared" / "data"
RUINED = 5
# Seed, view, spacing and severity of the damaged cines; 12 frames from ED to ES.
DAMAGED = [
    (17, "A4C", (0.8, 0.8), 0.4),
    (5, "A2C", (0.5, 0.5), 0.5),
    (7, "A4C", (0.462, 0.924), 0.5),
    (9, "A2C", (0.924, 0.462), 0.7),
]


# What passes


@pytest.fixture(scope="module")
def untouched(phantom_prior, phantom_bank):
    return correct(cine(), phantom_prior, phantom_bank)


def test_a_sound_sequence_comes_back_bit_for_bit(untouched):
    assert passes(cine())
    assert (untouched.status, untouched.reason) == ("unchanged", "")
    assert untouched.sequence.labels.tobytes() == cine().labels.tobytes()
    assert untouched.after is untouched.before
    assert {f.action for f in untouched.frames} == {"kept"}


@pytest.fixture(scope="module", params=DAMAGED, ids=lambda p: f"seed{p[0]}-{p[1]}")
def mended(request, phantom_prior, phantom_bank):
    """True cine, damaged cine, and its correction."""
    seed, view, spacing, severity = request.param
    truth = cine(seed, view, spacing_mm=spacing)
    damaged, _ = corrupt_sequence(truth, severity=severity, rng=np.random.default_rng(seed))
    kept = damaged.labels.copy()
    done = correct(damaged, phantom_prior, phantom_bank)
    assert np.array_equal(damaged.labels, kept)  # the input is never written to
    return truth, damaged, done


def test_every_returned_frame_and_the_motion_pass(mended):
    _, damaged, done = mended
    assert not passes(damaged)
    assert done.status == "corrected", done.reason
    assert passes(done.sequence)
    assert done.reason == ""


def test_unchanged_frames_are_bit_identical_and_said_to_be_kept(mended):
    _, damaged, done = mended
    changed = changed_frames(damaged, done.sequence)
    assert changed == [f.frame for f in done.frames if f.action != "kept"]
    assert set(done.before[0].invalid_frames) <= set(changed)
    assert done.sequence.spacing_mm == damaged.spacing_mm
    assert done.sequence.labels.dtype == np.uint8


def test_mended_frames_come_closer_to_the_truth(mended):
    truth, damaged, done = mended
    broken = done.before[0].invalid_frames
    before, after = (mean_dice(s, truth, broken) for s in (damaged, done.sequence))
    assert after >= before


def test_the_same_input_gives_the_same_result(phantom_prior, phantom_bank):
    damaged = with_frame(cine(), RUINED, with_leak(cine().frame(RUINED)))
    settings = config(temporal=None, also_temporal=None)  # for speed
    first, again = (correct(damaged, phantom_prior, phantom_bank, settings) for _ in range(2))
    assert np.array_equal(first.sequence.labels, again.sequence.labels)
    assert first.to_json() == again.to_json()


def test_one_ruined_frame_leaves_the_others_alone(phantom_prior, phantom_bank):
    damaged = with_frame(cine(), RUINED, with_leak(cine().frame(RUINED)))
    done = correct(damaged, phantom_prior, phantom_bank)
    assert done.status == "corrected"
    moved = changed_frames(damaged, done.sequence)
    assert RUINED in moved
    assert all(abs(t - RUINED) <= 2 for t in moved)
    assert done.frames[RUINED].action == "repaired"
    for structure in (Label.LV, Label.MYO):  # the leak was theirs
        before, after = (
            dice(s.frame(RUINED), cine().frame(RUINED), structure)
            for s in (damaged, done.sequence)
        )
        assert after > before


def test_an_empty_frame_is_told_by_its_neighbors(phantom_prior, phantom_bank):
    damaged = with_frame(cine(), RUINED, np.zeros(cine().shape, np.uint8))
    done = correct(damaged, phantom_prior, phantom_bank)
    assert done.status == "corrected"
    assert passes(done.sequence)
    assert mean_dice(done.sequence, cine(), [RUINED]) > 0.9


def test_progress_names_the_steps(phantom_prior, phantom_bank):
    steps: list[str] = []
    damaged = with_frame(cine(), RUINED, with_leak(cine().frame(RUINED)))
    correct_sequence(damaged, phantom_prior, phantom_bank, config(), progress=steps.append)
    assert steps[:3] == ["audit", "encode", "repair"]
    assert steps[-1] == "audit again"


# Label schemes and spacing


@pytest.mark.parametrize("structures", [STRUCTURES[:2], STRUCTURES[:1]], ids=["lv-myo", "lv"])
def test_only_annotated_structures_are_produced(structures, phantom_prior, phantom_bank):
    truth = only(cine(), structures)
    assert passes(truth)
    labels = truth.frame(RUINED).copy()
    labels[:4, :4] = Label.LV  # an island in the corner
    rows = np.flatnonzero((labels == Label.LV).any(1))
    labels[int(rows.mean()) : int(rows.mean()) + 4] = 0  # a shadow across the heart
    damaged = with_frame(truth, RUINED, labels)
    assert not passes(damaged)
    done = correct(damaged, phantom_prior, phantom_bank)
    assert done.status == "corrected"
    assert passes(done.sequence)
    assert set(np.unique(done.sequence.labels)) == {0, *structures}
    assert mean_dice(done.sequence, truth, [RUINED], structures) > 0.9


def test_without_spacing_it_works_and_says_what_was_not_measured(phantom_prior, phantom_bank):
    unknown = dataclasses.replace(cine(), spacing_mm=None)
    damaged = with_frame(unknown, RUINED, with_leak(unknown.frame(RUINED)))
    done = correct(damaged, phantom_prior, phantom_bank)
    assert done.status == "corrected"
    assert not done.after[0].invalid_frames
    assert plausible(done.after[0])
    unmeasured = [f for f in done.after[0].temporal if f.verdict == "NOT_MEASURABLE"]
    assert {f.criterion for f in unmeasured} >= {"lv_area", "epi_center_x"}
    assert all(f.reason.startswith("spacing unknown") for f in unmeasured)
    assert np.isnan(done.frames[RUINED].changed_mm2)
    record = done.to_json()
    assert record["spacing_mm"] is None
    assert record["attributes"]["units"]["lv_area"] == "px"
    assert mean_dice(done.sequence, unknown, [RUINED]) > 0.9


# The guarantee


SHAPES = ("noise", "patches", "empty", "cavity", "atrium", "pixel", "damaged")


@st.composite
def anything(draw):
    """A small sequence of 1 to 3 frames of anything, hearts included."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spacing = draw(st.sampled_from([(2.5, 2.5), (4.0, 2.0), None]))
    structures = draw(st.sampled_from([STRUCTURES, STRUCTURES[:2], STRUCTURES[:1]]))
    n_frames = draw(st.integers(1, 3))
    kinds = [draw(st.sampled_from(SHAPES)) for _ in range(n_frames)]
    frames = [strange(kind, t, rng) for t, kind in enumerate(kinds)]
    labels = np.stack(frames, axis=2)
    labels[~np.isin(labels, structures)] = 0
    return EchoSequence(labels, spacing, structures)


def strange(kind, t, rng):
    truth = cine(n_frames=3, spacing_mm=(2.5, 2.5))
    labels = np.zeros(truth.shape, np.uint8)
    height, width = labels.shape
    if kind == "noise":
        return noise(labels.shape, rng)
    if kind == "patches":
        coarse = noise((height // 8 + 1, width // 8 + 1), rng, background=0.5)
        return np.kron(coarse, np.ones((8, 8), np.uint8))[:height, :width]
    if kind == "damaged":
        damaged, _ = corrupt_sequence(truth, severity=1.0, rng=rng)
        return damaged.labels[:, :, t]
    if kind != "empty":
        labels[:] = {"cavity": Label.LV, "atrium": Label.LA, "pixel": 0}[kind]
        labels[height // 2, width // 2] = Label.LV
    return labels


@settings(max_examples=12, deadline=None)
@given(sequence=anything())
def test_whatever_comes_the_result_passes_or_is_the_input_with_a_reason(
    sequence, phantom_prior, phantom_bank
):
    done = correct(sequence, phantom_prior, phantom_bank)
    again = audit_sequence(done.sequence, anatomy="camus", temporal="tmi2022")
    assert again.to_json() == done.after[0].to_json()
    if done.status == "not_corrected":
        assert done.reason
        assert np.array_equal(done.sequence.labels, sequence.labels)
        assert not plausible(again)
    else:
        assert done.reason == ""
        assert not again.invalid_frames
        assert not [f for f in again.temporal if f.frame is not None and f.verdict != "PASS"]
        same = np.array_equal(done.sequence.labels, sequence.labels)
        assert done.status == ("unchanged" if same else "corrected")


@pytest.mark.parametrize("n_frames", [1, 2, 3, 7])
def test_a_sequence_without_a_heart_is_flagged(n_frames, phantom_prior, phantom_bank):
    empty = EchoSequence(np.zeros((40, 32, n_frames), np.uint8), (2.0, 2.0))
    done = correct(empty, phantom_prior, phantom_bank)
    assert done.status == "not_corrected"
    assert done.reason == "no frame shows an LV or a myocardium"
    assert not done.sequence.labels.any()
    assert done.scene is done.codes is None


# A real sequence


def real(name):
    path = DATA / f"echo_toolkit_{name}.nii.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in ../shared/data: real masks are no part of this")
    image = nib.load(path)
    labels = np.asarray(image.dataobj).astype(np.uint8).transpose(1, 0, 2)
    across, down = (float(zoom) for zoom in image.header.get_zooms()[:2])
    return EchoSequence(labels, (down, across), LV_MYO.structures, source=name)


def hausdorff_mm(a, b, spacing_mm):
    """Largest distance between the contours of two masks, which are pixels of theirs."""
    contours = [np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing_mm for m in (a, b)]
    there, back = (KDTree(c) for c in contours)
    return max(there.query(contours[1])[0].max(), back.query(contours[0])[0].max())


def area_change(sequence):
    """Fractional change between the largest and the smallest LV area."""
    areas = np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1))
    return 1 - areas.min() / areas.max()


@pytest.fixture(scope="module")
def real_case(default_prior, default_bank):
    """Reference, network output, and its correction."""
    network, reference = real("candidate2"), real("reference")
    return reference, network, correct(network, default_prior, default_bank)


def test_a_real_sequence_with_16_invalid_frames_comes_back_valid_under_all_sets(real_case):
    _, network, done = real_case
    assert len(audit_sequence(network, anatomy="camus-public").invalid_frames) == 16
    assert done.status == "corrected"
    for anatomy, temporal in (("camus", "tmi2022"), ("camus-public", "rl4seg3d")):
        audit = audit_sequence(done.sequence, anatomy=anatomy, temporal=temporal)
        assert audit.invalid_frames == ()
        assert audit.temporal_verdict == "PASS"


@pytest.mark.parametrize(("structure", "least"), [(Label.LV, 0.925), (Label.MYO, 0.875)])
def test_a_real_sequence_comes_close_to_its_reference(real_case, structure, least):
    reference, network, done = real_case
    pairs = [(done.sequence.frame(t), reference.frame(t)) for t in range(25)]
    assert np.mean([dice(a, b, structure) for a, b in pairs]) >= least
    distances = [
        hausdorff_mm(a == structure, b == structure, network.spacing_mm) for a, b in pairs
    ]
    assert np.mean(distances) <= 6.0


def test_a_real_ventricle_contracts_more_like_its_reference(real_case):
    reference, network, done = real_case
    truth = area_change(reference)
    assert abs(area_change(done.sequence) - truth) < abs(area_change(network) - truth)
