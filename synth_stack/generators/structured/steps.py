"""The distilabel steps of answers that fit a schema: one is drawn, and a text is read into it."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from distilabel.steps import Step, StepInput
from pydantic import PrivateAttr

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.inputs.answer_schemas import AnswerSchema
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.rows.json_answers import parse_answer, strip_fence
from synth_stack.rows.json_schema import read_schema
from synth_stack.rows.texts import join_text
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class ChooseSchema(Step):  # type: ignore[misc]  # distilabel has no types
    """Draws the schema of each item, and takes the seed as its text."""

    _schemas: Sequence[AnswerSchema] = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["seed", "rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return ["schema_name", "schema", "shown", "instruction", "fence"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._choose(row) for row in inputs]

    def _choose(self, row: Row) -> Row:
        lot = random.Random(derive_seed(row["rng_seed"], "schema"))  # noqa: S311
        chosen = lot.choice(self._schemas)
        shown = json.dumps(chosen.schema, ensure_ascii=False, indent=1)
        fence = draw_fence([shown, row["seed"]])
        drawn = {"schema_name": chosen.name, "schema": chosen.schema, "shown": shown, "fence": fence}
        return {**row, **drawn, "instruction": row["seed"]}


class ReadIntoSchema(Ask):
    """Reads the text into JSON; a reply that does not fit the schema fails its row.

    A teacher that was told how its server takes a schema is sent it, and then writes nothing else.
    """

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        fence = draw_fence([input["shown"], input["instruction"]])
        prompt = super().format_input({**input, "fence": fence})
        prompt.schema = input["schema"]
        return prompt

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        reply = str(said[self.column])
        try:
            value = parse_answer(strip_fence(reply))
            misfit = read_schema(row["schema"]).find_misfit(value)
            answer = json.dumps(value, ensure_ascii=False)
        except ValueError as exc:
            return {**said, "failure": f"{self.column}: {exc}"}
        if misfit is not None:
            return {
                **said,
                "failure": f"{self.column}: it does not fit the schema {row['schema_name']}: {misfit}",
            }
        for name in ("finishes", "thoughts"):  # they stand under the text that they are of
            if reply in said.get(name, {}):
                said[name] = {answer if key == reply else key: told for key, told in said[name].items()}
        return {**said, self.column: answer}


class ToStructuredRows(ToCandidates):
    """Candidate rows whose user gives a schema and a text, and whose assistant answers in JSON."""

    request: str

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, "schema_name", "schema", "shown"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        system = f"{self.request}\n\n{row['shown']}"
        messages = [{"role": "system", "content": system}, *made["messages"]]
        told = {"name": row["schema_name"], "schema": row["schema"]}
        return {
            **made,
            "messages": messages,
            "text": join_text(messages),
            "extra": canonical_text({**json.loads(made["extra"]), "json_answer": told}),
        }
