"""Lots: rows of one slice, generator and cluster, which fail together, and the sampling plan of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synth_stack.review.plan import FRAME_SCHEMA, LOT_SCHEMA, PlanSettings
from synth_stack.stats.acceptance import (
    Look,
    Risks,
    SamplingPlan,
    count_defects,
    expected_reviews,
    find_single,
    sample_share,
)
from synth_stack.stats.imperfect_readers import Readers, find_single_with_readers, pass_with_readers

if TYPE_CHECKING:
    import polars as pl

KEYS = ("slice", "generator", "cluster")
"""What a lot may be told by, in this order."""


def cut_lots(rows: "pl.DataFrame", by: Sequence[str]) -> "pl.DataFrame":
    """The rows with a column `lot` beside them, numbered in the order of their keys, null before all names.

    `rows` has `row_id` and the KEYS; those that are not in `by` count as one. Sorted by row_id.
    """
    import polars as pl

    keys = [key for key in KEYS if key in by]
    one = [pl.lit(None, pl.String).alias(key) for key in KEYS if key not in by]
    rows = rows.with_columns(one)
    named = rows.select(keys or ["slice"]).unique().sort(keys or ["slice"], nulls_last=False)
    width = max(len(str(len(named))), 4)
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(width)
    named = named.with_columns(lot=pl.concat_str(pl.lit("lot-"), number))
    return rows.join(named, on=keys or ["slice"], how="left", nulls_equal=True).sort("row_id")


def frame_table(rows: "pl.DataFrame") -> pa.Table:
    """The lot of every row, FRAME_SCHEMA."""
    return rows.select(FRAME_SCHEMA.names).to_arrow().cast(FRAME_SCHEMA).combine_chunks()


def plan_lots(rows: "pl.DataFrame", settings: PlanSettings) -> pa.Table:
    """One row a lot, LOT_SCHEMA, in the order of their names, each with its sampling plan."""
    import polars as pl

    lots = (
        rows.group_by("lot").agg(pl.len().alias("rows"), *(pl.col(key).first() for key in KEYS)).sort("lot")
    )
    sizes = lots["rows"].to_list()
    plans = choose_plans(sizes, settings)
    planned = [
        {
            **row,
            **told,
            "tier": settings.tier,
            "method": "whole" if plan.n == row["rows"] else settings.method,
            "chain": None,
            "skip": False,
        }
        for row, plan, told in zip(
            lots.to_dicts(), plans, describe_plans(plans, sizes, settings), strict=True
        )
    ]
    return pa.Table.from_pylist(planned, schema=LOT_SCHEMA)


def describe_plans(
    plans: Sequence[SamplingPlan], sizes: Sequence[int], settings: PlanSettings
) -> list[dict[str, Any]]:
    """What LOT_SCHEMA says of the sampling plans of lots of these sizes: their looks and exact risks."""
    told: dict[tuple[SamplingPlan, int], dict[str, Any]] = {}
    for key in zip(plans, sizes, strict=True):
        if key not in told:
            told[key] = _describe_plan(*key, settings)
    return [told[key] for key in zip(plans, sizes, strict=True)]


def _describe_plan(plan: SamplingPlan, rows: int, settings: PlanSettings) -> dict[str, Any]:
    risks = Risks(settings.aql, settings.ltpd, settings.alpha, settings.beta)
    readers = Readers(settings.sensitivity, settings.specificity)
    few, many = count_defects(rows, risks.aql, up=False), max(1, count_defects(rows, risks.ltpd, up=True))
    passes = [pass_with_readers(plan, rows, defects, readers) for defects in (few, many)]
    return {
        "n": plan.n,
        "c": plan.c,
        "stages": [asdict(look) for look in plan.looks],
        **asdict(risks),
        "producer_risk": 1.0 - passes[0],
        "consumer_risk": passes[1],
        "expected_n": float(expected_reviews(plan, rows, [few])[0]),
    }


def read_sampling_plan(lot: Mapping[str, Any]) -> SamplingPlan:
    """The sampling plan of a row of LOT_SCHEMA."""
    return SamplingPlan(tuple(Look(**look) for look in lot["stages"]))


def choose_plans(sizes: Sequence[int], settings: PlanSettings) -> list[SamplingPlan]:
    """The sampling plan of a lot of each size under the settings of a plan."""
    risks = Risks(settings.aql, settings.ltpd, settings.alpha, settings.beta)
    if settings.method == "percent":
        return sample_share(sizes, settings.percent or 0.0, risks)
    readers = Readers(settings.sensitivity, settings.specificity)
    return find_single(sizes, risks) if readers.perfect else find_single_with_readers(sizes, risks, readers)
