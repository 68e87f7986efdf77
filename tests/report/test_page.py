"""The report as Chromium shows it: nothing in a row runs, and every part of the page does its work."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synth_stack.decisions.figures import compute_figures
from synth_stack.packs.signers import local_signer
from synth_stack.packs.write import write_pack
from synth_stack.report.html import render_report
from synth_stack.report.sample import collect_audit_rows
from synth_stack.report.unchecked import Unchecked
from synth_stack.rows.canonical import canonical_text
from synth_stack.runs.self_tests import KindCount, SelfTestBars, measure
from synth_stack.workflows.curate import curate
from tests.audited import good_row
from tests.browser import open_browser, open_page, read_console
from tests.report.funnel_arithmetic import check_funnel
from tests.report.planted_run import EMPTY, INSULT, SELF_TESTS, Run, build_run, plant_run, replace_rows
from tests.some_rows import make_preference_row, make_reasoning_row, make_tool_row

pytestmark = pytest.mark.browser

PAYLOADS = (
    "<script>window.pwned = 1</script>",
    "</script><script>window.pwned = 1</script>",
    "<!--<script>window.pwned = 1",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "javascript:window.pwned=1",
    "<a href='javascript:window.pwned=1'>click</a>",
    "`${window.pwned = 1}`",
    "'\"><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "\u2028window.pwned = 1\u2029",
    "<base href='http://127.0.0.1/'><meta http-equiv=refresh content=0>",
    "__proto__",
)

Show = Callable[..., Any]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(session: Any, tmp_path: Path) -> Show:
    """Renders a run, opens its page, and gives the session; the page must not complain on the console."""

    def open_run(
        run: Run, *, limit: int = 5_000, title: str = "A run", width: int = 1280, scheme: str = "light"
    ) -> Any:
        page = tmp_path / "report.html"
        page.write_text(render(run, limit=limit, title=title), encoding="utf-8")
        resize(session, width, scheme)
        assert open_page(session, page) == []
        return session

    return open_run


def render(run: Run, *, limit: int = 5_000, title: str = "A run") -> str:
    found = compute_figures(run.candidates, run.verdicts, run.decisions, run.self_tests)
    rows = collect_audit_rows(run.candidates, run.verdicts, run.decisions, limit=limit)
    return render_report(found, rows, title=title, facts={"recipe": title}, pictures=picture(run))


def picture(run: Run) -> dict[str, Any]:
    """Distributions and a map with the words of the run's rows in every place that has words."""
    rows = [row for table in run.candidates for row in table.to_pylist()]
    decided = {row["row_id"]: row["decision"] for row in run.decisions.to_pylist()}
    rows = rows[:12]
    names = [row["text"] or "" for row in rows] or ["none"]
    shares = [1 / len(names)] * len(names)
    dots = [
        {"row_id": row["row_id"], "x": 0.5, "y": 0.5, "slice": row["slice"], "text": row["text"] or ""}
        | {"decision": decided.get(row["row_id"], "held")}
        for row in rows
    ]
    return {
        "clusters": [
            {"gate": names[0], "reason_class": names[-1], "centre": "0" * 32, "text": names[0]}
            | {"share": 0.3, "low": 0.25, "high": 0.36, "rows": 3}
        ],
        "distributions": [
            {"gate": names[0], "what": names[-1], "form": "quantiles", "labels": None}
            | {"batch": [1.0, 2.0, 4.0], "other": [0.0, 1.0, 2.0]},
            {
                "gate": names[0],
                "what": "names",
                "form": "shares",
                "labels": names,
                "batch": shares,
                "other": shares,
            },
        ],
        "map": {"centres": [[0.5, 0.5]], "explained": 0.25, "rows": dots} if dots else None,
        "yields": [{**YIELD, "gate": gate, "parameter": gate} for gate in names[:3]] + [YIELD],
        "balance": {
            "goal": 40,
            "largest": 50,
            "slices": [{"name": name} | BALANCED for name in names[:3]],
            "left_out": 3,
        },
        "heat": {
            "gates": names,
            "slices": [{"name": name, "n": 40, "away": [n % 9 for n in range(len(names))]} for name in names],
            "folded": 2,
        },
        "costs": {
            "accepted": 3,
            "tokens": {name: [1_000, 200, 10] for name in names},
            "gates": [{"gate": name, "away": 2, "with": 1.5, "without": None} for name in names],
        },
        "beside": {
            "name": names[0],
            "rows": 90,
            "lines": [
                {"what": name, "batch": (1, 9), "other": None, "low": None, "high": None} for name in names
            ]
            + [{"what": "dedup", "batch": (30, 90), "other": (3, 90), "low": 0.19, "high": 0.4}],
        },
    }


BALANCED = {"before": 30, "planned": 12, "accepted": 10, "after": 40}
YIELD = {
    "gate": "dedup",
    "parameter": "threshold",
    "threshold": 0.85,
    "rejects": ">=",
    "planted": 40,
    "classes": ["dedup.near_duplicate"],
    "points": [(0.2, 10, 0, 40), (0.85, 200, 0, 40), (0.99, 220, 5, 12)],
}


def resize(session: Any, width: int, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    session.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    session.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})


def find(session: Any, selector: str) -> list[Any]:
    found: list[Any] = session.find_elements("css selector", selector)
    return found


def texts(session: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    found: list[str] = session.execute_script(script, selector)
    return found


def wait_for_status(session: Any, words: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(session, 10).until(lambda s: texts(s, "[role=status]") == [words])


def wait_for_other_status(session: Any, words: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(session, 10).until(lambda s: texts(s, "[role=status]") != [words])


def choose(session: Any, column: str, label: str) -> None:
    from selenium.webdriver.support.ui import Select

    labels = texts(session, ".filters label .hidden")
    Select(find(session, ".filters select")[labels.index(column)]).select_by_visible_text(label)


def rejected_with(evidence: str, text: str, other: str = "beside it") -> Run:
    verdict = {
        "row": 0,
        "gate": "dedup",
        "outcome": "reject",
        "score": 0.9,
        "threshold": 0.85,
        "evidence": evidence,
    }
    decisions = [
        {"row": 0, "decision": "rejected", "gate": "dedup", "reason": "too close"},
        {"row": 1, "decision": "accepted"},
    ]
    return build_run([{"text": text}, {"text": other}], [verdict], decisions)


def hostile_run() -> Run:
    rows, verdicts, decisions = [], [], []
    for i, payload in enumerate(PAYLOADS):
        messages = [{"role": payload, "content": payload}, {"role": "user", "content": payload}]
        columns = dict.fromkeys(("text", "slice", "locale", "generator", "teacher", "source_id"), payload)
        call = {"id": payload, "name": payload, "arguments": payload}
        more = {"reasoning": payload, "tool_calls": [call], "tool_call_id": payload, "name": payload}
        side = {"label": payload, "messages": [{**messages[0], **more}], "rating": payload, "model": payload}
        document = {"id": payload, "title": payload, "text": payload, "source": payload}
        nested = {"alternatives": [side], "tools": payload, "documents": [document]}
        rows.append({**columns, **nested, "messages": messages})
        evidence: dict[str, Any] = {
            payload: payload,
            "item_text": payload,
            "eval_set": payload,
            "item": [payload],
        }
        evidence |= {"span": payload, "start": 0, "end": len(payload), "twin": payload}
        verdict = {"row": i, "gate": payload, "outcome": "reject", "score": 0.5, "reason": payload}
        verdicts.append({**verdict, "evidence": canonical_text(evidence)})
        decisions.append({"row": i, "decision": "rejected", "gate": payload, "reason": payload})
    return build_run(rows, verdicts, decisions)


def test_nothing_in_a_hostile_row_runs_or_becomes_an_element(show: Show) -> None:
    title = PAYLOADS[1]
    session = show(hostile_run(), title=title)
    for toggle in find(session, ".toggle"):
        toggle.click()
    assert len(find(session, "tr.detail")) == len(PAYLOADS)
    assert session.execute_script("return [window.pwned ?? null, document.title]") == [None, title]
    assert len(find(session, "script")) == 2
    assert (
        find(session, "img, iframe, base, object, embed, form, main a, main [onload], main [onerror]") == []
    )
    assert session.execute_script("return Object.prototype.hasOwnProperty.call({}, 'pwned')") is False
    assert read_console(session) == []
    shown = texts(session, ".conversation .text")
    for payload in PAYLOADS:
        spelt = payload.replace("\u2028", "⟨U+2028⟩").replace("\u2029", "⟨U+2029⟩")
        assert (
            shown.count(spelt) == 7
        )  # two messages; of the side its reasoning, content and call; tools; document


def test_calls_reasoning_sides_tools_and_documents_of_a_row_are_shown(show: Show) -> None:
    rows = [
        make_tool_row(documents=[{"id": "d", "title": "Forecast", "text": "Rain from the west."}]),
        make_reasoning_row(),
        make_preference_row(),
    ]
    session = show(build_run(rows, [], [{"row": k, "decision": "accepted"} for k in range(3)]))
    for toggle in find(session, ".toggle"):
        toggle.click()
    calls = texts(session, ".call p:first-child")
    assert calls == ["weather c1", "weather c2"]
    assert '"city": "Oslo"' in texts(session, ".call .text")[0]
    roles = texts(session, ".turn .role")
    assert roles[:4] == ["user", "assistant", "tool, weather, answers c1", "tool, weather, answers c2"]
    assert texts(session, ".conversation summary") == ["tools that it may call", "Forecast", "reasoning"]
    assert texts(session, ".side .pane-title") == ["rejected, rating 1.5", "chosen, rating 4"]
    assert texts(session, ".side .text") == ["You can not do that.", "Refuse the parcel at your door."]
    assert "null" not in "".join(texts(session, ".conversation"))


def test_rows_are_found_by_what_they_call_and_reason(show: Show) -> None:
    rows = [make_tool_row(), make_reasoning_row(), make_preference_row()]
    session = show(build_run(rows, [], [{"row": k, "decision": "accepted"} for k in range(3)]))
    for needle in ("bergen", "3.5 times 60", "refuse the parcel"):
        box = find(session, "[type=search]")[0]
        box.clear()
        box.send_keys(needle)
        wait_for_status(session, "1–1 of 1 row")


def test_the_policy_of_the_page_refuses_foreign_script_and_markup(session: Any, tmp_path: Path) -> None:
    page = tmp_path / "altered.html"
    altered = render(plant_run(5)).replace("</body>", "<script>window.pwned = 1</script></body>")
    page.write_text(altered, encoding="utf-8")
    console = open_page(session, page)
    assert len(console) == 1
    assert "Content Security Policy" in console[0]
    assert session.execute_script("return window.pwned ?? null") is None
    attempt = (
        "try { document.body.innerHTML = '<b>x</b>'; return 'made' } catch (error) { return error.name }"
    )
    assert session.execute_script(attempt) == "TypeError"
    assert "requires 'TrustedHTML'" in read_console(session)[0]


def test_the_own_style_and_script_pass_the_policy(show: Show) -> None:
    session = show(plant_run(30))
    style = "return getComputedStyle(document.body).fontVariantNumeric"
    assert session.execute_script(style) == "tabular-nums"
    assert len(find(session, "#funnel svg")) == 1


def test_unseen_characters_are_shown_and_honest_ones_left_alone(show: Show) -> None:
    honest = "family 👨‍👩‍👧 ❤️ می‌خواهم a\tb\r\nc"
    text = f"pay\u202eevil\u200b \u00ad\ufeff\U000e0041 {honest}"
    session = show(build_run([{"text": text}], [], [{"row": 0, "decision": "accepted"}]))
    find(session, ".toggle")[0].click()
    tags = texts(session, ".card .conversation > .text .unseen")
    assert tags == ["⟨U+202E⟩", "⟨U+200B⟩", "⟨U+00AD⟩", "⟨U+FEFF⟩", "⟨U+E0041⟩"]
    assert texts(session, ".card .conversation > .text")[0].endswith(honest)


def test_search_finds_text_reason_and_id(show: Show) -> None:
    run = plant_run(120)
    session = show(run)
    insults = sum(INSULT in text for part in run.candidates for text in part["text"].to_pylist())
    box = find(session, "input[type=search]")[0]
    box.send_keys(INSULT.upper())
    wait_for_status(session, f"1–{insults} of {insults} rows")
    box.clear()
    box.send_keys(run.candidates[0]["row_id"][3].as_py())
    wait_for_status(session, "1–1 of 1 row")
    box.clear()
    box.send_keys("no row says this")
    wait_for_status(session, "No row matches.")
    find(session, ".status button")[0].click()
    wait_for_status(session, "1–25 of 120 rows")


def test_filters_narrow_the_rows_together(show: Show) -> None:
    run = plant_run(300)
    decisions = run.decisions.to_pylist()
    session = show(run)
    rejected = sum(d["decision"] == "rejected" for d in decisions)
    by_dedup = sum(d["gate"] == "dedup" for d in decisions)
    choose(session, "decision", f"rejected ({rejected})")
    choose(session, "gate", f"dedup ({by_dedup})")
    wait_for_status(session, f"1–{by_dedup} of {by_dedup} rows")
    assert set(texts(session, "td.c-gate")) == {"dedup"}
    assert set(texts(session, "td.c-decision")) == {"rejected"}


def test_a_reason_and_a_slice_lead_to_their_rows(show: Show) -> None:
    run = plant_run(300)
    session = show(run)
    near = sum(d["gate"] == "dedup" for d in run.decisions.to_pylist())
    find(session, "#reasons button.link")[
        [t == "dedup.near_duplicate" for t in texts(session, "#reasons .what")].index(True)
    ].click()
    wait_for_status(session, f"1–{near} of {near} rows")
    find(session, "#slices button.link")[0].click()
    assert set(texts(session, "td.c-slice")) == {texts(session, "#slices tbody th")[0]}


def test_pages_turn_and_open_rows_stay_open(show: Show) -> None:
    session = show(plant_run(60))
    find(session, ".toggle")[0].click()
    previous, following = find(session, ".pager button")
    assert not previous.is_enabled()
    following.click()
    wait_for_status(session, "26–50 of 60 rows")
    assert find(session, "tr.detail") == []
    find(session, ".pager button")[0].click()
    wait_for_status(session, "1–25 of 60 rows")
    assert len(find(session, "tr.detail")) == 1


def test_a_row_opens_and_closes_from_the_keyboard(show: Show) -> None:
    from selenium.webdriver.common.keys import Keys

    session = show(plant_run(10))
    toggle = find(session, ".toggle")[0]
    toggle.send_keys(Keys.ENTER)
    assert (toggle.get_attribute("aria-expanded"), len(find(session, "tr.detail"))) == ("true", 1)
    toggle.send_keys(Keys.SPACE)
    assert (toggle.get_attribute("aria-expanded"), len(find(session, "tr.detail"))) == ("false", 0)


def test_a_span_is_marked_by_its_characters_even_after_emoji(show: Show) -> None:
    text = "👍🏽 fool, but you fool"
    start = text.rindex("fool")
    session = show(rejected_with(f'{{"start":{start},"end":{start + 4}}}', text))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane mark") == ["fool"]
    assert texts(session, ".pane .text")[0].endswith("fool")
    assert session.execute_script("return document.querySelector('.pane mark').nextSibling.textContent") == ""


@pytest.mark.parametrize(
    ("evidence", "marked"),
    [
        ('{"span":"fool","start":0,"end":4}', ["fool"]),
        ('{"span":"fool"}', ["fool"]),
        ('{"start":0,"end":3}', ["you"]),
        ('{"span":"you","start":0,"end":8}', ["you fool"]),
        ('{"start":3,"end":999}', []),
        ('{"start":-3,"end":2}', []),
        ('{"span":"absent","start":0,"end":6}', []),
        ('{"span":7,"start":"0","end":null}', []),
    ],
)
def test_a_span_that_does_not_fit_is_shown_as_a_value(show: Show, evidence: str, marked: list[str]) -> None:
    session = show(rejected_with(evidence, "you fool"))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane mark") == marked
    assert bool(find(session, ".verdict .facts dt")) is not bool(marked)


def test_offsets_count_in_the_message_that_the_evidence_names(show: Show) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "go away, fool"}]
    evidence = '{"message":1,"start":9,"end":13,"scorer":"linear-svm"}'
    verdict = {"row": 0, "gate": "toxicity", "outcome": "reject", "evidence": evidence}
    decision = {"row": 0, "decision": "rejected", "gate": "toxicity", "reason": "toxic: insult"}
    session = show(build_run([{"text": "hello\ngo away, fool", "messages": turns}], [verdict], [decision]))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane-title") == ["Message 1, assistant"]
    assert texts(session, ".pane mark") == ["fool"]
    assert texts(session, ".verdict .facts dt") == ["scorer"]


@pytest.mark.parametrize(
    ("path", "title", "marked", "told"),
    [
        ("messages.1.content", "Message 1, assistant", "fool", ["scorer"]),
        ("messages.1.reasoning", "messages.1.reasoning", "rude", ["scorer"]),
        ("text", "This row", "fool", ["path", "role", "scorer"]),
        ("documents.0.text", None, None, ["path", "role", "start", "end", "scorer"]),
        ("constructor", None, None, ["path", "role", "start", "end", "scorer"]),
    ],
)
def test_offsets_count_in_the_text_at_the_path_that_the_evidence_names(
    show: Show, path: str, title: str | None, marked: str | None, told: list[str]
) -> None:
    said = {"role": "assistant", "content": "go away, fool", "reasoning": "I will be rude"}
    evidence = f'{{"path":"{path}","role":"assistant","start":9,"end":13,"scorer":"linear-svm"}}'
    evidence = evidence.replace('9,"end":13', '10,"end":14') if path.endswith("reasoning") else evidence
    verdict = {"row": 0, "gate": "toxicity", "outcome": "reject", "evidence": evidence}
    decision = {"row": 0, "decision": "rejected", "gate": "toxicity", "reason": "toxic: insult"}
    row = {"text": "go away, fool", "messages": [{"role": "user", "content": "hello"}, said]}
    session = show(build_run([row], [verdict], [decision]))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane-title") == ([title] if title else [])
    assert texts(session, ".pane mark") == ([marked] if marked else [])
    assert texts(session, ".verdict .facts dt") == told


def found_in(messages: list[str], findings: list[Any]) -> Run:
    """A row that was rejected for what was found in its messages."""
    said = [{"role": "user", "content": content} for content in messages]
    verdict = {"row": 0, "gate": "personal_data", "outcome": "reject", "score": 1.0}
    verdict["evidence"] = canonical_text({"findings": findings})
    decision = {"row": 0, "decision": "rejected", "gate": "personal_data", "reason": "personal data: email"}
    return build_run([{"text": "\n\n".join(messages), "messages": said}], [verdict], [decision])


def test_everything_that_was_found_in_a_row_is_marked_in_its_messages(show: Show) -> None:
    findings = [
        {"path": "messages.1.content", "kind": "phone", "start": 5, "end": 8},
        {"path": "messages.0.content", "kind": "email", "start": 3, "end": 6},
        {"path": "messages.0.content", "kind": "name", "start": 5, "end": 9},
        {"message": 0, "kind": "email", "start": 13, "end": 16},
    ]
    session = show(found_in(["🙂🙂 a@b cd ef g@h", "call 555 now"], findings))
    find(session, ".toggle")[0].click()
    assert texts(session, ".verdict .pane-title") == ["Message 1, user", "Message 0, user"]
    assert texts(session, ".verdict mark") == ["555", "a@b cd", "g@h"]


@pytest.mark.parametrize(
    "findings",
    [[], [1], [{"message": 9, "start": 0, "end": 1}], [{"message": 0, "start": 5, "end": 500}], [None]],
)
def test_findings_that_do_not_fit_are_shown_as_a_value(show: Show, findings: list[Any]) -> None:
    session = show(found_in(["hello there"], findings))
    find(session, ".toggle")[0].click()
    assert find(session, ".verdict .pane") == []
    assert texts(session, ".verdict .facts dt") == ["findings"]


def test_a_twin_is_shown_beside_its_row_with_the_shared_words_marked(show: Show) -> None:
    text, other = "My card was charged twice today", "Hello, my card was charged once today"
    twin = rejected_with("{}", text, other).candidates[0]["row_id"][1].as_py()
    session = show(rejected_with(f'{{"twin":"{twin}","jaccard":0.9}}', text, other), limit=1)
    assert texts(session, "[role=status]") == ["1–1 of 1 row"]
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane .text") == [text, other]
    assert texts(session, ".pane mark") == ["My card was charged", "my card was charged"]
    assert texts(session, ".pane .decision") == ["accepted"]
    assert texts(session, ".verdict .facts dt") == ["jaccard"]
    assert find(session, ".pane button") == []


def test_a_listed_twin_is_one_click_away(show: Show) -> None:
    twin = rejected_with("{}", "one", "two").candidates[0]["row_id"][1].as_py()
    session = show(rejected_with(f'{{"twin":"{twin}"}}', "one", "two"))
    find(session, ".toggle")[0].click()
    find(session, ".pane button")[0].click()
    wait_for_status(session, "1–1 of 1 row")
    assert texts(session, ".card .facts dd")[0] == twin


def test_a_twin_that_is_no_row_of_the_run_is_named_as_such(show: Show) -> None:
    session = show(rejected_with('{"twin":"0000"}', "one"))
    find(session, ".toggle")[0].click()
    assert texts(session, ".verdict .empty") == ["Its twin 0000 is not a row of this run."]


def test_an_eval_item_is_shown_with_its_name_and_overlap(show: Show) -> None:
    evidence = '{"eval_set":"gsm8k","item":12,"item_text":"She sold 48 clips in April."}'
    session = show(rejected_with(evidence, "In spring she sold 48 clips, then rested."))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane-title") == ["This row", "Eval item gsm8k, 12"]
    assert texts(session, ".pane mark") == ["she sold 48 clips", "She sold 48 clips"]


def test_an_eval_item_stands_beside_the_message_that_it_was_found_in(show: Show) -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "She sold 48 clips."}]
    evidence = '{"message":1,"eval_set":"gsm8k","item":"test-0","item_text":"She sold 48 clips in April."}'
    verdict = {"row": 0, "gate": "contamination", "outcome": "reject", "evidence": evidence}
    decision = {"row": 0, "decision": "rejected", "gate": "contamination", "reason": "eval item"}
    session = show(build_run([{"text": "all of it", "messages": turns}], [verdict], [decision]))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane-title") == ["Message 1, assistant", "Eval item gsm8k, test-0"]
    assert texts(session, ".pane mark") == ["She sold 48 clips", "She sold 48 clips"]
    assert find(session, ".verdict .facts dt") == []


CLAIMS = [
    {
        "sort": "quantity",
        "standing": "contradicted",
        "claim": "within 30 days",
        "path": "messages.1.content",
        "by": "rules",
        "source": {"passage": "returns.md#window", "start": 0, "end": 14, "text": "within 14 days"},
        "said": "30 days, where the source says 14",
    },
    {
        "sort": "name",
        "standing": "not_found",
        "claim": "Contoso Plus",
        "path": "messages.1.content",
        "by": "rules",
    },
]


def test_claims_stand_beside_the_passages_that_they_were_held_against(show: Show) -> None:
    turns = [
        {"role": "user", "content": "How long?"},
        {"role": "assistant", "content": "within 30 days, or Contoso Plus"},
    ]
    evidence = canonical_text({"claims": CLAIMS, "counts": {"contradicted": 1, "in_doubt": 0}})
    verdict = {"row": 0, "gate": "factuality", "outcome": "reject", "evidence": evidence}
    decision = {"row": 0, "decision": "rejected", "gate": "factuality", "reason": "30 days"}
    session = show(build_run([{"text": "all of it", "messages": turns}], [verdict], [decision]))
    find(session, ".toggle")[0].click()
    assert texts(session, ".claim .decision") == ["contradicted", "not found"]
    places = ["Message 1, assistant", "returns.md#window", "Message 1, assistant"]
    assert texts(session, ".claims .pane-title") == places
    assert texts(session, ".claims .pane .text") == ["within 30 days", "within 14 days", "Contoso Plus"]
    assert texts(session, ".claims .note") == ["Marked: words that both hold."]
    assert texts(session, ".verdict .facts dd") == ["contradicted 1"]


def test_shifts_are_drawn_with_their_interval_and_bar(show: Show) -> None:
    shift = {"statistic": "length_ks", "probe": "how long", "size": 0.4, "low": 0.3, "high": 0.5, "bar": 0.15}
    session = show(rejected_with(canonical_text({"shifts": [shift], "low": {"length_ks": 0.3}}), "one"))
    find(session, ".toggle")[0].click()
    assert (
        find(session, ".shifts .mark")[0].get_attribute("aria-label") == "0.4, interval 0.3 to 0.5, bar 0.15"
    )
    assert find(session, ".shifts .tick")[0].get_attribute("x1") == "30%"


@pytest.mark.parametrize(
    "evidence",
    [
        {"claims": [3, None]},
        {"claims": [{}]},
        {"claims": [{"source": {"text": 5, "passage": []}, "standing": ["x"], "claim": {"a": 1}}]},
        {"shifts": [{}]},
        {"shifts": [{"size": "x", "low": None, "high": -1, "bar": 1e999}]},
        {"shifts": "all"},
    ],
)
def test_claims_and_shifts_of_any_shape_are_shown(show: Show, evidence: dict[str, Any]) -> None:
    session = show(rejected_with(json.dumps(evidence), "one"))
    find(session, ".toggle")[0].click()
    assert find(session, ".verdict")


def test_a_batch_is_drawn_beside_other_rows_and_on_a_plane(show: Show) -> None:
    session = show(rejected_with("{}", "one", "two"))
    assert texts(session, "#distributions figcaption b") == ["two", "names"]
    label = find(session, "#distributions .quantiles svg")[0].get_attribute("aria-label")
    assert label == "two: median 2 in the batch, 1 in the other rows"
    assert texts(session, "#distributions .shares .what") == ["one", "two"]
    assert [dot.get_attribute("class") for dot in find(session, "#map .plane > circle")] == [
        "rejected",
        "accepted",
    ]
    session.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('click'))", find(session, "#map circle")[0]
    )
    assert len(find(session, "table.rows .toggle")) == 1


def test_without_pictures_their_sections_are_gone(session: Any, tmp_path: Path) -> None:
    run = rejected_with("{}", "one")
    found = compute_figures(run.candidates, run.verdicts, run.decisions, run.self_tests)
    rows = collect_audit_rows(run.candidates, run.verdicts, run.decisions, limit=10)
    page = tmp_path / "report.html"
    page.write_text(render_report(found, rows, title="x", facts={}), encoding="utf-8")
    assert open_page(session, page) == []
    assert find(session, "#distributions, #map") == []


def test_words_of_scripts_without_spaces_are_compared_by_character(show: Show) -> None:
    twin = rejected_with("{}", "今日は天気です", "昨日は天気だ").candidates[0]["row_id"][1].as_py()
    session = show(rejected_with(f'{{"twin":"{twin}"}}', "今日は天気です", "昨日は天気だ"))
    find(session, ".toggle")[0].click()
    assert texts(session, ".pane mark") == ["日は天気", "日は天気"]


def test_five_thousand_rows_cost_no_more_elements_than_one_page_of_them(show: Show) -> None:
    session = show(plant_run(5_200))
    assert texts(session, "[role=status]") == ["1–25 of 5,000 rows"]
    count = "return document.querySelectorAll('*').length"
    small = session.execute_script(count)
    assert small < 2_500
    find(session, "input[type=search]")[0].send_keys("invoice")
    # the search waits for a pause in typing and then draws the pager anew
    wait_for_other_status(session, "1–25 of 5,000 rows")
    session.execute_script("document.querySelectorAll('.pager button')[1].click()")
    assert session.execute_script(count) < 2_500


def test_the_funnel_is_drawn_in_proportion(show: Show) -> None:
    run = plant_run(400)
    found = compute_figures(run.candidates, run.verdicts, run.decisions)
    session = show(run)
    bars = "document.querySelectorAll('#funnel rect.gate, #funnel rect.accepted')"
    drawn = session.execute_script(f"return [...{bars}].map((bar) => bar.width.baseVal.value)")
    counts = [stage.entered for stage in found.funnel] + [found.accepted]
    assert drawn == pytest.approx([drawn[0] * n / counts[0] for n in counts], abs=0.01)
    assert texts(session, "#funnel svg text.name") == [stage.gate for stage in found.funnel]
    assert texts(session, "#funnel svg text.rejected") == [
        str(s.rejected) for s in found.funnel if s.rejected
    ]


def test_replacements_come_in_beside_the_generated_rows(show: Show) -> None:
    session = show(replace_rows(plant_run(60), range(1, 13)))
    assert texts(session, "#funnel text.strong")[:2] == ["generated", "60 + 12 replacements"]
    bars = "['inflow', 'replacements', 'gate'].map((kind) => document.querySelector(`#funnel rect.${kind}`))"
    inflow, copies, gate = session.execute_script(f"return {bars}.map((bar) => bar.width.baseVal.value)")
    assert inflow + copies == pytest.approx(gate, abs=0.01)
    assert copies / inflow == pytest.approx(12 / 60, rel=1e-3)


def test_a_row_and_its_replacement_lead_to_each_other(show: Show) -> None:
    run = replace_rows(plant_run(60), [4, 9])
    original, copy = (run.decisions["row_id"][i].as_py() for i in (4, 60))
    session = show(run)
    next(b for b in find(session, "#reasons button") if b.text == "personal_data.redacted").click()
    wait_for_status(session, "1–2 of 2 rows")
    find(session, ".toggle")[0].click()
    assert texts(session, ".card > .facts button") == [copy]
    find(session, ".card > .facts button")[0].click()
    wait_for_status(session, "1–2 of 2 rows")
    assert original in texts(session, ".card > .facts button")


def test_each_kind_is_drawn_on_its_interval_beside_its_bar(show: Show) -> None:
    session = show(replace(plant_run(30), self_tests=SELF_TESTS))
    heads = texts(session, ".tests tbody th")
    assert heads == ["dedup", "toxicityblind", "contamination", "drift"]
    assert texts(session, ".tests tbody tr:nth-child(3) td") == ["30", "27", "20", "1", "translated_item"]
    assert texts(session, "#self-tests > ul .what") == ["toxicity: combative_tone"]
    find(session, "#self-tests summary")[0].click()
    shares = ["1.000", "0.967", "0.400", "0.820", "0.900", "0.050"]
    assert texts(session, "#self-tests details b.number") == shares
    place = (
        "const left = (e) => e.getBoundingClientRect().left;"
        "return [...document.querySelectorAll('#self-tests details svg')].map((svg) => {"
        "const [axis, dot] = ['.axis', '.dot'].map((s) => svg.querySelector(s).getBoundingClientRect());"
        "return ((dot.left + dot.right) / 2 - axis.left) / axis.width})"
    )
    assert session.execute_script(place) == pytest.approx([float(share) for share in shares], abs=0.01)
    ends = "return ['x1', 'x2'].map((end) => document.querySelector('#self-tests details .whisker').getAttribute(end))"
    found = SELF_TESTS[0].canaries[0]
    assert [float(end.removesuffix("%")) for end in session.execute_script(ends)] == pytest.approx(
        [100 * found.low, 100 * found.high]
    )
    assert len(find(session, "#self-tests details li.failed")) == 1


def test_gates_that_all_passed_their_self_tests_leave_no_list_of_kinds(show: Show) -> None:
    session = show(replace(plant_run(30), self_tests=SELF_TESTS[:1]))
    assert find(session, "#self-tests > ul") == []
    assert "null" not in texts(session, "#self-tests")[0]


def test_a_run_without_canaries_says_that_recall_is_not_known(show: Show) -> None:
    session = show(plant_run(10))
    assert texts(session, "#self-tests .empty") == [
        "No gate planted rows for itself, so what each one misses is not known."
    ]


def test_hostile_names_of_canaries_stay_text(show: Show) -> None:
    kinds = [KindCount(payload, 3, 1) for payload in PAYLOADS]
    tests = [measure(payload, kinds, SelfTestBars(0.5)) for payload in PAYLOADS[:3]]
    session = show(replace(plant_run(10), self_tests=tests))
    assert session.execute_script("return window.pwned ?? null") is None
    assert len(find(session, "script")) == 2
    for line, payload in zip(texts(session, ".alarm li"), PAYLOADS[:3], strict=True):
        assert line.startswith(payload)


def test_a_table_of_groups_sorts_by_each_of_its_columns(show: Show) -> None:
    run = plant_run(200)
    session = show(run)
    names = [group.name for group in compute_figures(run.candidates, run.verdicts, run.decisions).slices]
    assert texts(session, "#slices tbody th") == names
    find(session, "#slices button.sort")[0].click()
    assert texts(session, "#slices tbody th") == sorted(name for name in names if name)
    find(session, "#slices button.sort")[4].click()
    counts = [int(text) for text in texts(session, "#slices tbody td:nth-child(5)")]
    assert counts == sorted(counts, reverse=True)
    assert len(find(session, "#slices [aria-sort=descending]")) == 1


def test_long_lists_are_shown_in_full_on_demand(show: Show) -> None:
    rows = [{"text": str(i), "slice": f"slice-{i:02}"} for i in range(30)]
    decisions = [{"row": i, "decision": "held", "reason_class": f"drift.kind_{i:02}"} for i in range(30)]
    session = show(build_run(rows, [], decisions))
    for part, items, first in (("#reasons", "li", 12), ("#slices", "tbody tr", 20)):
        assert len(find(session, f"{part} {items}")) == first
        find(session, f"{part} > button.quiet")[0].click()
        assert len(find(session, f"{part} {items}")) == 30
        assert find(session, f"{part} > button.quiet") == []
    assert texts(session, "#reasons .what") == [f"drift.kind_{i:02}" for i in range(30)]


def test_each_threshold_is_marked_where_it_cuts(show: Show) -> None:
    session = show(plant_run(200))
    assert texts(session, "#scores figcaption b") == [
        "dedup",
        "toxicity",
        "contamination",
        "drift",
        "factuality",
    ]
    assert texts(session, "#scores text.mark") == ["0.85", "0.05", "0.8", "3.5", "0.6"]
    place = "return document.querySelector('#scores line.threshold').x1.baseVal.value"
    assert session.execute_script(place) == pytest.approx(320 * 0.85)


def test_an_empty_run_says_so_and_draws_nothing(show: Show) -> None:
    session = show(EMPTY)
    assert texts(session, "main .empty") == [
        "No row was generated, so there is no funnel to draw.",
        "No row was decided in this run.",
    ]
    assert find(session, "main svg, main table") == []


def test_a_run_in_which_nothing_was_rejected_says_so(show: Show) -> None:
    session = show(build_run([{"text": "a"}], [], [{"row": 0, "decision": "accepted"}]))
    assert "Nothing was rejected or held." in texts(session, ".empty")
    assert "No row names its slice." in texts(session, ".empty")
    assert "No gate looked at these rows." in texts(session, ".empty")


def test_a_run_in_which_nothing_was_accepted_ends_in_an_empty_bar(show: Show) -> None:
    rejected = {"row": 0, "decision": "rejected", "gate": "dedup", "reason": "too close"}
    session = show(build_run([{"text": "a"}], [{"row": 0, "gate": "dedup", "outcome": "reject"}], [rejected]))
    assert texts(session, "#funnel text.strong") == ["generated", "1", "accepted", "0 · 0%"]


@pytest.mark.parametrize("width", [400, 760, 1280])
def test_the_page_never_scrolls_sideways(show: Show, width: int) -> None:
    session = show(replace(replace_rows(plant_run(120), [3, 9]), self_tests=SELF_TESTS), width=width)
    for toggle in find(session, ".toggle")[:3]:
        toggle.click()
    assert session.execute_script("return document.documentElement.scrollWidth") <= width


def test_long_unbroken_names_do_not_widen_a_narrow_page(show: Show) -> None:
    long = "x" * 300
    row = {"text": long, "slice": long, "locale": long, "generator": long}
    decision = {"row": 0, "decision": "rejected", "gate": long, "reason": long}
    session = show(
        build_run([row], [{"row": 0, "gate": long, "outcome": "reject", "score": 0.5}], [decision]), width=400
    )
    find(session, ".toggle")[0].click()
    assert session.execute_script("return document.documentElement.scrollWidth") <= 400


def test_the_page_is_dark_where_the_reader_prefers_it(show: Show) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert show(EMPTY).execute_script(paper) == "rgb(255, 255, 255)"
    assert show(EMPTY, scheme="dark").execute_script(paper) == "rgb(20, 23, 28)"


def test_a_threshold_is_turned_from_the_keyboard_and_shows_rows_that_change(show: Show) -> None:
    from selenium.webdriver.common.keys import Keys

    run = plant_run(300)
    session = show(run)
    slider = find(session, "#yields input")[-1]
    assert slider.get_attribute("aria-valuetext") == (
        "0.85: 200 accepted (as it stands), 40 of 40 canaries caught"
    )
    slider.send_keys(Keys.ARROW_RIGHT)
    assert texts(session, "#yields .said")[-1] == (
        "0.99: 220 accepted (+20), 5 undecided, 12 of 40 canaries caught"
    )
    released = {
        verdict["row_id"]
        for part in run.verdicts["dedup"]
        for verdict in part.to_pylist()
        if verdict["outcome"] == "reject" and verdict["score"] < 0.99
    }
    listed = texts(session, "#yields figure:last-child .changed li")
    assert len(listed) == min(len(released), 9)
    assert listed[0].startswith("let pass")
    find(session, "#yields figure:last-child .changed button")[0].click()
    wait_for_status(session, "1–1 of 1 row")


def test_a_cell_of_the_heat_map_leads_to_its_rows(show: Show) -> None:
    run = plant_run(300)
    page = picture(run)["heat"]
    session = show(run)
    assert len(find(session, "#heat tbody tr")) == len(page["slices"])
    assert "h0" in (find(session, "#heat tbody td")[1].get_attribute("class") or "")
    assert find(session, "#heat tbody tr > :last-child")[0].value_of_css_property("padding-right") != "0px"


def test_a_balanced_set_is_shown_before_and_after(show: Show) -> None:
    session = show(plant_run(60))
    assert texts(session, "#slice-balance tbody tr:last-child td") == ["30", "12", "10", "40", ""]
    bar = find(session, "#slice-balance svg")[0]
    assert bar.get_attribute("aria-label") == "30 before, 10 accepted, of 40"
    widths = [rect.get_attribute("width") for rect in find(session, "#slice-balance tr:last-child rect")]
    assert widths == ["600", "200"]


def test_two_batches_stand_beside_each_other(show: Show) -> None:
    session = show(plant_run(60))
    assert texts(session, "#beside tbody tr:last-child td") == [
        "33.3% of 90",
        "3.3% of 90",
        "+19.0 to +40.0",
        "clear",
    ]


def test_what_was_not_checked_stands_on_the_first_screen_without_the_script(
    session: Any, tmp_path: Path
) -> None:
    run = plant_run(20)
    found = compute_figures(run.candidates, run.verdicts, run.decisions, run.self_tests)
    rows = collect_audit_rows(run.candidates, run.verdicts, run.decisions)
    gaps = [Unchecked(f"{PAYLOADS[0]} {n}", PAYLOADS[3]) for n in range(9)]
    page = tmp_path / "report.html"
    page.write_text(render_report(found, rows, title="x", facts={}, unchecked=gaps), encoding="utf-8")
    resize(session, 1280)
    assert open_page(session, page) == []
    assert len(texts(session, ".unchecked > ul > li")) == 6
    assert texts(session, ".unchecked summary") == ["3 more"]
    assert (
        session.execute_script("return document.querySelector('.unchecked').getBoundingClientRect().bottom")
        < 900
    )


FUNNEL_GATES = """
version: 1
gates:
  - use: personal_data
    kinds: {email: redact, phone: hold, card: reject}
  - use: structure
  - use: dedup
    threshold: 0.85
"""


def test_the_funnel_counts_what_the_card_of_the_pack_counts(session: Any, tmp_path: Path) -> None:
    rows = [good_row(number) for number in range(60)]
    for number, tail in enumerate(("anna@mail.example", "+44 20 7946 0018", "4111 1111 1111 1111")):
        rows[number]["output"] += f" Ask {tail}."
    rows[7]["output"] = rows[8]["output"] = ""
    rows += [rows[20], rows[21], rows[22]]
    (tmp_path / "gates.yaml").write_text(FUNNEL_GATES)
    curate(rows, tmp_path / "gates.yaml", tmp_path / "run")
    write_pack(tmp_path / "run", tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"))
    for width in (1280, 390):
        resize(session, width)
        assert open_page(session, tmp_path / "run" / "report.html") == []
        check_funnel(session, tmp_path / "pack")
