"""NeMo pipelines over shards, one after the other on one connection to Ray, in a process of their own.

NeMo's own RayDataExecutor disconnects after each pipeline, and with the connection go the worker processes
and the models in them: 5 to 7 seconds for every step of every gate.

    python -m synth_stack.engines.nemo.ray_pipeline ADDRESS

is asked by ray_driver.py: a line of JSON for each pipeline, `tasks` and `gpus`; it answers `connected` or
`refused` first, and then for each pipeline a line for each `answer` and `done`, or what was `lost`.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
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

from synth_stack.engines.nemo.ray_head import listens
from synth_stack.engines.nemo.shard_stage import ANSWER, ShardStage, describe
from synth_stack.engines.tasks import Answer, Task

_LOOK_S = 0.1
_SAID_CHARS = 300
"""Of what Ray says when it refuses: which versions differ, say."""

Hear = Callable[[FileGroupTask], None]
Say = Callable[[dict[str, Any]], None]


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


def run_tasks(tasks: Sequence[Task], gpus: float, hear: Callable[[Answer], None]) -> None:
    """One NeMo pipeline over the tasks; `hear` has the answer of each, up to the first that is an error.

    Raises RayError for tasks whose workers died.
    """

    def pass_on(task: FileGroupTask) -> None:
        answer = task._metadata[ANSWER]
        hear(answer)
        if "error" in answer:
            raise _ShardFailed

    stage = ShardStage(resources=Resources(cpus=1.0, gpus=gpus))
    with contextlib.suppress(_ShardFailed):
        Pipeline("synth_stack", stages=[stage]).run(
            ConnectedExecutor(pass_on), initial_tasks=[describe(task) for task in tasks]
        )


def connect(address: str) -> None:
    """Connects this process once something listens at the address. Raises what Ray raises."""
    known = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    while known and not listens(known):
        time.sleep(_LOOK_S)
    ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)


def main(address: str, say: Say) -> None:
    """Answers every line of standard input, until it ends."""
    logger.disable("nemo_curator")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        connect(address)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        say({"refused": " ".join(_list_lines(exc))[:_SAID_CHARS]})
        return
    say({"connected": True})
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        try:
            run_tasks(asked["tasks"], asked["gpus"], lambda answer: say({"answer": answer}))
        except ray.exceptions.RayError as exc:
            say({"lost": _list_lines(exc)[0]})
        else:
            say({"done": True})
    ray.shutdown()


def _list_lines(exc: BaseException) -> list[str]:
    return [line.strip() for line in str(exc).splitlines() if line.strip()] or [type(exc).__name__]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints must not stand among the answers

        def write_line(said: dict[str, Any]) -> None:
            answers.write(orjson.dumps(said) + b"\n")
            answers.flush()

        main(sys.argv[1], write_line)
