"""The page about a latent space in a real browser: it slides, plays, colors, and logs nothing.

Without Chromium and its driver all of this is skipped, which the summary of pytest says.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from browser_cases import Report, chromium, needs_browser
from prior_cases import linear_prior
from selenium.webdriver.common.keys import Keys

from cardiovae.audit.criteria import criteria
from cardiovae.explore.explore import explore
from cardiovae.explore.found import Settings
from cardiovae.explore.record import exploration_record, label_maps
from cardiovae.report.explore import write_exploration

CAMUS = criteria("camus")
PIXELS = "return document.querySelector(arguments[0]).toDataURL()"
HOSTILE = "</script><img src=x onerror='window.bad = 1'>"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium(tmp_path_factory)


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> dict:
    """Of a prior whose hearts are drawn by hand, with a patient that has an evil name."""
    folder = tmp_path_factory.mktemp("prior")
    prior = linear_prior(folder / "p", spread=0.5)
    prior = dataclasses.replace(prior, instants=np.tile([0.0, 1.0], 20))
    found = explore(prior, Settings(CAMUS, n_samples=24))
    record = exploration_record(found, "0")
    record["populations"]["training"]["names"][0] = HOSTILE
    record["films"][0]["start"] = HOSTILE
    return {"record": record, "maps": label_maps(found)}


@pytest.fixture(scope="module")
def page_path(record, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_exploration(folder, record["record"], record["maps"])
    return folder / "index.html"


@pytest.fixture
def page(browser, page_path) -> Report:
    page = Report(browser, page_path)
    page.until(lambda: page.run("return document.querySelector('#heart').dataset.heart"))
    loaded = "return Object.values(sheets).every(({ image }) => image.complete)"
    page.until(lambda: page.run(loaded))
    return page


def move(page: Report, selector: str, *keys: str) -> None:
    page.one(selector).send_keys(*keys)


def test_the_slider_changes_the_heart_and_what_is_said_of_it(page, record):
    walk = record["record"]["walks"][0]
    middle = page.run(PIXELS, "#heart")
    said = page.one("#measures").text
    move(page, "#first", Keys.HOME)
    assert page.run(PIXELS, "#heart") != middle
    assert page.one("#measures").text != said
    low = walk["hearts"]["attributes"]["lv_area"][0]
    assert f"{low:,.0f} mm²" in page.one("#measures").text
    assert f"{low:,.0f} mm²" in page.one("#heart").get_attribute("aria-label")
    verdict = "does not pass" if walk["hearts"]["failed"][0] else "✓ passes"
    assert verdict in page.one("#verdict").text
    for _ in range(12):
        move(page, "#first", Keys.ARROW_RIGHT)
    assert page.run(PIXELS, "#heart") == middle
    page.quiet()


def test_two_sliders_move_one_heart_over_a_pair_of_axes(page, record):
    assert not page.one("#second").is_displayed()
    n_walks = len(record["record"]["walks"])
    page.choose("#what", str(n_walks))
    assert page.one("#second").is_displayed()
    plane = record["record"]["planes"][0]
    move(page, "#first", Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    move(page, "#second", Keys.END)
    i = 2 * len(plane["positions"][1]) + len(plane["positions"][1]) - 1
    area = plane["hearts"]["attributes"]["lv_area"][i]
    assert f"{area:,.0f} mm²" in page.one("#measures").text
    assert page.one("#heart").get_attribute("data-heart") == str(i)
    page.choose("#what", "0")
    assert not page.one("#second").is_displayed()
    page.quiet()


def test_a_film_plays_pauses_and_goes_step_by_step(page):
    first = page.run(PIXELS, ".film canvas")
    page.click(".film .play")
    assert page.one(".film .play").get_attribute("aria-pressed") == "true"
    page.until(lambda: page.run(PIXELS, ".film canvas") != first)
    page.click(".film .play")
    assert page.one(".film .play").get_attribute("aria-pressed") == "false"
    move(page, ".film .slider", Keys.END)
    assert page.one(".film output").text == "step 20 / 20"
    assert page.run(
        "return document.querySelector('.film .steps').lastElementChild.classList.contains('on')"
    )
    move(page, ".film .slider", Keys.HOME)
    assert page.run(PIXELS, ".film canvas") == first
    page.quiet()


def test_the_map_takes_another_color_and_names_its_points(page, record):
    by_fraction = page.run(PIXELS, "#points")
    titles = page.texts("#color option")
    assert "LV area" in titles
    page.choose("#color", str(titles.index("LV area")))
    assert page.run(PIXELS, "#points") != by_fraction
    areas = record["record"]["populations"]["training"]["attributes"]["lv_area"]
    assert f"{max(areas):,.0f} mm²" in page.one("#ramp").text
    move(page, "#points", Keys.ARROW_RIGHT)
    xs = [x for x, _ in record["record"]["maps"][0]["training"]]
    leftmost = record["record"]["populations"]["training"]["names"][int(np.argmin(xs))]
    assert page.one("#point-name").text == leftmost
    assert f"{areas[int(np.argmin(xs))]:,.0f} mm²" in page.one("#point-facts").text
    page.quiet()


def test_names_are_shown_and_never_run(page):
    assert HOSTILE in page.one(".film figcaption").text
    assert json.loads(page.one("#data").get_attribute("textContent"))
    page.quiet()


def test_every_heart_has_words_and_every_control_a_name(page):
    unnamed = page.run(
        "return [...document.querySelectorAll('input, select, button, canvas')].filter((n) =>"
        " !(n.labels?.length || n.getAttribute('aria-label') || n.textContent.trim()))"
        ".map((n) => n.outerHTML)"
    )
    assert unnamed == []
    assert page.run("return [...document.images].every((n) => n.alt && n.naturalWidth > 0)")
    widths = "return [document.documentElement.scrollWidth, innerWidth]"
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        wide, seen = page.run(widths)
        assert wide <= seen  # nothing to scroll sideways on a phone
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.quiet()
