"""What the lineage files of a pack prove on their own: that no record was changed, that none is missing,
and that a row is the one its record was written for.
"""

import hashlib
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.errors import VerificationError
from synth_stack.lineage.leaf_index import LeafIndex
from synth_stack.lineage.merkle import (
    HASH_BYTES,
    LeafHashes,
    TreeHead,
    check_tiles,
    grow_tree,
    leaf_hash,
    verify_inclusion,
)
from synth_stack.lineage.record import RECORD_SCHEMA, leaves_of
from synth_stack.lineage.record_form import REPEATED, Record, parse_record
from synth_stack.rows.schemas import ORIGIN_FIELDS, canonical_row

_ROW_ID = re.compile(r"[0-9a-f]{32}")
_ORIGIN = tuple(field.name for field in ORIGIN_FIELDS)
_take_repeated = operator.itemgetter(*REPEATED)
_take_origin = operator.itemgetter(*_ORIGIN)


def verify_records(
    shards: Iterable[tuple[str, pa.Table]],
    *,
    expected_root: bytes,
    expected_size: int,
    index: LeafIndex | None = None,
    tiles: Path | None = None,
    see: Callable[[str, Sequence[Record]], None] | None = None,
) -> dict[str, int]:
    """How many records there are of each decision, if they are exactly those that were signed.

    `shards` gives (file name, table of `RECORD_SCHEMA`) in the order of the tree; one is held at a time.
    Their ids go into `index`, which tells of a row that stands twice. The root alone cannot tell which record
    a forger replaced whole, leaf included; with the pack's `tiles` folder the error names the row. `see` is
    called with the file name and the parsed records of each table, once these are what was signed there.

    Raises VerificationError naming the file and row, or the tiles.
    """
    expected = TreeHead(expected_size, expected_root)
    if tiles is not None and check_tiles(tiles) != expected:
        raise VerificationError(f"the tiles under {tiles} are not the signed tree")
    counts: Counter[str] = Counter()
    with closing(LeafIndex()) if index is None else nullcontext(index) as ids:
        head = grow_tree(_check_shards(shards, counts, ids, tiles, see))
    if head.size != expected.size:
        raise VerificationError(
            "the lineage does not hold as many records as were signed",
            seen=head.size,
            allowed=str(expected.size),
        )
    if head.root != expected.root:
        raise VerificationError(
            "the lineage records are not those that were signed",
            seen=head.root.hex(),
            allowed=expected.root.hex(),
        )
    return dict(counts)


def verify_record(
    data: bytes, *, row_id: str, index: int, size: int, proof: Iterable[bytes], root: bytes
) -> Record:
    """The record of one row, if it is leaf `index` of the tree; `proof` is the leaf's audit path.

    Nothing but the signed `size` and `root` is trusted. Raises VerificationError naming the row.
    """
    record = parse_record(data, where=f"the record of row {row_id}")
    if record["row_id"] != row_id or not verify_inclusion(leaf_hash(data), index, size, proof, root):
        raise VerificationError(f"the record of row {row_id} is not leaf {index} of the signed tree")
    return record


def list_repeated(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Of each row what its record repeats of it, in the order of `repeat_record`."""
    columns = (rows[name].to_pylist() for name in (*REPEATED, *_ORIGIN))
    return zip(*columns, strict=True)


def repeat_record(record: Record) -> tuple[Any, ...]:
    """What a record repeats of its row: the fields of REPEATED, then those of its origin."""
    return (*_take_repeated(record), *_take_origin(record["origin"]))


def check_row(row: Mapping[str, Any], record: Record, *, where: str = "the rows") -> None:
    """Raises VerificationError, starting with `where`, unless `record` is of this row, in every field.

    `row` has the fields of CANDIDATE_SCHEMA.
    """
    row_id = row.get("row_id")
    if row_id != record["row_id"]:
        raise VerificationError(
            f"{where}: row {row_id} stands where another row was recorded", allowed=record["row_id"]
        )
    try:
        digest = hashlib.sha256(canonical_row(row)).hexdigest()
    except KeyError as exc:
        raise VerificationError(f"{where}: row {row_id} has no field {exc}") from exc
    except ValueError as exc:
        raise VerificationError(f"{where}: row {row_id} cannot be digested: {exc}") from exc
    if digest != record["row_sha256"]:
        raise VerificationError(
            f"{where}: row {row_id} is not the row that was recorded",
            seen=digest,
            allowed=record["row_sha256"],
        )
    repeated = {name: record[name] for name in REPEATED} | record["origin"]
    for name, value in repeated.items():
        if row[name] != value:
            raise VerificationError(
                f"{where}: the {name} of row {row_id} is not the recorded one",
                seen=row[name],
                allowed=repr(value),
            )


def _check_shards(
    shards: Iterable[tuple[str, pa.Table]],
    counts: Counter[str],
    ids: LeafIndex,
    tiles: Path | None,
    see: Callable[[str, Sequence[Record]], None] | None,
) -> Iterator[LeafHashes]:
    done = 0
    for file_name, table in shards:
        if table.schema != RECORD_SCHEMA:
            raise VerificationError(f"{file_name} does not hold lineage records", seen=table.schema.names)
        leaves, records = _check_records(file_name, table, counts)
        if tiles is not None:
            _compare_leaves(file_name, table, leaves, tiles, done)
        if see is not None:
            see(file_name, records)
        done += len(table)
        ids.add(table["row_id"])
        yield leaves
    if (repeated := ids.find_repeated()) is not None:
        raise VerificationError(f"row {repeated} stands in the lineage twice")


def _check_records(file_name: str, table: pa.Table, counts: Counter[str]) -> tuple[LeafHashes, list[Record]]:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as exc:
        raise VerificationError(f"{file_name} is not a sound table: {exc}") from exc
    if any(column.null_count for column in table.columns):
        raise VerificationError(f"{file_name} holds a null")
    records: list[Record] = []
    columns = (table[name].to_pylist() for name in ("row_id", "decision", "record", "leaf"))
    for row_id, stated, data, leaf in zip(*columns, strict=True):
        if not _ROW_ID.fullmatch(row_id):
            raise VerificationError(f"{file_name} names a row that cannot be", seen=row_id)
        where = f"{file_name}: row {row_id}"
        if leaf_hash(data) != leaf:
            raise VerificationError(f"{where}: the record is not the one that its leaf was made of")
        record = parse_record(data, where=where)
        if record["row_id"] != row_id:
            raise VerificationError(f"{where} has the record of another row", seen=record["row_id"])
        decision = record["decision"]["decision"]
        if decision != stated:
            raise VerificationError(
                f"{where}: the column says another decision", seen=stated, allowed=decision
            )
        counts[decision] += 1
        records.append(record)
    return leaves_of(table), records


def _compare_leaves(file_name: str, table: pa.Table, leaves: LeafHashes, tiles: Path, start: int) -> None:
    with (tiles / "0.bin").open("rb") as file:
        file.seek(start * HASH_BYTES)
        stored = np.frombuffer(file.read(leaves.size), dtype=np.uint8).reshape(-1, HASH_BYTES)
    differs = np.flatnonzero((stored != leaves[: len(stored)]).any(axis=1))
    if len(differs):
        row_id = table["row_id"][int(differs[0])].as_py()
        raise VerificationError(f"{file_name}: row {row_id} is not what was signed there")
