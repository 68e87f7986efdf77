"""The page of an audit: hostile rows stay text, and it stands without a script or a network."""

import re
from pathlib import Path

import pytest

from synth_stack.workflows.audit import audit
from tests.audited import HOSTILE, write_data, write_gates
from tests.browser import open_browser, read_console


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    data = write_data(folder).rename(folder / "<b>data & more")
    key = tmp_path_factory.getbasetemp() / "signing-key.pem"
    return audit(data, write_gates(folder), folder / "out", key=key).folder / "audit.html"


def test_nothing_from_a_row_or_a_file_name_becomes_markup(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert "<b>data" not in text
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=\"(?!#)", text)


def test_what_was_not_checked_stands_before_every_figure_by_gate(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.index("What was not checked") < text.index("What to do") < text.index("Defects by gate")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_complaint_and_without_scrolling_sideways(
    page: Path, tmp_path: Path, width: int
) -> None:
    with open_browser(tmp_path / "profile", width=max(width, 500)) as session:
        session.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        session.get(page.resolve().as_uri())
        assert read_console(session) == []
        wide = session.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        assert session.title.startswith("Audit of <b>data")
