"""Evaluation sets that training data must not contain: read strictly, digested, and counted."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import digest_file
from synth_stack.gates.contamination.eval_forms import (
    ROLES,
    ItemParts,
    fold_name,
    name_headless,
    read_item,
    unfold,
)
from synth_stack.gates.resources import Resources
from synth_stack.inputs.byte_streams import open_bytes, split_suffix
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.inputs.records import Broken, Record, read_strictly
from synth_stack.rows.canonical import Digest

MAX_ITEM_BYTES = 16 * 1024 * 1024
"""A longer record is no item of an evaluation."""
MAX_ID_CHARS = 200
"""An id is quoted in every verdict that names its item."""

_SHOWN_CHARS = 500
_NAMED_CHARS = 80

Fault = tuple[str, dict[str, Any]]
"""What a stage of the gate has found: the reason, and the evidence, which names an item."""


@dataclass(frozen=True, slots=True)
class EvalItems:
    """n items: columns of equal length, null where the item has nothing, and what they were read from.

    `prompts` are what is asked, apart from the `passages` that several items may be asked of and the
    `choices` that they offer. `entry_points` and `tests` are HumanEval's form (Chen et al. 2021, section
    2.2): the name of a function, and the source of `check(candidate)`, or of asserts, on what it has to do.
    """

    name: str
    sha256: Digest
    ids: list[str]
    prompts: list[str]
    answers: list[str | None]
    entry_points: list[str | None]
    tests: list[str | None]
    passages: list[str | None]
    choices: list[tuple[str, ...]]
    version: str | None = None

    @property
    def testable(self) -> int:
        """How many items have an entry point and a test."""
        return sum(bool(e and t) for e, t in zip(self.entry_points, self.tests, strict=True))

    def find_repeats(self) -> list[int]:
        """For each item the number of the first one that has the same parts, (n,)."""
        first: dict[tuple[str, str | None, str | None, tuple[str, ...]], int] = {}
        asked = zip(self.prompts, self.answers, self.passages, self.choices, strict=True)
        return [first.setdefault(item, k) for k, item in enumerate(asked)]


def load_eval_set(named: NamedEvalSet, resources: Resources | None = None) -> EvalItems:
    """The items of a .jsonl, .json, .csv or .parquet file, or of the Hub, in any form of eval_forms.py.

    Each part stands in the column that `named` gives, or else in the first usual one that a record has. A
    prompt is needed; without an id an item is called by its position.

    Raises InputError for a set that is missing, empty, unreadable, asks nothing, holds what is no item or two
    items of one id;
    ConfigError for a column that is not there, and for a set on the Hub without `resources` to open it by.
    """
    where = f"eval set {named.name}"
    columns = {role: column for role in ROLES if (column := getattr(named, role)) is not None}
    if ("entry_point" in columns) != ("test" in columns):
        raise ConfigError(
            f"{where}: an entry point and its test go together",
            seen=", ".join(columns.values()),
            mend="Name both columns with `entry_point:` and `test:`.",
        )
    records, digest = _open(named, resources, where)
    seen: dict[str, None] = {}
    items: list[ItemParts] = []
    silent: tuple[str, Mapping[str, Any]] | None = None
    for place, record in records:
        seen.update(dict.fromkeys(record))
        items.append(read_item(record, columns, f"{where}: {place}"))
        if silent is None and not _has_prompt(record, columns):
            silent = place, record
    if not items:
        raise InputError(f"{where} has no items", seen=named.path or named.hub, allowed="at least one item")
    _check_columns(list(seen), columns, where)
    _check_items(items, silent, where)
    _check_ids(items, where)
    return EvalItems(
        name=named.name,
        sha256=digest(),
        ids=[_name(item.id, k, where) for k, item in enumerate(items)],
        prompts=[item.prompt for item in items],
        answers=[item.answer for item in items],
        entry_points=[item.entry_point for item in items],
        tests=[item.test for item in items],
        passages=[item.passage for item in items],
        choices=[item.choices for item in items],
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


_Records = Iterator[tuple[str, Mapping[str, Any]]]
"""Where an item stands in its file, and the item; one after the other, for a file may hold 100 MB."""


def _open(
    named: NamedEvalSet, resources: Resources | None, where: str
) -> tuple[_Records, Callable[[], Digest]]:
    """The records, and their digest, for when they have been read."""
    if named.path is not None:
        path = Path(named.path)
        return _read_file(path, where), partial(digest_file, path)
    if resources is None or named.hub is None:
        raise ConfigError(
            f"{where} is on the Hub, and nothing here reads it from there",
            seen=named.hub,
            mend="Download it, and name the file with `path:`.",
        )
    opened = resources.open_hub(
        named.hub, config=named.config, split=named.split or "test", revision=named.revision
    )
    return _require_whole(opened.read(), where), lambda: opened.sha256


def _read_file(path: Path, where: str) -> _Records:
    try:
        headless = _find_headless(path)
        if headless is not None:
            yield from _read_headless(path, headless)
            return
        for place, record in read_strictly(path, max_bytes=MAX_ITEM_BYTES):
            yield from unfold(place, record)
    except InputError as exc:
        raise InputError(f"{where}: {exc.what}", seen=exc.seen, allowed=exc.allowed, mend=exc.mend) from exc


def _find_headless(path: Path) -> tuple[str, ...] | None:
    """The columns of a CSV without a header line, where its form is known by the first item."""
    kind, codec = split_suffix(path)
    if kind != ".csv":
        return None
    try:
        with open_bytes(path, codec) as file:
            line = file.readline(MAX_ITEM_BYTES)
        first = next(csv.reader([line.decode()], strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None  # the reader of the whole file says what is wrong with it
    return name_headless(first)


def _read_headless(path: Path, columns: Sequence[str]) -> _Records:
    with open_bytes(path, split_suffix(path)[1]) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            for number, fields in enumerate(csv.reader(text, strict=True), start=1):
                if len(fields) != len(columns):
                    raise InputError(
                        f"{path}: item {number} has other fields than the first",
                        seen=len(fields),
                        allowed=str(len(columns)),
                    )
                yield f"item {number}", dict(zip(columns, fields, strict=True))
        except (csv.Error, UnicodeDecodeError) as exc:
            raise InputError(f"{path} is no UTF-8 CSV: {exc}", mend="Save it as UTF-8.") from exc


def _require_whole(records: Iterator[tuple[str, Record | Broken]], where: str) -> _Records:
    for place, record in records:
        if isinstance(record, Broken):
            raise InputError(f"{where}: {place}: {record.reason}")
        yield from unfold(place, record)


def _check_columns(seen: Sequence[str], named: Mapping[str, str], where: str) -> None:
    for role, column in named.items():
        if column not in seen:
            raise ConfigError(
                f"{where}: {role} names a column that is not there", seen=column, allowed=", ".join(seen)
            )
    if "prompt" not in named and not {fold_name(column) for column in seen} & set(ROLES["prompt"]):
        raise ConfigError(
            f"{where} has no prompt column",
            seen=", ".join(seen),
            allowed=", ".join(ROLES["prompt"]),
            mend="Name it with `prompt:`.",
        )


def _check_items(
    items: Sequence[ItemParts], silent: tuple[str, Mapping[str, Any]] | None, where: str
) -> None:
    """Refuse a record without a column for what is asked, which is the first such, and a set that asks
    nothing.
    """
    if silent is not None:
        place, record = silent
        raise InputError(
            f"{where}: {place} has no prompt column",
            seen=", ".join(record) or "no columns",
            mend="Take it out, or name its column with `prompt:`.",
        )
    if not any(item.says_something for item in items):
        raise InputError(
            f"{where} has no item with a prompt, a passage or choices", seen=f"{len(items)} empty items"
        )


def _check_ids(items: Sequence[ItemParts], where: str) -> None:
    """Refuse two items of one id that are not the same: a reason would name either of them."""
    first: dict[str, int] = {}
    for k, item in enumerate(items):
        if item.id is not None and items[first.setdefault(item.id, k)] != item:
            raise InputError(
                f"{where}: items {first[item.id] + 1} and {k + 1} have one id and are not the same",
                seen=item.id,
                allowed="an id of its own for each item",
                mend="Mend the ids, or name another column with `id:`.",
            )


def _has_prompt(record: Mapping[str, Any], named: Mapping[str, str]) -> bool:
    """Whether the record has a column for what is asked, be it empty."""
    if "prompt" in named:
        return named["prompt"] in record
    return any(fold_name(column) in ROLES["prompt"] for column in record)


def _name(text: str | None, position: int, where: str) -> str:
    if text is not None and len(text) > MAX_ID_CHARS:
        raise InputError(
            f"{where}: item {position + 1}: id is no name",
            seen=f"{len(text)} characters",
            allowed=f"at most {MAX_ID_CHARS}",
        )
    return str(position) if text is None else text
