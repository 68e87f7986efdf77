"""Rows in the forms that trainers read: one function a form, from a row to a record of JSON.

messages  OpenAI's chat format, as TRL and transformers take it (reasoning in `reasoning_content`)
alpaca    instruction, input, output, with `system` and `history`, as LLaMA-Factory takes it
sharegpt  conversations of {from, value}, with function_call and observation, as LLaMA-Factory takes it
trl-dpo   prompt, chosen and rejected as lists of messages: TRL's conversational preference format
jsonl     every column of the row
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

Row = Mapping[str, Any]
Record = dict[str, Any]
Sides = tuple[int, int]
"""The places of the chosen and of the rejected alternative of a row."""


class Unsayable(Exception):
    """A row that a form has no words for; its text says what of it, the same for every such row."""


Form = Callable[[Row, Sides | None], Record]


def to_messages(row: Row, _: Sides | None) -> Record:
    """A conversation. Raises Unsayable."""
    _refuse_alternatives(row)
    return {"row_id": row["row_id"], "messages": _read_turns(row["messages"]), **_read_tools(row)}


def to_alpaca(row: Row, _: Sides | None) -> Record:
    """The last prompt and answer, with the ones before as `history`. Raises Unsayable."""
    _refuse_alternatives(row)
    _refuse_tools(row)
    _refuse_reasoning(row["messages"])
    messages = list(row["messages"])
    system = messages.pop(0)["content"] if messages and messages[0]["role"] == "system" else ""
    roles = [message["role"] for message in messages]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise Unsayable("not in turns of user and assistant")
    said = [message["content"] or "" for message in messages]
    pairs = [list(pair) for pair in zip(said[::2], said[1::2], strict=True)]
    instruction, output = pairs.pop()
    return {
        "row_id": row["row_id"],
        "instruction": instruction,
        "input": "",
        "output": output,
        "system": system,
        "history": pairs,
    }


def to_sharegpt(row: Row, _: Sides | None) -> Record:
    """A conversation with calls and results as turns of their own. Raises Unsayable.

    Turns alternate: calls made at once are one turn, a list, and so are their results, in the order of the
    calls. `tools` is JSON, or "".
    """
    _refuse_alternatives(row)
    _refuse_reasoning(row["messages"])
    turns: list[Record] = []
    waiting: list[str | None] = []
    results: list[Row] = []
    for message in row["messages"]:
        if message["role"] == "tool":
            results.append(message)
            continue
        turns += _observe(results, waiting)
        results = []
        calls = message["tool_calls"] or ()
        if calls and message["content"]:
            raise Unsayable("text beside a tool call")
        waiting = [call["id"] for call in calls]
        turns.append(_call(calls) if calls else _speak(message))
    turns += _observe(results, waiting)
    if not turns:
        raise Unsayable("no messages")
    tools = _read_tools(row).get("tools")
    listed = orjson.dumps([tool["function"] for tool in tools]).decode() if tools else ""
    return {"row_id": row["row_id"], "conversations": turns, "tools": listed}


def to_preference(row: Row, sides: Sides | None) -> Record:
    """A prompt, and how it goes on in the chosen and in the rejected alternative. Raises Unsayable."""
    if sides is None:
        raise Unsayable("no chosen and rejected alternative" if row["alternatives"] else "no alternatives")
    chosen, rejected = (_read_turns(row["alternatives"][side]["messages"]) for side in sides)
    prompt = _read_turns(row["messages"])
    return {
        "row_id": row["row_id"],
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        **_read_tools(row),
    }


def to_columns(row: Row, _: Sides | None) -> Record:
    """The row as it is."""
    return dict(row)


FORMS: Mapping[str, Form] = {
    "messages": to_messages,
    "alpaca": to_alpaca,
    "sharegpt": to_sharegpt,
    "trl-dpo": to_preference,
    "jsonl": to_columns,
}


def say_thoughts(row: Row, reasoning: str | None, form: str) -> Row:
    """The row with what models thought as its recipe wants it trained on.

    `train` puts it into the content, between <think> tags; `keep` leaves it in a field of its own, and out of
    the forms that have no such field. None is a row of somebody else's: it stays as it is.
    """
    if reasoning == "train":
        change = _think_aloud
    elif reasoning == "keep" and form in _WITHOUT_REASONING:
        change = _forget_thought
    else:
        return row
    sides = [{**side, "messages": list(map(change, side["messages"]))} for side in row["alternatives"] or ()]
    return {**row, "messages": list(map(change, row["messages"])), "alternatives": sides or None}


_WITHOUT_REASONING = frozenset({"alpaca", "sharegpt"})


def _think_aloud(message: Row) -> Row:
    if not message["reasoning"] or message["role"] != "assistant":
        return message
    thought = f"<think>\n{message['reasoning']}\n</think>\n\n{message['content'] or ''}"
    return {**message, "content": thought, "reasoning": None}


def _forget_thought(message: Row) -> Row:
    return {**message, "reasoning": None}


def _refuse_alternatives(row: Row) -> None:
    if row["alternatives"]:
        raise Unsayable("alternatives")


def _refuse_tools(row: Row) -> None:
    called = any(message["tool_calls"] or message["role"] == "tool" for message in row["messages"])
    if called or row["tools"] is not None:
        raise Unsayable("tools")


def _refuse_reasoning(messages: Sequence[Row]) -> None:
    if any(message["reasoning"] is not None for message in messages):
        raise Unsayable("reasoning")


def _read_turns(messages: Sequence[Row] | None) -> list[Record]:
    """Messages as the chat API has them; what a message does not have is left out."""
    if not messages:
        raise Unsayable("no messages")
    return [_read_turn(message) for message in messages]


def _read_turn(message: Row) -> Record:
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for call in message["tool_calls"] or ()
    ]
    more = {
        "reasoning_content": message["reasoning"],
        "tool_calls": calls or None,
        "tool_call_id": message["tool_call_id"],
        "name": message["name"],
    }
    given = {name: value for name, value in more.items() if value is not None}
    return {"role": message["role"], "content": message["content"], **given}


def _read_tools(row: Row) -> Record:
    """`tools` as a list of {"type", "function"}; nothing for a row without any."""
    if row["tools"] is None:
        return {}
    try:
        listed = orjson.loads(row["tools"])
    except orjson.JSONDecodeError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
        raise Unsayable("tools that are no list of functions")
    return {"tools": [_wrap(tool) for tool in listed]}


def _wrap(tool: Record) -> Record:
    """A tool in OpenAI's form."""
    if isinstance(tool.get("function"), dict):
        return tool
    function = {("parameters" if name == "input_schema" else name): value for name, value in tool.items()}
    return {"type": "function", "function": function}


def _speak(message: Row) -> Record:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    if message["role"] not in names:
        raise Unsayable("a role that there is no name for")
    return {"from": names[message["role"]], "value": message["content"] or ""}


def _call(calls: Sequence[Row]) -> Record:
    asked = [{"name": call["name"], "arguments": _load(call["arguments"])} for call in calls]
    return {"from": "function_call", "value": orjson.dumps(asked if asked[1:] else asked[0]).decode()}


def _observe(results: Sequence[Row], waiting: Sequence[str | None]) -> list[Record]:
    if not results:
        return []
    places = {call_id: place for place, call_id in enumerate(waiting) if call_id is not None}
    ordered = sorted(results, key=lambda result: places.get(result["tool_call_id"], len(places)))
    contents = [result["content"] or "" for result in ordered]
    return [
        {"from": "observation", "value": orjson.dumps(contents).decode() if contents[1:] else contents[0]}
    ]


def _load(arguments: str | None) -> Any:
    """The arguments of a call as a value; as their text where they are no JSON."""
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments
