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

    Each row counts once: as a copy of reference rows, else as an exact copy, else as a near-copy; `any` is
    the sum. `across` counts the rows of a split that a row of another one copies, directly or over other
    copies.
    """
    import polars as pl

    rows = evidence.rows.select("row_id", "split", "draw", "text").with_row_index("number")
    plain = pl.col("text").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", "")
    said = rows.select(plain=plain)["plain"]
    rows = rows.with_columns(key=pl.when(said.str.len_bytes() > 0).then(said.hash(seed=0)))
    twins = evidence.flags.filter(pl.col("twin").is_not_null()).select("row_id", "gate", "twin", "pack")
    numbers = rows.select("row_id", "number")
    pairs = twins.join(numbers, on="row_id").join(
        numbers.rename({"row_id": "twin", "number": "other"}), on="twin", how="left"
    )
    again = rows.filter(pl.col("key").is_not_null() & ~pl.col("key").is_first_distinct())
    first = rows.filter(pl.col("key").is_not_null()).unique("key", keep="first", maintain_order=True)
    exact = again.join(first.select("key", other="number"), on="key")
    edges = pl.concat([pairs.drop_nulls("other").select("number", "other"), exact.select("number", "other")])
    outside = pairs.filter(pl.col("other").is_null() | pl.col("pack").is_not_null())
    outside = outside.unique("row_id", keep="first", maintain_order=True)
    exactly = again.select("row_id").join(outside, on="row_id", how="anti")
    inside = pairs.select("row_id").unique().join(outside, on="row_id", how="anti")
    nearly = inside.join(exactly, on="row_id", how="anti")
    return {
        "any": measure_rate(outside.height + exactly.height + nearly.height, evidence.size),
        "exact": measure_rate(exactly.height, evidence.size),
        "near": measure_rate(nearly.height, evidence.size),
        "gates": sorted(twins["gate"].unique().to_list()),
        "references": _measure_references(evidence, outside),
        "splits": _count_splits(rows),
        "across": _measure_across(rows, edges),
        "examples": list_examples(
            evidence.flags.filter(pl.col("twin").is_not_null()).join(nearly, on="row_id", how="semi"),
            evidence.rows,
        ),
    }


def _measure_references(evidence: AuditEvidence, outside: "pl.DataFrame") -> list[Json]:
    """Of each named reference the rows that copy one of its rows, also where there are none, with examples.

    A row counts for the first that it copies. An index of several packs names each of them.
    """
    import polars as pl

    found = outside.with_columns(name=pl.coalesce("pack", "gate"))
    named: dict[tuple[str, str], str | None] = {}
    for gate in evidence.run.lock.gates:
        facts = gate.facts.get((evidence.settings.known.get(gate.use) or {}).get("references") or "")
        for fact in facts if isinstance(facts, list) else []:
            if isinstance(fact, dict):
                named[gate.use, str(fact.get("name"))] = str(fact.get("sha256"))
    for gate_name, name in found.select("gate", "name").unique().sort("gate", "name").iter_rows():
        named.setdefault((gate_name, name), None)
    told = []
    for (gate_name, name), sha256 in named.items():
        mine = found.filter((pl.col("gate") == gate_name) & (pl.col("name") == name))
        flags = evidence.flags.filter(gate=gate_name).join(mine, on="row_id", how="semi")
        work = evidence.work.get(gate_name)
        judged = 0 if work is None else work.looked_at - work.abstained
        told.append(
            {
                "gate": gate_name,
                "name": name,
                "sha256": sha256,
                "rate": measure_rate(mine.height, judged),
                "examples": list_examples(flags, evidence.rows, WORST),
            }
        )
    return told


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
