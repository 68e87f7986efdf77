"""The reference engine: one shard in memory at a time, in this process or in a worker process a core.

Small batches are judged here. From `APART_ROWS` on workers are started, and stay for all gates of a run.
"""

import contextlib
from collections.abc import Iterator, Sequence

from synth_stack.engines.engine import Advance, Step, Work, perform
from synth_stack.engines.worker import Crew, count_cores
from synth_stack.runs.folder import Shard, read_state

APART_ROWS = 30_000
"""From so many rows on a step works in several processes: each takes one to four seconds to start."""


class LocalEngine:
    """Runs steps on this machine; `close` ends its workers."""

    name = "local"

    def __init__(self) -> None:
        self._crew: Crew | None = None

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Do one step on every shard. Raises what the gate raised, GateError for a worker that died."""
        small = step.do in {"count", "hold"} or sum(shard.rows for shard in shards) < APART_ROWS
        if work.alone is not None or small:
            state = read_state(work.spec.folder, work.spec.gate)
            for shard in shards:
                advance(perform(work, step, shard, state))
            return
        if self._crew is None:
            self._crew = Crew(count_cores())
        self._crew.map_shards(work.spec, step, shards, advance)

    def close(self) -> None:
        """End the workers, if there are any."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None


@contextlib.contextmanager
def open_local() -> Iterator[LocalEngine]:
    """A local engine whose workers end with the block."""
    engine = LocalEngine()
    try:
        yield engine
    finally:
        engine.close()
