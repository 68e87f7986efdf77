"""What an assistant asks of tools, in the shapes that data sets use, and the schemas that it may call."""

from collections.abc import Iterator, Mapping
from typing import Any

from synth_stack.inputs.json_text import parse_list, parse_text
from synth_stack.inputs.plain_values import (
    check_unicode,
    clean_text,
    is_empty,
    write_arguments,
    write_schemas,
)

Call = dict[str, str]

_CALL_KEYS = frozenset({"id", "type", "function", "name", "arguments", "index"})
_FUNCTION_KEYS = frozenset({"name", "arguments", "parameters", "input"})


def read_calls(value: Any, column: str) -> tuple[list[Call], dict[str, Any]]:
    """The calls in `tool_calls`, a list or its JSON text, and what they hold beyond id, name and arguments.

    A call is OpenAI's {id, type, function: {name, arguments}}, or {name, arguments} alone. What is left over
    stands by the call's position. Raises ValueError for what is no call.
    """
    if isinstance(value, str):
        value = parse_list(value)
    if not isinstance(value, list | tuple):
        raise ValueError(f"column {column!r} has tool calls that are no list")
    calls: list[Call] = []
    left: dict[str, Any] = {}
    for position, item in enumerate(value):
        call, rest = read_call(item, column)
        calls.append(call)
        if rest:
            left[str(position)] = rest
    return calls, left


def read_call(value: Any, column: str) -> tuple[Call, dict[str, Any]]:
    """One call and what else it holds. Raises ValueError for what is no call."""
    if isinstance(value, str):
        value = _parse_object(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"column {column!r} has a tool call that is no object")
    function = value.get("function")
    inner: Mapping[str, Any] = function if isinstance(function, Mapping) else value
    name = inner.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"column {column!r} has a tool call without a name")
    arguments = next(
        (inner[k] for k in ("arguments", "parameters", "input") if inner.get(k) is not None), None
    )
    call = {"name": check_unicode(name, column), "arguments": _write_arguments(arguments, column)}
    if not is_empty(value.get("id")):
        call["id"] = clean_text(str(value["id"]))
    rest = dict(_list_others(value, _CALL_KEYS if inner is not value else _CALL_KEYS | _FUNCTION_KEYS))
    if inner is not value:
        rest |= dict(_list_others(inner, _FUNCTION_KEYS))
    if not isinstance(function, Mapping | None) or value.get("type") not in {None, "function", "tool_use"}:
        rest |= {k: value[k] for k in ("function", "type") if value.get(k) is not None and k != "name"}
    return call, rest


def read_tools(value: Any) -> str | None:
    """The schemas that an assistant may call as canonical JSON of a list; None for what is no such list.

    Raises ValueError for schemas that are nested too deep.
    """
    if isinstance(value, str):
        value = parse_list(value) or _parse_object(value)
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        return None
    schemas = [_parse_object(item) if isinstance(item, str) else item for item in value]
    return write_schemas(schemas) if schemas and all(isinstance(item, Mapping) for item in schemas) else None


def _write_arguments(value: Any, column: str) -> str:
    if isinstance(value, str):
        return check_unicode(value, column)
    return "" if value is None else write_arguments(value)


def _list_others(value: Mapping[str, Any], known: frozenset[str]) -> Iterator[tuple[str, Any]]:
    return ((str(k), v) for k, v in value.items() if k not in known and v is not None)


def _parse_object(text: str) -> Any:
    """The object that a text holds as JSON, or None."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return parse_text(text)
    except ValueError:
        return None
