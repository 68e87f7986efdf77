"""Reads what reviewers submitted on a server as answers of the journal (review/answers.py).

Each is named after its dataset and its response, so reading the same ones again adds nothing, and what one
server says never touches what another said. What the server has now is the truth about it: an answer that
was edited is a later version, even where the server's clock was set back, and one that is gone while its
record is there was deleted. Where the record is gone, what was said of it stays.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from synth_stack.review.answers import (
    JUDGEMENTS,
    MAX_NOTE_CHARS,
    MAX_PART_BYTES,
    SEVERITIES,
    format_time,
)
from synth_stack.review.argilla.client import ServerAnswer, ServerDataset, ServerRecord
from synth_stack.review.argilla.records import locate_span, restore_text
from synth_stack.rows.canonical import canonical_text

SOURCE = "argilla"
_DEFECT = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_TICK = timedelta(milliseconds=1)
_COMPARED = ("judgement", "defect", "severity", "corrected", "span", "note", "state")


class Shown(NamedTuple):
    """A row as it was sent: its id, the text that could be corrected, and the role of who answers there."""

    row_id: str
    answer: str | None
    role: str = "reviewer"


@dataclass(frozen=True, slots=True)
class Read:
    """What a dataset says: `answers` for the journal, and `notices` for a person."""

    answers: tuple[dict[str, Any], ...]
    notices: tuple[str, ...]
    submitted: int
    records: int


def read_dataset(
    dataset: ServerDataset,
    records: Iterable[ServerRecord],
    shown: Mapping[str, Shown],
    journal: Mapping[str, Mapping[str, Any]],
    name_reviewer: Callable[[UUID], str | None],
) -> Read:
    """The answers in the records of a dataset, and what became of those that the journal has from it.

    `shown` are the rows that were sent, by the external id of their records; `journal` is the last version of
    every answer that is known, by id; `name_reviewer` gives the reviewer id of a user, None for a stranger.
    """
    stem = f"{SOURCE}:{dataset.id}:"
    answers: list[dict[str, Any]] = []
    odd: Counter[str] = Counter()
    there: set[str] = set()
    live: set[str] = set()
    submitted = 0
    for record in records:
        row = shown.get(record.external_id or "")
        if row is None:
            odd["records are none of this plan's, and are left alone"] += 1
            continue
        there.add(row.row_id)
        for said in record.responses or ():
            name = f"{stem}{said.id}"
            answer = (
                _read_answer(said, row, name_reviewer(said.user_id), odd)
                if said.status == "submitted"
                else None
            )
            if answer is None:
                continue
            submitted += 1
            live.add(name)
            version = _follow({**answer, "answer_id": name}, journal.get(name), odd)
            answers.append(version)
    for name, known in journal.items():
        if name.startswith(stem) and known["state"] == "submitted" and name not in live:
            if known["row_id"] in there:
                answers.append({**known, "state": "deleted"})
            else:
                odd["answers are on records that are gone from the server; they stay counted"] += 1
    gone = len(shown) - len(there)
    if gone:
        odd["records of the plan are not on the server: `synth-stack review send` sends them again"] = gone
    notices = tuple(f"{dataset.name}: {n:,} {what}" for what, n in sorted(odd.items()))
    return Read(tuple(answers), notices, submitted, len(there))


def _read_answer(
    said: ServerAnswer, row: Shown, reviewer: str | None, odd: Counter[str]
) -> dict[str, Any] | None:
    """The answer as the journal has it, without its id; None for one that says nothing that can be used."""
    values = {name: value.get("value") for name, value in (said.values or {}).items()}
    judgement = values.get("decision")
    if judgement not in JUDGEMENTS:
        odd["answers have no decision that is known, and are left out"] += 1
        return None
    if reviewer is None:
        odd["answers are by users whom this key may not see, and are left out"] += 1
        return None
    defect, severity = values.get("defect"), values.get("severity")
    note, corrected, span = values.get("note"), values.get("corrected"), values.get("span")
    answer = restore_text(corrected) if isinstance(corrected, str) else ""
    rewritten = answer.strip() and answer != row.answer
    return {
        "row_id": row.row_id,
        "reviewer": reviewer,
        "role": row.role,
        "judgement": judgement,
        "defect": defect if isinstance(defect, str) and _DEFECT.fullmatch(defect) else None,
        "severity": severity if severity in SEVERITIES else None,
        "corrected": _bound_part({"answer": answer}, odd) if rewritten else None,
        "span": _bound_part(_read_spans(span, row.answer), odd),
        "note": note[:MAX_NOTE_CHARS] if isinstance(note, str) and note.strip() else None,
        "seconds": None,
        "submitted_at": format_time(_in_utc(said.updated_at)),
        "source": SOURCE,
        "state": "submitted",
    }


def _follow(answer: dict[str, Any], known: Mapping[str, Any] | None, odd: Counter[str]) -> dict[str, Any]:
    """The answer, dated after the version that it follows where a clock says otherwise."""
    if known is None:
        return answer
    if all(answer[name] == known[name] for name in _COMPARED):
        return dict(known)
    if answer["submitted_at"] <= known["submitted_at"]:
        odd["edits are dated before what they change: the clock of the server was set back"] += 1
        later = datetime.fromisoformat(known["submitted_at"]) + _TICK
        return {**answer, "submitted_at": format_time(later)}
    return answer


def _read_spans(value: Any, answer: str | None) -> list[dict[str, Any]] | None:
    """The marked parts of the answer as `start` and `end` in characters; None where nothing is marked."""
    spans = []
    for each in value if isinstance(value, list) else ():
        start, end = (each.get("start"), each.get("end")) if isinstance(each, dict) else (None, None)
        if answer is None or type(start) is not int or type(end) is not int:
            continue
        found = locate_span(answer, start, end)
        if found is not None:
            spans.append({"field": "answer", "start": found[0], "end": found[1]})
    return spans or None


def _bound_part(value: Any, odd: Counter[str]) -> str | None:
    if value is None:
        return None
    text = canonical_text(value)
    if len(text.encode()) > MAX_PART_BYTES:
        odd["corrections or marks are longer than any row that a person reads, and are left out"] += 1
        return None
    return text


def _in_utc(moment: datetime) -> datetime:
    """Argilla's times are UTC and say so or not, from one release to another."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def latest_by_id(journal: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The last version of every answer of a journal, by id."""
    return {answer["answer_id"]: answer for answer in journal}
