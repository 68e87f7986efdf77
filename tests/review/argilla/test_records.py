import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth_stack.review.argilla import records
from synth_stack.review.argilla.records import (
    build_fields,
    build_record,
    find_answer,
    locate_span,
    name_record,
    restore_text,
)
from tests.some_rows import make_preference_row, make_reasoning_row, make_row, make_tool_row

EVIL = (
    "<img src=x onerror=alert(1)><script>steal()</script><!-- x --></p>&lt;b&gt; &#60;i&#62; &amp; a < b && c"
)
VERDICT = {"gate": "g", "outcome": "hold", "score": 0.5, "threshold": None, "reason": "doubtful"}


class Tags(HTMLParser):
    """Everything in a text that a browser would take for markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_comment(self, data: str) -> None:
        self.found.append(data)

    def handle_decl(self, decl: str) -> None:
        self.found.append(decl)

    def handle_pi(self, data: str) -> None:
        self.found.append(data)

    def handle_entityref(self, name: str) -> None:
        self.found.append(name)

    def handle_charref(self, name: str) -> None:
        self.found.append(name)


def find_markup(text: str) -> list[str]:
    parser = Tags()
    parser.feed(text)
    parser.close()
    return parser.found


def show(text: str) -> str:
    """A text as the answer of a record shows it."""
    shown: str = build_fields(make_row(("assistant", text)))["answer"]
    return shown


def list_texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in list_texts(each)]


def test_the_planted_text_is_markup_before_it_is_shown() -> None:
    assert {"img", "script", "lt", "60"} <= set(find_markup(EVIL))


def test_nothing_in_any_field_or_filter_of_a_record_is_markup() -> None:
    row = make_tool_row(
        slice=EVIL,
        documents=[{"id": EVIL, "title": EVIL, "text": EVIL, "source": EVIL}],
        alternatives=[{"label": EVIL, "messages": [{"role": EVIL, "content": EVIL}], "ratings": EVIL}],
        tools=EVIL,
    )
    row["messages"][0] = {"role": EVIL, "content": EVIL, "reasoning": EVIL, "name": EVIL}
    row["messages"][1]["tool_calls"] = [{"id": EVIL, "name": EVIL, "arguments": EVIL}]
    said = [{**VERDICT, "reason": EVIL}]
    row = {**row, "row_id": "0" * 32}
    full = {"rating": None, "model": None, **row["alternatives"][0]}
    record = build_record(
        {**row, "alternatives": [full]}, purpose="held", metadata={"slice": EVIL}, said=said, answers=EVIL
    )
    texts = list_texts(record)
    assert sum("steal" in text for text in texts) > 8
    assert [text for text in texts if find_markup(text)] == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.text("<>&/!?;#abx1= \"'", max_size=60))
def test_no_text_is_markup_when_it_is_shown_and_all_come_back_as_they_were(text: str) -> None:
    shown = show(text) if text else ""
    assert find_markup(shown) == []
    if "\N{WORD JOINER}" not in text and all(c.isprintable() or c in "\n\t" for c in text):
        assert restore_text(shown) == text


@given(st.text("<>&ab\N{GRINNING FACE}é ", min_size=1, max_size=30), st.data())
def test_what_is_marked_in_the_page_is_found_again_in_the_row(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    shown = show(text)
    # where the page would say that part is: behind the joiners before it, in UTF-16 code units
    head = next(n for n in range(len(shown) + 1) if restore_text(shown[:n]) == text[:start])
    tail = next(n for n in range(len(shown) + 1) if restore_text(shown[:n]) == text[:end])
    units = [len(shown[:n].encode("utf-16-le")) // 2 for n in (head, tail)]
    assert locate_span(text, *units) == (start, end)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 1), (0, 99)])
def test_a_span_that_is_none_marks_nothing(start: int, end: int) -> None:
    assert locate_span("a text", start, end) is None


def test_reasoning_calls_and_results_are_messages_of_their_own_in_order() -> None:
    said = build_fields(make_tool_row())["conversation"]
    assert [message["role"] for message in said] == [
        "user", "calls a tool", "calls a tool", "tool (weather)", "tool (weather)", "assistant",
    ]  # fmt: skip
    assert 'weather {"city":"Oslo"}' in said[1]["content"]
    assert [m["role"] for m in build_fields(make_reasoning_row())["conversation"]] == [
        "user",
        "reasoning",
        "assistant",
    ]


def test_the_sides_of_a_comparison_stand_side_by_side() -> None:
    fields = build_fields(make_preference_row())
    titles = [column["title"] for column in fields["beside"]["columns"]]
    assert len(titles) == 2
    assert any(title.startswith("chosen") for title in titles)
    assert fields["answer"] in [column["text"] for column in fields["beside"]["columns"]]


def test_passages_stand_beside_the_answer() -> None:
    passage = {"id": "d1", "title": None, "text": "Ten days.", "source": None}
    columns = build_fields(make_row(("user", "How long?"), ("assistant", "Ten."), documents=[passage]))[
        "beside"
    ]
    assert [c["title"] for c in columns["columns"]] == ["Answer", "Passage: d1"]
    assert [c["text"] for c in columns["columns"]] == ["Ten.", "Ten days."]


def test_a_row_without_messages_is_its_text_and_one_without_anything_says_so() -> None:
    alone = {**make_row(), "text": "a text"}
    assert build_fields(alone)["conversation"] == [{"role": "text", "content": "a text"}]
    assert find_answer(alone) == "a text"
    empty = {**make_row(), "text": None}
    assert build_fields(empty)["conversation"][0]["content"] == "(nothing)"
    assert "answer" not in build_fields(empty)


def test_a_conversation_that_the_server_would_refuse_is_cut_and_says_so() -> None:
    long = build_fields(make_row(("user", "x" * 50_001)))["conversation"]
    assert [len(message["content"]) for message in long] == [20_000, 20_000, 10_001]
    many = build_fields(make_row(*((("user", f"m{n}")) for n in range(900))))["conversation"]
    assert len(many) == 500
    assert any(re.search(r"\(\d+ messages are left out here\)", message["content"]) for message in many)
    assert many[-1]["content"] == "m899"
    roles = build_fields(make_row(("a very long role indeed", "x"), (None, "y")))["conversation"]
    assert all(0 < len(message["role"]) <= 20 for message in roles)


def test_a_record_is_named_by_row_and_purpose_and_the_name_tells_neither() -> None:
    name = name_record("ab" * 16, "gold")
    assert name == name_record("ab" * 16, "gold")
    assert name != name_record("ab" * 16, "sample")
    assert re.fullmatch("[0-9a-f]{32}", name)


def test_a_blind_record_says_nothing_of_gates_purpose_or_origin() -> None:
    row = {**make_row(("user", "Hi"), ("assistant", "Ho"), generator="canary-maker"), "row_id": "0" * 32}
    record = build_record(row, purpose="canary", metadata={"lot": "lot-1", "slice": None})
    text = json.dumps(record)
    assert "canary" not in text
    assert "gates" not in record["fields"]
    assert record["metadata"] == {"lot": "lot-1"}


def test_a_shown_record_has_what_the_gates_said() -> None:
    row = {**make_row(("user", "Hi")), "row_id": "0" * 32}
    record = build_record(row, purpose="held", metadata={}, said=[VERDICT])
    assert record["fields"]["gates"] == "g hold, score 0.5: doubtful"


def test_limits_are_those_of_the_server() -> None:
    assert (records.MAX_MESSAGE_CHARS, records.MAX_MESSAGES, records.MAX_ROLE_CHARS) == (20_000, 500, 20)
