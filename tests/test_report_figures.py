"""Figures and pictures of the report, as pure functions."""

from __future__ import annotations

import io
import math
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageColor
from report_cases import beating_heart, with_defects

from cardiovae.errors import CardiovaeError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.report import before_after_picture
from cardiovae.report.axes import nice_range
from cardiovae.report.figures import Curve, line_chart, percentile_chart, verdict_strip
from cardiovae.report.palette import ACTION_TINTS, STRUCTURE_COLORS
from cardiovae.report.pictures import Viewport, heat_png, label_png, outline_path, viewport

SVG = "{http://www.w3.org/2000/svg}"
WHOLE = Viewport((slice(0, 2), slice(0, 3)), (2, 3))


def pixels(png: bytes, mode: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert(mode))


def filled(path: str, shape: tuple[int, int]) -> np.ndarray:
    """Mask that a path of horizontal and vertical segments encloses, by the even-odd rule."""
    walls = np.zeros((shape[0], shape[1] + 1), int)
    for part in path.split("M")[1:]:
        if "v" in part:
            start, _, length = part.partition("v")
            x, y = map(int, start.split())
            walls[y : y + int(length), x] += 1
    return (np.cumsum(walls, 1)[:, :-1] % 2).astype(bool)


masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))


@settings(deadline=None)
@given(masks)
def test_an_outline_encloses_exactly_its_mask(mask):
    assert (filled(outline_path(mask), mask.shape) == mask).all()
    # Read sideways, the horizontal segments do so too.
    turned = outline_path(mask.T)
    assert np.array_equal(filled(turned, mask.T.shape), mask.T)


@settings(deadline=None)
@given(masks)
def test_an_outline_is_as_long_as_there_are_pixel_edges_between_inside_and_outside(mask):
    wide = np.pad(mask, 1)
    edges = sum(
        wide[r, c] != wide[r + dr, c + dc]
        for r in range(wide.shape[0] - 1)
        for c in range(wide.shape[1] - 1)
        for dr, dc in ((0, 1), (1, 0))
    )
    parts = outline_path(mask).replace("v", "h").split("h")[1:]
    assert sum(int(part.partition("M")[0]) for part in parts) == edges


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=30), st.integers(min_value=2, max_value=6)
)
@example([2.00001, -0.001953125], 2)
def test_a_nice_range_holds_every_value_between_few_even_ticks(values, n_ticks):
    low, high, ticks = nice_range(values, n_ticks=n_ticks)
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    assert low - slack <= min(values)
    assert max(values) <= high + slack
    assert 2 <= len(ticks) <= n_ticks + 2
    steps = np.diff(ticks)
    assert low < high
    assert np.allclose(steps, steps[0], rtol=1e-5)


def chart(before, after, **options):
    return ElementTree.fromstring(
        line_chart([Curve("LV", "#0077bb", before, after)], title="Area", unit="mm²", **options)
    )


def test_a_missing_value_is_a_gap_in_the_curve():
    svg = chart([1.0, None, 3.0, 4.0], [1.0, 2.0, math.nan, 4.0])
    lines = [line.get("points").count(",") for line in svg.findall(f"{SVG}polyline")]
    assert sorted(lines) == [2, 2]  # after 0-1, before 2-3; two values alone are dots
    assert len(svg.findall(f"{SVG}circle")) == 2


def test_a_curve_without_any_value_says_so():
    svg = chart([None, None], [math.nan, None])
    assert "not measurable in any frame" in "".join(svg.itertext())
    assert not svg.findall(f"{SVG}polyline")


def test_higher_values_are_drawn_higher_and_later_frames_farther_right():
    svg = chart([5.0, 5.0, 5.0], [1.0, 9.0, 4.0])
    after = next(p for p in svg.findall(f"{SVG}polyline") if not p.get("stroke-dasharray"))
    points = [tuple(map(float, p.split(","))) for p in after.get("points").split()]
    assert points[0][0] < points[1][0] < points[2][0]
    assert points[1][1] < points[2][1] < points[0][1]


def test_before_is_dashed_and_after_is_solid():
    svg = chart([1.0, 2.0], [3.0, 4.0])
    assert sorted(bool(p.get("stroke-dasharray")) for p in svg.findall(f"{SVG}polyline")) == [
        False,
        True,
    ]


def test_changed_frames_are_tinted_and_marks_are_named():
    actions = ["kept", "repaired", "smoothed"]
    svg = chart([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], actions=actions, marks={"ED": 0, "ES": 2})
    fills = [r.get("fill") for r in svg.findall(f"{SVG}rect") if r.get("class") != "hit"]
    assert fills == [ACTION_TINTS["repaired"], ACTION_TINTS["smoothed"]]
    assert {"ED", "ES"} <= {text.text for text in svg.findall(f"{SVG}text")}


def test_every_frame_can_be_pointed_at_and_tells_its_values_and_reasons():
    curve = Curve("LV", "#0077bb", [None, 2.0], [1.5, 2.0], {0: "no LV pixel"})
    svg = ElementTree.fromstring(line_chart([curve], title="Area", unit="mm²"))
    titles = [hit.find(f"{SVG}title").text for hit in svg.findall(f"{SVG}rect[@class='hit']")]
    assert titles == [
        "frame 0\nLV: not measurable before, 1.5 after (no LV pixel)",
        "frame 1\nLV: 2 mm²",
    ]


@pytest.mark.parametrize("n_frames", [1, 2, 40, 700])
def test_figures_of_any_length_are_well_formed_and_escape_words(n_frames):
    nasty = "<b>&\"'"
    values = [float(t % 7) for t in range(n_frames)]
    curves = [Curve(nasty, "#123456", values, values, {0: nasty})] * 2
    for figure in (
        line_chart(curves, title=nasty, unit=nasty, actions=[nasty] * n_frames, marks={nasty: 0}),
        percentile_chart(values, values, title=nasty),
        verdict_strip(["FAIL"] * n_frames, [None] * n_frames),
    ):
        ElementTree.fromstring(figure)


def test_a_strip_tells_verdicts_apart_by_shape_too():
    svg = ElementTree.fromstring(
        verdict_strip(["FAIL", "PASS", "NOT_MEASURABLE"], ["PASS", "PASS", None])
    )
    heights = [float(r.get("height")) for r in svg.findall(f"{SVG}rect")]
    assert len(heights) == 5
    assert len(set(heights)) == 3
    assert "Before: fails in 0. After: fails in no frame." in svg.find(f"{SVG}title").text


def test_a_viewport_shows_square_millimeters():
    labels = np.zeros((40, 60, 1), np.uint8)
    labels[10:30, 20:30] = Label.LV
    view = viewport((labels,), (0.5, 1.0))
    assert view.box == (slice(6, 34), slice(16, 34))
    assert view.size == (28, 36)  # 14 mm by 18 mm at 0.5 mm
    assert viewport((labels,), (0.5, 1.0), max_side=18).size == (14, 18)


def test_many_frames_share_the_room_of_a_page():
    few, many = (np.ones((200, 200, n), np.uint8) for n in (4, 400))
    assert viewport((few,), None).size == (200, 200)
    assert viewport((many,), None).size[0] < 120


def test_an_empty_sequence_shows_the_whole_frame():
    view = viewport((np.zeros((4, 6, 2), np.uint8),), None)
    assert view.box == (slice(0, 4), slice(0, 6))


def test_a_picture_holds_the_labels_in_their_colors():
    labels = np.array([[0, 1, 2], [3, 3, 0]], np.uint8)
    shown = pixels(label_png(labels, WHOLE), "RGB")
    assert tuple(shown[0, 1]) == ImageColor.getrgb(STRUCTURE_COLORS[Label.LV])
    assert tuple(shown[0, 2]) == ImageColor.getrgb(STRUCTURE_COLORS[Label.MYO])
    assert tuple(shown[1, 0]) == ImageColor.getrgb(STRUCTURE_COLORS[Label.LA])
    assert tuple(shown[0, 0]) == tuple(shown[1, 2])


def test_uncertainty_is_opaque_where_it_is_high_and_clear_where_there_is_none():
    values = np.array([[0.0, 1.0, np.nan], [0.5, 2.0, -1.0]], np.float32)
    alpha = pixels(heat_png(values, WHOLE), "RGBA")[:, :, 3]
    assert alpha[0].tolist() == [0, 255, 0]
    assert 100 < alpha[1, 0] < 155
    assert alpha[1, 1:].tolist() == [255, 0]


@pytest.mark.parametrize("n_pairs", [1, 3])
def test_the_picture_before_and_after_shows_every_structure(n_pairs):
    after = beating_heart(n_pairs)
    before = with_defects(after, range(n_pairs))
    shown = pixels(before_after_picture(before, after, (1.0, 0.8)), "RGB")
    for color in (STRUCTURE_COLORS[s] for s in STRUCTURES):
        assert (shown == ImageColor.getrgb(color)).all(2).any()
    assert (shown[0] == 255).all()


def test_pairs_can_have_titles_and_a_single_frame_needs_no_third_axis():
    heart = beating_heart(1)
    plain = before_after_picture(heart[:, :, 0], heart[:, :, 0], None)
    titled = before_after_picture(heart, heart, None, titles=["Nothing"])
    assert pixels(plain, "RGB").shape[0] < pixels(titled, "RGB").shape[0]


def test_pairs_that_do_not_fit_are_refused():
    heart = beating_heart(2)
    with pytest.raises(CardiovaeError, match="of one shape"):
        before_after_picture(heart, heart[:, :, 0], None)
    with pytest.raises(CardiovaeError, match="got 1 for 2 frames"):
        before_after_picture(heart, heart, None, titles=["one"])
