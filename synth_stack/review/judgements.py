"""What the answers on a row come to: released, rejected, or open until more is said."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

Verdict = Literal["release", "reject"]
Open = Literal["unread", "waiting", "disputed"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of a row: `verdict` where it is settled, else why it is `open`: nobody read it, fewer did
    than are asked for, or they do not agree. `answers` are the ids of the answers that count, in the order of
    arrival; `by` is who settled it: the reviewers, or one adjudicator. `defect` and `severity` are the
    gravest named.
    """

    verdict: Verdict | None
    open: Open | None
    answers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    by: Literal["reviewers", "adjudicator"] | None = None
    defect: str | None = None
    severity: str | None = None


VERDICTS = ("release", "reject")
"""What settles a row, and what the truth of a planted one is."""

UNREAD = Judgement(None, "unread")

_GRAVITY = {"critical": 3, "major": 2, "minor": 1, None: 0}


def settle_rows(sample: pa.Table, answers: pa.Table) -> dict[str, Judgement]:
    """The judgement of every row of a sample (SAMPLE_SCHEMA) that somebody answered, by row_id.

    A row that stands in it twice counts as at its first place. `answers` are those that count
    (answers.read_answers). The rule:

    1. An adjudicator's release or reject settles the row.
    2. Else it is disputed where reviewers differ, or one is unsure.
    3. Else it waits while fewer people have read it than its plan asks for.
    4. Else what all say settles it.
    """
    needed: dict[str, int] = {}
    for row_id, reviewers in zip(*(sample[n].to_pylist() for n in ("row_id", "reviewers")), strict=True):
        needed.setdefault(row_id, reviewers)
    by_row: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for answer in answers.to_pylist():
        if answer["row_id"] in needed:
            by_row[answer["row_id"]].append(answer)
    return {row_id: _settle(said, needed[row_id]) for row_id, said in by_row.items()}


def _settle(said: list[Mapping[str, Any]], needed: int) -> Judgement:
    ruled = [one for one in said if one["role"] == "adjudicator" and one["judgement"] != "unsure"]
    if ruled:
        return _describe(ruled[-1]["judgement"], None, said, "adjudicator", [ruled[-1]])
    given = [one for one in said if one["role"] == "reviewer"]
    judgements = {one["judgement"] for one in given}
    if not given:
        return _describe(None, "waiting", said, None, [])
    if len(judgements) > 1 or "unsure" in judgements:
        return _describe(None, "disputed", said, None, given)
    if len(given) < needed:
        return _describe(None, "waiting", said, None, given)
    return _describe(judgements.pop(), None, said, "reviewers", given)


def _describe(
    verdict: Verdict | None,
    why_open: Open | None,
    said: Iterable[Mapping[str, Any]],
    by: Literal["reviewers", "adjudicator"] | None,
    deciding: Iterable[Mapping[str, Any]],
) -> Judgement:
    said = tuple(said)
    faults = [one for one in deciding if one["judgement"] == "reject"]
    gravest = max(faults, key=lambda one: _GRAVITY[one["severity"]], default=None)
    return Judgement(
        verdict,
        why_open,
        tuple(one["answer_id"] for one in said),
        tuple(dict.fromkeys(one["reviewer"] for one in said)),
        by,
        None if gravest is None else gravest["defect"],
        None if gravest is None else gravest["severity"],
    )
