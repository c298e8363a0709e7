"""Laws of the canonical grid and of the way there and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from prior_cases import drawn_heart, ellipse

from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import (
    canvas_distances,
    compose,
    knots_of,
    measured_distances,
    native_distances,
    to_canvas,
)
from cardiovae.prior.fidelity import dice
from cardiovae.prior.grid import (
    CANVAS_MM,
    CANVAS_SHAPE,
    EPI_SIZE_MM,
    KNOT_SHAPE,
    Placement,
    interpolation,
    place,
)

LAW = settings(deadline=None, max_examples=40)
placements = st.builds(
    Placement,
    st.tuples(st.integers(3, 90), st.integers(3, 90)),
    st.tuples(st.floats(-10, 100), st.floats(-10, 100)),
    st.tuples(st.floats(0.2, 4.0), st.floats(0.2, 4.0)),
)


@LAW
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))
def test_cubic_convolution_reproduces_quadratics(a, b, c):
    knots = np.arange(12) / 5
    positions = np.linspace(1, 10, 37)  # where no knot beyond the ends is needed
    found = interpolation(12, positions) @ (a + b * knots + c * knots**2)
    expected = a + b * positions / 5 + c * (positions / 5) ** 2
    np.testing.assert_allclose(found, expected, atol=1e-5)


@LAW
@given(st.integers(1, 40), st.lists(st.floats(-50, 90), min_size=1, max_size=20))
def test_interpolation_keeps_constants_even_beyond_the_ends(n, positions):
    np.testing.assert_allclose(interpolation(n, np.array(positions)).sum(1), 1, atol=1e-5)


def test_interpolation_at_a_knot_is_its_value():
    np.testing.assert_allclose(interpolation(7, np.arange(7.0)), np.eye(7), atol=1e-7)


@LAW
@given(placements)
def test_rows_of_the_averaging_matrices_sum_to_one(placement):
    rows, cols = placement.to_canvas()
    assert rows.shape == (CANVAS_SHAPE[0], placement.shape[0])
    assert cols.shape == (CANVAS_SHAPE[1], placement.shape[1])
    for matrix in (rows, cols):
        assert matrix.min() > -1e-6
        np.testing.assert_allclose(matrix.sum(1), 1, atol=2e-4)


@LAW
@given(placements)
def test_the_inside_is_a_share(placement):
    inside = placement.inside()
    assert inside.shape == CANVAS_SHAPE
    assert inside.min() >= 0
    assert inside.max() <= 1


@settings(deadline=None, max_examples=10)
@given(st.floats(0.6, 1.4), st.floats(0.6, 1.4), st.floats(-3, 3), st.floats(-3, 3))
def test_areas_are_the_same_on_the_canvas(row_mm, col_mm, down, right):
    shape = (round(140 / row_mm), round(120 / col_mm))
    labels = drawn_heart(0.7, spacing=(row_mm, col_mm))[: shape[0], : shape[1], None]
    center = ((63.0 + down) / row_mm, (70.0 + right) / col_mm)
    shares, _ = to_canvas(labels, Placement(labels.shape[:2], center, (row_mm, col_mm)))
    for structure in STRUCTURES:
        native = np.count_nonzero(labels == structure) * row_mm * col_mm
        assert shares[0, structure].sum() * CANVAS_MM**2 == pytest.approx(native, rel=1e-3)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-3)


def test_beyond_the_image_its_border_goes_on():
    labels = np.zeros((20, 20, 1), np.uint8)
    labels[-1, :, 0] = Label.LA
    shares, inside = to_canvas(labels, Placement((20, 20), (0.0, 10.0), (1.4, 1.4)))
    middle = CANVAS_SHAPE[1] // 2
    assert shares[0, Label.LA, -1, middle] == pytest.approx(1)
    assert inside[-1, middle] == 0
    assert inside[55, middle] == pytest.approx(1)


def test_the_heart_is_placed_by_its_middle():
    labels = np.zeros((60, 80, 2), np.uint8)
    labels[10:31, 20:61, 0] = Label.MYO
    labels[14:35, 22:63, 1] = Label.LV
    found = place(labels, (2.0, 1.3))
    assert found.center_px == (22.0, 41.0)
    assert found.scale == 1.0
    assert found.pixel_mm == (2.0, 1.3)


def test_a_sequence_without_a_ventricle_has_no_place():
    labels = np.zeros((5, 5, 1), np.uint8)
    labels[0, 0] = Label.LA
    assert place(labels, (1.0, 1.0)) is None


def test_an_unknown_spacing_is_replaced_by_the_usual_size():
    labels = np.zeros((200, 200, 1), np.uint8)
    labels[50:150, 80:120, 0] = Label.MYO  # 4000 square pixels
    found = place(labels, None)
    assert found.pixel_mm[0] == pytest.approx(EPI_SIZE_MM / math.sqrt(4000))
    assert found.pixel_mm[0] == found.pixel_mm[1]
    assert math.isnan(found.scale)


def test_a_heart_of_unusual_size_is_brought_to_the_usual_one():
    labels = np.zeros((200, 200, 1), np.uint8)
    labels[50:150, 80:120, 0] = Label.MYO
    found = place(labels, (0.1, 0.1))
    assert found.scale == pytest.approx(EPI_SIZE_MM / math.sqrt(40))


SPACINGS = [(0.8, 1.1), (0.3, 0.6), (0.154, 0.308)]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_heart_comes_back_from_the_knots(spacing):
    labels = drawn_heart(spacing=spacing)[:, :, None]
    placement = place(labels, spacing)
    shares, _ = to_canvas(labels, placement)
    back = compose(native_distances(knots_of(measured_distances(shares)), placement), STRUCTURES)
    for structure in STRUCTURES:
        assert dice(labels == structure, back == structure) > 0.99


@pytest.mark.parametrize("spacing", SPACINGS)
def test_an_ellipse_comes_back_from_the_knots(spacing):
    y, x = np.arange(300)[:, None] * spacing[0], np.arange(280)[None, :] * spacing[1]
    inside = ellipse(y, x, (150 * spacing[0], 140 * spacing[1]), (30.0, 17.0)) < 1
    labels = inside.astype(np.uint8)[:, :, None]
    placement = place(labels, spacing)
    shares, _ = to_canvas(labels, placement)
    knots = knots_of(measured_distances(shares))
    back = compose(native_distances(knots, placement), (Label.LV,))
    assert dice(labels == 1, back == 1) > 0.99


def covered(radius: float, center: tuple[float, float], fine: int = 16) -> np.ndarray:
    """Class shares (1, 4, 128, 96) of a disc of LV, by counting fine points of each pixel."""
    y, x = ((np.arange(n * fine) + 0.5) / fine * CANVAS_MM for n in CANVAS_SHAPE)
    disc = np.hypot(y[:, None] - center[0], x[None, :] - center[1]) < radius
    share = disc.reshape(CANVAS_SHAPE[0], fine, CANVAS_SHAPE[1], fine).mean((1, 3))
    shares = np.zeros((1, 4, *CANVAS_SHAPE), np.float32)
    shares[0, Label.LV], shares[0, 0] = share, 1 - share
    return shares


@pytest.mark.parametrize("radius", [10.0, 25.3, 40.0])
@pytest.mark.parametrize("center", [(80.0, 70.0), (80.4, 70.9)])
def test_measured_distances_are_those_to_the_circle(radius, center):
    found = measured_distances(covered(radius, center))[0]
    y, x = ((np.arange(n) + 0.5) * CANVAS_MM for n in CANVAS_SHAPE)
    expected = np.hypot(y[:, None] - center[0], x[None, :] - center[1]) - radius
    near, far = np.abs(expected) < 5, np.abs(expected) < 38
    np.testing.assert_allclose(found[0][near], expected[near], atol=0.15)
    np.testing.assert_allclose(found[0][far], expected[far], atol=CANVAS_MM / 2 + 0.05)
    np.testing.assert_array_equal(found[1], found[0])  # without a wall, LV and LV + MYO are one
    assert (found[2] == 40.0).all()  # no LA


def test_everywhere_is_inside_a_region_that_fills_the_canvas():
    shares = np.zeros((1, 4, *CANVAS_SHAPE), np.float32)
    shares[0, Label.LV] = 1
    assert (measured_distances(shares)[0, :2] == -40.0).all()


maps = hnp.arrays(np.float32, (2, 3, 9, 8), elements=st.floats(-8, 8, width=16))


@LAW
@given(maps)
def test_composed_cavity_and_wall_fill_the_epicardium_without_a_gap(distances):
    labels = np.moveaxis(compose(distances, STRUCTURES), 2, 0)
    epicardium = (distances[:, 0] < 0) | (distances[:, 1] < 0)
    np.testing.assert_array_equal((labels == Label.LV) | (labels == Label.MYO), epicardium)
    assert (labels[distances[:, 0] < 0] == Label.LV).all()


@LAW
@given(maps)
def test_structures_that_are_not_annotated_do_not_occur_and_change_nothing_else(distances):
    whole = compose(distances, STRUCTURES)
    ventricle = compose(distances, (Label.LV, Label.MYO))
    cavity = compose(distances, (Label.LV,))
    np.testing.assert_array_equal(ventricle, np.where(whole == Label.LA, 0, whole))
    np.testing.assert_array_equal(cavity, np.moveaxis(distances[:, 0] < 0, 0, 2))


def test_thin_walls_and_narrow_slits_are_closed():
    # From left to right: cavity, thin wall, cavity's edge to a slit of 1 mm, atrium, wide gap.
    lv = np.array([-5.0, -0.2, 0.4, 0.6, 9.0, 9.0])
    epi = np.array([-9.0, -0.9, 0.3, 0.5, 9.0, 9.0])
    la = np.array([9.0, 9.0, 0.6, 0.4, -3.0, 3.0])
    distances = np.stack([lv, epi, la]).astype(np.float32)[None, :, None, :]
    assert compose(distances, STRUCTURES)[0, :, 0].tolist() == [1, 1, 3, 3, 3, 0]
    thin = np.array([[[[0.4]], [[-0.5]], [[9.0]]]], np.float32)
    assert compose(thin, STRUCTURES).item() == Label.LV


def test_knots_give_the_canvas_back_where_distances_are_smooth():
    y, x = np.mgrid[: CANVAS_SHAPE[0], : CANVAS_SHAPE[1]].astype(np.float32)
    canvas = np.stack([y - 60, x - 40, 0.5 * (x + y)])[None]
    knots = knots_of(canvas)
    assert knots.shape == (1, 3, *KNOT_SHAPE)
    inner = (..., slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(canvas_distances(knots)[inner], canvas[inner], atol=1e-3)
