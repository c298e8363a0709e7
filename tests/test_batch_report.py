"""The report of a batch: what it says is in the records, and nothing in a record can harm it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from batch_report_cases import (
    HOLE,
    HOSTILE,
    JUMP,
    PRESENT,
    RATIO,
    SHIPPED,
    as_record,
    audit_of,
    audited,
    corrected,
    good,
    keep_pictures,
    numbered,
    phantoms,
    run_of,
    unreadable,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import Page

from cardiovae.errors import CardiovaeError, FileError
from cardiovae.report import batch, batch_data
from cardiovae.report.batch import write_batch_report
from cardiovae.report.batch_plots import bins_of, histogram
from cardiovae.report.batch_rows import Rule, row_of, rules_of
from cardiovae.report.batch_summary import (
    frame_share,
    group_names,
    groups_of,
    percent,
    sequence_share,
)

RULE_LIST = rules_of(run_of())


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def rows_of(folder: Path) -> list[list]:
    """The rows in the data of a report, in order."""
    found = []
    for path in sorted((folder / "data").glob("rows-*.js")):
        text = path.read_text(encoding="ascii")
        body = text.removeprefix("CARDIOVAE.rows.push(").removesuffix(");\n")
        found += json.loads(f"[{body}]")
    return found


def index_of(folder: Path) -> Page:
    return Page((folder / "index.html").read_text(encoding="utf-8"))


def reported(folder: Path, records, run=None, **options) -> Path:
    return write_batch_report(folder, run or run_of(), records, **options).parent


def short(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def test_a_row_holds_the_worst_value_of_each_criterion_and_its_frame():
    values = good(4) | {
        HOLE: [0.0, 3.0, 8.0, 0.0],
        RATIO: [0.4, None, 0.3, 0.6],
        JUMP: [10.0, -90.0, 75.0, 0.0],
    }
    row = row_of(as_record("a", audited(values)), RULE_LIST)
    assert list(row.values) == [8.0, 0.3, 1.0, -90.0]
    assert list(row.frames) == [2, 2, 0, 1]
    assert list(row.failed) == [2, 0, 0, 2]
    assert row.letters == "FNPF"
    assert row.verdict == "F"
    assert (row.n_frames, row.n_implausible, row.n_failed, row.n_unmeasured) == (4, 2, 4, 1)
    assert row.worst_frame == 1  # two criteria fail there, and one is not measurable


def test_what_could_not_be_measured_is_told_from_what_fails():
    row = row_of(as_record("a", audited(good(3) | {RATIO: [None] * 3})), RULE_LIST)
    assert row.verdict == "N"
    assert math.isnan(row.values[1])
    assert row.frames[1] == -1


def test_a_criterion_that_does_not_apply_is_left_out():
    values = {rule: of for rule, of in good(3).items() if rule != PRESENT}
    row = row_of(as_record("a", audited(values)), RULE_LIST)
    assert row.letters == "PP-P"
    assert row.verdict == "P"


def test_the_worst_come_first_and_unreadable_files_before_what_passes(tmp_path):
    records = [
        as_record("passes", audited(good(4))),
        unreadable("broken"),
        as_record("one hole", audited(good(4) | {HOLE: [0, 0, 1, 0]})),
        as_record("two holes", audited(good(4) | {HOLE: [0, 1, 1, 0]})),
        as_record("unknown", audited(good(4) | {RATIO: [None] * 4})),
    ]
    found = [row[1] for row in rows_of(reported(tmp_path, records))]
    assert found == ["two holes", "one hole", "unknown", "broken", "passes"]


def test_counts_shares_and_intervals_are_those_of_the_records(tmp_path):
    folder = reported(tmp_path, [*numbered(50), unreadable("bad.nii", "it is a picture of a cat")])
    text = index_of(folder).text
    # 5 of 50 sequences fail, each in 1 of its 4 frames.
    assert "5 of 50 sequences do not pass, most often: LV hole area (5); 1 file" in text
    assert "90.0 % 45 of 50; 95 % interval 78.6 to 95.7 %" in text
    assert "97.5 % 195 of 200; 95 % interval 94.3 to 98.9 %" in text
    assert "10.0 %; 95 % interval 4.3 to 21.4 %" in text
    assert "it is a picture of a cat" in text
    assert "source of lv_hole_area_mm2" in text
    assert "cardiovae audit 'my data' -o out" in text
    assert "5e" * 32 in text


def test_the_five_worst_of_a_criterion_are_shown_with_their_values(tmp_path):
    page = index_of(reported(tmp_path, numbered(100)))
    links = [a["href"] for a in page.find("a", "example")]
    worst = [f"site_{'ABC'[i % 3]}/seq{i:05d}.nii.gz" for i in (90, 80, 70, 60, 50)]
    assert links == [f"pages/{short(source)}.html#3" for source in worst]
    assert "91 mm², frame 3" in page.text
    assert "no picture" in page.text


def test_subgroups_are_counted_by_view_and_by_every_name(tmp_path):
    records = [*numbered(60), unreadable("lost.nii")]
    for record in records[:-1]:
        record["subgroups"]["vendor"] = "V1"
    text = index_of(reported(tmp_path, records)).text
    # Multiples of 10 fail: 0 and 30 at site A, all at even numbers, the view A2C.
    assert "view A2C 30 80.0 %" in text
    assert "view A4C 30 100 %" in text
    assert "site A 20 90.0 %" in text
    assert "vendor V1 60 90.0 %" in text
    assert "vendor unknown 0 1 unknown" in text


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ({}, "gate none"),
        (
            {"max_implausible": 0.05, "share": 0.1, "met": False},
            "gate not met at most 5 % of sequences may not pass; 10.0 % do not",
        ),
        ({"max_implausible": 0.2, "share": 0.1, "met": True}, "gate met"),
    ],
)
def test_the_gate_says_whether_the_batch_may_be_used(tmp_path, gates, words):
    assert words in index_of(reported(tmp_path, numbered(10), run_of(gates=gates))).text


def test_the_order_of_the_records_and_the_folder_do_not_change_a_byte(tmp_path):
    records = [*numbered(30), unreadable("z.nii")]
    first = files_of(reported(tmp_path / "a", records))
    second = files_of(reported(tmp_path / "deeper" / "b", lambda: iter(records[::-1])))
    assert first == second
    assert {name.partition("/")[0] for name in first} == {"index.html", "assets", "data", "pages"}


def test_nothing_hidden_is_left_in_the_folder(tmp_path):
    names = {path.name for path in reported(tmp_path, numbered(3)).iterdir()}
    assert names == {"index.html", "assets", "data", "pages"}


@pytest.mark.parametrize(("pages", "n"), [("flagged", 2), ("all", 20), ("none", 0)])
def test_pages_are_written_for_those_asked_for(tmp_path, pages, n):
    folder = reported(tmp_path, [*numbered(20), unreadable("x")], pages=pages)
    found = {path.stem for path in folder.glob("pages/*.html")}
    assert len(found) == n
    assert {row[0] for row in rows_of(folder) if row[14] & 4} == found
    order = json.loads(
        (folder / "data/order.js").read_text()[len("window.CARDIOVAE={order:") : -3]
    )
    assert set(order) == found


def test_a_page_holds_verdicts_values_and_reasons_of_its_sequence(tmp_path):
    values = good(3) | {HOLE: [0.0, 2.5, 0.0], RATIO: [0.5, None, 0.123456]}
    record = as_record("a/b.nii.gz", audited(values), notes=["spacing from the sidecar"])
    folder = reported(tmp_path, [record])
    page = Page((folder / "pages" / f"{short('a/b.nii.gz')}.html").read_text())
    assert "2 of 3 frames (1-2)" in page.text
    assert "spacing from the sidecar" in page.text
    text = (folder / "pages" / f"{short('a/b.nii.gz')}.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    ((hole, ratio, _, jump),) = data["sides"]
    assert hole["verdicts"] == "PFP"
    assert ratio["values"] == [0.5, None, 0.1235]
    assert ratio["reasons"] == {"1": "no contour"}
    assert jump["label"] == "Motion: LV area"
    assert data["worst"] == 1


def test_pictures_in_the_folder_are_used_and_others_are_said_to_be_missing(tmp_path):
    _, broken = next(phantoms(1))
    record = as_record("seen.nii", audit_of(broken))
    twin = as_record("merged.nii", audit_of(broken))
    keep_pictures(tmp_path, broken, record)
    folder = reported(tmp_path, [record, twin], run_of(rules=SHIPPED, temporal="tmi2022"))
    flags = {row[1]: row[14] for row in rows_of(folder)}
    assert flags == {"seen.nii": 7, "merged.nii": 4}
    page = index_of(folder)
    assert {img["src"] for img in page.find("img")} == {f"cines/{short('seen.nii')}.png"}
    assert page.text.count("no picture") == len(page.find("span", "nopicture")) > 0
    for img in page.find("img"):
        assert img["loading"] == "lazy"


def test_a_correction_is_counted_by_what_it_fixed_and_broke(tmp_path):
    before = audited(good(4) | {HOLE: [5.0, 5.0, 0.0, 0.0], RATIO: [0.1, None, 0.5, 0.5]})
    after = audited(good(4) | {HOLE: [0.0, 0.0, 0.0, 0.0], RATIO: [0.5, 0.5, 0.5, 0.1]})
    done = {
        "status": "not_passed",
        "reason": "too thin",
        "n_changed_frames": 3,
        "changed_share": 0.04,
        "ef_before": 50.0,
        "ef_after": 47.5,
    }
    record = as_record("a", after, before=before, correction=done)
    row = row_of(record, RULE_LIST)
    assert list(row.change.open) == [2, 2, 0, 0]
    assert list(row.change.fixed) == [2, 2, 0, 0]
    assert list(row.change.broken) == [0, 1, 0, 0]
    assert row.change.shift == -2.5
    text = index_of(reported(tmp_path, [record], run_of("correct"))).text
    assert "sequences that pass 0 → 0" in text
    assert "findings fixed 4" in text
    assert "newly broken 1 must be 0" in text
    assert "labeled pixels changed 4.0 %" in text
    assert "ejection fraction, after minus before \N{MINUS SIGN}2.5" in text


def test_a_structure_that_a_slice_gains_or_loses_is_neither_fixed_nor_broken():
    before, after = (audited(good(4) | {HOLE: [5.0, 0.0, 0.0, 0.0]}) for _ in range(2))
    one, other = (audit["criteria"][0] for audit in (before, after))
    one["verdicts"], other["verdicts"] = "F--P", "-P-P"
    done = {"status": "corrected", "reason": "", "n_changed_frames": 2, "changed_share": 0.1}
    done |= {"ef_before": None, "ef_after": None}
    change = row_of(as_record("a", after, before=before, correction=done), RULE_LIST).change
    assert (change.open[0], change.fixed[0], change.broken[0]) == (1, 0, 0)


def test_a_page_that_was_written_elsewhere_is_linked_where_there_is_no_own(tmp_path):
    values = good() | {HOLE: [1.0] * 3}
    page = "a b/50%/report.html"
    record = as_record("x", audited(values), page=page)
    folder = reported(tmp_path, [record], pages="none")
    assert rows_of(folder)[0][17] == "a%20b/50%25/report.html"
    assert index_of(folder).find("a", "example")[0]["href"] == "a%20b/50%25/report.html"
    record = as_record("x", audited(values), page="javascript:alert(1)")
    folder = reported(tmp_path / "bad", [record], pages="none")
    assert rows_of(folder)[0][17].startswith("javascript%3A")  # a name, no scheme


def test_the_spread_of_ejection_fractions_is_that_of_bland_and_altman(tmp_path):
    shifts = [1.0, -1.0, 3.0, 1.0]  # mean 1, standard deviation sqrt(8 / 3)
    records = []
    for i, shift in enumerate(shifts):
        done = {
            "status": "corrected",
            "reason": "",
            "n_changed_frames": 1,
            "changed_share": None,
            "ef_before": 50.0,
            "ef_after": 50.0 + shift,
        }
        records.append(as_record(str(i), audited(good()), before=audited(good()), correction=done))
    text = index_of(reported(tmp_path, records, run_of("correct"))).text
    half = 1.96 * math.sqrt(8 / 3)
    assert (
        f"from {1 - half:.1f} to +{1 + half:.1f}; largest 3.0".replace("-", "\N{MINUS SIGN}")
        in text
    )
    assert "labeled pixels changed unknown" in text


def test_a_sequence_that_a_correction_mended_has_a_page_with_both_sides(tmp_path):
    sound, broken = next(phantoms(1))
    record = corrected(sound, broken, "c.nii")
    run = run_of("correct", rules=SHIPPED, temporal="tmi2022")
    folder = reported(tmp_path, [record], run)
    text = (folder / "pages" / f"{short('c.nii')}.html").read_text()
    after, before = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["sides"]
    assert not any(set(c["verdicts"]) & {"F", "N"} for c in after)
    assert any("F" in c["verdicts"] for c in before)
    assert "ejection fraction 52.0 → 55.5 %" in Page(text).text


def test_names_from_files_never_become_markup(tmp_path):
    values = good(3) | {HOLE: [1.0] * 3}
    records = [
        as_record(name, audited(values, view=name), notes=[name], subgroups={name: name})
        for name in HOSTILE
    ]
    records += [unreadable(f"e{name}", f"error in {name}") for name in HOSTILE]
    run = run_of(command=["cardiovae", *HOSTILE], versions={HOSTILE[0]: HOSTILE[1]})
    folder = reported(tmp_path, records, run)
    plain = index_of(reported(tmp_path / "plain", numbered(30)))
    for path in [folder / "index.html", *folder.glob("pages/*")]:
        page = Page(path.read_text(encoding="utf-8"))  # raises where tags do not match
        assert not page.find("img")
        names = {name for _, attributes in page.tags for name in attributes}
        assert not {name for name in names if name.startswith("on")}
        scripts = [s for s in page.find("script") if s.get("type") != "application/json"]
        assert all(
            re.fullmatch(r"(\.\./)?(assets|data)/[a-z0-9-]+\.js", s["src"]) for s in scripts
        )
    page = index_of(folder)
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in plain.tags} | {"bdi"}
    for name in HOSTILE:
        assert " ".join(name.split()) in page.text
    assert all(
        re.fullmatch(r"pages/[0-9a-f]{16}\.html(#\d+)?", a["href"])
        for a in page.find("a", "example")
    )
    assert {row[1] for row in rows_of(folder)} == {*HOSTILE, *(f"e{name}" for name in HOSTILE)}
    for path in folder.glob("data/*.js"):
        assert b"<" not in path.read_bytes()


def test_a_name_with_bytes_that_are_no_text_is_shown_by_their_numbers(tmp_path):
    name = b"a\xffb.nii".decode("utf-8", "surrogateescape")
    record = as_record("x", audited(good() | {HOLE: [1.0] * 3})) | {"source": name}
    folder = reported(tmp_path, [record])
    assert r"a\udcffb.nii" in (folder / "index.html").read_text(encoding="utf-8")
    assert rows_of(folder)[0][1] == name


def test_nothing_comes_from_the_network(tmp_path):
    folder = reported(tmp_path, numbered(20))
    for name, content in files_of(folder).items():
        found = set(re.findall(rb"(?:https?:)?//[a-z0-9.]+", content)) - {b"//www.w3.org"}
        addresses = {a.removeprefix(b"http:").removeprefix(b"https:") for a in found}
        assert addresses <= {b"//www.w3.org"}, name
        assert b"fetch(" not in content
        assert b"eval(" not in content
        assert b"innerHTML" not in content


def test_an_earlier_report_is_not_replaced_by_accident(tmp_path):
    folder = reported(tmp_path, numbered(3))
    with pytest.raises(FileError, match="exists already"):
        write_batch_report(folder, run_of(), numbered(3))


def test_a_new_report_leaves_nothing_of_the_old_and_nothing_else_is_touched(tmp_path):
    folder = reported(tmp_path, numbered(40), pages="all")
    keep = [folder / "pages" / "mine.html", folder / "frames.csv"]
    for path in keep:
        path.write_text("mine")
    reported(folder, numbered(2), overwrite=True)
    assert {path.name for path in folder.glob("pages/*")} == {
        "mine.html",
        f"{short('site_A/seq00000.nii.gz')}.html",
    }
    assert all(path.read_text() == "mine" for path in keep)


def test_beyond_the_limit_the_list_holds_the_worst_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_ROWS", 7)
    monkeypatch.setattr(batch_data, "MAX_ROWS", 7)
    monkeypatch.setattr(batch, "CHUNK", 3)
    monkeypatch.setattr(batch_data, "CHUNK", 3)
    folder = reported(tmp_path, numbered(40))
    assert [path.name for path in sorted(folder.glob("data/rows*"))] == [
        "rows-000.js",
        "rows-001.js",
        "rows-002.js",
    ]
    rows = rows_of(folder)
    assert [row[3] for row in rows] == ["F"] * 4 + ["P"] * 3
    page = index_of(folder)
    assert "The list holds the worst 7 of 40" in page.text
    assert "36 of 40" in page.text
    assert sum("rows-" in s.get("src", "") for s in page.find("script")) == 3


def test_a_batch_of_nothing_has_a_report(tmp_path):
    page = index_of(reported(tmp_path, []))
    assert "No sequence could be read." in page.text
    page = index_of(reported(tmp_path / "errors", [unreadable("a"), unreadable("b")]))
    assert "Audit of 2 files" in page.text
    assert "unknown" in page.text


def test_a_batch_where_all_pass_says_so(tmp_path):
    records = [as_record(str(i), audited(good())) for i in range(3)]
    page = index_of(reported(tmp_path, records))
    assert "All 3 sequences pass." in page.text
    assert "No criterion fails in any sequence." in page.text


def test_a_criterion_that_the_run_does_not_know_is_refused(tmp_path):
    record = as_record("a.nii", audited({("other", "area", "mm2", None, 1.0): [0.0]}))
    with pytest.raises(CardiovaeError, match=r"a\.nii: .*\('other', 'area'\)"):
        reported(tmp_path, [record])
    assert not (tmp_path / "index.html").exists()


def test_a_run_that_lacks_a_key_is_refused(tmp_path):
    run = run_of()
    del run["gates"]
    with pytest.raises(CardiovaeError, match=r"lacks \['gates'\]"):
        reported(tmp_path, [], run)
    with pytest.raises(CardiovaeError, match="flagged, all, none, got 'some'"):
        reported(tmp_path, [], pages="some")


@st.composite
def rules_and_values(draw):
    """A rule of any kind with values of any size, the limits themselves among them."""
    number = st.floats(-1e4, 1e4).map(lambda v: round(v, 6))
    low, high = sorted((draw(number), draw(number)))
    kind = draw(st.sampled_from(["low", "high", "both", "zero", "flag"]))
    limits = {
        "low": (low, None),
        "high": (None, high),
        "both": (low, high),
        "zero": (None, 0.0),
        "flag": (1.0, None),
    }[kind]
    rule = Rule("s", "n", "flag" if kind == "flag" else "mm", *limits, source="", motion=False)
    if kind == "flag":
        value = st.sampled_from([0.0, 1.0, math.nan])
    elif kind == "zero":
        value = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.just(math.nan))
    else:
        known = [v for v in limits if v is not None]
        value = st.one_of(number, st.sampled_from(known), st.just(math.nan))
    return rule, np.array(draw(st.lists(value, max_size=20)))


@settings(max_examples=100, deadline=None)
@given(rules_and_values())
def test_every_value_is_in_one_range_that_lies_on_its_side_of_the_limits(case):
    rule, values = case
    bins = bins_of(values, rule)
    assert len(bins.names) == len(bins.beyond) <= 36
    assert bins.counts.sum() == np.isfinite(values).sum()
    for value, k in zip(values.tolist(), bins.index.tolist(), strict=True):
        assert (k == -1) == math.isnan(value)
        if k >= 0:
            assert bins.beyond[k] == (rule.excess(value) > 0)
    figure = histogram(bins, "<label>")
    assert "nan" not in figure
    assert "<label>" not in figure


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-500, 500), min_size=1, max_size=40))
def test_ranges_are_in_order(values):
    rule = Rule("s", "n", "mm", -70.0, 70.0, "", motion=True)
    array = np.array(sorted(values))
    index = bins_of(array, rule).index
    assert (np.diff(index) >= 0).all()


def test_a_bar_shows_its_count_by_its_logarithm():
    rule = Rule("s", "n", "mm2", None, 0.0, "", motion=False)
    bins = bins_of(np.array([0.0] * 999 + [5.0] * 9), rule)
    heights = {
        int(n): float(tall)
        for n, tall in re.findall(
            r'class="all"[^>]*data-n="(\d+)"[^>]*height="([\d.]+)"', histogram(bins, "x")
        )
    }
    assert set(heights) == {999, 9}
    assert heights[9] / heights[999] == pytest.approx(1 / 3, abs=0.01)


def test_a_share_is_never_rounded_to_all_or_nothing():
    assert percent(99_999 / 100_000) == "> 99.9 %"
    assert percent(1 / 100_000) == "< 0.1 %"


def test_a_column_with_a_value_of_its_own_for_each_sequence_makes_no_groups():
    row = row_of(as_record("a", audited(good(3))), RULE_LIST)
    rows = [
        dataclasses.replace(row, subgroups=(("site", "AB"[i % 2]), ("x_seed", str(i))))
        for i in range(40)
    ]
    assert group_names(rows) == ["site"]
    assert {group.name for group in groups_of(rows)} - {"view"} == {"site"}


def test_sequences_of_one_patient_are_no_independent_cases():
    rows = [row_of(record, RULE_LIST) for record in numbered(40)]
    whose = [
        dataclasses.replace(row, patient=f"{row.verdict}{i % 3}") for i, row in enumerate(rows)
    ]
    # A patient has sequences that pass or sequences that do not: a handful of cases, not forty.
    for share in (sequence_share, frame_share):
        alone, together = share(rows), share(whose)
        assert together.value == alone.value
        assert together.high - together.low > 1.5 * (alone.high - alone.low)
    single = [dataclasses.replace(row, patient=row.source) for row in rows]
    assert frame_share(single) == frame_share(rows)


def test_the_patient_of_a_record_reaches_the_report(tmp_path):
    records = list(numbered(40))
    plain = reported(tmp_path / "plain", records)
    told = [record | {"patient": f"p{i % 2}"} for i, record in enumerate(records)]
    report = reported(tmp_path / "told", told)
    assert index_of(plain).text != index_of(report).text
    assert rows_of(plain) == rows_of(report)
