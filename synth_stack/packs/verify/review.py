"""Whether what people decided in a pack follows from plan, answers and records; the sample drawn again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from synth_stack.decisions.decide import PERSON
from synth_stack.errors import SynthStackError, VerificationError
from synth_stack.packs import layout
from synth_stack.packs.review import open_packed_source, read_packed_outcome
from synth_stack.review.outcome import OUTCOME, ReviewOutcome, measure_outgoing, work_out
from synth_stack.review.plan_file import PLAN
from synth_stack.review.redraw import redraw_sample
from synth_stack.runs.locks import RecipeLock

Record = Mapping[str, Any]

_TOLERANCE = 2e-6
"""Between figures of two machines: they are written to 6 decimals."""

_ROWS = {
    **dict.fromkeys(("row_id", "slice", "generator", "decided", "decision", "outcome", "reason"), pl.String),
    **dict.fromkeys(("reason_class", "scope", "replaced_by"), pl.String),
    "replaced": pl.Boolean,
}


@dataclass(slots=True)
class ReviewedRows:
    """What the records of a pack say of its rows for a review, shard by shard; some 200 bytes a row.

    `order`: the gates, whose verdicts are not those of people.
    """

    order: Sequence[str]
    parts: list[pl.DataFrame] = field(default_factory=list)

    def add_records(self, records: Iterable[Record]) -> None:
        """Takes in what they say: slice, generator, what the gates alone decided, and what people did."""
        rows = [self._tell(record) for record in records]
        self.parts.append(pl.DataFrame(rows, schema=_ROWS))

    def finish(self) -> pl.DataFrame:
        """The rows in order, with those that people wrote in the place of others marked `written`."""
        rows = pl.concat([pl.DataFrame(schema=_ROWS), *self.parts]).rechunk()
        new = rows.filter("replaced")["replaced_by"].drop_nulls()
        return rows.with_columns(written=pl.col("row_id").is_in(new.implode()))

    def _tell(self, record: Record) -> dict[str, Any]:
        said = {verdict["outcome"] for verdict in record["verdicts"] if verdict["gate"] in self.order}
        people = [verdict for verdict in record["verdicts"] if verdict["gate"] == PERSON]
        replaced = [one for one in people if one["reason_class"] == f"{PERSON}.replaced"]
        other = next((one for one in people if one["reason_class"] != f"{PERSON}.replaced"), None)
        turned_away = "reject" in said or record["failure"] is not None
        return {
            "row_id": record["row_id"],
            "slice": record["slice"],
            "generator": record["origin"]["generator"],
            "decided": "rejected" if turned_away else "held" if "hold" in said else "accepted",
            "decision": record["decision"]["decision"],
            "replaced": bool(replaced),
            "replaced_by": (replaced[0]["cites"] or {}).get("replaced_by") if replaced else None,
            **({key: other[key] for key in ("outcome", "reason", "reason_class", "scope")} if other else {}),
        }


def check_review(
    pack: Path, names: Sequence[str], rows: pl.DataFrame, recipe: RecipeLock, gates_identity: str
) -> tuple[dict[str, Any], int, list[VerificationError]]:
    """The outcome that the pack states, how many rows were drawn again, and everything that it does not bear
    out.

    Raises VerificationError for files that hold no review at all.
    """
    source = open_packed_source(pack, names, rows)
    stated = read_packed_outcome(pack)
    plan = source.plan
    if (plan.run, plan.gates) != (recipe.identity, gates_identity):
        raise VerificationError(f"{PLAN} was made for another run, or other gates")
    try:
        outcome = measure_outgoing(work_out(source), source, rows["decision"])
        redraw = redraw_sample(source)
    except (SynthStackError, ValueError, KeyError) as exc:
        raise VerificationError(f"the review in {layout.REVIEW}/ cannot be worked out again: {exc}") from exc
    problems = [VerificationError(f"{layout.REVIEW}/: {said}") for said in redraw.differences]
    problems += _compare_verdicts(outcome, rows)
    again = outcome.to_json()
    problems += [
        VerificationError(
            f"{OUTCOME}: its {key} is not what the answers give", seen=str(stated.get(key))[:80]
        )
        for key in sorted({*again, *stated})
        if not _is_alike(stated.get(key), again.get(key))
    ]
    return stated, redraw.rows, problems


def _compare_verdicts(outcome: ReviewOutcome, rows: pl.DataFrame) -> list[VerificationError]:
    """The first row of which people say something else than the answers give."""
    columns = ["row_id", "outcome", "reason", "reason_class", "scope"]
    given = pl.concat([pl.DataFrame(table.select(columns)) for table in (outcome.answered, outcome.lotted)])
    there = rows.filter(pl.col("outcome").is_not_null()).select(columns)
    both = there.join(
        given, on="row_id", how="full", suffix="_given", coalesce=True, maintain_order="left_right"
    )
    differs = pl.any_horizontal(*(pl.col(c).ne_missing(pl.col(f"{c}_given")) for c in columns[1:]))
    wrong = both.filter(differs)
    if wrong.is_empty():
        return []
    first = wrong.row(0, named=True)
    return [
        VerificationError(
            f"{len(wrong)} rows have another {PERSON} verdict than the answers give: {first['row_id']}",
            seen=f"{first['outcome']}: {first['reason']}",
            allowed=f"{first['outcome_given']}: {first['reason_given']}",
        )
    ]


def _is_alike(stated: Any, again: Any) -> bool:
    if isinstance(again, float) and isinstance(stated, int | float):
        return abs(stated - again) <= _TOLERANCE
    if isinstance(again, dict) and isinstance(stated, dict):
        return stated.keys() == again.keys() and all(_is_alike(stated[k], again[k]) for k in again)
    if isinstance(again, list) and isinstance(stated, list):
        return len(again) == len(stated) and all(map(_is_alike, stated, again))
    return bool(stated == again)
