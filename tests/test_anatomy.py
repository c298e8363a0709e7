"""The anatomical metrics on maps whose answer can be counted by hand."""

import math

import numpy as np
import pytest
from audit_cases import drawn, heart

from cardiovae.audit import anatomy

GAP_ABOVE_ATRIUM = drawn(
    """
    22222222
    21111112
    21100112
    21100112
    33333333
    """
)


def test_a_gap_above_the_atrium_is_not_charged_to_the_myocardium():
    assert anatomy.lv_la_gap_area_mm2(GAP_ABOVE_ATRIUM, (1.0, 2.0)) == 4 * 2.0
    assert anatomy.lv_myo_gap_area_mm2(GAP_ABOVE_ATRIUM, (1.0, 2.0)) == 0.0
    assert anatomy.lv_hole_area_mm2(GAP_ABOVE_ATRIUM, (1.0, 2.0)) == 0.0


def test_a_gap_between_ventricle_and_wall_is_charged_to_both_of_them_only():
    labels = drawn(
        """
        2222222
        2110112
        2110112
        2111112
        3333333
        """
    )
    assert anatomy.lv_myo_gap_area_mm2(labels, (0.5, 0.5)) == 2 * 0.25
    assert anatomy.epi_hole_area_mm2(labels, (0.5, 0.5)) == 2 * 0.25
    assert anatomy.lv_la_gap_area_mm2(labels, (0.5, 0.5)) == 0.0


def test_a_gap_along_the_annulus_closed_by_the_wall_is_seen():
    labels = drawn(
        """
        222222
        211112
        211112
        200002
        233332
        .3333.
        """
    )
    assert anatomy.lv_la_gap_area_mm2(labels, (1.0, 1.0)) == 0.0  # the pair does not enclose it
    assert anatomy.annulus_gap_ratio(labels, (0.3, 0.7)) == 4 / 8
    assert anatomy.lv_la_frontier_ratio(labels, (1.0, 1.0)) == 0.0


def test_a_gap_open_to_the_side_leaves_ventricle_and_atrium_apart():
    labels = drawn(
        """
        222222
        211112
        211112
        ......
        .3333.
        .3333.
        """
    )
    assert anatomy.annulus_gap_ratio(labels, (1.0, 1.0)) == 0.0
    assert anatomy.lv_la_frontier_ratio(labels, (1.0, 1.0)) == 0.0
    # Four LV pixels touch background, 3 pixel steps of the 4 pixels that the LV is wide.
    assert anatomy.lv_background_frontier_ratio(labels, (1.0, 1.0)) == 3 / 4


def test_a_thin_diagonal_contour_encloses_its_inside():
    labels = drawn(
        """
        ..1..
        .1.1.
        1...1
        .1.1.
        ..1..
        """
    )
    assert anatomy.lv_hole_area_mm2(labels, (1.0, 3.0)) == 5 * 3.0
    assert anatomy.lv_disconnected_area_mm2(labels, (1.0, 3.0)) == 0.0


@pytest.mark.parametrize("value", [1, 2, 3])
@pytest.mark.parametrize("rows", [slice(0, 3), slice(2, 5), slice(4, 7)])
@pytest.mark.parametrize("cols", [slice(0, 3), slice(2, 5), slice(4, 7)])
def test_a_structure_in_a_corner_or_along_a_border_has_no_hole_and_no_gap(value, rows, cols):
    labels = np.zeros((7, 7), np.uint8)
    labels[rows, cols] = value
    for metric in (
        anatomy.lv_hole_area_mm2,
        anatomy.epi_hole_area_mm2,
        anatomy.la_hole_area_mm2,
        anatomy.lv_myo_gap_area_mm2,
        anatomy.lv_la_gap_area_mm2,
    ):
        assert metric(labels, (1.0, 1.0)) == 0.0


def test_a_contour_that_the_border_cuts_encloses_nothing():
    labels = drawn(
        """
        1.1
        1.1
        111
        """
    )
    assert anatomy.lv_hole_area_mm2(labels, (1.0, 1.0)) == 0.0


def test_holes_and_pieces_count_in_mm2_per_structure():
    labels = drawn(
        """
        11111...
        1.111..1
        11111...
        22222.22
        33.33...
        33333...
        3...3..3
        33333...
        """
    )
    spacing = (0.5, 2.0)  # a pixel is 1 mm2
    assert anatomy.lv_hole_area_mm2(labels, spacing) == 1.0
    assert anatomy.la_hole_area_mm2(labels, spacing) == 3.0
    assert anatomy.lv_disconnected_area_mm2(labels, spacing) == 1.0
    assert anatomy.myo_disconnected_area_mm2(labels, spacing) == 2.0
    assert anatomy.la_disconnected_area_mm2(labels, spacing) == 1.0


def test_the_frontier_is_the_longest_contiguous_segment_not_their_sum():
    labels = drawn(
        """
        2222222222
        3333.33...
        """
    )
    # Contacts: columns 0 to 4 and 4 to 7 are one run with diagonals, so keep them apart.
    apart = drawn(
        """
        2222222222
        333....33.
        """
    )
    assert anatomy.myo_la_frontier_ratio(labels, (1.0, 1.0)) == 7 / 10
    # Columns 0 to 3 touch on the left, 6 to 9 on the right: 3 pixel steps each, of 10 columns.
    assert anatomy.myo_la_frontier_ratio(apart, (1.0, 1.0)) == 3 / 10


def test_frontiers_are_measured_along_rows_and_columns_in_mm():
    labels = drawn(
        """
        .23.
        .23.
        .23.
        .2..
        .2..
        """
    )
    # Rows 0 to 3 touch: 3 steps of 0.5 mm down, by one column of 2 mm.
    assert anatomy.myo_la_frontier_ratio(labels, (0.5, 2.0)) == 1.5 / 2.0


def test_the_border_of_the_frame_is_background_for_the_ventricle():
    labels = drawn(
        """
        211
        211
        222
        """
    )
    # Top row and right column: a run over one column step and one row step of an LV 2 wide.
    assert anatomy.lv_background_frontier_ratio(labels, (1.0, 1.0)) == math.hypot(1, 1) / 2


def test_the_thickness_ratio_finds_the_narrow_part_of_the_wall():
    labels = np.zeros((30, 80), np.uint8)
    labels[4:25, 2:31] = labels[4:25, 50:79] = 2  # two blocks, largest depth 11 pixels
    labels[12:17, 31:50] = 2  # joined by a neck of depth 3
    # The neck is gone at the first level of 11 / 20 of a pixel at or above 3: the sixth.
    assert anatomy.myo_thickness_ratio(labels, (0.4, 0.4)) == 6 / 20


def test_the_thickness_ratio_is_zero_in_pieces_and_one_for_a_disk():
    rows, cols = np.mgrid[0:41, 0:41]
    disk = ((rows - 20) ** 2 + (cols - 20) ** 2 <= 15**2).astype(np.uint8) * 2
    assert anatomy.myo_thickness_ratio(disk, (1.0, 1.0)) == 1.0
    disk[0, 0] = 2
    assert anatomy.myo_thickness_ratio(disk, (1.0, 1.0)) == 0.0


def test_the_width_ratio_is_taken_on_the_row_of_the_center_of_mass():
    labels = drawn(
        """
        .22222.
        .21112.
        .21112.
        .21112.
        .21112.
        """
    )
    # Rows weigh 5 each, so the center is row 2, where LV is 3 and MYO 2 pixels wide.
    assert anatomy.lv_myo_width_ratio(labels, (1.0, 9.0)) == 3 / 2


def test_presence_is_one_or_zero():
    labels = drawn("113")
    found = [
        metric(labels, (1.0, 1.0))
        for metric in (anatomy.lv_present, anatomy.myo_present, anatomy.la_present)
    ]
    assert found == [1.0, 0.0, 1.0]


def test_an_empty_frame_has_no_areas_and_undefined_ratios():
    empty = np.zeros((6, 5), np.uint8)
    for name, metric in vars(anatomy).items():
        if name.endswith("_mm2") and callable(metric) and not name.startswith("_"):
            assert metric(empty, (1.0, 1.0)) == 0.0
        if name.endswith("_ratio") and callable(metric) and not name.startswith("_"):
            assert math.isnan(metric(empty, (1.0, 1.0)))


def test_the_drawn_heart_of_these_tests_is_sound():
    labels = heart()
    assert anatomy.lv_la_frontier_ratio(labels, (1.5, 1.5)) > 0.5
    assert anatomy.lv_background_frontier_ratio(labels, (1.5, 1.5)) == 0.0
    assert anatomy.epi_hole_area_mm2(labels, (1.5, 1.5)) == 0.0
