"""Attributes and landmarks: hand-computed answers, laws, and broken masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cardiovae.attributes import ATTRIBUTES, UNITS, attribute_signals, measure_attributes
from cardiovae.labels import STRUCTURES, Label
from cardiovae.landmarks import find_landmarks, long_axis
from cardiovae.morphology import bounding_box, dilate

DRAWN = """
0000000000
0002222000
0022112200
0021111200
0021111200
0021111200
0021111200
0003333000
0003333000
0000000000
"""


def drawn(text: str) -> np.ndarray:
    return np.array([[int(c) for c in line] for line in text.split()], np.uint8)


HEART = drawn(DRAWN)  # a cavity of 2 + 4 x 4 pixels, open below; rows 3 mm, columns 2 mm apart
SPACING = (3.0, 2.0)


def test_areas_count_pixels_in_mm2():
    found = measure_attributes(HEART, SPACING)
    assert found["lv_area"] == 18 * 6.0
    assert found["myo_area"] == 16 * 6.0
    assert found["la_area"] == 8 * 6.0


def test_the_epicardial_center_is_the_centroid_of_cavity_and_wall():
    rows, cols = np.nonzero((HEART == 1) | (HEART == 2))
    found = measure_attributes(HEART, SPACING)
    assert found["epi_center_y"] == pytest.approx(rows.mean() * 3.0)
    assert found["epi_center_x"] == pytest.approx(cols.mean() * 2.0)


def test_hinges_are_the_lowest_cavity_pixels_beside_wall_and_outside():
    marks = find_landmarks(HEART, SPACING)
    assert marks.hinge_left_mm == (18.0, 6.0)
    assert marks.hinge_right_mm == (18.0, 12.0)
    assert marks.base_mm == (18.0, 9.0)


def test_base_width_and_length_follow_from_the_landmarks():
    found = measure_attributes(HEART, SPACING)
    assert found["lv_base_width"] == pytest.approx(6.0)
    # The apex is one of the two top pixels, 12 mm above and 1 mm beside the base's middle.
    assert found["lv_length"] == pytest.approx(math.hypot(12.0, 1.0))


def test_an_upright_cavity_has_no_tilt_and_a_tilted_one_its_angle():
    assert measure_attributes(HEART, (2.0, 2.0))["lv_orientation"] == pytest.approx(0, abs=1e-9)
    rows, cols = np.mgrid[:400, :400]
    angle = math.radians(20)
    along = (rows - 200) * math.cos(angle) + (cols - 200) * math.sin(angle)
    across = -(rows - 200) * math.sin(angle) + (cols - 200) * math.cos(angle)
    ellipse = ((along / 150) ** 2 + (across / 60) ** 2 < 1).astype(np.uint8)
    found = measure_attributes(ellipse, (0.5, 0.5), (Label.LV,))
    assert found["lv_orientation"] == pytest.approx(20, abs=0.2)
    assert found["lv_area"] == pytest.approx(math.pi * 75 * 30, rel=2e-3)


def test_the_tilt_is_measured_in_mm_not_in_pixels():
    rows, cols = np.mgrid[:300, :300]
    y, x = (rows - 150) * 0.5, (cols - 150) * 1.0
    angle = math.radians(-15)
    along = y * math.cos(angle) + x * math.sin(angle)
    across = -y * math.sin(angle) + x * math.cos(angle)
    ellipse = ((along / 60) ** 2 + (across / 25) ** 2 < 1).astype(np.uint8)
    found = measure_attributes(ellipse, (0.5, 1.0), (Label.LV,))
    assert found["lv_orientation"] == pytest.approx(-15, abs=0.3)


@settings(max_examples=150, deadline=None)
@given(
    labels=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)
    ),
    structures=st.sampled_from([STRUCTURES, STRUCTURES[:2], STRUCTURES[:1]]),
)
def test_any_mask_gives_numbers_or_nan_with_a_reason(labels, structures):
    labels = np.where(np.isin(labels, structures), labels, 0).astype(np.uint8)
    found = measure_attributes(labels, SPACING, structures)
    missing = {name for name in ATTRIBUTES if math.isnan(found[name])}
    assert missing == set(found.reasons)
    assert all(found.reasons.values())
    assert not any(math.isinf(found[name]) for name in ATTRIBUTES)


@given(shift=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_moving_the_heart_moves_its_center_and_nothing_else(shift):
    wide = np.pad(HEART, ((shift[0], 6 - shift[0]), (shift[1], 6 - shift[1])))
    here, there = measure_attributes(HEART, SPACING), measure_attributes(wide, SPACING)
    for name in ATTRIBUTES:
        offset = {"epi_center_y": 3.0 * shift[0], "epi_center_x": 2.0 * shift[1]}.get(name, 0.0)
        assert there[name] == pytest.approx(here[name] + offset)


def test_twice_the_grid_and_half_the_spacing_measure_alike():
    fine = HEART.repeat(8, 0).repeat(8, 1)
    coarse = measure_attributes(HEART, SPACING)
    found = measure_attributes(fine, (SPACING[0] / 8, SPACING[1] / 8))
    for name in ("lv_area", "myo_area", "la_area"):
        assert found[name] == pytest.approx(coarse[name])
    assert found["lv_base_width"] == pytest.approx(coarse["lv_base_width"], abs=2.0)
    assert found["lv_length"] == pytest.approx(coarse["lv_length"], abs=3.0)


def test_without_a_wall_the_hinges_are_the_corners_of_the_cavity():
    cavity = (HEART == 1).astype(np.uint8)
    marks = find_landmarks(cavity, SPACING, (Label.LV,))
    assert marks.hinge_left_mm == (18.0, 6.0)
    assert marks.hinge_right_mm == (18.0, 12.0)


def test_a_cavity_that_touches_no_outside_has_no_hinges_and_says_so():
    closed = np.pad(np.ones((3, 5), np.uint8), 2, constant_values=2)
    found = measure_attributes(closed, SPACING)
    assert math.isnan(found["lv_base_width"])
    assert "touches" in found.reasons["lv_base_width"]


def test_a_disc_has_no_long_axis():
    square = np.ones((4, 4), bool)
    assert long_axis(square, (1.0, 1.0)) is None
    assert long_axis(square, (1.0, 2.0)) is not None


def test_signals_have_one_value_per_frame_and_every_attribute_a_unit():
    labels = np.stack([HEART, np.zeros_like(HEART)], axis=2)
    signals = attribute_signals(labels, SPACING)
    assert set(signals) == set(UNITS)
    assert signals["lv_area"][0] == 108.0
    assert math.isnan(signals["lv_area"][1])


@given(mask=hnp.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_dilation_reaches_exactly_the_eight_neighbors(mask):
    expected = np.zeros_like(mask)
    for r, c in np.argwhere(mask):
        expected[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2] = True
    np.testing.assert_array_equal(dilate(mask), expected)
    box = bounding_box(mask)
    if box is None:
        assert not mask.any()
    else:
        assert mask[box].sum() == mask.sum()
        assert mask[box].any(1)[[0, -1]].all()
        assert mask[box].any(0)[[0, -1]].all()
