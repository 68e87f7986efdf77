"""What a foreign record says: a conversation, a prompt with its answer, two answers compared, or a text.

This is the reading for every shape; `foreign_rows` has a short cut for records whose columns leave no choice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from synth_stack.inputs.chat_shapes import Message, find_turns, read_turns
from synth_stack.inputs.columns import ColumnPlan
from synth_stack.inputs.documents import read_documents
from synth_stack.inputs.notices import NoticeTally
from synth_stack.inputs.plain_values import is_empty, read_text
from synth_stack.inputs.preferences import Alternative, part_prompt, read_rating, read_side, strip_prompt
from synth_stack.inputs.tool_calls import read_tools
from synth_stack.rows.texts import JOINT, join_text

Record = Mapping[Any, Any]
Fields = dict[str, Any]
"""Columns of CANDIDATE_SCHEMA; those that are not there are null."""


class RecordReading:
    """One record while it is read: the columns that became fields, and what is left inside of them."""

    def __init__(self, record: Record, plan: ColumnPlan, tally: NoticeTally) -> None:
        self._record, self._plan, self._tally = record, plan, tally
        self.used: set[Any] = set()
        self.kept: dict[str, Any] = {}

    def read(self) -> Fields:
        """Everything but id, slice and locale. Raises ValueError with the reason when it cannot be read."""
        alternatives: list[Alternative] | None = None
        if self._find("chosen") is not None and self._find("rejected") is not None:
            messages, alternatives = self._read_preference()
        elif self._find("messages") is not None:
            messages = self.take_turns(self._find("messages"))
        else:
            messages = self._read_pair()
        fields: Fields = {"messages": messages, "alternatives": alternatives}
        if messages or alternatives:
            self._add_system(messages)
            fields["text"] = join_text(messages, alternatives)
        else:
            fields["text"] = self.read_text()
        return {**fields, "tools": self.read_tools(), "documents": self.read_documents()}

    def take_turns(self, column: Any, turns: list[Any] | None = None) -> list[Message]:
        """The messages of a column; what its turns hold beyond them is kept."""
        turns = find_turns(self._record[column]) if turns is None else turns
        if turns is None:
            raise ValueError(f"column {str(column)!r} is not a list of turns")
        messages, left = read_turns(turns, str(column), self._tally)
        self._use(column, left)
        return messages

    def read_turns(self, value: Any, column: str, place: str) -> list[Message]:
        """The messages of turns that stand at a place inside of a column. Raises ValueError."""
        turns = find_turns(value)
        if turns is None:
            raise ValueError(f"column {column!r} is not a list of turns")
        messages, left = read_turns(turns, column, self._tally)
        if left:
            self.kept.setdefault(column, {})[place] = left
        return messages

    def read_text(self) -> str:
        """The text of a record without a conversation. Raises ValueError that says what it has instead."""
        column = self._plan.find_present(self._record, "text")
        if column is not None and self._record[column] is not None:
            return self._take_text(column)
        for field in ("prompt", "messages", "text"):
            for name in self._plan.fields.get(field, ()):
                said = "null" if self._record[name] is None else "empty"
                raise ValueError(f"column {str(name)!r} is {said}")
        raise ValueError(f"column {next(iter(self._plan.missing), 'text')!r} is missing")

    def read_tools(self) -> str | None:
        """The schemas of the first column that holds some, as canonical JSON."""
        for column in self._plan.fields.get("tools", ()):
            schemas = None if is_empty(self._record[column]) else read_tools(self._record[column])
            if schemas is not None:
                self.used.add(column)
                return schemas
        return None

    def read_documents(self) -> list[dict[str, str]] | None:
        """The documents of the first column that holds some."""
        for column in self._plan.fields.get("documents", ()):
            value = self._record[column]
            read = None if is_empty(value) else read_documents(value, str(column))
            if read is not None:
                self._use(column, read[1])
                return read[0]
        return None

    def _find(self, field: str) -> Any:
        return self._plan.find(self._record, field)

    def _take_text(self, column: Any) -> str:
        self.used.add(column)
        return read_text(self._record[column], str(column))

    def _use(self, column: Any, left: Mapping[str, Any]) -> None:
        self.used.add(column)
        if left:
            self.kept[str(column)] = left

    def _read_pair(self) -> list[Message]:
        """The turns of a prompt and its answer; none where the record is a plain text."""
        record, plan = self._record, self._plan
        prompt, answer, under = self._find("prompt"), self._find("answer"), self._find("input")
        if prompt is None and answer is not None and _find_native(record[answer]) is not None:
            return self.take_turns(answer)  # a conversation that stands whole in its chosen side, say
        if prompt is None and under is not None and (answer is not None or plan.under):
            prompt = under  # the question of an {input, output} pair, or of an instruction that is empty
        if prompt is None:
            prompt = None if self._find("text") is not None else plan.find_present(record, "prompt")
            if prompt is None or not isinstance(record[prompt], str):
                return []
        reply = plan.find_present(record, "answer")
        asked = self._read_prompt(prompt, None if reply is None else record[reply])
        return [*asked, *strip_prompt(asked, self._read_answer(reply, record[prompt]))]

    def _read_prompt(self, prompt: Any, answer: Any) -> list[Message]:
        """The turns of a prompt: those that it holds, or a text, with its input and the history before it."""
        turns = _find_pair(self._record[prompt], answer)[0]
        if turns is not None:
            return self.take_turns(prompt, turns)
        said = self._take_text(prompt)
        under = self._find("input") if prompt in self._plan.under else None
        if under is not None:
            said = f"{said}{JOINT}{self._take_text(under)}"
        return [*self._read_history(), {"role": "user", "content": said}]

    def _read_history(self) -> list[Message]:
        """Alpaca's earlier turns: a list of [question, answer]."""
        column = self._find("history")
        pairs = None if column is None else self._record[column]
        if not isinstance(pairs, list) or not all(_is_exchange(pair) for pair in pairs):
            return []
        self.used.add(column)
        said = [read_text(text, str(column)) for pair in pairs for text in pair]
        return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]

    def _read_answer(self, column: Any, prompt: Any) -> list[Message]:
        value = None if column is None else self._record[column]
        if value is None or (is_empty(value) and not isinstance(value, str)):
            return []
        turns = _find_pair(prompt, value)[1]
        if turns is not None:
            return self.take_turns(column, turns)
        return [{"role": "assistant", "content": self._take_text(column)}]

    def _read_preference(self) -> tuple[list[Message], list[Alternative]]:
        """The turns that the chosen and the rejected answer have before them, and these answers."""
        columns = {label: self._find(label) for label in ("chosen", "rejected")}
        values = {label: self._record[column] for label, column in columns.items()}
        turns = dict(zip(values, _find_pair(values["chosen"], values["rejected"]), strict=True))
        sides: list[list[Message]] = []
        labels: list[str] = []
        for label, column in columns.items():
            read, left = read_side(values[label], turns[label], str(column), self._tally)
            self._use(column, left)
            sides += read
            labels += [label] * len(read)
        messages, rests = part_prompt(self._read_asked(sides), sides)
        alternatives: list[Alternative] = []
        for label, rest in zip(labels, rests, strict=True):
            alternative = {"label": label, "messages": rest}
            if labels.count(label) == 1:
                alternative |= self._describe_side(label)
            alternatives.append(alternative)
        return messages, alternatives

    def _read_asked(self, sides: Sequence[list[Message]]) -> list[Message]:
        """What a preference row names as its prompt: its messages or its prompt column.

        A messages column that repeats one of the two sides whole says nothing of its own.
        """
        column, prompt = self._find("messages"), self._find("prompt")
        said = [] if column is None else self.take_turns(column)
        if said and said not in sides:
            return said
        return [] if prompt is None else self._read_prompt(prompt, self._record[self._find("chosen")])

    def _describe_side(self, label: str) -> dict[str, str]:
        """The rating and the model of one side, where the record names them."""
        found: dict[str, str] = {}
        column = self._find(f"{label}_rating")
        rating = None if column is None else read_rating(self._record[column])
        if rating is not None:
            found["rating"] = rating
            self.used.add(column)
        column = self._find(f"{label}_model")
        if column is not None and isinstance(self._record[column], str):
            found["model"] = self._take_text(column)
        return found

    def _add_system(self, messages: list[Message]) -> None:
        """Put a system column before the messages, unless they have a system turn of their own."""
        column = self._find("system")
        if column is None or not isinstance(self._record[column], str):
            return
        said = read_text(self._record[column], str(column))
        own = [message["content"] for message in messages if message["role"] == "system"]
        if not own:
            messages.insert(0, {"role": "system", "content": said})
        if not own or said in own:
            self.used.add(column)


def _find_native(value: Any) -> list[Any] | None:
    """The turns that a cell holds as such, and not as the JSON text of them."""
    return None if isinstance(value, str | bytes) else find_turns(value)


def _find_pair(one: Any, other: Any) -> tuple[list[Any] | None, list[Any] | None]:
    """The turns of a prompt and of its answer; JSON text counts as turns only where both hold turns."""
    found = find_turns(one), find_turns(other)
    return found if None not in found else (_find_native(one), _find_native(other))


def _is_exchange(pair: Any) -> bool:
    return isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
