"""Rows that left their slice, as new rows under the slice that they belong to."""

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.gate import State
from synth_stack.gates.on_topic.scoring import TopicSettings, score_alone
from synth_stack.gates.on_topic.verdicts import NOWHERE, OTHER_SLICE, TopicBars, write_verdicts
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates


def move_rows(
    table: pa.Table, state: State, *, names: tuple[str, ...], bars: TopicBars, settings: TopicSettings
) -> pa.Table:
    """The rows of a table that belong to another slice, under that one, in order: those that the gate would
    leave there.
    """
    said = write_verdicts(table, state, names=names, bars=bars)
    left = pc.is_in(said["reason_class"], value_set=pa.array([OTHER_SLICE, NOWHERE]))
    targets = [orjson.loads(told)["belongs_to"] for told in said["evidence"].filter(left).to_pylist()]
    rows = [
        _build_row(row, target)
        for row, target in zip(table.filter(left).to_pylist(), targets, strict=True)
        if target
    ]
    if not rows:
        return CANDIDATE_SCHEMA.empty_table()
    moved = build_candidates(rows)
    again = write_verdicts(moved, score_alone(moved, state, settings=settings), names=names, bars=bars)
    return moved.filter(pc.invert(pc.is_in(again["outcome"], value_set=pa.array(["reject", "hold"]))))


def _build_row(row: Mapping[str, Any], target: str) -> dict[str, Any]:
    """The row under its new slice: no longer what its maker gives when asked again, since that names a
    slice.
    """
    extra = orjson.loads(row["extra"] or "{}")
    kept = {name: value for name, value in row.items() if name != "row_id"}
    return {
        **kept,
        "slice": target,
        "parent_id": row["row_id"],
        "extra": canonical_text({**extra, "moved_from": row["slice"]}),
        "replayable": False,
    }
