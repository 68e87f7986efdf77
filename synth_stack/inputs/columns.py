"""Which column of a foreign record means what: the names that data sets use, in any case, or a `map`."""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth_stack.errors import ConfigError
from synth_stack.inputs.plain_values import is_empty

CONVERSATION_COLUMNS = ("messages", "conversations", "conversation")
PROMPT_COLUMNS = ("instruction", "prompt", "question", "query", "inputs")
ANSWER_COLUMNS = ("output", "response", "completion", "answer", "generation", "targets", "chosen")

USUAL: dict[str, tuple[str, ...]] = {
    "messages": CONVERSATION_COLUMNS,
    "prompt": PROMPT_COLUMNS,
    "input": ("input",),
    "answer": ANSWER_COLUMNS,
    "text": ("text",),
    "id": ("id",),
    "slice": ("slice",),
    "locale": ("locale",),
    "system": ("system", "system_prompt"),
    "history": ("history",),
    "tools": ("tools", "functions"),
    "documents": ("documents", "context", "contexts", "passages"),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "chosen_rating": ("chosen_rating", "score_chosen", "chosen_score", "rating_chosen"),
    "rejected_rating": ("rejected_rating", "score_rejected", "rejected_score", "rating_rejected"),
    "chosen_model": ("chosen_model",),
    "rejected_model": ("rejected_model",),
}
"""The names of each field's columns, the first one that holds something counts."""

CARRIERS = ("messages", "prompt", "answer", "text", "chosen", "rejected")
"""Fields that say what a row is. Where a map names one of them, the usual names of others do not count."""

OURS = frozenset({"row_id", "kind", "messages", "source_id", "seed_id", "generator", "draw"})
"""Columns by which a row of this package is known, in a pack or in a file of its rows."""

MAX_PLANS = 1_000
"""Sets of columns that are remembered; a data set has a few, a hostile one as many as it has rows."""
MAX_NAMES_CHARS = 64 * 1024
"""All names of one set of columns that is remembered; 1,000 sets are 64 MB at most."""


Shape = tuple[tuple[str, str], ...]
"""The columns that a row was read from, each with its field."""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What the columns of one record mean: the columns of each field, those that may count first.

    `pair` is (prompt, answer, input or None) and `chat` a column where nothing else can count, `rest` what is
    then left over. `under` are the prompt columns of an input, `labels` which of slice and locale
    there are, `missing` the columns of a map that carry the text and are not there, `known` every column of a
    field; `renamed` holds (column, field) where the name is spelled otherwise or came by the map. `shape` is
    what becomes of the columns of `pair` or `chat`.
    """

    fields: Mapping[str, tuple[Any, ...]]
    ours: bool
    pair: tuple[Any, Any, Any] | None
    chat: Any
    under: frozenset[Any]
    labels: tuple[str, ...]
    missing: tuple[str, ...]
    known: frozenset[Any]
    rest: tuple[Any, ...]
    renamed: tuple[tuple[Any, str], ...]
    shape: Shape

    def name_fields(self, used: Collection[Any]) -> Shape:
        """The columns that were used, each with its field; none for a row of ours."""
        return () if self.ours else _name_fields(self.fields, used)

    @property
    def says_something(self) -> bool:
        """Whether there is a column that a row can be read from."""
        return self.ours or any(
            all(field in self.fields for field in fields)
            for fields in (("messages",), ("prompt",), ("text",), ("chosen",), ("input", "answer"))
        )

    def find(self, record: Mapping[Any, Any], field: str) -> Any:
        """The first column of the field that holds something, or None."""
        for column in self.fields.get(field, ()):
            if not is_empty(record[column]):
                return column
        return None

    def find_present(self, record: Mapping[Any, Any], field: str) -> Any:
        """The column of the field that holds something, or else one with a text, or else the first."""
        columns = self.fields.get(field, ())
        full = self.find(record, field)
        if full is not None:
            return full
        texts = (column for column in columns if isinstance(record[column], str))
        return next(texts, columns[0] if columns else None)


class Columns:
    """Plans for the records of one data set."""

    def __init__(self, named: Mapping[str, str] | None = None) -> None:
        self.named = dict(named or {})
        self._plans: dict[tuple[Any, ...], ColumnPlan] = {}

    def plan(self, record: Mapping[Any, Any]) -> ColumnPlan:
        """What the columns of the record mean."""
        keys = tuple(record)
        plan = self._plans.get(keys)
        if plan is None:
            plan = _make_plan(keys, self.named)
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            if sum(len(str(key)) for key in keys) <= MAX_NAMES_CHARS:
                self._plans[keys] = plan
        return plan


def check_map(named: Mapping[str, str] | None) -> dict[str, str]:
    """A map from fields to columns. Raises ConfigError for an unknown field or a column that stands twice."""
    named = dict(named or {})
    for field, column in named.items():
        if field not in USUAL:
            raise ConfigError("map: there is no such field", seen=field, allowed=", ".join(USUAL))
        if not isinstance(column, str) or not column:
            raise ConfigError(f"map: {field} must be the name of a column", seen=column)
        if list(named.values()).count(column) > 1:
            raise ConfigError("map: one column cannot be two fields", seen=column)
    return named


def parse_map(texts: Iterable[str]) -> dict[str, str]:
    """The map that `prompt=COLUMN,answer=COLUMN` names, once or in several texts. Raises ConfigError."""
    named: dict[str, str] = {}
    for text in texts:
        for part in re.split(r",(?=[A-Za-z_]+=)", text):
            field, equals, column = part.partition("=")
            if not equals or field.strip() in named:
                raise ConfigError("a map is FIELD=COLUMN,FIELD=COLUMN, each field once", seen=text)
            named[field.strip()] = column
    return check_map(named)


def suggest_map(records: Sequence[Mapping[Any, Any]]) -> str:
    """The `--map` line for records whose columns no usual name fits, filled in as far as can be guessed."""
    columns: dict[str, Any] = {}
    for record in records:
        columns |= {str(k): v for k, v in record.items() if _can_be_typed(str(k)) and not is_empty(v)}
    turns = [name for name, value in columns.items() if _is_turns(value)]
    if turns:
        return f"--map {shlex.quote(f'messages={turns[0]}')}"
    texts = [name for name, value in columns.items() if isinstance(value, str) and not _is_key(name)]
    if len(texts) == 1:
        return f"--map {shlex.quote(f'text={texts[0]}')}"
    prompt, answer = suggest_pair(texts)
    others = [name for name in texts if name not in {prompt, answer}]
    prompt = prompt or (others.pop(0) if others else "COLUMN")
    answer = answer or (others.pop(0) if others else "COLUMN")
    return f"--map {shlex.quote(f'prompt={prompt},answer={answer}')}"


def suggest_pair(names: Sequence[str]) -> tuple[str | None, str | None]:
    """What of the names sounds like a prompt and what like an answer, None for neither."""
    answer = _pick(names, _ANSWER_WORDS)
    return _pick([name for name in names if name != answer], _PROMPT_WORDS), answer


_TYPED_CHARS = 100
_PROMPT_WORDS = (
    "prompt",
    "question",
    "query",
    "instruct",
    "ask",
    "request",
    "user",
    "customer",
    "human",
    "input",
)
_ANSWER_WORDS = (
    "answer",
    "response",
    "reply",
    "output",
    "completion",
    "assistant",
    "agent",
    "target",
    "solution",
)


def _pick(names: Sequence[str], words: Sequence[str]) -> str | None:
    return next((name for word in words for name in names if word in name.lower()), None)


def _can_be_typed(name: str) -> bool:
    return 0 < len(name) <= _TYPED_CHARS and name.isprintable()


def _is_turns(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, Mapping) and any(fold_name(key) in {"role", "from"} for key in turn)
        for turn in value
    )


def _is_key(name: str) -> bool:
    return re.search(r"(^|[_\W])(id|uuid|hash|date|time|url|lang|language|source)$", name.lower()) is not None


def _make_plan(keys: tuple[Any, ...], named: Mapping[str, str]) -> ColumnPlan:
    fields = _find_fields(keys, named)
    renamed = [(key, field) for field, found in fields.items() for key in found if key not in USUAL[field]]
    under = _stands_under(fields, named)
    ours = not named and set(keys) >= OURS
    pair, chat = (None, None) if ours else _find_shortcut(fields, under)
    read = {*(pair or ()), chat} | {key for name in ("id", "slice", "locale") for key in fields.get(name, ())}
    rest = tuple(key for key in keys if key is None or key not in read)
    known = frozenset(key for found in fields.values() for key in found)
    labels = tuple(field for field in ("slice", "locale") if field in fields)
    missing = tuple(named[field] for field in CARRIERS if field in named and field not in fields)
    shape = _name_fields(fields, read)
    return ColumnPlan(fields, ours, pair, chat, under, labels, missing, known, rest, tuple(renamed), shape)


def _name_fields(fields: Mapping[str, tuple[Any, ...]], used: Collection[Any]) -> Shape:
    """Each used column with its field; `chosen` is an answer where there is nothing that was rejected."""
    compared = any(key in used for key in fields.get("rejected", ()))
    named = {
        key: field
        for field, keys in fields.items()
        for key in keys
        if key in used and (field != "chosen" or compared)
    }
    return tuple((str(key), field) for key, field in named.items())


_PAIRED = frozenset({"prompt", "answer", "chosen", "rejected"})
"""Fields that stand beside each other: the one that a map names does not put the others out of use."""
_PLAIN = frozenset({"id", "slice", "locale", "text"})


def _find_fields(keys: tuple[Any, ...], named: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    """The columns of each field that has any: the usual names in their order, each as spelled there first."""
    by_name: dict[str, list[Any]] = {}
    for key in keys:
        by_name.setdefault(fold_name(key), []).append(key)
    exact = {str(key): key for key in keys}
    mapped = {
        field: (exact[column],) if column in exact else tuple(by_name.get(fold_name(column), ()))
        for field, column in named.items()
    }
    taken = {key for found in mapped.values() for key in found}
    carried = {field for field in CARRIERS if field in named}
    fields: dict[str, tuple[Any, ...]] = {}
    for field, usual in USUAL.items():
        if field in mapped:
            found = mapped[field]
        elif carried and field in CARRIERS and not (field in _PAIRED and carried & _PAIRED):
            continue
        else:
            spelled = [
                key for name in usual for key in sorted(by_name.get(name, ()), key=lambda k: k != name)
            ]
            found = tuple(key for key in spelled if key not in taken)
        if found:
            fields[field] = found
    return fields


def _stands_under(fields: Mapping[str, tuple[Any, ...]], named: Mapping[str, str]) -> frozenset[Any]:
    """The prompt columns under which `input` stands: Alpaca's instruction, or any where a map names it."""
    if "input" not in fields:
        return frozenset()
    prompts = fields.get("prompt", ())
    return frozenset(k for k in prompts if "input" in named or fold_name(k) == "instruction")


def _find_shortcut(
    fields: Mapping[str, tuple[Any, ...]], under: frozenset[Any]
) -> tuple[tuple[Any, Any, Any] | None, Any]:
    """(pair, None) or (None, chat) for columns that leave no choice, else (None, None)."""
    if any(len(columns) > 1 for columns in fields.values()):
        return None, None
    present = set(fields) - _PLAIN
    if present == {"prompt", "answer"}:
        return (fields["prompt"][0], fields["answer"][0], None), None
    if present == {"prompt", "answer", "input"} and under:
        return (fields["prompt"][0], fields["answer"][0], fields["input"][0]), None
    return None, fields["messages"][0] if present == {"messages"} else None


def fold_name(name: Any) -> str:
    """A column's name as it is compared: without case, and `-` or a space as `_`."""
    return str(name).strip().casefold().replace("-", "_").replace(" ", "_")
