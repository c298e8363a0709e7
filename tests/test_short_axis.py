"""The metrics of short-axis slices on drawn ones, by hand, against a slow oracle, and by law."""

import math

import numpy as np
import pytest
from audit_cases import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from short_axis_cases import SPACING, healthy
from slow_short_axis import Slice

from cardiovae.audit import short_axis as sax
from cardiovae.audit.audit import audit_frame, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.audit.verdicts import Verdict
from cardiovae.labels import SHORT_AXIS, Label

ACDC = criteria("acdc")
METRICS = sorted({c.metric for c in ACDC.of_frame(SHORT_AXIS)})
MM = (1.0, 1.0)


def judged(labels, spacing_mm=SPACING):
    return audit_frame(labels, spacing_mm, ACDC, SHORT_AXIS)


def failed(labels, spacing_mm=SPACING):
    return {f.criterion for f in judged(labels, spacing_mm).failures}


def square(side, value):
    """A square of one label with a margin of two pixels."""
    return np.pad(np.full((side, side), value, np.uint8), 2)


def test_there_are_the_sixteen_published_metrics():
    assert len(METRICS) == len(ACDC.of_frame(SHORT_AXIS)) == 16
    assert ACDC.judges_stacks
    assert ACDC.optional_structures


def test_a_healthy_ring_and_crescent_passes_all_sixteen():
    audit = judged(healthy())
    assert audit.passed
    assert len(audit.findings) == 16
    assert frame_is_valid(healthy(), SPACING, ACDC, SHORT_AXIS)


@pytest.mark.parametrize("without", [(Label.RV,), (Label.LV,), (Label.LV, Label.RV), SHORT_AXIS])
def test_a_slice_may_lack_structures_and_is_not_asked_about_them(without):
    labels = healthy(rv=Label.RV not in without, lv=Label.LV not in without)
    labels[np.isin(labels, without)] = 0
    audit = judged(labels)
    assert audit.passed
    assert frame_is_valid(labels, SPACING, ACDC, SHORT_AXIS)
    words = {word for f in audit.findings for word in f.criterion.split("_")}
    assert not words & {s.name.lower() for s in without}


def test_an_lv_without_a_myocardium_fails():
    labels = healthy()
    labels[labels == Label.MYO] = 0
    assert failed(labels) == {"frontier_between_lv_and_background"}


def test_holes_close_where_the_outside_cannot_get_in_even_around_corners():
    closed = drawn("444\n4.4\n444")
    diagonal = drawn(".4.\n4.4\n.4.")
    assert sax.holes_in_rv(closed, MM) == 1
    assert sax.holes_in_rv(diagonal, MM) == 0
    assert sax.holes_in_lv(closed // 4, MM) == 1


def test_holes_of_the_myocardium_are_counted_without_the_lv():
    assert sax.holes_in_myo(drawn("2222\n2112\n2222"), MM) == 0
    assert sax.holes_in_myo(drawn("2222\n21.2\n2222"), MM) == 1
    assert sax.holes_in_myo(drawn("2222\n2..2\n2222"), MM) == 2
    assert sax.holes_in_myo(drawn("2222\n2112\n2.22"), MM) == 0, "an open ring has no hole"
    assert sax.holes_in_myo(drawn("222.1\n2.2.1\n222.1"), MM) == 1 - 3
    assert "holes_in_myo" in failed(np.pad(drawn("222.1\n2.2.1\n222.1"), 3))


def test_disconnected_are_the_pixels_beside_the_largest_piece():
    labels = drawn("44.4\n44..\n..4.\n4...")
    assert sax.disconnectivity_in_rv(labels, MM) == 2  # the corner of the square touches (2, 2)
    assert sax.disconnectivity_in_myo(labels // 2, MM) == 2
    assert sax.disconnectivity_in_lv(labels // 4, MM) == 2


def test_frontiers_count_the_pixels_of_the_lv_and_forgive_one():
    assert sax.frontier_between_lv_and_background(drawn("2222\n2112\n2222"), MM) == 0
    assert sax.frontier_between_lv_and_background(drawn("222.\n2112\n2222"), MM) == 0
    assert sax.frontier_between_lv_and_background(drawn("22.2\n2112\n2222"), MM) == 2
    assert sax.frontier_between_lv_and_background(drawn("1111\n1111"), MM) == 0
    assert sax.frontier_between_lv_and_rv(drawn("2242\n2112\n2222"), MM) == 2
    assert sax.frontier_between_lv_and_rv(drawn("2224\n2112\n2222"), MM) == 0
    assert math.isnan(sax.frontier_between_lv_and_rv(drawn("2222\n2112"), MM))


def test_gaps_border_both_structures():
    around_lv = drawn("22222\n2...2\n2.1.2\n2...2\n22222")
    assert sax.holes_between_lv_and_myo(around_lv, MM) == 8
    beside = drawn("22444\n2.4.4\n2..44\n22444")
    assert sax.holes_between_rv_and_myo(beside, MM) == 3
    assert sax.holes_between_lv_and_myo(drawn("222\n2.2\n221"), MM) == 0, "borders the MYO alone"


def test_gaps_up_to_a_pixel_in_16384_are_forgiven():
    labels = healthy(256, 192)
    ring = np.argwhere(labels == Label.LV)
    row, col = ring[0]
    labels[row, col : col + 3] = 0
    assert labels.size / 2**14 == 3
    assert sax.holes_between_lv_and_myo(labels, MM) == 0
    labels[row + 1, col] = 0
    assert sax.holes_between_lv_and_myo(labels, MM) == 4


def test_a_gap_to_the_right_ventricle_is_measured_from_one_pixel_around_it():
    row = drawn("4....2")
    assert sax.rv_disconnected_from_myo(row, (1.0, 1.5)) == 6.0
    assert sax.rv_disconnected_from_myo(drawn("4.2"), MM) == 1.0
    assert sax.rv_disconnected_from_myo(drawn("4..\n.2."), MM) == 0.0
    oblique = np.zeros((8, 8), np.uint8)
    oblique[0, 0], oblique[4, 5] = Label.RV, Label.MYO
    assert sax.rv_disconnected_from_myo(oblique, (2.0, 1.0)) == math.hypot(3 * 2, 4)


def test_circularity_of_squares_and_bars():
    assert sax.lv_circularity(square(5, 1), MM) == pytest.approx(4 * math.pi * 25 / 16**2)
    ring = square(5, 2)
    ring[4, 4] = 0
    assert sax.myo_circularity(ring, MM) == pytest.approx(4 * math.pi * 25 / 16**2), "filled"
    bar = np.ones((2, 40), np.uint8)
    assert sax.lv_circularity(bar, MM) == pytest.approx(4 * math.pi * 80 / 80**2)
    assert "lv_circularity" in failed(bar), "0.157 is below 0.2"
    assert "lv_circularity" not in failed(bar[:, :20]), "0.314 is not"
    assert math.isnan(sax.lv_circularity(np.ones((1, 2), np.uint8), MM))


def test_a_concavity_is_as_deep_as_it_lies_within_the_hull():
    labels = np.pad(np.ones((9, 9), np.uint8), 3)
    labels[3:8, 5:10] = 0  # five wide and deep; eroded three, the deepest fourth from the top
    assert sax.lv_concavity(labels, MM) == 4.0
    assert sax.lv_concavity(labels, (2.0, 1.0)) == 5.0, "the middle is five columns from aside"
    assert "lv_concavity_mm" not in failed(labels, MM)
    assert "lv_concavity_mm" in failed(labels, (1.1, 1.1))
    assert sax.rv_concavity(4 * labels, (7.5, 7.5)) == 30.0
    assert "rv_concavity_mm" not in failed(4 * labels, (7.5, 7.5))
    assert "rv_concavity_mm" in failed(4 * labels, (7.6, 7.6))
    assert "myo_concavity_mm" in failed(2 * labels, MM)


def test_a_dent_two_pixels_wide_is_no_concavity():
    labels = np.pad(np.full((9, 9), 2, np.uint8), 3)
    labels[3:9, 6:8] = 0
    assert sax.myo_concavity(labels, MM) == 0.0


def test_an_open_ring_fails_on_its_shape_and_on_what_the_lv_touches():
    labels = healthy()
    labels[28:36, 52:60] = np.where(labels[28:36, 52:60] == Label.MYO, 0, labels[28:36, 52:60])
    assert {"frontier_between_lv_and_background", "myo_concavity_mm"} <= failed(labels)


def test_what_is_in_mm_needs_a_spacing_unless_it_is_none():
    verdicts = {f.criterion: f for f in judged(healthy(), None).findings}
    assert verdicts["rv_disconnected_from_myo_mm"].verdict is Verdict.PASS
    assert verdicts["rv_concavity_mm"].verdict is Verdict.NOT_MEASURABLE
    assert "spacing unknown" in verdicts["rv_concavity_mm"].reason
    assert verdicts["disconnectivity_in_lv"].verdict is Verdict.PASS


@st.composite
def corrupted(draw):
    """A slice with boxes of other labels, holes and noise on it, or noise alone."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width = draw(st.tuples(st.integers(4, 24), st.integers(4, 24)))
    labels = np.zeros((height, width), np.uint8)
    if draw(st.booleans()):
        y, x = np.mgrid[:height, :width]
        far = np.hypot(y - height / 2, x - 0.6 * width)
        labels[np.hypot(y - height / 2, x - 0.3 * width) < 0.3 * width] = Label.RV
        labels[far < 0.38 * height] = Label.MYO
        labels[far < 0.22 * height] = Label.LV
    for _ in range(draw(st.integers(0, 4))):
        r, c = rng.integers(0, height), rng.integers(0, width)
        labels[r : r + rng.integers(1, 6), c : c + rng.integers(1, 6)] = rng.choice([0, 1, 2, 4])
    share = draw(st.sampled_from([0.0, 0.02, 0.3]))
    hit = rng.random(labels.shape) < share
    labels[hit] = rng.choice(np.array([0, 1, 2, 4], np.uint8), int(hit.sum()))
    return labels


@settings(max_examples=50, deadline=None)
@given(corrupted(), st.sampled_from([(1.0, 1.0), (1.5, 1.5), (2.0, 0.7)]))
def test_every_metric_agrees_with_a_slow_one(labels, spacing_mm):
    expected = Slice(labels, spacing_mm).values()
    assert sorted(expected) == METRICS
    for name in METRICS:
        value = getattr(sax, name)(labels, spacing_mm)
        assert value == pytest.approx(expected[name], nan_ok=True), name
    passes = audit_frame(labels, spacing_mm, ACDC, SHORT_AXIS).passed
    assert frame_is_valid(labels, spacing_mm, ACDC, SHORT_AXIS) == passes


@settings(max_examples=30, deadline=None)
@given(corrupted(), st.integers(0, 3), st.booleans())
def test_turned_and_mirrored_slices_get_the_same_values(labels, turns, mirror):
    other = np.rot90(labels, turns)
    other = other[:, ::-1] if mirror else other
    for name in METRICS:
        metric = getattr(sax, name)
        assert metric(other, SPACING) == pytest.approx(metric(labels, SPACING), nan_ok=True), name


@settings(max_examples=30, deadline=None)
@given(corrupted(), st.integers(1, 9))
def test_background_around_a_slice_changes_nothing(labels, margin):
    wide = np.pad(labels, margin)
    for name in METRICS:
        if name != "frontier_between_lv_and_background":  # beyond the frame is none, as published
            metric = getattr(sax, name)
            assert metric(wide, SPACING) == pytest.approx(metric(labels, SPACING), nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(corrupted(), st.sampled_from(SHORT_AXIS), st.integers(1, 30))
def test_an_island_never_lowers_disconnectivity(labels, structure, n):
    labels = np.pad(labels, ((0, 3), (0, 30)))
    metric = getattr(sax, f"disconnectivity_in_{structure.name.lower()}")
    before = metric(labels, MM)
    labels[-1, :n] = structure
    assert not metric(labels, MM) < before
