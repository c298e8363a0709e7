"""Doubt in the report: the words and numbers a reader sees first, and what is missing."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from browser_cases import Report, chromium, needs_browser
from doubt_cases import CALIBRATION, doubt_record, doubted_frame, nothing_known
from PIL import ImageColor
from report_cases import beating_heart, correction_record, with_defects
from test_report import HOSTILE, Page
from test_report_figures import WHOLE, pixels

from cardiovae.errors import CardiovaeError
from cardiovae.report.doubt import doubt_view
from cardiovae.report.doubt_figures import bar_chart, doubt_bars, interval_bar
from cardiovae.report.doubt_reasons import standing_out
from cardiovae.report.doubt_words import SIGNAL_WORDS
from cardiovae.report.figures import Curve, line_chart
from cardiovae.report.frames import LAYERS
from cardiovae.report.html import report_page
from cardiovae.report.palette import HEAT, IMAGE_HEAT
from cardiovae.report.pictures import heat_png

SVG = "{http://www.w3.org/2000/svg}"
LOOKS = {3: 1, 4: 2}  # frame: place in the order


def seven_frames(**changes):
    """Doubt of seven frames, of which two are to be looked at; the third one stands out."""
    frames = [doubted_frame(t, look_rank=LOOKS.get(t, t + 3), look=t in LOOKS) for t in range(7)]
    frames[3] |= {"failure_probability": 0.291, "opinion": 0.31, "dice_expected": 0.87}
    frames[4] |= {"failure_probability": 0.97, "look_rank": 1}
    frames[3]["look_rank"] = 2
    return doubt_record(frames, **changes)


def of(doubt, n_frames=7, out=()):
    """The view of a record that is nothing but doubt."""
    frames = [{"out_of_distribution": t in out} for t in range(n_frames)]
    return doubt_view({"uncertainty": doubt, "frames": frames})


@pytest.fixture(scope="module")
def corrected():
    after = beating_heart(7)
    before = with_defects(after, LOOKS)
    return correction_record(before, after), before, after


@pytest.fixture(scope="module")
def maps(corrected):
    shape = np.zeros(corrected[1].shape, np.float32)
    image = shape.copy()
    shape[40:44] = 0.5
    image[60:64] = 1.0
    return shape, image


@pytest.fixture(scope="module")
def page(corrected, maps):
    record, before, after = corrected
    return report_page(record | {"uncertainty": seven_frames()}, before, after, *maps)


def test_every_signal_of_a_record_has_plain_words():
    pytest.importorskip("torch")
    from cardiovae.uncertainty.record import SIGNALS

    assert set(SIGNAL_WORDS) == set(SIGNALS)


def test_the_ejection_fraction_stands_with_an_interval_that_never_gets_narrower():
    tile = of(seven_frames()).tiles[0]
    assert (tile.title, tile.after) == ("ejection fraction", "54 % (47 to 61)")
    assert tile.note == (
        "9 of 10 patients like those of the calibration lie in the interval; "
        "ED 104 ml, ES 48 ml (single-plane)"
    )


def test_without_a_calibration_the_interval_is_called_a_spread_of_samples():
    view = of(seven_frames(calibration=None))
    assert view.tiles[0].note.startswith("not calibrated: spread of 48 samples")
    assert view.statements[0].startswith("Not calibrated: intervals are the spread of samples")


@pytest.mark.parametrize(
    ("ejection", "rest", "value", "note"),
    [
        ({"ef_percent": None}, {"reasons": {"ejection": "one"}}, "not measurable", "one"),
        ({"ef_percent": None}, {"n_samples": 0}, "not measurable", "--uncertainty posterior"),
        ({"ef_percent": 54.1, "low": None, "high": None}, {}, "54 %", "no interval"),
        ({"ef_percent": 3.0, "low": -4.0, "high": 9.2}, {}, "3 % (0 to 10)", "9 of 10"),
    ],
)  # fmt: skip
def test_an_ejection_fraction_without_all_its_numbers_says_why(ejection, rest, value, note):
    view = of(seven_frames(ejection=ejection, **rest))
    assert view.tiles[0].after == value
    assert note in view.tiles[0].note
    assert bool(view.ejection_bar) == ("(" in value)


def test_frames_to_look_at_come_in_the_order_of_the_record_with_chance_and_reason():
    view = of(seven_frames(), out=(4,))
    assert view.tiles[1].after == "2 of 7"
    assert view.tiles[1].note == "most doubtful in front: 4, 3"
    sure, other = view.first
    assert (sure.index, other.index) == (4, 3)
    assert sure.chance == "97 in 100 that the Dice is below 0.85"
    assert (other.chance, other.percent) == ("3 in 10 that the Dice is below 0.85", "29 %")
    assert sure.reasons == ("unlike the training shapes, or more than half of it changed",)
    assert other.reasons == ("a second look at the image labels it otherwise: 31 % (median 9 %)",)


def test_no_more_than_six_pictures_are_shown_and_the_rest_is_named():
    frames = [doubted_frame(t, look=True, look_rank=9 - t) for t in range(9)]
    view = of(doubt_record(frames), 9)
    assert [f.index for f in view.first] == [8, 7, 6, 5, 4, 3]
    assert view.first_note == "And 3 more frames, in the table below: 0-2."
    assert view.first[0].reasons == ("no single signal stands out",)


def test_no_frame_to_look_at_is_said_in_a_sentence():
    calm = [doubted_frame(t) for t in range(4)]
    assert of(doubt_record(calm), 4).tiles[1].after == "0 of 4"
    assert "No frame has to be looked at" in of(doubt_record(calm), 4).first_note
    unsure = of(doubt_record(calm, calibration=None), 4)
    assert unsure.tiles[1].after == "not known"
    assert unsure.first_note.endswith("signals alone: 0, 1, 2.")


def test_a_value_stands_out_by_its_modified_z_score():
    # Median 2.5, absolute deviations 1.5, 0.5, 0.5, 6.5 with the median 1: 0.6745 * 6.5.
    assert standing_out([1.0, 2.0, 3.0, None, 9.0], 1) == pytest.approx(
        [-1.01175, -0.33725, 0.33725, 0.0, 4.38425]
    )
    # More than half alike: mean deviation 1, times sqrt(pi / 2).
    assert standing_out([1.0] * 4 + [6.0], -1)[4] == pytest.approx(-5 / 1.253314)
    assert standing_out([2.0, 2.0], 1) == [0.0, 0.0]
    assert standing_out([None, float("nan")], 1) == [0.0, 0.0]


def test_what_the_numbers_rest_on_and_do_not_see_is_said():
    told = " ".join(of(seven_frames()).statements)
    assert "Calibrated on 120 patients of CAMUS, part test (calibration 'camus')" in told
    assert "9 of 10 patients like those" in told
    assert "does not see the image" in told
    alone = " ".join(of(seven_frames(method="posterior")).statements)
    assert "No image was looked at." in alone


def test_reasons_of_frames_are_drawn_together():
    reasons = {"posterior": "why", "frame 2": "no heart", "frame 3": "no heart", "frame 6": "x"}
    assert of(seven_frames(reasons=reasons)).remarks == (
        ("Doubt of the shape", "why"),
        ("Frames 2-3", "no heart"),
        ("Frame 6", "x"),
    )


def test_a_calibration_of_intervals_alone_judges_no_frame():
    view = of(doubt_record([doubted_frame(t) for t in range(3)], below=None), 3)
    assert view.tiles[1].after == "not known"
    assert view.cells[0]["look"].text == "\N{EN DASH}"
    spread = seven_frames()
    spread["ejection"] |= {"calibrated": False}
    assert of(spread).tiles[0].note.startswith("not calibrated: spread of 48 samples")


def test_a_frame_without_valid_samples_is_not_shown_as_free_of_doubt():
    doubt = seven_frames(calibration=None)
    for t, frame in enumerate(doubt["frames"]):
        frame |= {"valid_share": 0.0 if t in (3, 5) else 1.0}
    doubt["frames"][3] |= {"band_mm": None}
    view = of(doubt)
    words = "no sampled shape could be a heart: doubt of the shape not known"
    assert view.first[1].reasons[0] == words
    assert view.remarks == (("Frames 3, 5", words),)
    assert view.cells[3]["band"].tip == "fewer than two valid samples"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n_samples": 0}, "needs samples of the prior: --uncertainty posterior or both"),
        ({"reasons": {"band_mm": "spacing"}}, "spacing"),
        ({"reasons": {"posterior": "no heart"}}, "no heart"),
    ],
)
def test_a_missing_band_says_why(changes, why):
    doubt = seven_frames(**changes)
    doubt["frames"][0]["band_mm"] = None
    assert of(doubt).cells[0]["band"].tip == why


def test_the_page_shows_doubt_in_tiles_pictures_columns_and_curves(page):
    parsed = Page(page)
    assert parsed.open == []
    assert "54 % (47 to 61)" in parsed.text
    assert [int(f["data-frame"]) for f in parsed.find("figure", "first")] == [4, 3]
    assert "3 in 10 that the Dice is below 0.85 (29 %)" in parsed.text
    assert "Shaded: 90 % interval of the LV area after, calibrated." in parsed.text
    assert len(parsed.find("polygon", "band")) == 1
    (row,) = re.findall(r'<tr data-frame="3" class="\w+">(.*?)</tr>', page, re.S)
    cells = [re.sub(r"<.*?>", "", c) for c in re.findall(r"<td.*?</td>", row, re.S)[-4:]]
    assert cells == ["29 %", "0.87", "0.8", "yes (2)"]
    assert "at least 0.88 at the level 90 %" in row
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_both_layers_have_a_switch_a_scale_and_a_hue_of_their_own(page):
    parsed = Page(page)
    for name, layer in LAYERS.items():
        assert any(a.get("id") == f"{name}-doubt" for a in parsed.find("input"))
        assert layer.scale in parsed.text
        assert len(parsed.find("img", name)) == 1 + 2 + 7  # player, to look at first, all frames
    assert HEAT != IMAGE_HEAT


def test_a_layer_is_clear_below_its_floor_and_full_from_its_end_on():
    values = np.array([[0.2, 0.361, 0.5], [0.43, 1.0, np.nan]], np.float32)
    shown = pixels(heat_png(values, WHOLE, color=HEAT, ramp=(0.361, 0.5)), "RGBA")
    assert shown[0, :, 3].tolist() == [0, 0, 255]
    assert 100 < shown[1, 0, 3] < 155
    assert shown[1, 1:, 3].tolist() == [255, 0]
    assert tuple(shown[0, 2, :3]) == ImageColor.getrgb(HEAT)


def test_without_doubt_the_page_has_nothing_of_it(corrected):
    record, before, after = corrected
    plain = report_page(record, before, after)
    assert report_page(record | {"uncertainty": None}, before, after) == plain
    parsed = Page(plain)
    assert not parsed.find("section", "doubts")
    assert not parsed.find("img", "heat")
    assert "doubt" not in parsed.text
    assert "failure probability" not in parsed.text


@pytest.mark.parametrize("n_frames", [1, 7, 100])
def test_a_page_without_any_number_gives_reasons_in_their_place(n_frames):
    heart = beating_heart(n_frames)
    record = correction_record(heart, heart, status="unchanged", sets=(("camus", None),))
    record["uncertainty"] = nothing_known(n_frames)
    unknown = np.full(heart.shape, np.nan, np.float32)
    page = report_page(record, heart, heart, unknown, unknown)
    parsed = Page(page)
    assert not re.search(r"\b(None|nan|NaN|null|undefined)\b", parsed.text)
    titles = {a.get("title") for a in parsed.find("abbr")}
    assert {"not calibrated", "not in the record"} <= {str(t).partition(",")[0] for t in titles}
    assert "no LV in any frame" in parsed.text
    assert ("Frames 0-1: no heart") in parsed.text
    assert len(page) < 3e6


def test_hostile_words_of_doubt_stay_text(corrected, maps):
    record, before, after = corrected
    plain = Page(report_page(record | {"uncertainty": seven_frames()}, before, after, *maps))
    doubt = seven_frames(
        calibration=dict.fromkeys(CALIBRATION, HOSTILE) | {"n_patients": 3},
        method=HOSTILE,
        reasons={HOSTILE: HOSTILE, "band_mm": HOSTILE, "ejection": HOSTILE},
    )
    doubt["ejection"] |= {"method": HOSTILE}
    doubt["frames"][2]["band_mm"] = None
    hostile = Page(report_page(record | {"uncertainty": doubt}, before, after, *maps))
    assert [t for t, _ in hostile.tags].count("script") == 1
    assert len(hostile.find("img")) == len(plain.find("img"))
    assert not any(name.startswith("on") for _, a in hostile.tags for name in a)
    assert HOSTILE in hostile.text


def test_doubt_of_another_number_of_frames_is_refused(corrected):
    record, before, after = corrected
    doubt = doubt_record([doubted_frame(0)])
    with pytest.raises(CardiovaeError, match="doubts 1 frames, its shape says 7"):
        report_page(record | {"uncertainty": doubt}, before, after)


def test_a_single_frame_has_its_doubt_without_a_chart():
    heart = beating_heart(1)
    record = correction_record(heart, heart, status="unchanged")
    record["uncertainty"] = doubt_record([doubted_frame(0, look=True)])
    parsed = Page(report_page(record, heart, heart))
    assert not parsed.find("svg", "chart")
    assert "1 of 1" in parsed.text
    assert "2 in 100 that the Dice is below 0.85" in parsed.text


def test_bars_show_the_probability_else_the_signal_that_orders_the_frames():
    doubt = seven_frames()
    failed = "the Dice is below 0.85"
    assert "Probability that the Dice is below 0.85 (%)" in doubt_bars(doubt, failed)
    for frame in doubt["frames"]:
        frame["failure_probability"] = None
    assert "A second look at the image labels it otherwise (%)" in doubt_bars(doubt, failed)
    for frame in doubt["frames"]:
        frame["opinion"] = None
    assert "(mm)" in doubt_bars(doubt, failed)


def test_bars_stand_on_zero_in_proportion_and_carry_their_marks():
    svg = ElementTree.fromstring(
        bar_chart([0.0, 50.0, None, 100.0], {3: "<1>"}, title="P", top=100)
    )
    bars = [r for r in svg.findall(f"{SVG}rect") if r.get("class") != "hit"]
    heights = [float(r.get("height")) for r in bars]
    assert len(bars) == 3
    assert heights[2] == pytest.approx(2 * heights[1], rel=0.01)
    assert heights[0] <= 1
    assert [r.get("fill") for r in bars].count(HEAT) == 1
    assert "<1>" in [t.text for t in svg.findall(f"{SVG}text")]


def test_the_line_from_0_to_100_holds_the_interval_and_nothing_beyond():
    svg = ElementTree.fromstring(interval_bar(50.0, -20.0, 75.0))
    band, mark = svg.findall(f"{SVG}rect")
    left, right = 12.0, 288.0
    assert float(band.get("x")) == left
    assert float(band.get("x")) + float(band.get("width")) == pytest.approx(left + 0.75 * 276)
    assert float(mark.get("x")) + 1.5 == pytest.approx((left + right) / 2)
    assert interval_bar(50.0, None, 75.0) == ""


def test_a_band_follows_both_ends_and_breaks_at_gaps():
    curve = Curve("LV", "#0077bb", (), [5.0] * 5, {}, [4.0, 4.0, None, 4.0, None], [7.0] * 5)
    svg = ElementTree.fromstring(line_chart([curve], title="Area", unit="mm²"))
    bands = [p for p in svg.findall(f"{SVG}polygon") if p.get("class") == "band"]
    assert [len(p.get("points").split()) for p in bands] == [4, 4]
    heights = [{float(c.split(",")[1]) for c in p.get("points").split()} for p in bands]
    assert heights[0] == heights[1]
    assert len(heights[0]) == 2
    hits = [
        r.find(f"{SVG}title").text for r in svg.findall(f"{SVG}rect") if r.get("class") == "hit"
    ]
    assert "interval 4 to 7" in hits[0]
    assert "interval" not in hits[2]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium(tmp_path_factory)


@needs_browser
def test_a_reader_switches_the_layers_and_goes_to_a_doubtful_frame(browser, tmp_path, page):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    shown = Report(browser, path)
    assert shown.one("#now").text == "4"  # the most doubtful frame opens
    for name in LAYERS:
        layer = shown.one(f".stage img.{name}")
        assert layer.is_displayed()
        shown.click(f"#{name}-doubt")
        assert not layer.is_displayed()
        assert shown.one(f".first img.{name}").is_displayed()
    shown.click('.first[data-frame="3"]')
    assert shown.one("#now").text == "3"
    assert "29 %" in shown.one("#facts").text
    assert shown.all('.timeline .look[data-frame="3"].current')
    shown.quiet()
