"""Jobs by datatrove's Ray executor, in the process that is connected to Ray (ray_connection.py).

A task of that executor forks a pool, which waits for ever for a rank whose process was killed. What a rank
has to do is therefore done in a process below it: one that is killed, for its memory as a rule, is found out.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from datatrove.executor.ray import RayPipelineExecutor
from datatrove.utils.logging import logger

from synth_stack.engines.datatrove.shard_job import ATTEMPTS, JudgeShard, ShardJob
from synth_stack.engines.tasks import Answer, Task, describe_error
from synth_stack.engines.worker import Crew
from synth_stack.errors import SynthStackError

logger.remove()  # what a rank logs stands in the job's folder


def run(asked: Mapping[str, Any], hear: Callable[[Answer], None]) -> None:
    """Every rank of the job in `folder`, as many at a time and with as much as `options` say. Answers are
    files of the job, and `hear` has none.
    """
    job = ShardJob(Path(asked["folder"]), asked["ranks"])
    step = JudgeShard(job, answer_apart)
    RayPipelineExecutor(
        [step], tasks=job.ranks, logging_dir=str(job.logs), skip_completed=False, **asked["options"]
    ).run()


def answer_apart(task: Task) -> Answer:
    """The answer to a task by a process of its own, started again where it dies."""
    rows: list[int] = []
    try:
        with closing(Crew(1, attempts=ATTEMPTS)) as crew:
            crew.map_tasks([lambda: task], task["spec"]["gate"], rows.append)
    except SynthStackError as exc:
        return describe_error(exc)
    return {"rows": rows[0]}
