"""A whole gate file as a workflow of NeMo Curator, for its runner and for a NeMo user's own program.

    workflow:
      - _target_: synth_stack.workflows.nemo_workflow.CurateWorkflow
        source: ${input_path}
        gates: gates.yaml
        out: ${output_path}
        kept: ${kept_path}

Every gate is there, those that compare rows with one another too, and what it says is what `synth-stack
curate` says of the same rows. With `kept`, NeMo Curator's own removal workflow then writes the records of the
source that are accepted, with every column that they have.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline.workflow import WorkflowBase, WorkflowRunResult
from nemo_curator.stages.text.deduplication.removal_workflow import TextDuplicatesRemovalWorkflow

from synth_stack.errors import ConfigError
from synth_stack.runs.judged import DECISIONS
from synth_stack.workflows.curate import curate

REMOVED = "ids.parquet"


class CurateWorkflow(WorkflowBase):  # type: ignore[misc]
    """`synth-stack curate` on the Ray that the runner has started, and removal by NeMo Curator.

    `map` is that of `curate`. `kept` is a folder for the records that are accepted, as they stand in `source`
    (a .jsonl or .parquet file, or a folder of them). Beside it `<kept>.removed/ids.parquet` has the ids of
    the others, also of those of which a gate made a redacted copy. Records are told apart by the column `id`,
    or the one that `map` names for it: each has its own. What an earlier run has left in `kept` is replaced.
    """

    def __init__(
        self,
        source: str,
        gates: str,
        out: str,
        map: Mapping[str, str] | None = None,  # noqa: A002  (the name of the option)
        kept: str | None = None,
    ) -> None:
        self.source, self.gates, self.out, self.kept = source, gates, out, kept
        self.map = None if map is None else {**map}

    def run(self, executor: BaseExecutor | None = None) -> WorkflowRunResult:
        """The counts of the batch as metadata, and where its folder is.

        The gates run on the Ray that RAY_ADDRESS names, as NeMo's runner sets it, or on one of their own;
        `executor` is used for the removal alone, for the connection of the gates stays from one step to the
        next (engines/nemo); without one it is NeMo Curator's RayDataExecutor, since its own default, Xenna,
        gives up on a machine of few cores. Raises what `curate` raises, and ConfigError where `kept` is given
        and is no folder of its own, or the records cannot be told apart.
        """
        read = None
        if self.kept is not None:
            _require_own_folder(self.kept, [self.source, self.out])
            read = _read_form(self.source, self._id_field)
        engine: dict[str, Any] = {"use": "nemo"}
        if os.environ.get("RAY_ADDRESS"):
            engine["address"] = "auto"
        batch = curate(self.source, self.gates, self.out, map=self.map, engine=engine)
        result = WorkflowRunResult("synth_stack")
        result.extend_metadata({"folder": str(batch.folder), **batch.figures.counts()})
        if read is not None:
            form, kind = read
            removed = _write_removed(batch.folder, _name_removed(Path(str(self.kept))), kind)
            if Path(str(self.kept)).is_dir():
                shutil.rmtree(str(self.kept))
            self._remove(removed, form, executor or RayDataExecutor())
        return result

    @property
    def _id_field(self) -> str:
        return (self.map or {}).get("id", "id")

    def _remove(self, removed: Path, form: str, executor: BaseExecutor) -> None:
        TextDuplicatesRemovalWorkflow(
            input_path=self.source,
            ids_to_remove_path=str(removed),
            output_path=self.kept,
            input_filetype=form,
            id_field=self._id_field,
            output_filetype=form,
            output_kwargs={"index": False} if form == "parquet" else None,  # pandas' own numbers of rows
        ).run(executor)


def _read_form(source: str, field: str) -> tuple[str, pl.DataType]:
    """What NeMo Curator's readers call the files of the source, and the type of the ids in them.

    Raises ConfigError for files of another form, and records without that field.
    """
    path = Path(source)
    names = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    forms = {{".jsonl": "jsonl", ".parquet": "parquet"}.get(name.suffix) for name in names}
    if len(forms) != 1 or (form := forms.pop()) is None:
        raise ConfigError(
            "CurateWorkflow: kept is written from the files of the source by NeMo Curator",
            seen=", ".join(name.name for name in names[:3]) or path.name,
            allowed="a .jsonl or .parquet file, or a folder of one of them",
        )
    try:
        return form, _find_kind(names, form, field)
    except pl.exceptions.PolarsError as exc:
        raise ConfigError(
            "CurateWorkflow: the ids of the records are no column of one type",
            seen=str(exc).splitlines()[0],
            mend="Give every record an id of one type, or leave kept out.",
        ) from exc


def _find_kind(names: list[Path], form: str, field: str) -> pl.DataType:
    """The type of the ids. Raises ConfigError where there are none, or two records have the same."""
    frame = pl.scan_parquet(names) if form == "parquet" else pl.scan_ndjson(names, infer_schema_length=1)
    schema = frame.collect_schema()
    if field not in schema:
        raise ConfigError(
            "CurateWorkflow: the records have no id by which NeMo Curator could remove them",
            seen=", ".join(schema.names()),
            mend="Name the column in map: {id: ...}.",
        )
    ids = frame if form == "parquet" else pl.scan_ndjson(names, schema={field: schema[field]})
    counts = ids.group_by(field).len().filter((pl.col("len") > 1) | pl.col(field).is_null())
    unclear = counts.sort(field).head(3).collect()
    if len(unclear):
        raise ConfigError(
            "CurateWorkflow: records that share an id, or have none, cannot be removed one by one",
            seen=", ".join(f"{name} ({count} times)" for name, count in unclear.iter_rows()),
            mend="Give each record an id of its own, or leave kept out.",
        )
    return schema[field]


def _name_removed(kept: Path) -> Path:
    return kept.with_name(f"{kept.name}.removed")


def _require_own_folder(kept: str, others: Sequence[str]) -> None:
    """Raises ConfigError unless the folder is apart from the others, and empty or left by an earlier run."""
    home = Path(kept).resolve()
    apart = [Path(other).resolve() for other in others if "://" not in other]
    if "://" in kept or any(each.is_relative_to(home) or home.is_relative_to(each) for each in apart):
        raise ConfigError(
            "CurateWorkflow: kept is a folder of its own on this machine",
            seen=kept,
            allowed="a folder that neither holds the source and out nor lies in them",
        )
    free = not home.exists() or (home.is_dir() and not any(home.iterdir()))
    if not free and not (_name_removed(home) / REMOVED).is_file():
        raise ConfigError(
            "CurateWorkflow: kept is there already, and no earlier run has left it",
            seen=kept,
            mend="Name another folder.",
        )


def _write_removed(folder: Path, home: Path, kind: pl.DataType) -> Path:
    """The ids of the records that are not accepted, sorted; what was there before is replaced."""
    decided = pl.read_parquet(folder / DECISIONS, columns=["source_id", "decision"])
    away = decided.filter(pl.col("decision") != "accepted").select(id=pl.col("source_id").cast(kind))
    home.mkdir(parents=True, exist_ok=True)
    away.unique().sort("id").write_parquet(home / REMOVED)
    return home / REMOVED
