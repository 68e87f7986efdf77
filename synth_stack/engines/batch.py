"""One table judged as a whole batch, in memory: the steps of a gate without a run folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.engines.contract import check_late
from synth_stack.engines.engine import judge_rows
from synth_stack.gates.gate import Judge, Late, State
from synth_stack.runs.amended import LINKS


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """Verdicts in the order of the rows, with the late ones, and rows that replace others, by position."""

    verdicts: pa.Table
    replaced: Mapping[int, Mapping[str, Any]]


def judge_batch(name: str, judge: Judge, late: Late | None, table: pa.Table) -> JudgedBatch:
    """What a gate says of a table as if there were no other rows.

    Raises GateError when the judge breaks its contract.
    """
    state: State = {}
    for each in judge.rounds:
        state = {**state, **each.merge([each.sketch(table, state)], state)}
    amended = None if judge.amend is None else judge.amend(table, state)
    if amended is not None and judge.reads_replaced:
        state = {**state, "replaced": amended.select(LINKS.names).cast(LINKS)}
    verdicts = judge_rows(name, judge, table, state)
    if late is not None:
        learnt = late.merge([late.count(table, verdicts)], {})
        held = late.hold(table, verdicts, learnt)
        check_late(name, held)
        verdicts = _take_in(verdicts, held)
    return JudgedBatch(verdicts, {} if amended is None else _find_replaced(amended, table))


def _take_in(verdicts: pa.Table, held: pa.Table) -> pa.Table:
    """The verdicts with those of rows that are held late in the place of their first ones."""
    place = pc.index_in(verdicts["row_id"], value_set=held["row_id"].combine_chunks())
    both = pa.concat_tables([verdicts, held])
    own = pa.array(range(len(verdicts)), pa.int64())
    return both.take(pc.coalesce(pc.add(place.cast(pa.int64()), len(verdicts)), own)).combine_chunks()


def _find_replaced(rows: pa.Table, table: pa.Table) -> dict[int, dict[str, Any]]:
    """Each row that replaces another, by the position of that one in the table."""
    place = pc.index_in(rows["parent_id"], value_set=table["row_id"].combine_chunks()).to_pylist()
    found = rows.select(["messages", "text"]).to_pylist()
    return {at: row for at, row in zip(place, found, strict=True) if at is not None}
