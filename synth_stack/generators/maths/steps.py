"""The distilabel steps of verified problems: taken or written, solved several times, and put to the vote."""

import json
from collections.abc import Mapping
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.generators.maths.votes import part_truth, vote
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.rows.canonical import canonical_text
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class TakeProblem(Step):  # type: ignore[misc]  # distilabel has no types
    """Takes the seed as the problem, and the truth that stands under it."""

    @property
    def inputs(self) -> list[str]:
        return ["seed"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction", "truth"]

    def process(self, inputs: StepInput) -> Any:
        yield [{**row, **dict(zip(self.outputs, part_truth(row["seed"]), strict=True))} for row in inputs]


class WriteProblem(Ask):
    """Writes another problem after the seed, which is shown without its truth."""

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        return super().format_input({**input, "seed": part_truth(input["seed"])[0]})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        return {**super()._settle(row, prompt, output), "truth": None}


class SolveProblem(Ask):
    """Solves the problem once more; a solution that did not come costs its vote and not the row."""

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"] is None:
            return said
        lost = [*row.get("lost", []), said["failure"]]
        return {**said, "failure": None, self.column: None, "lost": lost}


class PutToVote(Step):  # type: ignore[misc]  # distilabel has no types
    """Keeps the first solution with the truth, or with the answer of the most; else the row fails."""

    columns: list[str]
    min_share: float

    @property
    def inputs(self) -> list[str]:
        return ["instruction", *self.columns]

    @property
    def outputs(self) -> list[str]:
        return ["answer", "final_answer", "failure"]

    def process(self, inputs: StepInput) -> Any:
        yield [row if row.get("failure") else self._vote(row) for row in inputs]

    def _vote(self, row: Row) -> Row:
        solutions = [row[column] for column in self.columns]
        if not any(solutions):
            return {**row, "failure": row["lost"][0]}
        try:
            said = vote(solutions, row["truth"])
        except ValueError as exc:
            return {**row, "failure": f"vote: {exc}"}
        share = said.agreeing / len(solutions)
        if row["truth"] is None and share < self.min_share:
            failure = f"vote: {said.agreeing} of {len(solutions)} say the same, at least {self.min_share:g}"
            return {**row, "failure": failure}
        told = {"value": said.answers[said.chosen], "samples": list(said.answers), "truth": row["truth"]}
        return {**row, "answer": solutions[said.chosen], "final_answer": told}


class ToMathRows(ToCandidates):
    """Candidate rows with a solution, and in `extra` its final answer with those of all samples."""

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "instruction"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        told = {"final_answer": row["final_answer"]} if row.get("final_answer") else {}
        return {**made, "extra": canonical_text({**json.loads(made["extra"]), **told})}
