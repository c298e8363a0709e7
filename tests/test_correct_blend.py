"""Blending: stray parts, sound contours, and the way back to the native grid."""

from __future__ import annotations

import numpy as np
import pytest
from audit_cases import drawn, noise
from correct_cases import cine, mean_dice, only
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label

from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.correction.blend import canvas_to_native, clean, render, soundness
from cardiovae.correction.config import BlendConfig, correct_config
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import measured_distances, to_canvas
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM, Placement, place

SEEDS = st.integers(0, 2**32 - 1)
SCHEMES = [STRUCTURES, STRUCTURES[:2], STRUCTURES[:1]]
GRIDS = [(0.8, 0.8), (0.462, 0.924), (1.1, 0.6)]


def blobs(seed, structures=STRUCTURES):
    """Random labels in patches of 1 to 4 pixels, so that regions of all kinds arise."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 5))
    coarse = noise((24 // size, 24 // size), rng, background=rng.uniform(0.1, 0.9))
    labels = np.kron(coarse, np.ones((size, size), np.uint8))
    return np.where(np.isin(labels, structures), labels, 0).astype(np.uint8)


def largest(mask):
    """The largest 8-connected part, by another library than the one under test."""
    parts = label(mask, connectivity=2)
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]) if mask.any() else mask


# clean


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from(SCHEMES))
def test_cleaning_leaves_the_largest_part_of_each_region_without_holes(seed, structures):
    labels = blobs(seed, structures)
    heart = largest((labels == Label.LV) | (labels == Label.MYO))
    atrium = largest(labels == Label.LA)
    # Another part may be preferred for its atrium: that has a drawn test of its own.
    assume(not atrium.any() or (ndimage.binary_dilation(atrium) & heart).any())
    epi = ndimage.binary_fill_holes(heart)
    lv = ndimage.binary_fill_holes(largest((labels == Label.LV) & epi))
    la = largest((labels == Label.LA) & ~epi)
    if la.any():
        la = ndimage.binary_fill_holes(epi | la) & ~epi
    cleaned = clean(labels, structures)
    assert np.array_equal(cleaned == Label.LA, la)
    wall = Label.MYO if Label.MYO in structures else Label.LV
    expected = np.where(epi, np.where(lv, Label.LV, wall), 3 * la)
    assert np.array_equal(cleaned, expected)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from(SCHEMES))
def test_cleaning_twice_is_cleaning_once_and_spares_its_input(seed, structures):
    labels = blobs(seed, structures)
    kept = labels.copy()
    once = clean(labels, structures)
    assert np.array_equal(labels, kept)
    assert np.array_equal(clean(once, structures), once)
    assert set(np.unique(once)) <= {0, *structures}


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_cleaning_adds_only_what_heart_encloses(seed):
    labels = blobs(seed)
    cleaned = clean(labels)
    enclosed = ndimage.binary_fill_holes(labels > 0)
    assert enclosed[cleaned > 0].all()


def test_cleaning_removes_islands_and_fills_holes_as_drawn():
    before = drawn("""
        .1......
        ...2222.
        ..22112.
        ..212120
        ..21112.
        2.2111..
        ...333..
        ...3.3..
        ...333.3
    """)
    after = drawn("""
        ........
        ...2222.
        ..22112.
        ..211120
        ..21112.
        ..2111..
        ...333..
        ...333..
        ...333..
    """)
    assert np.array_equal(clean(before), after)


def test_of_two_hearts_of_like_size_the_one_with_the_atrium_is_kept():
    before = drawn("""
        .222....22..
        .2122..2112.
        .2112..2112.
        .222....33..
        ........33..
    """)
    after = before.copy()
    after[:, :6] = 0
    assert np.array_equal(clean(before), after)


def test_a_scrap_beside_the_atrium_is_no_heart():
    before = drawn("""
        .222.....
        .2112....
        .2112..2.
        .222...33
        .......33
    """)
    after = before.copy()
    after[2, 7] = 0
    assert np.array_equal(clean(before), after)


@pytest.mark.parametrize("spacing", GRIDS)
def test_cleaning_a_valid_frame_closes_slits_beside_the_atrium_and_nothing_else(spacing):
    sequence = cine(n_frames=3, spacing_mm=spacing)
    for t in range(3):
        before = sequence.frame(t)
        assert frame_is_valid(before, spacing, criteria("camus"))
        after = clean(before)
        added = after != before
        assert (before[added] == Label.BACKGROUND).all()
        assert (after[added] == Label.LA).all()
        # A slit: within a few mm of wall and atrium alike, some pixels at most.
        assert np.count_nonzero(added) * np.prod(spacing) < 10.0
        assert frame_is_valid(after, spacing, criteria("camus"))


def test_nothing_is_cleaned_to_nothing():
    assert not clean(np.zeros((5, 4), np.uint8)).any()


# soundness


def plane(value):
    return np.full((1, 3, *CANVAS_SHAPE), value, np.float32)


def test_a_contour_is_sound_where_both_agree_and_not_where_they_lie_10_mm_apart():
    blend = correct_config("default").blend
    rng = np.random.default_rng(0)
    same = rng.uniform(-40, 40, (2, 3, *CANVAS_SHAPE)).astype(np.float32)
    assert soundness(same, same, blend) == pytest.approx(1)
    assert soundness(plane(5), plane(-5), blend) == pytest.approx(0)


def test_far_from_both_contours_their_distance_does_not_matter():
    assert soundness(plane(60), plane(30), BlendConfig(broken_mm=5)) == pytest.approx(1)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 10), st.floats(0, 10))
def test_the_further_apart_the_less_sound(a, b):
    near, far = (soundness(plane(0), plane(x), BlendConfig()) for x in sorted((a, b)))
    assert (near >= far - 1e-6).all()
    assert near.max() <= 1 + 1e-5
    assert far.min() >= 0


def test_the_unsound_region_is_widened_by_the_margin_and_softened():
    apart = plane(0)
    apart[..., 48:] = 10
    blend = BlendConfig(margin_mm=7.0, soft_mm=2.8)  # 5 pixels, and a blur of 2
    weight = soundness(plane(0), apart, blend)[0, 0, 60]
    assert weight[: 48 - 5 - 9] == pytest.approx(1)
    assert weight[48 - 5 + 9 :] == pytest.approx(0, abs=1e-5)
    assert (np.diff(weight) <= 1e-6).all()
    half = np.interp(-0.5, -weight, np.arange(weight.size))
    assert half == pytest.approx(48 - 5 - 0.5, abs=0.1)


# to the native grid and back


def test_a_ramp_in_mm_is_the_same_ramp_on_the_native_grid():
    placement = Placement((90, 70), (41.25, 33.5), (0.8, 1.3))
    down, across = 0.7, -0.3
    y, x = ((np.arange(n) + 0.5) * CANVAS_MM for n in CANVAS_SHAPE)
    ramp = (down * y[:, None] + across * x + 2)[None, None].astype(np.float32)
    rows = ORIGIN_MM[0] + (np.arange(90) - 41.25) * 0.8
    cols = ORIGIN_MM[1] + (np.arange(70) - 33.5) * 1.3
    expected = down * rows[:, None] + across * cols + 2
    inside = [
        (at > 2 * CANVAS_MM) & (at < (n - 2) * CANVAS_MM)
        for at, n in zip((rows, cols), CANVAS_SHAPE, strict=True)
    ]
    assert all(np.count_nonzero(i) > 60 for i in inside)
    native = canvas_to_native(ramp, placement)[0, 0]
    assert native[np.ix_(*inside)] == pytest.approx(expected[np.ix_(*inside)], abs=1e-3)


def cleaned_cine(spacing=(0.8, 0.8), n_frames=3, structures=STRUCTURES):
    """A cine as the corrector blends it, its place, and its signed distances."""
    sequence = only(cine(n_frames=n_frames, spacing_mm=spacing), structures)
    frames = [clean(sequence.frame(t), structures) for t in range(n_frames)]
    sequence = sequence.with_labels(np.stack(frames, axis=2))
    placement = place(sequence.labels, spacing)
    return sequence, placement, measured_distances(to_canvas(sequence.labels, placement)[0])


@pytest.mark.parametrize("structures", SCHEMES)
@pytest.mark.parametrize("spacing", GRIDS)
def test_distances_that_did_not_move_give_the_labels_bit_for_bit(spacing, structures):
    sequence, placement, distances = cleaned_cine(spacing, structures=structures)
    again = render(distances, distances, sequence.labels, placement, structures, 0.35)
    assert np.array_equal(again, sequence.labels)


@pytest.mark.parametrize("structures", SCHEMES)
@pytest.mark.parametrize("spacing", GRIDS)
def test_distances_alone_redraw_the_heart(spacing, structures):
    sequence, placement, distances = cleaned_cine(spacing, structures=structures)
    nothing = np.zeros_like(sequence.labels)
    again = render(distances, distances, nothing, placement, structures, 0.0)
    assert set(np.unique(again)) == {0, *structures}
    assert mean_dice(sequence.with_labels(again), sequence, labels=structures) > 0.98


def test_only_what_moved_is_redrawn():
    sequence, placement, distances = cleaned_cine()
    atrium = np.flatnonzero((sequence.labels == Label.LA).any((1, 2)))
    middle = placement.canvas_positions(0)[int(atrium.mean())]
    moved = distances.copy()
    moved[:, :, int(middle) :] += 1.0  # the atrium's lower half shrinks by 1 mm
    again = render(moved, distances, sequence.labels, placement, STRUCTURES, 0.35)
    rows = np.flatnonzero((again != sequence.labels).any((1, 2)))
    assert rows.size > 0
    assert rows.min() > atrium.mean() - 3 * CANVAS_MM / 0.8
