"""The tools that an assistant may call, as a row's `tools` has them, and the arguments of a call."""

import functools
from collections.abc import Mapping
from typing import Any

import orjson

from synth_stack.errors import replace_unprintable
from synth_stack.rows.json_schema import JsonSchema, read_schema

MAX_TOOLS_CHARS = 256 * 1024
"""The tools of one row: five times those of the largest public servers of tools."""
MAX_ARGUMENTS_CHARS = 256 * 1024
"""The arguments of one call: a file that it is to write, say."""
MAX_NAME_CHARS = 60
"""Of a stranger's name in a message of ours."""

_PARAMETERS = ("parameters", "input_schema")
"""What the schema of the arguments is called: by OpenAI's chat format, and by Anthropic's."""

Tools = Mapping[str, JsonSchema | None]
"""The tools of a row by name, with the schema of their arguments; None for one that says nothing of them."""


def read_tools(text: str) -> Tools:
    """The tools in a row's `tools`: a JSON list of functions, each bare or as {"type", "function"}.

    Raises ValueError with what is wrong with it.
    """
    if len(text) > MAX_TOOLS_CHARS:
        raise ValueError(f"longer than {MAX_TOOLS_CHARS} characters")
    try:
        listed = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise ValueError("no JSON") from exc
    if not isinstance(listed, list):
        raise ValueError("no list")
    tools: dict[str, JsonSchema | None] = {}
    for item in listed:
        function = item.get("function", item) if isinstance(item, dict) else None
        function = function if isinstance(function, dict) else {}
        name = function.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError("a tool without a name")
        if name in tools:
            raise ValueError(f"two tools of the name {cut_name(name)}")
        tools[name] = _read_parameters(name, function)
    return tools


def read_arguments(text: str | None) -> dict[str, Any]:
    """The arguments of a call. Raises ValueError with what is wrong with them."""
    if text is None or len(text) > MAX_ARGUMENTS_CHARS:
        raise ValueError("missing" if text is None else f"longer than {MAX_ARGUMENTS_CHARS} characters")
    try:
        arguments = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise ValueError("no JSON") from exc
    if not isinstance(arguments, dict):
        raise ValueError("no JSON object")
    return arguments


def cut_name(name: str) -> str:
    """A stranger's name as it can stand in a sentence."""
    shown = replace_unprintable(name[:MAX_NAME_CHARS], mark="?")
    return shown if len(name) <= MAX_NAME_CHARS else f"{shown}…"


def _read_parameters(name: str, function: Mapping[str, Any]) -> JsonSchema | None:
    said = next((function[key] for key in _PARAMETERS if function.get(key) is not None), None)
    if said is None:
        return None
    try:
        return _read_schema(orjson.dumps(said))
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"the parameters of {cut_name(name)} are no JSON Schema: {exc}") from exc


@functools.lru_cache(maxsize=1_024)
def _read_schema(text: bytes) -> JsonSchema:
    """The schema in a text: rows of one dataset have the same tools again and again."""
    return read_schema(orjson.loads(text))
