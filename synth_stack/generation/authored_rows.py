"""What the rows of a pipeline author's own pipeline say: columns to candidates.

The columns are understood as a foreign dataset's are, or as the author says (column_choice.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth_stack.generation.column_choice import ANSWERS, CALLED, PROMPTS, STEPWISE
from synth_stack.generation.column_writers import METADATA, LeafColumns
from synth_stack.generation.flow_run import STEP_FAILURE
from synth_stack.generation.parts import to_json
from synth_stack.inputs.columns import (
    ANSWER_COLUMNS,
    CONVERSATION_COLUMNS,
    PROMPT_COLUMNS,
    Columns,
)
from synth_stack.inputs.foreign_rows import RowReader
from synth_stack.inputs.notices import NoticeTally
from synth_stack.inputs.preferences import read_rating
from synth_stack.inputs.tool_calls import read_calls
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.texts import join_text
from synth_stack.teachers.reasoning import split_reasoning

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowMapping:
    """How the rows of a pipeline are read; `named` is what the author says, by field, else empty.

    `origin` is what every row of the run carries, `columns` those of each leaf.
    """

    pipeline: str
    named: Mapping[str, str]
    origin: Mapping[str, Any]
    columns: Mapping[str, LeafColumns]

    def read(self, row: Row, leaf: str) -> Iterator[Row]:
        """The candidates of a row, without their draw: one, or one for each answer that was grouped."""
        for single in _split_groups(row, self.named):
            yield self._read_one(single, leaf)

    def _read_one(self, row: Row, leaf: str) -> Row:
        asked = {k: v for k, v in row.items() if k not in {METADATA, STEP_FAILURE, "model_name"}}
        compared = _read_compared(asked) if not self.named else None
        failure = row.get(STEP_FAILURE)
        fields: Row = {"messages": []}
        if compared is None:
            try:
                fields = self._read_columns(asked, row, leaf)
            except ValueError as exc:
                failure = failure or f"broken row: {exc}"
        else:
            fields, asked = compared
            fields["extra"] = canonical_text(to_json(asked)) if asked else None
        fields = _split_thoughts(self._name_writers(fields, row, leaf))
        made = {
            "kind": _find_kind(fields),
            "attachments": [],
            "failure": failure or _find_failure(fields, row),
            **self.origin,
            **{name: value for name, value in fields.items() if value is not None or name == "teacher"},
        }
        if len(self.columns) > 1:
            made["params"] = canonical_text({"step": leaf})
        made["text"] = join_text(made["messages"], made.get("alternatives")) or made.get("text")
        return made

    def _name_writers(self, fields: Row, row: Row, leaf: str) -> Row:
        """The fields with who wrote them; a row of distilabel's names the model of its last task only."""
        columns, model = self.columns[leaf], row.get("model_name")
        sides = [
            {
                **side,
                "model": side.get("model") or columns.find_model(self.named.get(name, name), row) or None,
            }
            if (name := side["label"]) in _SIDES
            else side
            for side in fields.get("alternatives") or []
        ]
        fields = {**fields, "alternatives": sides or None}
        answered = not sides and any(said["role"] == "assistant" for said in fields["messages"])
        writer = columns.find_model(self._find_answer(row), row) if answered else None
        if writer is None:
            return {**fields, "teacher": model} if isinstance(model, str) and model else fields
        if writer != model and isinstance(model, str) and model:
            fields["extra"] = canonical_text({**json.loads(fields.get("extra") or "{}"), "model_name": model})
        return {**fields, "teacher": writer or None}

    def _find_answer(self, row: Row) -> str | None:
        """The column that the answer of a row is read from."""
        if self.named:
            return next(
                (self.named[name] for name in ("answer", "chosen", "messages") if name in self.named), None
            )
        usual = ("generation", *CONVERSATION_COLUMNS, *ANSWERS, CALLED[1], STEPWISE[1])
        return next((name for name in usual if row.get(name) is not None), None)

    def _read_columns(self, asked: Row, row: Row, leaf: str) -> Row:
        shape = _read_called(asked, self.named) or _read_stepwise(asked, self.named)
        read, used = (self._prepare(asked, row, leaf), set()) if shape is None else shape
        fields = RowReader(Columns({} if shape else self.named), NoticeTally()).read(read)
        return {**fields, "extra": _add_rest(fields.get("extra"), asked, {*read, *used})}

    def _prepare(self, asked: Row, row: Row, leaf: str) -> Row:
        """The columns of a row with what TextGeneration wrote before any answer that the data came with."""
        known = {k: v for k, v in asked.items() if v is not None}
        for name in {"slice", "locale"} & known.keys():
            known[name] = _as_text(known[name])
        came_with_it = self.columns[leaf].find_model(self._find_answer(row), row) == ""
        if "input" not in self.named.values() and not came_with_it:
            # Alpaca's stands under the instruction; no task of distilabel asks it so
            known.pop("input", None)
        if self.named:
            return known
        if "generation" in asked:
            known = {k: v for k, v in known.items() if k == "generation" or k not in ANSWER_COLUMNS}
        if "generation" in known and not any(name in known for name in (*PROMPTS, *CONVERSATION_COLUMNS)):
            prompt = _read_asked(row)  # a template of the author's: the prompt stands in no column
            if prompt is not None:
                known = {**known, **prompt}
        turns = next(
            (known[name] for name in CONVERSATION_COLUMNS if isinstance(known.get(name), list)), None
        )
        if turns and "generation" in known and turns[-1].get("role") == "user":
            # ChatGeneration: the conversation so far stands in one column, its next turn in another
            said = {"role": "assistant", "content": known.pop("generation")}
            name = next(name for name in CONVERSATION_COLUMNS if name in known)
            known[name] = [*turns, said]
        return known


def _split_groups(row: Row, named: Mapping[str, str]) -> Iterator[Row]:
    """A row for each answer that stands in a list: num_generations that were grouped."""
    rated = isinstance(row.get("ratings"), list)
    # `generations` beside a `generation` are what that was made from, as by a mixture of agents
    column = named.get("answer") or ("generation" if "generation" in row else "generations")
    answers = row.get(column)
    if not isinstance(answers, list) or (rated and not named) or _read_called(row, named):
        yield row
        return
    models = next((row[name] for name in _MODELS if isinstance(row.get(name), list)), row.get("model_name"))
    several = isinstance(models, list) and len(models) == len(answers)
    for place, said in enumerate(answers):
        model = models[place] if several and isinstance(models, list) else models
        taken = {name: value for name, value in row.items() if name not in {column, *_MODELS}}
        yield {**taken, column if named else "generation": said, "model_name": model}


_SIDES = ("chosen", "rejected")
_CARRIED = frozenset({*CONVERSATION_COLUMNS, *PROMPT_COLUMNS, *ANSWER_COLUMNS, "text", "rejected"})
_MODELS = ("models", "model_names", "generation_models", "model_name")


def _read_called(asked: Row, named: Mapping[str, str]) -> tuple[Row, set[str]] | None:
    """A row whose answer is calls of its tools, as a conversation, and the columns that stand in it."""
    names = {"prompt": CALLED[0], "answer": CALLED[1], **named}
    prompt, said = asked.get(names["prompt"]), asked.get(names["answer"])
    if (
        not isinstance(prompt, str)
        or not said
        or not asked.get("tools")
        or named.keys() - {"prompt", "answer"}
    ):
        return None
    try:
        calls, _ = read_calls(said, names["answer"])
    except ValueError:
        return None  # a text: that no call could be read is for the reader of tool rows to say
    if not calls:
        return None
    turns = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": "", "tool_calls": calls},
    ]
    used = {names["prompt"], names["answer"]}
    return {**_leave_out(asked, used), "messages": turns}, used


def _read_stepwise(asked: Row, named: Mapping[str, str]) -> tuple[Row, set[str]] | None:
    """A row whose answer was marked step by step (FormatPRM), the steps in one answer, a line for each."""
    steps = asked.get("completions")
    if named or not {*STEPWISE} <= asked.keys() or not isinstance(steps, list):
        return None
    if not all(isinstance(said, str) for said in steps):
        return None
    turns = [
        {"role": "user", "content": asked["prompt"]},
        {"role": "assistant", "content": "\n".join(steps)},
    ]
    used = {"prompt"}  # the steps stay in `extra`, beside their labels
    return {**_leave_out(asked, used), "messages": turns}, used


def _leave_out(asked: Row, used: set[str]) -> Row:
    """The other columns of a row, but those that would be read as a conversation or an answer too."""
    return {k: v for k, v in asked.items() if v is not None and k not in {*used, *_CARRIED}}


def _read_compared(row: Row) -> tuple[Row, Row] | None:
    """The fields of a row whose generations were rated, as by UltraFeedback, and what is left of it."""
    answers, ratings = row.get("generations"), row.get("ratings")
    prompt = next((row[name] for name in PROMPT_COLUMNS if isinstance(row.get(name), str)), None)
    if not (isinstance(answers, list) and isinstance(ratings, list) and prompt is not None):
        return None
    if len(answers) != len(ratings) or len(answers) < 2:
        return None
    texts = [said if isinstance(said, str) else None for said in answers]
    marks = [read_rating(rating) for rating in ratings]
    models = next((row[name] for name in _MODELS if isinstance(row.get(name), list)), None)
    labels = label_sides(marks, texts)
    sides = [
        {
            "label": labels.get(i),
            "messages": [{"role": "assistant", "content": said}],
            "rating": marks[i],
            "ratings": None,
            "model": str(models[i]) if isinstance(models, list) and i < len(models) else None,
        }
        for i, said in enumerate(texts)
        if said
    ]
    used = {"generations", "ratings", "generation_models", "models", "model_names", *PROMPT_COLUMNS}
    messages = [{"role": "user", "content": prompt}]
    if isinstance(row.get("system_prompt"), str) and row["system_prompt"]:
        messages.insert(0, {"role": "system", "content": row["system_prompt"]})
        used.add("system_prompt")
    fields: Row = {"messages": messages, "alternatives": sides or None}
    return fields, {k: v for k, v in row.items() if k not in used and v is not None}


def label_sides(marks: Sequence[str | None], texts: Sequence[str | None]) -> dict[int, str]:
    """The best of the rated texts as chosen and the worst as rejected; none where all are rated alike.

    Of several that are rated alike the first one counts.
    """
    known = [(float(mark), -i) for i, mark in enumerate(marks) if mark is not None and texts[i]]
    if len({mark for mark, _ in known}) < 2:
        return {}
    best, worst = max(known), min((mark, -place) for mark, place in known)
    return {-best[1]: "chosen", worst[1]: "rejected"}


def _add_rest(extra: str | None, asked: Row, read: set[str]) -> str | None:
    """`extra` with the columns that were left out of the reading."""
    left = {k: to_json(v) for k, v in asked.items() if k not in read and v is not None and k != "generation"}
    return canonical_text({**json.loads(extra or "{}"), **left}) if left else extra


def _as_text(value: Any) -> str:
    """A column that should be text: grouped columns are lists."""
    if isinstance(value, list | tuple):
        return " ".join(str(to_json(str(item))) for item in value)
    return str(to_json(value if isinstance(value, str) else str(value)))


def _read_asked(row: Row) -> Row | None:
    """What the last task really asked, from its metadata."""
    metadata = row.get(METADATA)
    if not isinstance(metadata, dict):
        return None
    asked = [v for k, v in metadata.items() if k.startswith("raw_input_") and isinstance(v, list)]
    turns = [turn for turn in (asked[-1] if asked else []) if isinstance(turn, dict)]
    if not all(isinstance(turn.get("content"), str) for turn in turns):
        return None
    system = [turn["content"] for turn in turns if turn.get("role") == "system"]
    said = [turn["content"] for turn in turns if turn.get("role") == "user"]
    if len(said) != 1:
        return None
    return {"prompt": said[0], **({"system": system[0]} if system else {})}


def _split_thoughts(fields: Row) -> Row:
    """The fields with what models thought apart from what they said; LLMs of others leave it in the text."""

    def split(message: Row) -> Row:
        content = message.get("content")
        if message["role"] != "assistant" or not isinstance(content, str):
            return message
        said = split_reasoning(content)
        reasoning = said.reasoning or message.get("reasoning")
        return {**message, "content": said.content, **({"reasoning": reasoning} if reasoning else {})}

    sides = fields.get("alternatives") or []
    return {
        **fields,
        "messages": list(map(split, fields.get("messages") or [])),
        "alternatives": [{**side, "messages": list(map(split, side["messages"]))} for side in sides] or None,
    }


def _find_failure(fields: Row, row: Row) -> str | None:
    """Why a row is no whole one: it has no answer, though something was asked."""
    sides, messages = fields.get("alternatives"), fields["messages"]
    if sides:
        empty = [side for side in sides if not any(said.get("content") for said in side["messages"])]
        return "empty answer: one that was compared is empty" if empty else None
    spoken = [said for said in messages if said["role"] != "system"]
    if not spoken:
        return None if fields.get("text") else _say_nothing(row)
    last = spoken[-1]
    if last["role"] != "assistant" or not (last.get("content") or last.get("tool_calls")):
        return _say_nothing(row)
    return None


def _say_nothing(row: Row) -> str:
    spoke = has_spoken(row)
    return "no answer: what the teacher wrote could not be read by its task" if spoke else _EMPTY


_EMPTY = "empty answer: the teacher gave no text"


def has_spoken(row: Row) -> bool:
    """Whether a model of the pipeline has written something for a row, whatever its task made of it."""
    metadata = row.get(METADATA)
    outputs = metadata.items() if isinstance(metadata, dict) else ()
    said = [v for k, v in outputs if k.startswith("raw_output_")]
    return any(isinstance(text, str) and text.strip() for text in _flatten([*said, row.get("generation")]))


def _flatten(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flatten(value)
        else:
            yield value


def _find_kind(fields: Row) -> str:
    if fields.get("alternatives"):
        return "preference"
    if fields.get("tools") or any(said.get("tool_calls") for said in fields["messages"]):
        return "tool"
    spoken = sum(said["role"] != "system" for said in fields["messages"])
    return "dialogue" if spoken > 2 else "instruction"
