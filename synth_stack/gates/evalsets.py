"""Evaluation sets that training data must not contain: read strictly, digested, and counted."""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, InputError
from synth_stack.rows import Digest

PROMPT_COLUMNS = ("prompt", "question", "instruction")
ANSWER_COLUMNS = ("answer", "output", "canonical_solution", "response")
ID_COLUMNS = ("id", "task_id", "question_id")

Column = Annotated[str, Field(min_length=1)]


class NamedSet(BaseModel):
    """An eval set in a gate file: a name, a path, and column names where the usual ones do not fit."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    path: Annotated[str, Field(min_length=1)]
    prompt: Column | None = None
    answer: Column | None = None
    id: Column | None = None


@dataclass(frozen=True, slots=True)
class EvalSet:
    """n items: `ids`, `prompts` and `answers` (null where the item has none), and the file's SHA-256."""

    name: str
    sha256: Digest
    ids: list[str]
    prompts: list[str]
    answers: list[str | None]


def load_eval_set(named: NamedSet) -> EvalSet:
    """The items of a .jsonl, .json (an array of objects), .csv (with a header) or .parquet file.

    Prompt, answer and id stand in the columns that `named` gives, or else in the first that exists of
    prompt, question, instruction; answer, output, canonical_solution, response; id, task_id, question_id.
    A prompt is needed; without an id column an item is called by its position. An answer that is a number
    counts as its text.

    Raises InputError for a file that is missing, empty, not UTF-8 or not what its ending says; ConfigError
    for a column that is not there.
    """
    where = f"eval set {named.name}"
    try:
        data = Path(named.path).read_bytes()
    except OSError as exc:
        raise InputError(f"{where} cannot be read", seen=named.path, mend="Check its path.") from exc
    if not data.strip():
        raise InputError(f"{where} is empty", seen=named.path, allowed="at least one item")
    items = _parse(data, Path(named.path).suffix.lower(), where)
    if not items:
        raise InputError(f"{where} has no items", seen=named.path, allowed="at least one item")
    columns = list(dict.fromkeys(key for item in items for key in item))
    prompt = _pick(columns, named.prompt, PROMPT_COLUMNS, f"{where}: prompt")
    if prompt is None:
        raise ConfigError(
            f"{where} has no prompt column",
            seen=", ".join(columns),
            allowed=", ".join(PROMPT_COLUMNS),
            mend="Name it with `prompt:`.",
        )
    answer = _pick(columns, named.answer, ANSWER_COLUMNS, f"{where}: answer")
    key = _pick(columns, named.id, ID_COLUMNS, f"{where}: id")
    return EvalSet(
        name=named.name,
        sha256=Digest(hashlib.sha256(data).hexdigest()),
        ids=[str(k if key is None or item.get(key) is None else item[key]) for k, item in enumerate(items)],
        prompts=[
            _read_text(item.get(prompt), f"{where}: item {k}: {prompt}") or "" for k, item in enumerate(items)
        ],
        answers=[
            _read_text(item.get(answer or ""), f"{where}: item {k}: {answer}") for k, item in enumerate(items)
        ],
    )


def _parse(data: bytes, suffix: str, where: str) -> Sequence[Mapping[str, Any]]:
    readers = {".jsonl": _parse_jsonl, ".json": _parse_json, ".csv": _parse_csv, ".parquet": _parse_parquet}
    if suffix not in readers:
        raise InputError(f"{where} is of no known kind", seen=suffix, allowed=", ".join(readers))
    try:
        items = list(readers[suffix](data))
    except UnicodeDecodeError as exc:
        raise InputError(f"{where} is not UTF-8", seen=f"byte {exc.start}", mend="Save it as UTF-8.") from exc
    except (ValueError, csv.Error, pa.ArrowException) as exc:
        raise InputError(f"{where} is not valid {suffix}", seen=str(exc)) from exc
    for k, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise InputError(f"{where}: item {k} is not an object", seen=item, allowed="an object per item")
    return items


def _parse_jsonl(data: bytes) -> Iterable[Any]:
    lines = data.decode("utf-8-sig").split("\n")
    return [orjson.loads(line) for line in lines if line.strip()]


def _parse_json(data: bytes) -> Iterable[Any]:
    items = orjson.loads(data.decode("utf-8-sig"))
    if not isinstance(items, list):
        raise ValueError(f"a JSON {type(items).__name__}, not an array of objects")
    return items


def _parse_csv(data: bytes) -> Iterable[Any]:
    # strict refuses a quote left open; a row longer than the header gets its rest under None.
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True, restkey="")
    return [{key: value for key, value in row.items() if key} for row in reader]


def _parse_parquet(data: bytes) -> Iterable[Any]:
    import pyarrow.parquet as pq

    return list(pq.read_table(pa.BufferReader(data)).to_pylist())


def _pick(columns: list[str], wanted: str | None, usual: Sequence[str], where: str) -> str | None:
    if wanted is None:
        return next((name for name in usual if name in columns), None)
    if wanted not in columns:
        raise ConfigError(
            f"{where} names a column that is not there", seen=wanted, allowed=", ".join(columns)
        )
    return wanted


def _read_text(value: Any, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{where} is not text", seen=value, allowed="a string", mend="Name another column.")
