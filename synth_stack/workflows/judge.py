"""Gates over the candidates of a folder: the gate file bound, verdicts, decisions, the report.

bind_gates   the gate file as judges; every mistake in it is found here, before any row is read
judge        verdicts/<gate>/ and decisions.parquet for the candidates of a folder
reopen       a judged folder made ready for more rows
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack.decisions.decide import decide
from synth_stack.decisions.figures import Figures
from synth_stack.engines.local import GateRun, forget_batch, run_gates
from synth_stack.engines.worker import is_portable
from synth_stack.errors import BlindGate, ConfigError
from synth_stack.files import render_yaml, write_bytes, write_table
from synth_stack.inputs.gate_file import NamedEvalSet, load_gates
from synth_stack.progress import Progress, Silent
from synth_stack.registry import Bound, bind
from synth_stack.report.write import write_report
from synth_stack.rows.canonical import digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from synth_stack.runs.canary_recall import CanaryRecall, read_recalls
from synth_stack.runs.folder import (
    AMENDED_PREFIX,
    GATES_LOCK,
    MANIFEST,
    identity_line,
    list_amended,
    list_shards,
)
from synth_stack.runs.judged import read_shards
from synth_stack.runs.locks import without_folders
from synth_stack.workflows.resources import make_asker, open_named

GATES_SCHEME = "synth_stack/gates-lock/v1"


_AMENDED = ".amended"
"""Stands in candidates/ once the first gate has replaced what it replaces."""


@dataclass(frozen=True, slots=True)
class Gates:
    """A gate file made ready: its judges in the order of work, and the lock that records them."""

    runs: tuple[GateRun, ...]
    lock: bytes

    @property
    def names(self) -> list[str]:
        return [run.bound.name for run in self.runs]


@dataclass(frozen=True, slots=True)
class Batch:
    """A judged batch: its folder, its figures from the funnel to the slices, and the gates that are blind."""

    folder: Path
    figures: Figures
    blind: tuple[CanaryRecall, ...] = ()

    def require_sight(self) -> None:
        """Raises BlindGate when a gate missed too many of its canaries: every row waits, none is accepted."""
        if self.blind:
            raise BlindGate(
                f"the batch fails, its rows are held: blind gate: {_describe(self.blind)}",
                seen=str(self.folder),
                mend="Mend the gate, or state the recall that you accept with min_recall in the gate file.",
            )


def bind_gates(path: str | Path, eval_sets: Sequence[NamedEvalSet] = ()) -> Gates:
    """The gates of a file, bound and loaded. Raises ConfigError, InputError, ModelError or MissingExtra."""
    file = load_gates(path, eval_sets)
    runs: list[GateRun] = []
    entries: list[dict[str, Any]] = []
    for number, use in enumerate(file.gates):
        bound = bind("gate", use.use, use.params, where=f"{path}: gates[{number}]")
        judge = bound.make(*_find_resources(bound, f"{path}: gates[{number}]"))
        if judge.amend is not None and number > 0:
            raise ConfigError(
                f"{path}: gates[{number}]: {use.use} replaces rows, so it has to stand first",
                mend="Move it to the top: the gates behind it judge the rows that it makes.",
            )
        bar = judge.min_recall if use.min_recall is None else use.min_recall
        canaries = use.canaries if judge.plant is not None else 0
        portable = is_portable(bound) and not _reaches_out(bound)
        runs.append(GateRun(bound, judge, use.all, canaries, bar, portable))
        entries.append(
            {
                "use": bound.name,
                "version": bound.version,
                "all": use.all,
                "canaries": canaries,
                "min_recall": bar,
                "params": without_folders(bound.params),
                "facts": dict(judge.facts),
                "why": use.why,
            }
        )
    identity = digest_json([{k: v for k, v in entry.items() if k != "why"} for entry in entries])
    lock = {"scheme": GATES_SCHEME, "identity": identity, "gates": entries}
    return Gates(tuple(runs), render_yaml(lock))


def judge(folder: Path, gates: Gates, progress: Progress | None = None) -> Batch:
    """Verdicts, decisions and report.html for the candidates of `folder`.

    Verdicts that are there from the same gates are kept. A batch whose canaries show a gate to be blind is
    held as a whole, and says so (`Batch.blind`).
    """
    _forget_other_gates(folder, gates)
    _amend_candidates(folder, gates)
    run_gates(folder, gates.runs, progress or Silent())
    bars = {run.bound.name: run.min_recall for run in gates.runs if run.canaries}
    blind = tuple(found for found in read_recalls(folder, bars) if found.blind)
    held_by = (blind[0].gate, f"blind gate: {_describe(blind)}") if blind else None
    decisions = pa.concat_tables(
        [DECISION_SCHEMA.empty_table()]
        + [decide(table, verdicts, held_by) for _, table, verdicts in read_shards(folder, gates.names)]
    )
    write_table(folder / "decisions.parquet", decisions)
    return Batch(folder, write_report(folder), blind)


def reopen(folder: Path, gates: Gates) -> None:
    """Takes back what stands in `folder` of the batch as a whole, before rows are added to it."""
    _forget_results(folder)
    forget_batch(folder, gates.runs)


def _find_resources(bound: Bound, where: str) -> list[Any]:
    """What the gate may reach, in the order of its positional parameters."""
    asked = bound.params.get("llm_judge")
    have: dict[str, Callable[[], Any]] = {
        "ask": lambda: make_asker(asked["teacher"], f"{where}.llm_judge") if asked else None,
        "open_hub": lambda: open_named,
    }
    return [have[name]() for name in bound.resources]


def _reaches_out(bound: Bound) -> bool:
    """Whether the gate was given something that a process of its own would not have."""
    on_hub = any(named.get("hub") for named in bound.params.get("against") or [] if isinstance(named, dict))
    return bool(bound.resources) and (on_hub or bound.params.get("llm_judge") is not None)


def _describe(blind: Sequence[CanaryRecall]) -> str:
    return "; ".join(found.describe() for found in blind)


def _forget_other_gates(folder: Path, gates: Gates) -> None:
    path = folder / GATES_LOCK
    if path.exists() and identity_line(path.read_bytes()) != identity_line(gates.lock):
        _forget_results(folder)
        _remove_folder(folder / "verdicts")
    if not path.exists() or path.read_bytes() != gates.lock:
        write_bytes(path, gates.lock)


def _forget_results(folder: Path) -> None:
    for name in (MANIFEST, "decisions.parquet", "report.html"):
        (folder / name).unlink(missing_ok=True)
    for name in ("canaries", "accepted", "rejected", "held"):
        _remove_folder(folder / name)
    for part in list_amended(folder / "candidates"):
        part.unlink()
    (folder / "candidates" / _AMENDED).unlink(missing_ok=True)


def _amend_candidates(folder: Path, gates: Gates) -> None:
    """The rows with which the first gate replaces others, as candidates of their own behind all the rest."""
    amend = gates.runs[0].judge.amend
    if amend is None or (folder / "candidates" / _AMENDED).exists():
        return
    for number, shard in enumerate(list_shards(folder / "candidates", amended=False)):
        rows = amend(shard.read(CANDIDATE_SCHEMA))
        if len(rows):
            write_table(folder / "candidates" / f"{AMENDED_PREFIX}{number:05d}.parquet", rows)
    write_bytes(folder / "candidates" / _AMENDED, b"")


def _remove_folder(path: Path) -> None:
    """Out of sight at once, then gone: a kill in between leaves no half of it behind under its name."""
    if path.exists():
        hidden = path.with_name(f".{path.name}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
        shutil.rmtree(hidden)
