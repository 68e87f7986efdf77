"""Everything that the outcome of a review is worked out from, as values: from a run folder, or from a
pack.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from synth_stack.errors import InputError
from synth_stack.files import read_table
from synth_stack.review.answers import ANSWER_SCHEMA, read_answers
from synth_stack.review.plan_file import ReviewPlan, read_every_sample
from synth_stack.review.planning import identify, read_rows
from synth_stack.review.verdicts import refuse_other_verdicts
from synth_stack.rows.canonical import canonical_json, digest_bytes
from synth_stack.runs.folder import list_replaced
from synth_stack.runs.judged import Judged
from synth_stack.runs.replaced import read_replaced_ids

if TYPE_CHECKING:
    import polars as pl

PUBLIC_FIELDS = (
    "answer_id",
    "row_id",
    "reviewer",
    "role",
    "judgement",
    "defect",
    "severity",
    "submitted_at",
    "source",
)
"""What of an answer goes into a pack: no free text, no corrected text, and of its id a digest, since whoever
imported it may have named a person in it."""


@dataclass(frozen=True, slots=True)
class ReviewSource:
    """A plan, the rows to read of `every` plan of the run (SAMPLE_SCHEMA), the frame, the answers that count
    (ANSWER_SCHEMA) and the digest of them as a pack holds them, and the rows of the run: `row_id`, `slice`,
    what the gates alone `decided`, whether a person `replaced` the row, and whether it was `written` by a
    person in the place of another.
    """

    plan: ReviewPlan
    every: pa.Table
    frame: pa.Table
    answers: pa.Table
    answers_sha256: str
    rows: "pl.DataFrame"


def open_source(run: Judged, plan: ReviewPlan) -> ReviewSource:
    """What the outcome of a run's review is worked out from.

    Raises InputError where the run was judged by other gates than those that it was planned by.
    """
    import polars as pl

    refuse_other_verdicts(run.folder)
    now = identify(run)
    if (plan.run, plan.gates) != (now["recipe"], now["gates"]):
        raise InputError(
            f"{run.folder} was judged by other gates after its review was planned, so its lots are others",
            mend="Judge it by the gates of the plan, or plan again with `synth-stack review plan --again`.",
        )
    gone = pl.Series(read_replaced_ids(run.folder).to_pylist(), dtype=pl.String)
    new = pl.Series(sorted(_read_replacements(run.folder)), dtype=pl.String)
    rows = read_rows(run).with_columns(
        replaced=pl.col("row_id").is_in(gone.implode()), written=pl.col("row_id").is_in(new.implode())
    )
    answers = read_answers(run.folder)
    sha256 = digest_bytes(publish_answers(answers))
    return ReviewSource(plan, read_every_sample(plan), plan.read_frame(), answers, sha256, rows)


def publish_answers(answers: pa.Table) -> bytes:
    """The answers that count as a pack holds them: a canonical JSON object a line, as they arrived."""
    return b"".join(canonical_json(publish_answer(one)) + b"\n" for one in answers.to_pylist())


def publish_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """What a pack holds of an answer, PUBLIC_FIELDS."""
    public = {name: answer[name] for name in PUBLIC_FIELDS}
    return {**public, "answer_id": digest_bytes(answer["answer_id"].encode())[:32]}


def read_published(lines: Iterable[dict[str, Any]]) -> pa.Table:
    """The answers of a pack as ANSWER_SCHEMA; what a pack does not hold is null."""
    rows = [{**one, "state": "submitted"} for one in lines]
    return pa.Table.from_pylist(rows, schema=ANSWER_SCHEMA)


def _read_replacements(folder: Path) -> set[str]:
    """The ids of the rows by which people replaced others."""
    parts = list_replaced(folder / "candidates")
    tables = [read_table(part, columns=["row_id"])["row_id"].to_pylist() for part in parts]
    return {row_id for table in tables for row_id in table}
