"""Volumes and masses of stacks of short-axis slices, against what is counted by hand and drawn."""

from __future__ import annotations

import dataclasses
import math

import nibabel as nib
import numpy as np
import pytest
from evaluation_cases import half_ellipse
from short_axis_cases import stack

from cardiovae.errors import CardiovaeError
from cardiovae.indices.heart import heart_of
from cardiovae.indices.measure import joined, measure_cine
from cardiovae.indices.reference import Range, Ranges, judge, reference
from cardiovae.indices.stack import measure_stack
from cardiovae.indices.subjects import Subject
from cardiovae.io import open_sequence, save_labels_as
from cardiovae.labels import ACDC, SHORT_AXIS, Label
from cardiovae.phantom.short_axis import draw_stack, draw_stack_parameters
from cardiovae.sequence import EchoSequence

LV, MYO, RV = "lv_disks_ml", "myo_disks_ml", "rv_disks_ml"


def box(lv: int = 8, rv: int = 10, *, myo: int = 4, slices: int = 3, **about) -> EchoSequence:
    """Rows of 5 pixels of 1.5 by 2 mm, that many of each structure, 8 mm apart: 0.12 ml a row."""
    labels = np.zeros((40, 5, slices), np.uint8)
    labels[:lv] = Label.LV
    labels[lv : lv + myo] = Label.MYO
    labels[lv + myo : lv + myo + rv] = Label.RV
    return EchoSequence(labels, **{"spacing_mm": (1.5, 2.0), "slice_mm": 8.0,
                                   "structures": SHORT_AXIS, "view": "SAX"} | about)  # fmt: skip


def of(*stacks: EchoSequence, subject: Subject | None = None):
    return heart_of([joined([measure_stack(s) for s in stacks])], subject)


def volumes(sequence: EchoSequence) -> list[float]:
    return [float(measure_stack(sequence).values[name][0]) for name in (LV, MYO, RV)]


def test_a_volume_is_area_times_distance_between_slices():
    assert volumes(box()) == pytest.approx([8 * 0.36, 4 * 0.36, 10 * 0.36])
    assert volumes(box(slice_mm=10.0)) == pytest.approx([8 * 0.45, 4 * 0.45, 10 * 0.45])


def test_a_single_stack_has_volumes_and_a_mass_and_no_ejection():
    heart = of(box())
    assert heart["lv_volume_ml"] == pytest.approx(2.88)
    assert heart["rv_volume_ml"] == pytest.approx(3.6)
    assert heart["mass_disks_g"] == pytest.approx(1.05 * 1.44)
    assert "not known to be ED" in heart.indices["mass_disks_g"].note
    for name in ("edv_ml", "ef_percent", "rv_esv_ml", "rv_ef_percent"):
        assert math.isnan(heart[name])
        assert "a single instant" in heart.indices[name].reason
    assert heart.indices["gls_percent"].reason == "no apical view"


def test_the_largest_lv_is_ed_and_the_smallest_es_in_any_order():
    stacks = [box(5, 6, myo=5), box(9, 7, myo=4), box(8, 10, myo=6)]
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        heart = of(*(stacks[k] for k in order), subject=Subject("female", 2.0))
        assert heart["edv_ml"] == pytest.approx(9 * 0.36)
        assert heart["esv_ml"] == pytest.approx(5 * 0.36)
        assert heart["stroke_volume_ml"] == pytest.approx(4 * 0.36)
        assert heart["ef_percent"] == pytest.approx(100 * 4 / 9)
        assert heart["edv_index_ml_m2"] == pytest.approx(4.5 * 0.36)
        assert heart["rv_edv_ml"] == pytest.approx(7 * 0.36)  # at the LV's ED
        assert heart["rv_ef_percent"] == pytest.approx(100 / 7)
        assert heart["rv_esv_index_ml_m2"] == pytest.approx(3 * 0.36)
        assert heart["mass_disks_g"] == pytest.approx(1.05 * 4 * 0.36)
        assert math.isnan(heart["lv_volume_ml"])


@pytest.mark.parametrize(
    ("about", "reason"),
    [({"spacing_mm": None}, "the pixel spacing is unknown"),
     ({"slice_mm": None}, "the distance between slices is unknown")],
)  # fmt: skip
def test_an_unknown_distance_is_never_guessed(about, reason):
    single, both = of(box(**about)), of(box(9), box(5, **about))
    for heart in (single, both):
        for name in ("edv_ml", "ef_percent", "rv_ef_percent"):
            assert math.isnan(heart[name])
            assert reason in heart.indices[name].reason
    assert single.indices["lv_volume_ml"].reason == reason
    assert math.isnan(single["mass_disks_g"])


def test_what_is_in_no_slice_or_not_annotated_is_no_zero():
    empty = of(box(rv=0))
    assert empty.indices["rv_volume_ml"].reason == "no RV pixel in any slice"
    assert empty["lv_volume_ml"] == pytest.approx(2.88)
    bare = of(box(rv=0, myo=0, structures=(Label.LV,)))
    assert bare.indices["rv_volume_ml"].reason == "RV is not annotated"
    assert bare.indices["mass_disks_g"].reason == "MYO is not annotated"


def test_stacks_that_do_not_differ_have_no_ejection():
    heart = of(box(), box())
    assert heart.indices["ef_percent"].reason == "no two stacks with different LV volumes"


def test_beside_an_apical_view_a_stack_is_left_out():
    frames = [half_ellipse(*heart, (1.0, 1.0)) for heart in ((80, 22), (66, 16))]
    apical = measure_cine(EchoSequence(np.stack(frames, axis=2), (1.0, 1.0), view="A4C"))
    alone, beside = heart_of([apical]), heart_of([measure_stack(box()), apical])
    assert not beside.is_stack
    assert beside["edv_ml"] == alone["edv_ml"] > 0
    assert beside.indices["rv_edv_ml"].reason == "no stack of short-axis slices"


def test_ranges_of_one_method_do_not_judge_the_other():
    heart = of(box(9), box(5), subject=Subject("male", 2.0))
    found = judge("edv_ml", heart.indices["edv_ml"], heart.subject, reference())
    assert (found.flag, found.low, found.reason) == (
        "unknown", None, "the ranges are for apical views"
    )  # fmt: skip
    limits = (Range("edv_ml", "any", 1, 3, "made up", "page"),)
    own = Ranges("own", "", {"made up": "by this test"}, limits, short_axis=True)
    assert judge("edv_ml", heart.indices["edv_ml"], heart.subject, own).flag == "normal"
    echo = dataclasses.replace(heart.indices["edv_ml"], method="A4C")
    assert "short-axis stacks" in judge("edv_ml", echo, heart.subject, own).reason


# Drawn hearts, whose volumes are integrals


def errors_percent(seed: int, phase: str, slice_mm: float | None) -> np.ndarray:
    parameters = draw_stack_parameters(np.random.default_rng((11, seed)), phase=phase)
    drawn = draw_stack(parameters, slice_mm=slice_mm)
    true = np.array([drawn.lv_volume_ml, drawn.myo_volume_ml, drawn.rv_volume_ml])
    return 100 * (np.array(volumes(drawn.sequence)) / true - 1)


@pytest.mark.parametrize("phase", ["ED", "ES"])
@pytest.mark.parametrize("seed", range(3))
def test_thin_slices_have_the_volumes_of_the_drawn_heart_within_a_percent(seed, phase):
    assert np.abs(errors_percent(seed, phase, 1.0)).max() < 1


def test_slices_of_8_and_10_mm_cost_a_few_percent_and_more_where_the_base_falls_between():
    whole = np.abs([errors_percent(s, "ED", mm) for s in range(6) for mm in (8.0, 10.0)])
    assert (whole.max(0) < (2, 2, 4)).all()
    scanned = np.abs([errors_percent(s, p, None) for s in range(6) for p in ("ED", "ES")])
    assert (scanned.max(0) < (8, 8, 10)).all()


# The distance between slices


def test_a_stack_keeps_the_distance_between_its_slices():
    sequence = box()
    assert sequence.with_labels(sequence.labels).slice_mm == 8.0
    assert stack().slice_mm is None


@pytest.mark.parametrize("slice_mm", [0.0, -8.0, math.nan, math.inf])
def test_a_distance_that_cannot_be_is_refused(slice_mm):
    with pytest.raises(CardiovaeError, match="slice_mm is a positive length"):
        box(slice_mm=slice_mm)


def test_an_apical_view_has_no_slices():
    with pytest.raises(CardiovaeError, match="slice_mm is for a stack"):
        EchoSequence(np.zeros((2, 2, 2), np.uint8), (1.0, 1.0), view="A4C", slice_mm=8.0)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha"])
@pytest.mark.parametrize("slice_mm", [8.0, 9.65, None])
def test_files_hold_the_distance_between_slices(tmp_path, name, slice_mm):
    save_labels_as(tmp_path / name, box(slice_mm=slice_mm), ACDC)
    sequence, _ = open_sequence(tmp_path / name, labels="acdc")
    assert (sequence.spacing_mm, sequence.slice_mm) == ((1.5, 2.0), slice_mm)


@pytest.mark.parametrize(
    ("zooms", "unit", "expected"),
    [
        ((1.5, 1.5, 10.0), "mm", 10.0),
        ((0.0015, 0.0015, 0.01), "meter", 10.0),
        ((1500.0, 1500.0, 8000.0), "micron", 8.0),
        ((1.5, 1.5, 10.0), "unknown", 10.0),  # as the plane's, which can be mm
        ((1.0, 1.0, 10.0), "unknown", None),  # the default: nothing is known of any axis
        ((1.5, 1.5, 1.0), "mm", None),  # what writers put unasked
        ((1.0, 1.0, 8.0), "mm", 8.0),
    ],
)
def test_the_distance_is_read_in_the_unit_of_the_header(tmp_path, zooms, unit, expected):
    image = nib.Nifti1Image(ACDC.to_values(box().labels).transpose(1, 0, 2), np.eye(4))
    image.header.set_zooms(zooms)
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "a.nii")
    found = open_sequence(tmp_path / "a.nii", labels="acdc")[0].slice_mm
    assert found == (expected if expected is None else pytest.approx(expected))
    told = open_sequence(tmp_path / "a.nii", labels="acdc", slice_mm=6.0)[0]
    assert told.slice_mm == 6.0


def test_the_third_axis_of_a_loop_is_no_distance(tmp_path):
    labels = np.zeros((6, 5, 3), np.uint8)
    image = nib.Nifti1Image(labels.transpose(1, 0, 2), np.diag([0.5, 0.5, 1.54, 1.0]))
    image.header.set_xyzt_units("mm")
    image.to_filename(tmp_path / "patient1_4CH.nii")
    assert open_sequence(tmp_path / "patient1_4CH.nii")[0].slice_mm is None
