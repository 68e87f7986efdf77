"""The distilabel steps of personas: found in a text, led on from one to another, and what they ask."""

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

MIN_WORDS = 4
"""A shorter description says what half of mankind is: "a busy person"."""
_OF_THE_TEXT = re.compile(
    r"(?i)\b(?:this|the|that|above) (?:given |above )?(?:text|passage|article|message|document)\b"
)


class SetOutPersona(Step):  # type: ignore[misc]  # distilabel has no types
    """Draws how far a row goes from its first persona; a seed that is one is taken as it is."""

    hops: int
    given: bool

    @property
    def inputs(self) -> list[str]:
        return ["seed", "rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return ["hops", "personas"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._set_out(row) for row in inputs]

    def _set_out(self, row: Row) -> Row:
        lots = random.Random(derive_seed(row["rng_seed"], "hops"))  # noqa: S311
        return {
            **row,
            "hops": lots.randint(0, self.hops),
            "personas": [" ".join(row["seed"].split())] if self.given else [],
        }


class AskPersona(Ask):
    """Asks who is likely to have to do with the seed text."""

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        return super().format_input({**input, "fence": draw_fence([input["seed"]])})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        persona = str(said[self.column])
        failure = self._find_fault(persona, row["personas"])
        if failure is not None:
            return {**said, "failure": f"{self.column}: {failure}"}
        return {**said, "personas": [*row["personas"], persona]}

    def _find_fault(self, persona: str, before: list[str]) -> str | None:
        if len(persona.split()) < MIN_WORDS:
            return f"a persona of fewer than {MIN_WORDS} words is nobody in particular"
        if _OF_THE_TEXT.search(persona):
            return "it speaks of the text, not of a person"
        if persona.casefold() in {each.casefold() for each in before}:
            return "it is the person whom it was to lead on from"
        return None


class AskRelated(AskPersona):
    """Asks who is near to the last persona, in rows that go so far."""

    hop: int

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and row["hops"] >= self.hop

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        before = input["personas"][-1]
        return Ask.format_input(self, {**input, "persona_before": before, "fence": draw_fence([before])})


class WriteAsPersona(Ask):
    """Writes what the last persona of a row would ask."""

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        persona = input["personas"][-1]
        return super().format_input({**input, "persona": persona, "fence": draw_fence([persona])})


class ToPersonaRows(ToCandidates):
    """Candidate rows with their persona, and those before it, in `extra.persona`."""

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, "personas"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        *before, last = row["personas"] or [None]
        told = {"text": last, "before": before, "hops": len(before)}
        return {**made, "extra": canonical_text({**json.loads(made["extra"]), "persona": told})}
