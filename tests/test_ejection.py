from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation_cases import half_ellipse, half_ellipsoid_ml

from cardiovae.errors import CardiovaeError
from cardiovae.indices.ejection import ed_es, ejection, lv_disks, lv_volume_ml
from cardiovae.labels import LV_ONLY, Label
from cardiovae.phantom.cohort import phantom_cohort

SPACINGS = [(0.5, 0.5), (0.308, 0.154), (0.2, 0.6), (0.7, 0.3)]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("length", "radius"), [(80, 22), (62, 15)])
def test_the_volume_of_half_an_ellipsoid_is_the_analytic_one(spacing, length, radius):
    drawn = half_ellipse(length, radius, spacing)
    expected = half_ellipsoid_ml(length, radius)
    assert lv_volume_ml(drawn, spacing) == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("tilt", [-20, 10, 25])
def test_a_tilted_heart_has_the_volume_of_the_upright_one(tilt):
    drawn = half_ellipse(80, 22, (0.4, 0.4), tilt_deg=tilt)
    assert lv_volume_ml(drawn, (0.4, 0.4)) == pytest.approx(half_ellipsoid_ml(80, 22), rel=0.015)


def test_two_views_give_the_volume_of_an_ellipsoid_with_two_radii():
    four, two = half_ellipse(80, 24, (0.5, 0.5)), half_ellipse(80, 18, (0.25, 0.6))
    found = lv_volume_ml(four, (0.5, 0.5), two, (0.25, 0.6))
    assert found == pytest.approx(half_ellipsoid_ml(80, 24, 18), rel=0.015)


def test_the_longer_view_gives_the_length():
    long, short = (half_ellipse(a, 20, (0.5, 0.5)) for a in (84, 70))
    found = lv_volume_ml(long, (0.5, 0.5), short)
    assert found == pytest.approx(half_ellipsoid_ml(84, 20), rel=0.015)
    assert found == pytest.approx(lv_volume_ml(short, (0.5, 0.5), long))


def test_the_disks_hold_the_area_of_the_ventricle():
    disks = lv_disks(half_ellipse(80, 22, (0.5, 0.3)), (0.5, 0.3))
    held = disks.widths_mm.sum() * disks.length_mm / 20
    assert held == pytest.approx(disks.area_mm2, rel=0.005)
    assert disks.length_mm == pytest.approx(80, abs=0.6)


def test_a_ventricle_without_annotated_wall_is_measured_by_its_corners():
    drawn = half_ellipse(80, 22, (0.5, 0.5))
    alone = np.where(drawn == Label.LV, drawn, 0).astype(np.uint8)
    found = lv_volume_ml(alone, (0.5, 0.5), structures=LV_ONLY.structures)
    assert found == pytest.approx(half_ellipsoid_ml(80, 22), rel=0.02)


def cine(*hearts: tuple[float, float]) -> np.ndarray:
    return np.stack([half_ellipse(*heart, (0.5, 0.5)) for heart in hearts], axis=2)


def test_the_ejection_fraction_is_that_of_the_two_ellipsoids():
    found = ejection(cine((75, 20), (80, 22), (66, 16)), (0.5, 0.5))
    expected = 100 * (1 - half_ellipsoid_ml(66, 16) / half_ellipsoid_ml(80, 22))
    assert found.ef_percent == pytest.approx(expected, abs=1)
    assert found.ed_ml > found.es_ml
    assert (found.method, found.reason) == ("single-plane", "")


def test_a_pair_of_cines_gives_a_biplane_fraction_at_the_instants_of_each():
    four, two = cine((80, 22), (66, 16)), cine((70, 18), (80, 20), (66, 15))
    found = ejection(four, (0.5, 0.5), two, (0.5, 0.5))
    expected = 100 * (1 - half_ellipsoid_ml(66, 16, 15) / half_ellipsoid_ml(80, 22, 20))
    assert found.method == "biplane"
    assert found.ef_percent == pytest.approx(expected, abs=1)


def test_given_instants_are_used():
    found = ejection(cine((75, 20), (80, 22), (66, 16)), (0.5, 0.5), instants_4ch=(0, 2))
    assert found.ed_ml == pytest.approx(half_ellipsoid_ml(75, 20), rel=0.015)
    with pytest.raises(CardiovaeError, match=r"0 to 2; got \(0, 3\)"):
        ejection(cine((75, 20), (80, 22), (66, 16)), (0.5, 0.5), instants_4ch=(0, 3))


def test_what_cannot_be_measured_is_nan_with_a_reason():
    still = ejection(cine((80, 22), (80, 22)), (0.5, 0.5))
    assert math.isnan(still.ef_percent)
    assert "different LV areas" in still.reason
    without_wall = cine((80, 22), (66, 16))
    without_wall[without_wall == Label.MYO] = 0
    found = ejection(without_wall, (0.5, 0.5))
    assert math.isnan(found.ef_percent)
    assert found.reason.startswith("ED: no LV pixel")
    assert math.isnan(lv_volume_ml(np.zeros((8, 8), np.uint8), (1.0, 1.0)))


def test_ed_and_es_are_the_largest_and_the_smallest_area_above_zero():
    assert ed_es(np.array([0, 5, 9, 2, 9])) == (2, 3)
    assert ed_es(np.array([0, 5, 5])) is None
    assert ed_es(np.array([])) is None


def test_the_fraction_of_a_phantom_is_its_own():
    for phantom, _, _ in phantom_cohort(4, 21, n_frames=6):
        sequence = phantom.sequence
        found = ejection(sequence.labels, sequence.spacing_mm)
        assert found.ef_percent == pytest.approx(100 * phantom.ef, abs=3)
