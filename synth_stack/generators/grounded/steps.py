"""The distilabel steps of grounded pairs: a draft is drawn, a teacher words it, cited sentences answer it."""

import json
import random
import re
from collections.abc import Mapping
from typing import Any, Literal

from distilabel.steps import Step, StepInput
from pydantic import PrivateAttr

from synth_stack.generators.grounded.citations import Citation, cite
from synth_stack.generators.grounded.phrasings import Phrasings
from synth_stack.generators.steps import Ask, DrawItems, ToCandidates
from synth_stack.models.embedders import Embedder, load_embedder
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.grammar import Grammar, Series, draw_text, write_pattern
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]


class DrawDrafts(DrawItems):
    """Yields the items of a plan, each with its section and, from phrasings, a form, an ask and a draft.

    Form and ask are drawn, so that what is asked in a slice comes evenly; the words stay open.
    """

    _phrasings: Phrasings | None = PrivateAttr(default=None)

    @property
    def outputs(self) -> list[str]:
        return [*super().outputs, "section", "passage", "form", "ask", "draft"]

    def process(self, offset: int = 0) -> Any:
        for batch, is_last in super().process(offset):
            yield [self._with_draft(item) for item in batch], is_last

    def _with_draft(self, item: Row) -> Row:
        section = self._plan.corpus.topics[item["slice"]].policy
        drawn = {**item, "section": section, "passage": self._plan.corpus.grounding(item["slice"])}
        if self._phrasings is None:
            return {**drawn, "form": None, "ask": None, "draft": None}
        rng = random.Random(derive_seed(item["rng_seed"], "draft"))  # noqa: S311
        form = rng.randrange(len(self._phrasings.forms))
        ask = rng.randrange(len(self._phrasings.slices[item["slice"]].asks))
        draft = draw_text(self._phrasings.message(item["slice"], form, ask), rng)
        return {**drawn, "form": form, "ask": ask, "draft": draft}


class AskQuestion(Ask):
    """Asks for the question; where `chosen`, within the wordings of its form and ask alone."""

    chosen: bool

    _phrasings: Phrasings | None = PrivateAttr(default=None)

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        prompt = super().format_input(input)
        if self.chosen:
            # a text with examples is continued after a colon
            prompt.grammar = Series((" ", self._offer(input))) if prompt.raw else self._offer(input)
        return prompt

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        wrote = output["generations"][0]
        if self.chosen and said["failure"] is None and not self._is_offered(wrote, row):
            failure = f"{self.column}: the teacher did not keep to the wordings that it was offered"
            return {**said, "failure": failure}
        return said

    def _is_offered(self, output: str, row: Row) -> bool:
        return re.fullmatch(write_pattern(self._offer(row)), output.strip()) is not None

    def _offer(self, row: Row) -> Grammar:
        if self._phrasings is None:
            raise AssertionError("wordings are chosen from phrasings alone")
        return self._phrasings.message(row["slice"], row["form"], row["ask"])


class ComposeAnswer(Step):  # type: ignore[misc]  # distilabel has no types
    """Answers each question with sentences of its section, word for word, and notes which.

    A question that is not what its draft was (`kept_nearness`, where it was worded freely), or to which no
    sentence is near (`min_nearness`), fails its row. Both are cosines of MiniLM.
    """

    sentences: int
    min_nearness: float
    kept_nearness: float | None

    _embedder: Embedder | None = PrivateAttr(default=None)

    @property
    def inputs(self) -> list[str]:
        return ["instruction", "section", "passage", "draft"]

    @property
    def outputs(self) -> list[str]:
        return ["answer", "citations"]

    def load(self) -> None:
        super().load()
        self._embedder = load_embedder("minilm")

    def process(self, inputs: StepInput) -> Any:
        yield [self._answer(row) for row in inputs]

    def _answer(self, row: Row) -> Row:
        if row.get("failure") or self._embedder is None:
            return {**row, "answer": None, "citations": []}
        question, section = row["instruction"], row["section"]
        if self.kept_nearness is not None:
            question_vector, draft_vector = self._embedder.embed([question, row["draft"]])
            nearness = float(question_vector @ draft_vector)
            if nearness < self.kept_nearness:
                return self._fail(
                    row, "instruction: it is not what its draft was", nearness, self.kept_nearness
                )
        cited = cite(question, read_title(section), row["passage"], self._embedder.embed, self.sentences)
        nearest = max((each.nearness for each in cited), default=0.0)
        if nearest < self.min_nearness:
            return self._fail(row, f"answer: no sentence of {section} is near", nearest, self.min_nearness)
        return {
            **row,
            "answer": " ".join(each.text for each in cited),
            "citations": [_note(each, section) for each in cited],
        }

    def _fail(self, row: Row, reason: str, seen: float, bar: float) -> Row:
        return {**row, "answer": None, "citations": [], "failure": f"{reason} ({seen:.2f}, at least {bar:g})"}


class ToGroundedRows(ToCandidates):
    """Candidate rows with their section as a document, and the sentences that were cited in `extra`."""

    wording: Literal["chosen", "free"]

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, "section", "passage", "citations"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        document = {
            "id": row["section"],
            "title": read_title(row["section"]),
            "text": row["passage"],
            "source": None,
        }
        grounded = {"wording": self.wording, "fidelity": "composed answer", "citations": row["citations"]}
        extra = {**json.loads(made["extra"]), "grounded": grounded}
        return {**made, "documents": [document], "extra": canonical_text(extra)}


def read_title(section: str) -> str:
    """A reference to a section as the words of its heading."""
    return section.partition("#")[2].replace("-", " ")


def _note(cited: Citation, section: str) -> Row:
    document, _, anchor = section.partition("#")
    return {
        "document": document,
        "section": anchor,
        "sentence": cited.number + 1,
        "start": cited.start,
        "end": cited.end,
        "nearness": f"{cited.nearness:.3f}",
    }
