"""The record of one row of a pack, found by the pack's index: a few seeks and one row group.

Whoever signed could have signed an index that leads astray. What it leads to is compared with the id, and
proved by its path afterwards; what it does not have is looked for in all records before anybody is told that
it is not there.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from synth_stack.errors import VerificationError
from synth_stack.files import open_regular
from synth_stack.lineage.leaf_index import ENTRY_BYTES, find_leaves
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.packs import layout
from synth_stack.packs.shards import find_row, read_ids
from synth_stack.rows.row_ids import find_row_id, require_row_id


class FoundRecord(NamedTuple):
    """A record by the id of its row, with its place in the tree; nothing of it is proved."""

    row_id: str
    leaf: int
    data: bytes


def find_record(pack: Path, wanted: str, size: int) -> FoundRecord:
    """The record of the row whose id is `wanted`, or alone begins with it, in a tree of `size` leaves.

    Raises InputError for an id that is none, that is not there, or that several rows begin with;
    VerificationError for an index that is not that of the records.
    """
    require_row_id(wanted)
    sizes, _, _ = layout.list_pack_files(pack)
    files = layout.of_kind(sizes, "lineage", "records")
    found = [each for each in _follow_index(pack, files, wanted, size) if each.row_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    tables = (table for name in files for table in read_ids(pack, name, RECORD_SCHEMA))
    row_id, index = find_row_id(tables, wanted, where=str(pack))
    if index >= size:
        raise VerificationError(
            f"row {row_id} stands after the end of the signed tree", seen=index, allowed=f"{size} leaves"
        )
    raise VerificationError(f"{layout.INDEX} does not lead to row {row_id}, which is leaf {index}")


def is_indexed(pack: Path, wanted: str) -> bool:
    """Whether a row that may begin with `wanted` stands in the index of a pack. Raises as `find_record`."""
    require_row_id(wanted)
    with open_regular(pack / layout.INDEX) as file:
        size = file.seek(0, os.SEEK_END) // ENTRY_BYTES
        return bool(find_leaves(file, size, wanted, layout.INDEX))


def _follow_index(pack: Path, files: Sequence[str], wanted: str, size: int) -> list[FoundRecord]:
    with open_regular(pack / layout.INDEX) as file:
        leaves = find_leaves(file, size, wanted, layout.INDEX)
    rows = ((leaf, find_row(pack, files, RECORD_SCHEMA, leaf, ["row_id", "record"])) for leaf in leaves)
    return [FoundRecord(row["row_id"], leaf, row["record"]) for leaf, row in rows]
