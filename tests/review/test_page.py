"""A reviewer at work in the web page: logs in, filters, answers a record, and the answer arrives."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.review.answers import read_answers
from synth_stack.review.server.local_server import LocalServer
from synth_stack.runs.judged import read_candidates
from synth_stack.workflows.campaign import campaign
from synth_stack.workflows.review import plan
from tests.argilla_server import Person, wait_for
from tests.browser import open_browser, read_console
from tests.packs.shaped_pack import judge_rows
from tests.review.toy_run import GATES
from tests.some_rows import make_row

pytestmark = [pytest.mark.review, pytest.mark.slow, pytest.mark.browser]

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
PASSAGE = {"id": EVIL, "title": EVIL, "text": f"Ten days. {EVIL}", "source": None}


def make_run(folder: Path) -> Path:
    """Rows of two slices; a held one says what would run a script in a page that lets it."""
    rows = [
        make_row(("user", f"Q{n}?"), ("assistant", f"A{n}."), slice="orders/late", draw=n) for n in range(3)
    ]
    held = (("user", "Where is it?"), ("assistant", "On its way. HOLD"))
    rows += [make_row(*held, slice="orders/late", draw=n) for n in (7, 8)]
    evil = (("user", f"Late? {EVIL}"), ("assistant", f"Ten days. {EVIL} HOLD"))
    rows.append(make_row(*evil, slice="billing/refund", draw=9, documents=[PASSAGE]))
    run = judge_rows(folder, rows, GATES)
    plan(run, overlap=0.0, held="only")
    return run


CLICK = """
const shown = [...document.querySelectorAll("button, label, a, span, div, li")];
const found = shown.filter((e) => e.innerText && e.innerText.trim() === arguments[0] && e.getClientRects().length);
if (found.length) found[found.length - 1].click();
return found.length > 0;
"""


def click(session: Any, text: str) -> None:
    """Click the innermost part of the page that shows just that text, once it is there."""
    try:
        wait_for(lambda: session.execute_script(CLICK, text), 60)
    except AssertionError as exc:
        raise AssertionError(f"{text!r} is not in: {read_page(session)!r}") from exc


def read_page(session: Any) -> str:
    """What the page and its frames show, on one line."""
    from selenium.webdriver.common.by import By

    text = str(session.find_element(By.TAG_NAME, "body").text)
    for frame in session.find_elements(By.TAG_NAME, "iframe"):
        session.switch_to.frame(frame)
        text += str(session.find_element(By.TAG_NAME, "body").text)
        session.switch_to.default_content()
    return " ".join(text.split())


def wait_for_text(session: Any, text: str) -> None:
    """Returns when the page shows the text, and says what it shows instead when it does not come."""
    try:
        wait_for(lambda: text in read_page(session))
    except AssertionError as exc:
        raise AssertionError(f"{text!r} is not in: {read_page(session)!r}") from exc


def test_a_reviewer_answers_a_record_in_the_page(tmp_path: Path, argilla: LocalServer) -> None:
    from selenium.webdriver.common.by import By

    run = make_run(tmp_path / "run")
    ann = Person(argilla, "ann")
    address = argilla.address
    with campaign(run, url=address.url, api_key=address.api_key) as reviews:
        [name] = reviews.send().datasets
        with open_browser(tmp_path / "profile", width=1500, height=1300) as session:
            session.get(argilla.url)
            wait_for(lambda: session.find_elements(By.NAME, "Password"))
            session.find_element(By.NAME, "Username").send_keys("ann")
            session.find_element(By.NAME, "Password").send_keys(ann.account.password)
            session.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
            wait_for(lambda: name in session.page_source)
            session.get(f"{argilla.url}/dataset/{ann.find_dataset(name)}/annotation-mode")
            wait_for_text(session, "1 of 3")
            for text in ("Filters", "Metadata", "Slice"):
                click(session, text)
            wait_for_text(session, "billing/refund")  # what there is to filter by
            click(session, "billing/refund")
            wait_for_text(session, "1 of 1")
            wait_for_text(session, "Passage: ")
            shown = read_page(session)
            plain = shown.replace("\N{WORD JOINER}", "")
            assert plain.count(EVIL) >= 4
            assert "toy_marks hold: it says HOLD" in shown
            click(session, "Reject: it has a defect")
            click(session, "The documents beside it do not say it")
            click(session, "Major")
            click(session, "Submit")
            wait_for(lambda: reviews.collect().submitted == 1)
            assert session.title != "owned"
            assert not [line for line in read_console(session) if "owned" in line]
    [answer] = read_answers(run).to_pylist()
    assert (answer["judgement"], answer["defect"], answer["severity"]) == ("reject", "unsupported", "major")
    held = [row for part in read_candidates(run) for row in part.to_pylist() if "HOLD" in row["text"]]
    assert answer["row_id"] == next(row["row_id"] for row in held if EVIL in row["text"])
