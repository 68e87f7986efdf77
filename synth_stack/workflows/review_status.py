"""How far a review has come: by reviewer and by lot, how well people agree, and what is left to do."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from synth_stack.review.answers import read_answers
from synth_stack.review.lot_decisions import LotDecision
from synth_stack.review.outcome import work_out
from synth_stack.review.plan_file import ReviewPlan, read_plan
from synth_stack.review.reliability import Reliability
from synth_stack.review.source import open_source
from synth_stack.runs.judged import open_judged
from synth_stack.text.printable import count_noun
from synth_stack.workflows.correct import count_corrections


@dataclass(frozen=True, slots=True)
class ReviewStatus:
    """A review as it stands by the answers that were collected.

    Of `wanted` judgements (rows by the people who have to read each) `given` are there; `hours_left` is what
    the others take at the plan's seconds a row. `names` are those of reviewers, by id, where they are known.
    """

    folder: Path
    wanted: int
    given: int
    seconds_a_row: float
    rows: int
    settled: int
    disputed: int
    waiting: int
    corrections: int
    reliability: Reliability
    lots: tuple[LotDecision, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def hours_left(self) -> float:
        """Hours of work for all reviewers together."""
        return (self.wanted - self.given) * self.seconds_a_row / 3600

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON; reviewers by id, and by name where it is known."""
        reviewers = [
            {**asdict(figures), "name": self.names.get(figures.reviewer)}
            for figures in self.reliability.reviewers
        ]
        return {
            "folder": str(self.folder),
            "judgements": {"wanted": self.wanted, "given": self.given},
            "hours_left": round(self.hours_left, 2),
            "rows": {
                "planned": self.rows,
                "settled": self.settled,
                "disputed": self.disputed,
                "waiting": self.waiting,
            },
            "corrections": self.corrections,
            "agreement": {
                "alpha": self.reliability.alpha,
                "bar": self.reliability.bar,
                "shared": self.reliability.shared,
                "passes": self.reliability.passes,
            },
            "reviewers": reviewers,
            "lots": [asdict(lot) for lot in self.lots],
        }

    def lines(self) -> list[str]:
        """The same in words, one line a fact."""
        done = self.given / self.wanted if self.wanted else 1.0
        lots = Counter(lot.status for lot in self.lots)
        counts = ", ".join(f"{n} {status}" for status, n in sorted(lots.items())) or "none"
        told = [
            f"judgements {self.given:,} of {self.wanted:,} ({done:.0%}), {self.hours_left:.1f} hours left",
            f"rows       {self.settled:,} of {self.rows:,} settled, {self.disputed:,} disputed, "
            f"{self.waiting:,} wait for another reader",
            f"agreement  {self.reliability.describe()}",
            f"lots       {counts}",
            *(f"  {lot.lot:<12} {lot.describe()}" for lot in self.lots),
            *(f"reviewer   {self._describe_reviewer(one.reviewer)}" for one in self.reliability.reviewers),
        ]
        if self.corrections:
            told.append(
                f"corrected  {count_noun(self.corrections, 'row')}, to be put in place by "
                "`synth-stack review collect RUN --gates FILE`"
            )
        if self.disputed:
            told.append("disputed   `synth-stack review send` gives these rows to an adjudicator")
        return told

    def _describe_reviewer(self, reviewer: str) -> str:
        one = next(each for each in self.reliability.reviewers if each.reviewer == reviewer)
        name = self.names.get(reviewer, reviewer[:12])
        shared = f", agrees on {one.agreed:,} of {one.shared:,} that others read too" if one.shared else ""
        return f"{name:<24} {count_noun(one.answers, 'answer')}{shared}"


def review_status(folder: str | Path, names: Mapping[str, str] | None = None) -> ReviewStatus:
    """How far the review of the run at `folder` has come; writes nothing, and asks no server.

    `names` are the names of reviewers by id. Raises InputError without a plan, and for a run that other gates
    judged since.
    """
    run = open_judged(Path(folder))
    plan = read_plan(run.folder)
    outcome = work_out(open_source(run, plan))
    given, wanted = _count_judgements(plan)
    return ReviewStatus(
        run.folder,
        wanted,
        given,
        plan.settings.seconds_a_row,
        outcome.planned,
        outcome.settled,
        outcome.disputed,
        outcome.waiting,
        count_corrections(run.folder),
        outcome.reliability,
        outcome.lots,
        dict(names or {}),
    )


def _count_judgements(plan: ReviewPlan) -> tuple[int, int]:
    """How many judgements are there, and how many the plan wants; more than a row needs count as it needs."""
    needed: dict[str, int] = {}
    for row in plan.sample.select(["row_id", "reviewers"]).to_pylist():
        needed.setdefault(row["row_id"], row["reviewers"])
    said = Counter(
        one["row_id"]
        for one in read_answers(plan.folder).select(["row_id", "role"]).to_pylist()
        if one["role"] == "reviewer"
    )
    given = sum(min(n, needed[row_id]) for row_id, n in said.items() if row_id in needed)
    return given, sum(needed.values())
