"""What rows answer, to which question, and which documents they bring along."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from synth_stack.gates.factuality.passages import Shelf, build_shelf
from synth_stack.inputs.source_texts import join_passages, read_document
from synth_stack.text.fields import open_lists, read_chosen, read_messages

MAX_ANSWER_CHARS = 20_000
"""More of one message is not read: five times the longest answer of a chat."""
_DOCUMENT_CHARS = 200_000
_SHELVES = 200
"""Sets of documents that are kept read: rows about one passage stand near each other."""
COLUMNS = ("row_id", "messages", "text", "alternatives", "documents", "generator")


@dataclass(frozen=True, slots=True)
class Said:
    """A message of an answer: where it stands, as in evidence, and what it says."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A row's answer (one or more messages), its question, and the shelf of its own documents."""

    said: tuple[Said, ...]
    prompt: str
    documents: tuple[tuple[str, str, str], ...]

    @property
    def shelf(self) -> Shelf | None:
        """The sentences of its documents, None where it has none."""
        return _open_documents(self.documents) if self.documents else None


def read_answers(table: pa.Table) -> list[Answered]:
    """One an input row, in order. An answer is what the assistant says, or the text of a row without roles;
    of a comparison what the chosen side says.
    """
    answers: dict[int, list[Said]] = {}
    prompts: dict[int, list[str]] = {}
    for row, position, role, content in read_messages(table).iter_rows():
        if role in {"assistant", "text"} and content:
            path = "text" if role == "text" else f"messages.{position}.content"
            answers.setdefault(row, []).append(Said(path, content[:MAX_ANSWER_CHARS]))
        elif role in {"user", "system"} and content:
            prompts.setdefault(row, []).append(content[:MAX_ANSWER_CHARS])
    for row, position, role, content in read_chosen(table).iter_rows():
        if role == "assistant" and content:
            path = f"chosen.{position}.content"
            answers.setdefault(row, []).append(Said(path, content[:MAX_ANSWER_CHARS]))
    documents = _read_documents(table)
    return [
        Answered(tuple(answers.get(row, ())), "\n".join(prompts.get(row, ())), documents.get(row, ()))
        for row in range(len(table))
    ]


def _read_documents(table: pa.Table) -> Mapping[int, tuple[tuple[str, str, str], ...]]:
    found: dict[int, list[tuple[str, str, str]]] = {}
    if "documents" not in table.schema.names:
        return {}
    opened = open_lists(table.column("documents"))
    columns = [opened.read(name).to_list() for name in ("id", "title", "text")]
    for row, position, name, title, text in zip(
        opened.owner.tolist(), opened.position.tolist(), *columns, strict=True
    ):
        if text:
            named = name or f"documents.{position}"
            found.setdefault(row, []).append((named, title or "", text[:_DOCUMENT_CHARS]))
    return {row: tuple(each) for row, each in found.items()}


@lru_cache(maxsize=_SHELVES)
def _open_documents(documents: tuple[tuple[str, str, str], ...]) -> Shelf:
    """The sentences of a row's documents; the questions about one passage share it."""
    return build_shelf(join_passages(read_document(name, title, text) for name, title, text in documents))
