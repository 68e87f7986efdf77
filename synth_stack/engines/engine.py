"""What an engine is: somewhere to do one step of one gate on every shard of a run. It decides nothing.

    engine.map_shards(work, step, shards, advance)

A step reads and writes files of the run folder alone, and skips what is there: an engine may do it anywhere
that sees the folder, in any order, and again after a failure. A worker is sent a step on a shard as plain
JSON (tasks.py). Gates that cannot be built in another process never reach an engine: gate_loop.py does their
steps itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.engines.contract import check_late, check_verdicts
from synth_stack.errors import GateError
from synth_stack.files import read_table, write_arrow, write_table
from synth_stack.gates.gate import NO_STATE, Judge, Late, State
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.extensions import load_extensions
from synth_stack.registry import bind, find_entry
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.amended import find_part, read_gone
from synth_stack.runs.folder import Shard, late_part, read_state, sketch_file

Advance = Callable[[int], None]

Do = Literal["amend", "sketch", "judge", "count", "hold"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step on a shard: the rows that replace some of it, a sketch of a round, the verdicts, or the count
    and the holds of the late step.
    """

    do: Do
    round: int = 0


@dataclass(frozen=True, slots=True)
class Spec:
    """A bound gate at work in a run folder, as plain JSON: enough to do any of its steps in another process.

    The gate sees the rows on which `seen_by` has a verdict that is no reject (None: every row), without those
    that one of `rejected_by` rejects. `facts_sha256` is what the judge states of itself where it was bound
    first: a worker that would judge with other files or versions refuses. `extensions` are loaded before,
    each with the digest that it had where the gate was bound first. `amends` is the number of a gate that is
    to replace rows, None for one that judges: it sees no row that is replaced already.
    """

    folder: str
    gate: str
    version: str
    params: Mapping[str, Any]
    facts_sha256: str
    extensions: Mapping[str, str] = field(default_factory=dict)
    seen_by: str | None = None
    rejected_by: Sequence[str] = ()
    amends: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A spec and, in the process that bound it, the judge and what it says late.

    `alone` is the reason why the judge cannot be built in another process, else None.
    """

    spec: Spec
    judge: Judge
    late: Late | None
    alone: str | None = None


class Engine(Protocol):
    """Where the steps of gates run.

    It is opened by a context manager (catalog.py), which ends its processes and removes its temporary files.
    """

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Do one step on every shard; `advance` is told of the rows of each that is done.

        `work.alone` is None. Raises what the gate raised, GateError for workers that died. What was written
        stays.
        """


def open_work(spec: Spec) -> Work:
    """The gate of a spec, bound in this process.

    Raises GateError where it is not the same gate: another version, other files, data or code.
    """
    for extension, sha256 in zip(load_extensions(spec.extensions), spec.extensions.values(), strict=True):
        if extension.sha256 != sha256:
            raise GateError(
                f"a worker would judge with another text of {extension.name} than the run",
                seen=extension.sha256[:12],
                allowed=sha256[:12],
                mend="Leave it as it is until the command ends, and run the same command again.",
            )
    bound = bind("gate", spec.gate, spec.params, where=f"gate {spec.gate}")
    judge: Judge = bound.make(*([NoResources()] if bound.takes else []))
    if judge.alone is not None:
        raise GateError(f"gate {spec.gate} cannot be built in a worker", seen=judge.alone)
    found = digest_json(dict(judge.facts))
    if bound.version != spec.version or found != spec.facts_sha256:
        raise GateError(
            f"a worker would judge with another gate {spec.gate} than the run: version or files differ",
            seen=f"version {bound.version}, facts {found[:12]}",
            allowed=f"version {spec.version}, facts {spec.facts_sha256[:12]}",
            mend="Install the same package, extras and model files where the worker runs; a model that is on "
            "a GPU here needs one there too, or CUDA_VISIBLE_DEVICES set to nothing here.",
        )
    late = find_entry("gate", spec.gate, where=f"gate {spec.gate}").late
    return Work(spec, judge, late(bound.params) if late else None)


def perform(work: Work, step: Step, shard: Shard, state: State | None = None) -> int:
    """Do one step on one shard, and return how many rows it was shown; nothing is done twice.

    `state` is the gate's in the run folder, read where it is not given.
    """
    folder, name = Path(work.spec.folder), work.spec.gate
    if state is None:
        state = read_state(folder, name)
    verdicts = folder / "verdicts" / name / shard.name
    match step.do:
        case "amend":
            target = find_part(folder / "candidates", work.spec.amends or 0, shard)
            table = read_shown(work.spec, shard)
            if not target.exists():
                write_amended(target, work.judge, table, state)
        case "sketch":
            target = sketch_file(folder, name, f"round-{step.round}", shard)
            if target.exists():
                return count_shown(work.spec, shard)
            table = read_shown(work.spec, shard)
            write_arrow(target, work.judge.rounds[step.round].sketch(table, state))
        case "judge":
            table = read_shown(work.spec, shard)
            if not verdicts.exists():
                write_table(verdicts, judge_rows(name, work.judge, table, state))
        case "count" | "hold":
            table = _perform_late(work, step, shard, state)
    return int(table.num_rows)


def _perform_late(work: Work, step: Step, shard: Shard, state: State) -> pa.Table:
    """The late step on one shard; the rows that the gate was shown."""
    folder, name, late = Path(work.spec.folder), work.spec.gate, work.late
    if late is None:
        raise GateError(f"gate {name} has no late step")
    table = read_shown(work.spec, shard)
    said = read_table(folder / "verdicts" / name / shard.name, VERDICT_SCHEMA)
    if step.do == "count":
        write_arrow(sketch_file(folder, name, "late", shard), late.count(table, said))
    else:
        held = late.hold(table, said, state)
        check_late(name, held)
        write_table(late_part(folder, name, shard), held)
    return table


def perform_here(work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
    """Do one step on every shard in this process, one shard in memory at a time."""
    state = read_state(work.spec.folder, work.spec.gate)
    for shard in shards:
        advance(perform(work, step, shard, state))


def write_amended(target: Path, judge: Judge, table: pa.Table, state: State) -> None:
    """Writes the rows with which a gate replaces some of the table's, where there are any."""
    rows = None if judge.amend is None else judge.amend(table, state)
    if rows:
        write_table(target, rows)


def judge_rows(name: str, judge: Judge, table: pa.Table, state: State = NO_STATE) -> pa.Table:
    """The verdicts on a table. Raises GateError when the judge breaks its contract."""
    verdicts = judge.judge(table, state)
    check_verdicts(name, table, verdicts)
    return verdicts


def read_shown(spec: Spec, shard: Shard) -> pa.Table:
    """The rows of a shard that the gate is to see, in order, in one chunk a column."""
    table = shard.read(CANDIDATE_SCHEMA)
    keep = find_shown(spec, shard, table["row_id"])
    return table if keep is None else table.filter(keep).combine_chunks()


def count_shown(spec: Spec, shard: Shard) -> int:
    """How many rows of a shard the gate is to see."""
    if spec.seen_by is None and not spec.rejected_by and spec.amends is None:
        return shard.rows
    keep = find_shown(spec, shard, read_ids(shard))
    return shard.rows if keep is None else int(pc.sum(keep).as_py() or 0)


def read_ids(shard: Shard) -> pa.ChunkedArray:
    """The ids of the rows of a shard, in order."""
    return pa.concat_tables([read_table(part, columns=["row_id"]) for part in shard.parts])["row_id"]


def find_shown(spec: Spec, shard: Shard, ids: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Which rows of a shard the gate is to see, (n,); None: all of them."""
    if spec.amends is not None:
        gone = read_gone(Path(spec.folder) / "candidates", spec.amends)
        return pc.invert(pc.is_in(ids, value_set=gone))
    keep = None
    folder = Path(spec.folder) / "verdicts"
    if spec.seen_by is not None:
        said = read_table(folder / spec.seen_by / shard.name, columns=["row_id", "outcome"])
        passed = said.filter(pc.not_equal(said["outcome"], "reject"))["row_id"]
        keep = pc.is_in(ids, value_set=passed.combine_chunks())
    for gate in spec.rejected_by:
        said = read_table(folder / gate / shard.name, columns=["row_id", "outcome"])
        gone = said.filter(pc.equal(said["outcome"], "reject"))["row_id"]
        stays = pc.invert(pc.is_in(ids, value_set=gone.combine_chunks()))
        keep = stays if keep is None else pc.and_(keep, stays)
    return keep
