"""Canaries of the structure gate that are broken in their shape: their roles, calls, results and
alternatives.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.canaries import build_canary
from synth_stack.rows.texts import join_text

Row = Mapping[str, Any]


def break_shapes(sample: pa.Table, n: int) -> list[dict[str, Any]]:
    """Up to `n` canaries of each kind of fault that the rows of the sample have the parts for."""
    planted = []
    for faults, rows in ((_ROLE_FAULTS, _list_spoken(sample)), *_list_shaped(sample)):
        for kind, wrong, break_row in faults:
            wanted = range(n if rows else 0)
            planted += [_build(kind, wrong, break_row(rows[k % len(rows)]), draw=k) for k in wanted]
    return planted


def _list_spoken(sample: pa.Table) -> list[Row]:
    """The first rows that end with an answer, without calls and alternatives."""
    rows = []
    for row in sample.select(_COLUMNS).to_pylist():
        said = row["messages"]
        plain = not row["alternatives"] and not any(m["tool_calls"] or m["role"] == "tool" for m in said)
        if plain and said and said[-1]["role"] == "assistant" and all(m["content"] for m in said):
            rows.append(row)
    return rows


def _list_shaped(
    sample: pa.Table,
) -> Iterator[tuple[Sequence[tuple[str, str, Callable[[Row], Row]]], list[Row]]]:
    """The faults of calls and of alternatives, with the rows of the sample that have some."""
    columns = sample.select(_COLUMNS)
    compared = pc.fill_null(pc.greater(pc.list_value_length(sample["alternatives"]), 1), False)
    yield _CALL_FAULTS, columns.filter(_mark_called(sample)).to_pylist()
    yield _SIDE_FAULTS, columns.filter(compared).to_pylist()


_COLUMNS = ["kind", "messages", "tools", "alternatives"]


def _mark_called(sample: pa.Table) -> pa.Array:
    """Which rows have a message in the role "tool" and are no preference rows, (n,)."""
    messages = sample["messages"].combine_chunks()
    roles = pc.struct_field(messages.flatten(), "role")
    rows = messages.value_parent_indices().filter(pc.fill_null(pc.equal(roles, "tool"), False))
    places = pc.is_in(pa.array(range(len(sample)), pa.int64()), value_set=rows.cast(pa.int64()))
    alone = pc.equal(pc.fill_null(pc.list_value_length(sample["alternatives"]), 0), 0)
    return pc.and_(places, alone.combine_chunks())


def _build(kind: str, wrong: str, row: Row, *, draw: int) -> dict[str, Any]:
    messages, alternatives = row["messages"], row["alternatives"]
    made = build_canary(row["kind"], messages or [{"role": "user", "content": None}], wrong, draw, kind=kind)
    shape = {"messages": messages, "tools": row["tools"], "alternatives": alternatives}
    return made | shape | {"text": join_text(messages, alternatives)}


def _change_first(messages: Sequence[Row], role: str, change: Callable[[Row], Row]) -> list[Row]:
    """The messages with the first one of a role changed."""
    place = next((k for k, message in enumerate(messages) if message["role"] == role), None)
    return [change(message) if k == place else message for k, message in enumerate(messages)]


def _lose_call(row: Row) -> Row:
    messages = _change_first(row["messages"], "tool", lambda said: {**said, "tool_call_id": "no such call"})
    return {**row, "messages": messages}


def _lose_result(row: Row) -> Row:
    """Without the results of its tools; what the assistant said of them stays."""
    return {**row, "messages": [message for message in row["messages"] if message["role"] != "tool"]}


def _tear_arguments(row: Row) -> Row:
    messages = [
        {**said, "tool_calls": [{**call, "arguments": "{"} for call in said["tool_calls"] or ()] or None}
        for said in row["messages"]
    ]
    return {**row, "messages": messages}


def _repeat_side(row: Row) -> Row:
    side = row["alternatives"][0]
    return {**row, "alternatives": [{**side, "label": label} for label in ("chosen", "rejected")]}


def _drop_side(row: Row) -> Row:
    return {**row, "alternatives": [{**row["alternatives"][0], "label": "chosen"}]}


def _speak_twice(row: Row) -> Row:
    return {**row, "messages": [row["messages"][-1], *row["messages"]]}


def _end_with_user(row: Row) -> Row:
    return {
        **row,
        "messages": [*row["messages"], {"role": "user", "content": row["messages"][-1]["content"]}],
    }


def _empty_answer(row: Row) -> Row:
    return {**row, "messages": [*row["messages"][:-1], {**row["messages"][-1], "content": " \n"}]}


def _lose_content(row: Row) -> Row:
    return {**row, "messages": [*row["messages"][:-1], {**row["messages"][-1], "content": None}]}


def _misplace_reasoning(row: Row) -> Row:
    messages = _change_first(row["messages"], "user", lambda said: {**said, "reasoning": "It is asked."})
    return {**row, "messages": messages}


_ROLE_FAULTS: Sequence[tuple[str, str, Callable[[Row], Row]]] = (
    ("roles", "the assistant speaks first", _speak_twice),
    ("open_end", "the user has the last word", _end_with_user),
    ("emptiness", "the last message is blank", _empty_answer),
    ("lost_content", "the last message has no content", _lose_content),
    ("misplaced_reasoning", "the user reasons", _misplace_reasoning),
)
_CALL_FAULTS: Sequence[tuple[str, str, Callable[[Row], Row]]] = (
    ("lost_call", "a tool result answers no call", _lose_call),
    ("lost_result", "a tool call has no result", _lose_result),
    ("torn_arguments", "the arguments of its calls are no JSON", _tear_arguments),
)
_SIDE_FAULTS: Sequence[tuple[str, str, Callable[[Row], Row]]] = (
    ("equal_sides", "its two alternatives are the same", _repeat_side),
    ("missing_side", "nothing was rejected", _drop_side),
)
