"""What to do about defects, in order of harm: what to drop, hold, rewrite and make anew, and what each step
does.
"""

from typing import TYPE_CHECKING, Any

from synth_stack.audits.evidence import READER, AuditEvidence
from synth_stack.audits.figures import DIGITS, HARMS, measure_rate

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]

ACTIONS = ("rewrite", "drop", "hold")
MAX_LOSS = 0.2
"""A slice that loses a larger share of its rows is to be made anew: the mix of the data has changed by then.
"""
SHOWN_GROUPS = 3


def plan_remedies(evidence: AuditEvidence) -> Json:
    """The steps in order of harm, each with the rows that it takes, the size and the rate of known defects
    that are left, and the groups that lose most; then the slices to make anew.

    A row belongs to the first step that takes it, so that the steps add up. `rewritten` counts the rows of a
    step for which a gate made a copy that was accepted.
    """
    flags = _rank(evidence)
    first = flags.unique("row_id", keep="first", maintain_order=True)
    copies = _list_copies(evidence, first)
    groups = evidence.rows.select("row_id", "group")
    size, defects, rewritten = evidence.size, first.height, 0
    steps: list[Json] = []
    order = first.select("rank", "harm", "action", "gate", "reason_class").unique(maintain_order=True)
    counts = first.group_by("gate", "reason_class", "action").len()
    ordered = order.join(counts, on=["gate", "reason_class", "action"], nulls_equal=True)
    ordered = ordered.sort(
        ["rank", "action", "len", "gate", "reason_class"], descending=[False, False, True, False, False]
    )
    for step in ordered.to_dicts():
        mine = first.filter(
            pl_eq("gate", step["gate"]),
            pl_eq("reason_class", step["reason_class"]),
            pl_eq("action", step["action"]),
        )
        kept = mine.join(copies, on="row_id", how="semi").height
        size, defects, rewritten = size - mine.height, defects - mine.height, rewritten + kept
        steps.append(
            {
                "number": len(steps) + 1,
                "action": step["action"],
                "gate": step["gate"],
                "reason_class": step["reason_class"],
                "harm": step["harm"],
                "rows": mine.height,
                "rewritten": kept,
                "size_after": size + rewritten,
                "defects_after": measure_rate(defects, size + rewritten),
                "groups": _list_losses(mine, groups),
                "references": _count_references(mine),
            }
        )
    return {
        "steps": steps,
        "size_after": size + rewritten,
        "regenerate": _list_short(evidence, first, copies),
    }


def pl_eq(column: str, value: str | None) -> "pl.Expr":
    """Where a column is a value, or null where that is None."""
    import polars as pl

    return pl.col(column).eq_missing(pl.lit(value, pl.String))


def _rank(evidence: AuditEvidence) -> "pl.DataFrame":
    """The flags with `harm`, `rank` and `action`, the gravest of each row first."""
    import polars as pl

    harms = {name: known["harm"] for name, known in evidence.settings.known.items()} | {READER: "form"}
    place = {name: at for at, name in enumerate([*evidence.run.gate_names, READER])}
    action = (
        pl.when(pl.col("outcome") == "hold")
        .then(pl.lit("hold"))
        .when(pl.col("replaced_by").is_not_null())
        .then(pl.lit("rewrite"))
        .otherwise(pl.lit("drop"))
    )
    ranks = {harm: rank for rank, harm in enumerate(HARMS)}
    flags = evidence.flags.with_columns(
        harm=pl.col("gate").replace_strict(harms, default="form", return_dtype=pl.String),
        place=pl.col("gate").replace_strict(place, default=len(place), return_dtype=pl.Int32),
        action=action,
    ).with_columns(
        rank=pl.col("harm").replace_strict(ranks, return_dtype=pl.Int32),
        hold=pl.col("outcome") == "hold",
    )
    # a row that any gate rejects is gone, whatever others would hold
    return flags.sort(["hold", "rank", "place"], maintain_order=True)


def _list_copies(evidence: AuditEvidence, first: "pl.DataFrame") -> "pl.DataFrame":
    """The rows whose rewritten copy was accepted."""
    import polars as pl

    decided = pl.DataFrame(evidence.run.decisions.select(["row_id", "decision"]))
    accepted = decided.filter(decision="accepted").select(replaced_by="row_id")
    return first.drop_nulls("replaced_by").join(accepted, on="replaced_by", how="semi").select("row_id")


def _count_references(mine: "pl.DataFrame") -> Json:
    """How many rows of a step are copies of which reference."""
    return dict(mine.drop_nulls("pack").group_by("pack").len().sort("pack").iter_rows())


def _list_losses(mine: "pl.DataFrame", groups: "pl.DataFrame") -> list[Json]:
    import polars as pl

    sizes = groups.drop_nulls("group").group_by("group").agg(of=pl.len())
    lost = mine.join(groups, on="row_id").drop_nulls("group").group_by("group").agg(rows=pl.len())
    ranked = lost.join(sizes, on="group").sort(["rows", "group"], descending=[True, False]).head(SHOWN_GROUPS)
    return [{"name": row["group"], "rows": row["rows"], "of": row["of"]} for row in ranked.to_dicts()]


def _list_short(evidence: AuditEvidence, first: "pl.DataFrame", copies: "pl.DataFrame") -> list[Json]:
    """The groups that lose more than MAX_LOSS of their rows, and how many would make them whole."""
    import polars as pl

    gone = first.select("row_id").join(copies, on="row_id", how="anti").with_columns(gone=pl.lit(value=True))
    rows = evidence.rows.select("row_id", "group").drop_nulls("group").join(gone, on="row_id", how="left")
    counted = rows.group_by("group").agg(n=pl.len(), lost=pl.col("gone").sum())
    short = counted.filter(pl.col("lost") > MAX_LOSS * pl.col("n")).sort(
        ["lost", "group"], descending=[True, False]
    )
    return [
        {
            "group": row["group"],
            "rows": row["n"],
            "lost": row["lost"],
            "make": row["lost"],
            "score": round(1 - row["lost"] / row["n"], DIGITS),
        }
        for row in short.to_dicts()
    ]
