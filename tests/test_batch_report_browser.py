"""The report of a batch in a real browser: it sorts, filters, plays, reviews, and runs no name.

Without Chromium and its driver all of this is skipped, which the summary of pytest says.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from batch_report_cases import (
    HOLE,
    HOSTILE,
    JUMP,
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
from browser_cases import Report, chromium, needs_browser
from selenium.webdriver.common.keys import Keys

from cardiovae.labels import Label
from cardiovae.report.batch import write_batch_report
from cardiovae.report.palette import STRUCTURE_COLORS

N = 2400

DASH = "\N{EN DASH}"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium(tmp_path_factory)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """2,400 sequences, of which 240 fail, and 2 files that cannot be read."""
    records = [*numbered(N), unreadable("site_D/a.nii"), unreadable("site_D/b.nii", "torn")]
    return write_batch_report(tmp_path_factory.mktemp("large"), run_of(), records)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory) -> Path:
    """Six real audits with pictures, and one correction."""
    folder = tmp_path_factory.mktemp("pictured")
    pairs = list(phantoms(3))
    records = [as_record(f"p/{i}.nii", audit_of(broken)) for i, (_, broken) in enumerate(pairs)]
    for record, (_, broken) in zip(records, pairs, strict=True):
        keep_pictures(folder, broken, record)
    sound, broken = pairs[0]
    records.append(corrected(sound, broken, "p/mended.nii"))
    keep_pictures(folder, sound, records[-1], broken.labels)
    run = run_of("correct", rules=SHIPPED, temporal="tmi2022")
    return write_batch_report(folder, run, records)


def short_name(i: int) -> str:
    return f"site_{'ABC'[i % 3]}/seq{i:05d}.nii.gz"


def test_the_list_begins_with_the_worst_and_has_200_to_a_page(browser, large):
    page = Report(browser, large)
    # All failing sequences fail in one of four frames: equally bad, so by name.
    failing = sorted(short_name(i) for i in range(0, N, 10))
    assert page.names() == failing[:200]
    assert page.one("#count").text == "2,402 sequences"
    assert page.one("#where").text == f"1{DASH}200 of 2,402"
    assert not page.one("#previous").is_enabled()
    page.click("#next")
    passing = sorted(short_name(i) for i in range(N) if i % 10)
    assert page.names() == [*failing[200:], "site_D/a.nii", "site_D/b.nii", *passing[:158]]
    page.press("[")
    assert page.names() == failing[:200]
    for _ in range(12):
        page.press("]")
    assert page.one("#where").text == f"2401{DASH}2402 of 2,402"
    assert page.names() == passing[-2:]
    assert not page.one("#next").is_enabled()
    page.quiet()


def test_columns_sort_up_down_and_back(browser, large):
    page = Report(browser, large)
    page.sort("sequence")
    every = sorted([*(short_name(i) for i in range(N)), "site_D/a.nii", "site_D/b.nii"])
    assert page.names() == every[:200]
    assert page.one(".cases th[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.sort("sequence")
    assert page.names() == every[::-1][:200]
    assert page.one(".cases th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.sort("sequence")
    assert not page.all(".cases th[aria-sort]")
    assert page.names()[0] == short_name(0)
    page.quiet()


def test_filters_add_up_and_can_be_cleared(browser, large):
    page = Report(browser, large)
    page.choose("#verdict", "F")
    assert page.one("#count").text == "240 of 2,402 sequences"
    page.choose("select.group[data-key='0']", "B")
    expected = sorted(short_name(i) for i in range(0, N, 10) if i % 3 == 1)
    assert page.names() == expected
    page.choose("select.group[data-key='view']", "A4C")
    assert page.names() == []
    assert page.one("#where").text == "nothing matches"
    page.click("#clear")
    assert page.one("#count").text == "2,402 sequences"
    page.choose("#verdict", "E")
    assert page.names() == ["site_D/a.nii", "site_D/b.nii"]
    assert "torn" in page.texts(".cases tbody .what")
    page.quiet()


def test_search_looks_in_names_and_errors(browser, large):
    page = Report(browser, large)
    page.press("/")
    page.press("SEQ0012")
    expected = sorted(
        (short_name(i) for i in range(120, 130)), key=lambda s: (s[-8:] != "0.nii.gz", s)
    )
    page.until(lambda: page.one("#count").text == "10 of 2,402 sequences")
    assert page.names() == expected
    page.run("document.querySelector('#search').value = ''")
    page.press("torn")
    page.until(lambda: page.names() == ["site_D/b.nii"])
    page.quiet()


def test_a_criterion_lists_its_sequences_by_how_far_they_exceed_it(browser, large):
    page = Report(browser, large)
    page.click("button.show[data-rule='0']")
    assert page.one("#count").text == "240 of 2,402 sequences"
    assert page.names()[:3] == [short_name(2390), short_name(2380), short_name(2370)]
    values = page.run(
        "const rows = [...document.querySelectorAll('.cases tbody tr')];"
        "return rows.map((r) => r.cells[r.cells.length - 2].textContent)"
    )
    assert values[:2] == ["2,391 mm²", "2,381 mm²"]
    page.quiet()


def test_a_bar_lists_its_sequences_and_the_others_fade(browser, large):
    page = Report(browser, large)
    bars = page.run(
        "const bars = [...document.querySelectorAll('.plot[data-rule=\"0\"] .all')];"
        "return bars.map((b) => [b.dataset.bin, b.dataset.n])"
    )
    assert sum(int(n) for _, n in bars) == N
    chosen, n = bars[-1]
    page.run(
        "document.querySelector(`.plot[data-rule='0'] .bin[data-bin='${arguments[0]}']`)"
        ".dispatchEvent(new MouseEvent('click', {bubbles: true}))",
        chosen,
    )
    assert page.one("#count").text == f"{n} of 2,402 sequences"
    assert "LV hole area" in page.one("#range").text
    assert "filtered" in page.one("#values").get_attribute("class")
    heights = page.run(
        "const parts = [...document.querySelectorAll('.plot[data-rule=\"0\"] .part')];"
        "return parts.map((b) => Number(b.getAttribute('height')))"
    )
    assert [height > 0 for height in heights] == [False] * (len(bars) - 1) + [True]
    page.click("#range")
    assert page.one("#count").text == "2,402 sequences"
    page.quiet()


def test_the_bars_can_be_reached_and_chosen_by_key(browser, large):
    page = Report(browser, large)
    page.run("document.querySelector('.plot[data-rule=\"0\"]').focus()")
    page.press(Keys.ARROW_RIGHT)
    assert page.one(".plot[data-rule='0'] .said").text == "0: 2,160 sequences"
    page.press(Keys.ARROW_RIGHT, Keys.ENTER)
    assert page.one("#count").text.endswith("of 2,402 sequences")
    page.press(Keys.ENTER)
    assert page.one("#count").text == "2,402 sequences"
    page.quiet()


def test_the_selected_sequence_stands_out_in_every_plot(browser, large):
    page = Report(browser, large)
    page.choose("#rule", "0")

    def place() -> tuple[float, float]:
        x = page.one(".plot[data-rule='0'] .cursor").get_attribute("x1")
        bars = page.all(".plot[data-rule='0'] .all")
        return float(x), float(bars[-1].get_attribute("x"))

    page.run("document.querySelector('.cases tbody tr').click()")
    x, last = place()
    assert x > last
    page.run(
        "document.querySelector('.cases tbody tr:nth-child(200)')"
        ".dispatchEvent(new MouseEvent('mouseenter'))"
    )
    assert place()[0] < x
    assert page.all(".panel .mini svg")
    page.quiet()


def test_a_review_by_keys_is_kept_and_saved(browser, tmp_path):
    records = [
        as_record(f'a/{i},"{i}".nii', audited(good(2) | {HOLE: [0.0, 9.0 - i]})) for i in range(6)
    ]
    index = write_batch_report(tmp_path, run_of(), records)
    page = Report(browser, index)
    names = [record["source"] for record in records]
    page.press("p", "f", "x")  # each goes on to the next
    assert page.texts(".cases tbody .decision") == ["pass", "fail", "fix", "", "", ""]
    assert page.one("#name").text == names[3]
    page.press("n")
    page.press('cut off, "really"\nlook again')
    page.press(Keys.ESCAPE)
    page.press("x", "k", "x")  # the second takes the first back
    assert page.texts(".cases tbody .decision") == ["pass", "fail", "fix", " ✎", "", ""]
    page.press("f", "n")
    page.press("twice")
    page.press(Keys.ESCAPE)
    page.choose("#decided", "fail")
    assert page.names() == [names[1], names[3]]
    page.quiet()

    page = Report(browser, index)  # the browser remembers
    assert page.texts(".cases tbody .decision") == ["pass", "fail", "fix", "fail ✎", " ✎", ""]
    assert "4 decided" in page.one("#saved").text
    assert "a note without a decision will not be saved" in page.one("#saved").text
    saved = browser.downloads / "decisions.csv"
    saved.unlink(missing_ok=True)
    page.press("e")
    page.until(lambda: saved.exists() and saved.stat().st_size)
    with saved.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    words = ["pass", "fail", "fix", "fail"]
    notes = ["", "", "", 'cut off, "really"\nlook again']
    assert rows == [
        {
            "source": names[i],
            "sha256": records[i]["sha256"],
            "decision": words[i],
            "note": notes[i],
        }
        for i in range(4)
    ]
    page.quiet()


def test_keys_typed_into_fields_are_text(browser, large):
    page = Report(browser, large)
    page.press("j", "n")
    page.press("pfxjk/?")
    assert page.one("#note").get_attribute("value") == "pfxjk/?"
    page.run("document.querySelector('#note').value = ''")
    assert page.texts(".cases tbody tr.current .decision") == [" ✎"]
    assert not page.run("return document.querySelector('#help').open")
    page.press(" ", Keys.BACKSPACE, Keys.ESCAPE, "?")
    assert page.run("return document.querySelector('#help').open")
    page.press(Keys.ESCAPE)
    assert not page.run("return document.querySelector('#help').open")
    page.quiet()


def test_the_player_shows_the_worst_frame_and_steps_plays_and_hides_marks(browser, pictured):
    page = Report(browser, pictured)
    page.run("document.querySelector('.cases tbody tr').click()")
    page.until(lambda: page.one(".screen").get_attribute("width") != "300")
    worst = page.texts(".cases tbody tr.current td")[4]
    assert page.one(".now").text == f"frame {worst} / 15"
    page.until(lambda: page.shows(STRUCTURE_COLORS[Label.MYO]))
    marked = page.colors()
    page.run("document.querySelector('.cases tr.current').focus()")
    page.press("m")
    page.until_it_looks(marked, alike=False)
    page.press("m")
    page.until_it_looks(marked)
    page.press(Keys.ARROW_RIGHT)
    assert page.one(".now").text == f"frame {(int(worst) + 1) % 16} / 15"
    page.click("#broken .see")
    assert page.one(".now").text == f"frame {page.texts('#broken .see')[0]} / 15"
    page.press(" ")
    now = page.one(".now").text
    page.until(lambda: page.one(".now").text != now)
    page.press(" ")
    assert page.one(".play").get_attribute("aria-pressed") == "false"
    page.quiet()


def test_a_page_shows_the_asked_frame_its_values_and_the_curves(browser, pictured):
    page = Report(browser, pictured)
    link = page.one("a.example").get_attribute("href")
    path, _, frame = link.removeprefix("file://").partition("#")
    page = Report(browser, Path(path), f"#{frame}")
    assert page.one("#which").text == f"Frame {frame}"
    assert page.texts("#values tr:first-child .verdict")[0] == "✕"
    matrix = page.run(
        "const cells = (row) => [...row.cells].slice(1).map((c) => c.className.split(' ')[0]);"
        "const rows = [...document.querySelectorAll('.matrix tbody tr')];"
        "return rows.map((row) => cells(row).join(''))"
    )
    data = json.loads(page.texts("#data")[0])
    open_ = [c["verdicts"] for c in data["sides"][0] if set(c["verdicts"]) & {"F", "N"}]
    assert [row for row in matrix if len(row) == data["frames"]] == [
        verdicts for verdicts in open_ if len(verdicts) == data["frames"]
    ]
    page.run("document.querySelector('.matrix tbody td[data-frame=\"2\"]').click()")
    assert page.one("#which").text == "Frame 2"
    chart = page.one("#curves .chart")
    x0, step = (float(chart.get_attribute(f"data-{name}")) for name in ("x0", "step"))
    cursor = float(page.one("#curves .chart .cursor").get_attribute("x1"))
    assert cursor == pytest.approx(x0 + 2 * step)
    page.run(
        "const c = arguments[0], box = c.getBoundingClientRect();"
        "const x = box.left + arguments[1] * box.width / c.viewBox.baseVal.width;"
        "c.dispatchEvent(new MouseEvent('click', {clientX: x, clientY: box.top + 9}))",
        chart,
        x0 + 7 * step,
    )
    assert page.one("#which").text == "Frame 7"
    page.quiet()


def test_a_correction_can_be_flipped_between_before_and_after(browser, pictured):
    page = Report(browser, pictured)
    row = page.one(".cases tbody tr:last-child a")
    assert row.text == "p/mended.nii"
    page = Report(browser, Path(row.get_attribute("href").removeprefix("file://")))
    page.until(lambda: page.one(".screen").get_attribute("width") != "300")
    assert page.one("#which").text.endswith(", before")  # it passes now: show what was wrong
    assert page.all(".matrix .F")
    page.until(lambda: page.shows(STRUCTURE_COLORS[Label.MYO]))
    before = page.colors()
    page.press("b")
    assert page.one("#which").text.endswith(", after")
    assert not page.all(".matrix .F")
    page.until_it_looks(before, alike=False)
    page.click(".flip")
    page.until_it_looks(before)
    page.quiet()


def test_pages_lead_to_their_neighbors_and_back_to_their_row(browser, pictured):
    page = Report(browser, pictured)
    names = page.names()
    page.run("document.querySelector('.cases tbody tr').focus()")
    page.press(Keys.ENTER)
    page.until(lambda: "pages/" in browser.current_url)
    assert page.one("h1").text == names[0].rpartition("/")[2]
    assert not page.one("#back").is_displayed()
    page.press("j")
    page.until(lambda: page.one("h1").text == names[1].rpartition("/")[2])
    assert "2 of 7" in page.one("#where").text
    page.press("k")
    page.until(lambda: page.one("h1").text == names[0].rpartition("/")[2])
    page.press("j")
    page.until(lambda: page.one("h1").text == names[1].rpartition("/")[2])
    page.click(".crumbs a")
    page.until(lambda: page.texts("#name"))
    assert page.one("#name").text == names[1]
    page.quiet()


def test_no_name_is_ever_run_and_each_is_shown_as_it_is(browser, tmp_path):
    values = good(4) | {HOLE: [1.0] * 4, JUMP: [0.0, None, 0.0, 99.0]}
    records = [
        as_record(name, audited(values), notes=[name], subgroups={name: name, "site": name})
        for name in HOSTILE
    ]
    records.append(unreadable("e/" + HOSTILE[0], HOSTILE[1]))
    index = write_batch_report(tmp_path, run_of(versions={HOSTILE[0]: HOSTILE[1]}), records)
    page = Report(browser, index)
    assert sorted(page.names()) == sorted([*HOSTILE, "e/" + HOSTILE[0]])
    for row in range(1, len(records) + 1):
        page.run(f"document.querySelector('.cases tbody tr:nth-child({row})').click()")
        assert page.texts("#name")[0] in page.names()
    for value in page.run(
        "return [...document.querySelectorAll('select.group option')].map((o) => o.value)"
    ):
        page.choose("select.group", value)
    page.quiet()
    for path in sorted(tmp_path.glob("pages/*.html"))[:4]:
        page = Report(browser, path)
        assert page.texts("dd bdi")[0] in HOSTILE
        page.quiet()


def test_code_that_got_into_a_page_would_not_run(browser, tmp_path):
    index = write_batch_report(tmp_path, run_of(), numbered(3))
    text = index.read_text(encoding="utf-8")
    for bad in ("<script>window.bad=1</script>", "<img src=x onerror='window.bad=2'>"):
        text = text.replace("<main>", "<main>" + bad)
    index.write_text(text, encoding="utf-8")
    page = Report(browser, index)
    assert page.run("return window.bad") is None
    assert any(
        "Content Security Policy" in entry["message"] for entry in browser.get_log("browser")
    )


def test_everything_has_a_name_for_those_who_hear_the_page(browser, pictured):
    for path in (pictured, next(pictured.parent.glob("pages/*.html"))):
        page = Report(browser, path)
        unnamed = page.run(
            "const which = 'button, a, input, select, textarea, [role=img]';"
            "return [...document.querySelectorAll(which)].filter((n) => !n.hidden &&"
            " !n.textContent.trim() && !n.getAttribute('aria-label') && !n.labels?.length)"
            ".map((n) => n.outerHTML)"
        )
        assert unnamed == []
        assert page.run("return document.documentElement.lang") == "en"
        images = page.run(
            "return [...document.images].filter((i) => !i.hasAttribute('alt')).length"
        )
        assert images == 0


def test_a_narrow_window_does_not_scroll_sideways(browser, pictured):
    for path in (pictured, next(pictured.parent.glob("pages/*.html"))):
        page = Report(browser, path)
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 420, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        try:
            width = page.run("return document.documentElement.scrollWidth")
        finally:
            browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert width <= 420
