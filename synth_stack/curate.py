"""Gates over a batch of rows, wherever they come from: verdicts, decisions, and the two piles.

bind_gates   the gate file as judges; every mistake in it is found here, before any row is read
judge        verdicts/<gate>/ and decisions.parquet for the candidates of a folder
curate       the same for somebody else's dataset, or for a run under other gates
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack import __version__
from synth_stack.config import EvalSet, load_gates
from synth_stack.engines.local import GateRun, read_judged, run_gates
from synth_stack.errors import InputError
from synth_stack.foreign import Dataset, check_dataset, open_dataset, open_records, read_candidates
from synth_stack.gates.decide import decide
from synth_stack.progress import Progress, Silent
from synth_stack.registry import bind
from synth_stack.report.figures import Figures
from synth_stack.report.write import write_report
from synth_stack.rows import DECISION_SCHEMA, Digest, digest_json
from synth_stack.store import (
    GATES_LOCK,
    LOCK,
    MANIFEST,
    digest_file,
    identity_line,
    list_parts,
    open_run,
    render_yaml,
    write_bytes,
    write_manifest,
    write_table,
)

GATES_SCHEME = "synth_stack/gates-lock/v1"
CURATE_SCHEME = "synth_stack/curate-lock/v1"


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
    """A judged batch: its folder, and its figures from the funnel to the slices."""

    folder: Path
    figures: Figures


def bind_gates(path: str | Path, eval_sets: Sequence[EvalSet] = ()) -> Gates:
    """The gates of a file, bound and loaded. Raises ConfigError, InputError, ModelError or MissingExtra."""
    file = load_gates(path, eval_sets)
    runs: list[GateRun] = []
    entries: list[dict[str, Any]] = []
    for number, use in enumerate(file.gates):
        bound = bind("gate", use.use, use.params, where=f"{path}: gates[{number}]")
        judge = bound.make()
        runs.append(GateRun(bound, judge, use.all))
        entries.append(
            {
                "use": bound.name,
                "version": bound.version,
                "all": use.all,
                "params": _without_folders(bound.params),
                "facts": dict(judge.facts),
                "why": use.why,
            }
        )
    identity = digest_json([{k: v for k, v in entry.items() if k != "why"} for entry in entries])
    lock = {"scheme": GATES_SCHEME, "identity": identity, "gates": entries}
    return Gates(tuple(runs), render_yaml(lock))


def judge(folder: Path, gates: Gates, progress: Progress | None = None) -> Batch:
    """Verdicts, decisions and report.html for the candidates of `folder`.

    Verdicts that are there from the same gates are kept.
    """
    _forget_other_gates(folder, gates)
    run_gates(folder, gates.runs, progress or Silent())
    decisions = pa.concat_tables(
        [DECISION_SCHEMA.empty_table()]
        + [decide(table, verdicts) for _, table, verdicts in read_judged(folder, gates.names)]
    )
    write_table(folder / "decisions.parquet", decisions)
    return Batch(folder, write_report(folder))


def curate(
    source: Any,
    gates: str | Path,
    out: str | Path,
    *,
    eval_sets: Sequence[EvalSet] = (),
    progress: Progress | None = None,
) -> Batch:
    """Judge rows that already exist, and leave the accepted and the rejected ones side by side in `out`.

    `source` is a path (file, folder of shards, run folder), a Hub name, a datasets.Dataset, a distilabel
    Distiset, or a list of mappings. Columns are understood as in docs/curate.md. The same call goes on where
    a stopped one left off. Raises UsageError before any row is read, WorkError when the work fails.
    """
    bound = bind_gates(gates, eval_sets)
    progress = progress or Silent()
    run = _run_folder(source)
    if run and run.resolve() == Path(out).resolve():
        return _curate_in_place(run, bound, progress)
    dataset = None if run else _open(source)
    if dataset:
        check_dataset(dataset)
    lock = _curate_lock(dataset, run)
    with open_run(Path(out), render_yaml(lock)) as folder:
        if run:
            _copy_candidates(run, folder)
        elif dataset:
            _write_candidates(dataset, folder, progress)
        batch = judge(folder, bound, progress)
        _write_piles(folder, bound.names)
        write_manifest(folder, batch.figures.counts())
    return batch


def _curate_in_place(run: Path, gates: Gates, progress: Progress) -> Batch:
    lock = (run / LOCK).read_bytes()
    with open_run(run, lock) as folder:
        batch = judge(folder, gates, progress)
        _write_piles(folder, gates.names)
        write_manifest(folder, batch.figures.counts())
    return batch


def _forget_other_gates(folder: Path, gates: Gates) -> None:
    path = folder / GATES_LOCK
    if path.exists() and identity_line(path.read_bytes()) != identity_line(gates.lock):
        for name in (MANIFEST, "decisions.parquet", "report.html"):
            (folder / name).unlink(missing_ok=True)
        for name in ("verdicts", "accepted", "rejected", "held"):
            _remove_folder(folder / name)
    if not path.exists() or path.read_bytes() != gates.lock:
        write_bytes(path, gates.lock)


def _remove_folder(path: Path) -> None:
    """Out of sight at once, then gone: a kill in between leaves no half of it behind under its name."""
    if path.exists():
        hidden = path.with_name(f".{path.name}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
        shutil.rmtree(hidden)


def _without_folders(value: Any) -> Any:
    """Parameters for the record: a path is cut to its file name, for folders differ between machines."""
    if isinstance(value, dict):
        return {
            k: Path(v).name if k in {"path", "weights"} and isinstance(v, str) else _without_folders(v)
            for k, v in value.items()
        }
    return [_without_folders(v) for v in value] if isinstance(value, list) else value


def _run_folder(source: Any) -> Path | None:
    if isinstance(source, str | Path) and (Path(source) / LOCK).exists():
        run = Path(source)
        if not list_parts(run / "candidates"):
            raise InputError(f"{run} is a run without candidates", mend="Run `synth-stack generate` first.")
        return run
    return None


def _open(source: Any) -> Dataset:
    if isinstance(source, str | Path):
        return open_dataset(source)
    if isinstance(source, dict):  # a Distiset or DatasetDict: configurations or splits by name
        if len(source) != 1:
            raise InputError(
                "a collection of several datasets is not one batch",
                seen=", ".join(map(str, source)),
                mend="Pass one of them.",
            )
        return _open(next(iter(source.values())))
    return open_records(source, name="records in memory")


def _curate_lock(dataset: Dataset | None, run: Path | None) -> dict[str, Any]:
    if dataset is not None:
        source = {"name": dataset.name, "sha256": dataset.sha256}
    else:
        parts = [digest_file(part) for part in list_parts((run or Path()) / "candidates")]
        source = {"name": "a run of synth_stack", "sha256": Digest(digest_json(parts))}
    identity = digest_json({"scheme": CURATE_SCHEME, "sha256": source["sha256"]})
    return {"scheme": CURATE_SCHEME, "identity": identity, "synth_stack": __version__, "source": source}


def _copy_candidates(run: Path, folder: Path) -> None:
    for part in list_parts(run / "candidates"):
        if not (folder / "candidates" / part.name).exists():
            write_bytes(folder / "candidates" / part.name, part.read_bytes())


def _write_candidates(dataset: Dataset, folder: Path, progress: Progress) -> None:
    if (folder / "candidates" / ".done").exists():
        return
    advance = progress.begin("read", 0)
    for number, table in enumerate(read_candidates(dataset)):
        path = folder / "candidates" / f"part-{number:05d}.parquet"
        if not path.exists():
            write_table(path, table)
        advance(table.num_rows)
    write_bytes(folder / "candidates" / ".done", b"")


def _write_piles(folder: Path, gates: Sequence[str]) -> None:
    """accepted/, rejected/ and held/: the rows themselves, those not accepted with what decided them."""
    decisions = pl.read_parquet(folder / "decisions.parquet").select("row_id", "decision", "gate", "reason")
    for shard, table, verdicts in read_judged(folder, gates):
        rows = pl.DataFrame(table).join(decisions, on="row_id", how="left", maintain_order="left")
        scores = pl.DataFrame(pa.concat_tables(verdicts)).filter(pl.col("outcome").is_in(["reject", "hold"]))
        scores = scores.select("row_id", "gate", "score", "threshold", "evidence")
        accepted = rows.filter(pl.col("decision") == "accepted").select(table.schema.names)
        write_table(folder / "accepted" / shard.name, accepted.to_arrow().cast(table.schema))
        for pile in ("rejected", "held"):
            chosen = rows.filter(pl.col("decision") == pile).drop("decision")
            chosen = chosen.join(scores, on=["row_id", "gate"], how="left", maintain_order="left")
            if chosen.height or pile == "rejected":
                write_table(folder / pile / shard.name, chosen.to_arrow())
