"""Evaluation sets that training data must not contain: read strictly, digested, and counted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import digest_file
from synth_stack.gates.resources import Resources
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.inputs.records import Broken, Record, read_strictly
from synth_stack.rows.canonical import Digest

PROMPT_COLUMNS = ("prompt", "question", "instruction")
ANSWER_COLUMNS = ("answer", "output", "canonical_solution", "response")
ID_COLUMNS = ("id", "task_id", "question_id")

MAX_ITEM_BYTES = 16 * 1024 * 1024
"""A longer record is no item of an evaluation."""
MAX_FIELD_CHARS = 1_000_000
"""A longer prompt, answer or test is no part of one either: 200 times the longest of GSM8K and HumanEval."""
MAX_ID_CHARS = 200
"""An id is quoted in every verdict that names its item."""

_SHOWN_CHARS = 500
_NAMED_CHARS = 80

Fault = tuple[str, dict[str, Any]]
"""What a stage of the gate has found: the reason, and the evidence, which names an item."""


@dataclass(frozen=True, slots=True)
class EvalItems:
    """n items: five columns of equal length, null where the item has nothing, and what they were read from.

    `entry_points` and `tests` are HumanEval's form (Chen et al. 2021, section 2.2): the name of a function,
    and the source of `check(candidate)`, which asserts what the function has to do.
    """

    name: str
    sha256: Digest
    ids: list[str]
    prompts: list[str]
    answers: list[str | None]
    entry_points: list[str | None]
    tests: list[str | None]
    version: str | None = None

    @property
    def testable(self) -> int:
        """How many items have an entry point and a test."""
        return sum(bool(e and t) for e, t in zip(self.entry_points, self.tests, strict=True))


def load_eval_set(named: NamedEvalSet, resources: Resources | None = None) -> EvalItems:
    """The items of a .jsonl, .json (an array), .csv (with a header) or .parquet file, or of the Hub.

    Prompt, answer and id stand in the columns that `named` gives, or else in the first that exists of
    prompt, question, instruction; answer, output, canonical_solution, response; id, task_id, question_id.
    A prompt is needed; without an id column an item is called by its position. An answer that is a number
    counts as its text. Entry point and test are read from the columns that `named` gives, or from
    `entry_point` and `test` where both exist.

    Raises InputError for a set that is missing, empty, unreadable or holds what is no item; ConfigError for
    a column that is not there, and for a set on the Hub without `resources` to open it by.
    """
    where = f"eval set {named.name}"
    sha256, items = _read(named, resources, where)
    if not items:
        raise InputError(f"{where} has no items", seen=named.path or named.hub, allowed="at least one item")
    columns = list(dict.fromkeys(key for _, item in items for key in item))
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
    entry_point, test = _pick_program(columns, named, where)
    return EvalItems(
        name=named.name,
        sha256=sha256,
        ids=[_read_id(item, key, k, f"{where}: {place}") for k, (place, item) in enumerate(items)],
        prompts=[text or "" for text in _read_column(items, prompt, where)],
        answers=_read_column(items, answer, where),
        entry_points=_read_column(items, entry_point, where),
        tests=_read_column(items, test, where),
        version=named.version or named.revision,
    )


def name_item(eval_set: EvalItems, item: int) -> str:
    """The item as reasons name it, `set/id`, cut."""
    return f"{eval_set.name}/{eval_set.ids[item][:_NAMED_CHARS]}"


def show_item(eval_set: EvalItems, item: int, content: str | None) -> dict[str, Any]:
    """The item as evidence names it: set, id, and the start of the content that counted."""
    return {
        "eval_set": eval_set.name,
        "item": eval_set.ids[item],
        "item_text": (content or "")[:_SHOWN_CHARS],
    }


_Item = tuple[str, Mapping[str, Any]]
"""Where an item stands in its file, and the item."""


def _read(named: NamedEvalSet, resources: Resources | None, where: str) -> tuple[Digest, list[_Item]]:
    try:
        if named.path is not None:
            path = Path(named.path)
            items: list[_Item] = list(read_strictly(path, max_bytes=MAX_ITEM_BYTES))
            return digest_file(path), items
    except InputError as exc:
        raise InputError(f"{where}: {exc.what}", seen=exc.seen, allowed=exc.allowed, mend=exc.mend) from exc
    if resources is None or named.hub is None:
        raise ConfigError(
            f"{where} is on the Hub, and nothing here reads it from there",
            seen=named.hub,
            mend="Download it, and name the file with `path:`.",
        )
    records = resources.open_hub(
        named.hub, config=named.config, split=named.split or "test", revision=named.revision
    )
    return records.sha256, list(_require_whole(records.read(), where))


def _require_whole(records: Iterator[tuple[str, Record | Broken]], where: str) -> Iterator[_Item]:
    for place, record in records:
        if isinstance(record, Broken):
            raise InputError(f"{where}: {place}: {record.reason}")
        yield place, record


def _pick(columns: list[str], wanted: str | None, usual: Sequence[str], where: str) -> str | None:
    if wanted is None:
        return next((name for name in usual if name in columns), None)
    if wanted not in columns:
        raise ConfigError(
            f"{where} names a column that is not there", seen=wanted, allowed=", ".join(columns)
        )
    return wanted


def _pick_program(columns: list[str], named: NamedEvalSet, where: str) -> tuple[str | None, str | None]:
    entry_point = _pick(columns, named.entry_point, ["entry_point"], f"{where}: entry_point")
    test = _pick(columns, named.test, ["test"], f"{where}: test")
    if entry_point is None or test is None:  # a column called "test" alone may be anything
        if named.entry_point or named.test:
            raise ConfigError(
                f"{where}: an entry point and its test go together",
                seen=", ".join(columns),
                mend="Name both columns with `entry_point:` and `test:`.",
            )
        return None, None
    return entry_point, test


def _read_id(item: Mapping[str, Any], key: str | None, position: int, where: str) -> str:
    text = None if key is None else _read_text(item.get(key), f"{where}: {key}")
    if text is not None and len(text) > MAX_ID_CHARS:
        raise InputError(
            f"{where}: {key} is no name", seen=f"{len(text)} characters", allowed=f"at most {MAX_ID_CHARS}"
        )
    return str(position) if text is None else text


def _read_column(items: list[_Item], column: str | None, where: str) -> list[str | None]:
    if column is None:
        return [None] * len(items)
    return [_read_text(item.get(column), f"{where}: {place}: {column}") for place, item in items]


def _read_text(value: Any, where: str) -> str | None:
    if isinstance(value, str):
        if len(value) > MAX_FIELD_CHARS:
            raise InputError(
                f"{where} is too long",
                seen=f"{len(value)} characters",
                allowed=f"at most {MAX_FIELD_CHARS}",
            )
        return value
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{where} is not text", seen=value, allowed="a string", mend="Name another column.")
