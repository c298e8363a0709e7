"""Pictures, marks and pages of stacks of short-axis slices."""

import io

import numpy as np
import pytest
from audit_cases import drawn
from PIL import Image, ImageColor
from report_cases import correction_record
from short_axis_cases import SPACING, healthy, stack

from cardiovae.labels import SHORT_AXIS, Label
from cardiovae.report import before_after_picture
from cardiovae.report.curves import figures
from cardiovae.report.html import report_page
from cardiovae.report.marks import marked
from cardiovae.report.palette import BACKDROP, STRUCTURE_COLORS
from cardiovae.report.pictures import label_png, viewport
from cardiovae.report.wording import readable

VIOLET = ImageColor.getrgb(STRUCTURE_COLORS[Label.RV])


def broken():
    labels = stack().labels.copy()
    labels[:, :, 2][labels[:, :, 2] == Label.RV] = 0
    return labels


@pytest.fixture(scope="module")
def record():
    return correction_record(
        broken(),
        stack().labels,
        spacing_mm=SPACING,
        structures=SHORT_AXIS,
        sets=(("acdc", None),),
        view="SAX",
    )


def test_every_structure_of_a_slice_has_its_color_in_a_picture():
    labels = healthy()
    view = viewport([labels[:, :, None]], SPACING)
    with Image.open(io.BytesIO(label_png(labels, view))) as picture:
        shown = {color[:3] for _, color in picture.convert("RGB").getcolors()}
    names = [BACKDROP, *(STRUCTURE_COLORS[s] for s in SHORT_AXIS)]
    assert shown == {ImageColor.getrgb(name) for name in names}


def test_a_picture_before_and_after_names_the_right_ventricle():
    content = before_after_picture(broken()[:, :, 2], stack().labels[:, :, 2], SPACING)
    with Image.open(io.BytesIO(content)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    violet = (pixels == VIOLET).all(2)
    n_rows = len(pixels)
    assert violet[: n_rows * 3 // 4].any()
    assert violet[-40:].any(), "in the legend too"


def test_marks_lie_on_what_the_criteria_of_slices_are_about():
    ring = drawn("2222\n21.2\n2222")
    assert np.argwhere(marked(ring, (), ["holes_in_myo"])).tolist() == [[1, 2]]
    dent = np.ones((9, 9), np.uint8)
    dent[:5, 2:7] = 0
    found = marked(dent, (), ["lv_concavity_mm"])
    np.testing.assert_array_equal(found, dent == 0)
    touching = drawn("2242\n2112\n2222")
    found = marked(touching, (), ["frontier_between_lv_and_rv"])
    assert np.argwhere(found).tolist() == [[1, 1], [1, 2]]
    bar = np.pad(np.ones((2, 40), np.uint8), 1)
    found = marked(bar, (bar, bar), ["lv_circularity"])
    np.testing.assert_array_equal(found, bar == 1, "its contour, for no pixel is to blame")


def test_the_mark_of_a_missing_structure_is_where_its_neighbors_have_it():
    before = broken()
    found = marked(before[:, :, 2], (before[:, :, 1], before[:, :, 3]), ["rv_missing"])
    there = (before[:, :, 1] == Label.RV) & (before[:, :, 3] == Label.RV)
    assert found.any()
    assert not (found & ~there).any()


def test_the_page_of_a_corrected_stack_speaks_of_slices_alone(record):
    page = report_page(record, broken(), stack().labels)
    assert STRUCTURE_COLORS[Label.RV] in page
    assert STRUCTURE_COLORS[Label.LA] not in page
    assert "RV missing" in page
    assert "LV length" not in page
    assert " at ED" not in page


def test_figures_of_a_stack_have_no_phases(record):
    found = figures(record)
    assert found.extremes == ()
    assert ">ED<" not in found.areas
    assert "LV" in found.areas


def test_names_of_criteria_read_well():
    assert readable("frontier_between_lv_and_rv") == "Frontier between LV and RV"
    assert readable("rv_disconnected_from_myo_mm") == "RV disconnected from MYO"
    assert readable("rv_area") == "RV area"
