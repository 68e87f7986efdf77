"""A plan worked out from a judged run: what may be sampled, its lots, the rows drawn, and what is planted."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from synth_stack.decisions.decide import PERSON, Rule, decide, hold_failed
from synth_stack.errors import InputError
from synth_stack.review.clusters import find_clusters
from synth_stack.review.lots import cut_lots, frame_table, plan_lots
from synth_stack.review.plan_file import FRAME_SCHEMA, LOT_SCHEMA, PlanSettings, PlanTables
from synth_stack.review.sampling import draw_lots, order_sample
from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA
from synth_stack.runs.folder import identity_line
from synth_stack.runs.judged import Judged, read_candidates, read_shards, read_verdicts

if TYPE_CHECKING:
    import polars as pl

SEED_FROM_RUN = -1
"""Stands for the seed that follows from the run, so that nobody chooses it."""


def read_rows(run: Judged) -> "pl.DataFrame":
    """The rows of a run in order: `row_id`, slice, generator, what the gates alone `decided`, and whether a
    person has `read` the row already.
    """
    import polars as pl

    rows = list_rows(run.folder)
    said = [pl.DataFrame(part.select(["row_id", "scope"])) for part in read_verdicts(run.folder, PERSON)]
    if not said:
        decided = pl.DataFrame(run.decisions.select(["decision"])).rechunk()["decision"]
        return rows.with_columns(decided=decided, read=pl.lit(value=False))
    read = pl.concat(said).filter(pl.col("scope") == "row")["row_id"]
    decided = pl.DataFrame(decide_without_people(run).select(["decision"])).rechunk()["decision"]
    return rows.with_columns(decided=decided, read=pl.col("row_id").is_in(read.implode()))


def list_rows(folder: Path) -> "pl.DataFrame":
    """The `row_id`, slice and generator of every row of a run, in order."""
    import polars as pl

    columns = ["row_id", "slice", "generator"]
    parts = [CANDIDATE_SCHEMA.empty_table().select(columns), *read_candidates(folder, columns)]
    return pl.DataFrame(pa.concat_tables(parts)).rechunk()


def decide_without_people(run: Judged) -> pa.Table:
    """What the gates alone decide of a run, DECISION_SCHEMA."""
    return decide_again(run, people=False)


def decide_again(run: Judged, *, people: bool = True) -> pa.Table:
    """What the verdicts that lie in a run decide, DECISION_SCHEMA, those of `people` included or left out."""
    rule = Rule(tuple(run.lock.rule.order), tuple(run.lock.rule.overriding) if people else ())
    held_by = hold_failed([test for test in run.self_tests if test.failed])
    decided = [
        decide(shard.candidates, shard.verdicts, rule, held_by)
        for shard in read_shards(run.folder, run.gate_names)
    ]
    return pa.concat_tables([DECISION_SCHEMA.empty_table(), *decided])


def build_plan(
    run: Judged, settings: PlanSettings, planted: pa.Table, truths: "pl.DataFrame"
) -> tuple[PlanSettings, PlanTables, str | None]:
    """The tables of a plan, its settings with the seed filled in, and in words what the clusters of its lots
    are.

    `planted` are gold rows and canaries (CANDIDATE_SCHEMA), `truths` their `row_id`, `purpose` and `truth`.
    Raises InputError for a run without a row to read.
    """
    import polars as pl

    rows = read_rows(run)
    ready = rows.filter((pl.col("decided") == "accepted") & ~pl.col("read"))
    if settings.held == "only" or not settings.lots:
        ready = ready.clear()
    waiting = rows.filter((pl.col("decided") == "held") & ~pl.col("read"))["row_id"]
    held = [] if settings.held == "no" else waiting.to_list()
    if not len(ready) and not held:
        raise InputError(f"{run.folder} has no row to review: {_explain_nothing(rows, settings)}")
    if settings.seed == SEED_FROM_RUN:
        seed = derive_plan_seed(identify(run), ready["row_id"].to_list(), held)
        settings = replace(settings, seed=seed)
    lots, frame = LOT_SCHEMA.empty_table(), FRAME_SCHEMA.empty_table()
    clustering = None
    if len(ready):
        by = settings.by.split(",")
        named = ready.select("row_id", "slice", "generator")
        if "cluster" in by:
            clustering = find_clusters(run, named, lot_rows=settings.lot_rows, seed=settings.seed)
        clusters = pl.lit(None, pl.String) if clustering is None else clustering.clusters
        cut = cut_lots(named.with_columns(cluster=clusters), by)
        lots, frame = plan_lots(cut, settings), frame_table(cut)
    drawn = draw_lots(frame, lots, estimate=settings.estimate, seed=settings.seed)
    sample = order_sample(drawn, held, truths, overlap=settings.overlap, seed=settings.seed)
    tables = PlanTables(lots, frame, sample, planted)
    return settings, tables, None if clustering is None else clustering.described


def derive_plan_seed(identity: Mapping[str, str], ready: Iterable[str], held: Iterable[str]) -> int:
    """The seed that follows from a run: from its locks' identities, and from which rows may be drawn."""
    ids = hashlib.sha256("".join([*sorted(ready), "|", *sorted(held)]).encode("ascii")).hexdigest()
    return derive_seed(0, "review", identity["recipe"], identity["gates"], ids)


def identify(run: Judged) -> dict[str, str]:
    """The identities of a run's locks: what it was made from, and what judged it."""
    gates = identity_line(run.gates_lock).removeprefix("identity: ")
    return {"recipe": run.recipe.identity, "gates": gates}


def _explain_nothing(rows: "pl.DataFrame", settings: PlanSettings) -> str:
    import polars as pl

    what = "held" if settings.held == "only" else "accepted"
    n = rows.filter(pl.col("decided") == what).height
    return f"the gates left none {what}" if n == 0 else f"people have read all {n} that the gates left {what}"
