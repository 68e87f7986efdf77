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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from nemo_curator.backends.base import BaseExecutor
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
    or the one that `map` names for it.
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
        next (engines/nemo). Raises what `curate` raises, and ConfigError where `kept` is given and the
        records cannot be told apart.
        """
        read = None if self.kept is None else _read_form(self.source, self._id_field)
        engine: dict[str, Any] = {"use": "nemo"}
        if os.environ.get("RAY_ADDRESS"):
            engine["address"] = "auto"
        batch = curate(self.source, self.gates, self.out, map=self.map, engine=engine)
        result = WorkflowRunResult("synth_stack")
        result.extend_metadata({"folder": str(batch.folder), **batch.figures.counts()})
        if read is not None:
            form, kind = read
            self._remove(_write_removed(batch.folder, Path(f"{self.kept}.removed"), kind), form, executor)
        return result

    @property
    def _id_field(self) -> str:
        return (self.map or {}).get("id", "id")

    def _remove(self, removed: Path, form: str, executor: BaseExecutor | None) -> None:
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
    frame = pl.scan_parquet(names) if form == "parquet" else pl.scan_ndjson(names, infer_schema_length=1)
    schema = frame.collect_schema()
    if field not in schema:
        raise ConfigError(
            "CurateWorkflow: the records have no id by which NeMo Curator could remove them",
            seen=", ".join(schema.names()),
            mend="Name the column in map: {id: ...}.",
        )
    return form, schema[field]


def _write_removed(folder: Path, home: Path, kind: pl.DataType) -> Path:
    """The ids of the records that are not accepted, sorted; what was there before is replaced."""
    decided = pl.read_parquet(folder / DECISIONS, columns=["source_id", "decision"])
    away = decided.filter(pl.col("decision") != "accepted").select(id=pl.col("source_id").cast(kind))
    home.mkdir(parents=True, exist_ok=True)
    away.unique().sort("id").write_parquet(home / REMOVED)
    return home / REMOVED
