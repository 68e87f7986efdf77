"""Rows shown one by one in a terminal, and what is answered to each.

Whatever a row says is printed without control characters. An answer is on the disk before the next row is
shown.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

from synth_stack.cli.output import to_one_line
from synth_stack.errors import InputError, replace_unprintable
from synth_stack.review.answers import DEFECTS, MAX_LINE_BYTES, MAX_NOTE_CHARS, format_time, record_answers
from synth_stack.review.queue import QueuedRow
from synth_stack.rows.canonical import digest_bytes
from synth_stack.text.printable import count_noun

HELP = "r release   x reject   u unsure   s skip   b back   q quit"
_KEYS = {"r": "release", "x": "reject", "u": "unsure"}
_SEVERITIES = {"1": "minor", "2": "major", "3": "critical"}

Ask = Callable[[str, str], str]
"""Shows a prompt and gives one of the keys in the second argument, or a line where it is empty."""


def judge_in_terminal(
    folder: Path, queue: Sequence[QueuedRow], reviewer: str, adjudicate: bool, ask: Ask | None = None
) -> int:
    """How many answers were given to the rows of the queue, until its end or until `q`."""
    ask = ask or _ask
    place = given = 0
    while place < len(queue):
        item = queue[place]
        for line in describe_row(item, f"row {place + 1} of {len(queue)}"):
            sys.stdout.write(line + "\n")
        started = monotonic()
        key = ask(HELP, "rxusbq")
        if key == "q":
            break
        if key == "b":
            place = max(place - 1, 0)
            continue
        if key in _KEYS:
            answer = _complete(item, reviewer, _KEYS[key], adjudicate, ask)
            record_answers(folder, [{**answer, "seconds": round(monotonic() - started, 1)}])
            given += 1
        place += 1
    sys.stdout.write(f"{count_noun(given, 'answer')}, {count_noun(len(queue) - place, 'row')} left\n")
    return given


def describe_row(item: QueuedRow, title: str) -> Iterator[str]:
    """A row in lines for a terminal: messages, alternatives, documents, and what was said of it."""
    row = item.row
    yield f"─── {title} ── {item.row_id[:12]} ──"
    for name in ("slice", "locale"):
        if row[name]:
            yield f"{name}: {to_one_line(row[name])}"
    yield from _describe_content(row)
    for document in row["documents"] or ():
        yield from _indent(
            f"document {to_one_line(document['title'] or document['id'] or '')}", document["text"]
        )
    if row["tools"]:
        yield from _indent("tools", row["tools"])
    for verdict in item.verdicts:
        yield f"! {verdict['gate']} says {verdict['outcome']}: {to_one_line(verdict['reason'] or '')}"
        if verdict["evidence"]:
            yield from _indent("evidence", verdict["evidence"])
    for one in item.said:
        kind = " ".join(filter(None, [one["defect"], one["severity"]]))
        note = f": {to_one_line(one['note'])}" if one["note"] else ""
        yield f"? reviewer {one['reviewer'][:8]} said {one['judgement']} {kind}{note}"


def _describe_content(row: Mapping[str, Any]) -> Iterator[str]:
    for message in row["messages"] or ():
        yield from _describe_message(message)
    if not row["messages"] and row["text"]:
        yield from _indent("text", row["text"])
    for side in row["alternatives"] or ():
        rating = f", rated {to_one_line(side['rating'])}" if side["rating"] else ""
        yield f"── {to_one_line(side['label'] or 'compared')}{rating}"
        for message in side["messages"] or ():
            yield from _describe_message(message)


def read_json_answers(
    lines: Iterable[bytes], reviewer: str, *, adjudicate: bool
) -> Iterator[Mapping[str, Any]]:
    """Answers from JSON Lines: `row_id`, `judgement`, and where there are any `defect`, `severity`, `note`,
    `corrected`, `span`, `seconds`. The reviewer and the time are this command's.

    Raises InputError for a line that is no JSON object, or that has another field.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"line {number} is longer than any answer", allowed=f"{MAX_LINE_BYTES} bytes")
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise InputError(f"line {number} is not JSON: {exc}") from exc
        if not isinstance(said, dict) or set(said) - _GIVEN or not isinstance(said.get("row_id"), str):
            raise InputError(
                f"line {number} is no answer",
                seen=line.decode("utf-8", "replace"),
                allowed=", ".join(sorted(_GIVEN)),
            )
        yield {**_begin(said["row_id"], reviewer, adjudicate), **said}


_GIVEN = {"row_id", "judgement", "defect", "severity", "note", "corrected", "span", "seconds"}


def _complete(item: QueuedRow, reviewer: str, judgement: str, adjudicate: bool, ask: Ask) -> dict[str, Any]:
    answer = {**_begin(item.row_id, reviewer, adjudicate), "judgement": judgement}
    if judgement == "reject":
        kinds = "  ".join(f"{n} {kind}" for n, kind in enumerate(DEFECTS, start=1))
        key = ask(f"defect: {kinds}", "123456789")
        answer["defect"] = list(DEFECTS)[int(key) - 1]
        answer["severity"] = _SEVERITIES[ask("how bad: 1 minor  2 major  3 critical", "123")]
    if adjudicate:
        note = ask("why (kept in the run, never in a pack): ", "").strip()
        answer["note"] = replace_unprintable(note)[:MAX_NOTE_CHARS] or None
    return answer


def _begin(row_id: str, reviewer: str, adjudicate: bool) -> dict[str, Any]:
    """What every answer from here has. Its id says who judges which row as what, so an edit replaces it."""
    role = "adjudicator" if adjudicate else "reviewer"
    name = digest_bytes(f"{role} {reviewer} {row_id}".encode())[:32]
    return {
        "answer_id": f"terminal:{name}",
        "row_id": row_id,
        "reviewer": reviewer,
        "role": role,
        "submitted_at": format_time(datetime.now(UTC)),
        "source": "terminal",
    }


def _describe_message(message: Mapping[str, Any]) -> Iterator[str]:
    role = to_one_line(message["role"] or "no role")
    if message["reasoning"]:
        yield from _indent(f"{role} thinks", message["reasoning"])
    if message["content"] is not None:
        yield from _indent(role, message["content"])
    for call in message["tool_calls"] or ():
        yield from _indent(f"{role} calls {to_one_line(call['name'] or '')}", call["arguments"] or "")


def _indent(name: str, text: str | None) -> Iterator[str]:
    """A text under its name, each line indented, so that no line of it can pass for one of ours."""
    yield f"{name}:"
    for line in (text or "").replace("\r\n", "\n").split("\n"):
        yield f"    {replace_unprintable(line.replace(chr(9), '    '))}"


def _ask(prompt: str, keys: str) -> str:
    """One key, or a line. Raises InputError where nothing more can be read."""
    import click

    sys.stdout.write(f"{prompt}\n")
    sys.stdout.flush()
    while True:
        if keys and sys.stdin.isatty():
            typed = click.getchar()
            if typed in {"\x03", "\x04", "\x1b"}:
                return "q" if "q" in keys else keys[-1]
        else:
            line = sys.stdin.readline()
            if not line:
                if "q" in keys:
                    return "q"
                raise InputError("the input ended in the middle of an answer, which was not kept")
            typed = line.strip() if keys else line
        if not keys or (typed and typed in keys and len(typed) == 1):
            return typed
        sys.stdout.write(f"one of {', '.join(keys)}\n")
