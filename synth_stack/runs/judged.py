"""The one reader of a judged run: candidates and verdicts shard by shard, locks, decisions, canaries.

`read_shards` reads what the gates left, decided or not. `open_judged` is for a run that was judged to the
end, and refuses any other. Whoever needs verdicts reads them here: engines, packs, replay, report and rounds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth_stack.errors import InputError, StoreError
from synth_stack.files import SHARD_ROWS, read_table, store_errors
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import (
    GATES_LOCK,
    LOCK,
    Shard,
    late_part,
    list_parts,
    list_shards,
    read_parts,
    require_plain,
)
from synth_stack.runs.locks import GateLock, GatesLock, RecipeLock, parse_gates, parse_recipe
from synth_stack.runs.self_tests import SelfTest, read_self_tests

DECISIONS = "decisions.parquet"


@dataclass(frozen=True, slots=True)
class JudgedShard:
    """A shard, its n candidates, and what was said of them: one table a gate, in the order of `gates`.

    A gate's table has its verdicts row by row, and after them what it said late. Gates of the file come
    first, in the order of work; then whoever else left verdicts (a reviewer), by name.
    """

    shard: Shard
    candidates: pa.Table
    gates: tuple[str, ...]
    verdicts: tuple[pa.Table, ...]

    def stack(self) -> pa.Table:
        """The verdicts of all gates one after another."""
        return pa.concat_tables([VERDICT_SCHEMA.empty_table(), *self.verdicts])


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged run: its locks as bytes and as values, its shards, its decisions, one a row in order, and
    how its gates did in their self-tests.
    """

    folder: Path
    recipe_lock: bytes
    gates_lock: bytes
    recipe: RecipeLock
    lock: GatesLock
    shards: Sequence[Shard]
    decisions: pa.Table
    self_tests: tuple[SelfTest, ...]

    @property
    def gates(self) -> Sequence[GateLock]:
        """The gates in the order of work."""
        return self.lock.gates

    @property
    def gate_names(self) -> list[str]:
        """Their names."""
        return [gate.use for gate in self.gates]

    @property
    def context(self) -> dict[str, str]:
        """The digests that every lineage record names."""
        return {
            "recipe_sha256": digest_bytes(self.recipe_lock),
            "gates_sha256": digest_bytes(self.gates_lock),
        }


def open_judged(folder: Path, decision_columns: Sequence[str] | None = None) -> Judged:
    """The judged run at `folder`, with all columns of its decisions (some 100 bytes a row) or those named.

    Raises InputError for a folder that is not judged to the end.
    """
    for name in (LOCK, GATES_LOCK, DECISIONS):
        if not (folder / name).is_file():
            raise _unfinished(f"{folder} holds no judged rows: it has no {name}")
    require_plain(folder)
    with store_errors(folder):
        recipe_lock, gates_lock = (folder / LOCK).read_bytes(), (folder / GATES_LOCK).read_bytes()
    shards = list_shards(folder / "candidates")
    decisions = read_table(folder / DECISIONS, DECISION_SCHEMA, decision_columns)
    rows = sum(shard.rows for shard in shards)
    if rows != decisions.num_rows:
        raise _unfinished(
            f"{folder} does not have one decision for every row",
            seen=f"{decisions.num_rows} decisions for {rows} rows",
        )
    recipe = parse_recipe(recipe_lock, where=str(folder / LOCK))
    lock = parse_gates(gates_lock, where=str(folder / GATES_LOCK))
    tests = read_self_tests(folder, {gate.use: gate.asked for gate in lock.gates if gate.canaries})
    return Judged(folder, recipe_lock, gates_lock, recipe, lock, shards, decisions, tests)


def read_shards(folder: Path, gates: Sequence[str]) -> Iterator[JudgedShard]:
    """Candidates and verdicts, shard by shard, one in memory at a time; `gates` in the order of work.

    Raises StoreError for verdicts that a gate lacks, and for some on rows that the run does not have.
    """
    shards = list_shards(folder / "candidates")
    names = list_gates(folder, gates)
    apart = {gate: _read_apart(folder, gate, shards) for gate in names}
    placed = dict.fromkeys(names, 0)
    for shard in shards:
        table = shard.read(CANDIDATE_SCHEMA)
        ids = table["row_id"].combine_chunks()
        said: list[pa.Table] = []
        for gate in names:
            parts = [VERDICT_SCHEMA.empty_table()]
            path, late = folder / "verdicts" / gate / shard.name, late_part(folder, gate, shard)
            if path.exists() or gate in gates:
                parts.append(read_table(path, VERDICT_SCHEMA))
            if late.exists():
                parts.append(read_table(late, VERDICT_SCHEMA))
            mine = apart[gate].filter(pc.is_in(apart[gate]["row_id"], ids))
            placed[gate] += len(mine)
            said.append(pa.concat_tables([*parts, mine]))
        yield JudgedShard(shard, table, tuple(names), tuple(said))
    for gate in names:
        if placed[gate] != len(apart[gate]):
            raise StoreError(
                f"{folder / 'verdicts' / gate} holds verdicts on rows that the run does not have"
            )


def read_judged(run: Judged) -> Iterator[tuple[pa.Table, pa.Table, pa.Table]]:
    """Candidates, verdicts of all gates one after another, and decisions, shard by shard.

    Raises StoreError where the tables do not belong together.
    """
    for shard, decisions in read_decided(run.folder, run.gate_names):
        yield shard.candidates, shard.stack(), decisions


def read_decided(folder: Path, gates: Sequence[str]) -> Iterator[tuple[JudgedShard, pa.Table]]:
    """Shards as `read_shards` reads them, each with its decisions, row by row.

    Raises StoreError where the tables do not belong together.
    """
    every = _read_decisions(folder / DECISIONS, list_shards(folder / "candidates"))
    for shard in read_shards(folder, gates):
        decisions = next(every)
        if not decisions["row_id"].equals(shard.candidates["row_id"]):
            raise StoreError(f"the decisions of {folder} are not in the order of its candidates")
        yield shard, decisions


def _read_decisions(path: Path, shards: Sequence[Shard]) -> Iterator[pa.Table]:
    """The decisions on each shard, read from their file as they are asked for."""
    try:
        with store_errors(path), pq.ParquetFile(path) as file:
            batches, waiting = file.iter_batches(SHARD_ROWS), DECISION_SCHEMA.empty_table()
            for shard in shards:
                while len(waiting) < shard.rows:
                    waiting = pa.concat_tables([waiting, pa.Table.from_batches([next(batches)])])
                yield waiting.slice(0, shard.rows).combine_chunks()
                waiting = waiting.slice(shard.rows)
    except (pa.ArrowException, StopIteration) as exc:
        raise StoreError(f"{path} is not a readable Parquet file: {exc}") from exc


def list_gates(folder: Path, gates: Sequence[str]) -> list[str]:
    """Who left verdicts in a run folder: the `gates` of its file in their order, then any others by name."""
    verdicts = folder / "verdicts"
    found = sorted(path.name for path in verdicts.iterdir() if path.is_dir()) if verdicts.is_dir() else []
    return [*gates, *(name for name in found if name not in gates and not name.startswith("."))]


def read_candidates(folder: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The candidates part by part, in order, or some `columns` of them."""
    for path in list_parts(folder / "candidates"):
        yield read_table(path, CANDIDATE_SCHEMA, columns)


def read_verdicts(folder: Path, gate: str) -> Iterator[pa.Table]:
    """Everything that a gate said, part by part: on its rows in order, and what it said late."""
    yield from read_parts(folder / "verdicts" / gate, VERDICT_SCHEMA)


def _read_apart(folder: Path, gate: str, shards: Sequence[Shard]) -> pa.Table:
    """The verdicts of a gate in parts that belong to no one shard: those that a reviewer gave."""
    mine = {name for shard in shards for name in (shard.name, late_part(folder, gate, shard).name)}
    parts = [path for path in list_parts(folder / "verdicts" / gate) if path.name not in mine]
    return pa.concat_tables(
        [VERDICT_SCHEMA.empty_table(), *(read_table(path, VERDICT_SCHEMA) for path in parts)]
    )


def _unfinished(what: str, seen: str | None = None) -> InputError:
    return InputError(what, seen=seen, mend="Finish it with `synth-stack run` or `synth-stack curate`.")
