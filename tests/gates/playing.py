"""Plays a judge over tables as an engine does: every round, then the verdicts. For tests of one gate."""

from collections.abc import Sequence

import pyarrow as pa

from synth_stack.engines.contract import check_verdicts
from synth_stack.gates.gate import Judge, State
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.amended import LINKS


def learn(
    judge: Judge,
    tables: Sequence[pa.Table],
    canaries: pa.Table | None = None,
    replaced: pa.Table | None = None,
) -> State:
    """The state that the rounds of a judge learn from the tables of a batch and its canaries, with the links
    of the rows by which it `replaced` others.
    """
    planted = CANDIDATE_SCHEMA.empty_table() if canaries is None else canaries
    state: dict[str, pa.Table] = {}
    if replaced is not None:
        state["replaced"] = replaced.select(LINKS.names)
    for step in judge.rounds:
        sketches = [step.sketch(table, dict(state)) for table in [*tables, planted]]
        state |= step.merge(iter(sketches), dict(state))
    return state


def play(
    judge: Judge,
    tables: Sequence[pa.Table],
    canaries: pa.Table | None = None,
    *,
    name: str | None = None,
    replaced: pa.Table | None = None,
) -> tuple[list[pa.Table], State]:
    """The verdicts on each table, and the state; with `name`, checked as an engine checks them."""
    state = learn(judge, tables, canaries, replaced)
    said = [judge.judge(table, state) for table in tables]
    for table, verdicts in zip(tables, said, strict=True):
        if name is not None:
            check_verdicts(name, table, verdicts)
    return said, state
