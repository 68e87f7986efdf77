"""The sample of a review drawn again from its plan and the rows, and compared with the one that people
read.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from synth_stack.review.lots import KEYS, choose_plans, describe_plans, link_lots
from synth_stack.review.plan_file import FRAME_SCHEMA, ReviewPlan
from synth_stack.review.planning import derive_plan_seed
from synth_stack.review.reliability import KNOWN
from synth_stack.review.sampling import draw_lots, order_sample
from synth_stack.review.source import ReviewSource

if TYPE_CHECKING:
    pass

_TOLERANCE = 1e-9
"""Between the risks that two machines compute; which rows are drawn does not depend on it."""


@dataclass(frozen=True, slots=True)
class Redraw:
    """A sample drawn again: how many `rows` it has, and how it differs from the one that was read."""

    rows: int
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the sample is the one that the seed gives."""
        return not self.differences


def redraw_sample(source: ReviewSource) -> Redraw:
    """The sample drawn again from the seed, the lots and the rows as the gates decided them.

    What cannot be worked out from the rows alone is taken as it stands: which cluster a row is in, and which
    gold rows and canaries were planted. The rows that a failed lot added later are not drawn, and not
    compared.
    """
    plan = source.plan
    drawn_first = plan.sample.slice(0, plan.sample_rows)
    checks = [
        *_check_frame(source),
        *_check_lots(plan, source.frame),
        *_check_seed(source),
        *_check_sample(plan, source.frame, drawn_first),
    ]
    return Redraw(len(drawn_first), tuple(checks))


def _check_frame(source: ReviewSource) -> list[str]:
    """Whether the rows in lots are those that the gates accept, each in a lot of its slice and generator."""
    import polars as pl

    plan, frame = source.plan, pl.DataFrame(source.frame)
    if not plan.settings.lots:
        return [] if frame.is_empty() else ["rows are in lots, and the plan has none"]
    if frame["row_id"].n_unique() != len(frame):
        return ["a row is in two lots"]
    lots = pl.DataFrame(plan.lots.select(["lot", *KEYS]))
    rows = source.rows.join(frame, on="row_id", how="left").join(
        lots, on="lot", how="left", suffix="_of_lot", nulls_equal=False
    )
    found = []
    if rows["lot"].drop_nulls().len() != len(frame):
        found.append("a row is in a lot, and the batch does not have it")
    inside = rows.filter(pl.col("lot").is_not_null())
    for key in plan.settings.by.split(","):
        if key in {"slice", "generator"}:
            wrong = inside.filter(pl.col(key).ne_missing(pl.col(f"{key}_of_lot")))
            found += [
                f"row {row_id} is in a lot of another {key}" for row_id in wrong["row_id"][:1].to_list()
            ]
    was_read = pl.Series(source.every["row_id"].to_pylist(), dtype=pl.String)
    outside = rows.filter(
        (pl.col("decided") == "accepted")
        & pl.col("lot").is_null()
        & ~pl.col("written")
        & ~pl.col("row_id").is_in(was_read.implode())
    )
    if len(outside) and not source.rows["written"].any():
        found.append(
            f"{len(outside)} rows that the gates accept are in no lot: {outside['row_id'][0]}, for one"
        )
    turned_away = inside.filter(pl.col("decided") != "accepted")
    if len(turned_away) and not source.rows["written"].any():
        found.append(f"{len(turned_away)} rows are in lots, and the gates do not accept them")
    held = set(rows.filter(decided="held")["row_id"].to_list())
    first = plan.sample.slice(0, plan.sample_rows)
    planned = set(
        pl.DataFrame(first.select(["row_id", "purpose"])).filter(purpose="held")["row_id"].to_list()
    )
    missing = held - planned - (set(was_read.to_list()) - set(first["row_id"].to_pylist()))
    if plan.settings.held != "no" and missing and not source.rows["written"].any():
        found.append(f"{len(missing)} held rows are not to be read: {min(missing)}, for one")
    return found


def _check_lots(plan: ReviewPlan, frame: pa.Table) -> list[str]:
    """Whether each lot has the rows that it says, and the sampling plan that the settings give for it."""
    import polars as pl

    counted = dict(pl.DataFrame(frame).group_by("lot").len().iter_rows())
    lots = plan.lots.to_pylist()
    if {lot["lot"]: lot["rows"] for lot in lots} != counted:
        return ["the lots do not have as many rows as they say"]
    sizes = [lot["rows"] for lot in lots]
    plans = choose_plans(sizes, plan.settings)
    chains = link_lots(pl.DataFrame(plan.lots.select(["lot", *KEYS])), plan.settings)
    for lot, told in zip(lots, describe_plans(plans, sizes, plan.settings), strict=True):
        linked = chains.get(lot["lot"], {"chain": None, "place": None, "skip": False})
        for name, value in {**told, **linked}.items():
            same = lot[name] == value
            if isinstance(value, float):
                same = abs(lot[name] - value) <= _TOLERANCE
            if not same:
                return [
                    f"{lot['lot']} has another {name} than its plan gives: {lot[name]!r}, and not {value!r}"
                ]
    return []


def _check_seed(source: ReviewSource) -> list[str]:
    """Whether the seed is the one that follows from the run, where the plan says so."""
    plan = source.plan
    if plan.facts.get("seed_given"):
        return []
    purposes = plan.sample.slice(0, plan.sample_rows).select(["row_id", "purpose"]).to_pylist()
    held = [row["row_id"] for row in purposes if row["purpose"] == "held"]
    given = derive_plan_seed(
        {"recipe": plan.run, "gates": plan.gates}, source.frame["row_id"].to_pylist(), held
    )
    if plan.settings.seed == given:
        return []
    return [f"the seed is not the one that follows from the run: {plan.settings.seed}, and not {given}"]


def _check_sample(plan: ReviewPlan, frame: pa.Table, sample: pa.Table) -> list[str]:
    """Whether the seed draws these rows, in this order, for these purposes and so many readers."""
    import polars as pl

    rows = pl.DataFrame(sample)
    planted = rows.filter(pl.col("purpose").is_in(KNOWN)).select("row_id", "purpose", "truth")
    held = rows.filter(purpose="held")["row_id"].to_list()
    settings = plan.settings
    drawn = draw_lots(frame.cast(FRAME_SCHEMA), plan.lots, estimate=settings.estimate, seed=settings.seed)
    again = order_sample(drawn, held, planted, overlap=settings.overlap, seed=settings.seed)
    if again.equals(sample):
        return []
    ids, expected = set(sample["row_id"].to_pylist()), set(again["row_id"].to_pylist())
    chosen = sorted(ids - expected)
    if chosen:
        return [f"{len(chosen)} rows were read that the seed does not draw: {chosen[0]}, for one"]
    left_out = sorted(expected - ids)
    if left_out:
        return [f"{len(left_out)} rows that the seed draws were left out: {left_out[0]}, for one"]
    return ["the rows are those that the seed draws, in another order or for another purpose"]
