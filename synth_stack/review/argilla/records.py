"""Rows as reviewers read them on an Argilla server: fields, metadata, and a name that tells nobody anything.

No field renders Markdown. That is not enough: the pages of Argilla 2.8 put the text of a field into the page
as HTML all the same, and a record into a script where a field has a template, so `<img onerror=...>` in a
row would run there as whoever reads it. So after each `<` and `&` that could begin a tag or an entity stands
a word joiner, which nobody sees and which makes it text wherever it is put; what is collected has it removed.

A blind row comes without a word of what the gates said of it; why it is read, and what is known of it, is
sent for no row at all.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from synth_stack.errors import replace_unprintable
from synth_stack.rows.schemas import RowId
from synth_stack.text.printable import describe_verdict

RECORD_SCHEME = "synth_stack/review-record/v1"
VECTOR = "meaning"
ADJUDICATE = "adjudicate"
"""The purpose of the record on which an adjudicator settles a row, beside those of a plan."""

MAX_MESSAGE_CHARS = 20_000
"""Of one message of a chat field (Argilla 2.8, ARGILLA_MAX_MESSAGE_LENGTH)."""
MAX_MESSAGES = 500
"""Of one chat field (Argilla 2.8, CHAT_FIELDS_MAX_MESSAGES)."""
MAX_ROLE_CHARS = 20
MAX_TEXT_CHARS = 200_000
"""Of one text field: more than anybody reads, and small enough for 500 records in one request."""
MAX_TERM_CHARS = 200

_EMPTY = "(nothing)"
_JOINER = "\N{WORD JOINER}"
_OPENS = re.compile(r"<(?=[A-Za-z/!?])|&(?=[A-Za-z0-9#])")
"""Where an HTML tokenizer leaves text (WHATWG HTML, 13.2.5.1 and 13.2.5.6); nowhere else does it."""
_OPENED = re.compile(f"([<&]){_JOINER}")

Row: TypeAlias = Mapping[str, Any]
_NO_IMAGES: Mapping[str, str] = {}
Fields: TypeAlias = dict[str, Any]


def name_record(row_id: str, purpose: str) -> str:
    """The external id of the record of a row that is read for a purpose: the same at every call.

    A digest, since annotators can see it: it must not tell a planted row from others.
    """
    named = f"{RECORD_SCHEME}\n{row_id}\n{purpose}".encode()
    return hashlib.sha256(named).hexdigest()[:32]


def build_record(
    row: Row,
    *,
    purpose: str,
    metadata: Mapping[str, Any],
    said: Sequence[Mapping[str, Any]] = (),
    answers: str | None = None,
    vector: Sequence[float] | None = None,
    images: Mapping[str, str] = _NO_IMAGES,
) -> dict[str, Any]:
    """The record of a candidate row, as the server takes it.

    `said` are verdicts to show: none for a blind row. `answers` is what reviewers said, for an adjudicator.
    `vector` is what its text means, and `images` are those of its image fields, as `data:` URLs.
    """
    fields = {**images, **build_fields(row)}
    if said:
        fields["gates"] = _clean("\n".join(describe_verdict(verdict) for verdict in said))
    if answers is not None:
        fields["answers"] = _clean(answers)
    record: dict[str, Any] = {
        "external_id": name_record(RowId(row["row_id"]), purpose),
        "fields": fields,
        "metadata": {name: _shorten(value) for name, value in metadata.items() if value is not None},
    }
    if vector is not None:
        record["vectors"] = {VECTOR: list(vector)}
    return record


def build_fields(row: Row) -> Fields:
    """What a row says: `conversation` always; `answer`, `beside` and `tools` where it has such."""
    answer, passages = find_answer(row), row.get("documents") or ()
    fields: Fields = {"conversation": list(_list_messages(row))}
    if answer is not None:
        fields["answer"] = _clean(answer)
    if row.get("alternatives"):
        fields["beside"] = {"columns": [_describe_side(side) for side in row["alternatives"]]}
    elif passages:
        columns = [{"title": "Answer", "text": _clean(answer if answer is not None else _EMPTY)}]
        columns += [{"title": _name_passage(p), "text": _clean(p["text"] or _EMPTY)} for p in passages]
        fields["beside"] = {"columns": columns}
    if row.get("tools"):
        fields["tools"] = _clean(row["tools"])
    return fields


def find_answer(row: Row) -> str | None:
    """The text that is judged, and that a reviewer may correct: the last that the assistant says.

    Of a comparison it is what the chosen side says, of a row without messages its text; None where nobody
    answers.
    """
    place = locate_answer(row)
    if place is None:
        return None if row.get("messages") else row.get("text")
    messages, position = place
    text: str = messages[position]["content"]
    return text


def locate_answer(row: Row) -> tuple[Sequence[Mapping[str, Any]], int] | None:
    """The messages that the answer stands in, and its place there; None for a row without one."""
    chosen = [side["messages"] or () for side in row.get("alternatives") or () if side["label"] == "chosen"]
    for messages in (*chosen, row.get("messages") or ()):
        for position in range(len(messages) - 1, -1, -1):
            message = messages[position]
            if message["role"] == "assistant" and message.get("content"):
                return messages, position
    return None


def _list_messages(row: Row) -> Iterator[dict[str, str]]:
    """The messages of the chat field; what is too long is cut into several, what is too many left out."""
    messages = [part for said in row.get("messages") or () for part in _split_message(said)]
    if not messages:
        messages = list(_split("text", row.get("text")))
    if not messages:
        messages = [{"role": "text", "content": row.get("failure") or _EMPTY}]
    if len(messages) > MAX_MESSAGES:
        half = MAX_MESSAGES // 2
        left_out = len(messages) - 2 * half + 1
        note = {"role": "note", "content": f"({left_out} messages are left out here)"}
        messages = [*messages[: half - 1], note, *messages[-half:]]
    yield from messages


def _split_message(said: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What was reasoned, said and called, in that order, each as a message of its own."""
    role = _clean(said["role"] or "no role")
    name = f" ({said['name']})" if said.get("name") else ""
    yield from _split("reasoning", said.get("reasoning"))
    yield from _split(f"{role}{_clean(name)}"[:MAX_ROLE_CHARS], said.get("content"))
    for call in said.get("tool_calls") or ():
        yield from _split("calls a tool", f"{call['name']} {call['arguments'] or ''}")


def _split(role: str, text: str | None) -> Iterator[dict[str, str]]:
    clean = _clean(text or "")
    for start in range(0, len(clean), MAX_MESSAGE_CHARS):
        yield {"role": role, "content": clean[start : start + MAX_MESSAGE_CHARS]}


def _describe_side(side: Mapping[str, Any]) -> dict[str, str]:
    notes = [f"{name} {side[name]}" for name in ("rating", "ratings") if side.get(name) is not None]
    title = ", ".join([side["label"] or "compared", *notes])
    parts = [part for said in side["messages"] or () for part in _split_message(said)]
    alone = len(parts) == 1
    text = "\n\n".join(p["content"] if alone else f"{p['role']}: {p['content']}" for p in parts)
    return {"title": _clean(title), "text": text[:MAX_TEXT_CHARS] or _EMPTY}


def _name_passage(passage: Mapping[str, Any]) -> str:
    name = passage["title"] or passage["id"] or passage["source"] or "without a title"
    return _clean(f"Passage: {name}")[:MAX_TERM_CHARS]


def restore_text(shown: str) -> str:
    """A text that somebody copied from a record, as the row has it."""
    return _OPENED.sub(r"\1", shown)


def locate_span(answer: str, start: int, end: int) -> tuple[int, int] | None:
    """A part of the answer that was marked in the page, as characters of the row's answer; None for no part.

    The page counts UTF-16 code units of what it shows.
    """
    units = _clean(answer).encode("utf-16-le")
    if not 0 <= start < end <= len(units) // 2:
        return None
    first, last = (
        len(restore_text(units[: 2 * place].decode("utf-16-le", "ignore"))) for place in (start, end)
    )
    return (first, last) if first < last else None


def _clean(text: str) -> str:
    """`text` as it is safe to show: nothing in it is markup, and what cannot be printed is marked."""
    plain = replace_unprintable(text[:MAX_TEXT_CHARS], keep="\n\t")
    return _OPENS.sub(lambda found: found[0] + _JOINER, plain)


def _shorten(value: Any) -> Any:
    return _clean(value)[:MAX_TERM_CHARS] if isinstance(value, str) else value
