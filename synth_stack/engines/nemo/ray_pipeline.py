"""NeMo pipelines over shards, one after the other on one connection to Ray.

NeMo's own RayDataExecutor disconnects after each pipeline, and with the connection go the worker processes
and the models in them: 5 to 7 seconds for every step of every gate.
"""

import logging
from collections.abc import Callable, Sequence

import ray
from loguru import logger
from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.ray_data.adapter import RayDataStageAdapter
from nemo_curator.backends.utils import register_loguru_serializer
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import FileGroupTask
from nemo_curator.tasks import Task as NemoTask

from synth_stack.engines.nemo.shard_stage import ANSWER, ShardStage, describe
from synth_stack.engines.tasks import Answer, Task
from synth_stack.errors import GateError

Hear = Callable[[FileGroupTask], None]


class ConnectedExecutor(BaseExecutor):  # type: ignore[misc]
    """NeMo's stages on Ray Data as its RayDataExecutor runs them, on the connection that this process has.

    `hear` is told of every task when it is done, in the order in which they are.
    """

    def __init__(self, hear: Hear) -> None:
        super().__init__()
        self._hear = hear

    def execute(
        self, stages: list[ProcessingStage], initial_tasks: list[NemoTask] | None = None
    ) -> list[NemoTask]:
        """The tasks that are done. Raises what `hear` raises, and Ray's own errors."""
        register_loguru_serializer()
        context = ray.data.DataContext.get_current()
        context.enable_fallback_to_arrow_object_ext_type = True
        context.enable_progress_bars = False
        tasks = initial_tasks or []
        dataset = ray.data.from_items(tasks, override_num_blocks=len(tasks))
        for stage in stages:
            dataset = RayDataStageAdapter(stage).process_dataset(dataset)
        done = []
        for row in dataset.iter_rows():
            self._hear(row["item"])
            done.append(row["item"])
        return done


def run_tasks(tasks: Sequence[Task], hear: Callable[[Answer], None], gpus: float) -> None:
    """One NeMo pipeline over the tasks; `hear` has the answer of each.

    Raises what `hear` raises, GateError for tasks whose workers died.
    """
    logger.disable("nemo_curator")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    stage = ShardStage(resources=Resources(cpus=1.0, gpus=gpus))
    executor = ConnectedExecutor(lambda task: hear(task._metadata[ANSWER]))
    try:
        Pipeline("synth_stack", stages=[stage]).run(
            executor, initial_tasks=[describe(task) for task in tasks]
        )
    except ray.exceptions.RayError as exc:
        raise GateError(
            f"gate {tasks[0]['spec']['gate']}: Ray has lost its workers",
            seen=_first_line(exc),
            mend="Run the same command again: it goes on at the shards that are not judged.",
        ) from exc


def _first_line(exc: BaseException) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0] if lines else type(exc).__name__
