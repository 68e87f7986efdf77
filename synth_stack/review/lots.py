"""Lots: rows of one slice, generator and cluster, which fail together, and the sampling plan of each."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synth_stack.review.plan_file import FRAME_SCHEMA, LOT_SCHEMA, PlanSettings
from synth_stack.rows.canonical import digest_json
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
from synth_stack.stats.sequential import find_sequential
from synth_stack.stats.skip_lots import CLEARANCE, FRACTION, tighten

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
    chains = link_lots(lots, settings)
    planned = [
        {
            **row,
            **told,
            "tier": settings.tier,
            "method": _name_method(plan, row["rows"], settings),
            **chains.get(row["lot"], _ALONE),
        }
        for row, plan, told in zip(
            lots.to_dicts(), plans, describe_plans(plans, sizes, settings), strict=True
        )
    ]
    return pa.Table.from_pylist(planned, schema=LOT_SCHEMA)


_ALONE = {"chain": None, "place": None, "skip": False}


def link_lots(lots: "pl.DataFrame", settings: PlanSettings) -> dict[str, dict[str, Any]]:
    """The chain, place and skip of each lot that is in a chain, by name; none without skip-lot plans.

    A chain is the clusters of one slice and generator, where they are more than have to pass first. Their
    order, and which of them go unread, are drawn by SHA-256 over seed and name of the lot.
    """
    if not settings.skip_lots or "cluster" not in settings.by.split(","):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for number, (_, group) in enumerate(lots.group_by(["slice", "generator"], maintain_order=True), start=1):
        names = group["lot"].to_list()
        if len(names) <= CLEARANCE:
            continue
        draws = sorted((digest_json([settings.seed, "chain", name]), name) for name in names)
        for place, (digest, name) in enumerate(draws):
            unread = place >= CLEARANCE and int(digest[-8:], 16) / 2**32 >= FRACTION
            found[name] = {"chain": f"chain-{number:04d}", "place": place, "skip": unread}
    return found


def _name_method(plan: SamplingPlan, rows: int, settings: PlanSettings) -> str:
    if plan.n == rows:
        return "whole"
    return "single" if settings.method == "sequential" and len(plan.looks) == 1 else settings.method


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
    if settings.skip_lots:
        risks = tighten(risks)
    if settings.method == "percent":
        return sample_share(sizes, settings.percent or 0.0, risks)
    readers = Readers(settings.sensitivity, settings.specificity)
    single = find_single(sizes, risks) if readers.perfect else find_single_with_readers(sizes, risks, readers)
    if settings.method != "sequential":
        return single
    marked = replace(risks, aql=readers.mark(risks.aql), ltpd=readers.mark(risks.ltpd))
    many = find_sequential(marked)
    fits = {size: _keeps(many, size, risks, readers) for size in set(sizes) if size > 2 * many.n}
    return [many if fits.get(size) else one for size, one in zip(sizes, single, strict=True)]


def _keeps(plan: SamplingPlan, size: int, risks: Risks, readers: Readers) -> bool:
    """Whether a plan of many looks keeps both risks in a lot of that size, exactly."""
    few, many = count_defects(size, risks.aql, up=False), count_defects(size, risks.ltpd, up=True)
    fails = 1 - pass_with_readers(plan, size, few, readers)
    return fails <= risks.alpha and pass_with_readers(plan, size, many, readers) <= risks.beta
