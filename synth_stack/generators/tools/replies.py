"""The calls in what a model wrote, and whether a tool takes them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth_stack.inputs.tool_catalogue import Tool
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.tools import cut_name, read_arguments

_BLOCK = re.compile(r"(?s)<tool_call>\s*(.*?)\s*</tool_call>")
"""A call as Hermes and Qwen write one."""
_FENCE = re.compile(r"(?s)\A```(?:json)?\s*\n(.*?)\n?\s*```\Z")
_KEYS = ("arguments", "parameters", "args")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool: its arguments as a mapping, and as the JSON text that a row has."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The arguments as JSON, their names in order."""
        return json.dumps(self.arguments, ensure_ascii=False, sort_keys=True)


def read_calls(reply: str) -> list[ToolCall] | None:
    """The calls that a reply consists of; None for one that is words.

    They are a JSON list, one object, or `<tool_call>` blocks, with or without a fence of code around them.
    Raises ValueError for what begins like calls and is none.
    """
    text = reply.strip()
    blocks = _BLOCK.findall(text)
    fenced = _FENCE.match(text)
    if blocks:
        said = [_parse(block) for block in blocks]
    else:
        body = fenced[1].strip() if fenced else text
        if not body.startswith(("[", "{")):
            return None
        said = _parse(body)
    listed = said if isinstance(said, list) else [said]
    if not listed:
        raise ValueError("an empty list of calls")
    return [_read_call(item) for item in listed]


def find_misfit(call: ToolCall, tools: Mapping[str, Tool]) -> str | None:
    """Why none of the tools takes the call, or None."""
    tool = tools.get(call.name)
    if tool is None:
        return f"there is no tool {cut_name(call.name)}"
    try:
        misfit = tool.read_arguments().find_misfit(dict(call.arguments))
    except ValueError as exc:
        misfit = str(exc)
    return (
        None if misfit is None else f"the arguments of {call.name} do not fit its schema: {cut_name(misfit)}"
    )


def read_results(reply: str, calls: Sequence[ToolCall], tools: Mapping[str, Tool]) -> list[str]:
    """The results of the calls, each as JSON text, in the reply of a model that plays the tools.

    Raises ValueError where they are not one for each call, or one is not what its tool gives back.
    """
    text = reply.strip()
    fenced = _FENCE.match(text)
    said = _parse(fenced[1].strip() if fenced else text)
    if not isinstance(said, list) or len(said) != len(calls):
        found = f"{len(said)} results" if isinstance(said, list) else "no list"
        raise ValueError(f"{found} for {len(calls)} calls")
    for call, value in zip(calls, said, strict=True):
        schema = tools[call.name].read_result()
        misfit = None if schema is None else schema.find_misfit(value)
        if misfit is not None:
            raise ValueError(f"the result of {call.name} does not fit its schema: {cut_name(misfit)}")
    return [json.dumps(value, ensure_ascii=False) for value in said]


def _parse(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
        canonical_text(value)  # no lone surrogate, nothing too large for a row
    except (ValueError, RecursionError) as exc:
        raise ValueError("no JSON that can be read") from exc
    return value


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _read_call(said: Any) -> ToolCall:
    function = said.get("function", said) if isinstance(said, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError("a call without a name")
    arguments: Any = next((function[key] for key in _KEYS if key in function), {})
    if isinstance(arguments, str):
        arguments = read_arguments(arguments)
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {cut_name(function['name'])} are no object")
    return ToolCall(function["name"], arguments)
