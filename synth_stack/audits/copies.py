"""Copies: inside the data, from one split to another, and of reference rows; and what of an exam is in it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from synth_stack.audits.evidence import AuditEvidence
from synth_stack.audits.figures import EXAMPLES, cut, list_examples, measure_rate

if TYPE_CHECKING:
    import polars as pl

Json = dict[str, Any]

SPLIT_ORDER = ("test", "validation", "train")
"""Whose rows are counted where two splits share some: those of the smaller, which measures."""
WORST = 5


def measure_copies(evidence: AuditEvidence) -> Json:
    """Exact copies (letters and digits alone, without case), and the near-copies that gates named a twin of.

    `across` counts the rows of a split that a row of another one copies, directly or over other copies.
    """
    import polars as pl

    rows = evidence.rows.select("row_id", "split", "draw", "text").with_row_index("number")
    plain = pl.col("text").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "")
    said = rows.select(plain=plain)["plain"]
    rows = rows.with_columns(key=pl.when(said.str.len_bytes() > 0).then(said.hash(seed=0)))
    twins = evidence.flags.filter(pl.col("twin").is_not_null()).select("row_id", "gate", "twin")
    numbers = rows.select("row_id", "number")
    pairs = twins.join(numbers, on="row_id").join(
        numbers.rename({"row_id": "twin", "number": "other"}), on="twin", how="left"
    )
    again = rows.filter(pl.col("key").is_not_null() & ~pl.col("key").is_first_distinct())
    first = rows.filter(pl.col("key").is_not_null()).unique("key", keep="first", maintain_order=True)
    exact = again.join(first.select("key", other="number"), on="key")
    edges = pl.concat([pairs.drop_nulls("other").select("number", "other"), exact.select("number", "other")])
    inside = pairs.drop_nulls("other")
    outside = pairs.filter(pl.col("other").is_null())
    return {
        "exact": measure_rate(again.height, evidence.size),
        "near": measure_rate(inside["row_id"].n_unique(), evidence.size),
        "gates": sorted(twins["gate"].unique().to_list()),
        "references": measure_rate(outside["row_id"].n_unique(), evidence.size),
        "splits": _count_splits(rows),
        "across": _measure_across(rows, edges),
        "examples": list_examples(evidence.flags.filter(pl.col("twin").is_not_null()), evidence.rows),
    }


def _count_splits(rows: "pl.DataFrame") -> Json:
    counted = rows.drop_nulls("split").group_by("split").len()
    return {row["split"]: row["len"] for row in counted.sort("split").to_dicts()}


def _measure_across(rows: "pl.DataFrame", edges: "pl.DataFrame") -> list[Json]:
    import polars as pl
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    found = set(rows["split"].drop_nulls().unique())
    ordered = [split for split in SPLIT_ORDER if split in found]
    if len(ordered) < 2:
        return []
    n = rows.height
    ones = np.ones(edges.height, dtype=np.int8)
    graph = coo_array((ones, (edges["number"].to_numpy(), edges["other"].to_numpy())), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    placed = rows.with_columns(component=pl.Series(component)).drop_nulls("split")
    told = []
    for at, mine in enumerate(ordered):
        for other in ordered[at + 1 :]:
            theirs = placed.filter(split=other).unique("component", keep="first", maintain_order=True)
            measured = placed.filter(split=mine)
            shared = measured.join(
                theirs.select("component", other_id="row_id", other_text="text", other_draw="draw"),
                on="component",
                maintain_order="left",
            )
            told.append(
                {
                    "split": mine,
                    "other": other,
                    "rate": measure_rate(shared.height, measured.height),
                    "examples": [
                        {
                            "row_id": row["row_id"],
                            "position": row["draw"] + 1,
                            "text": cut(row["text"]),
                            "other_id": row["other_id"],
                            "other_position": row["other_draw"] + 1,
                            "other_text": cut(row["other_text"]),
                        }
                        for row in shared.head(EXAMPLES).to_dicts()
                    ],
                }
            )
    return told


def measure_exams(evidence: AuditEvidence) -> list[Json]:
    """Each eval set that a gate compared with: the rows that repeat items of it, how many of its items, and
    the worst of these rows.
    """
    import polars as pl

    told = []
    for gate in evidence.run.lock.gates:
        work = evidence.work.get(gate.use)
        judged = 0 if work is None else work.looked_at - work.abstained
        for eval_set in gate.eval_sets:
            mine = evidence.flags.filter((pl.col("gate") == gate.use) & (pl.col("eval_set") == eval_set.name))
            told.append(
                {
                    "gate": gate.use,
                    "eval_set": eval_set.name,
                    "version": eval_set.version,
                    "sha256": eval_set.sha256,
                    "items": eval_set.items,
                    "items_found": mine["item"].drop_nulls().n_unique(),
                    "rate": measure_rate(mine["row_id"].n_unique(), judged),
                    "worst": list_examples(mine, evidence.rows, WORST),
                }
            )
    return told
