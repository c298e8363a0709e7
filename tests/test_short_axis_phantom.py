"""Drawn short-axis stacks: exact volumes, sound slices, and damage that does what it says."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cardiovae.errors import CardiovaeError
from cardiovae.labels import SHORT_AXIS, Label
from cardiovae.phantom.short_axis import (
    draw_stack,
    draw_stack_parameters,
    sections_at,
    stack_cohort,
)
from cardiovae.phantom.short_axis_parameters import GROUPS
from cardiovae.phantom.short_axis_quantities import rv_area_mm2, thinnest_wall_mm
from cardiovae.phantom.slice_defects import SLICE_DEFECTS, corrupt_slice, corrupt_stack
from cardiovae.sequence import EchoSequence

BG, LV, MYO, RV = (int(v) for v in (Label.BACKGROUND, Label.LV, Label.MYO, Label.RV))
EIGHT = np.ones((3, 3), bool)
SEEDS = st.integers(0, 2**32 - 1)
PHASES = st.sampled_from(["ED", "ES"])


def heart(seed, phase="ED"):
    return draw_stack_parameters(np.random.default_rng(seed), phase=phase)


@pytest.fixture(scope="module")
def hearts():
    return [heart((7, i)) for i in range(130)]


@pytest.fixture(scope="module")
def slices():
    """A basal, a middle and an apical slice of some hearts, each with all three structures."""
    stacks = [
        draw_stack(heart((8, i)), n_slices=5, slice_mm=9.0, shape=(120, 120)) for i in range(4)
    ]
    return [s.sequence.frame(z) for s, z in itertools.product(stacks, (0, 2, 4))]


def plain(**changed):
    """A heart without waves, tilt or twist, whose sections are circles."""
    flat = ((0.0, 0.0),) * 4
    values = {
        "length_mm": 90.0,
        "equator_mm": 0.0,
        "radius_mm": 25.0,
        "wall_mm": 10.0,
        "wall_apex_mm": 6.0,
        "endo_waves": flat,
        "epi_waves": flat,
        "twist_deg": 0.0,
        "rv_angle_deg": 0.0,
        "rv_half_deg": 60.0,
        "rv_narrowing": 0.0,
        "rv_width_mm": 30.0,
        "rv_end_mm": 30.0,
        "rv_skew": 0.0,
        "drift": (0.0, 0.0),
        "center_mm": (0.0, 0.0),
        "field_mm": (200.0, 200.0),
        "pixel_mm": (1.5, 1.5),
    }
    return dataclasses.replace(heart(0), **(values | changed))


# Volumes


def test_a_half_spheroid_has_two_thirds_of_its_cylinder():
    ring = plain()
    cavity = 2 / 3 * math.pi * 25**2 * 90 / 1000
    whole = 2 / 3 * math.pi * 35**2 * 96 / 1000
    assert ring.lv_volume_ml == pytest.approx(cavity)
    assert ring.myo_volume_ml == pytest.approx(whole - cavity)


def test_a_whole_spheroid_has_the_volume_of_a_whole_spheroid():
    whole = plain(equator_mm=45.0)
    assert whole.lv_volume_ml == pytest.approx(4 / 3 * math.pi * 25**2 * 45 / 1000)


def test_an_rv_of_constant_width_is_a_sector_of_a_ring():
    sector = plain(rv_roundness=0.0)
    area = math.radians(60) * ((35 + 30) ** 2 - 35**2)
    assert rv_area_mm2(sector, np.zeros(1)).tolist() == pytest.approx([area], rel=1e-9)


def test_waves_add_half_the_square_of_their_amplitude():
    waves = ((0.0, 0.0), (0.2, 1.0), (0.1, 2.0))
    waved = plain(endo_waves=waves)
    assert waved.lv_volume_ml == pytest.approx(plain().lv_volume_ml * (1 + 0.02 + 0.005))


@pytest.mark.parametrize("seed", range(6))
def test_the_true_volumes_are_those_of_fine_pixels(seed):
    parameters = heart((3, seed), "ES" if seed % 2 else "ED")
    reach = (
        int(2 * (parameters.radius_mm + parameters.wall_mm + parameters.rv_width_mm) / 0.7) + 80
    )
    stack = draw_stack(parameters, spacing_mm=(0.7, 0.7), slice_mm=1.0, shape=(reach, reach))
    true = stack.lv_volume_ml, stack.myo_volume_ml, stack.rv_volume_ml
    for label, volume in zip(SHORT_AXIS, true, strict=True):
        counted = np.count_nonzero(stack.sequence.labels == label) * 0.7 * 0.7 * 1.0 / 1000
        assert counted == pytest.approx(volume, rel=0.01), label


def test_a_systole_shortens_the_heart_and_keeps_the_volume_of_its_wall():
    for seed in range(5):
        ed, es = heart(seed), heart(seed, "ES")
        assert es.group == ed.group
        assert es.lv_volume_ml < ed.lv_volume_ml
        assert es.length_mm < ed.length_mm
        assert es.wall_mm > ed.wall_mm
        assert es.myo_volume_ml == pytest.approx(ed.myo_volume_ml, rel=1e-6)


def test_healthy_hearts_have_the_published_sizes(hearts):
    """Petersen et al. 2017: LVEDV 143 ml, mass about 90 g, RVEDV 154 ml; SDs of a quarter."""
    healthy = [p for p in hearts if p.group == "normal"]
    assert len(healthy) > 20
    assert np.mean([p.lv_volume_ml for p in healthy]) == pytest.approx(143, abs=18)
    assert np.mean([1.05 * p.myo_volume_ml for p in healthy]) == pytest.approx(95, abs=20)
    assert np.mean([p.rv_volume_ml for p in healthy]) == pytest.approx(154, abs=20)


def test_patients_differ_as_their_definitions_say(hearts):
    def mean(group, value):
        return np.mean([value(p) for p in hearts if p.group == group])

    assert {p.group for p in hearts} == set(GROUPS)
    assert mean("dilated", lambda p: p.lv_volume_ml) > 190
    assert mean("hypertrophic", lambda p: p.wall_mm * (1 + p.epi_waves[0][0])) > 11
    assert mean("abnormal_rv", lambda p: p.rv_volume_ml) > 209


# Slices


def check_slice(labels):
    lv, myo, rv = (labels == s for s in SHORT_AXIS)
    for mask in (lv, myo, rv):
        assert not mask.any() or ndimage.label(mask, EIGHT)[1] == 1
    for solid in (lv, lv | myo, rv, labels != BG):
        assert ndimage.label(~solid)[1] == 1
    around = ndimage.binary_dilation(lv, EIGHT) & ~lv
    assert (labels[around] == MYO).all()
    if rv.any():
        assert (ndimage.binary_dilation(rv) & myo).any()
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    assert not edge.any()


@settings(deadline=None, max_examples=30)
@given(SEEDS, PHASES)
def test_every_slice_is_one_heart(seed, phase):
    parameters = heart(seed, phase)
    stack = draw_stack(parameters)
    assert stack.sequence.is_stack
    assert stack.sequence.structures == SHORT_AXIS
    assert stack.sequence.frame_time_ms is None
    for z in range(stack.sequence.n_frames):
        check_slice(stack.sequence.frame(z))
    assert thinnest_wall_mm(parameters) > 1.8 * math.sqrt(2)


@settings(deadline=None, max_examples=20)
@given(SEEDS, PHASES)
def test_structures_end_one_after_another_from_base_to_apex(seed, phase):
    stack = draw_stack(heart(seed, phase), slice_mm=6.0, n_slices=24)
    shown = [(stack.sequence.labels == s).any(axis=(0, 1)) for s in (RV, LV, MYO)]
    for there in shown:
        assert there[0]
        assert not np.diff(there.astype(int)).clip(0).any(), "it comes back nearer to the apex"
    rv, lv, myo = (int(there.sum()) for there in shown)
    assert rv < myo
    assert lv <= myo
    assert np.diff(stack.position).min() >= 0
    assert stack.position[0] > 0
    assert stack.position[-1] == 1
    assert stack.position[myo - 1] <= 1
    assert stack.depth_mm[:2].tolist() == [3.0, 9.0]


@pytest.mark.parametrize(
    ("angle", "row", "col"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0)]
)
def test_the_rv_lies_in_the_direction_of_its_angle(angle, row, col):
    frame = draw_stack(plain(rv_angle_deg=float(angle))).sequence.frame(0)
    towards = np.argwhere(frame == RV).mean(0) - np.argwhere(frame == LV).mean(0)
    assert np.allclose(towards / np.linalg.norm(towards), (row, col), atol=0.02)


def test_a_tilted_axis_moves_the_centers_steadily():
    stack = draw_stack(plain(drift=(0.2, -0.1)), slice_mm=10.0, n_slices=7)
    frames = [stack.sequence.frame(z) for z in range(7)]
    centers = np.array([np.argwhere(np.isin(f, (LV, MYO))).mean(0) * 1.5 for f in frames])
    steps = np.diff(centers, axis=0)
    assert np.allclose(steps.mean(0), (2.0, -1.0), atol=0.1)


def test_slices_cover_the_heart_unless_told_otherwise():
    parameters = plain()
    assert draw_stack(parameters, slice_mm=10.0).sequence.n_frames == 10  # 96 mm
    assert draw_stack(parameters, slice_mm=8.0).sequence.n_frames == 12
    few = draw_stack(parameters, slice_mm=8.0, n_slices=3, shape=(100, 90))
    assert few.sequence.labels.shape == (100, 90, 3)
    many = draw_stack(parameters, slice_mm=10.0, n_slices=14).sequence.labels
    assert many[:, :, 9].any()
    assert not many[:, :, 10:].any()


def test_below_the_cavity_there_is_a_disc_of_wall_and_then_nothing():
    parameters = plain()
    tip = sections_at(parameters, 92.0)
    assert tip.lv is None
    assert tip.epicardium is not None
    assert sections_at(parameters, 97.0).epicardium is None


def test_the_same_seed_draws_the_same_heart():
    assert heart(5) == heart(5)
    assert heart(5) != heart(6)
    first, again = (list(stack_cohort(1, 2)) for _ in range(2))
    assert [name for _, name, _ in first] == ["phantom00001_ED", "phantom00001_ES"]
    for (one, _, _), (two, _, _) in zip(first, again, strict=True):
        assert np.array_equal(one.sequence.labels, two.sequence.labels)


def test_a_stack_that_cannot_be_is_refused():
    with pytest.raises(CardiovaeError, match="'ED' or 'ES'"):
        heart(0, "MID")
    for wrong in ({"n_slices": 0}, {"slice_mm": 0.0}, {"spacing_mm": (1.0, -1.0)}):
        with pytest.raises(CardiovaeError, match="positive distances"):
            draw_stack(plain(), **wrong)


# Damage: what may become what; None is anything.

PRESENT = (LV, MYO, RV)
MAY = {
    "deleted_structure": {(s, BG) for s in PRESENT} | {(LV, MYO)},
    "gaps": {(s, BG) for s in PRESENT},
    "holes": {(s, other) for s in PRESENT for other in (BG, *PRESENT)},
    "islands": {(BG, s) for s in PRESENT},
    "jitter": None,
    "missing_structure": {(s, BG) for s in PRESENT},
    "missing_wall": {(MYO, BG), (MYO, LV)},
    "open_ring": {(MYO, BG)},
    "ragged_lv": {(LV, MYO), (MYO, LV)},
    "ring_gap": {(LV, BG)},
    "rough_edges": None,
    "rv_dented": {(RV, BG), (BG, RV)},
    "rv_detached": {(RV, BG)},
    "second_lv": {(BG, LV), (BG, MYO), (RV, LV), (RV, MYO)},
    "septum_lost": {(MYO, LV), (MYO, RV)},
    "shifted_slice": None,
    "swapped_patch": {(LV, MYO), (MYO, LV)},
    "wall_leak": {(BG, LV), (MYO, LV), (RV, LV)},
    "wrong_size": None,
}


def damaged(name, labels, severity, seed):
    return SLICE_DEFECTS[name](labels, (1.5, 1.5), severity, np.random.default_rng(seed))


@pytest.mark.parametrize("name", sorted(SLICE_DEFECTS))
def test_every_defect_changes_something_and_at_most_what_it_says(name, slices):
    for i, (labels, severity) in enumerate(itertools.product(slices, (0.0, 0.5, 1.0))):
        before = labels.copy()
        after = damaged(name, labels, severity, (1, i))
        assert np.array_equal(labels, before)
        assert after.dtype == np.uint8
        changed = after != before
        assert changed.any()
        assert set(np.unique(after)) <= set(np.unique(before))
        pairs = set(zip(before[changed].tolist(), after[changed].tolist(), strict=True))
        assert MAY[name] is None or pairs <= MAY[name]


def test_defects_do_what_they_are_named_for(slices):
    for i, labels in enumerate(slices):
        opened = damaged("open_ring", labels, 0.5, i)
        beside = ndimage.binary_dilation(opened == LV, EIGHT)
        assert (beside & ((opened == BG) | (opened == RV))).any()
        met = damaged("septum_lost", labels, 0.5, i)
        assert (ndimage.binary_dilation(met == LV, EIGHT) & (met == RV)).any()
        apart = damaged("rv_detached", labels, 0.5, i)
        assert (apart == RV).any()
        assert not (ndimage.binary_dilation(apart == RV, EIGHT) & (apart == MYO)).any()
        gap = damaged("ring_gap", labels, 0.5, i)
        assert ((gap == BG) & ndimage.binary_fill_holes(gap == MYO)).any()
        assert ndimage.label(damaged("second_lv", labels, 0.5, i) == LV, EIGHT)[1] > 1
        gone = damaged("deleted_structure", labels, 0.5, i)
        assert len(np.unique(gone)) == len(np.unique(labels)) - 1


@pytest.mark.parametrize("name", sorted(SLICE_DEFECTS))
def test_a_slice_that_lacks_structures_gets_none_of_them(name):
    empty = np.zeros((40, 50), np.uint8)
    assert np.array_equal(damaged(name, empty, 1.0, 0), empty)
    disc = empty.copy()
    disc[15:22, 20:28] = MYO
    assert set(np.unique(damaged(name, disc, 1.0, 0))) <= {BG, MYO}


def test_a_shift_moves_the_whole_slice(slices):
    moved = damaged("shifted_slice", slices[0], 0.5, 0)
    assert np.array_equal(np.bincount(moved.ravel()), np.bincount(slices[0].ravel()))


def test_a_corrupted_slice_names_what_was_done_to_it(slices):
    for seed, severity in itertools.product(range(4), (0.0, 1.0)):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        after, names = corrupt_slice(slices[seed], (1.5, 1.5), severity=severity, rng=rng)
        same, _ = corrupt_slice(slices[seed], (1.5, 1.5), severity=severity, rng=again)
        assert np.array_equal(after, same)
        assert 1 <= len(names) <= (4 if severity else 1)
        assert not np.array_equal(after, slices[seed])
    only = corrupt_slice(
        slices[0], (1.5, 1.5), severity=0.5, rng=np.random.default_rng(0), defects=("open_ring",)
    )
    assert only[1] == ("open_ring",)


@pytest.mark.parametrize(("share", "n_damaged"), [(0.0, 1), (1.0, 4)])
def test_a_share_of_the_slices_is_damaged_and_named(share, n_damaged):
    stack = draw_stack(
        plain(), slice_mm=22.0, n_slices=7, shape=(130, 130)
    ).sequence  # 4 of them show it
    after, names = corrupt_stack(stack, severity=0.7, share=share, rng=np.random.default_rng(1))
    changed = (after.labels != stack.labels).any(axis=(0, 1))
    assert changed.tolist() == [bool(done) for done in names]
    assert changed.sum() == n_damaged
    assert after.view == "SAX"


def test_damage_that_cannot_be_is_refused(slices):
    stack, rng = draw_stack(plain(), n_slices=2).sequence, np.random.default_rng(0)
    with pytest.raises(CardiovaeError, match="severity"):
        corrupt_stack(stack, severity=2.0, rng=rng)
    with pytest.raises(CardiovaeError, match="share"):
        corrupt_stack(stack, severity=0.5, share=-1.0, rng=rng)
    with pytest.raises(CardiovaeError, match="view SAX"):
        corrupt_stack(EchoSequence(np.ones((4, 4, 2), np.uint8)), severity=0.5, rng=rng)
    with pytest.raises(CardiovaeError, match="unknown defects"):
        corrupt_slice(slices[0], (1.5, 1.5), severity=0.5, rng=rng, defects=("bridge",))
