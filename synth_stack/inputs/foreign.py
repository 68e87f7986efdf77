"""Somebody else's rows as candidates: a file, a folder of shards, a Hub dataset, or records in memory.

A record becomes a conversation by the columns that it has; one that cannot be read becomes a row with a
`failure`, so that it is counted and rejected with a reason instead of being dropped.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.errors import InputError, MissingExtra
from synth_stack.files import digest_file
from synth_stack.inputs.records import SUFFIXES, Broken, Record, kind_of, read_records
from synth_stack.rows.canonical import Digest, canonical_text
from synth_stack.rows.schemas import build_candidates

SHARD_ROWS = 10_000
"""Rows a candidate part: about 5 MB of text."""

PROMPT_COLUMNS = ("instruction", "prompt", "question", "query")
ANSWER_COLUMNS = ("output", "response", "completion", "answer", "generation", "chosen")
CONVERSATION_COLUMNS = ("messages", "conversations", "conversation")
MAX_DEPTH = 100
"""Nesting of a record beyond this is no data set's; Python's own stack ends at about 300 levels of JSON."""
_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records from somewhere: a name for the card, the digest of the bytes, and a reader from the start."""

    name: str
    sha256: Digest
    read: Callable[[], Iterator[tuple[str, Record | Broken]]]


def open_dataset(source: str | Path, *, skip_broken: bool = False) -> Dataset:
    """The dataset at a path (.jsonl, .json, .csv, .parquet, or a folder of such shards) or on the Hub.

    A shard that breaks off or cannot be read at all stops the reading; with `skip_broken` what cannot be read
    of it becomes one broken record that names it, and the next shard follows. Raises InputError when there is
    nothing that can be read.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.is_dir())
        if not files:
            raise InputError(f"{path} holds no shard", allowed=", ".join(SUFFIXES))
        return _open_files(path.name, files, skip_broken)
    if path.exists() or path.suffix.lower() in SUFFIXES:
        kind_of(path)
        return _open_files(path.name, [path], skip_broken)
    return open_hub(str(source))


def open_hub(
    name: str, *, config: str | None = None, split: str = "train", revision: str | None = None
) -> Dataset:
    """The rows of one split of a dataset on the Hub. Raises InputError, MissingExtra."""
    try:
        import datasets
    except ImportError as exc:
        raise MissingExtra(f"{name} is read with datasets", mend="pip install datasets") from exc
    try:
        loaded = datasets.load_dataset(name, config, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as exc:
        first = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise InputError(
            f"{name} is neither a file or folder here nor a dataset that the Hub gives: {first}",
            mend="Check the path, or the Hub name (owner/name) and your network.",
        ) from exc
    return open_records(loaded, name)


def open_records(records: Any, name: str) -> Dataset:
    """Records in memory as a dataset: a datasets.Dataset, or any list of mappings.

    The digest is over the records in order, so equal data has an equal digest wherever it lies. Raises
    InputError for what cannot be read more than once.
    """
    if not isinstance(records, Iterable) or isinstance(records, Iterator):
        raise InputError(
            f"{name} cannot be read more than once",
            seen=type(records).__name__,
            allowed="a list of mappings or a datasets.Dataset",
        )
    digest = hashlib.sha256()
    for record in records:
        digest.update(_bytes_of(record))

    def read() -> Iterator[tuple[str, Record | Broken]]:
        for number, record in enumerate(records, start=1):
            place = f"row {number}"
            if isinstance(record, Mapping):
                yield place, dict(record)
            else:
                yield place, Broken(place, f"not an object but {type(record).__name__}")

    return Dataset(name, Digest(digest.hexdigest()), read)


def check_dataset(dataset: Dataset) -> None:
    """Raises InputError for a dataset without rows, or whose first whole record has no column of text."""
    empty = True
    for _, record in dataset.read():
        empty = False
        if isinstance(record, Mapping):
            _require_known_columns(dataset, record)
            break
    if empty:
        raise InputError(f"{dataset.name} holds no rows")


def read_candidates(dataset: Dataset) -> Iterator[pa.Table]:
    """The records as candidate tables of up to SHARD_ROWS rows, in order; none is left out."""
    seen_ids: set[int] = set()
    rows: list[Record] = []
    for position, (place, record) in enumerate(dataset.read()):
        rows.append(_to_row(record, place, position, dataset.sha256, seen_ids))
        if len(rows) == SHARD_ROWS:
            yield build_candidates(rows)
            rows = []
    if rows:
        yield build_candidates(rows)


def read_messages(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """The conversation in a record: a messages column, a prompt and an answer, or none for a plain text.

    Raises ValueError with the reason when a column holds something that is no text or no conversation.
    """
    conversation = _find_conversation(record)
    if conversation is not None:
        return _read_conversation(conversation, record[conversation])
    prompt = _first(record, PROMPT_COLUMNS)
    if prompt is None:
        return []
    text = _text(record, prompt)
    if record.get("input") is not None and prompt == "instruction" and _text(record, "input").strip():
        text = f"{text}\n\n{record['input']}"
    messages = [{"role": "user", "content": text}]
    answer = _first(record, ANSWER_COLUMNS)
    if answer is not None and record.get(answer) is not None:
        messages.append({"role": "assistant", "content": _text(record, answer)})
    return messages


def _to_row(
    record: Record | Broken, place: str, position: int, sha256: Digest, seen_ids: set[int]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": "foreign",
        "messages": [],
        "attachments": [],
        "seed_id": f"sha256:{sha256}",
        "generator": "foreign",
        "generator_version": "1",
        "draw": position,
        "replayable": False,
    }
    if isinstance(record, Broken):
        return {**row, "failure": f"broken record: {place}: {record.reason}"}
    try:
        row["source_id"] = _read_id(record)
        row["extra"] = _rest_of(record, _columns_read(record))
        row["messages"] = read_messages(record)
        row["text"] = _join(row["messages"]) if row["messages"] else _text(record, "text")
        row["slice"] = _optional_text(record, "slice")
        row["locale"] = _optional_text(record, "locale")
    except ValueError as exc:
        failure = f"broken record: {place}: {exc}"
        return {
            **row,
            "messages": [],
            "text": None,
            "extra": _rest_of_broken(record, row),
            "failure": failure,
        }
    if row["source_id"] is None:
        return row
    name = int.from_bytes(hashlib.blake2b(row["source_id"].encode(), digest_size=8).digest(), "big")
    if name in seen_ids:
        return {**row, "failure": f"duplicate id: {row['source_id'][:80]!r} stands in an earlier row"}
    seen_ids.add(name)
    return row


def _read_id(record: Mapping[str, Any]) -> str | None:
    value = record.get("id")
    if isinstance(value, Mapping | list | tuple):
        raise ValueError(f"column 'id' holds {type(value).__name__}, not a name")
    return None if value is None else _clean(str(value))


def _read_conversation(column: str, value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
        raise ValueError(f"column {column!r} is not a list of turns")
    messages = []
    for turn in value:
        role = turn.get("role", turn.get("from"))
        content = turn.get("content", turn.get("value"))
        if not isinstance(role, str) or not isinstance(content, str):
            raise ValueError(f"column {column!r} has a turn without role or text")
        messages.append({"role": _ROLES.get(role, _clean(role)), "content": _checked(content, column)})
    return messages


def _require_known_columns(dataset: Dataset, record: Record) -> None:
    known = (*CONVERSATION_COLUMNS, *PROMPT_COLUMNS, "text")
    if not any(column in record for column in known):
        raise InputError(
            f"{dataset.name}: no column says what the text is",
            seen=", ".join(map(str, record)) or "no columns",
            allowed=", ".join(known),
        )


def _find_conversation(record: Mapping[str, Any]) -> str | None:
    return next((column for column in CONVERSATION_COLUMNS if record.get(column) is not None), None)


def _columns_read(record: Mapping[str, Any]) -> set[str | None]:
    """The columns that become the row's own fields."""
    conversation, prompt = _find_conversation(record), _first(record, PROMPT_COLUMNS)
    if conversation is not None:
        text: set[str | None] = {conversation} if record[conversation] else {conversation, "text"}
    elif prompt is not None:
        text = {prompt, _first(record, ANSWER_COLUMNS)} | ({"input"} if prompt == "instruction" else set())
    else:
        text = {"text"}
    return {*text, "id", "slice", "locale"}


def _first(record: Mapping[str, Any], columns: tuple[str, ...]) -> str | None:
    return next((column for column in columns if column in record), None)


def _text(record: Mapping[str, Any], column: str) -> str:
    value = record.get(column)
    if value is None:
        raise ValueError(f"column {column!r} is {'null' if column in record else 'missing'}")
    if not isinstance(value, str):
        raise ValueError(f"column {column!r} holds {type(value).__name__}, not text")
    return _checked(value, column)


def _optional_text(record: Mapping[str, Any], column: str) -> str | None:
    return None if record.get(column) is None else _text(record, column)


def _checked(value: str, column: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ValueError(f"column {column!r} is not valid Unicode: a lone surrogate") from exc
    return value


def _clean(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


def _join(messages: list[dict[str, str]]) -> str:
    return "\n\n".join(message["content"] for message in messages)


def _bytes_of(record: Any) -> bytes:
    """A record as the digest takes it: JSON, or how Python writes what JSON cannot say."""
    value = dict(record) if isinstance(record, Mapping) else record
    options = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(value, default=str, option=options)
    except orjson.JSONEncodeError:
        try:
            return f"{value!r}\n".encode("utf-8", "backslashreplace")
        except (ValueError, RecursionError) as exc:  # a number of 5,000 digits, a list within itself
            raise InputError(f"a record in memory cannot be written down: {exc}") from exc


def _rest_of(record: Record, kept: set[str | None]) -> str | None:
    """The columns that the row's own fields do not hold, so that nothing of a foreign row is lost."""
    rest = {_clean(str(k)): _plain(v) for k, v in record.items() if k not in kept}
    return canonical_text(rest) if rest else None


def _rest_of_broken(record: Record, row: Record) -> str | None:
    """Everything that a row whose fields could not be read does not hold; null when nested too deep."""
    try:
        return _rest_of(record, {"id"} if row.get("source_id") else set())
    except ValueError:
        return None


def _plain(value: Any, depth: int = 0) -> Any:
    """A JSON value that is written one way only: numbers that are not small integers become text.

    Raises ValueError for one that is nested deeper than MAX_DEPTH.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_clean(str(k)): _plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, depth + 1) for v in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return _clean(str(value))


def _open_files(name: str, files: list[Path], skip_broken: bool) -> Dataset:
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing} does not exist", mend="Check the path.")
    digests = [digest_file(path) for path in files]
    whole = digests[0] if len(files) == 1 else Digest(hashlib.sha256("\n".join(digests).encode()).hexdigest())

    def read() -> Iterator[tuple[str, Record | Broken]]:
        for path in files:
            try:
                for place, record in read_records(path):
                    yield (place if len(files) == 1 else f"{path.name}, {place}"), record
            except InputError as exc:
                if not skip_broken:
                    raise
                yield path.name, Broken(path.name, f"broken shard, the rest of it is skipped: {exc}")

    return Dataset(name, whole, read)
