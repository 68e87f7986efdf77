"""The distilabel steps of Magpie: the model writes the user's turns and its own, one after the other.

A conversation ends before the first turn that fails; what it has by then is a row. Only without a first turn
the row itself fails.
"""

import json
from collections.abc import Mapping
from typing import Any

from distilabel.steps import StepInput
from distilabel.steps.tasks import Magpie
from pydantic import PrivateAttr

from synth_stack.generators.steps import Ask, ToCandidates, name_column, note_prompt, settle
from synth_stack.generators.template import TemplateChanges
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class AskMagpie(Magpie):  # type: ignore[misc]  # distilabel has no types
    """distilabel's Magpie with our template as system prompt, a seed per row and turn, and reasons.

    The stock one writes a whole conversation in one step and keeps of each call nothing but its text.
    """

    template: str = "magpie"
    turn: int = 1
    single_line: bool = True

    _templates: TemplateChanges = PrivateAttr(default_factory=TemplateChanges)

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return [name_column("instruction", self.turn), "model_name"]

    def process(self, inputs: StepInput) -> Any:
        live = [row for row in inputs if goes_on(row)]
        prompts, _ = self._prepare_inputs_for_instruction_generation(live)
        outputs = self.llm.generate_outputs(inputs=prompts, num_generations=1) if live else []
        asked = map(self._settle, live, prompts, outputs)
        yield [next(asked) if goes_on(row) else row for row in inputs]

    def _prepare_inputs_for_instruction_generation(self, inputs: list[Row]) -> tuple[list[Prompt], list[str]]:
        template = self._templates.find(self.template)
        prompts = []
        for row in inputs:
            opening = template.render(row, seed=derive_seed(row["rng_seed"], self.name), prefers_raw=False)
            said = [message for message in opening if message["content"]]  # no system prompt is none
            prompts.append(opening.with_messages([*said, *list_turns(row, self.turn - 1)]))
        return prompts, []

    def _show(self, prompt: Prompt) -> Prompt:
        """What a preview shows of a prompt: one without any message is the opening of a user's turn alone."""
        opening = getattr(self.llm, "magpie_pre_query_template", None) or ""
        return prompt or prompt.with_messages([{"role": "opening", "content": opening}])

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        column = name_column("instruction", self.turn)
        said = {
            **note_prompt(row, column, self._show(prompt)),
            column: output["generations"][0],
            f"llm_{self.name}_call": output["call"][0],
            "model_name": self.llm.model_name,
        }
        template_id = self._templates.find(self.template).template_id
        return end_before(
            settle(said, self.name, column, template_id, single_line=self.single_line), self.turn
        )


class AnswerTurn(Ask):
    """Answers the user's last turn, with what was said before it in the prompt."""

    turn: int = 1

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return goes_on(row)

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        asked = input[name_column("instruction", self.turn)]
        *opening, question = prompt = super().format_input({**input, "instruction": asked})
        return prompt.with_messages([*opening, *list_turns(input, self.turn - 1), question])

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        return end_before(super()._settle(row, prompt, output), self.turn)


class ToConversations(ToCandidates):
    """Turns finished conversations into candidate rows; of several turns they are of kind dialogue."""

    turns: int
    seeded: bool = True

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        tags = {name: value for name, value in row.get("tags", {}).items() if value is not None}
        if tags:
            made["extra"] = canonical_text({**json.loads(made["extra"]), "tags": tags})
        if not self.seeded:
            made["seed_id"] = None
        if self.turns == 1 or row.get("failure"):
            return made
        whole = (row["ended_at"] if "ended_at" in row else self.turns + 1) - 1
        messages = list_turns(row, whole)
        turns = {"wanted": self.turns, "made": whole, "ended": row.get("ended")}
        return {
            **made,
            "kind": "dialogue" if whole > 1 else "instruction",
            "messages": messages,
            "text": "\n\n".join(message["content"] for message in messages),
            "extra": canonical_text({**json.loads(made["extra"]), "turns": turns}),
        }


def goes_on(row: Mapping[str, Any]) -> bool:
    """Whether a conversation is still open."""
    return not row.get("failure") and "ended_at" not in row


def end_before(row: Row, turn: int) -> Row:
    """The row, ended before `turn` where that failed; a first turn that failed fails the row."""
    if turn == 1 or not row["failure"]:
        return row
    return {**row, "failure": None, "ended_at": turn, "ended": row["failure"]}


def list_turns(row: Mapping[str, Any], count: int) -> list[dict[str, str]]:
    """The messages of the first `count` turns."""
    return [
        {"role": role, "content": row[name_column(what, turn)]}
        for turn in range(1, count + 1)
        for role, what in (("user", "instruction"), ("assistant", "answer"))
    ]
