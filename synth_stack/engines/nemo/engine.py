"""The engine `nemo`: every step is a pipeline of NeMo Curator over the shards, on Ray.

Ray is of our own on this machine (ray_head.py) and stays from the first step to the last, or a cluster that
the user names. Nothing of NeMo or Ray is imported here: a process of its own talks to them (ray_driver.py).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Annotated

from pydantic import Field

from synth_stack.engines.engine import Advance, Step, Work, perform_here
from synth_stack.engines.ray_driver import RayDriver, connect_to, start_ray
from synth_stack.engines.ray_head import listens
from synth_stack.engines.tasks import describe_task, read_answer
from synth_stack.engines.worker import ONE_THREAD, find_import_path
from synth_stack.errors import ConfigError, GateError
from synth_stack.host import count_cores
from synth_stack.registry import engine
from synth_stack.runs.folder import Shard
from synth_stack.watcher import watch

RUNNER = "synth_stack.engines.nemo.ray_pipeline"


class NemoEngine:
    """Runs steps as NeMo pipelines; Ray starts with the first of them."""

    def __init__(self, workers: int, address: str | None, gpus: float) -> None:
        self._workers, self._address, self._gpus = workers, address, gpus
        self._open = contextlib.ExitStack()
        self._driver: RayDriver | None = None

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Do one step on every shard. Raises what the gate raised, GateError for workers that died."""
        if step.do in {"count", "hold"}:  # no text and no model: sending them costs more than doing them
            perform_here(work, step, shards, advance)
            return
        if self._driver is None:
            self._driver = self._open.enter_context(
                _connect(self._address) if self._address else self._start()
            )
        tasks = [describe_task(work.spec, step, shard) for shard in shards]
        asked = {"tasks": tasks, "gpus": self._gpus}
        self._driver.ask(asked, work.spec.gate, lambda answer: advance(read_answer(answer)))

    def _start(self) -> contextlib.AbstractContextManager[RayDriver]:
        return start_ray(self._workers, RUNNER, {**ONE_THREAD, "PYTHONPATH": find_import_path()}, "nemo")

    def close(self) -> None:
        """Disconnect, and end the Ray that was started."""
        self._driver = None
        self._open.close()


@contextlib.contextmanager
def _connect(address: str) -> Iterator[RayDriver]:
    """A driver on a cluster of the user's, with the token that Ray finds for it as usual."""
    found = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    with contextlib.ExitStack() as stack:
        try:
            if found and not listens(found):
                raise GateError("no Ray", seen="nothing answers there")
            env = {**stack.enter_context(watch("nemo")).env, "PYTHONPATH": find_import_path()}
            driver = stack.enter_context(connect_to(address, RUNNER, env))
        except GateError as exc:
            raise GateError(
                "engine nemo: there is no Ray that can be reached at this address",
                seen=f"{found or address}: {exc.seen}",
                mend="Check address, RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH, or leave address out.",
            ) from exc
        yield driver


@engine("nemo", version=f"nemo-curator {version('nemo-curator')}")
@contextlib.contextmanager
def open_nemo(
    *,
    workers: Annotated[int, Field(ge=1)] | None = None,
    address: str | None = None,
    gpus: Annotated[float, Field(ge=0)] = 0.0,
) -> Iterator[NemoEngine]:
    """NeMo Curator on a Ray of its own with `workers` processes (by default one a core), or on the cluster at
    `address` ("host:port", or "auto" for the one that RAY_ADDRESS names).

    `gpus` is the share of a GPU that each worker is given; Ray hides the others from it, and with 0 all of
    them. Raises ConfigError for `workers` beside an `address`, whose cluster has its own.
    """
    if workers is not None and address is not None:
        raise ConfigError(
            "engine nemo: a cluster has its own workers", seen=f"workers={workers}, address={address}"
        )
    nemo = NemoEngine(workers or count_cores(), address, gpus)
    try:
        yield nemo
    finally:
        nemo.close()
