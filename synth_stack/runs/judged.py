"""A judged run as a pack reads it: its locks, and every row with its verdicts and its decision."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError, StoreError
from synth_stack.files import read_table, store_errors
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.canary_recall import CanaryRecall, read_recalls
from synth_stack.runs.folder import GATES_LOCK, LOCK, Shard, list_parts, list_shards
from synth_stack.runs.locks import GateLock, RecipeLock, parse_gates, parse_recipe

DECISIONS = "decisions.parquet"
FINISH_PART = "part-finish.parquet"
"""Verdicts that a gate gives after the last shard; sorts after every numbered part."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged run: its locks as bytes and as values, its shards, its decisions, one a row in order, and
    what its gates caught of their canaries.
    """

    folder: Path
    recipe_lock: bytes
    gates_lock: bytes
    recipe: RecipeLock
    gates: Sequence[GateLock]
    shards: Sequence[Shard]
    decisions: pa.Table
    recalls: tuple[CanaryRecall, ...]

    @property
    def gate_names(self) -> list[str]:
        """The gates in the order of work."""
        return [gate.use for gate in self.gates]

    @property
    def context(self) -> dict[str, str]:
        """The digests that every lineage record names."""
        return {
            "recipe_sha256": digest_bytes(self.recipe_lock),
            "gates_sha256": digest_bytes(self.gates_lock),
        }


def open_judged(folder: Path) -> Judged:
    """The judged run at `folder`. Raises InputError for a folder that is not judged to the end."""
    for name in (LOCK, GATES_LOCK, DECISIONS):
        if not (folder / name).is_file():
            raise _unfinished(f"{folder} holds no judged rows: it has no {name}")
    with store_errors(folder):
        recipe_lock, gates_lock = (folder / LOCK).read_bytes(), (folder / GATES_LOCK).read_bytes()
    shards = list_shards(folder / "candidates")
    decisions = read_table(folder / DECISIONS, DECISION_SCHEMA)
    rows = sum(shard.rows for shard in shards)
    if rows != decisions.num_rows:
        raise _unfinished(
            f"{folder} does not have one decision for every row",
            seen=f"{decisions.num_rows} decisions for {rows} rows",
        )
    recipe = parse_recipe(recipe_lock, where=str(folder / LOCK))
    gates = parse_gates(gates_lock, where=str(folder / GATES_LOCK))
    recalls = read_recalls(folder, {gate.use: gate.min_recall for gate in gates if gate.canaries})
    return Judged(folder, recipe_lock, gates_lock, recipe, gates, shards, decisions, recalls)


def read_judged(run: Judged) -> Iterator[tuple[pa.Table, pa.Table, pa.Table]]:
    """Candidates, verdicts of all gates one after another, and decisions, shard by shard.

    Verdicts that a gate gave after the last row, or that a reviewer gave, stand in parts that belong to
    no one shard. Raises StoreError where the tables do not belong together.
    """
    folder = run.folder / "verdicts"
    gates = [*run.gate_names, *_list_other_gates(folder, run.gate_names)]
    names = {shard.name for shard in run.shards}
    late = {gate: _read_late(folder / gate, names) for gate in gates}
    placed, start = dict.fromkeys(gates, 0), 0
    for shard in run.shards:
        candidates = shard.read(CANDIDATE_SCHEMA)
        decisions = run.decisions.slice(start, len(candidates))
        if not decisions["row_id"].equals(candidates["row_id"]):
            raise StoreError(f"the decisions of {run.folder} are not in the order of its candidates")
        ids = candidates["row_id"].combine_chunks()
        parts: list[pa.Table] = []
        for gate in gates:
            path = folder / gate / shard.name
            if path.exists() or gate in run.gate_names:
                parts.append(read_table(path, VERDICT_SCHEMA))
            mine = late[gate].filter(pc.is_in(late[gate]["row_id"], ids))
            placed[gate] += len(mine)
            parts.append(mine)
        yield candidates, pa.concat_tables([VERDICT_SCHEMA.empty_table(), *parts]), decisions
        start += len(candidates)
    for gate in gates:
        if placed[gate] != len(late[gate]):
            raise StoreError(f"{folder / gate} holds verdicts on rows that the run does not have")


def _list_other_gates(folder: Path, gates: Sequence[str]) -> list[str]:
    """What judged without standing in the gate file: a reviewer."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in gates)


def _read_late(folder: Path, shard_names: set[str]) -> pa.Table:
    paths = [path for path in list_parts(folder) if path.name not in shard_names]
    return pa.concat_tables(
        [VERDICT_SCHEMA.empty_table(), *(read_table(path, VERDICT_SCHEMA) for path in paths)]
    )


def _unfinished(what: str, seen: str | None = None) -> InputError:
    return InputError(what, seen=seen, mend="Finish it with `synth-stack run` or `synth-stack curate`.")


def read_shards(folder: Path, gates: Sequence[str]) -> Iterator[tuple[Shard, pa.Table, list[pa.Table]]]:
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
