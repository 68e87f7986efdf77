"""Prompts of several batches as one call of an engine that schedules whatever it is given by itself."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

Job = tuple[Any, Any]
"""A prompt, and the parameters that it is to be sampled with."""

Call = Callable[[list[Any], list[Any]], Sequence[Any]]


class EngineQueue:
    """All prompts that wait when the engine is free go into its next call.

    An engine is called by one thread at a time, whichever waits for an answer.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._waiting: list[tuple[Job, Future[Any]]] = []
        self._gate = threading.Lock()
        self._engine = threading.Lock()

    def ask(self, jobs: Sequence[Job]) -> list[Any]:
        """What the engine says to each, in their order; a ValueError stands in the place of a refused one.

        Many threads may wait here at a time. Raises what else the engine raises.
        """
        futures: list[Future[Any]] = [Future() for _ in jobs]
        with self._gate:
            self._waiting += zip(jobs, futures, strict=True)
        with self._engine:  # whoever gets it answers all that wait by then, its own among them
            with self._gate:
                taken, self._waiting = self._waiting, []
            self._answer(taken)
        return [future.result() for future in futures]

    def _answer(self, taken: list[tuple[Job, Future[Any]]]) -> None:
        if not taken:
            return
        prompts, params = [job[0] for job, _ in taken], [job[1] for job, _ in taken]
        try:
            said = self._call(prompts, params)
        except ValueError as exc:
            if len(taken) == 1:
                taken[0][1].set_result(exc)
                return
            # the engine takes all or nothing: the one that it refuses is looked for in halves
            self._answer(taken[: len(taken) // 2])
            self._answer(taken[len(taken) // 2 :])
        except BaseException as exc:
            for _, future in taken:
                future.set_exception(exc)
            if not isinstance(exc, Exception):
                raise
        else:
            for (_, future), output in zip(taken, said, strict=True):
                future.set_result(output)
