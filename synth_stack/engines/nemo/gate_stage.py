"""One of our gates as a stage of a NeMo user's own pipeline, in one line.

    pipeline.add_stage(GateStage(gate="toxicity"))

A stage sees one batch of documents at a time. A gate that judges row by row says of each document what it
says of it anywhere. One that compares rows with one another has only the batch to compare with: for the same
decisions as `synth-stack curate`, run the workflow in workflows/nemo_workflow.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from nemo_curator.backends.base import WorkerMetadata
from nemo_curator.backends.utils import RayStageSpecKeys
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import DocumentBatch

from synth_stack.engines.batch import JudgedBatch, judge_batch
from synth_stack.errors import ConfigError
from synth_stack.files import write_table
from synth_stack.gates.gate import Judge, Late
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.columns import check_map
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.registry import bind, find_entry
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA

_SAID = ("outcome", "score", "reason", "evidence")
"""What of a verdict is put into the columns of a batch."""


@dataclass
class GateStage(ProcessingStage[DocumentBatch, DocumentBatch]):  # type: ignore[misc]
    """A batch of documents without those that a gate rejects or holds.

    `gate` and `params` are as in a gate file (docs/gates.md), and `load` names modules with gates of other
    authors. The gate reads the column `text_field`, or with `fields` the columns of questions and answers
    (`{prompt: question, answer: reply}`, docs/curate.md). A row that the gate replaces (a redacted copy)
    stays, with the new text in its column.

    What is turned away is written to `rejects_path`, where one is named, as Parquet with the verdict beside
    the document; with `keep_rejected` it stays in the batch, and the columns `<gate>_outcome`, `_score`,
    `_reason` and `_evidence` say what the gate said of each document.

    `by_batch` allows a gate that compares rows with one another: each batch is then judged as if there were
    no other, so what it says depends on how the data is cut. Without it, what a gate says of whole slices
    once all rows are judged is not said, for no stage sees a whole slice.
    """

    gate: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    text_field: str = "text"
    fields: Mapping[str, str] | None = None
    load: list[str] = field(default_factory=list)
    by_batch: bool = False
    keep_rejected: bool = False
    rejects_path: str | None = None
    name: str = ""
    resources: Resources = field(default_factory=lambda: Resources(cpus=1.0))
    batch_size: int = 1

    def __post_init__(self) -> None:
        """Raises ConfigError for a gate or parameters that there are not: before anything runs."""
        self.params = _to_plain(self.params)
        self.fields = None if self.fields is None else _to_plain(self.fields)
        self.load = _to_plain(self.load)
        load_extensions(self.load)
        bind("gate", self.gate, self.params, where=f"GateStage {self.gate}")
        check_map(self._map())
        self.name = self.name or f"gate_{self.gate}"

    def inputs(self) -> tuple[list[str], list[str]]:
        """The columns that are read."""
        return ["data"], list(self._map().values())

    def outputs(self) -> tuple[list[str], list[str]]:
        """The columns that are there afterwards beside those of the batch."""
        return ["data"], [f"{self.gate}_{said}" for said in _SAID] if self.keep_rejected else []

    def ray_stage_spec(self) -> dict[str, Any]:
        """Ray Data runs the stage as tasks: actors would each keep a core, and with more of them than cores
        NeMo's pipeline waits for ever.
        """
        return {RayStageSpecKeys.IS_ACTOR_STAGE: False}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Loads the gate's models where an executor asks for it before the first batch."""
        self._load_gate()

    def process(self, task: DocumentBatch) -> DocumentBatch:
        """The batch without what the gate turns away."""
        frame = task.to_pandas().reset_index(drop=True)
        if len(frame):
            judge, late = self._load_gate()
            batch = judge_batch(self.gate, judge, late if self.by_batch else None, self._read(frame))
            frame = self._split(frame, batch, task)
        return DocumentBatch(
            dataset_name=task.dataset_name,
            data=frame,
            _metadata=task._metadata,
            _stage_perf=task._stage_perf,
        )

    def _load_gate(self) -> tuple[Judge, Late | None]:
        judge, late = _load(self.gate, canonical_text(self.params), tuple(self.load))
        if judge.rounds and not self.by_batch:
            raise ConfigError(
                f"gate {self.gate} compares the rows of a batch with one another",
                mend="Run it in CurateWorkflow, or set by_batch: true to judge each batch by itself.",
            )
        return judge, late

    def _map(self) -> dict[str, str]:
        return dict(self.fields) if self.fields else {"text": self.text_field}

    def _read(self, frame: pd.DataFrame) -> pa.Table:
        """The documents as candidate rows, one for each, in order."""
        records = pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
        tables = read_candidates(open_records(records, name="batch", named=self._map()))
        return pa.concat_tables([CANDIDATE_SCHEMA.empty_table(), *tables]).combine_chunks()

    def _split(self, frame: pd.DataFrame, batch: JudgedBatch, task: DocumentBatch) -> pd.DataFrame:
        verdicts = batch.verdicts
        away = pc.is_in(verdicts["outcome"], value_set=pa.array(["reject", "hold"])).to_numpy()
        said = {f"{self.gate}_{column}": verdicts[column].to_pylist() for column in _SAID}
        told = frame.assign(**said)
        for row, copy in batch.replaced.items():
            if self._replace(frame, row, copy):
                told.loc[row, list(self._map().values())] = frame.loc[row, list(self._map().values())]
                away[row] = False
        if self.rejects_path is not None and away.any():
            rejects = pa.Table.from_pandas(told[away], preserve_index=False)
            write_table(Path(self.rejects_path) / f"{self.name}-{task.task_id}.parquet", rejects)
        return told if self.keep_rejected else frame[~away].reset_index(drop=True)

    def _replace(self, frame: pd.DataFrame, row: int, copy: Mapping[str, Any]) -> bool:
        """Puts the texts of a replaced row into its columns; whether they all have one."""
        texts = {"text": copy["text"]}
        for role, name in (("user", "prompt"), ("assistant", "answer")):
            spoken = [said["content"] for said in copy["messages"] if said["role"] == role]
            if len(spoken) == 1:
                texts[name] = spoken[0]
        named = self._map()
        if not set(named) <= set(texts):
            return False
        for name, column in named.items():
            frame.loc[row, column] = texts[name]
        return True


@lru_cache(maxsize=8)
def _load(gate: str, params: str, load: tuple[str, ...]) -> tuple[Judge, Late | None]:
    """The gate and what it says late, once in each process: its models may be large."""
    load_extensions(load)
    bound = bind("gate", gate, orjson.loads(params), where=f"GateStage {gate}")
    judge: Judge = bound.make(*([NoResources()] if bound.takes else []))
    if judge.alone is not None:
        raise ConfigError(f"gate {gate} cannot be a stage", seen=judge.alone)
    late = find_entry("gate", gate, where=f"GateStage {gate}").late
    return judge, late(bound.params) if late else None


def _to_plain(found: Any) -> Any:
    """The mappings and lists that Hydra makes of a file as dicts and lists."""
    if isinstance(found, Mapping):
        return {str(key): _to_plain(value) for key, value in found.items()}
    if isinstance(found, Sequence) and not isinstance(found, str):
        return [_to_plain(value) for value in found]
    return found
