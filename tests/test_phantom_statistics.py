"""The drawn hearts have the statistics of CAMUS that METHODS 7.3 lists."""

from __future__ import annotations

import numpy as np
import pytest

from cardiovae.attributes import measure_attributes
from cardiovae.labels import Label
from cardiovae.phantom.cohort import phantom_cohort

N = 100
# A4C, ground truth of CAMUS (490 ED, 494 ES): mean and SD at ED, mean and SD at ES; cm2 and mm.
A4C = {
    "lv_area": (29.7, 7.2, 19.5, 6.6),
    "myo_area": (23.8, 4.5, 23.0, 4.7),
    "la_area": (13.1, 6.8, 17.3, 7.1),
    "lv_length": (76.8, 8.6, 65.7, 8.9),
    "lv_base_width": (31.8, 6.0, 28.6, 5.8),
    "epi_center_y": (67.3, 8.7, 63.5, 8.5),
    "epi_offset": (5.8, 5.6, 4.6, 5.9),
    "volume": (94.8, 38.4, 49.2, 29.3),
}


@pytest.fixture(scope="module")
def cohort():
    """Per view: measured quantities (name: array (N, 2), ED and ES), and the phantoms' truth."""
    rows = {"A2C": [], "A4C": []}
    for phantom, view, _ in phantom_cohort(N, 2, n_frames=2, spacing_mm=(1.0, 1.0)):
        frames = []
        for t in (0, 1):
            labels = phantom.sequence.frame(t)
            found = measure_attributes(labels, (1.0, 1.0))
            values = {name: found[name] for name in A4C if name in found.values}
            for name in ("lv_area", "myo_area", "la_area"):
                values[name] /= 100
            values["epi_offset"] = found["epi_center_x"] - (labels.shape[1] - 1) / 2
            values["volume"] = phantom.lv_volume_ml[t]
            values["la_cut"] = float((labels[-2:] == Label.LA).any())
            frames.append(values)
        rows[view].append({name: [f[name] for f in frames] for name in frames[0]})
    return {
        view: {name: np.array([r[name] for r in found]) for name in found[0]}
        for view, found in rows.items()
    }


@pytest.mark.parametrize("instant", [0, 1])
@pytest.mark.parametrize("name", sorted(A4C))
def test_means_and_spreads_of_a4c_are_those_of_camus(cohort, name, instant):
    values = cohort["A4C"][name][:, instant]
    mean, sd = A4C[name][2 * instant : 2 * instant + 2]
    # The cohort's own error of the mean is SD / sqrt(N) = 0.1 SD.
    assert np.nanmean(values) == pytest.approx(mean, abs=0.35 * sd)
    assert 0.75 <= np.nanstd(values) / sd <= 1.25


def test_contraction_of_a4c_is_that_of_camus(cohort):
    found = cohort["A4C"]
    ef = 1 - found["volume"][:, 1] / found["volume"][:, 0]
    fac = 1 - found["lv_area"][:, 1] / found["lv_area"][:, 0]
    shortening = 1 - found["lv_length"][:, 1] / found["lv_length"][:, 0]
    myo = found["myo_area"][:, 1] / found["myo_area"][:, 0]
    for values, mean, sd in (
        (ef, 0.501, 0.130),
        (fac, 0.354, 0.100),
        (shortening, 0.146, 0.051),
        (myo, 0.967, 0.076),
    ):
        assert np.nanmean(values) == pytest.approx(mean, abs=0.35 * sd)
        assert 0.7 <= np.nanstd(values) / sd <= 1.5


@pytest.mark.parametrize("view", ["A2C", "A4C"])
def test_the_image_cuts_the_atrium_in_about_two_of_five(cohort, view):
    assert 0.28 <= cohort[view]["la_cut"].mean() <= 0.52


def test_walls_are_thicker_in_a2c_than_in_a4c(cohort):
    # CAMUS: 30.2 against 23.6 cm2 at ED.
    ratio = np.mean(cohort["A2C"]["myo_area"]) / np.mean(cohort["A4C"]["myo_area"])
    assert ratio == pytest.approx(30.2 / 23.6, abs=0.1)


def test_long_hearts_have_wide_annuli_and_large_cavities(cohort):
    ed = {name: values[:, 0] for name, values in cohort["A4C"].items()}
    assert 0.15 <= np.corrcoef(ed["lv_length"], ed["lv_base_width"])[0, 1] <= 0.6
    assert np.corrcoef(ed["lv_length"], ed["lv_area"])[0, 1] >= 0.6
