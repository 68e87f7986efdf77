"""Whether a gate can be trusted with a batch: what it caught of its canaries and turned away of its controls.

A canary is a known bad row that a gate plants after the batch for itself (`Judge.plant`), caught when the
gate rejects or holds it for what is wrong with it (`Judge.caught_as`). A control is an innocent row
(`Judge.control`), which the gate has to accept. Both are of the gate's own making and counted by kind, one
kind for each check: they show that a check works on this batch, and are no recall in the wild.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import BlindGate, UnfairGate
from synth_stack.files import read_table
from synth_stack.rows.schemas import CANARY_SCHEMA
from synth_stack.stats.intervals import wilson

FOLDER = "canaries"
"""In a run folder, with one table of CANARY_SCHEMA for each gate that planted."""
MAX_KIND_CHARS = 120
"""Of the name of a kind; a gate that names none gives the words of its canary, which may be many."""


@dataclass(frozen=True, slots=True)
class SelfTestBars:
    """What a gate's self-test asks of it: the share of the canaries of each kind that it has to catch
    (`by_kind`, `min_recall` for the others), and the share of the controls of a kind that it may turn away.

    `off` names the kinds of its checks that its parameters switch off: nothing is planted for them.
    """

    min_recall: float = 0.0
    by_kind: Mapping[str, float] = field(default_factory=dict)
    max_unfair: float = 1.0
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KindCount:
    """Planted rows of one kind: how many there are, and how many of them the gate rejected or held, canaries
    for what is wrong with them.
    """

    kind: str
    planted: int
    turned_away: int
    control: bool = False


@dataclass(frozen=True, slots=True)
class CanaryKind:
    """The canaries of one kind. `recall` is caught / planted, `low` and `high` the ends of its 95% interval.

    The gate is `blind` to the kind when the recall is below `bar`: the share that was seen, not an end of
    the interval, so that the number of canaries does not move the bar.
    """

    kind: str
    planted: int
    caught: int
    recall: float
    low: float
    high: float
    bar: float
    blind: bool


@dataclass(frozen=True, slots=True)
class ControlKind:
    """The controls of one kind. `share` is turned_away / planted, `low` and `high` its 95% interval; the gate
    is `unfair` to the kind when the share is above `bar`.
    """

    kind: str
    planted: int
    turned_away: int
    share: float
    low: float
    high: float
    bar: float
    unfair: bool


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What one gate said of the rows that it planted: canaries and controls by kind, and the checks that are
    `off`. It is `blind` or `unfair` when it is so to one kind.
    """

    gate: str
    canaries: tuple[CanaryKind, ...] = ()
    controls: tuple[ControlKind, ...] = ()
    off: tuple[str, ...] = ()
    planted: int = 0
    caught: int = 0
    blind: bool = False
    innocent: int = 0
    turned_away: int = 0
    unfair: bool = False

    @property
    def failed(self) -> bool:
        """Whether the batch fails for it: the gate is blind, or unfair."""
        return self.blind or self.unfair

    def describe(self) -> str:
        """Each kind that is on the wrong side of its bar."""
        said = [
            f"{self.gate} caught {kind.caught} of {kind.planted} planted rows of kind {kind.kind}, "
            f"where {kind.bar:g} of them is the bar"
            for kind in self.canaries
            if kind.blind
        ]
        said += [
            f"{self.gate} turned away {kind.turned_away} of {kind.planted} innocent rows of kind "
            f"{kind.kind}, where {kind.bar:g} of them is the bar"
            for kind in self.controls
            if kind.unfair
        ]
        return "; ".join(said)


def measure(gate: str, kinds: Iterable[KindCount], bars: SelfTestBars) -> SelfTest:
    """The self-test of a gate from the counts of what it planted, by kind."""
    kinds = tuple(kinds)
    canaries = tuple(_measure_canary(kind, bars) for kind in kinds if not kind.control)
    controls = tuple(_measure_control(kind, bars) for kind in kinds if kind.control)
    return SelfTest(
        gate,
        canaries,
        controls,
        bars.off,
        planted=sum(kind.planted for kind in canaries),
        caught=sum(kind.caught for kind in canaries),
        blind=any(kind.blind for kind in canaries),
        innocent=sum(kind.planted for kind in controls),
        turned_away=sum(kind.turned_away for kind in controls),
        unfair=any(kind.unfair for kind in controls),
    )


def _measure_canary(kind: KindCount, bars: SelfTestBars) -> CanaryKind:
    bar, recall = bars.by_kind.get(kind.kind, bars.min_recall), kind.turned_away / kind.planted
    low, high = wilson(kind.turned_away, kind.planted)
    return CanaryKind(kind.kind, kind.planted, kind.turned_away, recall, low, high, bar, recall < bar)


def _measure_control(kind: KindCount, bars: SelfTestBars) -> ControlKind:
    bar, share = bars.max_unfair, kind.turned_away / kind.planted
    low, high = wilson(kind.turned_away, kind.planted)
    return ControlKind(kind.kind, kind.planted, kind.turned_away, share, low, high, bar, share > bar)


def count_planted(verdicts: pa.Table) -> tuple[KindCount, ...]:
    """The rows in a table of CANARY_SCHEMA by kind, canaries before controls, in the order of their names.

    A row that was accepted at first and held when the batch was done has two verdicts, and is turned away.
    """
    outside = pc.is_in(verdicts["outcome"], value_set=pa.array(["reject", "hold"]))
    away = pc.cast(pc.and_(outside, pa.array(find_expected(verdicts), pa.bool_())), pa.int64())
    keys = ["row_id", "canary_kind", "control"]
    each = verdicts.select(keys).append_column("away", away).group_by(keys).aggregate([("away", "max")])
    counted = each.group_by(keys[1:]).aggregate([([], "count_all"), ("away_max", "sum")])
    order = [("control", "ascending"), ("canary_kind", "ascending")]
    return tuple(
        KindCount(row["canary_kind"], row["count_all"], row["away_max_sum"], row["control"])
        for row in counted.sort_by(order).to_pylist()
    )


def find_expected(verdicts: pa.Table) -> list[bool]:
    """Which verdicts of a table of CANARY_SCHEMA are of a reason class that catches the row, (n,)."""
    said = zip(verdicts["reason_class"].to_pylist(), verdicts["caught_as"].to_pylist(), strict=True)
    return [wanted is None or given in wanted for given, wanted in said]


def read_planted(folder: Path, gate: str) -> pa.Table:
    """What a gate said of the rows that it planted in the run at `folder`, as CANARY_SCHEMA.

    A gate without a table could plant nothing: no row of the batch had reached it. Raises StoreError for a
    table that is none of planted rows.
    """
    path = folder / FOLDER / f"{gate}.parquet"
    return read_table(path, CANARY_SCHEMA) if path.exists() else CANARY_SCHEMA.empty_table()


def read_self_tests(folder: Path, bars: Mapping[str, SelfTestBars]) -> tuple[SelfTest, ...]:
    """The self-tests in the run at `folder` of the gates in `bars`: those that planted."""
    return tuple(
        measure(gate, count_planted(read_planted(folder, gate)), asked) for gate, asked in bars.items()
    )


def describe_failed(failed: Iterable[SelfTest]) -> str:
    """What blind and unfair gates did, each kind against its bar, in one sentence."""
    failed = tuple(failed)
    said = [f"blind gate: {one.describe()}" for one in failed if one.blind]
    said += [f"unfair gate: {one.describe()}" for one in failed if one.unfair and not one.blind]
    return "; ".join(said)


def refuse_failed(tests: Iterable[SelfTest]) -> None:
    """Raises BlindGate or UnfairGate when a gate failed its self-test, naming gate, kind, count and bar."""
    failed = [test for test in tests if test.failed]
    if failed:
        raise fail(
            describe_failed(failed),
            failed,
            mend=f"{FOLDER}/{failed[0].gate}.parquet in the run folder says which rows it judged wrongly.",
        )


def fail(
    what: str, failed: Iterable[SelfTest], *, mend: str, seen: str | None = None
) -> BlindGate | UnfairGate:
    """The error of a batch that fails for these gates: BlindGate where one of them is blind."""
    error = BlindGate if any(test.blind for test in failed) else UnfairGate
    return error(what, seen=seen, mend=mend)
