"""The gates that replace rows, one after the other, before any row is judged.

Each sees the rows that the ones before it left standing and those that they made, and makes rows that stand
for some of them: candidates of their own, after all the rest. What a later gate made is shown to the earlier
ones again, so that a row that is written anew is redacted like any other. Then every gate judges every row.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.engines.engine import Engine, Step, Work, count_shown, write_amended
from synth_stack.engines.gate_loop import GateRun, learn, map_shards, noting, specify
from synth_stack.files import read_table
from synth_stack.gates.gate import NO_STATE
from synth_stack.progress import Progress
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.amended import (
    find_copies,
    find_replaced_copy,
    list_before,
    list_stage,
    read_gone,
)
from synth_stack.runs.committed import AMENDED, commit_amended
from synth_stack.runs.folder import group_parts, list_replaced, read_state, remove_folder, state_folder


def amend_candidates(folder: Path, gates: Sequence[GateRun], engine: Engine, progress: Progress) -> None:
    """Writes the rows with which the first gates of a file replace others; nothing is done twice."""
    amenders = [gate for gate in gates if gate.judge.amend is not None]
    if not amenders or (folder / "candidates" / AMENDED).exists():
        return
    for number, gate in enumerate(amenders):
        with noting(folder, gate):
            _amend(folder, number, gate, engine, progress)
        if number:
            _amend_again(folder, number, amenders[:number])
    commit_amended(folder)


def _amend(folder: Path, number: int, gate: GateRun, engine: Engine, progress: Progress) -> None:
    candidates = folder / "candidates"
    work = specify(folder, gate, [], amends=number)
    shards = group_parts(list_before(candidates, number))
    remove_folder(state_folder(folder, gate.name))
    rounds = gate.judge.rounds[: gate.judge.amend_rounds]
    learn(work, rounds, shards, engine, progress)
    total = sum(count_shown(work.spec, shard) for shard in shards)
    map_shards(engine, work, Step("amend"), shards, progress.begin(f"{gate.name} replaces", total))
    if number == 0:
        _amend_replaced(folder, work)
    # the batch is judged with the rows that were made now, and so is learnt anew
    remove_folder(state_folder(folder, gate.name))


def _amend_replaced(folder: Path, work: Work) -> None:
    """The rows that the first gate makes of those that a person put in the place of others."""
    candidates = folder / "candidates"
    state = read_state(folder, work.spec.gate)
    for number, part in enumerate(list_replaced(candidates)):
        target = find_replaced_copy(candidates, number)
        if not target.exists():
            rows = _leave_out(read_table(part, CANDIDATE_SCHEMA), folder, 0)
            write_amended(target, work.judge, rows, state)


def _amend_again(folder: Path, stage: int, earlier: Sequence[GateRun]) -> None:
    """The rows that earlier gates make of those that gate number `stage` made: gates that need nothing of the
    batch, which was another one for them.
    """
    candidates = folder / "candidates"
    for number, gate in enumerate(earlier):
        if gate.judge.amend is None or gate.judge.reads_replaced:
            continue
        for shard in group_parts(list_stage(candidates, stage)):
            target = find_copies(candidates, number, stage, shard)
            if not target.exists():
                write_amended(target, gate.judge, shard.read(CANDIDATE_SCHEMA), NO_STATE)


def _leave_out(rows: pa.Table, folder: Path, gate: int) -> pa.Table:
    """The rows without those that are replaced."""
    gone = read_gone(folder / "candidates", gate)
    return rows.filter(pc.invert(pc.is_in(rows["row_id"], value_set=gone)))
