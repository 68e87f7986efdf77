"""One foreign record as the fields of one row; what no field holds of it is in `extra`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from synth_stack.errors import name_type
from synth_stack.inputs.chat_shapes import Message, read_turns
from synth_stack.inputs.columns import ColumnPlan, Columns, Shape
from synth_stack.inputs.notices import NoticeTally
from synth_stack.inputs.our_rows import read_our_row
from synth_stack.inputs.plain_values import (
    check_unicode,
    clean_text,
    is_empty,
    merge_names,
    read_text,
    to_plain,
)
from synth_stack.inputs.record_shapes import Fields, Record, RecordReading
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.texts import JOINT, join_text

_NAMING = ("id", "slice", "locale")
MAX_SHAPES = 1_000
"""Ways to read a row that are counted; a data set has a few, a hostile one as many as it has rows."""


class RowReader:
    """Reads the records of one data set; counts what does not become a field of a row, and in `shapes` of how
    many rows which columns became which fields.
    """

    def __init__(self, columns: Columns, tally: NoticeTally) -> None:
        self._columns, self._tally = columns, tally
        self.shapes: Counter[Shape] = Counter()

    def read(self, record: Record) -> Fields:
        """The fields of the record's row. Raises ValueError with the reason when it cannot be read."""
        plan = self._columns.plan(record)
        fields = _read_plainly(record, plan, self._tally)
        rest: Iterable[Any] = plan.rest
        kept: dict[str, Any] = {}
        shape = plan.shape
        if fields is None:
            reading = RecordReading(record, plan, self._tally)
            fields = read_our_row(record, reading) if plan.ours else reading.read()
            reading.used |= {plan.find(record, field) for field in _NAMING} - {None}
            rest = [key for key in record if key not in reading.used]
            kept = reading.kept
            shape = plan.name_fields(reading.used)
        if "left" in fields:
            kept = {str(plan.chat): fields.pop("left")}
        if "source_id" not in fields:
            fields["source_id"] = _read_id(record, plan)
        for field in plan.labels:
            column = plan.find(record, field)
            fields[field] = None if column is None else read_text(record[column], str(column))
        if rest or kept:
            fields["extra"] = self._keep([(k, record[k]) for k in rest], kept, plan)
        for column, field in plan.renamed:
            if column not in rest:
                self._tally.add("renamed", f"column {str(column)!r}", f"read as {field}", "rows")
        if shape in self.shapes or len(self.shapes) < MAX_SHAPES:
            self.shapes[shape] += 1
        return fields

    def read_id(self, record: Record) -> str | None:
        """The id of a record whose other fields cannot be read, or None."""
        try:
            return _read_id(record, self._columns.plan(record))
        except ValueError:
            return None

    def keep_all(self, record: Record, *, but_id: bool) -> str | None:
        """Everything that a record holds, for a row that could not be read; null when nested too deep."""
        ids = self._columns.plan(record).fields.get("id", ()) if but_id else ()
        try:
            held = merge_names((str(k), to_plain(v)) for k, v in record.items() if k not in ids)
        except ValueError:
            return None
        return canonical_text(held) if held else None

    def _keep(self, rest: list[tuple[Any, Any]], kept: dict[str, Any], plan: ColumnPlan) -> str | None:
        """What no field holds, as canonical JSON; a column of a field that is empty is not in it."""
        held: list[tuple[str, Any]] = []
        for key, value in rest:
            empty = is_empty(value)
            if not (empty and key in plan.known):
                held.append((str(key), to_plain(value)))
            if not empty:
                self._tally.add("kept", f"column {str(key)!r}", "in extra", "rows")
        held += [(name, to_plain(value)) for name, value in kept.items()]
        return canonical_text(merge_names(held)) if held else None


def read_messages(record: Record) -> list[Message]:
    """The conversation in a record, with the chosen answer where two were compared; none for a plain text.

    Raises ValueError with the reason when a column holds something that is no text or no conversation.
    """
    plan, tally = Columns().plan(record), NoticeTally()
    fields = _read_plainly(record, plan, tally) or RecordReading(record, plan, tally).read()
    alternatives = fields.get("alternatives") or [{"messages": []}]
    return [*fields["messages"], *alternatives[0]["messages"]]


def _read_plainly(record: Record, plan: ColumnPlan, tally: NoticeTally) -> Fields | None:
    """The fields of a record whose columns leave no choice, as in nearly all data sets; else None."""
    if plan.pair is not None:
        prompt, answer, under = (None if column is None else record[column] for column in plan.pair)
        if type(prompt) is not str or type(answer) is not str or not prompt or prompt.isspace():
            return None
        if prompt[0] == "[" and answer[:1] == "[":  # both may be the JSON text of turns
            return None
        if under is not None:
            if type(under) is not str:
                return None
            if under and not under.isspace():
                prompt = f"{prompt}{JOINT}{under}"
        check_unicode(prompt, str(plan.pair[0]))
        check_unicode(answer, str(plan.pair[1]))
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        return {"messages": messages, "text": f"{prompt}{JOINT}{answer}"}
    turns = None if plan.chat is None else record[plan.chat]
    if type(turns) is not list or not turns or not all(type(turn) is dict for turn in turns):
        return None
    messages, left = read_turns(turns, str(plan.chat), tally)
    plain = all(len(message) == 2 for message in messages)
    text = JOINT.join([message["content"] for message in messages]) if plain else join_text(messages)
    fields = {"messages": messages, "text": text}
    return {**fields, "left": left} if left else fields


def _read_id(record: Record, plan: ColumnPlan) -> str | None:
    """The first id that holds something, as a text. Raises ValueError for a list or an object."""
    column = plan.find(record, "id")
    if column is None:
        return None
    value = record[column]
    if type(value) is str:
        return clean_text(value)
    if isinstance(value, list | tuple | Mapping):
        raise ValueError(f"column {str(column)!r} holds {name_type(value)}, not a name")
    return str(to_plain(value))
