"""Chromium for tests of pages, and a page in it as a reader sees it."""

from __future__ import annotations

import base64
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1400,1000",
)  # fmt: skip

needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="THE REPORT IS NOT TRIED IN A BROWSER: install chromium and chromedriver "
    "(Debian: chromium chromium-driver)",
)


def chromium(tmp_path_factory) -> Iterator[WebDriver]:
    """A browser that keeps its downloads and logs, closed when the tests are done with it."""
    downloads = tmp_path_factory.mktemp("downloads")
    options = Options()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.downloads = downloads
    try:
        yield driver
    finally:
        driver.quit()


class Report:
    """A page in the browser, as a reader sees it."""

    def __init__(self, browser: WebDriver, path: Path, fragment: str = "") -> None:
        self.browser = browser
        browser.get("about:blank")
        for name in ("browser", "performance"):
            browser.get_log(name)
        browser.get(path.as_uri() + fragment)

    def one(self, selector: str):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments):
        return self.browser.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map((n) => n.textContent)",
            selector,
        )

    def names(self) -> list[str]:
        return self.texts(".cases tbody .who")

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def choose(self, selector: str, value: str) -> None:
        self.run(
            "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change'))",
            selector,
            value,
        )

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.switch_to.active_element.send_keys(key)

    def sort(self, name: str) -> None:
        (button,) = [b for b in self.all(".cases th button") if b.text == name]
        self.run("arguments[0].click()", button)

    def until(self, true: Callable[[], object]) -> object:
        """Wait for something to become true."""
        end = time.monotonic() + 20
        while not (found := true()):
            assert time.monotonic() < end, "did not become true"
            time.sleep(0.02)
        return found

    def colors(self) -> np.ndarray:
        """Pixels of the player's screen, shape (h, w, 3), as they are on the monitor."""
        clip = self.run(
            "const screen = document.querySelector('.screen');"
            "screen.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = screen.getBoundingClientRect();"
            "return {x: box.x + scrollX, y: box.y + scrollY, width: box.width,"
            " height: box.height, scale: 1}"
        )
        found = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
        picture = Image.open(io.BytesIO(base64.b64decode(found["data"])))
        return np.asarray(picture.convert("RGB"))

    def shows(self, color: str) -> bool:
        """Whether a good part of the screen has a color."""
        return bool((self.colors() == ImageColor.getrgb(color)).all(2).mean() > 0.01)

    def until_it_looks(self, like: np.ndarray, *, alike: bool = True) -> None:
        """Wait for the screen to look like an earlier one, or to look different."""
        self.until(lambda: np.array_equal(self.colors(), like) == alike)

    def quiet(self) -> None:
        """Nothing was logged, and nothing asked for but files beside the page."""
        assert self.browser.get_log("browser") == []
        messages = [
            json.loads(m["message"])["message"] for m in self.browser.get_log("performance")
        ]
        asked = {
            m["params"]["request"]["url"]
            for m in messages
            if m["method"] == "Network.requestWillBeSent"
        }
        assert asked
        assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob", "about"}
        assert self.run("return window.bad") is None
