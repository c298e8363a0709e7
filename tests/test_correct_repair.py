"""Repair of single frames: what neighbors say, and the way to a valid heart when all fails."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from correct_cases import cine, config, correct, with_frame, with_leak
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.correction.judge import Judge
from cardiovae.correction.repair import N_NEAREST, in_context, repair
from cardiovae.correction.scene import LEAST_TRUST, Scene, see
from cardiovae.labels import Label
from cardiovae.prior.grid import Placement

SETS = (criteria("camus"), criteria("camus-public"))
SEEDS = st.integers(0, 2**32 - 1)


def coded(codes, broken=(), trust=LEAST_TRUST):
    """A scene of codes (T, D) alone, some of them broken."""
    n = len(codes)
    flags = np.isin(np.arange(n), broken)
    sequence = cine(n_frames=max(n, 2))
    nothing = np.zeros((0,), np.float32)
    return Scene(
        sequence,
        Placement((1, 1), (0.0, 0.0), (1.0, 1.0)),
        sequence.labels,
        flags,
        nothing,
        codes,
        np.ones_like(codes),
        np.ones(n),
        np.where(flags, trust, 1.0),
        codes,
    )


# neighbors


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(8, 25), st.integers(1, 6))
def test_a_ruined_frame_of_a_straight_motion_is_recovered_exactly(n_seed, n, d):
    rng = np.random.default_rng(n_seed)
    line = rng.standard_normal(d) + np.arange(n)[:, None] * rng.standard_normal(d)
    t = int(rng.integers(1, n - 1))
    ruined = line.copy()
    ruined[t] += 100 * rng.standard_normal(d)
    codes, own = in_context(coded(ruined, [t], trust=0.0))
    assert codes == pytest.approx(line, abs=1e-6)
    assert own.tolist() == [float(i != t) for i in range(n)]
    hardly, _ = in_context(coded(ruined, [t]))
    assert np.abs(hardly[t] - line[t]).max() < 0.02 * np.abs(ruined[t] - line[t]).max() + 1e-9


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(5, 20), st.floats(0, 1))
def test_sound_frames_keep_their_codes_and_their_say(seed, n, trust):
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((n, 3))
    broken = rng.permutation(n)[: int(rng.integers(1, n - 1))]
    found, own = in_context(coded(codes, broken, trust))
    sound = np.delete(np.arange(n), broken)
    assert np.array_equal(found[sound], codes[sound])
    assert (own[sound] == 1).all()
    assert (own[broken] == trust).all()


def test_a_gap_in_a_beat_is_filled_smoothly():
    phase = np.pi * np.arange(18) / 17
    beat = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    gap = [7, 8, 9]
    ruined = beat.copy()
    ruined[gap] = 30.0
    filled, _ = in_context(coded(ruined, gap, trust=0.0))
    assert np.abs(filled - beat).max() < 0.15  # of an amplitude of 1
    steps = np.linalg.norm(np.diff(filled, axis=0), axis=1)
    usual = np.linalg.norm(np.diff(beat, axis=0), axis=1).max()
    assert steps.max() < 1.5 * usual


def test_a_frame_that_is_trusted_speaks_for_itself():
    codes = np.random.default_rng(0).standard_normal((9, 4))
    found, own = in_context(coded(codes, [4], trust=1.0))
    assert np.array_equal(found, codes)
    assert (own == 1).all()


@pytest.mark.parametrize(("n", "broken"), [(4, [1]), (1, [0]), (9, range(9))])
def test_without_enough_sound_neighbors_every_frame_speaks_for_itself(n, broken):
    codes = np.random.default_rng(0).standard_normal((n, 4))
    found, own = in_context(coded(codes, broken))
    assert np.array_equal(found, codes)
    assert (own == 1).all()


# repair


@pytest.fixture(scope="module")
def leaking():
    """A single frame with a leak through the wall and an atrium in two."""
    sequence = cine()
    single = dataclasses.replace(sequence, labels=np.ascontiguousarray(sequence.labels[:, :, :1]))
    return single, with_frame(single, 0, with_leak(single.frame(0)))


def judge_of(sequence):
    return Judge(sequence, SETS, ())


def scene_of(sequence, prior):
    return see(sequence, np.ones(sequence.n_frames, bool), prior, config().fit)


def test_a_repaired_frame_passes_and_keeps_sound_contours(leaking, phantom_prior, phantom_bank):
    sound, broken = leaking
    assert not frame_is_valid(broken.frame(0), broken.spacing_mm, SETS[0])
    judge = judge_of(broken)
    scene = scene_of(broken, phantom_prior)
    found = repair(scene, phantom_prior, phantom_bank, judge, config())
    assert frame_is_valid(found[0].labels, broken.spacing_mm, SETS[0])
    # Right of its middle neither cavity nor wall were wrong: they come back nearly as they were.
    right = slice(int(scene.placement.center_px[1]) + 15, None)
    before, after = (m[:, right] for m in (sound.frame(0), found[0].labels))
    heart = (before == Label.LV) | (before == Label.MYO)
    assert np.count_nonzero(before[heart] != after[heart]) < 0.03 * np.count_nonzero(heart)


def test_sound_frames_are_not_repaired(phantom_prior, phantom_bank):
    sequence = cine(n_frames=3)
    scene = see(sequence, np.zeros(3, bool), phantom_prior, config().fit)
    assert repair(scene, phantom_prior, phantom_bank, judge_of(sequence), config()) == {}


def test_when_every_detail_fails_the_code_moves_no_further_than_to_a_valid_one(
    leaking, phantom_prior, phantom_bank
):
    _, broken = leaking
    scene = scene_of(broken, phantom_prior)
    rng = np.random.default_rng(1)
    strange = phantom_prior.codes.mean(0) + 3 * phantom_prior.codes.std(0) * rng.standard_normal(
        phantom_prior.codes.shape[1]
    )
    scene = dataclasses.replace(scene, codes=strange[None])
    found = repair(scene, phantom_prior, phantom_bank, judge_of(broken), config(detail=()))[0]
    assert frame_is_valid(found.labels, broken.spacing_mm, SETS[0])
    assert found.detail == 0
    ends, distances = phantom_bank.nearest(strange, N_NEAREST)
    moved = np.linalg.norm(found.code - strange)
    assert 0 < moved <= distances[-1] * (1 + 1e-9)
    # It lies on the way to one of the nearest valid codes.
    detours = np.linalg.norm(ends - found.code, axis=1) + moved - distances
    assert np.abs(detours).min() < 1e-6


def test_a_code_that_decodes_to_a_valid_heart_does_not_move(leaking, phantom_prior, phantom_bank):
    scene = scene_of(leaking[1], phantom_prior)
    judge = judge_of(leaking[1])
    scene = dataclasses.replace(scene, codes=phantom_bank.codes[:1].copy())
    found = repair(scene, phantom_prior, phantom_bank, judge, config(detail=()))[0]
    assert np.array_equal(found.code, phantom_bank.codes[0])


def test_the_projection_alone_makes_a_sequence_pass(phantom_prior, phantom_bank):
    sequence = with_frame(cine(), 5, with_leak(cine().frame(5)))
    done = correct(sequence, phantom_prior, phantom_bank, config(detail=(), temporal=None))
    assert done.status == "corrected"
    assert not done.after[0].invalid_frames
    assert done.frames[5].detail == 0
    assert [f.frame for f in done.frames if f.changed_px] == [5]


def test_without_a_valid_code_the_frame_is_left_and_the_sequence_flagged(
    leaking, phantom_prior, phantom_bank
):
    # A bank of codes far beyond all hearts: none of them decodes to one.
    rng = np.random.default_rng(0)
    codes = 40 * phantom_prior.codes.std(0) * rng.standard_normal(phantom_bank.codes[:8].shape)
    useless = dataclasses.replace(phantom_bank, codes=codes)
    done = correct(leaking[1], phantom_prior, useless, config(detail=()))
    assert done.status == "not_corrected"
    assert done.reason == "no valid heart was found for frames [0]"
    assert np.array_equal(done.sequence.labels, leaking[1].labels)
    assert done.after == done.before


def test_a_second_set_that_nothing_can_pass_does_not_keep_a_frame_from_being_repaired(
    leaking, phantom_prior, phantom_bank
):
    public = criteria("camus-public")
    impossible = dataclasses.replace(public.criteria[0], low=1e9, high=None)
    sets = (SETS[0], dataclasses.replace(public, criteria=(impossible,)))
    scene = scene_of(leaking[1], phantom_prior)
    judge = Judge(leaking[1], sets, ())
    found = repair(scene, phantom_prior, phantom_bank, judge, config())[0]
    assert frame_is_valid(found.labels, leaking[1].spacing_mm, SETS[0])
