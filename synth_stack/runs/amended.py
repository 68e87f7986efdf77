"""Rows by which the gates of a run replace others: which gate made them, in files of candidates/.

    part-amended-*.parquet                    by the first gate, of the rows that were made
    part-amended-copies-*.parquet             by the first gate, of those that a person put in place of others
    part-amended-then-NN-*.parquet            by gate number NN, of all rows before these that still stand
    part-amended-then-NN-copies-MM-*.parquet  by an earlier gate MM, of the rows of gate NN

By name every row stands after the one that it replaces.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from synth_stack.files import read_table
from synth_stack.runs.folder import (
    AMENDED_PREFIX,
    LATER_AMENDED_PREFIX,
    REPLACED_AMENDED_PREFIX,
    REPLACED_PREFIX,
    Shard,
    list_amended,
    list_made,
)

LINKS = pa.schema(
    [
        pa.field("parent_id", pa.string()),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("slice", pa.string()),
    ]
)
"""Rows that a gate replaced, those that stand for them, and the slices of these."""

_LATER = re.compile(rf"{LATER_AMENDED_PREFIX}(?P<stage>\d\d)-(?:copies-(?P<gate>\d\d)-)?")


def list_before(candidates: Path, gate: int) -> list[Path]:
    """The parts of the rows that are there before gate number `gate` replaces any, in order."""
    if gate == 0:
        return list_made(candidates)
    return list_made(candidates) + [path for path in list_amended(candidates) if _read_stage(path) < gate]


def list_stage(candidates: Path, gate: int) -> list[Path]:
    """The parts that were made when gate number `gate`, which is not the first, replaced rows."""
    return [path for path in list_amended(candidates) if _read_stage(path) == gate]


def list_made_by(candidates: Path, gate: int) -> list[Path]:
    """The parts of the rows by which gate number `gate` itself replaces others, in order."""
    return [path for path in list_amended(candidates) if _read_gate(path) == gate]


def read_links(candidates: Path, gate: int) -> pa.Table:
    """Which rows gate number `gate` replaced, and by which, as LINKS."""
    return _read_links(list_made_by(candidates, gate))


def read_gone(candidates: Path, gate: int) -> pa.Array:
    """The ids of the rows that gate number `gate` may no longer replace: a person has, or an earlier gate."""
    gone = [
        path
        for path in list_amended(candidates)
        if path.name.startswith(REPLACED_PREFIX) or _read_stage(path) < gate
    ]
    return _read_links(gone)["parent_id"].combine_chunks()


def find_part(candidates: Path, gate: int, shard: Shard) -> Path:
    """Where the rows lie by which gate number `gate` replaces rows of a shard."""
    number = shard.name.removeprefix("part-")
    prefix = AMENDED_PREFIX if gate == 0 else f"{LATER_AMENDED_PREFIX}{gate:02d}-"
    return candidates / f"{prefix}{number}"


def find_copies(candidates: Path, gate: int, stage: int, shard: Shard) -> Path:
    """Where the rows lie by which gate number `gate` replaces rows of another gate, number `stage`."""
    number = shard.name.removeprefix("part-")
    return candidates / f"{LATER_AMENDED_PREFIX}{stage:02d}-copies-{gate:02d}-{number}"


def find_replaced_copy(candidates: Path, number: int) -> Path:
    """Where the rows lie by which the first gate replaces those of the call `number` of a person."""
    return candidates / f"{REPLACED_AMENDED_PREFIX}{number:05d}.parquet"


def _read_links(parts: Sequence[Path]) -> pa.Table:
    tables = [read_table(path, columns=LINKS.names).cast(LINKS) for path in parts]
    return pa.concat_tables([LINKS.empty_table(), *tables]).combine_chunks()


def _read_stage(path: Path) -> int:
    found = _LATER.match(path.name)
    return int(found["stage"]) if found else 0


def _read_gate(path: Path) -> int | None:
    """The number of the gate that made the rows of a part; None for a person's."""
    if path.name.startswith(REPLACED_PREFIX):
        return None
    found = _LATER.match(path.name)
    return int(found["gate"] or found["stage"]) if found else 0
