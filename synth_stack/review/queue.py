"""Which rows of a plan one person has still to judge, in the order of reading."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synth_stack.review.answers import read_answers
from synth_stack.review.content import read_rows_to_review, read_said
from synth_stack.review.judgements import settle_rows
from synth_stack.review.lot_decisions import find_settled_lots
from synth_stack.review.plan_file import ReviewPlan
from synth_stack.runs.judged import Judged


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """A row to judge: the candidate, what the gates said of it where the row is not blind, and for an
    adjudicator what reviewers `said` of it.
    """

    row_id: str
    blind: bool
    row: Mapping[str, Any]
    verdicts: tuple[Mapping[str, Any], ...]
    said: tuple[Mapping[str, Any], ...] = ()


def build_queue(
    run: Judged, plan: ReviewPlan, reviewer: str, *, adjudicate: bool = False
) -> tuple[QueuedRow, ...]:
    """The rows that `reviewer` has still to judge: none that enough others have judged, and none of a sample
    whose lot is decided already.

    An adjudicator's queue has the disputed rows instead, each with what reviewers said. Memory is that of the
    plan's sample.
    """
    answers = read_answers(run.folder)
    by_row: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers.to_pylist():
        by_row[answer["row_id"]].append(answer)
    judgements = settle_rows(plan.sample, answers)
    shown = dict(zip(plan.sample["row_id"].to_pylist(), read_rows_to_review(plan).to_pylist(), strict=True))
    settled = find_settled_lots(plan.lots, plan.sample, judgements)
    wanted = []
    for planned in plan.sample.to_pylist():
        said = [one for one in by_row[planned["row_id"]] if one["role"] == "reviewer"]
        if adjudicate:
            judgement = judgements.get(planned["row_id"])
            is_due = judgement is not None and judgement.open == "disputed"
        else:
            is_due = len(said) < planned["reviewers"] and reviewer not in {one["reviewer"] for one in said}
            is_due = is_due and not (planned["purpose"] == "sample" and planned["lot"] in settled)
        if is_due:
            wanted.append((planned, tuple(said) if adjudicate else ()))
    open_ids = [planned["row_id"] for planned, _ in wanted if not planned["blind"]]
    verdicts = _group(read_said(run, open_ids)) if open_ids else {}
    return tuple(
        QueuedRow(
            planned["row_id"],
            planned["blind"],
            shown[planned["row_id"]],
            tuple(verdicts.get(planned["row_id"], ())),
            said,
        )
        for planned, said in wanted
    )


def _group(verdicts: pa.Table) -> dict[str, list[dict[str, Any]]]:
    """What was said against each row: rejects and holds."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for verdict in verdicts.to_pylist():
        if verdict["outcome"] in {"reject", "hold"}:
            found[verdict["row_id"]].append(verdict)
    return found
