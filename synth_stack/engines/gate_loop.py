"""Every gate of a file over every shard of a run, one after the other, on any engine.

Before any, the gates that replace rows do so, one after the other (amending.py). For each gate: its canaries
are planted, its rounds sketch and merge what the batch has to say, its verdicts are given, its canaries are
judged, and what it says late is said. Only the steps on shards run on the engine; merging and the canaries
stay here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pyarrow as pa

from synth_stack.engines.engine import (
    Advance,
    Engine,
    Spec,
    Step,
    Work,
    count_shown,
    find_shown,
    judge_rows,
    perform_here,
    read_ids,
    read_shown,
)
from synth_stack.engines.self_tests import plant, write_planted
from synth_stack.files import count_rows, read_arrow, read_table
from synth_stack.gates.gate import Judge, Late, Round
from synth_stack.inputs.extensions import Extension, find_extension
from synth_stack.progress import Progress
from synth_stack.registry import Bound, registered
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.amended import read_links
from synth_stack.runs.committed import DONE, commit_verdicts, heal
from synth_stack.runs.folder import (
    LATE_PREFIX,
    Shard,
    late_part,
    list_parts,
    list_shards,
    read_state,
    remove_folder,
    settle_state,
    sketch_file,
    state_folder,
    write_state,
)
from synth_stack.runs.gate_work import add_gate_work
from synth_stack.runs.self_tests import SelfTestBars


@dataclass(frozen=True, slots=True)
class GateRun:
    """A gate to run: what was bound, its judge, whether it also scores rejected rows, and its self-test:
    `canaries` of each kind and as many controls, and what it has to say of them. `count_calls` says how often
    it has called a model so far; without `reads_text` it looks at other things than words.
    """

    bound: Bound
    judge: Judge
    scores_all: bool
    canaries: int = 0
    bars: SelfTestBars = field(default_factory=SelfTestBars)
    late: Late | None = None
    count_calls: Callable[[], int] = int
    reads_text: bool = True

    @property
    def name(self) -> str:
        """The name of the gate."""
        return self.bound.name

    @property
    def alone(self) -> str | None:
        """Why it cannot be built in another process; None where it can."""
        if self.judge.alone is not None:
            return self.judge.alone
        if self.bound.takes:
            return "it takes resources, which no other process has"
        entry = registered("gate").get(self.name)
        if entry is None:
            return "it is registered nowhere"
        known = entry.module.startswith("synth_stack.") or self.extension is not None
        return None if known else f"it was registered by {entry.module}, which no worker loads"

    @property
    def extension(self) -> Extension | None:
        """The extension that a worker has to load before it can build the gate."""
        entry = registered("gate").get(self.name)
        return None if entry is None else find_extension(entry)


def run_gates(folder: Path, gates: Sequence[GateRun], engine: Engine, progress: Progress) -> None:
    """Writes verdicts/<gate>/ for the candidates of a run folder, gate after gate.

    A row that a gate rejects is not shown to the later ones (but to those with `scores_all`). What is there,
    on just the rows that the gate is to see, is not done again. Raises GateError when a judge breaks its
    contract.
    """
    shards = list_shards(folder / "candidates")
    for number, gate in enumerate(gates):
        target = folder / "verdicts" / gate.name
        if heal(target / DONE):
            for later in gates[number + 1 :]:  # they saw what this one let pass, and it may say otherwise now
                (folder / "verdicts" / later.name / DONE).unlink(missing_ok=True)
        if not (target / DONE).exists():
            work = specify(folder, gate, gates[:number])
            _drop_stale(work.spec, shards, target)
            with noting(folder, gate):
                if gate.judge.reads_replaced:
                    replaced = read_links(folder / "candidates", number)
                    write_state(folder, gate.name, {"replaced": replaced}, mark=None)
                _run_gate(gate, work, shards, engine, progress)
            commit_verdicts(folder, gate.name)


@contextmanager
def noting(folder: Path, gate: GateRun) -> Iterator[None]:
    """Keeps the time that its block takes, and how often the gate calls a model in it."""
    started, asked = time.monotonic(), gate.count_calls()
    try:
        yield
    finally:
        add_gate_work(folder, gate.name, time.monotonic() - started, gate.count_calls() - asked)


def forget_batch(folder: Path, gates: Sequence[GateRun]) -> None:
    """Takes back what gates said of a batch as a whole, before rows are added to it.

    A gate with rounds has to judge all of it again. One without keeps its verdicts on the shards that stay as
    they are.
    """
    for gate in gates:
        target = folder / "verdicts" / gate.name
        (target / DONE).unlink(missing_ok=True)
        remove_folder(state_folder(folder, gate.name))
        for part in list_parts(target):
            if gate.judge.rounds or gate.judge.reads_replaced or part.name.startswith(LATE_PREFIX):
                part.unlink()


def specify(folder: Path, gate: GateRun, before: Sequence[GateRun], *, amends: int | None = None) -> Work:
    """The work of a gate that judges after those `before` it, or, as gate number `amends`, replaces rows."""
    seen_by: str | None = None
    rejected_by: list[str] = []
    for earlier in reversed([] if gate.scores_all else before):
        if not earlier.scores_all:
            seen_by = earlier.name
            break
        rejected_by.append(earlier.name)
    spec = Spec(
        folder=str(folder.resolve()),
        gate=gate.name,
        version=gate.bound.version,
        params=dict(gate.bound.params),
        facts_sha256=digest_json(dict(gate.judge.facts)),
        extensions={} if gate.extension is None else {gate.extension.reference: gate.extension.sha256},
        seen_by=seen_by,
        rejected_by=rejected_by,
        amends=amends,
    )
    return Work(spec, gate.judge, gate.late, gate.alone)


def _run_gate(gate: GateRun, work: Work, shards: Sequence[Shard], engine: Engine, progress: Progress) -> None:
    folder, name, judge = Path(work.spec.folder), gate.name, gate.judge
    settle_state(folder, name)
    tables = (read_shown(work.spec, shard) for shard in shards)
    planted = plant(name, judge, gate.canaries, tables, reads_text=gate.reads_text)
    total = sum(count_shown(work.spec, shard) for shard in shards)
    learn(work, judge.rounds, shards, engine, progress, planted=planted)
    waiting = [shard for shard in shards if not (folder / "verdicts" / name / shard.name).exists()]
    done = sum(count_rows(folder / "verdicts" / name / s.name) for s in shards if s not in waiting)
    map_shards(engine, work, Step("judge"), waiting, progress.begin(name, total, done))
    if len(planted):
        state = read_state(folder, name)
        write_planted(folder, name, planted, judge_rows(name, judge, planted, state), judge)
    if gate.late is not None:
        _say_late(gate.late, work, shards, engine)


def learn(
    work: Work,
    rounds: Sequence[Round],
    shards: Sequence[Shard],
    engine: Engine,
    progress: Progress,
    *,
    planted: pa.Table | None = None,
) -> None:
    """Writes what the rounds of a gate learn from the rows that it is shown, and then from planted ones."""
    folder, name = Path(work.spec.folder), work.spec.gate
    planted = CANDIDATE_SCHEMA.empty_table() if planted is None else planted
    total = sum(count_shown(work.spec, shard) for shard in shards)
    for number, round_ in enumerate(rounds):
        mark = state_folder(folder, name) / f".merged-{number}"
        if mark.exists():
            remove_folder(state_folder(folder, name) / f".round-{number}")
            continue
        state = read_state(folder, name)
        advance = progress.begin(f"{name} pass {number + 1}", total)
        map_shards(engine, work, Step("sketch", number), shards, advance)
        sketches = _read_sketches(folder, name, f"round-{number}", shards)
        merged = round_.merge(chain(sketches, [round_.sketch(planted, state)]), state)
        write_state(folder, name, merged, mark=mark.name)
        remove_folder(state_folder(folder, name) / f".round-{number}")


def map_shards(engine: Engine, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
    """One step on every shard: on the engine, or here where no other process can build the gate."""
    if work.alone is not None:
        perform_here(work, step, shards, advance)
    elif shards:
        engine.map_shards(work, step, shards, advance)


def _say_late(late: Late, work: Work, shards: Sequence[Shard], engine: Engine) -> None:
    folder, name = Path(work.spec.folder), work.spec.gate
    map_shards(engine, work, Step("count"), shards, _ignore)
    write_state(folder, name, late.merge(_read_sketches(folder, name, "late", shards), {}), mark=None)
    remove_folder(state_folder(folder, name) / ".late")
    map_shards(engine, work, Step("hold"), shards, _ignore)


def _ignore(rows: int) -> None:
    """Late steps take no time that a bar would show."""


def _read_sketches(folder: Path, name: str, what: str, shards: Sequence[Shard]) -> Iterator[pa.Table]:
    return (read_arrow(sketch_file(folder, name, what, shard)) for shard in shards)


def _drop_stale(spec: Spec, shards: Sequence[Shard], target: Path) -> None:
    """Removes verdicts on other rows than those that the gate is to see: of shards that changed."""
    by_name = {shard.name: shard for shard in shards}
    late = {late_part(Path(spec.folder), spec.gate, shard).name for shard in shards}
    for part in list_parts(target):
        shard = by_name.get(part.name)
        if shard is not None:
            ids = read_ids(shard)
            keep = find_shown(spec, shard, ids)
            shown = ids if keep is None else ids.filter(keep)
            if read_table(part, columns=["row_id"])["row_id"].equals(shown):
                continue
        elif part.name in late:
            continue
        part.unlink()
