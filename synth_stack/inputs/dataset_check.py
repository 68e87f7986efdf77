"""A data set before work on it begins: at least one row of each file can be read, or it is refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synth_stack.errors import InputError
from synth_stack.inputs.chat_shapes import find_turns
from synth_stack.inputs.columns import CONVERSATION_COLUMNS, PROMPT_COLUMNS, Columns, suggest_map
from synth_stack.inputs.foreign import Dataset, Part, Placed
from synth_stack.inputs.foreign_rows import RowReader
from synth_stack.inputs.notices import NoticeTally
from synth_stack.inputs.records import Broken
from synth_stack.text.printable import show

MAPPED_ROWS = 1_000
"""Rows in which each column of a map must stand once; JSON leaves out what a row does not have."""
_SHOWN_ROWS = 5
"""Rows from whose columns a refusal tells what was seen."""
_SHOWN_COLUMNS = 20
_SHOWN_CHARS = 60
_TEXT_WORDS = 8
"""A name of a column has fewer words; so long a one is a text, in a table without a header."""
_SENTENCE_WORDS = 4
"""Of what ends as a sentence does."""


def check_dataset(dataset: Dataset) -> Dataset:
    """The dataset, ready to be read; with `skip_broken`, a file without a readable row is one broken record.

    Raises InputError for a dataset without rows, for a file of which no row can be read, and for a map that
    names a column that is not there.
    """
    looks = [_look_at(part, dataset.named) for part in dataset.parts]
    if not any(look.rows for look in looks):
        raise InputError(f"{dataset.name} holds no rows")
    missing = set(dataset.named).intersection(*(look.missing for look in looks if look.rows))
    if missing:
        names = [dataset.named[name] for name in dataset.named if name in missing]
        columns = next(look.columns for look in looks if look.columns or look.rows)
        raise InputError(
            f"{dataset.name}: the map names a column that is not there",
            seen=", ".join(names),
            allowed=_tell(columns),
        )
    parts: list[Part] = []
    for part, look in zip(dataset.parts, looks, strict=True):
        if not look.rows:
            dataset.skipped.add("skipped", part.name, "holds no rows", "files")
        if not look.rows or look.readable:
            parts.append(part)
        elif dataset.skip_broken and any(other.readable for other in looks):
            parts.append(_cut(part, _refuse(dataset, part, look)))
        else:
            raise _refuse(dataset, part, look)
    return replace(dataset, parts=tuple(parts))


@dataclass(slots=True)
class _Look:
    """What was seen of a part up to its first row that can be read."""

    missing: set[str]
    rows: int = 0
    readable: bool = False
    shown: list[Mapping[Any, Any]] = field(default_factory=list)
    reason: str = ""
    known: bool = False

    @property
    def columns(self) -> Sequence[str]:
        return list(dict.fromkeys(str(key) for record in self.shown for key in record))


def _look_at(part: Part, named: Mapping[str, str]) -> _Look:
    look = _Look(set(named))
    columns = Columns(named)
    reader = RowReader(columns, NoticeTally())
    for place, record in part.read():
        look.rows += 1
        if isinstance(record, Broken):
            look.reason = look.reason or f"{place}: {record.reason}"
            continue
        plan = columns.plan(record)
        look.missing -= set(plan.fields)
        look.known = look.known or plan.says_something
        if len(look.shown) < _SHOWN_ROWS:
            look.shown.append(record)
        if not look.readable:
            try:
                reader.read(record)
                look.readable = True
            except ValueError as exc:
                look.reason = look.reason or f"{place}: {exc}"
        if look.readable and (not look.missing or look.rows >= MAPPED_ROWS):
            break
    return look


def _refuse(dataset: Dataset, part: Part, look: _Look) -> InputError:
    """Why nothing of a part can be read, in one sentence with the line that mends it."""
    where = dataset.name if len(dataset.parts) == 1 else f"{dataset.name}: {part.name}"
    if not look.shown or look.known:
        rows = "its one row cannot" if look.rows == 1 else f"none of its {look.rows:,} rows can"
        return InputError(
            f"{where}: {rows} be read", seen=look.reason, mend="See docs/curate.md for what is read."
        )
    inside = next((str(k) for k, v in look.shown[0].items() if _holds_rows(v)), None)
    return InputError(
        f"{where}: no column says what the text is",
        seen=_tell(look.columns),
        allowed=", ".join((*CONVERSATION_COLUMNS, *PROMPT_COLUMNS, "text")),
        mend=_suggest(part, look, inside),
    )


def _suggest(part: Part, look: _Look, inside: str | None) -> str:
    """What may be done about a part whose columns say nothing."""
    if inside is not None:
        return f"Are the rows in {inside!r}? Write that list to a file of its own."
    table = any(ending in part.name.lower() for ending in (".csv", ".tsv"))
    if table and any(map(_reads_like_text, look.columns)):
        return "The first line seems to be a row: put a line above it that names the columns."
    return f"Name them: {suggest_map(look.shown)}"


def _reads_like_text(name: str) -> bool:
    """Whether what stands where names of columns should is a text."""
    words = len(name.split())
    return words >= _TEXT_WORDS or (words >= _SENTENCE_WORDS and name.rstrip().endswith((".", "?", "!")))


def _holds_rows(value: Any) -> bool:
    """Whether a cell is a list of objects and no conversation: the rows, inside of one object around them."""
    is_list = isinstance(value, list) and len(value) > 0 and all(isinstance(item, Mapping) for item in value)
    return is_list and not any(find_turns(item) for item in value[:1])


def _tell(columns: Sequence[str]) -> str:
    more = len(columns) - _SHOWN_COLUMNS
    shown = show(*(name[:_SHOWN_CHARS] for name in columns[:_SHOWN_COLUMNS]))
    return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])]) or "no columns"


def _cut(part: Part, refusal: InputError) -> Part:
    """The part as the one record that says why nothing of it is read."""

    def read() -> Iterator[Placed]:
        yield part.name, Broken(part.name, f"broken shard, all of it is skipped: {refusal}")

    return Part(part.name, read)
