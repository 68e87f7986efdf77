"""The distilabel steps of questions about documents: asked, answered with a quotation, and read once more."""

import json
import random
import re
from collections.abc import Mapping
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.generators.clean import clean_line, draw_fence
from synth_stack.generators.documents.spans import find_span, measure_overlap, points_at_passage
from synth_stack.generators.grounded.steps import read_title
from synth_stack.generators.steps import Ask, ToCandidates, replace_text
from synth_stack.generators.template import Template
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

_PARTS = re.compile(r"(?is)^\W*answer\W*?:\s*(?P<answer>.*?)\s*^\W*quote\W*?:\s*(?P<quote>.*)$", re.MULTILINE)
"""The two parts of a reply; models put them in bold, or number them."""
_NONE = re.compile(r"(?i)\W*none\W*")


class ChooseQuestions(Step):  # type: ignore[misc]  # distilabel has no types
    """Takes each item's seed as its passage, and says whether the question is to have an answer."""

    unanswerable: float

    @property
    def inputs(self) -> list[str]:
        return ["seed", "rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return ["passage", "answerable", "fence"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._choose(row) for row in inputs]

    def _choose(self, row: Row) -> Row:
        lot = random.Random(derive_seed(row["rng_seed"], "answerable")).random()  # noqa: S311
        passage = row["seed"]
        return {
            **row,
            "passage": passage,
            "answerable": lot >= self.unanswerable,
            "fence": draw_fence([passage]),
        }


class AskAboutPassage(Ask):
    """Asks for a question that the passage answers, or for one near to it that it leaves open."""

    unanswerable_template: str | Template

    def template_of(self, row: Mapping[str, Any]) -> Template:
        named = self.template if row["answerable"] else self.unanswerable_template
        return self._templates.find(named)

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"] is None and points_at_passage(said[self.column]):
            failure = f"{self.column}: it speaks of the passage, which who asks has not seen"
            return {**said, "failure": failure}
        return said


class AnswerWithQuote(Ask):
    """Answers from the passage, with the words of it that say so; a quotation that is none fails its row."""

    no_answer: str

    def is_asked(self, row: Mapping[str, Any]) -> bool:
        return super().is_asked(row) and bool(row["answerable"])

    def process(self, inputs: StepInput) -> Any:
        for rows in super().process(inputs):
            yield [self._say_nothing(row) for row in rows]

    def _say_nothing(self, row: Row) -> Row:
        """The row with the fixed answer to what its passage leaves open."""
        if row["answerable"] or row.get("failure"):
            return row
        return {**row, self.column: self.no_answer, "quote": None, "span": None}

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        reply = str(said[self.column])
        parts = _PARTS.match(reply)
        if parts is None or not parts["answer"].strip():
            return {**said, "failure": f"{self.column}: no line with ANSWER: and one with QUOTE:"}
        span = find_span(said["passage"], parts["quote"])
        answer = clean_line(parts["answer"].strip("*_ "))
        said = replace_text(said, self.column, answer)
        if span is None:
            return {**said, "failure": f"{self.column}: its quotation does not stand in the passage"}
        quote = said["passage"][span.start : span.end]
        return {**said, "quote": quote, "span": {"start": span.start, "end": span.end}}


class ReadAgain(Ask):
    """Reads the passage for the question once more: what it finds has to agree with the answer.

    Round-trip consistency (Alberti et al. 2019, arXiv:1906.05416, section 2): an answer whose quotation
    shares less than `min_overlap` token F1 with what the second reading quotes fails, and so does a question
    without an answer in which the second reading finds one.
    """

    min_overlap: float

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        found = str(said[self.column])
        is_none = _NONE.fullmatch(found) is not None
        if not said["answerable"]:
            failure = (
                None if is_none else "a second reading finds an answer to a question that should have none"
            )
        elif is_none:
            failure = "a second reading finds no answer in the passage"
        else:
            overlap = max(measure_overlap(found, said["quote"]), measure_overlap(found, said["answer"]))
            said["overlap"] = f"{overlap:.2f}"
            failure = None
            if overlap < self.min_overlap:
                failure = (
                    f"a second reading quotes other words (F1 {overlap:.2f}, at least {self.min_overlap:g})"
                )
        return {**said, "failure": None if failure is None else f"{self.column}: {failure}"}


class ToDocumentRows(ToCandidates):
    """Candidate rows with their passage as a document, and the span that answers in `extra`."""

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, "passage", "answerable"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        name = str(row["seed_id"])
        source = name.partition("#")[0]
        document = {"id": name, "title": read_title(name), "text": row["passage"], "source": source}
        span = row.get("span") and {**row["span"], "text": row["quote"]}
        found = {"answerable": row["answerable"], "span": span, "agreement": row.get("overlap")}
        extra = {**json.loads(made["extra"]), "document_qa": found}
        return {**made, "documents": [document], "extra": canonical_text(extra)}
