"""Copies of rows with personal data taken out, that say of themselves what was taken out where."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.gates.personal_data.kinds import MAX_FOUND, Kind, PersonalValue
from synth_stack.gates.personal_data.search import EXTRA, TEXT, Found, Search, read_units
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.rows.texts import join_text
from synth_stack.text.json_text import blank_escapes

MAX_TAKEN = MAX_FOUND - 1
"""A row with more values than this is a list of them, and nothing worth keeping is left of it."""

_PLACEHOLDERS: Mapping[Kind, str] = {
    "role_email": "[EMAIL]",
    "hotline": "[PHONE]",
    "place": "[ADDRESS]",
    "mention": "[NAME]",
}

_Taken = Mapping[str, Sequence[PersonalValue]]
"""The values to take out, by the path of their text, in order."""


def redact_rows(
    table: pa.Table,
    taken: Mapping[int, Sequence[Found]],
    kept: Mapping[int, frozenset[Kind]],
    search: Search,
) -> dict[int, dict[str, Any]]:
    """By row of the table, its copy without the values in `taken`, `row_id` included.

    A copy in which `search` still finds anything but the row's kinds in `kept` is left out, as is that of a
    row with more than MAX_TAKEN values, with an `extra` that is no JSON object, with JSON that is none
    afterwards, or with a field that is not UTF-8. Deterministic.
    """
    rows = [row for row, found in taken.items() if len(found) <= MAX_TAKEN]
    made = {
        row: copy
        for row, original in zip(rows, _read_rows(table, rows), strict=True)
        if original is not None and (copy := _copy(original, taken[row])) is not None
    }
    copies = build_candidates(made.values())
    left = search.run(read_units(copies), copies.column("locale").to_pylist())
    return {
        row: copy
        for k, (row, copy) in enumerate(zip(made, copies.to_pylist(), strict=True))
        if all(one.value.kind in kept[row] for one in left.get(k, ()))
    }


def build_copies(copies: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The copies as a candidate table."""
    return pa.Table.from_pylist(list(copies), schema=CANDIDATE_SCHEMA)


def describe(found: Found) -> dict[str, Any]:
    """Path, kind and offsets of a value as evidence and `extra` have them, without the value."""
    one = found.value
    detail = {} if one.detail is None else {"detail": one.detail}
    setting = {} if one.setting == "prose" else {"setting": one.setting}
    return {"path": found.path, "kind": one.kind, **detail, **setting, "start": one.start, "end": one.end}


def _read_rows(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any] | None]:
    """The named rows as dicts, null for one that holds what is not UTF-8."""
    if not rows:
        return []
    try:
        read: list[dict[str, Any] | None] = table.take(rows).to_pylist()
    except UnicodeDecodeError:
        read = [None] if len(rows) == 1 else [one for row in rows for one in _read_rows(table, [row])]
    return read


def _copy(row: Mapping[str, Any], found: Sequence[Found]) -> dict[str, Any] | None:
    """The row with placeholders: still its maker's, but no longer what the maker gives when asked again."""
    taken: dict[str, list[PersonalValue]] = {}
    for one in found:
        taken.setdefault(one.path, []).append(one.value)
    try:
        held = "{}" if row["extra"] is None else row["extra"]
        extra = orjson.loads(_redact_json(held, taken.get(EXTRA, ())))
        if not isinstance(extra, dict):
            return None
        copy = {
            **row,
            **_redact_parts(row, taken),
            "extra": canonical_text({**extra, "redacted": [describe(one) for one in found]}),
        }
    except ValueError:  # JSON that is none, or that has no canonical form
        return None
    joined = row["text"] == join_text(row["messages"], row["alternatives"])
    text = (
        join_text(copy["messages"], copy["alternatives"])
        if joined
        else _redact(row["text"], taken.get(TEXT, ()))
    )
    return {**copy, "text": text, "parent_id": row["row_id"], "replayable": False}


def _redact_parts(row: Mapping[str, Any], taken: _Taken) -> dict[str, Any]:
    """Messages, alternatives, tools and documents with placeholders. Raises ValueError for broken JSON."""
    sides, documents, tools = row["alternatives"], row["documents"], row["tools"]
    if "tools" in taken:
        tools = canonical_text(orjson.loads(_redact_json(tools, taken["tools"])))
    return {
        "messages": _redact_messages(row["messages"], "messages", taken),
        "alternatives": sides
        and [
            {**side, "messages": _redact_messages(side["messages"], f"alternatives.{k}.messages", taken)}
            for k, side in enumerate(sides)
        ],
        "tools": tools,
        "documents": documents
        and [
            {**one, **_redact_fields(one, ("title", "text"), f"documents.{k}", taken)}
            for k, one in enumerate(documents)
        ],
    }


def _redact_messages(messages: Sequence[Mapping[str, Any]] | None, path: str, taken: _Taken) -> Any:
    if messages is None:
        return None
    return [
        {
            **message,
            **_redact_fields(message, ("content", "reasoning"), f"{path}.{k}", taken),
            "tool_calls": _redact_calls(message["tool_calls"], f"{path}.{k}.tool_calls", taken),
        }
        for k, message in enumerate(messages)
    ]


def _redact_calls(calls: Sequence[Mapping[str, Any]] | None, path: str, taken: _Taken) -> Any:
    """The calls with placeholders in their arguments; those that are no JSON are a text like others."""
    redacted = []
    for k, call in enumerate(calls or ()):
        arguments, values = call["arguments"], taken.get(f"{path}.{k}.arguments", ())
        if values:
            read = _redact_json if _is_json(arguments) else _redact
            arguments = read(arguments, values)
        redacted.append({**call, "arguments": arguments})
    return calls and redacted


def _redact_fields(
    holder: Mapping[str, Any], names: Sequence[str], path: str, taken: _Taken
) -> dict[str, str | None]:
    return {name: _redact(holder[name], taken.get(f"{path}.{name}", ())) for name in names}


def _redact(content: str | None, values: Sequence[PersonalValue]) -> str | None:
    if content is None or not values:
        return content
    parts, last = [], 0
    for one in values:
        parts += [content[last : one.start], _name_placeholder(one)]
        last = one.end
    return "".join([*parts, content[last:]])


def _redact_json(encoded: str, values: Sequence[PersonalValue]) -> str:
    """JSON with placeholders, in quotation marks where a number stood. Raises ValueError where it is none."""
    if not values:
        orjson.loads(encoded)
        return encoded
    import polars as pl

    bare = blank_escapes(pl.Series([encoded]))[0]
    parts, last = [], 0
    for one in values:
        placeholder = _name_placeholder(one)
        is_text = bare.count('"', 0, one.start) % 2 == 1
        parts += [encoded[last : one.start], placeholder if is_text else f'"{placeholder}"']
        last = one.end
    redacted = "".join([*parts, encoded[last:]])
    orjson.loads(redacted)
    return redacted


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _name_placeholder(value: PersonalValue) -> str:
    return _PLACEHOLDERS.get(value.kind, f"[{value.kind.upper()}]")
