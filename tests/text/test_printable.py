from typing import Any

import pytest

from synth_stack.rows.schemas import build_candidates
from synth_stack.text.printable import describe_content, describe_verdict, show
from tests.some_rows import make_foreign, make_preference_row, make_reasoning_row, make_row, make_tool_row


def describe(made: dict[str, Any]) -> list[str]:
    return describe_content(build_candidates([made]).to_pylist()[0])


def test_messages_are_told_one_a_line_with_their_roles() -> None:
    made = make_row(("system", "Be brief."), ("user", "Hi\nthere"), ("assistant", None), (None, "?"))
    assert describe(made) == [
        "system    'Be brief.'",
        "user      'Hi\\nthere'",
        "assistant None",
        "no role   '?'",
    ]


def test_a_text_alone_and_no_content_at_all_are_told_too() -> None:
    assert describe(make_foreign("Only a text.")) == ["text      'Only a text.'"]
    assert describe(make_foreign(None)) == []
    assert describe_content({"row_id": "a", "kind": "foreign"}) == []


def test_calls_results_and_tools_are_told() -> None:
    lines = describe(make_tool_row())
    assert lines[1:4] == [
        'call      weather {"city":"Oslo"}, id c1',
        'call      weather {"city":"Bergen","day":"tomorrow"}, id c2',
        "tool      '{\"rain\": false}' to c1 (weather)",
    ]
    assert lines[-1].startswith('tools     [{"function":{"description":"The weather')


def test_reasoning_is_told_before_the_answer() -> None:
    lines = describe(make_reasoning_row())
    assert lines[1:] == [
        "reasoning 'An hour has 60 minutes. 3.5 times 60 is 210.'",
        "assistant 'There are 210 minutes in three and a half hours.'",
    ]


def test_alternatives_are_told_with_label_and_rating_and_documents_with_their_name() -> None:
    documents = [{"id": "d1", "text": "Parcels"}, {"title": "Returns", "text": None}, {}]
    assert describe(make_preference_row(documents=documents))[1:] == [
        "rejected  rating 1.5",
        "  assistant 'You can not do that.'",
        "chosen    rating 4",
        "  assistant 'Refuse the parcel at your door.'",
        "document  d1: 'Parcels'",
        "document  Returns: None",
        "document  without a title: None",
    ]


@pytest.mark.parametrize("text", ["\x1b[2J", "\u202e", "a\nb"])
def test_what_a_row_says_reaches_a_terminal_as_text(text: str) -> None:
    said = {"role": text, "content": text, "name": text, "tool_call_id": text, "reasoning": text}
    call = {"id": text, "name": text, "arguments": text}
    side = {"label": text, "messages": [{**said, "tool_calls": [call]}], "rating": text, "model": text}
    document = {"id": text, "title": text, "text": text}
    made = make_row(messages=[said], alternatives=[side], documents=[document], tools=text, text=text)
    assert all(line.isprintable() for line in show(*describe(made)))


def test_a_verdict_is_told_on_one_line() -> None:
    verdict = {"gate": "dedup", "outcome": "reject", "score": 0.9, "threshold": 0.85, "reason": "too close"}
    assert describe_verdict(verdict) == "dedup reject, score 0.9 (threshold 0.85): too close"
    assert describe_verdict({**verdict, "score": None, "threshold": None, "reason": None}) == "dedup reject"
