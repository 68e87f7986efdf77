"""One row of many by its id, or by enough of the id's start."""

import re
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError

MIN_PREFIX_CHARS = 8
"""Two of a million rows share their first 8 hexadecimal characters about a hundred times; a reader who
types less is guessing."""
MAX_NAMED = 5


def find_row_id(tables: Iterable[pa.Table], wanted: str, *, where: str) -> tuple[str, int]:
    """The id that is `wanted` or alone begins with it, and its position over all `tables` (column row_id).

    Raises InputError for an id that is none, that is not there, or that several rows begin with.
    """
    require_row_id(wanted)
    near: list[tuple[str, int]] = []
    start = 0
    for table in tables:
        begins = pc.starts_with(table["row_id"], wanted[:MIN_PREFIX_CHARS])
        positions = pc.indices_nonzero(begins).to_pylist()
        near += [(table["row_id"][position].as_py(), start + position) for position in positions]
        start += len(table)
    found = [(row_id, position) for row_id, position in near if row_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    named = ", ".join(row_id for row_id, _ in near[:MAX_NAMED])
    if found:
        raise InputError(
            f"{len(found)} rows of {where} begin with that id", seen=wanted, mend=f"Name one: {named}."
        )
    raise InputError(
        f"{where} has no row of that id", seen=wanted, mend=f"Close to it: {named}." if near else None
    )


def require_row_id(wanted: str) -> None:
    """Raises InputError for what is neither a row's id nor enough of its start."""
    if not re.fullmatch(f"[0-9a-f]{{{MIN_PREFIX_CHARS},32}}", wanted):
        raise InputError(
            "that is not a row id",
            seen=wanted,
            allowed=f"its 32 hexadecimal characters, or the first {MIN_PREFIX_CHARS} or more of them",
        )
