"""The reference engine: one shard in memory at a time, in this process or in a worker process a core.

Small batches are judged here. From `APART_ROWS` on workers are started, and stay for all gates of a run.
"""

import contextlib
from collections.abc import Iterator, Sequence

from synth_stack import __version__
from synth_stack.engines.engine import Advance, Step, Work, perform_here
from synth_stack.engines.worker import Crew
from synth_stack.host import count_cores
from synth_stack.registry import engine
from synth_stack.runs.folder import Shard

APART_ROWS = 30_000
"""From so many rows on a step works in several processes: each takes one to four seconds to start."""


class LocalEngine:
    """Runs steps on this machine; `close` ends its workers."""

    def __init__(self) -> None:
        self._crew: Crew | None = None

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        """Do one step on every shard. Raises what the gate raised, GateError for a worker that died."""
        if step.do in {"count", "hold"} or sum(shard.rows for shard in shards) < APART_ROWS:
            perform_here(work, step, shards, advance)
            return
        if self._crew is None:
            self._crew = Crew(count_cores())
        self._crew.map_shards(work.spec, step, shards, advance)

    def close(self) -> None:
        """End the workers, if there are any."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None


@engine("local", version=__version__)
@contextlib.contextmanager
def open_local() -> Iterator[LocalEngine]:
    """A local engine whose workers end with the block."""
    local = LocalEngine()
    try:
        yield local
    finally:
        local.close()
