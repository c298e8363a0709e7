"""Temporal consistency: laws, hand-computed deviations and distances, a slow oracle."""

import math

import numpy as np
import pytest
from audit_cases import drawn, heart, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from cardiovae.attributes import UNITS
from cardiovae.audit.criteria import criteria
from cardiovae.audit.temporal import (
    deviation,
    neighbor_hausdorff_mm,
    relative_deviation,
    temporal_findings,
)
from cardiovae.errors import ConfigError
from cardiovae.labels import CAMUS, LV_MYO, LV_ONLY

SPACING = (0.8, 0.9)
SETS = ("tmi2022", "rl4seg3d")


def stack(*frames):
    return np.stack(frames, axis=-1)


def failing_frames(found):
    return {f.frame for f in found if f.verdict == "FAIL"}


def test_a_spike_deviates_fully_at_its_frame_and_by_half_beside_it():
    signal = np.array([5.0, 5, 5, 9, 5, 5])
    assert deviation(signal).tolist() == [0, 0, -2, 4, -2, 0]
    # Its range is from 0.99 * 5 to 1.01 * 9.
    assert relative_deviation(signal) == pytest.approx(np.array([0, 0, -2, 4, -2, 0]) / 4.14)


def test_a_missing_value_is_missing_there_and_beside_it():
    signal = np.array([1.0, 2, math.nan, 4, 5, 6])
    assert np.isnan(deviation(signal)).tolist() == [False, True, True, True, False, False]
    assert np.isnan(relative_deviation(signal)).tolist() == [False, True, True, True, False, False]
    assert np.isnan(relative_deviation(np.full(4, math.nan))).all()


@settings(max_examples=50, deadline=None)
@given(
    st.integers(3, 40),
    st.floats(-50, 50, allow_subnormal=False),
    st.floats(-5, 5, allow_subnormal=False),
)
def test_a_steady_change_has_no_deviation(n_frames, start, slope):
    assert deviation(start + slope * np.arange(n_frames)) == pytest.approx(0, abs=1e-9)


def test_all_zeros_have_no_range_and_no_deviation():
    assert relative_deviation(np.zeros(4)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("scheme", [CAMUS, LV_MYO, LV_ONLY])
def test_a_constant_sequence_is_consistent(name, scheme):
    labels = np.where(heart() <= max(scheme.values), heart(), 0).astype(np.uint8)
    found = temporal_findings(stack(*[labels] * 5), SPACING, criteria(name), scheme.structures)
    assert {f.verdict for f in found} == {"PASS"}
    assert {f.value for f in found} == {0.0}
    assert len(found) == 5 * len(criteria(name).applying_to(scheme.structures))


@pytest.mark.parametrize("name", SETS)
def test_a_single_displaced_frame_is_flagged(name):
    frames = [heart()] * 7
    frames[3] = np.roll(heart(), (9, 6), (0, 1))
    found = temporal_findings(stack(*frames), SPACING, criteria(name))
    worst = max(
        (f for f in found if f.verdict == "FAIL" and f.unit != "mm2"),
        key=lambda f: abs(f.value) / f.high,
    )
    assert worst.frame == 3
    assert failing_frames(found) == {2, 3, 4}
    assert not {f.frame for f in found if abs(f.value) > 1e-9} - {2, 3, 4}


def test_tmi2022_limits_are_the_published_ones_in_physical_units():
    found = {c.name: c for c in criteria("tmi2022").criteria}
    # METHODS: 0.70 cm2, 3.6 mm, 1.26 mm, 0.51 degrees, 0.62 cm2, 0.42 mm, 0.55 mm.
    published = {
        "lv_area": 70,
        "lv_base_width": 3.6,
        "lv_length": 1.26,
        "lv_orientation": 0.51,
        "myo_area": 62,
        "epi_center_x": 0.42,
        "epi_center_y": 0.55,
    }
    assert {name: c.high for name, c in found.items()} == pytest.approx(published, rel=0.015)
    assert all(c.low == -c.high and c.unit == UNITS[c.signal] for c in found.values())


def test_a_shift_in_mm_is_judged_in_mm():
    # The middle frame lies one column of 0.9 mm to the right: it deviates by 0.9, its neighbors
    # by -0.45 mm, all beyond the 0.416 mm that epi_center_x tolerates.
    frames = [heart()] * 5
    frames[2] = np.roll(heart(), 1, axis=1)
    found = temporal_findings(stack(*frames), SPACING, criteria("tmi2022"))
    shift = [f for f in found if f.criterion == "epi_center_x"]
    assert [f.value for f in shift] == pytest.approx([0, -0.45, 0.9, -0.45, 0])
    assert [f.verdict for f in shift] == ["PASS", "FAIL", "FAIL", "FAIL", "PASS"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("n_frames", [1, 2])
def test_fewer_than_three_frames_cannot_be_measured(name, n_frames):
    found = temporal_findings(stack(*[heart()] * n_frames), SPACING, criteria(name))
    assert {f.verdict for f in found} == {"NOT_MEASURABLE"}
    assert {f.reason for f in found} == {f"needs 3 frames, got {n_frames}"}
    assert {f.frame for f in found} == {None}


@pytest.mark.parametrize("name", SETS)
def test_an_empty_frame_is_unmeasured_there_and_beside_it_with_the_reason(name):
    frames = [heart()] * 6
    frames[2] = np.zeros_like(heart())
    found = temporal_findings(stack(*frames), SPACING, criteria(name))
    for finding in found:
        missing = finding.frame in {1, 2, 3}
        assert (finding.verdict == "NOT_MEASURABLE") == missing
        assert bool(finding.reason) == missing
    area = {f.frame: f.reason for f in found if f.criterion == "lv_area"}
    assert area[2] == "no LV pixel"
    assert area[1] == area[3] == "neighbor frame 2: no LV pixel"


def test_without_spacing_mm_limits_are_unmeasured_and_shares_are_measured():
    labels = stack(*[heart()] * 4)
    by_unit = {"tmi2022": {"deg"}, "rl4seg3d": {"ratio"}}
    for name, measured in by_unit.items():
        for finding in temporal_findings(labels, None, criteria(name)):
            assert (finding.verdict == "PASS") == (finding.unit in measured)
            assert "spacing unknown" in finding.reason


def test_criteria_of_absent_structures_are_left_out():
    labels = np.where(heart() == 1, 1, 0).astype(np.uint8)
    found = temporal_findings(stack(*[labels] * 3), SPACING, criteria("rl4seg3d"), (1,))
    assert {f.criterion for f in found} == {"lv_area"}


def test_an_anatomical_set_cannot_judge_a_sequence():
    with pytest.raises(ConfigError, match="give a temporal set"):
        temporal_findings(stack(*[heart()] * 3), SPACING, criteria("camus"))


def test_hausdorff_is_the_largest_distance_between_contours_in_mm():
    one = drawn(
        """
        11...
        11...
        .....
        """
    ).astype(bool)
    other = drawn(
        """
        111..
        111..
        ..1..
        """
    ).astype(bool)
    # The contours differ most at the lower right pixel (2, 2): one row of 2 mm and one column of
    # 0.5 mm from (1, 1). Constant neighbors are at 0; the mean over both sides is taken.
    far = math.hypot(2.0, 0.5)
    found = neighbor_hausdorff_mm(stack(one, one, other, one), (2.0, 0.5))
    assert found == pytest.approx([0, far / 2, far, far])


def oracle_hausdorff(a, b, spacing_mm):
    def contour(mask):
        wide = np.pad(mask, 1)
        inside = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
        return np.argwhere(mask & ~inside) * spacing_mm

    distances = cdist(contour(a), contour(b))
    return max(distances.min(0).max(), distances.min(1).max())


def test_hausdorff_equals_the_oracle_on_noise():
    rng = np.random.default_rng(5)
    for _ in range(20):
        masks = noise((11, 9, 4), rng, background=0.8) == 2
        masks[0, 0] = True
        steps = [oracle_hausdorff(masks[..., t], masks[..., t + 1], SPACING) for t in range(3)]
        expected = [steps[0], (steps[0] + steps[1]) / 2, (steps[1] + steps[2]) / 2, steps[2]]
        assert neighbor_hausdorff_mm(masks, SPACING) == pytest.approx(expected)
