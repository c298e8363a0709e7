from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.indices.beats import find_beats
from cardiovae.phantom.motion import full_cycle

T20 = np.arange(20)


def waves(period: int, beats: int, *, first: int = 0) -> np.ndarray:
    """Areas from 10 to 30: ED at first, first + period, ...; ES half a period later."""
    t = np.arange(beats * period + 1) - first
    return 20 + 10 * np.cos(2 * math.pi * t / period)


@pytest.mark.parametrize(("period", "beats"), [(10, 2), (20, 3), (44, 4), (12, 8)])
def test_every_beat_has_its_ed_and_es(period, beats):
    found = find_beats(waves(period, beats), 40.0)
    expected = tuple((k * period, k * period + period // 2) for k in range(beats))
    assert found.cycles == expected
    assert found.end == beats * period
    assert found.heart_rate_bpm == pytest.approx(60_000 / (period * 40.0))


def test_a_beat_that_began_before_the_recording_is_left_out():
    found = find_beats(waves(20, 3, first=13), 20.0)  # begins 7 frames after an ED, in systole
    assert found.cycles == ((13, 23), (33, 43))


def test_the_atrial_kick_and_diastasis_are_no_beats():
    beat = 30 - 15 * full_cycle(26)[:-1]
    found = find_beats(np.tile(beat, 3), 33.0)
    es = int(np.argmin(beat))
    assert [c[1] for c in found.cycles] == [es, es + 25, es + 50]
    assert all(abs(c[0] - 25 * k) <= 1 for k, c in enumerate(found.cycles))


@given(
    period=st.integers(12, 40),
    beats=st.integers(2, 5),
    noise=st.floats(0, 0.3),
    seed=st.integers(0, 99),
    scale=st.floats(0.01, 1000),
)
@settings(max_examples=60, deadline=None)
def test_noise_moves_instants_by_little_and_the_unit_does_not_matter(
    period, beats, noise, seed, scale
):
    rng = np.random.default_rng(seed)
    curve = waves(period, beats) + rng.normal(0, noise, beats * period + 1)
    found = find_beats(scale * curve)
    assert len(found.cycles) == beats
    for k, (ed, es) in enumerate(found.cycles):
        assert abs(ed - k * period) <= max(2, 0.12 * period)
        assert abs(es - (k + 0.5) * period) <= max(2, 0.12 * period)


@pytest.mark.parametrize("frame", [4, 17, 25, 40])
@pytest.mark.parametrize("value", [3.0, 60.0, 0.0, math.nan])
def test_one_stray_frame_makes_no_beat(frame, value):
    curve = waves(20, 3)
    curve[frame] = value
    found = find_beats(curve, 20.0)
    assert len(found.cycles) == 3
    for k, (ed, es) in enumerate(found.cycles):
        assert abs(ed - 20 * k) <= 1
        assert abs(es - 20 * k - 10) <= 1


def test_half_a_cycle_is_one_beat_without_a_rate():
    found = find_beats(20 + 10 * np.cos(math.pi * T20 / 19), 20.0)
    assert (found.cycles, found.end) == (((0, 19),), None)
    assert math.isnan(found.heart_rate_bpm)
    assert found.reason == "a single beat, not seen to its end"


def test_few_frames_are_the_largest_and_the_smallest_area():
    assert find_beats(np.array([5.0, 9.0, 2.0, 9.0])).cycles == ((1, 2),)
    assert find_beats(waves(20, 3), whole=True).cycles == ((0, 10),)


def test_without_two_areas_there_is_no_beat():
    for areas in (np.zeros(30), np.full(30, 7.0), np.array([math.nan, 4.0])):
        found = find_beats(areas, 20.0)
        assert found.cycles == ()
        assert found.reason == "no two frames with different LV areas"


def test_the_rate_takes_a_frame_time():
    assert find_beats(waves(20, 3)).reason == "the frame time is unknown"
    one = find_beats(waves(20, 1), 20.0)
    assert (len(one.cycles), one.reason) == (1, "fewer than two beats")
