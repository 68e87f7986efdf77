"""What the driver of a pipeline does around the answers to one step of one batch.

While a batch waits for its teacher another one works, and an answer that came is kept at once: a run that is
killed asks again only for what was under way.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Protocol

Output = Mapping[str, Any]
"""A distilabel GenerateOutput."""


class Asked(Protocol):
    """One call of an LLM: the answers to its prompts that are at hand, by their place among them."""

    def find(self, place: int) -> Output | None:
        """The answer that an earlier run got."""

    def keep(self, place: int, output: Output) -> None:
        """Keep an answer for a later run, where it is one."""


class BatchCall(Protocol):
    """One step of one batch."""

    def waiting(self) -> AbstractContextManager[None]:
        """Within it the batch waits, and another one may work."""

    def ask(self, prompts: Sequence[Any], num_generations: int) -> Asked:
        """The next call of the LLM by the step."""


BATCH_CALL: ContextVar[BatchCall | None] = ContextVar("BATCH_CALL", default=None)
"""Of the thread that calls a step; None where nothing is to be done."""
