"""Drawn hearts: exact truth, true geometry of the pixels, smooth motion, and seeds."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cardiovae.attributes import attribute_signals
from cardiovae.errors import CardiovaeError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.landmarks import find_landmarks
from cardiovae.morphology import dilate
from cardiovae.phantom.cohort import cohort_parameters, cohort_seeds, phantom_cohort
from cardiovae.phantom.contours import heart_contours
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.phantom.motion import SYSTOLE, contraction, full_cycle, half_cycle
from cardiovae.phantom.raster import clip_polygon, clip_to_image, fill_polygon, polygon_area

MANIFEST = Path(__file__).resolve().parent.parent / "data_manifests" / "phantom_cohort.csv"
# Largest deviation from the mean of the neighbors, METHODS 2.3, in physical units.
TMI2022 = {
    "lv_area": 70.0,
    "lv_base_width": 3.6,
    "lv_length": 1.26,
    "lv_orientation": 0.51,
    "myo_area": 62.0,
    "epi_center_x": 0.42,
    "epi_center_y": 0.55,
}


def heart(seed, view="A4C"):
    return draw_parameters(np.random.default_rng(seed), view)


@pytest.fixture(scope="module")
def phantoms():
    seeds = itertools.product(range(6), ("A2C", "A4C"))
    return [draw_heart(heart(s, v), n_frames=3, spacing_mm=(0.5, 0.7)) for s, v in seeds]


def perimeter_mm(points):
    return float(np.linalg.norm(points - np.roll(points, -1, 0), axis=1).sum())


# Polygons


def test_a_polygon_area_is_that_of_the_drawn_figure():
    triangle = np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 0.0]])
    assert polygon_area(triangle) == 6.0
    assert polygon_area(triangle[::-1] + 1000) == pytest.approx(6.0)
    assert polygon_area(triangle[:2]) == 0.0


def test_filling_takes_the_pixels_whose_centers_lie_inside():
    square = np.array([[0.5, 0.5], [0.5, 3.5], [2.5, 3.5], [2.5, 0.5]])
    filled = fill_polygon(square, (1.0, 1.0), (4, 5))
    assert np.argwhere(filled).tolist() == [[r, c] for r in (1, 2) for c in (1, 2, 3)]
    wide = fill_polygon(square, (1.0, 0.5), (4, 8))
    assert np.flatnonzero(wide[1]).tolist() == [1, 2, 3, 4, 5, 6]


def test_filling_cuts_at_the_frame():
    large = np.array([[-5.0, -5.0], [-5.0, 20.0], [20.0, 20.0], [20.0, -5.0]])
    assert fill_polygon(large, (1.0, 1.0), (3, 4)).all()
    assert not fill_polygon(large + 100, (1.0, 1.0), (3, 4)).any()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out(seed):
    rng = np.random.default_rng(seed)
    # Corners on pixel centers too: there a tie must go to exactly one side.
    box = np.array([[-1.0, -1.0], [-1.0, 21.0], [21.0, 21.0], [21.0, -1.0]])
    line = np.sort(rng.choice(np.arange(0, 41) / 2, (4, 1), replace=False), 0)
    seam = np.hstack([line, rng.integers(0, 41, (4, 1)) / 2])
    top, bottom = np.array([-1.0, seam[0, 1]]), np.array([21.0, seam[-1, 1]])
    seam = np.vstack([top, seam, bottom])
    left = np.vstack([box[0], seam, box[3]])
    right = np.vstack([box[1], box[2], seam[::-1]])
    both = fill_polygon(left, (1.0, 1.0), (20, 20)).astype(int)
    both += fill_polygon(right, (1.0, 1.0), (20, 20))
    assert (both == 1).all()


def test_clipping_keeps_the_part_on_one_side():
    square = np.array([[0.0, 0.0], [0.0, 4.0], [4.0, 4.0], [4.0, 0.0]])
    assert polygon_area(clip_polygon(square, 0, 1.0, below=True)) == pytest.approx(4.0)
    assert polygon_area(clip_polygon(square, 1, 1.0, below=False)) == pytest.approx(12.0)
    assert len(clip_polygon(square, 1, -1.0, below=True)) == 0
    assert polygon_area(clip_to_image(square, (1.0, 1.0), (2.0, 9.0))) == pytest.approx(3.0)


# Truth


def test_true_areas_are_those_of_the_pixels_up_to_half_a_pixel_along_the_contour(phantoms):
    for phantom in phantoms:
        labels, spacing = phantom.sequence.labels, phantom.sequence.spacing_mm
        for structure, truth in zip(
            STRUCTURES,
            (phantom.lv_area_mm2, phantom.myo_area_mm2, phantom.la_area_mm2),
            strict=True,
        ):
            for t in range(3):
                mask = labels[:, :, t] == structure
                rim = np.count_nonzero(mask & dilate(~mask)) * math.hypot(*spacing)
                measured = np.count_nonzero(mask) * spacing[0] * spacing[1]
                assert abs(measured - truth[t]) <= rim * max(spacing) / 2


def test_a_fine_grid_converges_to_the_true_areas():
    phantom = draw_heart(heart(3), n_frames=2, spacing_mm=(0.15, 0.15))
    areas = [np.count_nonzero(phantom.sequence.frame(0) == s) * 0.0225 for s in STRUCTURES]
    truth = [phantom.lv_area_mm2[0], phantom.myo_area_mm2[0], phantom.la_area_mm2[0]]
    assert areas == pytest.approx(truth, rel=1e-3)


def test_the_atrium_counts_as_far_as_the_image_reaches():
    parameters = heart(1)
    cut = replace(parameters, image_depth_mm=parameters.image_depth_mm - 15)
    for p in (parameters, cut):
        phantom = draw_heart(p, n_frames=2, spacing_mm=(0.2, 0.2))
        la = np.count_nonzero(phantom.sequence.frame(1) == Label.LA) * 0.04
        assert la == pytest.approx(phantom.la_area_mm2[1], rel=5e-3)


def test_a_cylinder_has_the_volume_of_a_cylinder():
    shape = replace(heart(0).ed, length_mm=80.0, width_mm=40.0, width_profile=(1.0,) * 20)
    assert shape.lv_volume_ml == pytest.approx(math.pi * 2.0**2 * 8.0)


def test_the_ejection_fraction_is_that_of_the_ed_and_es_volumes(phantoms):
    for phantom in phantoms:
        ed, es = phantom.lv_volume_ml[phantom.ed_index], phantom.lv_volume_ml[phantom.es_index]
        assert phantom.ef == pytest.approx((ed - es) / ed)
        assert es == phantom.lv_volume_ml.min()
        assert 0.12 <= phantom.ef <= 0.80


def test_landmarks_agree_with_those_found_on_the_pixels(phantoms):
    far = []
    for phantom in phantoms:
        for t, true in enumerate(phantom.landmarks):
            found = find_landmarks(phantom.sequence.frame(t), phantom.sequence.spacing_mm)
            assert found.reason == ""
            far.append(
                [
                    math.dist(found.hinge_left_mm, true.hinge_left_mm),
                    math.dist(found.hinge_right_mm, true.hinge_right_mm),
                    math.dist(found.apex_mm, true.apex_mm),
                ]
            )
    assert np.max(far, axis=0)[:2].max() < 2.0
    # A blunt apex has no sharp farthest point: most are close, all are near.
    assert np.mean(far, axis=0)[2] < 2.0
    assert np.max(far, axis=0)[2] < 8.0


def test_axis_and_annulus_have_the_drawn_lengths(phantoms):
    parameters = heart(5)
    phantom = draw_heart(parameters, n_frames=2)
    for shape, marks in zip((parameters.ed, parameters.es), phantom.landmarks, strict=True):
        assert math.dist(marks.apex_mm, marks.base_mm) == pytest.approx(shape.length_mm)
        width = math.dist(marks.hinge_left_mm, marks.hinge_right_mm)
        assert width == pytest.approx(shape.base_width_mm)


# Shape


@pytest.mark.parametrize("grid", [{"spacing_mm": (0.5, 0.5)}, {"spacing_mm": (0.7, 1.1)}])
def test_every_frame_is_one_heart(grid):
    for seed in range(8):
        view = ("A2C", "A4C")[seed % 2]
        labels = draw_heart(heart(seed, view), n_frames=3, **grid).sequence.labels
        for t in range(3):
            frame = labels[:, :, t]
            lv, epi = frame == Label.LV, np.isin(frame, (Label.LV, Label.MYO))
            for structure in STRUCTURES:
                assert ndimage.label(frame == structure, np.ones((3, 3)))[1] == 1
            assert np.array_equal(ndimage.binary_fill_holes(epi), epi)
            # Where wall and atrium part, the grid may enclose a pixel or two between them.
            assert np.count_nonzero(ndimage.binary_fill_holes(frame > 0) & (frame == 0)) <= 6
            # Background touches the cavity at the two hinges at most.
            assert np.count_nonzero(lv & dilate(frame == Label.BACKGROUND)) <= 8
            assert not epi[[0, -1]].any()
            assert not epi[:, [0, -1]].any()


def test_the_atrium_touches_the_cavity_along_the_whole_annulus(phantoms):
    for phantom in phantoms:
        for t, marks in enumerate(phantom.landmarks):
            frame = phantom.sequence.frame(t)
            seam = (frame == Label.LV) & dilate(frame == Label.LA)
            cols = np.flatnonzero(seam.any(0)) * phantom.sequence.spacing_mm[1]
            reach = abs(marks.hinge_right_mm[1] - marks.hinge_left_mm[1])
            assert np.ptp(cols) >= reach - 3


def test_a_given_grid_keeps_the_heart_where_it_is():
    parameters = heart(2)
    fine = draw_heart(parameters, n_frames=2)
    square = draw_heart(parameters, n_frames=2, spacing_mm=None, shape=(224, 224))
    assert square.sequence.shape == (224, 224)
    assert square.sequence.spacing_mm[0] == pytest.approx(parameters.image_depth_mm / 224)
    assert square.sequence.spacing_mm[1] == pytest.approx(parameters.image_width_mm / 224)
    assert square.lv_area_mm2 == pytest.approx(fine.lv_area_mm2)
    assert square.lv_volume_ml == pytest.approx(fine.lv_volume_ml)


def test_contours_are_the_same_whatever_the_image_width_but_shifted():
    shape = heart(4).ed
    narrow, wide = heart_contours(shape, 150.0), heart_contours(shape, 190.0)
    assert wide.lv - narrow.lv == pytest.approx(np.broadcast_to([0.0, 20.0], narrow.lv.shape))
    assert perimeter_mm(wide.la) == pytest.approx(perimeter_mm(narrow.la))


# Motion


def test_a_half_cycle_goes_from_ed_to_es_and_a_full_one_comes_back():
    half, full = half_cycle(18), full_cycle(47)
    assert half[[0, -1]] == pytest.approx([0, 1])
    assert (np.diff(half) > 0).all()
    assert full[[0, -1]] == pytest.approx([0, 0], abs=1e-12)
    top = int(np.argmax(full))
    assert top / 46 == pytest.approx(SYSTOLE, abs=0.02)
    assert full.max() == pytest.approx(1, abs=0.01)
    assert (np.diff(full[: top + 1]) > 0).all()
    assert (np.diff(full[top:]) <= 1e-12).all()


def test_filling_is_fast_then_slow_then_fast_again():
    speed = -np.gradient(contraction(np.linspace(0, 1, 1001)), 0.001)
    rapid, slow, kick = speed[540], speed[720], speed[875]
    assert rapid > 5 * slow
    assert kick > 2 * slow


@pytest.mark.parametrize(("cycle", "n_frames"), [("half", 18), ("full", 46)])
def test_motion_is_within_the_published_temporal_limits(cycle, n_frames):
    for seed in range(2):
        phantom = draw_heart(heart(seed), n_frames=n_frames, cycle=cycle)
        signals = attribute_signals(phantom.sequence.labels, phantom.sequence.spacing_mm)
        for name, limit in TMI2022.items():
            signal = signals[name]
            deviation = signal[1:-1] - (signal[2:] + signal[:-2]) / 2
            assert np.abs(deviation).max() <= limit, name


def test_frame_times_are_those_of_systole_and_diastole():
    parameters = heart(6)
    half = draw_heart(parameters, n_frames=11).sequence.frame_time_ms
    full = draw_heart(parameters, n_frames=11, cycle="full").sequence.frame_time_ms
    assert half == pytest.approx(parameters.systole_ms / 10)
    assert full == pytest.approx((parameters.systole_ms + parameters.diastole_ms) / 10)


# Seeds and errors


def test_the_same_seed_draws_the_same_heart():
    assert heart(7) == heart(7)
    assert heart(7) != heart(8)
    first, second = (draw_heart(heart(7), n_frames=2) for _ in range(2))
    assert np.array_equal(first.sequence.labels, second.sequence.labels)


def test_a_cohort_can_be_drawn_again_from_its_seeds():
    drawn = list(phantom_cohort(2, 5, n_frames=2, spacing_mm=(1.0, 1.0)))
    assert [view for _, view, _ in drawn] == ["A2C", "A4C", "A2C", "A4C"]
    assert len({seed for _, _, seed in drawn}) == 4
    for phantom, view, seed in drawn:
        again = draw_heart(cohort_parameters(view, seed), n_frames=2, spacing_mm=(1.0, 1.0))
        assert np.array_equal(again.sequence.labels, phantom.sequence.labels)
        assert phantom.sequence.view == view


def test_the_manifest_lists_the_cohort_with_its_true_ejection_fractions():
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [(name, view, "-".join(map(str, s))) for name, view, s in cohort_seeds(600, 0)]
    assert [(r["sequence_id"], r["view"], r["x_seed"]) for r in rows] == names
    assert {r["x_cycle"] for r in rows} == {"half"}
    assert {r["license"] for r in rows} == {"Apache-2.0"}
    parts = {}
    for row in rows:
        parts.setdefault(row["sequence_id"].partition("_")[0], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in parts.values())
    assert set().union(*parts.values()) == {"train", "val", "test"}
    for row in rows[::150]:
        seed = tuple(int(part) for part in row["x_seed"].split("-"))
        assert float(row["x_ef"]) == pytest.approx(
            cohort_parameters(row["view"], seed).ef, abs=6e-5
        )


def test_an_unknown_view_is_refused():
    with pytest.raises(CardiovaeError, match="PLAX"):
        heart(0, "PLAX")


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"n_frames": 1}, "2 frames"),
        ({"cycle": "quarter"}, "quarter"),
        ({"spacing_mm": None}, "neither"),
    ],
)
def test_a_drawing_that_cannot_be_is_refused(wrong, rule):
    with pytest.raises(CardiovaeError, match=rule):
        draw_heart(heart(0), **wrong)
