"""NeMo pipelines over shards, one after the other on the connection to Ray that this process has.

NeMo's own RayDataExecutor disconnects after each pipeline, and with the connection go the worker processes
and the models in them: 5 to 7 seconds for every step of every gate.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from synth_stack.engines.tasks import Answer

Hear = Callable[[FileGroupTask], None]

logger.disable("nemo_curator")
logging.getLogger("ray.data").setLevel(logging.CRITICAL)


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


class _ShardFailed(Exception):
    """A shard's answer is an error: the others need not be done."""


def run(asked: Mapping[str, Any], hear: Callable[["Answer"], None]) -> None:
    """One NeMo pipeline over `tasks`, each with a share of `gpus`; `hear` has the answer of each, up to the
    first that is an error.

    Raises RayError for tasks whose workers died.
    """

    def pass_on(task: FileGroupTask) -> None:
        answer = task._metadata[ANSWER]
        hear(answer)
        if "error" in answer:
            raise _ShardFailed

    stage = ShardStage(resources=Resources(cpus=1.0, gpus=asked["gpus"]))
    with contextlib.suppress(_ShardFailed):
        Pipeline("synth_stack", stages=[stage]).run(
            ConnectedExecutor(pass_on), initial_tasks=[describe(task) for task in asked["tasks"]]
        )
