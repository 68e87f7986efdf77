"""What reviewers wrote instead of an answer, put in its place: a new row that passes the gates again."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.progress import Progress
from synth_stack.review.answers import read_answers
from synth_stack.review.argilla.records import locate_answer
from synth_stack.review.judgements import Judgement, settle_rows
from synth_stack.review.plan_file import ReviewPlan, read_plan
from synth_stack.review.reliability import KNOWN
from synth_stack.rows.texts import join_text
from synth_stack.runs.judged import read_candidates
from synth_stack.runs.replaced import read_replaced_ids, read_replacing
from synth_stack.workflows.judge import Batch, Gates
from synth_stack.workflows.replace import replace_rows

REASON = "corrected by a reviewer"


@dataclass(frozen=True, slots=True)
class Corrected:
    """How many rows were `replaced`, and the batch that they were judged in; None where there was nothing."""

    replaced: int
    batch: Batch | None


def count_corrections(folder: str | Path) -> int:
    """How many corrections wait for `correct_rows`. Raises as `read_plan`."""
    run = Path(folder)
    return len(_choose(run, read_plan(run)))


def correct_rows(
    folder: str | Path, gates: str | Path | Gates, *, progress: Progress | None = None
) -> Corrected:
    """Put the rows that reviewers corrected into the batch, each in the place of the row that they rejected.

    `gates` are those that judged the folder. A correction counts where its row is settled as rejected: the
    adjudicator's, else the last that a reviewer gave. The row that it makes names the original in its
    `parent_id`, is judged by every gate, and its original stays rejected by `review`. The same call again
    does nothing; after a kill it finishes what was begun. Raises as `replace_rows`.
    """
    run = Path(folder)
    begun = read_replacing(run)
    if begun is not None:
        replace_rows(run, gates, begun, reason=REASON, rejected=True, progress=progress)
    plan = read_plan(run)
    chosen = _choose(run, plan)
    if not chosen:
        return Corrected(0, None)
    rows = _read_rows(run, chosen)
    made = [rewrite_answer(rows[row_id], text) for row_id, text in sorted(chosen.items())]
    batch = replace_rows(run, gates, made, reason=REASON, rejected=True, progress=progress)
    return Corrected(len(made), batch)


def rewrite_answer(row: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """The candidate that says `answer` where `row` says its own, without a `row_id`; it names its parent."""
    made: dict[str, Any] = copy.deepcopy({name: value for name, value in row.items() if name != "row_id"})
    place = locate_answer(made)
    if place is None:
        made["text"] = answer
    else:
        messages, position = place
        said: Any = messages[position]  # of the copy
        before = said["content"]
        said["content"] = answer
        whole = join_text(row["messages"] or (), row["alternatives"])
        if row["text"] == whole:
            made["text"] = join_text(made["messages"] or (), made["alternatives"])
        elif row["text"] is not None:
            head, found, tail = row["text"].rpartition(before)
            made["text"] = f"{head}{answer}{tail}" if found else answer
    # a person wrote it: no draw of the teacher gives it again
    return {**made, "parent_id": row["row_id"], "replayable": False}


def _read_rows(run: Path, wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
    ids = pa.array(wanted, pa.string())
    parts = [part.filter(pc.is_in(part["row_id"], value_set=ids)) for part in read_candidates(run)]
    return {row["row_id"]: row for part in parts for row in part.to_pylist()}


def _choose(run: Path, plan: ReviewPlan) -> dict[str, str]:
    """What each row that waits for its correction is to say, by row id."""
    answers = read_answers(run)
    settled = settle_rows(plan.sample, answers)
    planted = {
        row_id
        for row_id, purpose in zip(*(plan.sample[n].to_pylist() for n in ("row_id", "purpose")), strict=True)
        if purpose in KNOWN
    }
    done = set(read_replaced_ids(run).to_pylist())
    chosen: dict[str, str] = {}
    for answer in answers.to_pylist():
        row_id = answer["row_id"]
        if row_id in planted or row_id in done or not _counts(answer, settled.get(row_id)):
            continue
        text = _read_correction(answer["corrected"])
        if text is not None:
            chosen[row_id] = text
    return chosen


def _counts(answer: Mapping[str, Any], said: Judgement | None) -> bool:
    """Whether a correction in an answer settles its row with it."""
    if said is None or said.verdict != "reject" or answer["judgement"] != "reject":
        return False
    return said.by != "adjudicator" or answer["role"] == "adjudicator"


def _read_correction(corrected: str | None) -> str | None:
    """The text of a correction: a JSON object with `answer`, or a text."""
    if corrected is None:
        return None
    value = orjson.loads(corrected)
    text = value.get("answer") if isinstance(value, dict) else value
    return text if isinstance(text, str) and text.strip() else None
