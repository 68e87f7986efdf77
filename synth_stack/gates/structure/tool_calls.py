"""Tool calls of a row: each is one of its tools, with arguments that fit, and has one result."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synth_stack.gates.structure.faults import Fault, list_faults, place_of
from synth_stack.gates.structure.reading import OWN, Rows, Rules
from synth_stack.rows.json_schema import JsonSchema
from synth_stack.rows.tools import Tools, cut_name, read_arguments, read_tools

if TYPE_CHECKING:
    import polars as pl

MAX_OPEN_CALLS = 128
"""Calls that wait for their results at a time; a model asks for a handful."""
_BROKEN = ("\0", "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class _Call:
    """A call, and its place in the row."""

    call_id: str | None
    name: str | None
    arguments: str | None
    place: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of a row that has tools, calls or results; `answers` and `name` are those of a result."""

    role: str | None
    place: dict[str, int]
    calls: Sequence[_Call] = ()
    answers: str | None = None
    name: str | None = None


def find_call_faults(seen: Rows, _: Rules) -> "pl.DataFrame":
    """The first fault of each row in its tools, calls and results; rows without any cost nothing."""
    told = seen.told
    rows = sorted({*told.calls["row"], *told.results["row"], *told.tools["row"]})
    texts = dict(told.tools.iter_rows())
    found: list[tuple[int, Fault]] = []
    for row, lines in _group_lines(seen, rows):
        try:
            tools = _read(texts[row]) if row in texts else None
        except ValueError as exc:
            found.append((row, Fault("bad_tools", f"bad tools: {exc}", {})))
            continue
        fault = _find_fault(lines, tools)
        if fault is not None:
            found.append((row, fault))
    return list_faults(found)


def _read(text: str | None) -> Tools:
    if text is None:
        raise ValueError("not valid UTF-8")
    return read_tools(text)


def _group_lines(seen: Rows, rows: list[int]) -> Iterator[tuple[int, dict[int, list[_Message]]]]:
    """The messages of each of the rows by `side`: OWN first, then those of its alternatives."""
    import polars as pl

    calls: dict[tuple[int, int, int], list[_Call]] = {}
    for row, side, position, number, call_id, name, arguments in seen.told.calls.iter_rows():
        call = _Call(call_id, name, arguments, place_of(side, position) | {"call": number})
        calls.setdefault((row, side, position), []).append(call)
    results = {at[:3]: at[3:] for at in seen.told.results.iter_rows()}
    spoken = seen.messages.filter(pl.col("row").is_in(rows)).select("row", "side", "position", "role")
    by_row = {row: list(said) for row, said in itertools.groupby(spoken.iter_rows(), key=lambda at: at[0])}
    for row in rows:
        lines: dict[int, list[_Message]] = {OWN: []}
        for _, side, position, role in by_row.get(row, ()):
            at = (row, side, position)
            answers, name = results.get(at, (None, None))
            message = _Message(role, place_of(side, position), calls.get(at, ()), answers, name)
            lines.setdefault(side, []).append(message)
        yield row, lines


def _find_fault(lines: Mapping[int, Sequence[_Message]], tools: Tools | None) -> Fault | None:
    waiting: list[_Call] = []
    fault = _walk(lines[OWN], waiting, tools)
    for side, messages in lines.items():
        if side != OWN and fault is None:
            fault = _walk(messages, list(waiting), tools)
    return fault


def _walk(messages: Sequence[_Message], waiting: list[_Call], tools: Tools | None) -> Fault | None:
    """The first fault on the way through messages; `waiting` are the calls without a result so far."""
    for message in messages:
        fault = None
        if message.role == "tool":
            fault = _answer(message, waiting)
        elif message.role != "assistant" and waiting:
            fault = _leave(waiting[0])
        if fault is not None:
            return fault
        for call in message.calls:
            fault = _judge_call(call, waiting, tools)
            if fault is not None:
                return fault
            waiting.append(call)
    last = messages[-1].calls if messages else waiting
    left = [call for call in waiting if call not in last]
    return _leave(left[0]) if left else None


def _answer(message: _Message, waiting: list[_Call]) -> Fault | None:
    """Takes the call that a result answers from those that wait: by its id, or in order without ids."""
    same = [call for call in waiting if call.call_id == message.answers]
    named = [call for call in same if message.answers is None and call.name == message.name]
    if not same:
        reason = f"unmatched tool result: message {message.place['message']} answers no open call"
        return Fault("unmatched_tool_result", reason, message.place)
    waiting.remove((named or same)[0])
    return None


def _leave(call: _Call) -> Fault:
    reason = (
        f"unanswered tool call: nothing follows call {call.place['call']} of message {call.place['message']}"
    )
    return Fault("unanswered_tool_call", reason, call.place)


def _judge_call(call: _Call, waiting: Sequence[_Call], tools: Tools | None) -> Fault | None:
    name = cut_name(call.name or "")
    what = "bad_tool_call"
    if not call.name:
        reason = f"call {call.place['call']} of message {call.place['message']} has no name"
    elif tools is not None and call.name not in tools:
        what, reason = "unknown_tool", f"{name} is not among the row's tools"
    elif call.call_id is not None and any(call.call_id == other.call_id for other in waiting):
        reason = f"{name} has the id of another open call"
    elif len(waiting) >= MAX_OPEN_CALLS:
        reason = f"more than {MAX_OPEN_CALLS} are open"
    else:
        return _judge_arguments(call, name, tools[call.name] if tools is not None else None)
    return Fault(what, f"{what.replace('_', ' ')}: {reason}", call.place)


def _judge_arguments(call: _Call, name: str, schema: JsonSchema | None) -> Fault | None:
    try:
        arguments = read_arguments(call.arguments)
        misfit = None if schema is None else schema.find_misfit(arguments)
    except ValueError as exc:
        return Fault("bad_tool_call", f"bad tool call: the arguments of {name}: {exc}", call.place)
    if misfit is not None:
        reason = f"bad tool call: the arguments of {name} do not fit its schema: {cut_name(misfit)}"
        return Fault("bad_tool_call", reason, call.place)
    if _is_broken(arguments):
        reason = f"broken characters: the arguments of {name} hold NUL or the replacement character U+FFFD"
        return Fault("broken_characters", reason, call.place)
    return None


def _is_broken(value: Any) -> bool:
    if isinstance(value, str):
        return any(c in value for c in _BROKEN)
    if isinstance(value, dict):
        return any(_is_broken(key) or _is_broken(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_is_broken, value))
