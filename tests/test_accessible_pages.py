"""Report, audit and local page as axe-core judges them: WCAG 2.2 A and AA, wide and narrow, light and dark."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth_stack.ui.judging import Desk
from synth_stack.workflows.audit import audit
from tests.audited import write_data, write_gates
from tests.browser import open_browser
from tests.report.planted_run import plant_run
from tests.report.test_page import render, resize
from tests.review.toy_run import make_toy_run
from tests.ui.conftest import REVIEWER, serve

pytestmark = [pytest.mark.pages, pytest.mark.browser]

AXE = Path(os.environ.get("SYNTH_STACK_AXE", ".venv-pages/node_modules/axe-core/axe.min.js"))
RUN = """
const done = arguments[arguments.length - 1];
axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] })
  .then((found) => done(found.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html)])));
"""
SIZES = [(1280, "light"), (390, "light"), (1280, "dark")]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})  # for axe alone: the page forbids it
        yield opened


def find_violations(session: Any) -> list[Any]:
    session.execute_script(AXE.read_text(encoding="utf-8"))
    found: list[Any] = session.execute_async_script(RUN)
    return found


def wait_until_drawn(session: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    drawn = "return document.documentElement.dataset.drawn === 'yes'"
    WebDriverWait(session, 20).until(lambda s: s.execute_script(drawn))


def test_axe_sees_a_fault_where_there_is_one(session: Any, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<html><img src="data:,"><button></button>', encoding="utf-8")
    session.get(page.as_uri())
    assert {"html-has-lang", "image-alt", "button-name"} <= {name for name, *_ in find_violations(session)}


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_report_has_no_violation(session: Any, tmp_path: Path, width: int, scheme: str) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(plant_run(300)), encoding="utf-8")
    resize(session, width, scheme)
    session.get(page.as_uri())
    wait_until_drawn(session)
    for toggle in session.find_elements("css selector", "details > summary, .toggle")[:12]:
        toggle.click()
    assert find_violations(session) == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_page_of_an_audit_has_no_violation(session: Any, tmp_path: Path, width: int, scheme: str) -> None:
    told = audit(write_data(tmp_path), write_gates(tmp_path), tmp_path / "out", key=tmp_path / "key.pem")
    resize(session, width, scheme)
    session.get((told.folder / "audit.html").as_uri())
    for summary in session.find_elements("css selector", "summary"):
        summary.click()
    assert find_violations(session) == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_local_page_has_no_violation(session: Any, tmp_path: Path, width: int, scheme: str) -> None:
    run = make_toy_run(tmp_path, {"a/b": 40, "c": 20})
    resize(session, width, scheme)
    with serve(run, Desk(run, *REVIEWER)) as page:
        session.get(page.address)
        wait_until_drawn(session)
        session.find_element("css selector", ".toggle").click()
        assert find_violations(session) == []
