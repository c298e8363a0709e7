"""Motion: what counts as a jump, and how little moves to take it away."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from correct_cases import (
    changed_frames,
    cine,
    config,
    correct,
    mean_dice,
    only,
    shifted,
    with_frame,
)

from cardiovae.audit.audit import audit_sequence
from cardiovae.audit.criteria import criteria
from cardiovae.correction.judge import Judge
from cardiovae.correction.motion import STEADY_MM, without_outliers
from cardiovae.labels import STRUCTURES, Label
from cardiovae.phantom.shapes import displaced

DISPLACED = 6


def judge(sequence, temporal="tmi2022"):
    return Judge(sequence, (criteria("camus"),), (criteria(temporal),))


def lv_areas(sequence):
    return np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1))


@pytest.fixture(scope="module")
def consistent():
    """A half cycle of 16 frames without a jump."""
    return cine(n_frames=16)


@pytest.fixture(scope="module")
def jumping(consistent):
    """The same with one frame 3 mm to the right."""
    return with_frame(consistent, DISPLACED, shifted(consistent.frame(DISPLACED), 0, 4))


@pytest.fixture(scope="module")
def settled(jumping, phantom_prior, phantom_bank):
    """The correction of the jumping cine."""
    return correct(jumping, phantom_prior, phantom_bank)


# jumps


@pytest.mark.parametrize("temporal", ["tmi2022", "rl4seg3d"])
def test_a_consistent_cine_has_no_jump(consistent, temporal):
    assert not judge(consistent, temporal).jumps(consistent.labels).any()


def test_a_displaced_frame_jumps_and_so_do_its_neighbors(consistent, jumping):
    # Its neighbors deviate by half as much: 1.6 mm, four times the limit.
    found = judge(consistent).jumps(jumping.labels)
    assert np.flatnonzero(found).tolist() == [DISPLACED - 1, DISPLACED, DISPLACED + 1]


def test_two_frames_have_no_motion(jumping):
    two = dataclasses.replace(jumping, labels=jumping.labels[:, :, DISPLACED : DISPLACED + 2])
    assert judge(two).jumps(two.labels).tolist() == [False, False]


def test_a_missing_frame_is_a_jump(consistent):
    gone = with_frame(consistent, DISPLACED, np.zeros(consistent.shape, np.uint8))
    assert judge(gone).jumps(gone.labels)[DISPLACED]


def test_without_spacing_only_angles_and_ratios_can_jump(jumping):
    unknown = dataclasses.replace(jumping, spacing_mm=None)
    names = {f.criterion for f in audit_sequence(unknown).temporal if f.frame is not None}
    assert names == {"lv_orientation"}
    assert not judge(unknown).jumps(unknown.labels).any()  # the frame moved, it did not turn


def test_the_second_temporal_set_is_judged_too(consistent, jumping):
    both = Judge(jumping, (criteria("camus"),), (criteria("tmi2022"), criteria("rl4seg3d")))
    assert both.jumps(jumping.labels)[DISPLACED]
    assert both.only_required().temporal == (criteria("tmi2022"),)
    assert not both.jumps(consistent.labels).any()


# smoothing


def test_a_displaced_frame_is_moved_back(settled, consistent, jumping):
    assert settled.status == "corrected"
    assert settled.after[0].temporal_verdict == "PASS"
    before, after = (mean_dice(s, consistent, [DISPLACED]) for s in (jumping, settled.sequence))
    assert after > before + 0.3 * (1 - before)


def test_frames_far_from_a_displaced_one_stay_bit_for_bit(settled, jumping):
    moved = changed_frames(jumping, settled.sequence)
    assert DISPLACED in moved
    assert all(abs(t - DISPLACED) <= 3 for t in moved)


def test_moved_frames_are_called_smoothed_and_say_why(settled):
    frame = settled.frames[DISPLACED]
    assert frame.action == "smoothed"
    assert "tmi2022.epi_center_x" in frame.why
    assert 0 <= frame.detail <= 1


def test_trembling_is_smoothed_and_the_swing_of_the_ventricle_kept(
    consistent, phantom_prior, phantom_bank
):
    rng = np.random.default_rng(3)
    frames = [
        displaced(consistent.frame(t), consistent.spacing_mm, 0.8, 20.0, rng) for t in range(16)
    ]
    trembling = consistent.with_labels(np.stack(frames, axis=2))
    done = correct(trembling, phantom_prior, phantom_bank)
    assert done.before[0].temporal_verdict == "FAIL"
    assert done.status == "corrected"
    assert done.after[0].passed
    swings = [np.ptp(lv_areas(s)) for s in (consistent, done.sequence)]
    assert swings[1] == pytest.approx(swings[0], rel=0.12)


def test_time_is_left_alone_where_no_temporal_set_is_asked_for(
    jumping, phantom_prior, phantom_bank
):
    done = correct(jumping, phantom_prior, phantom_bank, config(temporal=None, also_temporal=None))
    assert done.status == "unchanged"


def test_a_heart_without_its_atrium_is_moved_back_too(jumping, phantom_prior, phantom_bank):
    bare = only(jumping, STRUCTURES[:2])
    done = correct(bare, phantom_prior, phantom_bank)
    assert done.status == "corrected"
    assert done.after[0].passed
    assert set(np.unique(done.sequence.labels)) == {0, Label.LV, Label.MYO}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 30])
def test_a_drift_has_no_outliers(n):
    drift = np.linspace(0, 40, n)[:, None, None, None] * np.ones((1, 3, 2, 2), np.float32)
    np.testing.assert_allclose(without_outliers(drift)[1:-1], drift[1:-1], atol=1e-4)


def test_what_one_frame_alone_shows_is_an_outlier():
    distances = np.full((9, 3, 4, 4), 7.0, np.float32)
    distances[4, 1, 2, 2] = -5.0
    found = without_outliers(distances)
    assert found[4, 1, 2, 2] == pytest.approx(7.0 - STEADY_MM)
    found[4, 1, 2, 2] = -5.0
    np.testing.assert_array_equal(found, distances)


def test_small_tremor_is_no_outlier():
    tremor = np.random.default_rng(0).uniform(-STEADY_MM / 2, STEADY_MM / 2, (12, 3, 4, 4))
    tremor = tremor.astype(np.float32)
    np.testing.assert_allclose(without_outliers(tremor), tremor, atol=1e-6)
