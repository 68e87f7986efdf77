"""The distilabel steps that our generators are made of.

A row that fails in one step goes through the others untouched, with the reason in `failure`: it becomes a
rejected row, never a lost one.
"""

import json
from collections.abc import Mapping
from typing import Any

from distilabel.steps import GeneratorStep, Step, StepInput
from distilabel.steps.tasks import Magpie, Task
from pydantic import Field, PrivateAttr

from synth_stack.generators.clean import clean_line, trim_to_sentence
from synth_stack.generators.plan import Plan
from synth_stack.generators.template import Template, load_template
from synth_stack.rows import canonical_text, derive_seed
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class DrawItems(GeneratorStep):  # type: ignore[misc]  # distilabel has no types
    """Yields the items of a plan, batch by batch; with `operators`, one of them drawn for each item.

    The plan itself is not part of the pipeline's dump.
    """

    operators: list[str] = Field(default_factory=list)

    _plan: Plan = PrivateAttr()

    @property
    def outputs(self) -> list[str]:
        return ["draw", "slice", "locale", "seed_id", "seed", "title", "examples", "rng_seed"]

    def process(self, offset: int = 0) -> Any:
        done = 0
        for batch in self._plan.batches(self.batch_size):
            done += len(batch)
            if done > offset:
                yield [self._with_operator(item) for item in batch], done == self._plan.count

    def _with_operator(self, item: Row) -> Row:
        if not self.operators:
            return item
        return {
            **item,
            "operator": self.operators[derive_seed(item["rng_seed"], "operator") % len(self.operators)],
        }


class Ask(Task):  # type: ignore[misc]  # distilabel has no types
    """Renders a template per row, asks the teacher, and puts the cleaned answer into `column`.

    Without `template` the row's `operator` names it. With `whole` an answer that was cut off fails.
    """

    template: str = ""
    column: str
    single_line: bool = True
    whole: bool = False

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return [self.column, "model_name"]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        template = self.template_of(input)
        seed = derive_seed(input["rng_seed"], self.name)
        return template.render(input, seed=seed, prefers_raw=self.llm.prefers_raw)

    def format_output(self, output: str | None, input: Row | None = None) -> Row:  # noqa: A002
        return {self.column: output}

    def template_of(self, row: Mapping[str, Any]) -> Template:
        """The template of this step for a row: its own, or the one that the row's operator names."""
        return load_template(self.template or row["operator"])

    def process(self, inputs: StepInput) -> Any:
        # not Task.process: that renders each prompt once more, for a column that nothing here reads
        live = [row for row in inputs if not row.get("failure")]
        prompts = [self.format_input(row) for row in live]
        outputs = self.llm.generate_outputs(inputs=prompts, num_generations=1) if live else []
        answered = map(self._settle, live, prompts, outputs)
        yield [row if row.get("failure") else next(answered) for row in inputs]

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = {
            **note_prompt(row, self.column, prompt),
            **self.format_output(output["generations"][0], row),
            f"llm_{self.name}_call": output["call"][0],
            "model_name": self.llm.model_name,
        }
        template_id = self.template_of(row).template_id
        return settle(
            said, self.name, self.column, template_id, single_line=self.single_line, whole=self.whole
        )


class AskMagpie(Magpie):  # type: ignore[misc]  # distilabel has no types
    """distilabel's Magpie with our template as each row's system prompt, and a seed per row."""

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed"]

    def _prepare_inputs_for_instruction_generation(self, inputs: list[Row]) -> tuple[list[Prompt], list[str]]:
        template = load_template("magpie")
        prompts = [
            template.render(row, seed=derive_seed(row["rng_seed"], self.name), prefers_raw=False)
            for row in inputs
        ]
        return prompts, []

    def _generate_instruction(self, inputs: list[Row]) -> tuple[list[Row], list[Row]]:
        # the stock method drops everything but the text; the reason of a failure must survive
        prompts, _ = self._prepare_inputs_for_instruction_generation(inputs)
        outputs = self.llm.generate(inputs=prompts, num_generations=1, **self.llm.generation_kwargs)
        rows = [
            {"instruction": out["generations"][0], f"llm_{self.name}_call": out["call"][0]} for out in outputs
        ]
        return rows, [{} for _ in rows]

    def process(self, inputs: StepInput) -> Any:
        for rows in super().process(inputs):
            template_id = load_template("magpie").template_id
            prompts, _ = self._prepare_inputs_for_instruction_generation(rows)
            asked = [
                note_prompt(row, "instruction", prompt) for row, prompt in zip(rows, prompts, strict=True)
            ]
            yield [settle(row, self.name, "instruction", template_id, single_line=True) for row in asked]


class ToCandidates(Step):  # type: ignore[misc]  # distilabel has no types
    """Turns finished items into candidate rows; the driver commits what this step yields."""

    method: str
    version: str
    params: dict[str, Any]
    teacher: str
    teacher_digest: str | None
    replayable: bool

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "instruction", "answer"]

    @property
    def outputs(self) -> list[str]:
        return ["kind", "messages", "text", "failure", "draw"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._candidate(row) for row in inputs]

    def _candidate(self, row: Row) -> Row:
        turns = [("user", row.get("instruction")), ("assistant", row.get("answer"))]
        messages = [{"role": role, "content": text} for role, text in turns if text]
        params = {**self.params, **{k: row[k] for k in ("operator", "example_ids") if row.get(k)}}
        return {
            "kind": "instruction",
            "slice": row["slice"],
            "locale": row["locale"],
            "messages": messages,
            "text": "\n\n".join(message["content"] for message in messages),
            "attachments": [],
            "failure": row.get("failure"),
            "extra": canonical_text({"tokens": row.get("tokens", {}), "title": row["title"]}),
            "seed_id": row["seed_id"],
            "generator": self.method,
            "generator_version": self.version,
            "teacher": self.teacher,
            "teacher_digest": self.teacher_digest,
            "template_id": " ".join(row.get("template_ids", [])) or None,
            "params": canonical_text(params),
            "draw": row["draw"],
            "rng_seed": row["rng_seed"],
            "replayable": self.replayable,
            "prompts": row.get("prompts", []),
        }


def note_prompt(row: Row, column: str, prompt: Prompt) -> Row:
    """The row with the prompt that was asked for `column`: shown by a preview, not part of a candidate."""
    text = "\n".join(f"[{m['role']}] {m['content']}" for m in prompt)
    return {**row, "prompts": [*row.get("prompts", []), {"column": column, "text": text}]}


def settle(
    row: Row, step: str, column: str, template_id: str, *, single_line: bool, whole: bool = False
) -> Row:
    """The row with the teacher's answer cleaned, its tokens counted, and `failure` set where it failed.

    An answer that was cut off keeps its whole sentences, unless it is of use only `whole`, as code is.
    """
    call = json.loads(row.pop(f"llm_{step}_call", None) or "{}")
    text = row.get(column)
    failure = call.get("failure") or (None if text else "empty answer: the teacher wrote nothing")
    if text and call.get("cut") and whole:
        failure = failure or "cut off: it ends at the token limit"
    elif text and call.get("cut"):
        text = trim_to_sentence(text)
        failure = failure or (None if text else "cut off: no sentence ended within the token limit")
    if text:
        text = clean_line(text) if single_line else text.strip()
        failure = failure or (None if text else "empty answer: nothing but numbering or quotes")
    tokens = {**row.get("tokens", {}), column: [call.get("input_tokens", 0), call.get("output_tokens", 0)]}
    template_ids = [*row.get("template_ids", []), template_id]
    failure = f"{column}: {failure}" if failure else None
    return {**row, column: text, "failure": failure, "tokens": tokens, "template_ids": template_ids}
