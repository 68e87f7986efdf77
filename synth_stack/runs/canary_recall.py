"""How much of what was planted each gate caught: its recall on canaries, and whether it is blind.

A canary is a known bad row that a gate plants after the batch for itself (`Judge.plant`). It is caught when
the gate rejects or holds it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import BlindGate
from synth_stack.files import read_table
from synth_stack.rows.schemas import CANARY_SCHEMA
from synth_stack.stats.intervals import wilson

FOLDER = "canaries"
"""In a run folder, with one table of CANARY_SCHEMA for each gate that planted."""
MAX_KIND_CHARS = 120
"""Of the kind of a canary; a gate that names none gives its words, which may be many."""


@dataclass(frozen=True, slots=True)
class KindCount:
    """The canaries of one gate of one kind: how many there are, and how many it caught."""

    kind: str
    planted: int
    caught: int


@dataclass(frozen=True, slots=True)
class CanaryRecall:
    """What one gate caught of its canaries.

    `recall` is caught / planted, None where none could be planted; `low` and `high` are the ends of its 95%
    interval (intervals.py). A gate is `blind` when its recall is below `min_recall`: the share that was seen,
    not an end of the interval, so that the number of canaries does not move the bar.
    """

    gate: str
    planted: int
    caught: int
    recall: float | None
    low: float
    high: float
    min_recall: float
    blind: bool
    kinds: tuple[KindCount, ...]

    def describe(self) -> str:
        """What it caught, against its bar."""
        if self.recall is None:
            return f"{self.gate} planted nothing"
        return (
            f"{self.gate} caught {self.caught} of {self.planted} planted rows, a recall of {self.recall:.3f} "
            f"where {self.min_recall:g} is the bar"
        )


def measure_recall(gate: str, kinds: Iterable[KindCount], *, min_recall: float) -> CanaryRecall:
    """The recall of a gate from the counts of its canaries by kind."""
    kinds = tuple(kinds)
    planted, caught = sum(kind.planted for kind in kinds), sum(kind.caught for kind in kinds)
    low, high = wilson(caught, planted)
    recall = caught / planted if planted else None
    blind = recall is not None and recall < min_recall
    return CanaryRecall(gate, planted, caught, recall, low, high, min_recall, blind, kinds)


def count_canaries(verdicts: pa.Table) -> tuple[KindCount, ...]:
    """The canaries in a table of CANARY_SCHEMA by kind, in the order of the kinds' names.

    A canary that was accepted at first and held when the batch was done has two verdicts, and is caught.
    """
    caught = pc.cast(pc.is_in(verdicts["outcome"], value_set=pa.array(["reject", "hold"])), pa.int64())
    rows = verdicts.select(["row_id", "canary_kind"]).append_column("caught", caught)
    each = rows.group_by(["row_id", "canary_kind"]).aggregate([("caught", "max")])
    counted = each.group_by("canary_kind").aggregate([([], "count_all"), ("caught_max", "sum")])
    return tuple(
        KindCount(row["canary_kind"], row["count_all"], row["caught_max_sum"])
        for row in counted.sort_by("canary_kind").to_pylist()
    )


def read_canaries(folder: Path, gate: str) -> pa.Table:
    """What a gate said of its canaries in the run at `folder`, as CANARY_SCHEMA.

    A gate without a table could plant nothing: no row of the batch had reached it. Raises StoreError for a
    table that is none of canaries.
    """
    path = folder / FOLDER / f"{gate}.parquet"
    return read_table(path, CANARY_SCHEMA) if path.exists() else CANARY_SCHEMA.empty_table()


def read_recalls(folder: Path, bars: Mapping[str, float]) -> tuple[CanaryRecall, ...]:
    """What each gate caught in the run at `folder`; `bars` has the `min_recall` of each gate that planted."""
    return tuple(
        measure_recall(gate, count_canaries(read_canaries(folder, gate)), min_recall=bar)
        for gate, bar in bars.items()
    )


def describe_blind(blind: Iterable[CanaryRecall]) -> str:
    """What blind gates caught, each against its bar, in one sentence."""
    return f"blind gate: {'; '.join(found.describe() for found in blind)}"


def refuse_blind(recalls: Iterable[CanaryRecall]) -> None:
    """Raises BlindGate when a gate is blind, naming each such gate, its recall and its bar."""
    blind = [found for found in recalls if found.blind]
    if blind:
        raise BlindGate(
            describe_blind(blind),
            mend=f"{FOLDER}/{blind[0].gate}.parquet in the run folder says which it missed.",
        )
