"""What a plan asks of people and what it promises, before anybody is asked."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.review.lots import read_sampling_plan
from synth_stack.review.plan_file import PlanSettings
from synth_stack.stats.acceptance import count_defects
from synth_stack.stats.imperfect_readers import Readers, pass_with_readers


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How likely a lot passes that has so many `defects`, which are that `share` of its rows."""

    defects: int
    share: float
    passes: float


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A plan in figures. `reads` are the rows to read by purpose, `reviews` how often a row is read by
    somebody (an overlap counts twice), `expected_reviews` how often on average if lots are at the AQL,
    `hours` what the `reviews` take, all people together. `kept` lots keep both risks; `worst_beta` and
    `worst_alpha` are the largest risks of all lots. `curve` is that of the lot of median size.
    """

    rows: int
    lots: int
    whole: int
    reads: dict[str, int]
    reviews: int
    expected_reviews: float
    hours: float
    hours_each: float
    reviewers: int
    kept: int
    worst_alpha: float
    worst_beta: float
    median_rows: int
    median_n: int
    median_c: int
    curve: tuple[CurvePoint, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)


def summarise(settings: PlanSettings, lots: pa.Table, sample: pa.Table) -> PlanSummary:
    """The figures of a plan from its tables (LOT_SCHEMA, SAMPLE_SCHEMA)."""
    reads = Counter(sample["purpose"].to_pylist())
    reviews = sum(sample["reviewers"].to_pylist())
    sizes = lots["rows"].to_pylist()
    most, likely = sum(lots["n"].to_pylist()), sum(lots["expected_n"].to_pylist())
    overlap = reviews / len(sample) if len(sample) else 1.0
    producer, consumer = (lots[name].to_numpy() for name in ("producer_risk", "consumer_risk"))
    slack = 1e-9
    kept = (producer <= settings.alpha + slack) & (consumer <= settings.beta + slack)
    median = int(np.argsort(sizes, kind="stable")[(len(sizes) - 1) // 2]) if sizes else None
    lot = None if median is None else lots.slice(median, 1).to_pylist()[0]
    readers = Readers(settings.sensitivity, settings.specificity)
    hours = reviews * settings.seconds_a_row / 3600
    return PlanSummary(
        rows=sum(sizes),
        lots=len(sizes),
        whole=lots["method"].to_pylist().count("whole"),
        reads=dict(reads),
        reviews=reviews,
        expected_reviews=reviews - (most - likely) * overlap,
        hours=hours,
        hours_each=hours / settings.reviewers,
        reviewers=settings.reviewers,
        kept=int(kept.sum()),
        worst_alpha=float(producer.max(initial=0.0)),
        worst_beta=float(consumer.max(initial=0.0)),
        median_rows=lot["rows"] if lot else 0,
        median_n=lot["n"] if lot else 0,
        median_c=lot["c"] if lot else 0,
        curve=_draw(lot, settings, readers) if lot else (),
    )


def _draw(lot: dict[str, Any], settings: PlanSettings, readers: Readers) -> tuple[CurvePoint, ...]:
    plan, rows = read_sampling_plan(lot), lot["rows"]
    return tuple(
        CurvePoint(defects, defects / rows, pass_with_readers(plan, rows, defects, readers))
        for defects in _choose_defects(settings, rows)
    )


def _choose_defects(settings: PlanSettings, rows: int) -> list[int]:
    """Numbers of defects around the two that the plan is about: the most that keep to the AQL, the fewest
    that reach the LTPD.
    """
    aql, ltpd = settings.aql, settings.ltpd
    few, many = count_defects(rows, aql, up=False), count_defects(rows, ltpd, up=True)
    others = (2 * aql, (aql + ltpd) / 2, 1.5 * ltpd, 2 * ltpd)
    return sorted({0, few, many, *(min(rows, round(rows * share)) for share in others)})
