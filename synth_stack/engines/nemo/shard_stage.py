"""Steps of our gates as a stage of NeMo Curator: one task is one shard of a run folder."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nemo_curator.backends.utils import RayStageSpecKeys
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import FileGroupTask

if TYPE_CHECKING:
    from synth_stack.engines.tasks import Answer, Task

TASK, ANSWER = "synth_stack_task", "synth_stack_answer"
"""In the metadata of a NeMo task: a step on a shard as plain JSON (tasks.py), and what came of it."""

_RETRIES = 2
"""Of a shard whose worker died; Ray Data's own default is to try for ever, and a gate may kill its worker."""


@dataclass
class ShardStage(ProcessingStage[FileGroupTask, FileGroupTask]):  # type: ignore[misc]
    """Does the step that each task describes, on the files of the shard that it names.

    It keeps no state: a worker process has its gate from tasks.py, so NeMo needs no actor for it, and the
    same processes serve one step after the other.
    """

    name: str = "synth_stack_shards"
    resources: Resources = field(default_factory=lambda: Resources(cpus=1.0))
    batch_size: int = 1

    def inputs(self) -> tuple[list[str], list[str]]:
        """A task has files."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """And so has its answer."""
        return ["data"], []

    def ray_stage_spec(self) -> dict[str, Any]:
        """What Ray Data is told beside the resources."""
        return {RayStageSpecKeys.RAY_REMOTE_ARGS: {"max_retries": _RETRIES}}

    def process(self, task: FileGroupTask) -> FileGroupTask:
        """The task with the answer in its metadata."""
        answer = _answer(task._metadata[TASK])
        return FileGroupTask(
            dataset_name=task.dataset_name,
            data=list(task.data),
            _metadata={ANSWER: dict(answer)},
            _stage_perf=task._stage_perf,
        )


def _answer(task: "Task") -> "Answer":
    """What came of a step; of what a library raises, its kind and words: Ray would put them among its own."""
    from synth_stack.engines.tasks import answer_task  # and every gate: in a worker alone

    try:
        return answer_task(task)
    except Exception as exc:  # noqa: BLE001  (raised by read_answer where the run is led)
        details = {
            "seen": f"{type(exc).__name__}: {exc}",
            "allowed": None,
            "mend": "Run the same command again: it goes on at the shards that are not judged.",
        }
        what = f"a worker of gate {task['spec']['gate']} failed"
        return {"error": "GateError", "what": what, "details": details}


def describe(task: "Task") -> FileGroupTask:
    """A step on a shard as NeMo's task."""
    shard = task["shard"]
    return FileGroupTask(dataset_name="candidates", data=list(shard["parts"]), _metadata={TASK: dict(task)})
