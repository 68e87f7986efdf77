"""Slices that are held as a whole because too many of their rows were turned away."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pyarrow as pa

from synth_stack.gates.gate import Late, State
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.stats.intervals import wilson
from synth_stack.text.fields import read_texts

Measure = Literal["rate", "lower_bound"]

LATE_PARAMETERS = ("escalate_slice_at", "escalate_min_rows", "escalate_by")

TOXIC_SLICE = "toxicity.slice"
"""The reason class."""

HELD_SLICES = "held_slices"
"""The state: `slice, score, reason, evidence` of every slice that is held, as its verdicts have them."""

_COUNTS = pa.schema([("slice", pa.string()), ("judged", pa.int64()), ("turned_away", pa.int64())])
_HELD = pa.schema(
    [("slice", pa.string()), ("score", pa.float64()), ("reason", pa.string()), ("evidence", pa.string())]
)


@dataclass(frozen=True, slots=True)
class SliceBar:
    """A slice is held when `by` is above `at`, and at least `min_rows` of its rows were judged.

    `rate` is the share of rejects and holds among the judged rows; `lower_bound` is the lower end of its 95%
    Wilson interval, so that chance alone seldom passes.
    """

    at: float
    min_rows: int
    by: Measure


def slice_late(params: Mapping[str, Any]) -> Late | None:
    """What the gate says of whole slices under its parameters; None where it never holds one."""
    at, min_rows, by = (params[name] for name in LATE_PARAMETERS)
    if at is None:
        return None
    bar = SliceBar(at, min_rows, by)
    return Late(count_slices, partial(find_slices, bar=bar), partial(hold_slices, bar=bar))


def count_slices(table: pa.Table, verdicts: pa.Table) -> pa.Table:
    """`slice, judged, turned_away` of each slice. Rows on which the judge abstained do not count."""
    import polars as pl

    rows = pl.DataFrame({"slice": read_texts(table["slice"]), "outcome": read_texts(verdicts["outcome"])})
    counted = rows.filter(pl.col("outcome") != "abstain", pl.col("slice").is_not_null())
    counts = counted.group_by("slice").agg(
        judged=pl.len().cast(pl.Int64),
        turned_away=pl.col("outcome").is_in(["reject", "hold"]).sum().cast(pl.Int64),
    )
    return counts.sort("slice").to_arrow().cast(_COUNTS)


def find_slices(counts: Iterable[pa.Table], _: State, *, bar: SliceBar) -> State:
    """The slices above the bar."""
    import polars as pl

    totals = pl.DataFrame(_COUNTS.empty_table())
    for counted in counts:
        totals = pl.concat([totals, pl.DataFrame(counted)]).group_by("slice").sum()
    told = [
        (name, *_tell(name, judged, turned_away, bar))
        for name, judged, turned_away in totals.sort("slice").iter_rows()
        if judged >= bar.min_rows and _measure(judged, turned_away, bar) > bar.at
    ]
    held = {name: [row[k] for row in told] for k, name in enumerate(_HELD.names)}
    return {HELD_SLICES: pa.table(held, schema=_HELD)}


def hold_slices(table: pa.Table, verdicts: pa.Table, state: State, *, bar: SliceBar) -> pa.Table:
    """A hold of each accepted row in a slice above the bar, in the order of the table."""
    import polars as pl

    names = {"row_id": table["row_id"], "slice": table["slice"], "outcome": verdicts["outcome"]}
    rows = pl.DataFrame({name: read_texts(column) for name, column in names.items()})
    held = pl.DataFrame(state[HELD_SLICES])
    stated = (
        rows.filter(pl.col("outcome") == "accept")
        .join(held, on="slice", how="inner", maintain_order="left")
        .with_columns(
            gate=pl.lit("toxicity"),
            outcome=pl.lit("hold"),
            threshold=pl.lit(bar.at, pl.Float64),
            reason_class=pl.lit(TOXIC_SLICE),
            scope=pl.lit("slice"),
        )
    )
    return stated.select(VERDICT_SCHEMA.names).rechunk().to_arrow().cast(VERDICT_SCHEMA)


def _measure(judged: int, turned_away: int, bar: SliceBar) -> float:
    return turned_away / judged if bar.by == "rate" else wilson(turned_away, judged)[0]


def _tell(name: str, judged: int, turned_away: int, bar: SliceBar) -> tuple[float, str, str]:
    rate, (low, high) = turned_away / judged, wilson(turned_away, judged)
    reason = (
        f"toxic slice: {turned_away} of {judged} judged rows of {name} were turned away: "
        f"{rate:.1%}, 95% interval {low:.1%} to {high:.1%}"
    )
    evidence = {
        "slice": name,
        "turned_away": turned_away,
        "judged": judged,
        "rate": rate,
        "low": low,
        "high": high,
        "by": bar.by,
    }
    return _measure(judged, turned_away, bar), reason, canonical_text(evidence)
