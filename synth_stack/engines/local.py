"""The reference engine: every gate over every shard in this process, one shard in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import GateError
from synth_stack.gates.judge import Judge
from synth_stack.progress import Progress
from synth_stack.registry import Bound
from synth_stack.rows import CANDIDATE_SCHEMA, OUTCOMES, VERDICT_SCHEMA
from synth_stack.store import Shard, list_shards, read_table, write_bytes, write_table

FINISH_PART = "part-finish.parquet"
"""Verdicts that a gate gives after the last shard; sorts behind every numbered part."""
DONE = ".done"
"""Stands in the folder of a gate whose verdicts are all there."""

Alive = dict[str, npt.NDArray[np.bool_]]
"""By shard: which rows no gate has rejected yet, (rows of the shard,)."""


@dataclass(frozen=True, slots=True)
class GateRun:
    """A gate to run: what was bound, its judge, and whether it also scores rejected rows."""

    bound: Bound
    judge: Judge
    scores_all: bool


def run_gates(folder: Path, gates: Sequence[GateRun], progress: Progress) -> None:
    """Writes verdicts/<gate>/ for the candidates of a run folder, gate after gate.

    A row that a gate rejects is not shown to the later ones (but to those with `scores_all`). A gate whose
    verdicts are all there is not run again. Raises GateError when a judge breaks its contract.
    """
    shards = list_shards(folder / "candidates")
    alive: Alive = {shard.name: np.ones(shard.rows, dtype=np.bool_) for shard in shards}
    for gate in gates:
        target = folder / "verdicts" / gate.bound.name
        if not (target / DONE).exists():
            _run_gate(gate, shards, alive, target, progress)
            write_bytes(target / DONE, b"")
        for shard in shards:
            _mark_rejected(shard, target, alive)


def read_judged(folder: Path, gates: Sequence[str]) -> Iterator[tuple[Shard, pa.Table, list[pa.Table]]]:
    """(shard, candidates, verdicts) shard by shard; `verdicts` has one table per gate, in order of work."""
    late = {name: _read_finish(folder / "verdicts" / name / FINISH_PART) for name in gates}
    for shard in list_shards(folder / "candidates"):
        table = shard.read(CANDIDATE_SCHEMA)
        ids = table["row_id"].combine_chunks()
        verdicts = []
        for name in gates:
            early = read_table(folder / "verdicts" / name / shard.name, VERDICT_SCHEMA)
            verdicts.append(pa.concat_tables([early, late[name].filter(pc.is_in(late[name]["row_id"], ids))]))
        yield shard, table, verdicts


def _read_finish(path: Path) -> pa.Table:
    return read_table(path, VERDICT_SCHEMA) if path.exists() else VERDICT_SCHEMA.empty_table()


def _run_gate(gate: GateRun, shards: list[Shard], alive: Alive, target: Path, progress: Progress) -> None:
    def read() -> Iterator[pa.Table]:
        for shard in shards:
            table = shard.read(CANDIDATE_SCHEMA)
            yield table if gate.scores_all else table.filter(pa.array(alive[shard.name])).combine_chunks()

    if gate.judge.prepare is not None:
        gate.judge.prepare(read)
    total = sum(len(mask) if gate.scores_all else int(mask.sum()) for mask in alive.values())
    advance = progress.begin(gate.bound.name, total)
    for shard, table in zip(shards, read(), strict=True):
        verdicts = gate.judge.judge(table)
        _check_verdicts(gate.bound.name, table, verdicts)
        write_table(target / shard.name, verdicts)
        advance(table.num_rows)
    if gate.judge.finish is not None:
        late = gate.judge.finish()
        _check_table(gate.bound.name, late)
        write_table(target / FINISH_PART, late)


def _mark_rejected(shard: Shard, target: Path, alive: Alive) -> None:
    verdicts = read_table(target / shard.name, VERDICT_SCHEMA)
    rejected = verdicts.filter(pc.equal(verdicts["outcome"], "reject"))["row_id"]
    if len(rejected):
        ids = shard.read(CANDIDATE_SCHEMA)["row_id"]
        alive[shard.name] &= ~pc.is_in(ids, rejected.combine_chunks()).to_numpy()


def _check_table(name: str, verdicts: pa.Table) -> None:
    if not verdicts.schema.equals(VERDICT_SCHEMA):
        raise GateError(f"gate {name} did not return a verdict table", seen=str(verdicts.schema.names))
    unknown = set(pc.unique(verdicts["outcome"]).to_pylist()) - set(OUTCOMES)
    if unknown:
        raise GateError(
            f"gate {name} gave an outcome that is none",
            seen=min(map(str, unknown)),
            allowed=", ".join(OUTCOMES),
        )


def _check_verdicts(name: str, table: pa.Table, verdicts: pa.Table) -> None:
    _check_table(name, verdicts)
    if verdicts["row_id"].to_pylist() != table["row_id"].to_pylist():
        raise GateError(
            f"gate {name} did not return one verdict per row, in order",
            seen=f"{verdicts.num_rows} verdicts for {table.num_rows} rows",
        )
