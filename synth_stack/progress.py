"""How long work reports that it advances, without knowing who listens."""

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """A listener: `begin` opens a stage of `total` rows, of which `done` were made before this start.

    The name of a stage that counts something else ends with that: "download, bytes".
    """

    def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
        """A function that is told of every further `n` rows."""


class Silent:
    """Listens to nothing."""

    def begin(self, stage: str, total: int, done: int = 0) -> Callable[[int], None]:
        return lambda n: None
