import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from synth_stack.decisions.figures import compute_figures
from synth_stack.report.html import embed_json, format_share, render_report
from synth_stack.report.sample import collect_audit_rows
from synth_stack.runs.self_tests import KindCount, SelfTestBars, measure
from tests.report.planted_run import EMPTY, SELF_TESTS, Run, build_run, plant_run, replace_rows

BREAKOUT = "</script><script>window.pwned = 1</script>"


def render(
    run: Run, facts: Mapping[str, Any] | None = None, *, limit: int = 5_000, title: str = "A run"
) -> str:
    found = compute_figures(run.candidates, run.verdicts, run.decisions, run.self_tests)
    rows = collect_audit_rows(run.candidates, run.verdicts, run.decisions, limit=limit)
    return render_report(found, rows, title=title, facts=facts or {})


def data_of(page: str) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return orjson.loads(match[1])


def note_of(page: str) -> str:
    match = re.search(r'<p class="note">(.*?)</p>', page)
    assert match is not None
    return match[1]


@pytest.mark.parametrize(
    "hostile", [BREAKOUT, "<!--<script>", "a & b", "\u2028\u2029", "]]>", "`${alert(1)}`"]
)
def test_embedded_json_holds_no_markup_and_reads_back_the_same(hostile: str) -> None:
    text = embed_json({hostile: [hostile]})
    assert not set(text) & set("<>&\u2028\u2029")
    assert orjson.loads(text) == {hostile: [hostile]}


def test_the_policy_names_the_digests_of_the_one_script_and_the_one_style() -> None:
    page = render(plant_run(20))
    for kind, opening in (("script", '<script type="module">'), ("style", "<style>")):
        body = page.split(opening)[1].split(f"</{kind}>")[0]
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page


def test_the_page_refers_to_nothing_outside_itself() -> None:
    page = render(plant_run(20))
    shell = re.sub(r"(?s)<script.*?</script>|<style>.*?</style>", "", page)
    assert not re.search(r"\b(src|href)=(?!\"#)", shell)
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\((?!#)|@import", page)


def test_the_script_makes_no_markup_from_text() -> None:
    script = render(plant_run(1)).split('<script type="module">')[1]
    for sink in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
    ):
        assert sink not in script


def test_title_and_facts_are_escaped_and_controls_spelt_out() -> None:
    page = render(plant_run(1), {"<b>": '"x" & \u202eevil'}, title=BREAKOUT)
    assert BREAKOUT not in page
    assert "<h1>&lt;/script&gt;&lt;script&gt;window.pwned = 1" in page
    assert "<dt>&lt;b&gt;</dt><dd>&quot;x&quot; &amp; ⟨U+202E⟩evil</dd>" in page


def test_facts_of_every_kind_are_said_in_words() -> None:
    facts = {"teacher": None, "signed": True, "seed": 7, "gates": ["dedup", "drift"], "limits": {"rows": 3}}
    page = render(plant_run(1), facts)
    for words in ("–", "yes", "7", "dedup, drift", "rows: 3"):
        assert f"<dd>{words}</dd>" in page


def test_a_dollar_sign_in_a_value_is_no_placeholder() -> None:
    page = render(
        build_run([{"text": "$script ${data} $$"}], [], [{"row": 0, "decision": "accepted"}]), title="$style"
    )
    assert "<h1>$style</h1>" in page
    assert data_of(page)["rows"][0]["text"] == "$script ${data} $$"


def test_the_totals_stand_in_the_page_without_its_script() -> None:
    run = plant_run(1_200)
    found = compute_figures(run.candidates, run.verdicts, run.decisions)
    page = render(run)
    assert "<dt>generated</dt><dd>1,200</dd>" in page
    assert f"<dt>rejected</dt><dd>{found.rejected:,} <small>" in page
    assert "<dt>undecided</dt>" not in page


def test_undecided_rows_are_a_total_of_their_own() -> None:
    page = render(build_run([{"text": "a"}, {"text": "b"}], [], [{"row": 0, "decision": "accepted"}]))
    assert "<dt>undecided</dt><dd>1 <small>50.0%</small></dd>" in page


def test_replacements_are_a_total_of_their_own_where_there_are_any() -> None:
    page = render(replace_rows(plant_run(60), [4, 7]))
    assert "<dt>generated</dt><dd>60</dd>" in page
    assert "<dt>replacements</dt><dd>2</dd>" in page
    assert "replacements</dt>" not in render(plant_run(60))


def test_a_blind_gate_is_proclaimed_without_the_script() -> None:
    page = render(replace(plant_run(30), self_tests=SELF_TESTS))
    assert '<div class="alarm" role="alert"><p><b>A gate failed its self-test.</b>' in page
    assert (
        "<li>toxicity caught 20 of 50 planted rows of kind combative_tone, where 0.7 of them is the bar.</li>"
        in page
    )
    assert '<div class="alarm"' not in render(plant_run(30))
    assert '<div class="alarm"' not in render(replace(plant_run(30), self_tests=SELF_TESTS[:1]))


def test_two_blind_gates_are_both_named_and_their_names_escaped() -> None:
    blind = [measure(name, [KindCount("x", 2, 0)], SelfTestBars(0.5)) for name in ("a<b>", BREAKOUT)]
    page = render(replace(plant_run(5), self_tests=blind))
    assert "2 gates failed their self-tests" in page
    assert "<li>a&lt;b&gt; caught 0 of 2" in page
    assert page.count("</script>") == 2


def test_the_page_says_when_its_rows_are_a_sample() -> None:
    run = plant_run(400)
    found = compute_figures(run.candidates, run.verdicts, run.decisions)
    assert note_of(render(run)) == "Every decided row is here."
    sampled = note_of(render(run, limit=100))
    rest = 100 - found.rejected - found.held
    assert (
        f"all {found.rejected} rejected, all {found.held} held and {rest} of {found.accepted} accepted"
        in sampled
    )
    assert note_of(render(run, limit=10)).startswith(f"A sample: 10 of {found.rejected} rejected, 0 of ")
    assert note_of(render(EMPTY)) == ""


def test_a_score_that_is_not_a_number_travels_as_null() -> None:
    verdict = {"row": 0, "gate": "drift", "outcome": "accept", "score": float("nan")}
    page = render(build_run([{"text": "a"}], [verdict], [{"row": 0, "decision": "accepted"}]))
    assert data_of(page)["rows"][0]["verdicts"][0]["score"] is None


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 5, "0%"),
        (5, 5, "100%"),
        (1, 3, "33.3%"),
        (1, 5_000, "<0.1%"),
        (9_999, 10_000, ">99.9%"),
        (1, 1_000, "0.1%"),
    ],
)
def test_a_share_reads_all_or_nothing_only_where_that_is_exact(part: int, whole: int, words: str) -> None:
    assert format_share(part, whole) == words
