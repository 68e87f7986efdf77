"""The distilabel steps of preference rows: answers are written and rated; the best and worst are a pair."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.preference.ratings import ASPECTS, average, pick_pair, read_ratings
from synth_stack.generators.steps import Ask, ToCandidates
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


class ToPreferences(ToCandidates):
    """Turns rated answers into candidate rows of kind preference; every answer and rating is kept.

    With `strong` (a column) that answer has to be the better one.
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
        return {
            **made,
            "kind": "preference",
            "alternatives": sides or None,
            "text": join_text(made["messages"], sides),
            "failure": failure,
        }

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
        pair = pick_pair([Decimal(side["rating"]) for side in sides], Decimal(self.min_margin))
        if pair is None:
            return f"comparison: no answer is rated {self.min_margin} or more above another"
        if self.strong is not None and self.sides[pair[0]] != self.strong:
            return "comparison: the weak model's answer is rated above the strong one's"
        sides[pair[0]]["label"], sides[pair[1]]["label"] = "chosen", "rejected"
        return None


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
