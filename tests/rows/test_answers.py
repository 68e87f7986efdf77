from typing import Any

import pytest

from synth_stack.rows.answers import read_answers
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.some_rows import make_foreign, make_row

CALL = {"role": "assistant", "tool_calls": [{"id": "1", "name": "find", "arguments": "{}"}]}


def say(*contents: str | None) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": content} for content in contents]}


def read(*rows: dict[str, Any]) -> list[str]:
    found = list(read_answers(build_candidates(rows)))
    assert [row for row, *_ in found] == list(range(len(rows)))
    return [answer for _, _, answer, _ in found]


def test_the_answer_is_what_the_assistant_said_last() -> None:
    dialogue = make_row(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    assert read(dialogue, make_row(("user", "a")), make_foreign("only a text")) == ["d", "", ""]


def test_a_call_says_nothing_and_the_answer_before_it_stays() -> None:
    row = make_row(("user", "a"), ("assistant", "b"))
    assert read({**row, "messages": [*row["messages"], CALL]}) == ["b"]


@pytest.mark.parametrize(
    ("alternatives", "answer"),
    [
        ([{"label": "rejected", **say("bad")}, {"label": "chosen", **say("good", "better")}], "better"),
        ([{"rating": "1", **say("bad")}, {"rating": "2", **say("good")}], "good"),
        ([{"label": "chosen", **say(None)}, {"label": "rejected", **say("bad")}], ""),
        ([{**say("neither")}], ""),
        ([], "before"),
        (None, "before"),
    ],
)
def test_the_answer_of_a_row_with_alternatives_is_that_of_the_chosen_one(
    alternatives: list[dict[str, Any]] | None, answer: str
) -> None:
    prompt = make_row(("user", "a"), ("assistant", "before"), ("user", "c"))
    assert read({**prompt, "kind": "preference", "alternatives": alternatives}) == [answer]


@pytest.mark.parametrize(("extra", "held"), [('{"a":1}', {"a": 1}), ("[1]", {}), ("{", {}), (None, {})])
def test_an_extra_that_is_no_object_holds_nothing(extra: str | None, held: dict[str, Any]) -> None:
    (found,) = read_answers(build_candidates([make_row(("user", "a"), extra=extra)]))
    assert found == (0, "instruction", "", held)


def test_no_rows_have_no_answers() -> None:
    assert list(read_answers(CANDIDATE_SCHEMA.empty_table())) == []
