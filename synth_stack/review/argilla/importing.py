"""Reads an Argilla dataset that somebody annotated already as answers on the rows of a plan.

A map says which of its questions mean what: `decision=quality,release=good|fine,reject=bad,row=metadata.id`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from synth_stack.errors import ConfigError
from synth_stack.review.argilla.client import ServerDataset, ServerRecord
from synth_stack.review.argilla.collecting import Read, Shown, read_dataset
from synth_stack.review.argilla.records import find_answer

_ASKED = ("defect", "severity", "corrected", "note", "span")
_SAID = ("release", "reject", "unsure")
_OTHER = ("decision", "row")
_METADATA = "metadata."


@dataclass(frozen=True, slots=True)
class AnswerMap:
    """Which question holds what (`questions`, by our name), what its values mean (`meanings`), and where a
    record says which row it is (`row`): its external id, `metadata.NAME`, or a field with the row's text.
    """

    questions: Mapping[str, str]
    meanings: Mapping[str, str]
    row: str


def parse_answer_map(texts: Iterable[str]) -> AnswerMap:
    """The map in FIELD=NAME,FIELD=NAME texts. Raises ConfigError for one that says too little or twice."""
    named: dict[str, str] = {}
    allowed = (*_OTHER, *_SAID, *_ASKED)
    for text in texts:
        for part in text.split(","):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not value or name not in allowed or name in named:
                raise ConfigError(
                    "a map of answers is FIELD=NAME,FIELD=NAME, each field once",
                    seen=part,
                    allowed=", ".join(allowed),
                )
            named[name] = value
    if "decision" not in named or not {"release", "reject"} & named.keys():
        raise ConfigError(
            "a map of answers says which question is the decision, and which values mean what",
            seen=",".join(f"{name}={value}" for name, value in named.items()) or "nothing",
            mend="Say --map decision=QUESTION,release=VALUE|VALUE,reject=VALUE.",
        )
    meanings: dict[str, str] = {}
    for name in _SAID:
        for value in named[name].split("|") if name in named else ():
            if meanings.setdefault(value, name) != name:
                raise ConfigError("a value cannot mean two things", seen=value)
    questions = {name: named[name] for name in ("decision", *_ASKED) if name in named}
    return AnswerMap(questions, meanings, named.get("row", "external_id"))


def read_foreign_dataset(
    dataset: ServerDataset,
    records: Sequence[ServerRecord],
    rows: Sequence[Mapping[str, Any]],
    answer_map: AnswerMap,
    *,
    journal: Mapping[str, Mapping[str, Any]],
    name_reviewer: Callable[[UUID], str | None],
) -> Read:
    """The answers in an annotated dataset on `rows` (candidates), for the journal.

    A row is told by its `row_id`, the `source_id` that it had in its dataset, or what it says: a record with
    the same text, prompt or answer as two rows is neither's. Raises ConfigError where no record is a row's.
    """
    known = _index_rows(rows)
    shown: dict[str, Shown] = {}
    read: list[ServerRecord] = []
    unknown: Counter[str] = Counter()
    for record in records:
        row = known.get(_find_key(record, answer_map.row) or "")
        if row is None:
            unknown["records are of no row of this plan, or of more than one"] += 1
            continue
        name = str(record.id)
        shown[name] = Shown(row["row_id"], find_answer(row))
        read.append(_rename(record, name, answer_map))
    if not read:
        raise ConfigError(
            f"no record of {dataset.name} is that of a row of this plan",
            seen=answer_map.row,
            mend="Say where a record names its row: --map row=external_id, row=metadata.NAME or row=FIELD.",
        )
    found = read_dataset(dataset, read, shown, journal, name_reviewer)
    answers = tuple({**answer, "source": "import"} for answer in found.answers)
    notices = tuple(f"{dataset.name}: {n:,} {what}" for what, n in unknown.items())
    return Read(answers, (*found.notices, *notices), found.submitted, found.records)


def _index_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The rows by everything that may name them; what names two is left out."""
    found: dict[str, Mapping[str, Any]] = {}
    twice: set[str] = set()
    for row in rows:
        messages = row["messages"] or ()
        asked = next((said["content"] for said in messages if said["role"] == "user"), None)
        names = {row["row_id"], row["source_id"], row["text"], asked, find_answer(row)} - {None, ""}
        for name in names:
            if found.setdefault(name, row) is not row:
                twice.add(name)
    return {name: row for name, row in found.items() if name not in twice}


def _find_key(record: ServerRecord, where: str) -> str | None:
    if where == "external_id":
        return record.external_id
    if where.startswith(_METADATA):
        value = (record.metadata or {}).get(where.removeprefix(_METADATA))
    else:
        value = record.fields.get(where)
    return value if isinstance(value, str) else None


def _rename(record: ServerRecord, name: str, answer_map: AnswerMap) -> ServerRecord:
    """The record under a name that tells its row, its answers under our questions and with our values."""
    answers = []
    for said in record.responses or ():
        values = {
            ours: said.values[theirs]
            for ours, theirs in answer_map.questions.items()
            if said.values and theirs in said.values
        }
        decision = values.get("decision", {}).get("value")
        if isinstance(decision, str | int):
            values["decision"] = {"value": answer_map.meanings.get(str(decision))}
        answers.append(said.model_copy(update={"values": values}))
    return record.model_copy(update={"external_id": name, "responses": answers})
