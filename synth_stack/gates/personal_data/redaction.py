"""Copies of rows with personal data taken out, that say of themselves what was taken out where."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.gates.personal_data.kinds import MAX_FOUND, Finding, Kind
from synth_stack.gates.personal_data.search import IN_EXTRA, IN_TEXT, Found, Search, read_units, unescape
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates

JOINT = "\n\n"
"""Between the messages of a row in its `text`."""

MAX_TAKEN = MAX_FOUND - 1
"""A row with more values than this is a list of them, and nothing worth keeping is left of it."""

_PLACEHOLDERS: Mapping[Kind, str] = {"role_email": "[EMAIL]", "hotline": "[PHONE]"}
_FIELDS = {IN_TEXT: "text", IN_EXTRA: "extra"}


def redact_rows(
    table: pa.Table,
    taken: Mapping[int, Sequence[Found]],
    kept: Mapping[int, frozenset[Kind]],
    search: Search,
) -> dict[int, dict[str, Any]]:
    """By row of the table, its copy without the values in `taken`, `row_id` included.

    A copy in which `search` still finds anything but the row's kinds in `kept` is left out, as is that of a
    row with more than MAX_TAKEN values, with an `extra` that is no JSON object, or with a field that is not
    UTF-8. Deterministic.
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
        if all(one.finding.kind in kept[row] for one in left.get(k, ()))
    }


def build_copies(copies: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The copies as a candidate table."""
    return pa.Table.from_pylist(list(copies), schema=CANDIDATE_SCHEMA)


def describe(found: Found) -> dict[str, Any]:
    """Kind and offsets of a finding as evidence and `extra` have them, without the value."""
    one = found.finding
    place = {"message": found.place} if found.place >= 0 else {"field": _FIELDS[found.place]}
    detail = {} if one.detail is None else {"detail": one.detail}
    return {**place, "kind": one.kind, **detail, "start": one.start, "end": one.end}


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
    at: dict[int, list[Finding]] = {}
    for one in found:
        at.setdefault(one.place, []).append(one.finding)
    extra = _redact_json(row["extra"], at.get(IN_EXTRA, []))
    if extra is None:
        return None
    old = [message["content"] for message in row["messages"]]
    new = [None if c is None else _replace(c, at.get(place, [])) for place, c in enumerate(old)]
    text: str | None
    if not row["messages"]:
        text = _replace(row["text"], at.get(0, []))
    elif row["text"] == JOINT.join(c or "" for c in old):
        text = JOINT.join(c or "" for c in new)
    else:
        text = None if row["text"] is None else _replace(row["text"], at.get(IN_TEXT, []))
    return {
        **row,
        "messages": [{**m, "content": c} for m, c in zip(row["messages"], new, strict=True)],
        "text": text,
        "extra": canonical_text({**extra, "redacted": [describe(one) for one in found]}),
        "parent_id": row["row_id"],
        "replayable": False,
    }


def _replace(content: str, found: Sequence[Finding]) -> str:
    parts, last = [], 0
    for one in found:
        parts += [content[last : one.start], _PLACEHOLDERS.get(one.kind, f"[{one.kind.upper()}]")]
        last = one.end
    return "".join([*parts, content[last:]])


def _redact_json(extra: str | None, found: Sequence[Finding]) -> dict[str, Any] | None:
    """The object in `extra` with placeholders for values; null where that gives no object."""
    if extra is None:
        return {}
    import polars as pl

    bare = unescape(pl.Series([extra]))[0]
    parts, last = [], 0
    for one in found:
        spoken = bare.count('"', 0, one.start) % 2 == 1
        placeholder = _PLACEHOLDERS.get(one.kind, f"[{one.kind.upper()}]")
        parts += [extra[last : one.start], placeholder if spoken else f'"{placeholder}"']
        last = one.end
    try:
        value = orjson.loads("".join([*parts, extra[last:]]))
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
