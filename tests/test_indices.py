from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from indices_cases import FINE, bullet, cine, cylinder, drawn, ellipsoid, truncated_ml
from scipy.special import ellipe

from cardiovae.errors import ConfigError
from cardiovae.indices.formulas import fall_percent
from cardiovae.indices.heart import NO_SPACING, Heart, heart_of
from cardiovae.indices.measure import cine_of, cine_record, joined, measure_cine
from cardiovae.indices.names import INDICES, RATIOS
from cardiovae.indices.subjects import Subject
from cardiovae.labels import LV_ONLY, Label
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.sequence import EchoSequence

ED, ES = (76.0, 22.0), (62.0, 15.0)
WALL = 9.0


def heart(*sequences: EchoSequence, subject: Subject | None = None) -> Heart:
    return heart_of([measure_cine(s) for s in sequences], subject)


def half(a: float, b: float, **where) -> np.ndarray:
    """Half an ellipsoid in a wall over an atrium that is a cylinder of 40 by 18 mm."""
    return drawn(ellipsoid(a, b), ellipsoid(a + WALL, b + WALL), cylinder(40, 18), **where)


@pytest.mark.parametrize(
    ("lv", "epi", "volume"),
    [
        (ellipsoid(80, 24), ellipsoid(89, 33), truncated_ml(80, 24)),
        (ellipsoid(56, 24, 24), ellipsoid(65, 33, 24), truncated_ml(56, 24, 24)),
        (ellipsoid(60, 20, 12), ellipsoid(69, 29, 12), truncated_ml(60, 20, 12)),
        (bullet(80, 20), bullet(89, 29, 40), 5 / 6 * math.pi * 20**2 * 80 / 1000),
    ],
)
def test_volumes_of_solids_are_the_analytic_ones_within_one_percent(lv, epi, volume):
    small = drawn(ellipsoid(50, 15), ellipsoid(59, 24))
    found = heart(cine(drawn(lv, epi), small))
    assert found["edv_ml"] == pytest.approx(volume, rel=0.01)
    assert found["esv_ml"] == pytest.approx(truncated_ml(50, 15), rel=0.01)
    assert found.indices["edv_ml"].method == "A4C"


def test_two_views_give_an_elliptic_section_and_the_ejection_fraction_of_the_solids():
    four = cine(half(76, 24), half(62, 16))
    two = cine(half(72, 20), half(60, 14), view="A2C")
    found = heart(four, two)
    edv, esv = (
        2 / 3 * math.pi * length * b4 * b2 / 1000
        for length, b4, b2 in ((76, 24, 20), (62, 16, 14))
    )
    assert found["edv_ml"] == pytest.approx(edv, rel=0.01)
    assert found["ef_percent"] == pytest.approx(100 * (edv - esv) / edv, abs=0.5)
    assert found["stroke_volume_ml"] == pytest.approx(edv - esv, rel=0.015)
    assert found["edv_a2c_ml"] == pytest.approx(truncated_ml(72, 20), rel=0.01)
    assert found["lv_length_ed_mm"] == pytest.approx(76, abs=0.4)
    assert found.indices["ef_percent"].method == "biplane"
    assert found.biplane_ml == pytest.approx([found["edv_ml"], found["esv_ml"]])


def test_area_and_length_changes_are_those_of_the_ellipses():
    found = heart(cine(half(*ED), half(*ES)))
    area_ed, area_es = (math.pi / 2 * a * b for a, b in (ED, ES))
    assert found["fac_percent"] == pytest.approx(100 * (1 - area_es / area_ed), abs=0.4)
    assert found["shortening_percent"] == pytest.approx(100 * (1 - 62 / 76), abs=0.4)
    # half an ellipsoid is sqrt(3) / 2 as wide half way up as at its base
    assert found["sphericity_ed"] == pytest.approx(math.sqrt(3) * 22 / 76, rel=0.01)
    ball = math.pi / 6 * 76**3 / 1000
    assert found["sphericity_volume_ed"] == pytest.approx(truncated_ml(*ED) / ball, rel=0.015)


@pytest.mark.parametrize("scale", [0.95, 0.82, 0.7])
def test_the_strain_of_a_uniformly_scaled_heart_is_its_scale(scale):
    found = heart(cine(half(*ED), half(*(scale * v for v in ED))))
    assert found["gls_percent"] == pytest.approx(100 * (scale - 1), abs=0.4)


@pytest.mark.parametrize("spacing", [FINE, (0.67, 0.81)])
def test_the_endocardium_is_as_long_as_half_the_ellipse(spacing):
    a, b = ED
    expected = 2 * a * ellipe(1 - (b / a) ** 2)
    measured = measure_cine(cine(half(a, b, spacing=spacing), spacing=spacing))
    assert measured.values["endocardium_mm"][0] == pytest.approx(expected, rel=0.01)


def test_the_wall_between_two_parallel_curves_is_as_thick_everywhere():
    frames = [
        drawn(bullet(45 + r, r, 45), bullet(45 + r + t, r + t, 45), cylinder(30, 15))
        for r, t in ((22, 10), (16, 13))
    ]  # straight up to 45 mm, then half circles
    found = heart(cine(*frames))
    assert found["wall_ed_mm"] == pytest.approx(10, abs=0.15)
    assert found["wall_thickening_percent"] == pytest.approx(30, abs=2)
    assert [(s.level, s.wall) for s in found.segments] == [
        (level, wall) for level in ("basal", "mid", "apical") for wall in ("septal", "lateral")
    ]
    for segment in found.segments:
        assert segment.ed.value == pytest.approx(10, abs=0.2)
        assert segment.es.value == pytest.approx(13, abs=0.2)
    curves = [2 * 45 + math.pi * (r + t / 2) for r, t in ((22, 10), (16, 13))]
    expected = 100 * (curves[1] / curves[0] - 1)
    assert found["gls_midwall_percent"] == pytest.approx(expected, abs=0.4)


def test_a_thicker_wall_is_found_on_its_side():
    frame = half(*ED)
    middle = frame.shape[1] // 2
    wide = drawn(ellipsoid(*ED), ellipsoid(ED[0] + WALL, ED[1] + 14), cylinder(40, 18))
    frame[:, :middle] = wide[:, :middle]
    small = half(*ES)
    found = heart(cine(frame, small, view="A2C"))
    mid = {s.wall: s.ed.value for s in found.segments if s.level == "mid"}
    assert mid["inferior"] > mid["anterior"] + 3
    unknown = heart(cine(frame, small, view=None))
    assert {s.wall for s in unknown.segments} == {"left", "right"}


@pytest.mark.parametrize(("a", "b", "d"), [(76, 22, 0), (56, 24, 20)])
def test_the_mass_between_two_ellipsoids_is_the_analytic_one(a, b, d):
    shell = truncated_ml(a + WALL, b + WALL, d) - truncated_ml(a, b, d)
    frame = drawn(ellipsoid(a, b, d), ellipsoid(a + WALL, b + WALL, d))
    found = heart(cine(frame, half(50, 14)))
    assert found["mass_ellipsoid_g"] == pytest.approx(1.05 * shell, rel=0.015)


def test_the_mass_by_area_and_length_is_that_of_the_formula_for_a_bullet():
    length, b, t = 80, 20, 10
    frame = drawn(bullet(length, b, 45), bullet(length + t, b + t, 45))
    found = heart(cine(frame, half(50, 14)))
    inner, outer = math.pi * b**2, math.pi * (b + t) ** 2
    expected = 1.05 * 5 / 6 * (outer * (length + t) - inner * length) / 1000
    assert found["mass_area_length_g"] == pytest.approx(expected, rel=0.01)


def test_the_atrium_is_measured_at_ventricular_end_systole():
    frames = [
        drawn(ellipsoid(*lv), ellipsoid(lv[0] + WALL, lv[1] + WALL), cylinder(depth, 18))
        for lv, depth in ((ED, 24), (ES, 32))
    ]
    found = heart(cine(*frames))
    assert found["la_volume_ml"] == pytest.approx(math.pi * 18**2 * 32 / 1000, rel=0.01)
    assert found["la_volume_ed_ml"] == pytest.approx(math.pi * 18**2 * 24 / 1000, rel=0.01)
    assert found["la_length_mm"] == pytest.approx(32, abs=0.4)
    assert found["la_area_mm2"] == pytest.approx(36 * 32, rel=0.01)
    assert found["la_emptying_percent"] == pytest.approx(25, abs=0.6)
    # of a cylinder: 8 / (3 pi) (36 * 32)^2 / 32
    by_area = 8 / (3 * math.pi) * 36**2 * 32 / 1000
    assert found["la_volume_area_length_ml"] == pytest.approx(by_area, rel=0.015)
    assert found.indices["la_volume_ml"].note == ""


def test_a_biplane_atrium_takes_the_shorter_length_for_the_area_length_method():
    walls = (ellipsoid(*ES), ellipsoid(ES[0] + WALL, ES[1] + WALL))
    four = cine(half(*ED), drawn(*walls, cylinder(30, 20)))
    two = cine(half(*ED), drawn(*walls, cylinder(25, 15)), view="A2C")
    found = heart(four, two)
    assert found["la_length_mm"] == pytest.approx(25, abs=0.4)
    expected = 8 / (3 * math.pi) * (40 * 30) * (30 * 25) / 25 / 1000
    assert found["la_volume_area_length_ml"] == pytest.approx(expected, rel=0.015)


def test_an_atrium_at_the_border_of_the_image_is_said_to_be_cut_off():
    frames = [half(*ED, size_mm=130), half(*ES, size_mm=130)]
    cut = [frame[: round((0.72 * 130 + 20) / FINE[0])] for frame in frames]
    found = heart(cine(*cut))
    assert "cuts the atrium off" in found.indices["la_volume_ml"].note
    assert found["la_length_mm"] == pytest.approx(20, abs=0.5)


def test_volumes_of_phantoms_are_their_own():
    for phantom, _, _ in phantom_cohort(2, 8, n_frames=12, cycle="full", spacing_mm=(0.6, 0.6)):
        found = heart(phantom.sequence)
        assert found["edv_ml"] == pytest.approx(phantom.lv_volume_ml[0], rel=0.05)
        assert found["ef_percent"] == pytest.approx(100 * phantom.ef, abs=3)


def test_body_surface_indexes_volumes_and_mass():
    subject = Subject("female", 2.0)
    found = heart(cine(half(*ED), half(*ES)), subject=subject)
    for indexed, of in (
        ("edv_index_ml_m2", "edv_ml"),
        ("stroke_index_ml_m2", "stroke_volume_ml"),
        ("mass_ellipsoid_index_g_m2", "mass_ellipsoid_g"),
        ("la_volume_index_ml_m2", "la_volume_ml"),
    ):
        assert found[indexed] == pytest.approx(found[of] / 2)
    without = heart(cine(half(*ED), half(*ES))).indices["edv_index_ml_m2"]
    assert math.isnan(without.value)
    assert without.reason == "the body surface area is unknown"


def test_without_a_spacing_only_ratios_are_given_and_views_are_not_put_together():
    frames = [half(*ED), half(*ES)]
    known = heart(cine(*frames))
    four, two = cine(*frames, spacing=None), cine(*frames, spacing=None, view="A2C")
    found = heart(four, two)
    for name, index in found.indices.items():
        if name not in RATIOS:
            assert math.isnan(index.value), name
            assert index.reason in (NO_SPACING, "the body surface area is unknown") or index.reason
    for name in ("ef_percent", "fac_percent", "gls_percent", "sphericity_ed", "sphericity_es"):
        assert found[name] == pytest.approx(known[name], rel=1e-3)
        assert "taken for square" in found.indices[name].note
    assert found.indices["ef_percent"].method == "A4C"
    assert found.biplane_ml is None
    assert {s.ed.reason for s in found.segments} == {NO_SPACING}


def test_what_cannot_be_measured_is_nan_with_a_reason():
    broken = half(*ES)
    broken[broken == Label.MYO] = 0
    found = heart(cine(half(*ED), broken))
    assert math.isnan(found["ef_percent"])
    assert "frame 1: no LV pixel" in found.indices["ef_percent"].reason
    assert found["edv_ml"] > 0
    nothing = heart(cine(np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)))
    for index in nothing.indices.values():
        assert math.isnan(index.value)
        assert index.reason


def test_structures_that_are_not_annotated_have_no_index():
    alone = [np.where(f == Label.LV, f, 0).astype(np.uint8) for f in (half(*ED), half(*ES))]
    found = heart(EchoSequence(np.stack(alone, axis=2), FINE, LV_ONLY.structures))
    assert found["edv_ml"] == pytest.approx(truncated_ml(*ED), rel=0.02)
    for name in ("mass_ellipsoid_g", "wall_ed_mm", "la_volume_ml", "la_area_mm2"):
        assert math.isnan(found[name])
        assert found.indices[name].reason


def test_files_of_one_view_are_one_beat():
    ed, es = (measure_cine(cine(half(*shape))) for shape in (ED, ES))
    apart, together = heart_of([joined([es, ed])]), heart(cine(half(*ED), half(*ES)))
    assert apart["ef_percent"] == pytest.approx(together["ef_percent"])
    assert apart.views[0].beats.cycles == ((1, 0),)


def test_a_cine_survives_json():
    measured = measure_cine(cine(half(*ED), half(*ES)))
    again = heart_of([cine_of(cine_record(measured), "A4C")])
    first = heart_of([measured])
    for name in INDICES:
        np.testing.assert_equal(again[name], first[name])


def test_views_are_each_given_once_and_a_known_one_is_preferred():
    with pytest.raises(ConfigError, match="at least one"):
        heart_of([])
    measured = measure_cine(cine(half(*ED), half(*ES)))
    with pytest.raises(ConfigError, match="each once"):
        heart_of([measured, measured])
    other = measure_cine(cine(half(*ES), half(*ED), view=None))
    assert [v.name for v in heart_of([other, measured]).views] == ["A4C"]


@pytest.fixture(scope="module")
def coarse() -> list[tuple[np.ndarray, str]]:
    """Two tilted views, cheap enough to be measured many times."""
    frames = [
        [half(a, b, spacing=(1.0, 0.8), tilt_deg=tilt) for a, b in shapes]
        for tilt, shapes in ((12, (ED, ES)), (-7, ((72.0, 20.0), (60.0, 14.0))))
    ]
    return [(np.stack(f, axis=2), v) for f, v in zip(frames, ("A4C", "A2C"), strict=True)]


@given(k=st.floats(0.2, 5))
@settings(max_examples=5, deadline=None)
def test_volumes_go_with_the_cube_of_the_spacing_lengths_with_it_and_ratios_not(coarse, k):
    powers = {"ml": 3, "g": 3, "mm": 1, "mm2": 2, "percent": 0, "ratio": 0}
    first, scaled = (
        heart(*(EchoSequence(f, (s, 0.8 * s), view=v) for f, v in coarse)) for s in (1.0, k)
    )
    for name, meaning in INDICES.items():
        if meaning.unit in powers and math.isfinite(first[name]):
            expected = first[name] * k ** powers[meaning.unit]
            # parts of pixels on the edge of two disks may go to either
            assert scaled[name] == pytest.approx(expected, rel=1e-3, abs=0.03), name


@given(swap=st.booleans(), mirror=st.booleans(), shift=st.integers(-3, 3))
@settings(max_examples=5, deadline=None)
def test_neither_order_of_views_nor_mirror_nor_place_changes_an_index(coarse, swap, mirror, shift):
    def turned(frames: np.ndarray) -> np.ndarray:
        moved = np.roll(frames, shift, axis=1)
        return moved[:, ::-1] if mirror else moved

    first = heart(*(EchoSequence(f, (1.0, 0.8), view=v) for f, v in coarse))
    views = coarse[::-1] if swap else coarse
    other = heart(*(EchoSequence(turned(f), (1.0, 0.8), view=v) for f, v in views))
    for name in INDICES:
        if math.isfinite(first[name]):
            # of two pixels that are as good, landmarks take the left one
            near = {"rel": 0.03, "abs": 0.4} if mirror else {"rel": 1e-3, "abs": 0.03}
            assert other[name] == pytest.approx(first[name], **near), name
    walls = [{(s.view, s.level, s.wall): s.ed.value for s in h.segments} for h in (first, other)]
    swapped = {"septal": "lateral", "lateral": "septal", "inferior": "anterior",
               "anterior": "inferior"}  # fmt: skip
    for (view, level, wall), thickness in walls[0].items():
        here = walls[1][view, level, swapped[wall] if mirror else wall]
        assert here == pytest.approx(thickness, abs=0.5)


@given(
    frames=arrays.arrays(np.uint8, st.tuples(*3 * [st.integers(1, 9)]), elements=st.integers(0, 3))
)
@settings(max_examples=25, deadline=None)
def test_no_label_map_is_too_broken_to_be_measured(frames):
    found = heart(EchoSequence(frames, (0.5, 0.7)))
    for index in found.indices.values():
        assert math.isfinite(index.value) or index.reason


def test_a_fall_from_nothing_is_unknown():
    assert math.isnan(fall_percent(0.0, 1.0))
    assert fall_percent(120, 48) == 60
