"""The local page as Chromium shows it: rows are found, opened and judged, and nothing in them runs."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.ui.judging import Desk
from tests.browser import open_browser, read_console
from tests.packs.shaped_pack import judge_rows
from tests.review.toy_run import GATES
from tests.some_rows import make_row
from tests.ui.conftest import REVIEWER, serve

pytestmark = pytest.mark.browser

PAYLOAD = "<img src=x onerror=window.pwned=1></script><script>window.pwned=1</script>\u202e"


def test_rows_are_found_opened_and_judged_and_nothing_of_them_runs(tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    rows = [
        make_row(
            ("user", f"Question {n}? {PAYLOAD}"),
            ("assistant", f"{'HOLD' if n == 30 else 'An'} answer {n}. {PAYLOAD}"),
            slice=f"s{n % 2} {PAYLOAD}",
            draw=n,
        )
        for n in range(40)
    ]
    folder = judge_rows(tmp_path, rows, GATES)

    def wait(script: str) -> Any:
        return WebDriverWait(session, 20).until(lambda s: s.execute_script(f"return {script}"))

    def press(words: str) -> None:
        session.find_element(By.XPATH, f"//button[normalize-space()='{words}']").click()

    status = "document.getElementById('status').textContent"
    with serve(folder, Desk(folder, *REVIEWER)) as page, open_browser(tmp_path / "profile") as session:
        session.get(page.address)
        wait("document.documentElement.dataset.drawn === 'yes'")
        assert session.execute_script(f"return {status}") == "1–25 of 40 rows"
        press("Next")
        wait(f"{status} === '26–40 of 40 rows'")
        session.find_element(By.NAME, "q").send_keys("hold ANSWER")
        wait(f"{status} === '1–1 of 1 row'")
        session.find_element(By.CSS_SELECTOR, ".toggle").click()
        wait("document.querySelector('.lineage') !== null")
        assert "it says HOLD" in session.find_element(By.CSS_SELECTOR, ".card").text
        assert "this run has no pack" in session.find_element(By.CSS_SELECTOR, ".card").text
        press("Release")
        wait("document.querySelector('.head').textContent.includes('you said release')")
        press("Show held rows")
        wait(f"{status} === '1–1 of 1 row'")
        press("Put the answers into effect")
        wait("!document.getElementById('totals').textContent.includes('held')")
        assert "No row is held any more" in session.find_element(By.ID, "desk").text
        wait(f"{status} === '1–25 of 40 rows'")
        for width in (1280, 390):
            session.set_window_size(width, 900)
            assert session.execute_script(
                "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
        unnamed = """return [...document.querySelectorAll('input, select, button')].filter(e =>
            !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).length"""
        assert session.execute_script(unnamed) == 0
        assert session.execute_script("return window.pwned === undefined")
        assert read_console(session) == []


def test_a_row_of_a_pack_is_proved_where_it_is_shown(pack: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with serve(pack, None) as page, open_browser(tmp_path / "profile") as session:
        wait = WebDriverWait(session, 20).until
        session.get(page.address)
        wait(lambda s: s.find_elements(By.CSS_SELECTOR, ".toggle"))[0].click()
        wait(lambda s: s.find_elements(By.XPATH, "//button[.='Prove this row']"))[0].click()
        facts = wait(lambda s: s.find_elements(By.CSS_SELECTOR, "[aria-label=Proof] dl"))[0].text
        assert "signed root" in facts
        assert "0 of 65" in facts
        assert read_console(session) == []
