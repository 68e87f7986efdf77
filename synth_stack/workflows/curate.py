"""Gates over a batch of rows, wherever they come from: verdicts, decisions, and the two piles.

bind_gates   the gate file as judges; every mistake in it is found here, before any row is read
judge        verdicts/<gate>/ and decisions.parquet for the candidates of a folder
reopen       a judged folder made ready for more rows
curate       the same for somebody else's dataset, or for a run under other gates
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import synth_stack.gates  # noqa: F401  (registers the gates)
from synth_stack import __version__
from synth_stack.engines.catalog import LOCAL, ChosenEngine, EngineUse, choose_engine
from synth_stack.errors import ConfigError, InputError, StoreError
from synth_stack.files import digest_file, read_table, render_yaml, store_errors, write_bytes, write_table
from synth_stack.images.store import keep_images
from synth_stack.inputs.columns import check_map
from synth_stack.inputs.dataset_check import check_dataset
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.foreign import Dataset, open_dataset, open_records, read_candidates
from synth_stack.inputs.gate_file import NamedEvalSet, load_map
from synth_stack.inputs.image_folders import (
    ImageFolder,
    is_image_folder,
    open_image_folder,
    read_image_rows,
)
from synth_stack.inputs.terms import inherit_terms
from synth_stack.progress import Progress, Silent
from synth_stack.rows.canonical import Digest, digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.committed import DONE, commit_candidates, find_damage, heal
from synth_stack.runs.folder import LOCK, list_made, open_run, write_manifest
from synth_stack.runs.judged import read_decided
from synth_stack.runs.locks import RUN_SOURCE
from synth_stack.workflows.judge import Batch, Gates, bind_gates, judge
from synth_stack.workflows.resources import find_attachments, read_lock
from synth_stack.workflows.stores import Destination, bring_source, find_work_folder

CURATE_SCHEME = "synth_stack/curate-lock/v2"
INPUT = "input.json"
MAX_COLUMNS = 100
"""Columns of which INPUT says what they were read as; rows have a few, and hostile ones each its own."""
"""What was read, by name and digest, and what of it is in no field of a row."""


def curate(
    source: Any,
    gates: str | Path,
    out: str | Path,
    *,
    eval_sets: Sequence[NamedEvalSet] = (),
    skip_broken: bool = False,
    load: Sequence[str] = (),
    map: Mapping[str, str] | None = None,  # noqa: A002  (the name of the option and of the key)
    engine: EngineUse = LOCAL,
    progress: Progress | None = None,
) -> Batch:
    """Judge rows that already exist, and leave the accepted and the rejected ones side by side in `out`.

    `source` is a path (file, folder of shards, run folder), an address of an object store, a Hub name, a
    datasets.Dataset, a distilabel Distiset, a list of mappings, or a folder of images. Where `out` is an
    address, the work is done in a folder of runs/, and sent there when it is finished. Columns are
    understood as in docs/curate.md; `map` names those of other names by field (prompt, answer, ...),
    before the map of the gate file. What is in no field of a row is counted in INPUT. A shard that cannot
    be read stops the work; `skip_broken` turns it into one rejected row that names it, and goes on.
    `load` names modules or files with gates of other authors. `engine` says where the gates run
    (docs/engines.md): a name, or a mapping of `use` and its options; no decision depends on it. The same
    call goes on where a stopped one left off. Raises UsageError before any row is read, WorkError when
    the work fails, UntrustedGate when a gate failed its self-test.
    """
    chosen = choose_engine(engine)
    bound = bind_gates(gates, eval_sets, source=source, loaded=load_extensions(load))
    named = {**load_map(gates), **check_map(map)}
    batch = judge_source(
        source,
        bound,
        out,
        chosen=chosen,
        named=named,
        refuse_map=bool(map),
        skip_broken=skip_broken,
        progress=progress,
    )
    batch.require_trust()
    return batch


def judge_source(
    source: Any,
    bound: Gates,
    out: str | Path,
    *,
    chosen: ChosenEngine,
    named: Mapping[str, str],
    refuse_map: bool = False,
    sample: int | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Batch:
    """What `curate` does, by gates that are bound already; a batch with a gate that failed its self-test is
    given back, and says so (`Batch.failed`). With `sample` so many records, drawn at random, stand for all;
    `refuse_map` says that `named` is the caller's, so that it has no place beside a run.
    """
    progress = progress or Silent()
    work = find_work_folder(out)
    source = bring_source(source, work)
    run = _run_folder(source)
    if run and refuse_map:
        raise ConfigError(
            f"{run} is a run, whose columns are known", seen=str(dict(named)), mend="Leave the map out."
        )
    if run and sample is not None:
        raise ConfigError(f"{run} is a run, of which no sample is judged", mend="Leave the sample out.")
    if run and run.resolve() == work.resolve():
        return _curate_in_place(run, bound, chosen, progress)
    images = None if run else _find_images(source)
    if images and sample is not None:
        raise ConfigError(f"{source} is a folder of images, of which no sample is judged")
    rows = None if run or images else replace(_open(source, skip_broken, named), sample=sample)
    dataset = None if rows is None else check_dataset(rows)
    lock = render_yaml(_curate_lock(images or dataset, run, read_lock(source)))
    target = Destination(out, lock)
    with open_run(work, lock) as folder, chosen.open() as opened:
        if run:
            _copy_candidates(run, folder)
        elif images:
            _write_candidates(images, read_image_rows(images), folder, progress, beside=images.folder)
        elif dataset:
            beside = find_attachments(source)
            _write_candidates(dataset, read_candidates(dataset), folder, progress, beside=beside)
        batch = judge(folder, bound, progress, opened)
        write_piles(folder, bound.names)
        write_manifest(folder, batch.facts())
        target.send(folder)
    return replace(batch, address=target.address)


def _curate_in_place(run: Path, gates: Gates, chosen: ChosenEngine, progress: Progress) -> Batch:
    lock = (run / LOCK).read_bytes()
    with open_run(run, lock) as folder, chosen.open() as opened:
        batch = judge(folder, gates, progress, opened)
        write_piles(folder, gates.names)
        write_manifest(folder, batch.facts())
    return batch


def _run_folder(source: Any) -> Path | None:
    if isinstance(source, str | Path) and (Path(source) / LOCK).exists():
        run = Path(source)
        if not list_made(run / "candidates"):
            raise InputError(f"{run} is a run without candidates", mend="Run `synth-stack generate` first.")
        return run
    return None


def read_input(folder: Path) -> dict[str, Any] | None:
    """What INPUT of a judged folder says: `name`, `sha256`, `notices`, `columns`; None for rows of a run."""
    path = folder / INPUT
    if not path.exists():
        return None
    try:
        with store_errors(path):
            found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as exc:
        raise StoreError(f"{path} is not readable JSON: {exc}") from exc
    return found


def _find_images(source: Any) -> ImageFolder | None:
    if isinstance(source, str | Path) and is_image_folder(Path(source)):
        return open_image_folder(Path(source))
    return None


def _open(source: Any, skip_broken: bool, named: Mapping[str, str]) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if isinstance(source, str | Path):
        return open_dataset(source, skip_broken=skip_broken, named=named)
    if isinstance(source, dict):  # a Distiset or DatasetDict: configurations or splits by name
        if len(source) != 1:
            raise InputError(
                "a collection of several datasets is not one batch",
                seen=", ".join(map(str, source)),
                mend="Pass one of them.",
            )
        return _open(next(iter(source.values())), skip_broken, named)
    return open_records(source, name="records in memory", named=named)


def _curate_lock(
    dataset: Dataset | ImageFolder | None, run: Path | None, made_by: Mapping[str, Any]
) -> dict[str, Any]:
    """The lock of the batch; `made_by` is that of the run or pack that its rows come from."""
    source: dict[str, Any]
    if dataset is not None:
        source = {"name": dataset.name, "sha256": dataset.sha256}
        if isinstance(dataset, Dataset):
            source |= {"map": dict(dataset.named)} if dataset.named else {}
            source |= {} if dataset.sample is None else {"sample": dataset.sample}
    else:
        parts = [digest_file(part) for part in list_made((run or Path()) / "candidates")]
        source = {"name": RUN_SOURCE, "sha256": Digest(digest_json(parts))}
    read = {key: value for key, value in source.items() if key != "name"}
    identity = digest_json({"scheme": CURATE_SCHEME, **read})
    source |= inherit_terms(made_by)
    return {"scheme": CURATE_SCHEME, "identity": identity, "synth_stack": __version__, "source": source}


def _copy_candidates(run: Path, folder: Path) -> None:
    for damage in find_damage(run / "candidates" / DONE):
        raise StoreError(damage, mend="Type the command that made the run again: it makes that part anew.")
    for part in list_made(run / "candidates"):
        if not (folder / "candidates" / part.name).exists():
            keep_images(read_table(part, CANDIDATE_SCHEMA, ["attachments"]), run, folder)
            write_bytes(folder / "candidates" / part.name, part.read_bytes())
    commit_candidates(folder)


def _write_candidates(
    dataset: Dataset | ImageFolder,
    tables: Iterable[pa.Table],
    folder: Path,
    progress: Progress,
    *,
    beside: Path | None,
) -> None:
    """candidates/ and what was read; files that lie in the folder `beside` the rows are kept with them."""
    heal(folder / "candidates" / DONE)
    if (folder / "candidates" / DONE).exists():
        return
    advance = progress.begin("read", 0)
    for number, table in enumerate(tables):
        path = folder / "candidates" / f"part-{number:05d}.parquet"
        if not path.exists():
            if beside is not None:
                keep_images(table, beside, folder)
            write_table(path, table)
        advance(table.num_rows)
    noticed = dataset.list_notices() if isinstance(dataset, Dataset) else ()
    notices = [notice.to_json() for notice in noticed]
    told = {"name": dataset.name, "sha256": dataset.sha256, "notices": notices}
    if isinstance(dataset, Dataset):
        columns = dataset.columns.most_common(MAX_COLUMNS)
        told["columns"] = [{"column": c, "field": f, "rows": count} for (c, f), count in columns]
    if isinstance(dataset, Dataset) and len(dataset.parts) > 1:
        told["parts"] = [{"name": part.name, "rows": dataset.counted[part.name]} for part in dataset.parts]
    write_bytes(folder / INPUT, json.dumps(told, indent=1).encode("utf-8") + b"\n")
    commit_candidates(folder)


def write_piles(folder: Path, gates: Sequence[str]) -> None:
    """accepted/, rejected/ and held/: the rows themselves, those not accepted with what decided them."""
    for judged, decisions in read_decided(folder, gates):
        table, verdicts, shard = judged.candidates, judged.verdicts, judged.shard
        rows = pl.DataFrame(table).hstack(pl.DataFrame(decisions).drop("row_id", "source_id"))
        scores = pl.DataFrame(pa.concat_tables(verdicts)).filter(pl.col("outcome").is_in(["reject", "hold"]))
        scores = scores.select("row_id", "gate", "score", "threshold", "evidence")
        accepted = rows.filter(pl.col("decision") == "accepted").select(table.schema.names)
        write_table(folder / "accepted" / shard.name, accepted.to_arrow().cast(table.schema))
        for pile in ("rejected", "held"):
            chosen = rows.filter(pl.col("decision") == pile).drop("decision")
            chosen = chosen.join(scores, on=["row_id", "gate"], how="left", maintain_order="left")
            if chosen.height or pile == "rejected":
                write_table(folder / pile / shard.name, chosen.to_arrow())
