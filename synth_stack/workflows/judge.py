"""Gates over the candidates of a folder: the gate file bound, verdicts, decisions, the report.

bind_gates   the gate file as judges; every mistake in it is found here, before any row is read
judge        verdicts/<gate>/ and decisions.parquet for the candidates of a folder
reopen       a judged folder made ready for more rows
forget_verdicts   one made ready for other rows
"""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.decisions.decide import PERSON, Rule, decide, hold_failed
from synth_stack.decisions.figures import Figures
from synth_stack.decisions.prices import GatePrice, price_gates
from synth_stack.engines.amending import amend_candidates
from synth_stack.engines.catalog import OpenEngine, choose_engine
from synth_stack.engines.gate_loop import GateRun, forget_batch, run_gates
from synth_stack.errors import ConfigError, Faults
from synth_stack.files import render_yaml, write_bytes, write_tables
from synth_stack.gates.gate import Judge
from synth_stack.inputs.extensions import Extension, load_extensions, record_extensions
from synth_stack.inputs.gate_file import (
    GateFile,
    GateUse,
    NamedEvalSet,
    add_baseline,
    add_eval_sets,
    add_references,
    fill_baseline,
    load_gates,
)
from synth_stack.progress import Progress, Silent
from synth_stack.registry import bind, find_entry
from synth_stack.report.write import write_report
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.runs.committed import AMENDED, heal
from synth_stack.runs.folder import (
    GATES_LOCK,
    MANIFEST,
    identity_line,
    list_amended,
    list_replaced,
    remove_folder,
)
from synth_stack.runs.gate_work import GATES_CLOCK, read_gate_work
from synth_stack.runs.judged import DECISIONS, read_shards
from synth_stack.runs.locks import GATES_SCHEME
from synth_stack.runs.replaced import end_replacing, put_replaced
from synth_stack.runs.self_tests import (
    SelfTest,
    SelfTestBars,
    describe_failed,
    fail,
    read_planted,
    read_self_tests,
)
from synth_stack.workflows.resources import RunResources, bound_resources


@dataclass(frozen=True, slots=True)
class Gates:
    """A gate file made ready: its judges in the order of work, and the lock that records them."""

    runs: tuple[GateRun, ...]
    rule: Rule
    lock: bytes

    @property
    def names(self) -> list[str]:
        return [run.name for run in self.runs]

    def without_canaries(self) -> "Gates":
        """The same gates, which plant no rows to test themselves: for a look at a few rows."""
        return replace(self, runs=tuple(replace(run, canaries=0) for run in self.runs))


@dataclass(frozen=True, slots=True)
class Batch:
    """A judged batch: its folder, its figures from the funnel to the slices, the gates that failed their
    self-test, the engine that they ran on, the address that the folder was sent to, and what those gates say
    would mend it.
    """

    folder: Path
    figures: Figures
    failed: tuple[SelfTest, ...] = ()
    engine: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    mends: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What the manifest of the folder says of it."""
        return {**self.figures.counts(), "engine": dict(self.engine)}

    def price_gates(self, cost: float | None = None) -> tuple[GatePrice, ...]:
        """The price of each gate; `cost` is what making all rows of the batch has cost."""
        return price_gates(self.figures, read_gate_work(self.folder), cost)

    def require_trust(self) -> None:
        """Raises UntrustedGate when a gate failed its self-test: every row waits, none is accepted."""
        if self.failed:
            raise fail(
                f"the batch fails, its rows are held: {describe_failed(self.failed)}",
                self.failed,
                seen=str(self.folder),
                mend=" ".join(self.mends)
                or "Mend the gate, or state in the gate file what you accept: min_recall, max_unfair.",
            )


def bind_gates(
    path: str | Path,
    eval_sets: Sequence[NamedEvalSet] = (),
    resources: RunResources | None = None,
    *,
    source: object = None,
    loaded: Sequence[Extension] = (),
    baseline: str | Path | None = None,
    references: Mapping[str, Sequence[Path]] | None = None,
) -> Gates:
    """The gates of a file, bound and loaded, with `eval_sets` added to those of the gate that takes some, and
    `baseline` as the rows that a batch is compared with; a gate that names none takes that of `resources`.

    `references` are indexes of rows that gates compare with, by gate. Without `resources` they reach what
    may be reached for the rows of `source`.

    The lock records the extensions that the file loads, and those in `loaded`. Raises ConfigError,
    InputError, ModelError or MissingExtra.
    """
    file = load_gates(path)
    extensions = [*loaded, *load_extensions(file.load, folder=file.folder)]
    uses = add_baseline(add_references(add_eval_sets(file, eval_sets), references or {}), baseline)
    uses = fill_baseline(uses, resources.baseline if resources else None)
    resources = replace(resources or bound_resources(source, file), folder=file.folder)
    faults = Faults()
    runs: list[GateRun] = []
    for number, use in enumerate(uses):
        with faults:
            runs.append(_bind(use, number, file, resources, after=runs))
    faults.raise_all()
    entries = [_record(run, use) for run, use in zip(runs, uses, strict=True)]
    rule = Rule(tuple(run.name for run in runs))
    judged_by = {
        "rule": rule.to_json(),
        "load": record_extensions(extensions),
        "gates": [{k: v for k, v in entry.items() if k != "why"} for entry in entries],
    }
    lock = {"scheme": GATES_SCHEME, "identity": digest_json(judged_by), **judged_by, "gates": entries}
    return Gates(tuple(runs), rule, render_yaml(lock))


def _bind(
    use: GateUse, number: int, file: GateFile, resources: RunResources, *, after: Sequence[GateRun]
) -> GateRun:
    where = f"{file.name}: gates[{number}]"
    resources = replace(resources, gate=use.use, calls=Counter())
    bound = bind("gate", use.use, use.params, where=where, folder=file.folder)
    bound_judge: Judge = bound.make(*([resources] if bound.takes else []))
    if bound_judge.amend is not None and any(run.judge.amend is None for run in after):
        raise ConfigError(
            f"{where}: {use.use} replaces rows, so it has to stand first, or after others that do",
            mend="Move it to the top: the gates after it judge the rows that it makes.",
        )
    entry = find_entry("gate", use.use, where=where)
    return GateRun(
        bound,
        bound_judge,
        scores_all=use.all,
        canaries=use.canaries if bound_judge.plant or bound_judge.control else 0,
        bars=_ask(use, bound_judge),
        late=entry.late(bound.params) if entry.late else None,
        count_calls=resources.calls.total,
        reads_text=bool(entry.reads),
    )


def _ask(use: GateUse, judge: Judge) -> SelfTestBars:
    """What the gate file asks of a gate's self-test; where it says nothing, what the gate asks of itself."""
    own = SelfTestBars(judge.min_recall, dict(judge.bars), judge.max_unfair, judge.off)
    if use.min_recall is not None:
        own = replace(own, min_recall=use.min_recall, by_kind={})
    return own if use.max_unfair is None else replace(own, max_unfair=use.max_unfair)


def _record(run: GateRun, use: GateUse) -> dict[str, Any]:
    """What the lock says of a gate."""
    return {
        "use": run.name,
        "version": run.bound.version,
        "all": run.scores_all,
        "canaries": run.canaries,
        "min_recall": run.bars.min_recall,
        "bars": dict(run.bars.by_kind),
        "max_unfair": run.bars.max_unfair,
        "off": list(run.bars.off),
        "reads": list(find_entry("gate", run.name, where=run.name).reads),
        "params": dict(run.bound.recorded),
        "dials": [dial.to_json() for dial in run.judge.dials],
        "facts": dict(run.judge.facts),
        "why": use.why,
    }


def judge(
    folder: Path, gates: Gates, progress: Progress | None = None, on: OpenEngine | None = None
) -> Batch:
    """Verdicts, decisions and report.html for the candidates of `folder`, by an engine (default: local).

    Verdicts that are there from the same gates are kept, and rows that wait to replace others
    (runs/replaced.py) are taken in. A batch with a gate that fails its self-test is held as a whole, and says
    so (`Batch.failed`).
    """
    _forget_other_gates(folder, gates)
    if put_replaced(folder):
        reopen(folder, gates)
        end_replacing(folder)
    with contextlib.nullcontext(on) if on else choose_engine().open() as opened:
        if heal(folder / "candidates" / AMENDED):
            reopen(folder, gates)
        amend_candidates(folder, gates.runs, opened.engine, progress or Silent())
        run_gates(folder, gates.runs, opened.engine, progress or Silent())
    bars = {run.name: run.bars for run in gates.runs if run.canaries}
    failed = tuple(test for test in read_self_tests(folder, bars) if test.failed)
    held_by = hold_failed(failed)
    decided = (
        decide(shard.candidates, shard.verdicts, gates.rule, held_by)
        for shard in read_shards(folder, gates.names)
    )
    write_tables(folder / DECISIONS, decided, DECISION_SCHEMA)
    mends = _list_mends(folder, gates, failed)
    return Batch(folder, write_report(folder), failed, opened.facts, mends=mends)


def _list_mends(folder: Path, gates: Gates, failed: Sequence[SelfTest]) -> tuple[str, ...]:
    """What gates that failed their self-test say would mend it, each sentence once."""
    judges = {run.name: run.judge for run in gates.runs}
    said: dict[str, None] = {}
    for test in failed:
        mend, planted = judges[test.gate].mend, read_planted(folder, test.gate)
        kinds = [(one.kind, False) for one in test.canaries if one.blind]
        kinds += [(one.kind, True) for one in test.controls if one.unfair]
        for kind, control in kinds if mend is not None else ():
            mine = pc.and_(pc.equal(planted["canary_kind"], kind), pc.equal(planted["control"], control))
            sentence = mend(kind, planted.filter(mine)) if mend is not None else None
            said |= {} if sentence is None else {sentence: None}
    return tuple(said)


def reopen(folder: Path, gates: Gates) -> None:
    """Takes back what stands in `folder` of the batch as a whole, before rows are added to it."""
    _forget_results(folder)
    forget_batch(folder, gates.runs)


def forget_verdicts(folder: Path) -> None:
    """Takes back all that gates said of the rows in `folder`: some of them become other ones."""
    _forget_results(folder)
    for name in gate_folders(folder):
        remove_folder(name)
    (folder / GATES_CLOCK).unlink(missing_ok=True)


def _forget_other_gates(folder: Path, gates: Gates) -> None:
    path = folder / GATES_LOCK
    if path.exists() and identity_line(path.read_bytes()) != identity_line(gates.lock):
        forget_verdicts(folder)
    if not path.exists() or path.read_bytes() != gates.lock:
        write_bytes(path, gates.lock)


def gate_folders(folder: Path) -> list[Path]:
    """The folders of verdicts and state that gates left; those of a person stay whatever the gates are."""
    inside = [
        path
        for name in ("verdicts", "state")
        if (folder / name).is_dir()
        for path in (folder / name).iterdir()
    ]
    return [path for path in inside if path.name != PERSON]


def _forget_results(folder: Path) -> None:
    for name in (MANIFEST, DECISIONS, "report.html"):
        (folder / name).unlink(missing_ok=True)
    for name in ("canaries", "accepted", "rejected", "held"):
        remove_folder(folder / name)
    kept = list_replaced(folder / "candidates")
    for part in list_amended(folder / "candidates"):
        if part not in kept:
            part.unlink()
    (folder / "candidates" / AMENDED).unlink(missing_ok=True)
