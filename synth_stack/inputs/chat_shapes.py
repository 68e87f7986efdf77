"""Conversations in the shapes that data sets use, as messages: OpenAI, ShareGPT, TRL, and their spellings.

A turn has a role and a content under any of the names below, in any case; a name that is there without
holding anything hides no other. What a turn holds beyond the fields of a message is handed back beside them.
"""

from collections.abc import Mapping
from typing import Any

from synth_stack.errors import name_type
from synth_stack.inputs.columns import fold_name
from synth_stack.inputs.json_text import parse_list
from synth_stack.inputs.notices import NoticeTally
from synth_stack.inputs.plain_values import (
    check_unicode,
    clean_text,
    is_empty,
    read_text,
    to_python,
    write_arguments,
)
from synth_stack.inputs.tool_calls import read_call, read_calls

Message = dict[str, Any]
Left = dict[str, dict[str, Any]]
"""What the turns of one column hold beyond their messages, by the position of the turn."""

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
CALLING_ROLES = frozenset({"function_call", "tool_call"})
"""ShareGPT's turns of an assistant whose value is the JSON of a call."""

_ROLE_KEYS = ("role", "from")
_CONTENT_KEYS = ("content", "value", "text", "parts")
_REASONING_KEYS = ("reasoning", "reasoning_content", "thinking")
_FINISH_KEYS = ("finish", "finish_reason")
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})


def find_turns(value: Any) -> list[Any] | None:
    """The turns in a cell: a list of objects, its JSON text, columns of roles and contents, or one turn.

    None for a cell that holds nothing of the kind.
    """
    if isinstance(value, str):
        value = parse_list(value)
    elif type(value).__module__ == "numpy":
        value = to_python(value)
    if isinstance(value, Mapping):
        value = _zip_columns(value) or ([dict(value)] if _has_role(value) else None)
    if not isinstance(value, list | tuple):
        return None
    turns = [dict(turn) if _is_pairs(turn) else turn for turn in value]
    return turns if turns and all(isinstance(turn, Mapping) for turn in turns) else None


def read_turns(turns: list[Any], column: str, tally: NoticeTally) -> tuple[list[Message], Left]:
    """The messages of a list of turns, and what is left of each turn.

    Raises ValueError for a turn without role or text, or with a part that is no text.
    """
    messages: list[Message] = []
    left: Left = {}
    for position, turn in enumerate(turns):
        if len(turn) > 2:  # Parquet gives each turn the keys of all turns
            turn = {key: value for key, value in turn.items() if value is not None}  # noqa: PLW2901
        if type(turn) is dict and len(turn) == 2:
            said, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
            if type(said) is str and type(content) is str and said in ROLES:
                messages.append({"role": ROLES[said], "content": check_unicode(content, column)})
                continue
        read, rest = _read_turn(turn, column, tally)
        messages += read
        if rest:
            left[str(position)] = rest
            for key in rest:
                tally.add("kept", f"turn key {key!r}", "in extra", "turns")
    return messages, left


class _Turn:
    """A turn under its folded key names; what was asked for is no longer left over."""

    def __init__(self, turn: Mapping[Any, Any]) -> None:
        self._keys: dict[str, list[Any]] = {}
        for key in turn:
            self._keys.setdefault(fold_name(key), []).append(key)
        self._turn = turn
        self._used: set[Any] = set()

    def take(self, *names: str, text: bool = False) -> Any:
        """The first value under the names that holds something, or else an empty text, or else None."""
        found = None
        for key in (key for name in names for key in self._keys.get(name, ())):
            value = self._turn[key]
            if text and not isinstance(value, str | None):
                continue
            if not is_empty(value):
                self._used.add(key)
                return value
            self._used.add(key)
            found = value if isinstance(value, str) else found
        return found

    def rest(self) -> dict[str, Any]:
        """What was not asked for and is not null."""
        return {str(k): v for k, v in self._turn.items() if k not in self._used and v is not None}


def _read_turn(
    mapping: Mapping[Any, Any], column: str, tally: NoticeTally
) -> tuple[list[Message], dict[str, Any]]:
    turn = _Turn(mapping)
    said = turn.take(*_ROLE_KEYS)
    content = turn.take(*_CONTENT_KEYS)
    if not isinstance(said, str) or not said.strip():
        raise ValueError(f"column {column!r} has a turn without role or text")
    role = _name_role(said, tally)
    message: Message = {"role": "assistant" if role in CALLING_ROLES else role}
    reasoning = turn.take(*_REASONING_KEYS, text=True)
    calls, left_calls = _take_calls(turn, column)
    if role in CALLING_ROLES and isinstance(content, str):
        calls, content = _call_of(content, calls, column)
    parts = _Parts(column)
    text = parts.read(content, role)
    calls += parts.calls
    thoughts = [reasoning] if reasoning else []
    reasoning = "\n".join(thoughts + [thought for thought in parts.reasoning if thought not in thoughts])
    message["content"] = text or ""
    if reasoning:
        message["reasoning"] = check_unicode(reasoning, column)
    if calls:
        message["tool_calls"] = calls
    for name, keys in (("tool_call_id", ("tool_call_id",)), ("name", ("name",)), ("finish", _FINISH_KEYS)):
        value = turn.take(*keys, text=True)
        if value:
            message[name] = check_unicode(value, column)
    if text is None and not (calls or reasoning or parts.results):
        raise ValueError(f"column {column!r} has a turn without role or text")
    rest = turn.rest() | ({"tool_calls": left_calls} if left_calls else {}) | parts.left
    said_something = text is not None or calls or reasoning
    return [*parts.results, *([message] if said_something else [])], rest


def _name_role(said: str, tally: NoticeTally) -> str:
    folded = fold_name(said)
    if folded in CALLING_ROLES:
        return folded
    role = ROLES.get(folded)
    if role is None:
        role = clean_text(said)
        tally.add("kept", f"role {role!r}", "as it stands", "turns")
    return role


def _take_calls(turn: _Turn, column: str) -> tuple[list[Any], dict[str, Any]]:
    """The calls of a turn: OpenAI's tool_calls, and its older function_call."""
    calls: list[Any] = []
    left: dict[str, Any] = {}
    listed = turn.take("tool_calls")
    if not is_empty(listed):
        calls, left = read_calls(listed, column)
    single = turn.take("function_call")
    if not is_empty(single):
        call, rest = read_call(single, column)
        if all(call.items() - known.items() for known in calls):
            calls.append(call)
        left |= {"function_call": rest} if rest else {}
    return calls, left


def _call_of(content: str, calls: list[Any], column: str) -> tuple[list[Any], str]:
    """The calls that a function_call turn's value holds; where it holds none, the value stays its text."""
    try:
        if content.lstrip().startswith("["):
            return [*calls, *read_calls(content, column)[0]], ""
        return [*calls, read_call(content, column)[0]], ""
    except ValueError:
        return calls, content


class _Parts:
    """The content of a turn where it may be a list of parts: text, reasoning, calls and results of tools."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.reasoning: list[str] = []
        self.calls: list[Any] = []
        self.results: list[Message] = []
        self.left: dict[str, Any] = {}

    def read(self, content: Any, role: str) -> str | None:
        """The text of the content, or None where it has none.

        Raises ValueError for a part that is not read.
        """
        if content is None or isinstance(content, str | bytes):
            return None if content is None else read_text(content, self._column)
        if type(content).__module__ == "numpy":
            content = to_python(content)
        if isinstance(content, Mapping) and role != "tool":
            content = content["parts"] if isinstance(content.get("parts"), list) else [content]
        if role == "tool" and not _are_parts(content):
            return write_arguments(content)
        if not isinstance(content, list | tuple):
            raise ValueError(f"column {self._column!r} has a turn without role or text")
        texts = [text for n, part in enumerate(content) if (text := self._read_part(part, n)) is not None]
        return "\n".join(texts) if texts else None

    def _read_part(self, part: Any, position: int) -> str | None:
        if isinstance(part, str):
            return check_unicode(part, self._column)
        if not isinstance(part, Mapping):
            raise ValueError(f"column {self._column!r} has a part of a turn that is {name_type(part)}")
        filled = {str(k): v for k, v in part.items() if v is not None}
        kind = str(filled.pop("type", "text" if "text" in filled or "refusal" in filled else ""))
        if kind in _TEXT_PARTS:
            name = "refusal" if "refusal" in filled and "text" not in filled else "text"
            text = read_text(filled.pop(name, None), self._column)
        elif kind in {"thinking", "reasoning"}:
            name = next((key for key in ("thinking", "reasoning", "text") if key in filled), "thinking")
            self.reasoning.append(read_text(filled.pop(name, None), self._column))
            text = None
        elif kind == "tool_use":
            call, filled = read_call(filled, self._column)
            self.calls.append(call)
            text = None
        elif kind == "tool_result":
            self._add_result(filled)
            text = None
        else:
            raise ValueError(
                f"column {self._column!r} has a part that is not read: {kind or ', '.join(filled)}"
            )
        if filled:
            self.left.setdefault("parts", {})[str(position)] = filled
        return text

    def _add_result(self, filled: dict[str, Any]) -> None:
        inner = _Parts(self._column)
        said = inner.read(filled.pop("content", ""), "tool")
        message: Message = {"role": "tool", "content": said or ""}
        if isinstance(filled.get("tool_use_id"), str):
            message["tool_call_id"] = check_unicode(filled.pop("tool_use_id"), self._column)
        self.results.append(message)


def _are_parts(content: Any) -> bool:
    """Whether a tool's content is a list of texts and parts, and not the JSON of a result."""
    return isinstance(content, list | tuple) and all(
        isinstance(part, str) or (isinstance(part, Mapping) and isinstance(part.get("type"), str))
        for part in content
    )


def _is_pairs(turn: Any) -> bool:
    """Whether a turn is a list of (key, value), as a map of Parquet comes."""
    return (
        isinstance(turn, list | tuple)
        and bool(turn)
        and all(isinstance(p, tuple) and len(p) == 2 for p in turn)
    )


def _zip_columns(value: Mapping[Any, Any]) -> list[dict[str, Any]] | None:
    """The turns of {"role": [...], "content": [...]}, lists of one length; None for any other object."""
    lists = {str(k): to_python(v) for k, v in value.items() if v is not None}
    if not lists or not all(isinstance(v, list | tuple) for v in lists.values()):
        return None
    if len({len(v) for v in lists.values()}) != 1 or not _has_role(lists):
        return None
    return [dict(zip(lists, turn, strict=True)) for turn in zip(*lists.values(), strict=True)]


def _has_role(value: Mapping[Any, Any]) -> bool:
    return any(fold_name(key) in _ROLE_KEYS for key in value)
