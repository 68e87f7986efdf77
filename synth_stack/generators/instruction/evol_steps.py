"""The distilabel steps of Evol-Instruct: a round evolves an instruction, judges, answers, keeps it or not.

Between the steps of a round a row carries its `trial`: the operator, the evolved instruction, and its outcome
once it has one. What the row keeps is in `evolution`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from distilabel.steps import Step, StepInput

from synth_stack.generators.instruction import evol_rules as evolution
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.generators.template import Template
from synth_stack.rows.canonical import canonical_text
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

KEPT = "kept"
_ELIMINATED = "eliminated: {}"


class Evolve(Ask):
    """Evolves the instruction that a row has, by the operator of the round, into its trial.

    A teacher that fails, and what the text alone shows to be of no use, end the trial: it is not answered.
    """

    round: int
    domain: evolution.Domain = "general"

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "trial"]

    def template_of(self, row: Mapping[str, Any]) -> Template:
        operator = self._draw(row)
        return self._templates.find(evolution.CODE if operator in evolution.CODE_HEURISTICS else operator)

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        heuristic = evolution.CODE_HEURISTICS.get(self._draw(input), "")
        return super().format_input({**input, "seed": read_current(input), "heuristic": heuristic})

    def takes_raw(self, row: Mapping[str, Any]) -> bool:
        # the examples of a text to be continued are one line each, and so would be what follows them
        return super().takes_raw(row) and "\n" not in read_current(row)

    def is_single_line(self, prompt: Prompt) -> bool:
        return prompt.raw

    def _draw(self, row: Mapping[str, Any]) -> str:
        return evolution.draw_operator(row["rng_seed"], self.round, self.domain)

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        text, outcome = said[self.column], said["failure"]
        if outcome is None:
            rule = evolution.judge_instruction(text, read_current(row))
            outcome = rule and _ELIMINATED.format(rule)
        operator = self._draw(row)
        return {
            **said,
            "failure": None,
            "trial": {"operator": operator, "instruction": text, "outcome": outcome},
        }


class AskOfTrial(Ask):
    """Asks about a trial that is still open. A call that fails is left to the elimination."""

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return row["trial"]["outcome"] is None

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        evolved = input["trial"]["instruction"]
        return super().format_input(
            {**input, "seed": read_current(input), "evolved": evolved, "instruction": evolved}
        )


class JudgeGain(AskOfTrial):
    """Asks the teacher whether the trial is equal to its origin, and eliminates it if so (rule 1).

    Of a judgement that is neither, or of none, nothing is concluded.
    """

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        judged = evolution.read_judgement(said[self.column])
        outcome = _ELIMINATED.format(evolution.NO_GAIN) if judged == "equal" else None
        return {**said, "failure": None, "trial": {**row["trial"], "gain": judged, "outcome": outcome}}


class AnswerTrial(AskOfTrial):
    """Answers the trial, and eliminates it by its answer (rules 2 and 3)."""

    sorry_words: int

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        outcome = said["failure"]
        if outcome is None:
            rule = evolution.judge_answer(said[self.column], self.sorry_words)
            outcome = _ELIMINATED.format(rule) if rule else KEPT
        return {
            **said,
            "failure": None,
            "trial": {**row["trial"], "answer": said[self.column], "outcome": outcome},
        }


class Eliminate(Step):  # type: ignore[misc]  # distilabel has no types
    """Ends a round: a trial that was kept takes the place of the row's instruction, any other one is noted.

    A row that has kept nothing yet shows its last trial, and fails for the reason of that.
    """

    @property
    def inputs(self) -> list[str]:
        return ["trial"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction", "answer", "evolution"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._end_round(row) for row in inputs]

    def _end_round(self, row: Row) -> Row:
        trial = {name: value for name, value in row["trial"].items() if name != "answer"}
        before = row.get("evolution") or {
            "rounds": [],
            "depth": 0,
            "origin": "seed",
            "kept": False,
            "all": [],
        }
        grown = {**before, "rounds": [*before["rounds"], trial]}
        shown = {"instruction": row["trial"]["instruction"], "answer": row["trial"].get("answer")}
        if trial["outcome"] == KEPT:
            in_breadth = trial["operator"] == evolution.IN_BREADTH
            depth = 0 if in_breadth else before["depth"] + 1
            origin = evolution.IN_BREADTH if in_breadth else before["origin"]
            now = {"rounds": grown["rounds"], "depth": depth, "origin": origin, "kept": True}
            return {**row, **shown, "evolution": {**now, "all": [*before["all"], {**shown, **now}]}}
        return {**row, **({} if before["kept"] else shown), "evolution": grown}


class ToEvolvedRows(ToCandidates):
    """Turns finished chains into rows: how each round ended is in `extra`, its operator in `params`.

    With `keep` "all" each instruction that was kept is a row, with the rounds up to its own.
    """

    keep: Literal["last", "all"] = "last"

    def _expand(self, row: Row) -> Iterator[Row]:
        """The row of a chain, or those of all its kept rounds; its tokens stand on the last one."""
        kept = row["evolution"]["all"]
        if self.keep == "last" or not kept:
            yield row
            return
        for now in kept[:-1]:
            told = {"instruction": now["instruction"], "answer": now["answer"], "evolution": now}
            yield {**row, **told, "tokens": {}, "spent": {}}
        yield row

    def _candidate(self, row: Row) -> Row:
        grown = row["evolution"]
        rounds = grown["rounds"]
        made = super()._candidate({**row, "failure": None if grown["kept"] else rounds[-1]["outcome"]})
        shown = {name: grown[name] for name in ("rounds", "depth", "origin")}
        extra = {**json.loads(made["extra"]), "evolution": shown}
        params = {**json.loads(made["params"]), "operators": [trial["operator"] for trial in rounds]}
        return {**made, "extra": canonical_text(extra), "params": canonical_text(params)}


def read_current(row: Mapping[str, Any]) -> str:
    """The instruction that the next round starts from: the last one that was kept, or the seed."""
    grown = row.get("evolution")
    return str(row["instruction"] if grown and grown["kept"] else row["seed"])
