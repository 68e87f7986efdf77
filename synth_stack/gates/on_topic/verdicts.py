"""Verdicts on rows that left their slice, belong to none, or whose answer is to another question."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.rows.schemas import VERDICT_SCHEMA
from synth_stack.text.fields import hash_ids, read_texts

if TYPE_CHECKING:
    import polars as pl

GATE = "on_topic"
OTHER_SLICE = f"{GATE}.other_slice"
NOWHERE = f"{GATE}.nowhere"
STRAY_ANSWER = f"{GATE}.stray_answer"
MOVED = f"{GATE}.moved"

Action = Literal["reject", "hold", "move"]


@dataclass(frozen=True, slots=True)
class TopicBars:
    """The bars, None for one that is off, what becomes of a row that left its slice, and the slice of the
    rest.
    """

    max_false: float | None
    min_near: float | None
    max_stray: float | None
    action: Action
    other: str | None


def write_verdicts(table: pa.Table, state: State, *, names: tuple[str, ...], bars: TopicBars) -> pa.Table:
    """One verdict a row, in order. Raises GateError before the batch was seen, or for a row that was not
    in it.
    """
    import polars as pl

    if "rows" not in state:
        raise GateError(f"{GATE} was asked for verdicts before it saw the batch")
    known = pl.DataFrame(state["rows"]).rename({"slice": "code"})
    rows = pl.DataFrame(
        {
            "row_id": read_texts(table["row_id"]),
            "id": hash_ids(table),
            "slice": read_texts(table["slice"]),
        }
    ).join(known, on="id", how="left", maintain_order="left")
    rows = rows.join(_read_moves(state), on="row_id", how="left", maintain_order="left")
    if rows["readable"].null_count():
        raise GateError(f"{GATE} was asked for verdicts on rows that it had not seen")
    numbers = {**dict(enumerate(names)), -1: ""}
    best = pl.coalesce("close_best", "best").replace_strict(numbers, default="", return_dtype=pl.String)
    # two opinions of one question: their geometric mean, or the fast one's where it is alone
    chance = (_number("chance") * pl.coalesce(pl.col("close_chance"), _number("chance"))).sqrt()
    rows = rows.with_columns(
        belongs_to=pl.coalesce("moved_to", best),
        chance_of_own=chance.round(6),
        near=_number("near_chance").round(6),
        # an answer that the slow model did not read is in doubt at most
        strays=pl.min_horizontal(_number("stray"), pl.col("close_stray").fill_null(0)).round(4),
    ).with_columns(strays=pl.when(_number("stray").is_not_null()).then("strays"))
    return _write(_mark(rows, bars), bars)


def _read_moves(state: State) -> "pl.DataFrame":
    """The rows that were moved, `row_id`, with the new rows, `replaced_by`, and their slices, `moved_to`."""
    import polars as pl

    if "replaced" not in state:
        return pl.DataFrame(schema=dict.fromkeys(("row_id", "replaced_by", "moved_to"), pl.String))
    named = pl.DataFrame(state["replaced"]).select(row_id="parent_id", replaced_by="row_id", moved_to="slice")
    return named.unique("row_id", keep="first")


def _mark(rows: "pl.DataFrame", bars: TopicBars) -> "pl.DataFrame":
    """The rows with the class that each is turned away for, the gravest first."""
    import polars as pl

    collects = pl.lit(False) if bars.other is None else (pl.col("slice") == bars.other).fill_null(value=False)
    left = pl.col("chance_of_own") < bars.max_false if bars.max_false is not None else pl.lit(False)
    far = (pl.col("near") < bars.min_near) & ~collects if bars.min_near is not None else pl.lit(False)
    stray = pl.col("strays") > bars.max_stray if bars.max_stray is not None else pl.lit(False)
    named = (
        pl.when(pl.col("replaced_by").is_not_null())
        .then(pl.lit(MOVED))
        .when(far.fill_null(value=False))
        .then(pl.lit(NOWHERE))
        .when(left.fill_null(value=False))
        .then(pl.lit(OTHER_SLICE))
        .when(stray.fill_null(value=False))
        .then(pl.lit(STRAY_ANSWER))
    )
    judged = pl.any_horizontal(pl.col(name).is_not_null() for name in ("chance_of_own", "near", "strays"))
    return rows.with_columns(named=pl.when("readable").then(named), judged=judged & pl.col("readable"))


def _write(rows: "pl.DataFrame", bars: TopicBars) -> pa.Table:
    import polars as pl

    verdicts: pa.Table = (
        rows.select(
            "row_id",
            gate=pl.lit(GATE),
            outcome=_choose_outcome(bars),
            score=pl.when("judged").then("chance_of_own"),
            threshold=pl.lit(bars.max_false, pl.Float64),
            reason=_say_reason(bars),
            reason_class=pl.when(~pl.col("judged")).then(_name_lack()).otherwise("named"),
            evidence=pl.when("judged").then(_write_evidence(bars)),
            scope=pl.lit("row"),
        )
        .rechunk()
        .to_arrow()
        .cast(VERDICT_SCHEMA)
    )
    return verdicts


def _choose_outcome(bars: TopicBars) -> "pl.Expr":
    import polars as pl

    named = pl.col("named")
    action = pl.lit("reject" if bars.action == "reject" else "hold")
    return (
        pl.when(~pl.col("judged"))
        .then(pl.lit("abstain"))
        .when(named == MOVED)
        .then(pl.lit("reject"))
        .when(named == STRAY_ANSWER)
        .then(pl.lit("hold"))
        .when(named.is_not_null())
        .then(action)
        .otherwise(pl.lit("accept"))
    )


def _say_reason(bars: TopicBars) -> "pl.Expr":
    import polars as pl

    named = pl.col("named")
    away = pl.concat_str(
        pl.lit("left its slice: of seeds of "),
        "slice",
        pl.lit(" one in "),
        (1 / pl.col("chance_of_own")).round(0).cast(pl.Int64).cast(pl.String),
        pl.lit(" fits it as badly; it belongs to "),
        "belongs_to",
    )
    far = pl.lit("in no slice: it is further from all of them than the seeds are" + _other(bars))
    moved = pl.concat_str(
        pl.lit("moved from "),
        "slice",
        pl.lit(" (score "),
        _write_score("own_score"),
        pl.lit(") to "),
        "moved_to",
        pl.lit(" (score "),
        _write_score("best_score"),
        pl.lit("), where it stands as "),
        "replaced_by",
    )
    strays = pl.concat_str(
        pl.lit("does not address its question: its answer is nearer to "),
        (pl.col("strays") * 100).round(0).cast(pl.Int64).cast(pl.String),
        pl.lit(" in 100 other questions of the batch"),
    )
    return (
        pl.when(~pl.col("judged"))
        .then(_say_lack())
        .when(named == NOWHERE)
        .then(far)
        .when(named == MOVED)
        .then(moved)
        .when(named == OTHER_SLICE)
        .then(away)
        .when(named == STRAY_ANSWER)
        .then(strays)
    )


def _say_lack() -> "pl.Expr":
    """Why nothing is said of a row."""
    import polars as pl

    return (
        pl.when(~pl.col("readable"))
        .then(pl.lit("there is no question to read"))
        .when(pl.col("slice").is_null())
        .then(pl.lit("the row is of no slice, and has no answer that could be compared"))
        .otherwise(
            pl.lit("its slice has fewer than five seeds, and there is no answer that could be compared")
        )
    )


def _name_lack() -> "pl.Expr":
    """The reason class of a row of which nothing is said."""
    import polars as pl

    return (
        pl.when(~pl.col("readable"))
        .then(pl.lit(f"{GATE}.nothing_to_read"))
        .when(pl.col("slice").is_null())
        .then(pl.lit(f"{GATE}.no_slice"))
        .otherwise(pl.lit(f"{GATE}.no_seeds"))
    )


def _write_evidence(bars: TopicBars) -> "pl.Expr":
    import polars as pl

    named = pl.col("named")
    target = (
        pl.when(named.is_in([OTHER_SLICE, MOVED]))
        .then("belongs_to")
        .when(named == NOWHERE)
        .then(pl.lit(bars.other, pl.String))
    )
    told = pl.struct(
        belongs_to=target,
        chance="chance_of_own",
        near="near",
        stray="strays",
        own_score=_number("own_score").round(3),
        best_score=_number("best_score").round(3),
        confirmed=pl.col("close_chance").is_not_null() | pl.col("close_stray").is_not_null(),
    )
    linked = told.struct.with_fields(pl.col("replaced_by"), left="slice")
    return pl.when(named == MOVED).then(linked.struct.json_encode()).otherwise(told.struct.json_encode())


def _write_score(name: str) -> "pl.Expr":
    import polars as pl

    return _number(name).round(3).cast(pl.String).fill_null("none")


def _other(bars: TopicBars) -> str:
    return "" if bars.other is None else f"; it belongs to {bars.other}"


def _number(name: str) -> "pl.Expr":
    """A column of numbers with null for NaN."""
    import polars as pl

    return pl.col(name).fill_nan(None)
