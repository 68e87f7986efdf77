"""What a reader did not take as it stood: skipped, kept in `extra`, or read under another name; counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synth_stack.text.printable import show

MAX_NAMES = 100
"""Names of one sort that are told one by one; what comes after them is counted under `OTHERS`."""
MAX_NAME_CHARS = 120
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sort of thing that was skipped or kept: its name, why or where, and how often.

    `what` is skipped, kept or renamed; `unit` is what `count` counts: files, rows or turns.
    """

    what: str
    name: str
    detail: str
    count: int
    unit: str

    def line(self) -> str:
        """The notice for people, on one line."""
        plural = self.unit if self.count != 1 else self.unit.removesuffix("s")
        return f"{self.what} {self.name}: {self.detail}: {self.count:,} {plural}"

    def to_json(self) -> dict[str, Any]:
        """The notice for programs."""
        return {
            "what": self.what,
            "name": self.name,
            "detail": self.detail,
            "count": self.count,
            "unit": self.unit,
        }


class NoticeTally:
    """Notices while they are counted, in the order in which they first came."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str, str], int] = {}
        self._names: dict[tuple[str, str, str], int] = {}

    def add(self, what: str, name: str, detail: str, unit: str, count: int = 1) -> None:
        """Count one more; a name beyond MAX_NAMES of its sort counts under OTHERS."""
        name = name if len(name) <= MAX_NAME_CHARS else f"{name[: MAX_NAME_CHARS - 1]}…"
        key = (what, name, detail, unit)
        if key in self._counts:
            self._counts[key] += count
            return
        sort = (what, detail, unit)
        self._names[sort] = self._names.get(sort, 0) + 1
        if self._names[sort] > MAX_NAMES:
            key = (what, OTHERS, detail, unit)
        self._counts[key] = self._counts.get(key, 0) + count

    def clear(self) -> None:
        """Forget everything."""
        self._counts.clear()
        self._names.clear()

    def list_notices(self) -> tuple[Notice, ...]:
        """What was counted, in order."""
        return tuple(
            Notice(what, show(name)[0], detail, count, unit)
            for (what, name, detail, unit), count in self._counts.items()
        )


def read_notices(values: Iterable[Mapping[str, Any]]) -> tuple[Notice, ...]:
    """The notices that `Notice.to_json` wrote."""
    return tuple(Notice(v["what"], v["name"], v["detail"], v["count"], v["unit"]) for v in values)
