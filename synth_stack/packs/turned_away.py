"""The rows that were turned away, in files of their own: what each was and why it went, in plain columns.

The log has the decision on every row. These files repeat it for rejected and for held rows with what a record
says of them, so that `load_dataset(pack, "rejected")` is a table to read. The texts are in no pack.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import VerificationError
from synth_stack.packs.splits import SplitCount, measure_values

TURNED_AWAY = ("rejected", "held")
"""Decisions, and the names of the splits and files."""

_OF_ROW = (
    *("row_id", "kind", "slice", "locale", "failure", "source_id", "seed_id", "parent_id"),
    *("generator", "generator_version", "teacher", "template_id"),
)
_OF_DECISION = ("gate", "reason_class", "reason", "replaced_by")
_COLUMNS = (*_OF_ROW, *_OF_DECISION)
TURNED_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in _COLUMNS])


def select_turned(rows: pa.Table, decisions: pa.Table, decision: str) -> pa.Table:
    """The rows of that decision as TURNED_SCHEMA; `decisions` has one line for each of `rows`, in order."""
    belongs = pc.equal(decisions["decision"], decision)
    gone, said = rows.filter(belongs), decisions.filter(belongs)
    columns = {name: gone[name] for name in _OF_ROW} | {name: said[name] for name in _OF_DECISION}
    return pa.table(columns, schema=TURNED_SCHEMA)


def compare_turned(name: str, row: Sequence[Any], record: Mapping[str, Any]) -> None:
    """Raises VerificationError, starting with `name`, for a row (its values, in the order of TURNED_SCHEMA)
    that is not what its record says.
    """
    told = {**record["origin"], **record, **record["decision"]}
    for column, seen in zip(_COLUMNS, row, strict=True):
        if seen != told[column]:
            raise VerificationError(
                f"{name}: the {column} of row {record['row_id']} is not the signed one",
                seen=seen,
                allowed=repr(told[column]),
            )


@dataclass(slots=True)
class TurnedTally:
    """Rows that were turned away and the bytes of their values, by decision; the same in any pieces."""

    rows: Counter[str] = field(default_factory=Counter)
    num_bytes: Counter[str] = field(default_factory=Counter)

    def add_rows(self, table: pa.Table, decision: str) -> None:
        """Count rows of TURNED_SCHEMA."""
        self.rows[decision] += len(table)
        self.num_bytes[decision] += sum(measure_values(column) for column in table.columns)

    def finish(self) -> tuple[SplitCount, ...]:
        """The counts of the decisions that there are."""
        return tuple(
            SplitCount(name, self.rows[name], self.num_bytes[name]) for name in list_turned(self.rows)
        )


def list_turned(rows: Mapping[str, int]) -> list[str]:
    """Those of TURNED_AWAY that have rows."""
    return [name for name in TURNED_AWAY if rows.get(name)]
