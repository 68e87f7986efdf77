"""Verdicts on the diversity of a batch, written from what was measured of its clusters and groups."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.gates.diversity.sampling import Field, read_groups, read_said
from synth_stack.gates.gate import State
from synth_stack.rows.schemas import VERDICT_SCHEMA

if TYPE_CHECKING:
    import polars as pl

GATE = "diversity"
REWORDED = f"{GATE}.reworded"
REWORDED_GROUP = f"{GATE}.reworded_group"
NARROW = f"{GATE}.narrow"
UNEVEN = f"{GATE}.uneven_seeds"

_SCOPES = {"batch": "batch", "slice": "slice", "generator": "lot", "seed": "lot", "planted": "slice"}
_MEASURES = ("known", "narrow", "uneven")
_CLASSES = dict(zip(_MEASURES, (REWORDED_GROUP, NARROW, UNEVEN), strict=True))
_WORDS = {
    "known": "repeats {} of its wording",
    "narrow": "has {} fewer meanings than its seeds, or than a corpus of its size",
    "uneven": "falls short by {} of an even use of its seeds",
}


@dataclass(frozen=True, slots=True)
class VerdictBars:
    """The bars, None for one that is off, and what becomes of a row of a collapsed cluster."""

    known: float | None
    narrow: float | None
    uneven: float | None
    action: Literal["reject", "hold"]


def write_verdicts(table: pa.Table, state: State, *, field: Field, bars: VerdictBars) -> pa.Table:
    """One verdict a row, in order. Raises GateError before the batch was seen."""
    import polars as pl

    if "groups" not in state or "members" not in state:
        raise GateError(f"{GATE} was asked for verdicts before it saw the batch")
    rows = read_groups(table).with_columns(
        readable=read_said(table, field).is_not_null(), order=pl.int_range(pl.len())
    )
    members = pl.DataFrame(state["members"]).join(pl.DataFrame(state["clusters"]), on="cluster", how="left")
    groups = _weigh_groups(pl.DataFrame(state["groups"]), bars)
    rows = rows.join(members.rename({"known": "cluster_known"}), on="id", how="left", maintain_order="left")
    rows = _find_worst(rows, groups)
    away = pl.col("cluster").is_not_null() & ~pl.col("kept").fill_null(value=False) & ~pl.col("planted")
    measured = pl.col("measured").fill_null(value=False) | away
    outcome = (
        pl.when(~pl.col("readable") | ~measured)
        .then(pl.lit("abstain"))
        .when(away)
        .then(pl.lit(bars.action))
        .when(pl.col("class").is_not_null())
        .then(pl.lit("hold"))
        .otherwise(pl.lit("accept"))
    )
    return _write(rows.with_columns(outcome=outcome, away=away), bars)


def _weigh_groups(groups: "pl.DataFrame", bars: VerdictBars) -> "pl.DataFrame":
    """The groups with the first bar that each is beyond: its class, its number, and its reason."""
    import polars as pl

    stated, classes, reasons = [], [], []
    for group in groups.iter_rows(named=True):
        beyond = [m for m in _MEASURES if _is_beyond(group[m], getattr(bars, m))]
        stated.append(any(group[m] is not None for m in _MEASURES))
        classes.append(_CLASSES[beyond[0]] if beyond else None)
        named = f"the {group['scope']} {group['name']}".strip()
        told = [_WORDS[m].format(f"{group[m]:.0%}") + f", allowed {getattr(bars, m):.0%}" for m in beyond]
        reasons.append(f"{named} {' and '.join(told)}" if told else None)
    return groups.with_columns(
        measured=pl.Series(stated, dtype=pl.Boolean),
        group_class=pl.Series(classes, dtype=pl.String),
        group_reason=pl.Series(reasons, dtype=pl.String),
    )


def _is_beyond(value: float | None, bar: float | None) -> bool:
    return value is not None and bar is not None and value > bar


def _find_worst(rows: "pl.DataFrame", groups: "pl.DataFrame") -> "pl.DataFrame":
    """The rows with what is said of their groups: the widest group that is beyond a bar counts, and of each
    measure the worst.
    """
    import polars as pl

    batch = pl.lit("", pl.String)
    keys = [
        ("planted", "slice"),
        ("batch", None),
        ("slice", "slice"),
        ("generator", "generator"),
        ("seed", "seed"),
    ]
    numbers: dict[str, list[pl.Expr]] = {measure: [] for measure in _MEASURES}
    told: list[tuple[str, pl.Expr]] = []
    for scope, column in keys:
        mine = groups.filter(pl.col("scope") == scope).select(
            pl.col("name").alias("__name"),
            *(
                pl.col(name).alias(f"{scope}_{name}")
                for name in (*_MEASURES, "measured", "group_class", "group_reason", "figures", "lacks")
            ),
        )
        key = batch if column is None else pl.col(column)
        concerned = pl.col("planted") if scope == "planted" else ~pl.col("planted")
        rows = (
            rows.with_columns(__name=pl.when(concerned).then(key))
            .join(mine, on="__name", how="left", maintain_order="left")
            .drop("__name")
        )
        told.append((scope, pl.col(f"{scope}_group_class").is_not_null()))
        for measure in _MEASURES:
            numbers[measure].append(pl.col(f"{scope}_{measure}"))

    def pick(name: str) -> pl.Expr:
        return pl.coalesce([pl.when(beyond).then(pl.col(f"{scope}_{name}")) for scope, beyond in told])

    scope_of = pl.coalesce([pl.when(beyond).then(pl.lit(_SCOPES[scope])) for scope, beyond in told])
    return rows.with_columns(
        measured=pl.any_horizontal(
            *(pl.col(f"{scope}_measured").fill_null(value=False) for scope, _ in told)
        ),
        **{
            "class": pick("group_class"),
            "why": pick("group_reason"),
            "figures": pick("figures"),
            "scope": scope_of,
        },
        **{measure: pl.max_horizontal(*each) for measure, each in numbers.items()},
        lacks=pl.coalesce("slice_lacks", "planted_lacks", "batch_lacks"),
        batch_known=pl.col("batch_known"),
    )


def _write(rows: "pl.DataFrame", bars: VerdictBars) -> pa.Table:
    import polars as pl

    nothing = pl.lit("there is no text to read")
    few = pl.lit("too few rows to measure: the batch and the groups of this row have fewer than 80")
    reworded = pl.format(
        "one of a cluster that repeats {}% of its wording, allowed {}%, beyond the rows that are kept of it",
        (pl.col("cluster_known") * 100).round(1),
        round((bars.known or 0) * 100, 1),
    )
    member = pl.col("cluster").is_not_null() & ~pl.col("planted")
    named = zip(('{"known_group":', ',"narrow":', ',"uneven":'), _MEASURES, strict=True)
    measures = pl.concat_str([part for key, name in named for part in (pl.lit(key), _number(name))])
    kept = pl.col("kept").cast(pl.String)
    cluster = pl.when(member).then(pl.concat_str(pl.lit(',"cluster":'), "evidence", pl.lit(',"kept":'), kept))
    group = pl.when(pl.col("class").is_not_null()).then(pl.concat_str(pl.lit(',"group":'), "figures"))
    lacks = pl.when(pl.col("lacks") != "{}").then(pl.concat_str(pl.lit(',"unmeasured":'), "lacks"))
    empty = pl.lit("")
    evidence = pl.concat_str(
        measures, cluster.otherwise(empty), group.otherwise(empty), lacks.otherwise(empty), pl.lit("}")
    )
    out = pl.col("outcome")
    away, held = pl.col("away"), (out == "hold") & ~pl.col("away")
    unread, lacking = ~pl.col("readable"), (out == "abstain") & pl.col("readable")
    verdicts: pa.Table = (
        rows.select(
            "row_id",
            gate=pl.lit(GATE),
            outcome=out,
            score=pl.when(away & (out != "abstain")).then(pl.col("cluster_known")),
            threshold=pl.lit(bars.known, pl.Float64),
            reason=pl.when(unread)
            .then(nothing)
            .when(lacking)
            .then(few)
            .when(away)
            .then(reworded)
            .when(held)
            .then(pl.col("why")),
            reason_class=pl.when(unread)
            .then(pl.lit(f"{GATE}.nothing_to_read"))
            .when(lacking)
            .then(pl.lit(f"{GATE}.too_few_rows"))
            .when(away)
            .then(pl.lit(REWORDED))
            .when(held)
            .then(pl.col("class")),
            evidence=pl.when(out != "abstain").then(evidence),
            scope=pl.when(held).then(pl.col("scope")).otherwise(pl.lit("row")),
        )
        .rechunk()
        .to_arrow()
        .cast(VERDICT_SCHEMA)
    )
    return verdicts


def _number(name: str) -> "pl.Expr":
    import polars as pl

    return pl.col(name).cast(pl.String).str.strip_suffix(".0").fill_null("null")
