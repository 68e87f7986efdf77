"""The reference engine: every gate over every shard in this process, one shard in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.engines.canaries import plant, write_canaries
from synth_stack.engines.contract import check_table, check_verdicts
from synth_stack.engines.worker import Task, count_cores, judge_apart
from synth_stack.files import count_rows, read_table, write_bytes, write_table
from synth_stack.gates.gate import Judge, Shards
from synth_stack.progress import Progress
from synth_stack.registry import Bound
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import Shard, list_parts, list_shards
from synth_stack.runs.judged import FINISH_PART

DONE = ".done"
"""Stands in the folder of a gate whose verdicts are all there."""

APART_ROWS = 30_000
"""From so many rows on a judge works in several processes: each takes one to four seconds to start."""

Alive = dict[str, npt.NDArray[np.bool_]]
"""By shard: which rows no gate has rejected yet, (rows of the shard,)."""


@dataclass(frozen=True, slots=True)
class GateRun:
    """A gate to run: what was bound, its judge, whether it also scores rejected rows, and its canaries.

    A portable one can be bound again from its parameters in a process of its own.
    """

    bound: Bound
    judge: Judge
    scores_all: bool
    canaries: int = 0
    min_recall: float = 0.0
    portable: bool = False


def run_gates(folder: Path, gates: Sequence[GateRun], progress: Progress) -> None:
    """Writes verdicts/<gate>/ for the candidates of a run folder, gate after gate.

    A row that a gate rejects is not shown to the later ones (but to those with `scores_all`). Shards whose
    verdicts are there, on just the rows that the gate is to see, are not judged again. Behind the last shard
    the gate sees its canaries; what it said of them goes to canaries/<gate>.parquet. Raises GateError when a
    judge breaks its contract.
    """
    shards = list_shards(folder / "candidates")
    alive: Alive = {shard.name: np.ones(shard.rows, dtype=np.bool_) for shard in shards}
    for gate in gates:
        target = folder / "verdicts" / gate.bound.name
        if not (target / DONE).exists():
            _drop_stale(gate, shards, alive, target)
            _run_gate(gate, shards, alive, folder, progress)
            write_bytes(target / DONE, b"")
        for shard in shards:
            _mark_rejected(shard, target, alive)


def forget_batch(folder: Path, gates: Sequence[GateRun]) -> None:
    """Takes back what gates said of a batch as a whole, before rows are added to it.

    A gate that prepares on the batch has to judge all of it again. One that does not keeps its verdicts on
    the shards that stay as they are: what it was told to expect only bounds how many rows it looks at
    closely, and in the smaller batch those were no fewer.
    """
    for gate in gates:
        target = folder / "verdicts" / gate.bound.name
        (target / DONE).unlink(missing_ok=True)
        (target / FINISH_PART).unlink(missing_ok=True)
        if gate.judge.prepare is not None:
            for part in list_parts(target):
                part.unlink()


def _run_gate(gate: GateRun, shards: list[Shard], alive: Alive, folder: Path, progress: Progress) -> None:
    """Every shard that has no verdicts yet, then the canaries, then what only the whole batch shows."""
    name, judge = gate.bound.name, gate.judge
    target = folder / "verdicts" / name

    def read_shard(shard: Shard) -> pa.Table:
        table = shard.read(CANDIDATE_SCHEMA)
        return table if gate.scores_all else table.filter(pa.array(alive[shard.name])).combine_chunks()

    def read() -> Iterator[pa.Table]:
        return (read_shard(shard) for shard in shards)

    canaries = plant(name, judge, gate.canaries, read())
    total = sum(len(mask) if gate.scores_all else int(mask.sum()) for mask in alive.values())
    if judge.expect is not None:
        judge.expect(total)
    if judge.prepare is not None:
        watched = _watch(read, name, total, progress)
        judge.prepare(lambda: chain(watched(), [canaries]))
    finished = [shard for shard in shards if (target / shard.name).exists()]
    open_shards = [shard for shard in shards if shard not in finished]
    done = sum(count_rows(target / shard.name) for shard in finished)
    advance = progress.begin(name, total, done)
    if gate.portable and judge.prepare is None and sum(s.rows for s in open_shards) >= APART_ROWS:
        every = {s.name: np.ones(s.rows, dtype=np.bool_) for s in open_shards} if gate.scores_all else alive
        tasks = [Task(shard, every[shard.name], target / shard.name) for shard in open_shards]
        judge_apart(gate.bound, total, tasks, count_cores(), advance)
    else:
        for shard in open_shards:
            table = read_shard(shard)
            write_table(target / shard.name, _judge(gate, table))
            advance(table.num_rows)
    if len(canaries):
        write_canaries(folder, name, canaries, _judge(gate, canaries))
    if judge.finish is not None:
        late = judge.finish(
            lambda: ((read_shard(s), read_table(target / s.name, VERDICT_SCHEMA)) for s in shards)
        )
        check_table(name, late)
        write_table(target / FINISH_PART, late)


def _drop_stale(gate: GateRun, shards: list[Shard], alive: Alive, target: Path) -> None:
    """Removes verdicts on other rows than those that the gate is to see: of shards that changed."""
    by_name = {shard.name: shard for shard in shards}
    for part in list_parts(target):
        shard = by_name.get(part.name)
        if shard is not None:
            ids = pa.concat_tables([read_table(made, columns=["row_id"]) for made in shard.parts])
            if not gate.scores_all:
                ids = ids.filter(pa.array(alive[shard.name]))
            if read_table(part, columns=["row_id"])["row_id"].equals(ids["row_id"]):
                continue
        part.unlink()


def _judge(gate: GateRun, table: pa.Table) -> pa.Table:
    verdicts = gate.judge.judge(table)
    check_verdicts(gate.bound.name, table, verdicts)
    return verdicts


def _watch(read: Shards, name: str, total: int, progress: Progress) -> Shards:
    """The same tables, and a bar for every time that they are read."""
    passes = count(1)

    def read_watched() -> Iterator[pa.Table]:
        advance = progress.begin(f"{name} pass {next(passes)}", total)
        for table in read():
            yield table
            advance(table.num_rows)

    return read_watched


def _mark_rejected(shard: Shard, target: Path, alive: Alive) -> None:
    verdicts = read_table(target / shard.name, VERDICT_SCHEMA)
    rejected = verdicts.filter(pc.equal(verdicts["outcome"], "reject"))["row_id"]
    if len(rejected):
        ids = shard.read(CANDIDATE_SCHEMA)["row_id"]
        alive[shard.name] &= ~pc.is_in(ids, rejected.combine_chunks()).to_numpy()
