"""The decision arithmetic: from the verdicts of every gate to one decision per row.

The rule stands in gates.lock.yaml beside every gate's order, thresholds and directions, so that whoever has
the lock and the verdicts can compute every decision again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from synth_stack.errors import GateError
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.runs.self_tests import SelfTest, describe_failed

RULE_SCHEME = "synth_stack/decision/v1"

PERSON = "review"
"""The name under which a person's verdicts stand: they may override."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How verdicts become decisions: the gates in the order of work, and whose verdicts override others.

    A row is rejected by an overriding reject; else by the first gate that rejects it; else for its
    `failure`; else accepted by an overriding accept of that very row (a release); else held by the first gate
    that holds it; else accepted. An abstention decides nothing, and neither does an accept of a whole lot or
    slice: nobody has read its rows, so it releases none.
    """

    order: tuple[str, ...]
    overriding: tuple[str, ...] = (PERSON,)

    def to_json(self) -> dict[str, Any]:
        """The rule as the lock records it."""
        return {
            "scheme": RULE_SCHEME,
            "order": list(self.order),
            "overriding": list(self.overriding),
            "precedence": list(_PRECEDENCE),
        }


_PRECEDENCE = ("override reject", "reject", "failure", "override accept", "hold")
_DECISION = {0: "rejected", 1: "rejected", 2: "rejected", 3: "accepted", 4: "held"}


@dataclass(frozen=True, slots=True)
class BatchHold:
    """Why a whole batch waits: which gate says so, in words and as a class."""

    gate: str
    reason: str
    reason_class: str


def hold_failed(failed: Sequence[SelfTest]) -> BatchHold | None:
    """Why a batch waits whose gates `failed` their self-test; None without one."""
    if not failed:
        return None
    first = failed[0]
    what = "blind" if first.blind else "unfair"
    return BatchHold(first.gate, describe_failed(failed), f"{first.gate}.{what}")


def decide(
    candidates: pa.Table, verdicts: Sequence[pa.Table], rule: Rule, held_by: BatchHold | None = None
) -> pa.Table:
    """One decision per candidate, in their order.

    `verdicts` holds the tables of all gates, any number a gate, in any order: `rule` says whose comes first;
    of gates that it does not name, none decides. A row with a `failure` is rejected by whatever made it
    ("reader" of foreign rows, "generator"), so that no broken row is accepted where no gate looks at the form
    of rows. `held_by` holds every row that would be accepted and was not released: a batch that failed as a
    whole.

    Raises GateError for a row that the batch holds twice.
    """
    rows = pl.DataFrame(candidates.select(["row_id", "source_id", "kind", "failure"]))
    twice = rows.filter(pl.col("row_id").is_duplicated())
    if twice.height:
        raise GateError("the batch holds a row twice: two rows have one row_id", seen=twice["row_id"][0])
    said = pl.concat([_weigh(verdicts, rule), _list_failures(rows)])
    deciding = (
        said.sort(["weight", "order"], maintain_order=True)
        .unique("row_id", keep="first", maintain_order=True)
        .with_columns(
            decision=pl.col("weight").replace_strict(_DECISION, return_dtype=pl.String),
            replaced_by=pl.when(pl.col("weight") <= 1).then(
                pl.col("evidence").str.json_path_match("$.replaced_by")
            ),
        )
    )
    named = rows.join(deciding, on="row_id", how="left", maintain_order="left")
    named = named.with_columns(pl.col("decision").fill_null("accepted"))
    released = pl.col("decision") == "accepted"
    silent = [pl.when(~released).then(name).alias(name) for name in ("gate", "reason", "reason_class")]
    if held_by is not None:
        waits = released & pl.col("gate").is_null()
        silent = [
            pl.when(waits).then(pl.lit(value)).when(~released).then(name).alias(name)
            for name, value in (
                ("gate", held_by.gate),
                ("reason", held_by.reason),
                ("reason_class", held_by.reason_class),
            )
        ]
        silent.append(pl.when(waits).then(pl.lit("held")).otherwise("decision").alias("decision"))
    return named.with_columns(silent).select(DECISION_SCHEMA.names).to_arrow().cast(DECISION_SCHEMA)


_SAID = {
    **dict.fromkeys(("row_id", "gate", "reason", "reason_class", "evidence"), pl.String),
    "weight": pl.Int8,
    "order": pl.Int32,
}


def _weigh(verdicts: Sequence[pa.Table], rule: Rule) -> pl.DataFrame:
    """The verdicts that can decide, with their `weight`, the least first, and the `order` of their gates."""
    columns = ["row_id", "gate", "outcome", "reason", "reason_class", "evidence", "scope"]
    tables = [pl.DataFrame(table.select(columns)) for table in verdicts if len(table)]
    if not tables:
        return pl.DataFrame(schema=_SAID)
    order = {name: place for place, name in enumerate([*rule.overriding, *rule.order])}
    overrides = pl.col("gate").is_in(list(rule.overriding))
    weight = (
        pl.when(overrides & (pl.col("outcome") == "reject"))
        .then(0)
        .when(pl.col("outcome") == "reject")
        .then(1)
        .when(overrides & (pl.col("outcome") == "accept") & (pl.col("scope") == "row"))
        .then(3)
        .when(pl.col("outcome") == "hold")
        .then(4)
    )
    return (
        pl.concat(tables)
        .with_columns(
            weight=weight.cast(pl.Int8),
            order=pl.col("gate").replace_strict(order, default=None, return_dtype=pl.Int32),
        )
        .filter(pl.col("weight").is_not_null() & pl.col("order").is_not_null())
        .select(list(_SAID))
    )


def _list_failures(rows: pl.DataFrame) -> pl.DataFrame:
    maker = pl.when(pl.col("kind") == "foreign").then(pl.lit("reader")).otherwise(pl.lit("generator"))
    return rows.filter(pl.col("failure").is_not_null()).select(
        "row_id",
        maker.alias("gate"),
        pl.col("failure").alias("reason"),
        pl.concat_str(maker, pl.lit(".failure")).alias("reason_class"),
        pl.lit(None, pl.String).alias("evidence"),
        pl.lit(2, pl.Int8).alias("weight"),
        pl.lit(0, pl.Int32).alias("order"),
    )
