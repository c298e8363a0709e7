"""The report page: it shows every frame, says what happened, and is safe to open."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import shlex
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageColor
from report_cases import beating_heart, correction_record, with_defects

from cardiovae.correction.config import correct_config
from cardiovae.errors import CardiovaeError, FileError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.report import write_report
from cardiovae.report.headline import headline
from cardiovae.report.html import command_line, report_page
from cardiovae.report.palette import BACKDROP, STRUCTURE_COLORS

VOID = {"br", "col", "img", "input", "link", "meta"}
BROKEN = (3, 4)


class Page(HTMLParser):
    """Tags, attributes and visible text of a page; raises where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def find(self, tag: str, cls: str = "") -> list[dict[str, str]]:
        found = [attributes for name, attributes in self.tags if name == tag]
        return [a for a in found if not cls or cls in (a.get("class") or "").split()]


def decoded(uri: str) -> np.ndarray:
    """Pixels of a data URI, shape (H, W, 3)."""
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def painted(labels: np.ndarray) -> np.ndarray:
    """The colors that a label map should have, shape (H, W, 3)."""
    colors = [BACKDROP, *(STRUCTURE_COLORS[s] for s in STRUCTURES)]
    return np.array([ImageColor.getrgb(c) for c in colors], np.uint8)[labels]


@pytest.fixture(scope="module")
def corrected():
    after = beating_heart(9)
    before = with_defects(after, BROKEN)
    return correction_record(before, after), before, after


@pytest.fixture(scope="module")
def page(corrected):
    return report_page(*corrected)


def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    parsed = Page(page)
    assert parsed.open == []
    assert page.startswith("<!DOCTYPE html>")
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_page_asks_nothing_of_the_network(page):
    for _, attributes in Page(page).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attributes.get(name, "data:").startswith(("data:image/png;base64,", "data:"))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a for a in Page(page).find("meta") if "http-equiv" in a)
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_every_frame_is_shown_before_and_after_pixel_by_pixel():
    after = beating_heart(5)
    before = with_defects(after, [1])
    record = correction_record(before, after, spacing_mm=(0.5, 0.5))
    shown = Page(report_page(record, before, after))
    cards = shown.find("figure", "card")
    assert [int(card["data-frame"]) for card in cards] == [0, 1, 2, 3, 4]
    rows, cols = np.nonzero((before > 0).any(2))
    box = np.s_[rows.min() - 4 : rows.max() + 5, max(cols.min() - 4, 0) : cols.max() + 5]
    for cls, labels in (("before", before), ("after", after)):
        pictures = [a["src"] for a in shown.find("img", cls)][-5:]  # the first is the viewer's
        for t, picture in enumerate(pictures):
            np.testing.assert_array_equal(decoded(picture), painted(labels[box][:, :, t]))


def test_the_page_says_what_happened(page):
    text = Page(page).text
    assert "2 of 9 frames were impossible; all 9 now pass." in text
    assert "not a medical device" in text
    assert "CSP" not in text
    assert "camus + tmi2022" in text
    assert "camus-public + rl4seg3d" in text
    assert "Apache-2.0" in text


def test_broken_frames_come_first_in_the_order_of_badness(page):
    ranks = [int(a["style"].removeprefix("--rank:")) for a in Page(page).find("figure", "card")]
    assert sorted(ranks) == list(range(9))
    assert {ranks[t] for t in BROKEN} == {0, 1}


def test_the_changed_area_of_each_frame_is_in_its_row(corrected, page):
    rows = re.findall(r'<tr data-frame="(\d+)" class="(\w+)">(.*?)</tr>', page, re.S)
    assert [(int(t), action) for t, action, _ in rows] == [
        (t, "repaired" if t in BROKEN else "kept") for t in range(9)
    ]
    # An island of 12 x 10 and a hole of 4 x 6 pixels of 1.0 x 0.8 mm.
    assert ">144<" in rows[3][2]
    assert ">115.2<" in rows[3][2]
    assert ">0<" in rows[0][2]


def test_ed_and_es_are_marked_at_the_extremes_of_the_lv_area(page):
    assert "at ED (frame 0)" in page
    es = int(re.search(r"LV area after: .*? at ES \(frame (\d+)\)", page)[1])
    areas = (beating_heart(9) == Label.LV).sum((0, 1))
    assert areas[es] == areas.min()


HOSTILE = "\"'><script>alert(1)</script><img src=http://x.example/y onerror=alert(2)>&amp;.nii"


def test_a_hostile_name_stays_text_wherever_it_appears():
    heart = beating_heart(3)
    record = correction_record(heart, heart, status="not_corrected", reason=HOSTILE)
    plain = Page(report_page(record, heart, heart))
    record |= {"source": HOSTILE, "view": HOSTILE, "cardiovae": HOSTILE}
    record["prior"] = {"name": HOSTILE, "license": HOSTILE, "sha256": {HOSTILE: HOSTILE}}
    record["settings"] = {HOSTILE: HOSTILE}
    record["frames"][1] |= {"why": [HOSTILE, f"camus.{HOSTILE}"], "action": HOSTILE}
    for side in ("before", "after"):
        record[side] = dict(record[side], anatomy=HOSTILE, temporal=HOSTILE)
        record[side]["frames"][1]["findings"][0] |= {
            "criterion": HOSTILE, "unit": HOSTILE, "reason": HOSTILE, "verdict": "FAIL",
        }  # fmt: skip
    units = record["attributes"]["units"]
    record["attributes"]["units"] = dict.fromkeys(units, HOSTILE)
    hostile = Page(report_page(record, heart, heart))
    assert [t for t, _ in hostile.tags].count("script") == 1
    assert len(hostile.find("img")) == len(plain.find("img"))
    assert not any(name.startswith("on") for _, a in hostile.tags for name in a)
    assert HOSTILE in hostile.text


def test_the_command_survives_a_shell_and_asks_for_the_same():
    heart = beating_heart(1)
    record = correction_record(heart, heart, source="a b'; rm -rf $HOME;.nii.gz")
    words = shlex.split(command_line(record))
    assert words[:3] == ["cardiovae", "correct", "a b'; rm -rf $HOME;.nii.gz"]
    assert words[3:9] == ["--prior", "phantom", "--criteria", "camus", "--temporal", "tmi2022"]
    assert words[9:] == ["--seed", "0"]


def test_settings_that_differ_from_the_preset_are_in_the_command_and_build_the_same():
    heart = beating_heart(1)
    record = correction_record(heart, heart)
    asked = dataclasses.replace(
        correct_config(),
        temporal=None,
        also_criteria=None,
        strengths=(1e-5, 64.0),
        fit=dataclasses.replace(correct_config().fit, n_steps=3),
    )
    words = shlex.split(command_line(record | {"settings": dataclasses.asdict(asked)}))
    assert words[words.index("--temporal") + 1] == "none"
    overrides = [after for word, after in pairwise(words) if word == "--set"]
    assert len(overrides) == 3
    assert dataclasses.replace(correct_config("default", overrides), temporal=None) == asked


def test_what_could_not_be_measured_is_said_so_with_the_reason():
    after = beating_heart(5)
    before = with_defects(after, [2])
    before[:, :, 3] = 0
    record = correction_record(before, after, spacing_mm=None)
    for name in ("density_percentile_before", "density_percentile_after", "displacement"):
        record["frames"][3][name] = None
    page = report_page(record, before, after)
    parsed = Page(page)
    titles = [a.get("title") for a in parsed.find("abbr")]
    assert "not measurable" in parsed.text
    assert "pixel spacing unknown" in titles
    assert "no LV pixel" in titles
    assert "spacing unknown" in parsed.text
    assert "the prior gives this frame no density" in titles
    assert not re.search(r"\b(None|nan|NaN|null|undefined)\b", parsed.text)


@pytest.mark.parametrize(
    "structures", [(Label.LV,), (Label.LV, Label.MYO), STRUCTURES], ids=["lv", "lv-myo", "camus"]
)
def test_only_annotated_structures_are_named(structures):
    after = beating_heart(4, structures)
    before = with_defects(after, [1])
    record = correction_record(before, after, structures=structures)
    parsed = Page(report_page(record, before, after))
    keys = parsed.text.partition("Before After")[2].partition("changed pixels")[0].split()
    assert keys == [s.name for s in structures]
    for structure in STRUCTURES:
        missing = f"{structure.name} is not annotated" in parsed.text
        assert missing == (structure not in structures)


def test_a_single_frame_has_a_table_in_place_of_curves_and_no_player():
    after = beating_heart(1)
    before = with_defects(after, [0])
    parsed = Page(report_page(correction_record(before, after), before, after))
    assert "The frame was impossible; it now passes." in parsed.text
    assert "needs 3 frames" in parsed.text
    assert not parsed.find("svg", "chart")
    assert parsed.find("table", "single")
    assert not any(a.get("id") == "slider" for a in parsed.find("input"))


def test_a_sequence_that_was_not_corrected_says_so_in_a_banner():
    labels = with_defects(beating_heart(4), [1, 2])
    record = correction_record(
        labels, labels, status="not_corrected", reason="no valid heart was found for frames [1]"
    )
    parsed = Page(report_page(record, labels, labels))
    assert parsed.find("section", "banner")[0]["role"] == "alert"
    assert "Reason: no valid heart was found for frames [1]." in parsed.text
    assert "Not corrected: 2 of 4 frames are impossible." in parsed.text


def test_the_page_of_a_corrected_sequence_has_no_banner(page):
    assert not Page(page).find("section", "banner")


def fake_record(
    status="corrected",
    *,
    bad=(0, 0),
    motion=("PASS", "PASS"),
    n=5,
    verdict="FAIL",
    method="full",
):
    """Just what the headline reads."""

    def audit(n_bad, temporal):
        return {
            "n_frames": n,
            "invalid_frames": list(range(n_bad)),
            "frames": [
                {"findings": [{"verdict": verdict if t < n_bad else "PASS"}]} for t in range(n)
            ],
            "temporal": "tmi2022",
            "temporal_verdict": temporal,
        }

    return {
        "method": method,
        "status": status,
        "before": audit(bad[0], motion[0]),
        "after": audit(bad[1], motion[1]),
    }


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (fake_record(bad=(3, 0)), "3 of 5 frames were impossible; all 5 now pass."),
        (fake_record(bad=(1, 0)), "1 of 5 frames was impossible; all 5 now pass."),
        (fake_record(bad=(3, 1)), "3 of 5 frames were impossible; 1 still is."),
        (
            fake_record(bad=(3, 0), motion=("FAIL", "FAIL")),
            "3 of 5 frames were impossible; all 5 now pass, but their motion is not consistent.",
        ),
        (
            fake_record(bad=(2, 0), verdict="NOT_MEASURABLE"),
            "2 of 5 frames were not shown to be possible; all 5 now pass.",
        ),
        (
            fake_record(motion=("FAIL", "PASS")),
            "All 5 frames pass, but the motion between them was not consistent; it now is.",
        ),
        (
            fake_record("unchanged"),
            "All 5 frames pass, and so does their motion. Nothing was changed.",
        ),
        (
            fake_record("unchanged", motion=("NOT_MEASURABLE", "NOT_MEASURABLE")),
            "All 5 frames pass; their motion could not be judged. Nothing was changed.",
        ),
        (fake_record("unchanged", n=2), "All 2 frames pass. Nothing was changed."),
        (fake_record("unchanged", n=1), "The only frame passes. Nothing was changed."),
        (
            fake_record("not_corrected", bad=(2, 2)),
            "Not corrected: 2 of 5 frames are impossible. The labels are returned as they came.",
        ),
        (
            fake_record("not_corrected", motion=("FAIL", "FAIL")),
            "Not corrected: the motion is not consistent. The labels are returned as they came.",
        ),
        (
            fake_record("not_passed", bad=(0, 2), method="smooth"),
            "Baseline 'smooth': The result does not pass: 2 of 5 frames are impossible. "
            "Before: every frame passes.",
        ),
        (
            fake_record("not_passed", bad=(2, 0), motion=("FAIL", "FAIL"), method="pca"),
            "Baseline 'pca': The result does not pass: the motion is not consistent. "
            "Before: 2 of 5 frames were impossible.",
        ),
    ],
)
def test_the_headline_follows_the_audits(record, words):
    assert headline(record) == words


def test_without_a_second_pair_of_criteria_sets_there_is_no_comparison():
    heart = beating_heart(3)
    record = correction_record(heart, heart, status="unchanged", sets=(("camus", "tmi2022"),))
    for also in (None, record["also"]):
        parsed = Page(report_page(record | {"also": also}, heart, heart))
        assert not parsed.find("table", "judges")


def test_a_temporal_set_of_none_is_said_not_to_judge():
    after = beating_heart(3)
    before = with_defects(after, [1])
    record = correction_record(before, after, sets=(("camus", None),))
    assert "not judged" in Page(report_page(record, before, after)).text


def test_uncertainty_is_a_layer_with_a_switch_only_where_given(corrected, page):
    record, before, after = corrected
    heat = np.full(before.shape, 0.5, np.float32)
    parsed = Page(report_page(record, before, after, heat))
    assert len(parsed.find("img", "heat")) == 9 + 1
    assert any(a.get("id") == "shape-doubt" for a in parsed.find("input"))
    assert not Page(page).find("img", "heat")


def test_a_loop_of_25_large_frames_stays_below_3_megabytes():
    small = beating_heart(25)
    record = correction_record(with_defects(small, range(0, 25, 2)), small)
    rng = np.random.default_rng(0)
    after = small.repeat(4, 0).repeat(4, 1)
    before = after.copy()
    for row in range(0, after.shape[0], 2):  # every contour of every frame changes, raggedly
        before[row] = np.roll(after[row], rng.integers(-4, 5), axis=0)
    heat = 0.5 + 0.5 * np.sin(after + np.arange(after.shape[0])[:, None, None] / 9, dtype="f4")
    record["shape"] = list(after.shape)
    assert len(report_page(record, before, after, heat)) < 3e6


def test_the_page_is_written_once_and_replaced_only_on_demand(tmp_path, corrected):
    path = tmp_path / "out" / "report.html"
    write_report(path, *corrected)
    first = path.read_text(encoding="utf-8")
    with pytest.raises(FileError, match="--overwrite"):
        write_report(path, *corrected)
    write_report(path, *corrected, overwrite=True)
    assert path.read_text(encoding="utf-8") == first
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_record_and_arrays_that_do_not_fit_are_refused(corrected):
    record, before, after = corrected
    with pytest.raises(CardiovaeError, match=r"lacks \['frames'\]"):
        report_page({k: v for k, v in record.items() if k != "frames"}, before, after)
    with pytest.raises(CardiovaeError, match=r"after: must have the shape \(120, 90, 9\)"):
        report_page(record, before, after[:, :, :3])
    with pytest.raises(CardiovaeError, match="names 8 frames, its shape says 9"):
        report_page(record | {"frames": record["frames"][:8]}, before, after)


def test_the_same_record_gives_the_same_page(corrected, page):
    assert report_page(*corrected) == page
