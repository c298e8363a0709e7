"""Laws of the anatomical metrics, and a slow oracle written with loops and flood fills."""

import math

import numpy as np
import pytest
from audit_cases import heart, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_pixels import EIGHT, FOUR, flood

from cardiovae.audit import anatomy
from cardiovae.audit.criteria import criteria
from cardiovae.phantom.corruption import corrupt_frame

AREAS = sorted({c.metric for c in criteria("camus").criteria if c.unit == "mm2"})
RATIOS = sorted({c.metric for c in criteria("camus").criteria if c.unit == "ratio"})


class Oracle:
    """Every metric of one small frame from sets of pixels."""

    def __init__(self, labels, spacing_mm):
        self.labels, self.spacing = labels, spacing_mm
        self.height, self.width = labels.shape
        self.frame = {
            (r, c) for r in range(-1, self.height + 1) for c in range(-1, self.width + 1)
        }
        self.of = {v: {(int(r), int(c)) for r, c in np.argwhere(labels == v)} for v in (1, 2, 3)}

    def enclosed(self, walls):
        return [piece for piece in flood(self.frame - walls, FOUR) if (-1, -1) not in piece]

    def holes(self, walls):
        return sum(map(len, self.enclosed(walls)))

    def detached(self, value):
        pieces = [len(piece) for piece in flood(self.of[value], EIGHT)]
        return sum(pieces) - max(pieces, default=0)

    def gap(self, a, b, walls):
        def borders(piece, value):
            return any((r + dr, c + dc) in self.of[value] for r, c in piece for dr, dc in FOUR)

        return sum(len(p) for p in self.enclosed(walls) if borders(p, a) and borders(p, b))

    def frontier_ratio(self, a, others):
        if not self.of[a]:
            return math.nan
        contact = {
            (r, c) for r, c in self.of[a] if any((r + dr, c + dc) in others for dr, dc in EIGHT)
        }
        longest = 0.0
        for piece in flood(contact, EIGHT):
            rows, cols = zip(*piece, strict=True)
            height = (max(rows) - min(rows)) * self.spacing[0]
            width = (max(cols) - min(cols)) * self.spacing[1]
            longest = max(longest, math.hypot(height, width))
        columns = [c for _, c in self.of[a]]
        return longest / ((max(columns) - min(columns) + 1) * self.spacing[1])

    def thickness_ratio(self):
        myo = self.of[2]
        if not myo:
            return math.nan
        outside = self.frame - myo
        depth = {
            (r, c): min(
                math.hypot((r - y) * self.spacing[0], (c - x) * self.spacing[1])
                for y, x in outside
            )
            for r, c in myo
        }
        if len(flood(myo, EIGHT)) != 1:
            return 0.0
        deepest = max(depth.values())
        for level in range(1, 21):
            left = {p for p in myo if depth[p] > level * (deepest / 20)}
            large = [p for p in flood(left, FOUR) if len(p) >= len(myo) / 1000]
            if len(flood(set().union(*large), EIGHT)) != 1:
                return level / 20
        return 1.0

    def width_ratio(self):
        epi = self.of[1] | self.of[2]
        if not epi:
            return math.nan
        row = sum(r for r, _ in epi) // len(epi)
        lv, myo = (sum(r == row for r, _ in self.of[v]) for v in (1, 2))
        return lv / myo if lv and myo else math.nan

    def values(self):
        lv, myo, la = self.of[1], self.of[2], self.of[3]
        background = self.frame - lv - myo - la
        pixel = self.spacing[0] * self.spacing[1]
        gap = self.gap(1, 3, lv | myo | la)
        return {
            "lv_hole_area_mm2": self.holes(lv) * pixel,
            "epi_hole_area_mm2": self.holes(lv | myo) * pixel,
            "la_hole_area_mm2": self.holes(la) * pixel,
            "lv_disconnected_area_mm2": self.detached(1) * pixel,
            "myo_disconnected_area_mm2": self.detached(2) * pixel,
            "la_disconnected_area_mm2": self.detached(3) * pixel,
            "lv_myo_gap_area_mm2": self.gap(1, 2, lv | myo) * pixel,
            "lv_la_gap_area_mm2": self.gap(1, 3, lv | la) * pixel,
            "annulus_gap_ratio": gap / len(lv) if lv else math.nan,
            "lv_background_frontier_ratio": self.frontier_ratio(1, background),
            "myo_la_frontier_ratio": self.frontier_ratio(2, la),
            "lv_la_frontier_ratio": self.frontier_ratio(1, la),
            "myo_thickness_ratio": self.thickness_ratio(),
            "lv_myo_width_ratio": self.width_ratio(),
        }


def measured(labels, spacing_mm):
    return {name: getattr(anatomy, name)(labels, spacing_mm) for name in AREAS + RATIOS}


def test_every_metric_equals_the_oracle_on_noise():
    rng = np.random.default_rng(0)
    for i in range(150):
        shape = (int(rng.integers(1, 11)), int(rng.integers(1, 11)))
        labels = noise(shape, rng, background=[0.0, 0.2, 0.5, 0.8][i % 4])
        spacing = (1.0, 1.0) if i % 2 else (0.154, 0.308)
        expected = Oracle(labels, spacing).values()
        assert measured(labels, spacing) == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_every_metric_equals_the_oracle_on_corrupted_hearts():
    rng = np.random.default_rng(1)
    for _ in range(6):
        labels = corrupt_frame(heart(30, 26), (5.0, 5.5), severity=rng.random(), rng=rng)[0]
        expected = Oracle(labels, (5.0, 5.5)).values()
        assert measured(labels, (5.0, 5.5)) == pytest.approx(expected, nan_ok=True, abs=1e-12)


seeds = st.integers(0, 2**32 - 1)
lengths = st.floats(0.1, 3.0)


def damaged(seed):
    rng = np.random.default_rng(seed)
    return corrupt_frame(heart(), (1.5, 1.6), severity=rng.random(), rng=rng)[0]


@settings(max_examples=25, deadline=None)
@given(seeds, lengths, lengths)
def test_surrounding_background_changes_no_metric(seed, row, col):
    labels = damaged(seed)
    expected = measured(labels, (row, col))
    wider = np.pad(labels, ((3, 0), (1, 9)))
    assert measured(wider, (row, col)) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(seeds, lengths, lengths)
def test_transposing_labels_and_spacing_leaves_areas_and_thickness_unchanged(seed, row, col):
    labels = damaged(seed)
    before, after = measured(labels, (row, col)), measured(labels.T, (col, row))
    for name in [*AREAS, "annulus_gap_ratio", "myo_thickness_ratio"]:
        assert after[name] == pytest.approx(before[name], nan_ok=True)


def test_transposing_exchanges_the_width_by_which_frontiers_are_divided():
    labels = heart()
    height, width = (np.ptp(np.nonzero(labels == 1)[axis]) + 1 for axis in (0, 1))
    before = anatomy.lv_la_frontier_ratio(labels, (1.0, 2.0)) * width * 2.0
    after = anatomy.lv_la_frontier_ratio(labels.T, (2.0, 1.0)) * height * 1.0
    assert after == pytest.approx(before)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_twice_the_resolution_at_half_the_spacing_keeps_every_area(seed):
    labels = damaged(seed)
    fine = np.kron(labels, np.ones((2, 2), np.uint8))
    before, after = measured(labels, (1.2, 0.8)), measured(fine, (0.6, 0.4))
    for name in [*AREAS, "annulus_gap_ratio"]:
        assert after[name] == pytest.approx(before[name], nan_ok=True)


@pytest.mark.parametrize(("height", "width"), [(96, 80), (60, 70), (130, 110)])
def test_twice_the_resolution_at_half_the_spacing_keeps_frontiers_within_a_pixel(height, width):
    # Of whole hearts: a jagged contact that hangs together by a corner may fall apart.
    labels = heart(height, width)
    fine = np.kron(labels, np.ones((2, 2), np.uint8))
    before, after = measured(labels, (1.2, 0.8)), measured(fine, (0.6, 0.4))
    lv_width = (np.ptp(np.nonzero(labels == 1)[1]) + 1) * 0.8
    # Frontiers reach from center to center of their end pixels, so each moves by a pixel.
    for name in ("lv_background_frontier_ratio", "lv_la_frontier_ratio"):
        assert after[name] == pytest.approx(before[name], abs=2 * 1.5 / lv_width)


def test_the_thickness_ratio_depends_on_the_resolution_by_two_levels_at_most():
    for wall in (0.08, 0.13, 0.2):
        coarse = anatomy.myo_thickness_ratio(heart(96, 80, wall=wall), (1.5, 1.8))
        fine = anatomy.myo_thickness_ratio(heart(384, 320, wall=wall), (1.5 / 4, 1.8 / 4))
        assert fine == pytest.approx(coarse, abs=0.1001)


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.2, 5.0))
def test_ratios_do_not_depend_on_the_scale_and_areas_grow_with_its_square(seed, scale):
    labels = damaged(seed)
    before, after = measured(labels, (1.0, 1.5)), measured(labels, (scale, 1.5 * scale))
    for name in AREAS:
        assert after[name] == pytest.approx(before[name] * scale**2, nan_ok=True)
    for name in RATIOS:
        assert after[name] == pytest.approx(before[name], nan_ok=True, abs=0.0501)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.0, 1.0))
def test_stopping_early_does_not_change_which_side_of_a_limit_the_thickness_is_on(seed, limit):
    labels = damaged(seed)
    value = anatomy.myo_thickness_ratio(labels, (1.0, 1.0))
    quick = anatomy.myo_thickness_ratio(labels, (1.0, 1.0), enough=limit)
    assert (quick >= limit) == (value >= limit)
