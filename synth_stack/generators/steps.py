"""The distilabel steps that our generators are made of.

A row that fails in one step goes through the others untouched, with the reason in `failure`: it becomes a
rejected row, never a lost one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from distilabel.steps import GeneratorStep, Step, StepInput
from distilabel.steps.tasks import Task
from pydantic import Field, PrivateAttr

from synth_stack.generation.draws import Plan
from synth_stack.generators.clean import clean_line, trim_to_sentence
from synth_stack.generators.template import Template, TemplateChanges
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.prompt import Prompt, tell_message
from synth_stack.teachers.teacher import Teacher

Row = dict[str, Any]


class DrawItems(GeneratorStep):  # type: ignore[misc]  # distilabel has no types
    """Yields the items of a plan, batch by batch. The plan itself is not part of the pipeline's dump."""

    _plan: Plan = PrivateAttr()

    @property
    def outputs(self) -> list[str]:
        return ["draw", "slice", "locale", "seed_id", "seed", "title", "examples", "rng_seed"]

    def process(self, offset: int = 0) -> Any:
        done = 0
        for batch in self._plan.batches(self.batch_size):
            done += len(batch)
            if done > offset:
                yield batch, done == self._plan.count


class Ask(Task):  # type: ignore[misc]  # distilabel has no types
    """Renders a template per row, asks the teacher, and puts the cleaned answer into `column`.

    `template` is the name of a packaged one, or what `read_template` returned; where the row decides which,
    `template_of` is overridden. It is filled in with the columns of the row and with `values`, which are the
    same for every row. With `whole` an answer that was cut off fails.
    `part` says as what the model works on the row: a recipe may name another one for each but the writer.
    """

    template: str | Template = ""
    column: str
    values: dict[str, Any] = Field(default_factory=dict)
    single_line: bool = True
    whole: bool = False
    part: Literal["writer", "judge", "rewriter", "reward", "weak", "target"] = "writer"

    _templates: TemplateChanges = PrivateAttr(default_factory=TemplateChanges)

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return [self.column, "model_name"]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        template = self.template_of(input)
        seed = derive_seed(input["rng_seed"], self.name)
        return template.render({**input, **self.values}, seed=seed, prefers_raw=self.takes_raw(input))

    def format_output(self, output: str | None, input: Row | None = None) -> Row:  # noqa: A002
        return {self.column: output}

    def template_of(self, row: Mapping[str, Any]) -> Template:
        """The template of this step for a row."""
        return self._templates.find(self.template)

    def takes_raw(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is asked about with a text to be continued, where its template has one."""
        return bool(self.llm.prefers_raw)

    def is_single_line(self, prompt: Prompt) -> bool:
        """Whether an answer to the prompt is one line: then what breaks it is white space."""
        return self.single_line

    def process(self, inputs: StepInput) -> Any:
        # not Task.process: that renders each prompt once more, for a column that nothing here reads
        live = [row for row in inputs if self.is_asked(row)]
        prompts = [self.format_input(row) for row in live]
        outputs = self.llm.generate_outputs(inputs=prompts, num_generations=1) if live else []
        answered = map(self._settle, live, prompts, outputs)
        yield [next(answered) if self.is_asked(row) else row for row in inputs]

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        """Whether this step asks about a row: not about one that failed."""
        return not row.get("failure")

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = {
            **note_prompt(row, self.column, prompt),
            **self.format_output(output["generations"][0], row),
            f"llm_{self.name}_call": output["call"][0],
            "model_name": self.llm.model_name,
        }
        said["parts"] = sorted({*row.get("parts", []), self.part})
        return settle(
            said,
            self.name,
            self.column,
            self.template_of(row).template_id,
            single_line=self.is_single_line(prompt),
            whole=self.whole,
            part=self.part,
        )


class ToCandidates(Step):  # type: ignore[misc]  # distilabel has no types
    """Turns finished items into candidate rows; the driver commits what this step yields."""

    method: str
    version: str
    params: dict[str, Any]
    teacher: str
    teacher_digest: str | None
    replayable: bool

    _models: dict[str, dict[str, str | None]] = PrivateAttr(default_factory=dict)
    _keeps_reasoning: bool = PrivateAttr(default=True)

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "instruction", "answer"]

    @property
    def outputs(self) -> list[str]:
        return ["kind", "messages", "text", "failure", "draw"]

    def process(self, inputs: StepInput) -> Any:
        expanded = [each for row in inputs for each in self._expand(row)]
        yield [self._note_answers(self._note_models(self._candidate(row), row), row) for row in expanded]

    def _expand(self, row: Row) -> Iterable[Row]:
        """The items that become candidates of one that is finished."""
        return [row]

    def _note_models(self, made: Row, row: Row) -> Row:
        """The candidate with every model that worked on it, and as what."""
        writer = {"name": self.teacher, "digest": self.teacher_digest}
        parts = row.get("parts") or ["writer"]
        return {**made, "models": [{"part": part, **(self._models.get(part) or writer)} for part in parts]}

    def _note_answers(self, made: Row, row: Row) -> Row:
        """The candidate with how each of its answers ended, and what was thought before it."""
        ends = row.get("finishes", {})
        thoughts = row.get("thoughts", {}) if self._keeps_reasoning else {}

        def note(said: Row) -> Row:
            text = said.get("content")
            if said["role"] != "assistant" or text is None:
                return said
            noted = {"finish": ends.get(text), "reasoning": thoughts.get(text)}
            return {**said, **{name: value for name, value in noted.items() if value is not None}}

        noted = {**made, "messages": [note(said) for said in made["messages"]]}
        if made.get("alternatives"):
            noted["alternatives"] = [
                {**side, "messages": [note(said) for said in side["messages"]]}
                for side in made["alternatives"]
            ]
        told = {name: row[name] for name in ("cut", "failed_ends") if row.get(name)}
        if self._models:
            told["spent"] = row.get("spent", {})
        extra = {**json.loads(made.get("extra") or "{}"), **{_TOLD.get(k, k): v for k, v in told.items()}}
        return {**noted, "extra": canonical_text(extra)} if told else noted

    def _candidate(self, row: Row) -> Row:
        turns = [("user", row.get("instruction")), ("assistant", row.get("answer"))]
        messages = [{"role": role, "content": text} for role, text in turns if text]
        shown = {"example_ids": row["example_ids"]} if row.get("example_ids") else {}
        return {
            "kind": "instruction",
            "slice": row["slice"],
            "locale": row["locale"],
            "messages": messages,
            "text": "\n\n".join(message["content"] for message in messages),
            "attachments": [],
            "failure": row.get("failure"),
            "extra": canonical_text({"tokens": row.get("tokens", {}), "title": row["title"]}),
            **self._origin(row),
            "params": canonical_text({**self.params, **shown}),
            "prompts": row.get("prompts", []),
        }

    def _origin(self, row: Row) -> Row:
        """Where a candidate comes from, whatever it holds."""
        return {
            "seed_id": row["seed_id"],
            "generator": self.method,
            "generator_version": self.version,
            "teacher": self.teacher,
            "teacher_digest": self.teacher_digest,
            "template_id": " ".join(row.get("template_ids", [])) or None,
            "draw": row["draw"],
            "rng_seed": row["rng_seed"],
            "replayable": self.replayable,
        }


def draw_items(plan: Plan, batch_rows: int, *, examples: int = 0) -> DrawItems:
    """The first step of a pipeline: the items of the plan, each with so many `examples` beside its seed."""
    step = DrawItems(name="items", batch_size=batch_rows)
    step._plan = replace(plan, examples=examples)
    return step


def answer(llm: Teacher, template: str | Template = "answer") -> Ask:
    """The step that answers the instruction, from the topic's document section where there is one."""
    return Ask(name="answer", llm=llm, template=template, column="answer", single_line=False)


def list_texts(row: Mapping[str, Any]) -> list[str]:
    """Every text of a row and of the lists in it: what a fence around some of them has to be longer than."""
    listed = [value if isinstance(value, list) else [value] for value in row.values()]
    flat = [each.get("content") if isinstance(each, dict) else each for values in listed for each in values]
    return [each for each in flat if isinstance(each, str)]


def name_column(what: str, turn: int) -> str:
    """The column of what is asked for in turn after turn: that of the first has no number."""
    return what if turn == 1 else f"{what}_{turn}"


def note_prompt(row: Row, column: str, prompt: Prompt) -> Row:
    """The row with the prompt that was asked for `column`: shown by a preview, not part of a candidate."""
    text = "\n".join(f"[{message['role']}] {tell_message(message)}" for message in prompt)
    return {**row, "prompts": [*row.get("prompts", []), {"column": column, "text": text}]}


def settle(
    row: Row,
    step: str,
    column: str,
    template_id: str,
    *,
    single_line: bool,
    whole: bool = False,
    part: str = "writer",
) -> Row:
    """The row with the teacher's answer cleaned, its tokens counted, and `failure` set where it failed.

    `finishes` says of every text how it ended, as servers call it (stop, length, ...), `thoughts` what the
    model thought before it, `spent` the tokens of each part of the work.

    An answer that was cut off at its limit is a failure, unless its prompt said that it may be trimmed: then
    it keeps its whole sentences and `cut` says so of its column; one of use only `whole` still fails.
    """
    call = json.loads(row.pop(f"llm_{step}_call", None) or "{}")
    text = row.get(column)
    finish = call.get("finish") or ("length" if call.get("cut") else "stop")
    failure = call.get("failure") or (None if text else _say_nothing(call))
    trimmed: Row = {}
    if text and call.get("cut") and (whole or call.get("on_cut") != "trim"):
        failure = failure or "cut off: it ends at the token limit"
    elif text and call.get("cut"):
        trimmed = {column: {"kept_chars": len(trim_to_sentence(text)), "of_chars": len(text)}}
        text = trim_to_sentence(text)
        failure = failure or (None if text else "cut off: no sentence ended within the token limit")
    if text:
        text = clean_line(text) if single_line else text.strip()
        failure = failure or (None if text else "empty answer: nothing but numbering or quotes")
    counts = [call.get("input_tokens", 0), call.get("output_tokens", 0)]
    if call.get("cached_tokens"):
        counts.append(call["cached_tokens"])
    noted = {
        "finishes": {text: finish} if text else {},
        "thoughts": {text: call["reasoning"]} if text and call.get("reasoning") else {},
        "tokens": {column: counts},
        "cut": trimmed,
        "failed_ends": {column: finish} if failure and call.get("finish") else {},
    }
    spent = _add_tokens(row.get("spent", {}), part, counts)
    kept = {name: {**row.get(name, {}), **more} for name, more in noted.items() if more or row.get(name)}
    return {
        **row,
        column: text,
        "failure": f"{column}: {failure}" if failure else None,
        "template_ids": [*row.get("template_ids", []), template_id],
        "finishes": row.get("finishes", {}),
        "spent": spent,
        **kept,
    }


def replace_text(row: Row, column: str, text: str) -> Row:
    """The row with another text in `column`, and what is told of the one that it had told of this one."""
    before = row[column]
    told = {**row, column: text}
    for name in ("finishes", "thoughts"):
        if before in row.get(name, {}):
            told[name] = {text if key == before else key: value for key, value in row[name].items()}
    return told


_TOLD = {"failed_ends": "finishes"}
"""What a row says of its columns in `extra`: how the answers that failed have ended."""


def _say_nothing(call: Mapping[str, Any]) -> str:
    called = ", ".join(tool["name"] for tool in call.get("tool_calls") or ())
    return f"no text: the teacher called {called}" if called else "empty answer: the teacher wrote nothing"


def _add_tokens(spent: Mapping[str, list[int]], part: str, counts: list[int]) -> dict[str, list[int]]:
    """The tokens in, out and cached of each part of the work, those of a call added."""
    before = spent.get(part, [0, 0, 0])
    return {**spent, part: [a + b for a, b in zip(before, [*counts, 0][:3], strict=True)]}
