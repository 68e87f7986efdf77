"""An engine of another author: it does the last shard first, in this process."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from synth_stack.engines.engine import Advance, Step, Work, perform
from synth_stack.registry import engine
from synth_stack.runs.folder import Shard

open_now: list[str] = []


class BackwardsEngine:
    """Does the last shard first, in this process."""

    def map_shards(self, work: Work, step: Step, shards: Sequence[Shard], advance: Advance) -> None:
        assert work.alone is None
        for shard in reversed(shards):
            advance(perform(work, step, shard))


@engine("backwards", version="7")
@contextlib.contextmanager
def open_backwards(
    *, workers: Annotated[int, Field(ge=1)] = 2, address: str | None = None, quick: bool = False
) -> Iterator[BackwardsEngine]:
    """An engine of another author."""
    open_now.append(f"{workers} {address} {quick}")
    try:
        yield BackwardsEngine()
    finally:
        open_now.clear()
