"""Slices that are held as a whole because too many of their rows were rejected."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.gates.gate import Judged
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.stats.intervals import wilson
from synth_stack.text.fields import read_texts

if TYPE_CHECKING:
    import polars as pl

Measure = Literal["rate", "lower_bound"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A slice passes when `by` is above `at`, and at least `min_rows` of its rows were judged.

    `rate` is the share of rejects among the judged rows; `lower_bound` is the lower end of its 95% Wilson
    interval, so that chance alone seldom passes.
    """

    at: float
    min_rows: int
    by: Measure


def hold_slices(judged: Judged, bar: Bar) -> pa.Table:
    """Holds for the accepted rows of every slice that passes the bar, in the order of the batch.

    Reads the batch twice, to count and to list, one table at a time. Rows without a slice are in none, and
    rows on which the judge abstained do not count.
    """
    import polars as pl

    nothing = pl.DataFrame(schema={"slice": pl.String, "judged": pl.Int64, "rejected": pl.Int64})
    passing = _find_passing(pl.concat([nothing, *(count_slices(rows) for rows in _pair(judged))]), bar)
    held = [] if passing.is_empty() else [list_held(rows, passing, bar) for rows in _pair(judged)]
    verdicts = [rows.select(VERDICT_SCHEMA.names).to_arrow().cast(VERDICT_SCHEMA) for rows in held]
    return pa.concat_tables([VERDICT_SCHEMA.empty_table(), *verdicts])


def hold_again(rows: "pl.DataFrame", bar: Bar) -> "pl.DataFrame":
    """The same over one frame of `row_id, slice, outcome`: verdicts with the columns of VERDICT_SCHEMA."""
    return list_held(rows, _find_passing(count_slices(rows), bar), bar)


def count_slices(rows: "pl.DataFrame") -> "pl.DataFrame":
    """`slice, judged, rejected` of each slice in a frame of `slice, outcome`."""
    import polars as pl

    counted = rows.filter(pl.col("outcome") != "abstain", pl.col("slice").is_not_null())
    return counted.group_by("slice").agg(
        judged=pl.len().cast(pl.Int64), rejected=(pl.col("outcome") == "reject").sum().cast(pl.Int64)
    )


def list_held(rows: "pl.DataFrame", passing: "pl.DataFrame", bar: Bar) -> "pl.DataFrame":
    """The hold of each accepted row that is in a passing slice, with its slice, in the order of the rows."""
    import polars as pl

    accepted = rows.filter(pl.col("outcome") == "accept").select("row_id", "slice")
    return accepted.join(passing, on="slice", how="inner", maintain_order="left").with_columns(
        gate=pl.lit("toxicity"),
        outcome=pl.lit("hold"),
        threshold=pl.lit(bar.at, pl.Float64),
        scope=pl.lit("slice"),
    )


def _find_passing(counts: "pl.DataFrame", bar: Bar) -> "pl.DataFrame":
    """The slices above the bar: `slice, score, reason, evidence`, as their verdicts tell them."""
    import polars as pl

    totals = counts.group_by("slice").sum().filter(pl.col("judged") >= bar.min_rows).sort("slice")
    told = [
        (name, *_tell(name, judged, rejected, bar))
        for name, judged, rejected in totals.iter_rows()
        if _measure(judged, rejected, bar) > bar.at
    ]
    columns = {"slice": pl.String, "score": pl.Float64, "reason": pl.String, "evidence": pl.String}
    return pl.DataFrame(told, schema=columns, orient="row")


def _measure(judged: int, rejected: int, bar: Bar) -> float:
    return rejected / judged if bar.by == "rate" else wilson(rejected, judged)[0]


def _tell(name: str, judged: int, rejected: int, bar: Bar) -> tuple[float, str, str]:
    rate, (low, high) = rejected / judged, wilson(rejected, judged)
    reason = (
        f"toxic slice: {rejected} of {judged} judged rows of {name} were rejected: "
        f"{rate:.1%}, 95% interval {low:.1%} to {high:.1%}"
    )
    evidence = {
        "slice": name,
        "rejected": rejected,
        "judged": judged,
        "rate": rate,
        "low": low,
        "high": high,
        "by": bar.by,
    }
    return _measure(judged, rejected, bar), reason, canonical_text(evidence)


def _pair(judged: Judged) -> "Iterable[pl.DataFrame]":
    import polars as pl

    for candidates, verdicts in judged():
        yield pl.DataFrame(
            {name: read_texts(verdicts[name]) for name in ("row_id", "outcome")}
            | {"slice": read_texts(candidates["slice"])}
        )
