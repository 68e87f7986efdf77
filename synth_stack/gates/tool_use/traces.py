"""The calls of a row with what came of each, and what the assistant said after them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.rows.tools import Tools, cut_name, read_arguments, read_tools
from synth_stack.text.fields import open_lists

MAX_CALLS = 128
"""Of one row; a row with more of them is no conversation."""


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call with its arguments, and its result as the row states it; None where none follows."""

    call_id: str | None
    name: str
    arguments: Mapping[str, Any]
    result: str | None = None


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the assistant said after results, up to the next turn of the user.

    `calls` are the places of the calls that it answers, `before` all that was said and given until then.
    """

    text: str
    calls: range
    before: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolTrace:
    """The calls of a row in order, and the answers that the assistant gave after them."""

    calls: tuple[MadeCall, ...]
    answers: tuple[ToolAnswer, ...]


def find_callers(table: pa.Table) -> list[int]:
    """The rows in whose messages something is called, in order."""
    messages = open_lists(table.column("messages"))
    calling = messages.open("tool_calls").owner
    return [int(row) for row in np.unique(messages.owner[calling])]


def read_traces(table: pa.Table) -> Iterator[tuple[int, ToolTrace | str]]:
    """(row, its trace or what is wrong with it) of every row that calls something."""
    rows = find_callers(table)
    read = table.select(["messages", "tools"]).take(pa.array(rows, pa.int64())).to_pylist()
    for row, said in zip(rows, read, strict=True):
        try:
            yield row, read_trace(said["messages"], said["tools"])
        except (ValueError, RecursionError) as exc:
            yield row, str(exc) if isinstance(exc, ValueError) else "it is nested too deeply"


def read_trace(messages: Sequence[Mapping[str, Any]], tools: str | None) -> ToolTrace:
    """The trace in the messages of a row. Raises ValueError with what is wrong in form."""
    known = None if tools is None else read_tools(tools)
    calls: list[MadeCall] = []
    answers: list[ToolAnswer] = []
    before: list[str] = []
    first = 0  # the place of the first call since the user spoke
    for message in messages:
        content = message["content"] or ""
        if message["role"] == "tool":
            place = _find_call(calls, message)
            calls[place] = replace(calls[place], result=content)
        elif message["role"] != "assistant":
            first = len(calls)
        elif content.strip() and first < len(calls):
            _require_results(calls)
            answers.append(ToolAnswer(content, range(first, len(calls)), tuple(before)))
        before.append(content)
        for call in message["tool_calls"] or ():
            calls.append(_read_call(call, known))
            before.append(call["arguments"])
        if len(calls) > MAX_CALLS:
            raise ValueError(f"more than {MAX_CALLS} calls")
    return ToolTrace(tuple(calls), tuple(answers))


def _require_results(calls: Sequence[MadeCall]) -> None:
    missing = next((call.name for call in calls if call.result is None), None)
    if missing is not None:
        raise ValueError(f"an answer, and the call of {cut_name(missing)} has no result")


def _find_call(calls: Sequence[MadeCall], message: Mapping[str, Any]) -> int:
    """The place of the call that a result answers: by its id, or where there are no ids in order."""
    waiting = [place for place, call in enumerate(calls) if call.result is None]
    same = [place for place in waiting if calls[place].call_id == message["tool_call_id"]]
    named = [
        place for place in same if message["tool_call_id"] is None and calls[place].name == message["name"]
    ]
    if not same:
        raise ValueError("a result that answers no open call")
    return (named or same)[0]


def _read_call(call: Mapping[str, Any], tools: Tools | None) -> MadeCall:
    name = call["name"] or ""
    if not name or (tools is not None and name not in tools):
        raise ValueError(
            f"{cut_name(name)} is not among the row's tools" if name else "a call without a name"
        )
    try:
        arguments = read_arguments(call["arguments"])
        schema = None if tools is None else tools[name]
        misfit = None if schema is None else schema.find_misfit(arguments)
    except ValueError as exc:
        raise ValueError(f"the arguments of {cut_name(name)}: {exc}") from exc
    if misfit is not None:
        raise ValueError(f"the arguments of {cut_name(name)} do not fit its schema: {cut_name(misfit)}")
    return MadeCall(call["id"], name, arguments)
