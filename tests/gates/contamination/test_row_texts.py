import json
from typing import Any

import pytest

from synth_stack.gates.contamination.row_texts import read_row_texts
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.rows.texts import join_text
from tests.gates.contamination.exams import CODING, DUCKS, judge_rows, make_judge
from tests.some_rows import make_row

PLAIN = make_row(("user", "Hello?"), ("assistant", "Good day."))
CODE = CODING[0]["prompt"] + CODING[0]["canonical_solution"]
ARGUMENTS = json.dumps({"path": "a.py", "lines": [{"content": f"# Paris\n{CODE}"}]})


def say(**message: Any) -> dict[str, Any]:
    """A row whose answer has these fields besides."""
    messages = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes.", **message}]
    return {**PLAIN, "messages": messages, "text": join_text(messages)}


def call(arguments: str) -> dict[str, Any]:
    return say(tool_calls=[{"id": "1", "name": "write", "arguments": arguments}])


def compare(rejected: str, **message: Any) -> dict[str, Any]:
    """A preference row of a chosen and a rejected answer."""
    sides = [
        {"label": "chosen", "messages": [{"role": "assistant", "content": "Yes."}]},
        {"label": "rejected", "messages": [{"role": "assistant", "content": rejected, **message}]},
    ]
    text = join_text(PLAIN["messages"], sides)
    return {**PLAIN, "kind": "preference", "alternatives": sides, "text": text}


LEAKS: dict[str, tuple[dict[str, Any], str]] = {
    "reasoning": (say(reasoning=f"I know it: {DUCKS}"), "messages.1.reasoning"),
    "arguments": (call(json.dumps({"q": DUCKS})), "text"),
    "arguments in several lines": (
        call(json.dumps({"q": DUCKS.replace(" ", "\n")})),
        "messages.1.tool_calls.0.arguments",
    ),
    "rejected": (compare(f"It says: {DUCKS}"), "text"),
    "reasoning of rejected": (compare("No.", reasoning=DUCKS), "alternatives.1.messages.0.reasoning"),
    "tools": ({**PLAIN, "tools": json.dumps([{"name": "f", "description": DUCKS}])}, "tools"),
    "documents": ({**PLAIN, "documents": [{"id": "d", "title": "D", "text": DUCKS}]}, "documents.0.text"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_an_item_is_found_wherever_it_stands(named: NamedEvalSet, leak: str) -> None:
    leaking, path = LEAKS[leak]
    table = build_candidates([PLAIN, leaking, {**PLAIN, "draw": 1}])
    before, verdict, after = judge_rows(make_judge(against=[named], embedding=None), table).to_pylist()
    assert (before["outcome"], after["outcome"]) == ("accept", "accept")
    assert (verdict["outcome"], verdict["reason_class"]) == ("reject", "contamination.shared_ngram")
    shown = json.loads(verdict["evidence"])
    assert (shown["item"], shown["path"]) == ("ducks", path)


def test_code_in_the_arguments_of_a_call_is_read_as_the_code_that_it_is(coding: NamedEvalSet) -> None:
    (verdict,) = judge_rows(
        make_judge(against=[coding], embedding=None), build_candidates([call(ARGUMENTS)])
    ).to_pylist()
    assert json.loads(verdict["evidence"])["path"] == "messages.1.tool_calls.0.arguments"


def test_a_row_that_says_something_only_beside_its_text_has_something_to_read(named: NamedEvalSet) -> None:
    silent = {**make_row(("assistant", None)), "text": None}
    silent["messages"][0]["reasoning"] = "Think."
    (verdict,) = judge_rows(
        make_judge(against=[named], embedding=None), build_candidates([silent])
    ).to_pylist()
    assert verdict["outcome"] == "accept"


def test_json_is_read_as_its_strings_and_what_is_none_as_it_is() -> None:
    for arguments, read in {
        '{"a": "one\\ntwo", "b": [1, {"c": "\\u00e9"}, null]}': "a\none\ntwo\nb\nc\né",
        "no \\ json": "no \\ json",
        '"\\n"': "\n",
        "[" * 2_000 + "\\": "[" * 2_000 + "\\",
    }.items():
        texts = read_row_texts(build_candidates([call(arguments)]))
        assert texts["content"].to_list()[1:] == [read]


def test_rows_of_messages_alone_are_read_once() -> None:
    table = build_candidates([PLAIN, {**PLAIN, "text": None, "draw": 1}, call('{"q": "plain"}')])
    assert read_row_texts(table).rows() == [
        (0, "text", PLAIN["text"]),
        (1, "text", None),
        (2, "text", table["text"][2].as_py()),
    ]
    assert read_row_texts(CANDIDATE_SCHEMA.empty_table()).rows() == []
