"""What the answers on a plan come to, worked out from the run folder alone: rows, lots, and what ships.

    review/outcome.json   the figures that report and card show, and what they were worked out from

It is a pure function of plan, answers and run, so whoever has these can work it out again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.decisions.decide import PERSON
from synth_stack.errors import StoreError
from synth_stack.files import store_errors, write_bytes
from synth_stack.review.judgements import Judgement, settle_rows
from synth_stack.review.lot_decisions import LotDecision, decide_lots
from synth_stack.review.lots import read_sampling_plan
from synth_stack.review.outgoing import (
    LEVEL,
    DecidedSample,
    Outgoing,
    ShippedRows,
    bound_by_lots,
    estimate_outgoing,
)
from synth_stack.review.plan_file import FOLDER, ReviewPlan
from synth_stack.review.reliability import KNOWN, Reliability, measure_reliability
from synth_stack.review.source import ReviewSource
from synth_stack.review.verdicts import judge_lots, judge_rows
from synth_stack.rows.canonical import canonical_json
from synth_stack.rows.schemas import VERDICT_SCHEMA, build_verdicts
from synth_stack.runs.folder import update_manifest

if TYPE_CHECKING:
    import polars as pl

OUTCOME = f"{FOLDER}/outcome.json"
OUTCOME_SCHEME = "synth_stack/review-outcome/v2"


@dataclass(frozen=True, slots=True)
class Adjudication:
    """A row that somebody settled for others: who, when, and how. Why stands in the journal of answers."""

    row_id: str
    adjudicator: str
    submitted_at: str
    judgement: str


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """A review as it stands. `answered` (scope row) and `lotted` (scope lot) are the verdicts that it gives,
    VERDICT_SCHEMA. Of the `planned` rows that are no planted ones, `settled` are; `disputed` wait for an
    adjudicator, `waiting` for another reader. `outgoing` has all that ships first, then its slices by size.
    """

    plan_sha256: str | None
    answers_sha256: str
    lots: tuple[LotDecision, ...]
    reliability: Reliability
    outgoing: tuple[Outgoing, ...]
    adjudications: tuple[Adjudication, ...]
    planned: int
    settled: int
    disputed: int
    waiting: int
    answered: pa.Table
    lotted: pa.Table

    @property
    def overall(self) -> Outgoing | None:
        """What ships, all slices together; None before decisions were made."""
        return self.outgoing[0] if self.outgoing else None

    def count_lots(self) -> dict[str, int]:
        """How many lots have each status."""
        counts: dict[str, int] = {}
        for lot in self.lots:
            counts[lot.status] = counts.get(lot.status, 0) + 1
        return counts

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON, without the verdicts."""
        plain: dict[str, Any] = orjson.loads(
            orjson.dumps(
                {name: getattr(self, name) for name in self.__slots__ if name not in {"answered", "lotted"}}
            )
        )
        return {"scheme": OUTCOME_SCHEME, **_round(plain)}


def work_out(source: ReviewSource) -> ReviewOutcome:
    """What the answers say now. `outgoing` is empty: what ships is known when decisions are made."""
    plan, every = source.plan, source.every
    judgements = settle_rows(every, source.answers)
    planted = {
        row["row_id"] for row in every.select(["row_id", "purpose"]).to_pylist() if row["purpose"] in KNOWN
    }
    real = {row_id: said for row_id, said in judgements.items() if row_id not in planted}
    reliability = measure_reliability(
        every,
        source.answers,
        bar=plan.settings.min_agreement,
        reviewer_bar=plan.settings.min_reviewer_agreement,
    )
    answered = judge_rows(real)
    lots, lotted = _judge_lots(source, real, answered, trusted=reliability.passes)
    replaced = frozenset(source.rows.filter("replaced")["row_id"].to_list())
    return ReviewOutcome(
        plan_sha256=plan.sha256,
        answers_sha256=source.answers_sha256,
        lots=lots,
        reliability=reliability,
        outgoing=(),
        adjudications=_list_adjudications(source.answers),
        planned=len(plan.sample) - len(planted.intersection(plan.sample["row_id"].to_pylist())),
        settled=len(answered),
        disputed=sum(said.open == "disputed" for said in real.values()),
        waiting=sum(said.open == "waiting" for said in real.values()),
        answered=_drop(answered, replaced.union(lotted["row_id"].to_pylist())),
        lotted=_drop(lotted, replaced),
    )


def measure_outgoing(outcome: ReviewOutcome, source: ReviewSource, decisions: "pl.Series") -> ReviewOutcome:
    """The outcome with what ships of all and of each slice, under `decisions` on the rows of the source.

    Rows by which reviewers replaced others count as read.
    """
    import polars as pl

    plan = source.plan
    statuses = {lot.lot: lot for lot in outcome.lots}
    own = pl.DataFrame(outcome.answered.select(["row_id", "outcome"])).rename({"outcome": "own"})
    frame = pl.DataFrame(source.frame)
    ships = [
        lot.lot
        for lot in outcome.lots
        if lot.status in {"passed", "skipped"}
        or (lot.status == "waiting" and plan.settings.on_waiting == "ship")
    ]
    whole = [lot.lot for lot in outcome.lots if lot.status == "screened"]
    table = (
        source.rows.select("row_id", "slice", "written", decision=decisions)
        .join(frame, on="row_id", how="left", maintain_order="left")
        .join(own, on="row_id", how="left", maintain_order="left")
        .with_columns(ships=pl.col("lot").is_in(ships) | pl.col("lot").is_in(whole) | pl.col("lot").is_null())
    )
    drawn = pl.DataFrame(plan.sample.select(["row_id", "purpose"])).filter(purpose="estimate")
    settled = pl.col("own").is_not_null()
    measured = pl.col("row_id").is_in(drawn["row_id"].implode()) & pl.col("lot").is_in(ships) & settled
    accepted, rejected = pl.col("decision") == "accepted", pl.col("own") == "reject"
    counted = table.group_by("slice").agg(
        rows=accepted.sum(),
        read=(accepted & (settled | pl.col("written"))).sum(),
        sampled=measured.sum(),
        defects=(measured & rejected).fill_null(value=False).sum(),
        rejected=(rejected & pl.col("ships").fill_null(value=True)).fill_null(value=False).sum(),
    )
    slices = {row.pop("slice"): ShippedRows(**row) for row in counted.to_dicts()}
    gold = outcome.reliability.gold
    samples = _list_samples(plan, statuses, set(ships))
    found = [estimate_outgoing("", _add_up(slices.values()), gold)]
    for name, counts in sorted(slices.items(), key=lambda item: (-item[1].rows, item[0] or "")):
        if counts.rows:
            by_lots = bound_by_lots(samples.get(name, ()), counts.rows, gold)
            level = LEVEL if by_lots is None else 1 - (1 - LEVEL) / 2
            found.append(estimate_outgoing(name, counts, gold, level=level, by_lots=by_lots))
    return replace(outcome, outgoing=tuple(found))


def write_outcome(folder: Path, outcome: ReviewOutcome) -> None:
    """Write the figures of a review into its run, and record them in the manifest."""
    write_bytes(folder / OUTCOME, canonical_json(outcome.to_json()) + b"\n")
    update_manifest(folder, [OUTCOME])


def read_outcome(folder: Path) -> dict[str, Any] | None:
    """The figures of the review of the run at `folder`; None where none was decided. Raises StoreError."""
    path = folder / OUTCOME
    if not path.exists():
        return None
    try:
        with store_errors(path):
            said: dict[str, Any] = orjson.loads(path.read_bytes())
        if said["scheme"] != OUTCOME_SCHEME:
            raise KeyError(said["scheme"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise StoreError(f"{path} is no outcome of a review") from exc
    return said


def _judge_lots(
    source: ReviewSource, judgements: Mapping[str, Judgement], answered: pa.Table, *, trusted: bool
) -> tuple[tuple[LotDecision, ...], pa.Table]:
    """The decision on every lot, and the verdicts that it gives to rows that people did not settle."""
    import polars as pl

    plan = source.plan
    if not plan.settings.lots:
        return (), VERDICT_SCHEMA.empty_table()
    ready = (pl.col("decided") == "accepted") & ~pl.col("replaced")
    rows = source.rows.filter(ready).select("row_id", "written")
    rows = rows.join(pl.DataFrame(source.frame), on="row_id", how="left", maintain_order="left")
    there = rows.drop_nulls("lot")
    drawn = pl.DataFrame(plan.sample.select(["row_id", "lot"])).drop_nulls()
    absent = drawn.filter(~pl.col("row_id").is_in(there["row_id"].implode()))["row_id"].to_list()
    decisions = decide_lots(
        plan.lots,
        plan.sample,
        judgements,
        dict(there.group_by("lot").len().iter_rows()),
        frozenset(row_id for row_id in absent if row_id not in judgements),
        trusted=trusted,
        screen=plan.settings.on_failed == "screen",
    )
    lotted = judge_lots(there, decisions, hold=plan.settings.on_waiting == "hold", read=answered)
    strays = rows.filter(pl.col("lot").is_null() & ~pl.col("written"))["row_id"].to_list()
    return decisions, pa.concat_tables([lotted, _hold_unplanned(strays, judgements)])


def _hold_unplanned(strays: Iterable[str], judgements: Mapping[str, Judgement]) -> pa.Table:
    """A hold for each row that the gates accept now, in no lot, and that no person read."""
    strays = [row_id for row_id in strays if row_id not in judgements]
    return build_verdicts(
        pa.array(strays, pa.string()),
        PERSON,
        ["hold"] * len(strays),
        reasons=["it stands in no lot of the review plan: the run has changed since"] * len(strays),
        reason_classes=[f"{PERSON}.unplanned"] * len(strays),
    )


def _round(value: Any) -> Any:
    """The value with every float to 6 decimals: what libraries of other machines compute alike."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    return [_round(item) for item in value] if isinstance(value, list) else value


def _list_samples(
    plan: ReviewPlan, statuses: Mapping[str, LotDecision], ships: set[str]
) -> dict[str | None, list[DecidedSample]]:
    """The lots by slice, as their samples decided them; none where lots are not told apart by slice."""
    if "slice" not in plan.settings.by.split(","):
        return {}
    found: dict[str | None, list[DecidedSample]] = {}
    for lot in plan.lots.select(["lot", "slice", "rows", "stages"]).to_pylist():
        decision = statuses[lot["lot"]]
        sampling = read_sampling_plan(lot)
        seen = None
        if decision.status == "passed":  # unread rows that could not have changed it count as defects
            seen = min(decision.defects + decision.open, sampling.looks[decision.look - 1].accept)
        sample = DecidedSample(sampling, lot["rows"], decision.look, seen, ships=lot["lot"] in ships)
        found.setdefault(lot["slice"], []).append(sample)
    return found


def _add_up(counts: Iterable[ShippedRows]) -> ShippedRows:
    all_ = list(counts)
    names = ("rows", "read", "sampled", "defects", "rejected")
    return ShippedRows(**{name: sum(getattr(one, name) for one in all_) for name in names})


def _list_adjudications(answers: pa.Table) -> tuple[Adjudication, ...]:
    return tuple(
        Adjudication(one["row_id"], one["reviewer"], one["submitted_at"], one["judgement"])
        for one in answers.to_pylist()
        if one["role"] == "adjudicator"
    )


def _drop(verdicts: pa.Table, row_ids: frozenset[str]) -> pa.Table:
    gone = pa.array(sorted(row_ids), pa.string())
    return verdicts.filter(pc.invert(pc.is_in(verdicts["row_id"], value_set=gone)))
