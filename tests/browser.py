"""Headless Chromium for the tests that must see a page run.

Without Chromium these tests are skipped; SYNTH_STACK_REQUIRE_BROWSER=1 (set in CI) makes that a failure.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)
"""No sandbox: containers run the tests as root. The rest keeps Chromium from calling home."""


@contextmanager
def open_browser(profile: Path, *flags: str, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """A WebDriver of a fresh headless Chromium whose profile lies in `profile`; ends with the block."""
    browser, driver = _find_browser()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield session
    finally:
        session.quit()


def open_page(session: Any, page: Path) -> list[str]:
    """The console messages of opening the file `page`; returns once the report has drawn itself."""
    from selenium.webdriver.support.ui import WebDriverWait

    session.get(page.resolve().as_uri())
    script = "return document.documentElement.dataset.drawn === 'yes'"
    WebDriverWait(session, 20).until(lambda s: s.execute_script(script))
    return read_console(session)


def read_console(session: Any) -> list[str]:
    """What the page has written to the console since the last call: errors and policy violations too."""
    return [entry["message"] for entry in session.get_log("browser")]


def _find_browser() -> tuple[str, str]:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    driver = shutil.which("chromedriver")
    if found and driver:
        return found, driver
    missing = "needs Chromium and its driver (apt-get install chromium chromium-driver)"
    if os.environ.get("SYNTH_STACK_REQUIRE_BROWSER") == "1":
        pytest.fail(f"SYNTH_STACK_REQUIRE_BROWSER is set, and this test {missing}")
    pytest.skip(missing)
