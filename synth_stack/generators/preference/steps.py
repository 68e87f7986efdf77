"""The distilabel steps of preference rows: answers are written and rated; the best and worst are a pair."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.preference.ratings import ASPECTS, average, pick_pair, read_ratings
from synth_stack.generators.preference.repairs import measure_change, read_repair
from synth_stack.generators.steps import Ask, ToCandidates, replace_text
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.texts import join_text
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class AskSide(Ask):
    """Writes one of the answers that are compared, and notes which model wrote it."""

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        return {**said, "writers": {**row.get("writers", {}), self.column: self.llm.model_name}}


class RateSide(Ask):
    """Asks the judge for the ratings of one answer; a reply without them fails the row."""

    side: str
    aspects: list[str]

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, self.side]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        aspects = [(name, ASPECTS[name]) for name in self.aspects]
        texts = [str(input.get(name) or "") for name in ("instruction", "grounding", self.side)]
        shown = {"said": input[self.side], "aspects": aspects, "fence": draw_fence(texts)}
        return super().format_input({**input, **shown})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        try:
            ratings = read_ratings(said[self.column], self.aspects)
        except ValueError as exc:
            return {**said, "failure": f"{self.column}: {exc}"}
        return {**said, "side_ratings": {**row.get("side_ratings", {}), self.side: ratings}}


class RepairSide(AskSide):
    """Revises the answer in `side` as little as it can; a reply that changes nothing, or too much, fails."""

    side: str
    max_changed: float

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, self.side]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        texts = [str(input.get(name) or "") for name in ("instruction", "grounding", self.side)]
        return super().format_input({**input, "fence": draw_fence(texts)})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        reply = str(said[self.column])
        repair = read_repair(reply)
        if repair is None:
            return {**said, self.column: None, "failure": f"{self.column}: no part WHY: and no part ANSWER:"}
        told = replace_text(said, self.column, repair.answer)
        changed = measure_change(str(row[self.side]), repair.answer)
        told["repair"] = {"changed": f"{changed:.3f}", "why": repair.why}
        if not changed:
            return {**told, "failure": f"{self.column}: nothing was mended"}
        if changed > self.max_changed:
            why = f"{changed:.0%} of the words were changed, more than {self.max_changed:.0%}"
            return {**told, "failure": f"{self.column}: {why}"}
        return told


class ToPreferences(ToCandidates):
    """Turns rated answers into candidate rows of kind preference; every answer and rating is kept.

    With `strong` (a column) that answer has to be the better one; without ratings it counts as that.
    """

    sides: list[str]
    min_margin: str
    strong: str | None = None

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "instruction", *self.sides]

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "alternatives"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate({**row, "answer": None})
        sides = [self._describe(row, side) for side in self.sides if row.get(side)]
        failure = made["failure"]
        if failure is None:
            failure = self._label(row, sides)
        named = {
            "kind": "preference",
            "alternatives": sides or None,
            "text": join_text(made["messages"], sides),
            "failure": failure,
        }
        return self._note_repair({**made, **named}, row)

    def _note_repair(self, made: Row, row: Row) -> Row:
        """The candidate with how much of its rejected answer was mended, and why, where it was."""
        if not row.get("repair"):
            return made
        extra = {**json.loads(made["extra"]), "repair": row["repair"]}
        return {**made, "extra": canonical_text(extra)}

    def _describe(self, row: Row, side: str) -> Row:
        ratings = row.get("side_ratings", {}).get(side)
        return {
            "label": None,
            "messages": [{"role": "assistant", "content": row[side]}],
            "rating": None if ratings is None else str(average(ratings)),
            "ratings": None if ratings is None else canonical_text(ratings),
            "model": row.get("writers", {}).get(side),
        }

    def _label(self, row: Row, sides: list[Row]) -> str | None:
        """Labels the best and the worst answer; the failure of a row of which none is better."""
        if len({json.dumps(side["messages"]) for side in sides}) < 2:
            return "comparison: all answers are the same"
        if self.strong is not None and not any(side["rating"] for side in sides):
            for name, side in zip(self.sides, sides, strict=True):
                side["label"] = "chosen" if name == self.strong else "rejected"
            return None
        pair = pick_pair([Decimal(side["rating"]) for side in sides], Decimal(self.min_margin))
        if pair is None:
            return f"comparison: no answer is rated {self.min_margin} or more above another"
        if self.strong is not None and self.sides[pair[0]] != self.strong:
            return f"comparison: {_WORSE.get(self.strong, _WORSE[''])}"
        sides[pair[0]]["label"], sides[pair[1]]["label"] = "chosen", "rejected"
        return None


_WORSE = {
    "": "the weak model's answer is rated above the strong one's",
    "answer_repair": "the answer is rated above its repair",
}
"""What is said of a pair that is the other way round than its method has it, by the better side."""


class TakeSeed(Step):  # type: ignore[misc]  # distilabel has no types
    """Takes the seed itself as the instruction."""

    @property
    def inputs(self) -> list[str]:
        return ["seed"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction"]

    def process(self, inputs: StepInput) -> Any:
        yield [{**row, "instruction": row["seed"]} for row in inputs]
