"""Canaries of tool use: traces of the batch with something wrong in them; controls that only look wrong."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.tool_use.reruns import Program
from synth_stack.gates.tool_use.traces import find_callers
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

Row = Mapping[str, Any]
_Spoil = Callable[[Row], Row]

BARS: Mapping[str, float] = {}
"""Every kind stands at the bar of all gates."""

_TOOL = "look_up_canary"
_TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": _TOOL,
                "description": "Looks something up.",
                "parameters": {
                    "type": "object",
                    "properties": {"what": {"type": "string"}, "times": {"type": "integer"}},
                    "required": ["what"],
                },
            },
        }
    ]
)


def plant_spoilt_traces(sample: pa.Table, n: int, programs: Sequence[Program], *, numbers: bool) -> pa.Table:
    """Up to `n` canaries of each kind of fault; none where the sample has no row that calls something."""
    if not find_callers(append_chosen(sample)):
        return build_candidates([])
    kinds = [(kind, wrong, [_SOUND], spoil) for kind, wrong, spoil in _FAULTS]
    if numbers:
        kinds.append(("made_up_number", "its answer has a number from nowhere", [_SOUND], _make_up_number))
    rows = list(_list_runnable(sample, programs))
    kinds.append(("other_result", "a result is not what the function returns", rows, _change_result))
    return build_candidates(
        _build(kind, wrong, spoil(rows[k % len(rows)]), k)
        for kind, wrong, rows, spoil in kinds
        for k in range(n if rows else 0)
    )


def plant_sound_traces(sample: pa.Table, n: int) -> pa.Table:
    """`n` controls of each kind; none where the sample has no row that calls something."""
    if not find_callers(append_chosen(sample)):
        return build_candidates([])
    made = []
    for kind, innocent, results, answer in _INNOCENT:
        row = _converse(results, answer)
        for k in range(n):
            control = build_control("tool", row["messages"], innocent, k, kind=kind)
            made.append(control | {"tools": row["tools"], "text": join_text(row["messages"])})
    return build_candidates(made)


def _list_runnable(sample: pa.Table, programs: Sequence[Program]) -> Iterator[Row]:
    """The rows of the sample with a result of a function that can be run again."""
    known = frozenset(name for program in programs for name in program.functions)
    rows = append_chosen(sample).select(["messages", "tools"]) if known else sample.slice(0, 0)
    for row in rows.to_pylist():
        if any(said["role"] == "tool" and said["name"] in known for said in row["messages"]):
            yield {**row, "known": known}


def _build(kind: str, wrong: str, row: Row, draw: int) -> dict[str, Any]:
    made = build_canary("tool", row["messages"], wrong, draw, kind=kind)
    return made | {"tools": row["tools"], "text": join_text(row["messages"])}


def _converse(results: Sequence[str], answer: str) -> dict[str, Any]:
    """A conversation of one call for each result, all at once."""
    calls = [
        {"id": f"c{k}", "name": _TOOL, "arguments": json.dumps({"what": f"thing {k}"})}
        for k, _ in enumerate(results)
    ]
    given = [
        {"role": "tool", "content": result, "tool_call_id": f"c{k}", "name": _TOOL}
        for k, result in enumerate(results)
    ]
    messages = [
        {"role": "user", "content": "What is there to know about these things?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        *given,
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages, "tools": _TOOLS}


_SOUND: Row = _converse(
    ['{"stock": 4711, "shelf": "Cedar 12"}', '{"stock": 86, "shelf": "Maple 3"}'],
    "There are 4,711 of the first, on shelf Cedar 12, and 86 of the second, on Maple 3.",
)


def _change_calls(row: Row, **changed: str) -> Row:
    messages = [
        {**said, "tool_calls": [{**call, **changed} for call in said["tool_calls"]]}
        if said.get("tool_calls")
        else said
        for said in row["messages"]
    ]
    return {**row, "messages": messages}


def _lose_results(row: Row) -> Row:
    return {**row, "messages": [said for said in row["messages"] if said["role"] != "tool"]}


def _answer_otherwise(row: Row) -> Row:
    answer = "I have looked at all of it for you, and everything is as it should be."
    return {**row, "messages": [*row["messages"][:-1], {"role": "assistant", "content": answer}]}


def _make_up_number(row: Row) -> Row:
    answer = "There are 4,711 of the first, on shelf Cedar 12, and 93 of the second, on Maple 3."
    return {**row, "messages": [*row["messages"][:-1], {"role": "assistant", "content": answer}]}


def _change_result(row: Row) -> Row:
    """The first result of a function that can be run replaced by one that no function returns."""
    place = next(
        k for k, said in enumerate(row["messages"]) if said["role"] == "tool" and said["name"] in row["known"]
    )
    changed = {**row["messages"][place], "content": '{"canary": "no function returns this"}'}
    messages = [*row["messages"][:place], changed, *row["messages"][place + 1 :]]
    return {"messages": messages, "tools": row["tools"]}


_FAULTS: Sequence[tuple[str, str, _Spoil]] = (
    ("unknown_tool", "it calls a tool that it has not", lambda row: _change_calls(row, name="no_such_tool")),
    (
        "misfit",
        "its arguments do not fit the schema",
        lambda row: _change_calls(row, arguments='{"what": 7, "times": "often"}'),
    ),
    ("torn_arguments", "its arguments are no JSON", lambda row: _change_calls(row, arguments="{")),
    ("lost_result", "it answers without the results", _lose_results),
    ("unused_result", "its answer says nothing of the results", _answer_otherwise),
)

_CLOSED = "The bridge over the river is closed until further notice"
_TOLD_CLOSED = "The bridge is closed for now, the one over the river."

_INNOCENT: Sequence[tuple[str, str, Sequence[str], str]] = (
    ("rounded", "a number is rounded", ['{"mean": 17.3482}'], "The mean is about 17.35."),
    ("grouped_digits", "a number has its thousands parted", ['{"n": 1204500}'], "There are 1,204,500."),
    ("number_as_word", "a number is a word", ['{"left": 3}'], "Three of them are left."),
    ("percentage", "a share is told in per cent", ['{"share": 0.375}'], "It is 37.5% of all."),
    ("sum", "the answer adds up", ['{"eggs": 31}', '{"eggs": 46}'], "That makes 77 eggs."),
    ("other_words", "a text is told in fewer words", [f'{{"note": "{_CLOSED}"}}'], _TOLD_CLOSED),
    ("nothing_to_tell", "the result says no more than ok", ['{"status": "ok"}'], "I have done that."),
    ("told_error", "the tool failed, and the answer says so", ['{"error": "timeout"}'], "I cannot find out."),
    ("plain_text", "the result is no JSON", ["It rains in the valley."], "In the valley it rains."),
    ("list_length", "the answer counts", ['[{"id": "k1"}, {"id": "k2"}]'], "There are two: k1 and k2."),
)
