"""The distilabel steps of Crescendo: a conversation that escalates, and goes back where it was refused.

Russinovich et al. 2024 (arXiv:2404.01833), section 3. Each step of the chain is one try: the attacker writes
the user's next message, the model under attack answers it. An answer that refuses is taken back with its
question, which the attacker is shown the next time. The steps number as many as turns and backtracks.
"""

from collections.abc import Mapping
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.gates.refusal.detection import read_sound
from synth_stack.generators.adversarial.steps import ToAdversarialRows, describe_attempt, is_declined
from synth_stack.generators.clean import draw_fence
from synth_stack.generators.steps import Ask, DrawItems, list_texts
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

SOURCE = "Russinovich et al. 2024, arXiv:2404.01833"


class DrawGoals(DrawItems):
    """Yields the items of a plan, each with an empty conversation that is to lead to its seed."""

    turns: int

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "talk", "refused", "adversarial"]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._set_out(item) for item in batch], is_last

    def _set_out(self, item: Row) -> Row:
        told = describe_attempt(item, "crescendo", SOURCE, "refuse")
        return {**item, "talk": [], "refused": [], "adversarial": {**told, "turns": self.turns}}


class AskEscalation(Ask):
    """Writes the user's next message, a small step on from what was said, in rows not at their end."""

    turns: int

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and len(row["talk"]) // 2 < self.turns - 1

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        number = len(input["talk"]) // 2 + 1
        told = {"number": number, "turns": self.turns, "fence": draw_fence(list_texts(input))}
        return super().format_input({**input, **told})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if not said["failure"] and _is_declined_outright(said[self.column]):
            return {**said, "failure": f"{self.column}: the teacher declined to write it"}
        return {**said, "asked": None if said["failure"] else said[self.column]}


class AskLastTurn(AskEscalation):
    """Writes the message that asks for the goal itself, by what the conversation has come to."""

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return Ask.is_asked(self, row)


class AskTarget(Ask):
    """Has the model under attack answer; an answer that refuses takes its question back."""

    backtracks: int

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and row.get("asked") is not None

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        prompt = super().format_input({**input, "instruction": input["asked"]})
        *opening, question = prompt
        said = [message for message in opening if message["content"]]  # no system prompt is none
        return prompt.with_messages([*said, *input["talk"], question])

    def takes_raw(self, row: Mapping[str, Any]) -> bool:
        return False

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = {**super()._settle(row, prompt, output), "asked": None}
        if said["failure"]:
            return said
        text, asked = said[self.column], row["asked"]
        if read_sound(text).refuses:
            refused = [*row["refused"], asked]
            failure = None
            if len(refused) > self.backtracks:
                failure = f"{self.column}: refused once more after {self.backtracks} backtracks"
            return {**said, "refused": refused, "failure": failure}
        exchange = [{"role": "user", "content": asked}, {"role": "assistant", "content": text}]
        return {**said, "talk": [*row["talk"], *exchange]}


class EndEscalation(Step):  # type: ignore[misc]  # distilabel has no types
    """Makes the last message of the user the one that is to be refused."""

    @property
    def inputs(self) -> list[str]:
        return ["talk", "refused"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction", "adversarial"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._end(row) for row in inputs]

    def _end(self, row: Row) -> Row:
        said = {**row["adversarial"], "refused": row["refused"], "answered_by_target": len(row["talk"]) // 2}
        return {**row, "instruction": row.get("asked"), "adversarial": said}


class ToEscalations(ToAdversarialRows):
    """Candidate rows with the whole conversation; their last answer is the one that is held to refuse."""

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        messages = [*row["talk"], *made["messages"]]
        return {
            **made,
            "messages": messages,
            "text": "\n\n".join(message["content"] for message in messages),
        }


def _is_declined_outright(text: str) -> bool:
    """Whether an attacker will not write a message: it apologises, or begins with a refusal."""
    sound = read_sound(text)
    begins = sound.refuses and sound.refusal is not None and sound.refusal.start == 0
    return is_declined(text) or begins
