"""What reviewers said of rows: a journal to which answers are added once, however often they are handed over.

Each line of review/answers.jsonl is one version of one answer, as canonical JSON. Nothing is ever changed in
it: an edited answer is a further line of the same `answer_id`, a deleted one a line that says so. A line that
a killed process left half is cut off by the next one that writes.
"""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa

from synth_stack.errors import InputError, StoreError
from synth_stack.files import store_errors
from synth_stack.host import lock_file
from synth_stack.review.plan_file import FOLDER, read_every_sample, read_plan
from synth_stack.review.reviewers import is_reviewer_id
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.folder import update_manifest

ANSWERS = f"{FOLDER}/answers.jsonl"

JUDGEMENTS = ("release", "reject", "unsure")
SEVERITIES = ("minor", "major", "critical")
SOURCES = ("terminal", "page", "argilla", "import")
ROLES = ("reviewer", "adjudicator")
STATES = ("submitted", "deleted")

DEFECTS = {
    "wrong": "It says what is not so",
    "unsupported": "The documents beside it do not say it",
    "incomplete": "It leaves out what was asked, or breaks off",
    "off_topic": "It answers something else, or does not belong to its topic",
    "unclear": "It cannot be followed, or contradicts itself",
    "unsafe": "It does harm, helps to, or obeys or refuses where it should not",
    "private_data": "It names a real person, address, number or account",
    "bad_format": "It is broken as text, code, JSON or a call",
    "other": "Something else: say so in the note",
}
"""Kinds of defects that a reviewer may name, in the order of their digits (docs/review_guide.md)."""

ANSWER_SCHEMA = pa.schema(
    [
        pa.field("answer_id", pa.string(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("reviewer", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("judgement", pa.string(), nullable=False),
        pa.field("defect", pa.string()),
        pa.field("severity", pa.string()),
        pa.field("corrected", pa.string()),
        pa.field("span", pa.string()),
        pa.field("note", pa.string()),
        pa.field("seconds", pa.float64()),
        pa.field("submitted_at", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
    ]
)
"""One answer. `answer_id` is whoever collects its own name for it, and the key that makes handing it over
twice harmless: `argilla:<id of the response>`, say. `reviewer` is a ReviewerId. `judgement` is release (the
row may ship), reject (it has a defect) or unsure; `defect` its kind as a short code, `severity` how bad it
is. `corrected` is canonical JSON of what the row should say, `span` canonical JSON of where the defect is,
`note` free text: the three may name people, so they reach no record and no pack. `seconds` is how long it
took. `submitted_at` is UTC as `2026-11-30T01:35:00.000Z`. An adjudicator's answer (`role`) outranks those of
reviewers. A `deleted` answer counts no longer."""

MAX_NOTE_CHARS = 10_000
MAX_PART_BYTES = 1024**2
"""Of `corrected` and of `span`: larger than any row that a person reads."""
MAX_LINE_BYTES = 4 * MAX_PART_BYTES
MAX_SKEW = timedelta(minutes=5)
"""By which an answer may be ahead of this machine's clock without a word: what unsynchronised clocks of
office machines are apart at most."""

_ID = re.compile(r"[\x21-\x7e]{1,200}")
_ROW = re.compile(r"[0-9a-f]{32}")
_DEFECT = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_REQUIRED = ("answer_id", "row_id", "reviewer", "judgement", "submitted_at", "source")
_DEFAULTS = {"role": "reviewer", "state": "submitted"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What handing answers over did: `new` ones, `edited` and `deleted` versions of known ones, `repeated`
    ones that were there already, and `stale` ones that are older than what is there. `notices` are for a
    person.
    """

    new: int = 0
    edited: int = 0
    deleted: int = 0
    repeated: int = 0
    stale: int = 0
    notices: tuple[str, ...] = ()

    @property
    def written(self) -> int:
        """How many lines were added."""
        return self.new + self.edited + self.deleted

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        names = ("new", "edited", "deleted", "repeated", "stale")
        return {**{name: getattr(self, name) for name in names}, "notices": list(self.notices)}


def record_answers(folder: str | Path, answers: Iterable[Mapping[str, Any]]) -> Recorded:
    """Add answers to the journal of the run at `folder`: all of them, or none where one cannot be used.

    Each has the fields of ANSWER_SCHEMA; nullable ones, `role` and `state` may be left out. Handing over the
    same answers again adds nothing. Of the versions of one `answer_id` the one submitted last counts, so a
    late copy of an older one changes nothing. A tombstone (`state` deleted) bears the `submitted_at` of the
    version that it deletes, or a later one. Waits for another process that writes.

    Raises InputError, which names the answer, for one that is malformed, on a row that the plan does not
    have, or that changes the reviewer or row of a known `answer_id`.
    """
    run = Path(folder)
    known_rows = frozenset(read_every_sample(read_plan(run))["row_id"].to_pylist())
    given = [_check(answer, number) for number, answer in enumerate(answers)]
    strays = [answer["row_id"] for answer in given if answer["row_id"] not in known_rows]
    if strays:
        raise InputError(
            f"{len(strays)} of {len(given)} answers are on rows that the review plan does not have",
            seen=strays[0],
            mend="Check that they belong to this run, and to its plan of today (plan.json).",
        )
    with _locked(run):
        standing = {each["answer_id"]: each for each in _latest_by_id(_read_lines(run))}
        counts: Counter[str] = Counter()
        added: list[dict[str, Any]] = []
        for number, answer in enumerate(given):
            before = standing.get(answer["answer_id"])
            what = _compare(before, answer, number)
            counts[what] += 1
            if what in {"new", "edited", "deleted"}:
                added.append(answer)
                standing[answer["answer_id"]] = answer
        if added:
            _append(run, added)
            update_manifest(run, [ANSWERS])
    return Recorded(**counts, notices=_find_skew(added))


def read_journal(folder: str | Path) -> pa.Table:
    """Every version of every answer in the order of arrival, ANSWER_SCHEMA. Raises StoreError."""
    return pa.Table.from_pylist(list(_read_lines(Path(folder))), schema=ANSWER_SCHEMA)


def read_answers(folder: str | Path) -> pa.Table:
    """The answers that count, ANSWER_SCHEMA: of each reviewer on each row the last, deleted ones left out.

    One reviewer may have answered a row in two places (`source`): what arrived last counts. In the order of
    arrival. Raises StoreError for a journal that cannot be read.
    """
    lines = list(_read_lines(Path(folder)))
    last: dict[tuple[str, str, str], dict[str, Any]] = {}
    for answer in _latest_by_id(lines):
        if answer["state"] == "submitted":
            key = (answer["reviewer"], answer["row_id"], answer["role"])
            last.pop(key, None)
            last[key] = answer
    return pa.Table.from_pylist(list(last.values()), schema=ANSWER_SCHEMA)


def format_time(moment: datetime) -> str:
    """A moment as `submitted_at` has it. Raises ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone names no moment")
    text = moment.astimezone(UTC).strftime(_TIME)
    return f"{text[:-4]}Z"


def _compare(before: Mapping[str, Any] | None, answer: Mapping[str, Any], number: int) -> str:
    """What an answer is beside the version of it that stands: new, edited, deleted, repeated or stale."""
    deletes = answer["state"] == "deleted"
    if before is None:
        return "repeated" if deletes else "new"  # what never was is gone already
    for name in ("reviewer", "row_id"):
        if before[name] != answer[name]:
            raise InputError(
                f"answer {number} has the id of another answer, with another {name}",
                seen=answer["answer_id"],
                mend="An answer_id names one answer of one reviewer on one row.",
            )
    if answer == before or (deletes and before["state"] == "deleted"):
        return "repeated"
    gone = before["state"] == "deleted" and answer["submitted_at"] == before["submitted_at"]
    if gone or answer["submitted_at"] < before["submitted_at"]:
        return "stale"
    return "deleted" if deletes else "edited"


def _latest_by_id(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last version of each answer, in the order in which these arrived."""
    last: dict[str, dict[str, Any]] = {}
    for answer in lines:
        last.pop(answer["answer_id"], None)
        last[answer["answer_id"]] = answer
    return list(last.values())


def _check(answer: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The answer with every field of the schema. Raises InputError."""
    unknown = sorted(set(map(str, answer)) - set(ANSWER_SCHEMA.names))
    full = {name: answer.get(name, _DEFAULTS.get(name)) for name in ANSWER_SCHEMA.names}
    fault = f"it has a field that no answer has: {unknown[0]}" if unknown else _find_fault(full)
    if fault is not None:
        raise InputError(f"answer {number} cannot be recorded: {fault}", seen=full["answer_id"])
    return full


def _find_fault(full: Mapping[str, Any]) -> str | None:
    texts = [name for name in ANSWER_SCHEMA.names if name != "seconds"]
    for name in texts:
        if full[name] is not None and not isinstance(full[name], str):
            return f"its {name} is no text"
    for name in _REQUIRED:
        if full[name] is None:
            return f"it has no {name}"
    for name, allowed in (
        ("judgement", JUDGEMENTS),
        ("source", SOURCES),
        ("role", ROLES),
        ("state", STATES),
        ("severity", (*SEVERITIES, None)),
    ):
        if full[name] not in allowed:
            return f"its {name} is {full[name]!r}, allowed: {', '.join(filter(None, allowed))}"
    faults = (
        (not _ID.fullmatch(full["answer_id"]), "its answer_id is not 1 to 200 visible ASCII characters"),
        (not _ROW.fullmatch(full["row_id"]), "its row_id is no row id"),
        (not is_reviewer_id(full["reviewer"]), "its reviewer is no HMAC-SHA256 in hexadecimal"),
        (not _DEFECT.fullmatch(full["defect"] or "none"), "its defect is no short code: a-z, 0-9, _ . -"),
        (len(full["note"] or "") > MAX_NOTE_CHARS, f"its note is longer than {MAX_NOTE_CHARS} characters"),
        (not _is_time(full["submitted_at"]), "its submitted_at is like no 2026-11-30T01:35:00.000Z"),
        (not _is_duration(full["seconds"]), "its seconds are no number of seconds"),
        (not _is_canonical(full["corrected"]), "its corrected is not canonical JSON of at most 1 MB"),
        (not _is_canonical(full["span"]), "its span is not canonical JSON of at most 1 MB"),
    )
    return next((fault for is_so, fault in faults if is_so), None)


def _is_time(text: str) -> bool:
    try:
        return format_time(datetime.strptime(text, _TIME).replace(tzinfo=UTC)) == text
    except ValueError:
        return False


def _is_duration(seconds: Any) -> bool:
    if seconds is None:
        return True
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 1e7


def _is_canonical(text: str | None) -> bool:
    if text is None:
        return True
    try:
        data = text.encode()
        return len(data) <= MAX_PART_BYTES and canonical_json(orjson.loads(data)) == data
    except ValueError:
        return False


def _find_skew(added: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    latest = format_time(datetime.now(UTC) + MAX_SKEW)
    ahead = sum(answer["submitted_at"] > latest for answer in added)
    if not ahead:
        return ()
    return (
        f"{ahead} answers are dated over {MAX_SKEW.seconds // 60} minutes ahead of this machine's clock; "
        "they count, and an edit that is dated earlier will not: set the clocks",
    )


def _read_lines(run: Path) -> Iterator[dict[str, Any]]:
    """The lines of the journal; one that a killed writer left half at the end is none."""
    path = run / ANSWERS
    if not path.exists():
        return
    with store_errors(path), path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    raise StoreError(f"{path}: line {number} is longer than any answer")
                return
            try:
                value = orjson.loads(line)
                answer = _check(value, number)
            except (orjson.JSONDecodeError, InputError, AttributeError, TypeError) as exc:
                raise StoreError(f"{path}: line {number} is no answer: {exc}") from exc
            yield answer


def _append(run: Path, answers: Iterable[Mapping[str, Any]]) -> None:
    """Add lines, on the disk when this returns; what a killed writer left half is cut off first."""
    path = run / ANSWERS
    data = b"".join(canonical_json(dict(answer)) + b"\n" for answer in answers)
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            if (whole := _find_end(file, end)) != end:
                file.truncate(whole)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _find_end(file: IO[bytes], end: int) -> int:
    """Where the last whole line ends."""
    start = max(end - MAX_LINE_BYTES, 0)
    file.seek(start)
    tail = file.read(end - start)
    place = tail.rfind(b"\n")
    if place < 0 and start > 0:
        raise StoreError(f"{file.name} ends in a line that is longer than any answer")
    return start + place + 1


@contextlib.contextmanager
def _locked(run: Path) -> Iterator[None]:
    """The journal for this process alone; another one that writes is waited for: it needs milliseconds."""
    path = run / FOLDER / ".answers.lock"
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        with store_errors(path):
            lock_file(file, wait=True)
        yield
