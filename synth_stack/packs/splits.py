"""The splits of a pack: adversarial rows stand apart, so that whoever loads `train` does not get them.

The row's kind decides, which its digest covers: a row cannot change its split and keep its name.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import VerificationError

TRAIN = "train"
ADVERSARIAL = "adversarial"
"""The split, and the kind of the rows in it."""
SPLITS = (TRAIN, ADVERSARIAL)

MAX_LABEL_CHARS = 120
"""Longer than any strategy's name; what a stranger's row says beyond it is cut."""

Label = tuple[str | None, str | None]
"""The strategy of an adversarial row and the behaviour that is expected of its answer; None where the row
does not say."""


@dataclass(frozen=True, slots=True)
class SplitCount:
    """The rows of one split, and the size of all their values: UTF-8 for text, 8 bytes for a whole number,
    1 for a truth value.
    """

    name: str
    rows: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class LabelCount:
    """The adversarial rows of one strategy and expected behaviour; None where rows do not say."""

    strategy: str | None
    expected_behaviour: str | None
    rows: int


def choose_split(kind: str) -> str:
    """The split of an accepted row of that kind."""
    return ADVERSARIAL if kind == ADVERSARIAL else TRAIN


def list_splits(rows: Mapping[str, int]) -> tuple[str, ...]:
    """The splits of a pack with so many rows for each: those with rows, and `train` where there are none."""
    return tuple(split for split in SPLITS if rows.get(split)) or (TRAIN,)


def select_split(rows: pa.Table, split: str) -> pa.Table:
    """The rows of one split, in order: `rows` itself where it holds no others."""
    belongs = _mark_split(rows, split)
    return rows if pc.all(belongs, min_count=0).as_py() else rows.filter(belongs)


def require_split(rows: pa.Table, split: str, *, name: str) -> None:
    """Refuse rows (columns row_id and kind) that do not belong into the split whose file `name` holds them.

    Raises VerificationError naming the first.
    """
    for stray in rows.filter(pc.invert(_mark_split(rows, split))).slice(0, 1).to_pylist():
        refuse_stray(stray, split, name=name)


def refuse_stray(row: Mapping[str, Any], split: str, *, name: str) -> None:
    """Raises VerificationError for a row that does not belong into the split whose file `name` holds it."""
    if choose_split(row["kind"]) != split:
        raise VerificationError(
            f"{name}: row {row['row_id']} does not belong into the {split} split",
            seen=f"kind {row['kind']}",
            allowed=f"in {choose_split(row['kind'])} alone",
        )


@dataclass(slots=True)
class SplitTally:
    """Split counts in the making; the same in any order and in any pieces."""

    rows: Counter[str] = field(default_factory=Counter)
    num_bytes: Counter[str] = field(default_factory=Counter)
    labels: Counter[Label] = field(default_factory=Counter)

    def add_rows(self, table: pa.Table) -> None:
        """Count and measure accepted rows of DATA_SCHEMA."""
        for split in SPLITS:
            rows = select_split(table, split)
            self.rows[split] += len(rows)
            self.num_bytes[split] += sum(measure_values(column) for column in rows.columns)
            if split == ADVERSARIAL:
                self.labels.update(map(_read_label, rows["extra"].to_pylist()))

    def count_splits(self) -> tuple[SplitCount, ...]:
        """The splits that a pack of the rows has."""
        return tuple(
            SplitCount(name, self.rows[name], self.num_bytes[name]) for name in list_splits(self.rows)
        )

    def count_labels(self) -> tuple[LabelCount, ...]:
        """The labels of the adversarial rows, the commonest first."""

        def rank(label: LabelCount) -> tuple[int, bool, str, bool, str]:
            strategy, expected = label.strategy, label.expected_behaviour
            return -label.rows, strategy is None, strategy or "", expected is None, expected or ""

        return tuple(sorted((LabelCount(*label, rows) for label, rows in self.labels.items()), key=rank))


def _mark_split(rows: pa.Table, split: str) -> pa.ChunkedArray:
    is_adversarial = pc.equal(rows["kind"], ADVERSARIAL)
    return is_adversarial if split == ADVERSARIAL else pc.invert(is_adversarial)


def _read_label(extra: str | None) -> Label:
    try:
        match orjson.loads(extra or "{}"):
            case {"adversarial": {**said}}:
                return _cut(said.get("strategy")), _cut(said.get("expected_behaviour"))
    except orjson.JSONDecodeError:
        pass  # a row of somebody's own pipeline: whatever it holds there, it is no label
    return None, None


def _cut(value: object) -> str | None:
    return value[:MAX_LABEL_CHARS] if isinstance(value, str) else None


def measure_values(column: pa.ChunkedArray) -> int:
    """The bytes of all values, without the offsets and bitmaps that depend on how rows are batched."""
    if pa.types.is_list(column.type):
        return measure_values(pc.list_flatten(column))
    if pa.types.is_struct(column.type):
        return sum(measure_values(pc.struct_field(column, i)) for i in range(column.type.num_fields))
    if pa.types.is_string(column.type):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    return int(len(column) * max(column.type.bit_width // 8, 1))
