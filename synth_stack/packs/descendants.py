"""What came from a row, a seed, a document, a template, a teacher or an eval item, across packs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import InputError
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.packs import layout
from synth_stack.packs.shards import read_shard
from synth_stack.packs.tombstones import find_descendants
from synth_stack.packs.verify_pack import Tombstone
from synth_stack.rows.row_ids import find_row_id
from synth_stack.text.printable import count_noun, show

SHOWN_ROWS = 50
"""Of a pack, on a screen; JSON has them all."""


@dataclass(frozen=True, slots=True)
class Descendants:
    """By pack the rows that were met: id to (the selector or "descendant", the decision)."""

    select: Mapping[str, Sequence[str]]
    packs: Mapping[Path, Mapping[str, tuple[str, str]]]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {
            "select": {by: list(values) for by, values in self.select.items()},
            "packs": {
                str(pack): [
                    {"row_id": row_id, "cause": cause, "decision": decision}
                    for row_id, (cause, decision) in rows.items()
                ]
                for pack, rows in self.packs.items()
            },
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        told = [f"selects   {by} {value}" for by, values in self.select.items() for value in values]
        for pack, rows in self.packs.items():
            accepted = sum(decision == "accepted" for _, decision in rows.values())
            told.append(f"pack      {pack}: {count_noun(len(rows), 'row')}, accepted: {accepted:,}")
            told += [
                f"row       {row_id}: {decision}, {cause}"
                for row_id, (cause, decision) in list(rows.items())[:SHOWN_ROWS]
            ]
            if len(rows) > SHOWN_ROWS:
                told.append(f"rows      {len(rows) - SHOWN_ROWS:,} more")
        return show(*told)


def trace_descendants(
    packs: Sequence[Path], select: Mapping[str, Sequence[str]], *, row_id: str | None = None
) -> Descendants:
    """Every row of the packs that came from what is selected, or from the row `row_id` of one of them.

    `row_id` may be the first 8 or more characters. Nothing is verified here. Raises InputError for a folder
    that is no pack, and for a row that no pack has.
    """
    for pack in packs:
        if not (pack / layout.STATEMENT).is_file():
            raise InputError(f"{pack} holds no pack", mend="Name the folders of packs.")
    chosen = {by: tuple(values) for by, values in select.items()}
    if row_id is not None:
        chosen["row"] = (_find_row(packs, row_id),)
    return Descendants(chosen, find_descendants(packs, [Tombstone(0, "", "", "", chosen)]))


def _find_row(packs: Sequence[Path], wanted: str) -> str:
    for pack in packs:
        names, _, _ = layout.list_pack_files(pack)
        files = layout.of_kind(names, "lineage", "records")
        tables = (table for name in files for table in read_shard(pack, name, RECORD_SCHEMA, ["row_id"]))
        try:
            return find_row_id(tables, wanted, where=str(pack))[0]
        except InputError:
            if pack == packs[-1]:
                raise
    raise InputError("there is no pack to look in")
