"""The page that verifies packs, open in a browser, and asked about folders."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.packs.page.render import render_page
from tests.browser import open_browser, open_page, read_console


@dataclass(frozen=True)
class VerifyPage:
    """A browser that shows the page."""

    session: Any
    path: Path

    def ask(self, pack: Path, *, key: str = "", row: str = "") -> dict[str, Any]:
        """What the page says of a folder: state, headline, problems, passed, notes, facts, lines, gates."""
        from selenium.webdriver.support.ui import WebDriverWait

        self.session.get(self.path.as_uri())
        self.session.execute_script("document.getElementById('key').value = arguments[0]", key)
        self.session.execute_script("document.getElementById('row').value = arguments[0]", row)
        self.session.find_element("id", "folder").send_keys(str(pack))
        script = "return document.documentElement.dataset.checked === 'yes'"
        WebDriverWait(self.session, 60, poll_frequency=0.02).until(lambda s: s.execute_script(script))
        return dict(self.session.execute_script(READ, bool(row)))


READ = """
const texts = (id, tag) => [...document.querySelectorAll(`#${id} ${tag}`)].map((each) => each.textContent);
const pairs = (id) => Object.fromEntries([...document.querySelectorAll(`#${id} > div`)]
  .map((each) => [each.firstChild.textContent, each.lastChild.textContent]));
return {
  state: document.getElementById(arguments[0] ? "proof" : "result").dataset.state,
  headline: document.getElementById(arguments[0] ? "proved" : "headline").textContent,
  problems: texts("problems", "li"), passed: texts("passed", "li"), notes: texts("notes", "li"),
  facts: pairs("facts"), lines: pairs("lines"),
  gates: [...document.querySelectorAll("#gates tr")].map((row) => [...row.children].map((each) => each.textContent)),
};
"""


@contextmanager
def open_verify_page(folder: Path, *flags: str, width: int = 1280) -> Iterator[VerifyPage]:
    """The page in a fresh browser; its file and the profile lie in `folder`."""
    page = folder / "verify.html"
    page.write_text(render_page(), encoding="utf-8")
    with open_browser(folder / "profile", *flags, width=width) as session:
        assert open_page(session, page) == []
        yield VerifyPage(session, page)
        assert read_console(session) == []
