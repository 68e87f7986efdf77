"""One step of a gate on shards as a datatrove pipeline: a rank is a shard, and its answer is a file.

    job = write_job(folder, spec, step, shards)      here
    JudgeShard(job) in the pipeline of an executor   anywhere that sees the folder
    job.read_answer(rank)                            here

datatrove takes a rank for done that an earlier pipeline in the same logging folder has done, whatever it was
about. A job therefore has a folder of its own, named by a digest of all that it is about, and what a rank has
to leave is looked for where it has to be: no mark of datatrove is believed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from datatrove.pipeline.base import PipelineStep

from synth_stack.engines.engine import Spec, Step
from synth_stack.engines.tasks import Answer, Task, answer_task, describe_task
from synth_stack.errors import StoreError
from synth_stack.files import read_arrow, store_errors, write_arrow, write_bytes
from synth_stack.rows.canonical import digest_json
from synth_stack.runs.folder import Shard, remove_folder

JOBS = ".datatrove"
"""In the run folder, hidden: where jobs lie until they are done."""
ATTEMPTS = 3
"""Deaths of a process on the same rank before it is the shard's fault."""
_SHARDS = "shards.arrow"
_TASK = "task.json"
_ANSWERS = "answers"

_SHARD_SCHEMA = pa.schema({"name": pa.string(), "parts": pa.list_(pa.string()), "rows": pa.int64()})


@dataclass(frozen=True, slots=True)
class ShardJob:
    """A job: its folder, and how many ranks it has."""

    folder: Path
    ranks: int

    @property
    def logs(self) -> Path:
        """The logging folder of its executor."""
        return self.folder / "logs"

    def read_task(self, rank: int) -> Task:
        """What a rank has to do."""
        with store_errors(self.folder / _TASK):
            task: dict[str, Any] = orjson.loads((self.folder / _TASK).read_bytes())
        [shard] = read_arrow(self.folder / _SHARDS).slice(rank, 1).to_pylist()
        return {**task, "shard": shard}

    def list_answered(self) -> set[int]:
        """The ranks that have answered."""
        return {int(path.stem) for path in (self.folder / _ANSWERS).glob("*.json")}

    def read_answer(self, rank: int) -> Answer:
        """What a rank answered."""
        path = self._find_answer(rank)
        try:
            with store_errors(path):
                answer: Answer = orjson.loads(path.read_bytes())
        except ValueError as exc:
            raise StoreError(f"{path} is not readable JSON: {exc}") from exc
        return answer

    def write_answer(self, rank: int, answer: Answer) -> None:
        """Leave what a rank answered."""
        write_bytes(self._find_answer(rank), orjson.dumps(answer))

    def _find_answer(self, rank: int) -> Path:
        return self.folder / _ANSWERS / f"{rank:06d}.json"


def write_job(spec: Spec, step: Step, shards: Sequence[Shard]) -> ShardJob:
    """The job of a step on shards, in the run folder, without the answers of an earlier try."""
    tasks = [describe_task(spec, step, shard) for shard in shards]
    sizes = [[part.stat().st_size for part in shard.parts] for shard in shards]
    key = digest_json({"tasks": tasks, "sizes": sizes})
    job = ShardJob(Path(spec.folder) / JOBS / f"{spec.gate}-{step.do}-{step.round}-{key[:16]}", len(tasks))
    remove_folder(job.folder)
    write_arrow(job.folder / _SHARDS, pa.Table.from_pylist([t["shard"] for t in tasks], _SHARD_SCHEMA))
    write_bytes(job.folder / _TASK, orjson.dumps({k: v for k, v in tasks[0].items() if k != "shard"}))
    (job.folder / _ANSWERS).mkdir()
    return job


def remove_job(job: ShardJob) -> None:
    """Remove what a job has left, and the folder of jobs with the last one."""
    remove_folder(job.folder)
    if not any(job.folder.parent.iterdir()):
        job.folder.parent.rmdir()


class JudgeShard(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """The task of a rank, as a step of a datatrove pipeline. Rows stay in the files of the run folder."""

    type = "🔻 - GATE"
    name = "synth_stack"

    def __init__(self, job: ShardJob, give_answer: Callable[[Task], Answer] = answer_task) -> None:
        super().__init__()
        self.job = job
        self.answer: Answer | None = None
        self._give_answer = give_answer

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Yields what it was given: nothing, where it stands first."""
        with self.track_time("shard"):
            self.answer = answer = self._give_answer(self.job.read_task(rank))
            self.job.write_answer(rank, answer)
        self.stat_update("rows", value=answer.get("rows", 0))
        self.stat_update("errors", value=int("error" in answer))
        yield from data or ()
