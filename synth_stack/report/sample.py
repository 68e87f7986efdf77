"""The rows that the report shows in full: every reject first, with its verdicts, evidence and twin."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import StoreError
from synth_stack.rows.schemas import ALTERNATIVES, DOCUMENTS, MESSAGES

MAX_ROWS = 5_000
"""A browser still searches this many rows between two key strokes."""
MAX_CHARS = 8_000
"""Longest text, message or evidence value that is embedded: some three printed pages."""
MAX_ITEMS = 200
"""Most messages, calls, alternatives or documents of a row that are embedded."""

SHOWN_FIRST = ("rejected", "held", "accepted")

VERDICTS = pa.list_(
    pa.struct(
        [
            ("gate", pa.string()),
            ("outcome", pa.string()),
            ("score", pa.float64()),
            ("threshold", pa.float64()),
            ("reason", pa.string()),
            ("reason_class", pa.string()),
            ("evidence", pa.string()),
        ]
    )
)

AUDIT_SCHEMA = pa.schema(
    [
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("listed", pa.bool_(), nullable=False),
        pa.field("decision", pa.string()),
        pa.field("gate", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("reason_class", pa.string()),
        pa.field("replaced_by", pa.string()),
        pa.field("source_id", pa.string()),
        pa.field("parent_id", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("slice", pa.string()),
        pa.field("locale", pa.string()),
        pa.field("generator", pa.string()),
        pa.field("teacher", pa.string()),
        pa.field("messages", MESSAGES),
        pa.field("text", pa.string()),
        pa.field("alternatives", ALTERNATIVES),
        pa.field("tools", pa.string()),
        pa.field("documents", DOCUMENTS),
        pa.field("left_out", pa.int64()),
        pa.field("verdicts", VERDICTS),
    ]
)
"""One row per row shown. `verdicts` are all that looked at it, in gate order, the deciding one (its gate
is `gate`) among them; `evidence` is a JSON object or null. Rows that are not `listed` are there only
because a listed row names them as its twin; `decision` is null where none was taken."""

_SHOWN = ("messages", "text", "alternatives", "tools", "documents")
"""What is shown of the content of a row, cut: `left_out` counts what its lists have beyond MAX_ITEMS."""
_COPIED = [
    *("row_id", "source_id", "parent_id", "kind", "slice", "locale", "generator", "teacher"),
    *_SHOWN,
]


def collect_audit_rows(
    candidates: Iterable[pa.Table],
    verdicts: Mapping[str, Iterable[pa.Table]],
    decisions: pa.Table,
    *,
    limit: int = MAX_ROWS,
    max_chars: int = MAX_CHARS,
) -> pa.Table:
    """Up to `limit` decided rows as AUDIT_SCHEMA: rejected, then held, then accepted, in batch order.

    The first kind of decision that does not fit is sampled at even distances over the batch, so that the
    sample is the same each time and does not favour the batch's start. Texts are cut at `max_chars`
    characters and say so. Twins that are not among the rows follow them, not `listed`.
    Raises StoreError for a decision on a row that is not among the candidates.
    """
    chosen = choose_decisions(decisions, limit)
    ids = chosen["row_id"].combine_chunks().cast(pa.string())
    given = _collect_verdicts(verdicts, ids, max_chars)
    listed = set(ids.to_pylist())
    twins = pa.array(sorted(_name_twins(given) - listed), pa.string())
    found = _collect_candidates(candidates, pa.concat_arrays([ids, twins]), max_chars)
    missing = listed - found.keys()
    if missing:
        raise StoreError(
            "a decision names a row that is not among the candidates",
            seen=min(missing),
            mend="Point to the candidates and decisions of one run.",
        )
    beside = decisions.filter(pc.is_in(decisions["row_id"], value_set=twins)).to_pylist()
    decided = {
        row["row_id"]: {**row, "reason": _cut(row["reason"], max_chars)}
        for row in [*chosen.to_pylist(), *beside]
    }
    rows = [
        {
            **found[row_id],
            **decided.get(row_id, {}),
            "listed": row_id in listed,
            "verdicts": given.get(row_id),
        }
        for row_id in [*ids.to_pylist(), *twins.to_pylist()]
        if row_id in found
    ]
    return pa.Table.from_pylist(rows, schema=AUDIT_SCHEMA)


def choose_decisions(decisions: pa.Table, limit: int) -> pa.Table:
    """At most `limit` of the decisions, in the order and by the rule of `collect_audit_rows`."""
    pieces = []
    room = limit
    for name in SHOWN_FIRST:
        places = np.flatnonzero(pc.equal(decisions["decision"], name).to_numpy())
        if len(places) > room:
            places = places[np.arange(room) * len(places) // max(room, 1)]
        pieces.append(places)
        room -= len(places)
    return decisions.take(pa.array(np.concatenate(pieces)))


def _collect_verdicts(
    verdicts: Mapping[str, Iterable[pa.Table]], ids: pa.Array, max_chars: int
) -> dict[str, list[dict[str, Any]]]:
    """The verdicts on the rows of `ids` by row, each row's in gate order."""
    given: dict[str, list[dict[str, Any]]] = {}
    names = [field.name for field in VERDICTS.value_type]
    for parts in verdicts.values():
        for part in parts:
            own = part.filter(pc.is_in(part["row_id"], value_set=ids))
            for verdict in own.select(["row_id", *names]).to_pylist():
                verdict["evidence"] = _cut_evidence(verdict["evidence"], max_chars)
                verdict["reason"] = _cut(verdict["reason"], max_chars)
                given.setdefault(verdict.pop("row_id"), []).append(verdict)
    return given


def _cut_evidence(evidence: str | None, max_chars: int) -> str | None:
    """The evidence as a JSON object of bounded values; what is no object becomes {"evidence": ...}."""
    if evidence is None:
        return None
    try:
        value = orjson.loads(evidence)
        entries = value if isinstance(value, dict) else {"evidence": value}
        return orjson.dumps({key: _bound(item, max_chars) for key, item in entries.items()}).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return orjson.dumps({"evidence": _cut(evidence, max_chars)}).decode()


def _bound(item: Any, max_chars: int) -> Any:
    text = item if isinstance(item, str) else orjson.dumps(item).decode()
    return item if len(text) <= max_chars else _cut(text, max_chars)


def _name_twins(given: Mapping[str, list[dict[str, Any]]]) -> set[str]:
    evidence = (v["evidence"] for verdicts in given.values() for v in verdicts if v["evidence"] is not None)
    twins = (orjson.loads(text).get("twin") for text in evidence)
    return {twin for twin in twins if isinstance(twin, str)}


def _collect_candidates(
    candidates: Iterable[pa.Table], wanted: pa.Array, max_chars: int
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for part in candidates:
        own = part.select(_COPIED).filter(pc.is_in(part["row_id"], value_set=wanted))
        for row in own.to_pylist():
            row["left_out"] = sum(_count_cut(row[name]) for name in _SHOWN)
            row |= {name: _cut_values(row[name], max_chars) for name in _SHOWN}
            found[row["row_id"]] = row
    return found


def _cut_values(value: Any, max_chars: int) -> Any:
    """A nested value with each of its texts cut, and each of its lists after MAX_ITEMS."""
    if isinstance(value, dict):
        return {name: _cut_values(item, max_chars) for name, item in value.items()}
    if isinstance(value, list):
        return [_cut_values(item, max_chars) for item in value[:MAX_ITEMS]]
    return _cut(value, max_chars)


def _count_cut(value: Any) -> int:
    """How many items `_cut_values` leaves out."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    beyond = max(len(value) - MAX_ITEMS, 0) if isinstance(value, list) else 0
    return beyond + sum(map(_count_cut, items[:MAX_ITEMS]))


def _cut(text: str | None, max_chars: int) -> str | None:
    if text is None or len(text) <= max_chars:
        return text
    return f"{text[:max_chars]} [… {len(text) - max_chars:,} more characters]"
