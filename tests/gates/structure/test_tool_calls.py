import json
import time
from typing import Any

import pytest

from synth_stack.gates.structure.tool_calls import MAX_OPEN_CALLS
from synth_stack.rows.canonical import canonical_text
from tests.gates.structure.judging import find_fault, judge_row
from tests.some_rows import WEATHER, make_call, make_row, make_tool_row

ASK = {"role": "user", "content": "Do I need an umbrella in Oslo?"}
ANSWER = {"role": "assistant", "content": "No, it stays dry in Oslo today."}


def ask(*calls: dict[str, Any], content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def give(call_id: str | None = "c1", name: str | None = None) -> dict[str, Any]:
    return {"role": "tool", "content": "dry", "tool_call_id": call_id, "name": name}


def find(*messages: dict[str, Any], **fields: Any) -> tuple[str | None, dict[str, int]]:
    return find_fault(make_tool_row(messages=list(messages), **fields))


OSLO = make_call(city="Oslo")
BERGEN = make_call(call_id="c2", city="Bergen")


def test_calls_results_and_an_answer_are_accepted() -> None:
    assert find_fault(make_tool_row()) == (None, {})


@pytest.mark.parametrize(
    "messages",
    [
        [ASK, ask(OSLO), give(), ANSWER],
        [ASK, ask(OSLO, content="I look."), give(), ANSWER],
        [ASK, ask(OSLO, content=""), give(), ANSWER],
        [{"role": "system", "content": "Be brief."}, ASK, ask(OSLO), give(), ANSWER],
        [ASK, ask(OSLO, BERGEN), give("c2"), give("c1"), ANSWER],
        [
            ASK,
            ask(OSLO, BERGEN),
            give("c1"),
            ask(make_call(call_id="c3", city="Rome")),
            give("c2"),
            give("c3"),
            ANSWER,
        ],
        [ASK, ask(OSLO), give(), ask(BERGEN), give("c2"), ANSWER],
        [ASK, ask(OSLO), give(), ANSWER, ASK, ask(OSLO), give(), ANSWER],
        [ASK, ask(OSLO), {**give(), "content": ""}, ANSWER],
        [ASK, ANSWER],
        [ASK, ask(OSLO)],  # the call is what the row teaches
        [ASK, ask(OSLO, BERGEN)],
        [ASK, ask(OSLO), give(), ask(BERGEN)],
        [ASK, ask(make_call(call_id=None, city="Oslo")), give(None), ANSWER],
    ],
)
def test_every_course_of_a_tool_dialogue_is_accepted(messages: list[dict[str, Any]]) -> None:
    assert find(*messages) == (None, {})


@pytest.mark.parametrize(
    ("messages", "kind", "place"),
    [
        ([ASK, ask(OSLO), give()], "wrong_roles", {"message": 2}),
        ([ASK, ask(OSLO), ANSWER], "unanswered_tool_call", {"message": 1, "call": 0}),
        ([ASK, ask(OSLO, BERGEN), give("c1"), ANSWER], "unanswered_tool_call", {"message": 1, "call": 1}),
        (
            [ASK, ask(OSLO, BERGEN), give("c2"), ASK, ANSWER],
            "unanswered_tool_call",
            {"message": 1, "call": 0},
        ),
        ([ASK, ask(OSLO), ASK, ANSWER], "unanswered_tool_call", {"message": 1, "call": 0}),
        ([ASK, give(), ANSWER], "unmatched_tool_result", {"message": 1}),
        ([ASK, ask(OSLO), give("c9"), ANSWER], "unmatched_tool_result", {"message": 2}),
        ([ASK, ask(OSLO), give(None), ANSWER], "unmatched_tool_result", {"message": 2}),
        ([ASK, ask(OSLO), give(), give(), ANSWER], "unmatched_tool_result", {"message": 3}),
        ([ASK, ask(OSLO, OSLO), give(), give(), ANSWER], "bad_tool_call", {"message": 1, "call": 1}),
        ([ASK, ask(make_call("", city="Oslo")), give(), ANSWER], "bad_tool_call", {"message": 1, "call": 0}),
        (
            [ASK, ask(make_call("rain", city="Oslo")), give(), ANSWER],
            "unknown_tool",
            {"message": 1, "call": 0},
        ),
        ([ASK, ask(OSLO), give(), {"role": "user", "content": "Thanks"}], "wrong_roles", {"message": 3}),
    ],
)
def test_a_call_or_result_out_of_place_is_named(
    messages: list[dict[str, Any]], kind: str, place: dict[str, int]
) -> None:
    assert find(*messages) == (kind, place)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (None, "missing"),
        ("", "no JSON"),
        ("city=Oslo", "no JSON"),
        ('["Oslo"]', "no JSON object"),
        ("{}", "do not fit its schema: $: required"),
        ('{"city":7}', "do not fit its schema: $.city: type"),
        ('{"city":"Oslo","day":"never"}', "do not fit its schema: $.day: enum"),
        (json.dumps({"city": "Oslo", "x": [[]] * 60_000}), "it takes more than"),
    ],
)
def test_arguments_that_the_tool_cannot_take_are_named(arguments: str | None, why: str) -> None:
    call = {**OSLO, "arguments": arguments}
    verdict = judge_row(make_tool_row(messages=[ASK, ask(call), give(), ANSWER]))
    assert verdict["reason_class"] == "structure.bad_tool_call"
    assert verdict["reason"].startswith("bad tool call: the arguments of weather")
    assert why in verdict["reason"]


@pytest.mark.parametrize("value", ["Os\0lo", "Os\ufffdlo"])
def test_broken_characters_in_arguments_are_found_behind_their_escapes(value: str) -> None:
    call = {**OSLO, "arguments": json.dumps({"city": value})}
    assert find(ASK, ask(call), give(), ANSWER) == ("broken_characters", {"message": 1, "call": 0})
    spelt = {**OSLO, "arguments": json.dumps({"city": "\\u0000"})}
    assert find(ASK, ask(spelt), give(), ANSWER) == (None, {})


@pytest.mark.parametrize(
    ("tools", "kind"),
    [
        (None, None),
        (canonical_text(WEATHER), None),
        (canonical_text([WEATHER[0]["function"]]), None),
        ('[{"name":"weather"}]', None),
        ("[]", "unknown_tool"),
        ("{}", "bad_tools"),
        ("weather", "bad_tools"),
        ('[{"name":"weather","parameters":{"type":"dict"}}]', "bad_tools"),
        ('[{"name":"weather","parameters":{"$ref":"https://example.com/x"}}]', "bad_tools"),
    ],
)
def test_calls_are_held_to_the_tools_of_the_row(tools: str | None, kind: str | None) -> None:
    assert find_fault(make_tool_row(tools=tools))[0] == kind


def test_a_row_with_tools_that_calls_none_is_accepted() -> None:
    row = make_row(("user", ASK["content"]), ("assistant", ANSWER["content"]), tools=canonical_text(WEATHER))
    assert find_fault(row) == (None, {})
    assert find_fault({**row, "tools": "[1]"}) == ("bad_tools", {})


def test_results_without_ids_answer_the_calls_of_their_names_and_else_in_order() -> None:
    tools = canonical_text([{"name": "a"}, {"name": "b"}])
    calls = ask(make_call("a", None), make_call("b", None))
    assert find(ASK, calls, give(None, "b"), give(None, "a"), ANSWER, tools=tools) == (None, {})
    assert find(ASK, calls, give(None), give(None), ANSWER, tools=tools) == (None, {})
    assert find(ASK, calls, give(None), give("c1"), ANSWER, tools=tools)[0] == "unmatched_tool_result"


def test_a_name_of_a_stranger_stands_in_a_reason_cut_and_printable() -> None:
    reason = judge_row(make_tool_row(messages=[ASK, ask(make_call("a\x1b[2J" * 40)), give(), ANSWER]))[
        "reason"
    ]
    assert reason.isprintable()
    assert len(reason) < 120


def test_more_open_calls_than_anyone_makes_are_refused_in_no_time() -> None:
    calls = [make_call(call_id=str(k), city="Oslo") for k in range(20_000)]
    start = time.perf_counter()
    assert find(ASK, ask(*calls), ANSWER) == ("bad_tool_call", {"message": 1, "call": MAX_OPEN_CALLS})
    assert time.perf_counter() - start < 5


def test_the_fault_of_one_row_is_not_that_of_the_next() -> None:
    from synth_stack.rows.schemas import build_candidates
    from tests.gates.structure.judging import judge_table

    rows = [
        make_tool_row(),
        make_tool_row(tools="{}"),
        make_row(("user", "Hi there"), ("assistant", "Hello.")),
    ]
    rows.append(make_tool_row(messages=[ASK, ask(OSLO), ANSWER]))
    kinds = judge_table(build_candidates(rows), languages=[])["reason_class"].to_pylist()
    assert kinds == [None, "structure.bad_tools", None, "structure.unanswered_tool_call"]
