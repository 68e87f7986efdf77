"""The distilabel steps of translations: there, back, and the rows that come of it."""

import json
import random
from collections.abc import Mapping
from typing import Any

from distilabel.steps import Step, StepInput

from synth_stack.generators.clean import draw_fence
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.generators.translation.kept import find_lost
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.stats.chrf import measure_chrf
from synth_stack.teachers.prompt import Prompt

Row = dict[str, Any]

_SHOWN = 3


class ChooseLanguage(Step):  # type: ignore[misc]  # distilabel has no types
    """Draws the language that each row is translated into."""

    to: dict[str, str]
    source: str

    @property
    def inputs(self) -> list[str]:
        return ["seed", "rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return ["language", "locale_to", "source_language"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._choose(row) for row in inputs]

    def _choose(self, row: Row) -> Row:
        lots = random.Random(derive_seed(row["rng_seed"], "language"))  # noqa: S311
        locale = lots.choice(sorted(self.to))
        told = {"locale_to": locale, "language": self.to[locale], "source_language": self.source}
        return {**row, **told}


class TranslateThere(Ask):
    """Translates the seed; a translation that loses what has to stay, or is none, fails its row."""

    keep: list[str]

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        kept = [word for word in self.keep if word in input["seed"]]
        return super().format_input({**input, "keep": kept, "fence": draw_fence([input["seed"]])})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        if said[self.column].split() == row["seed"].split():
            return {**said, "failure": f"{self.column}: nothing was translated"}
        lost = find_lost(row["seed"], said[self.column], self.keep)
        if lost:
            shown = ", ".join(lost[:_SHOWN])
            return {**said, "failure": f"{self.column}: it loses {shown}"}
        return said


class TranslateBack(Ask):
    """Translates back what the way there gave, and measures how much of the seed came back."""

    min_chrf: float

    def format_input(self, input: Row) -> Prompt:  # noqa: A002
        return super().format_input({**input, "fence": draw_fence([input["translation"]])})

    def _settle(self, row: Row, prompt: Prompt, output: Mapping[str, Any]) -> Row:
        said = super()._settle(row, prompt, output)
        if said["failure"]:
            return said
        chrf = measure_chrf(said[self.column], row["seed"])
        said["chrf"] = f"{chrf:.3f}"
        if chrf < self.min_chrf:
            least = f"(chrF {chrf:.2f}, at least {self.min_chrf:g})"
            return {**said, "failure": f"{self.column}: something else comes back than was sent {least}"}
        return said


class WordRows(Step):  # type: ignore[misc]  # distilabel has no types
    """Says what is asked in each row: the translation, what came back, or a translation."""

    rows_of: str

    @property
    def inputs(self) -> list[str]:
        return ["seed", "language"]

    @property
    def outputs(self) -> list[str]:
        return ["instruction", "answer"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._word(row) for row in inputs]

    def _word(self, row: Row) -> Row:
        if row.get("failure"):
            return {**row, "instruction": row.get("instruction"), "answer": row.get("answer")}
        if self.rows_of == "pair":
            asked = f"Translate into {row['language']}:\n\n{row['seed']}"
            return {**row, "instruction": asked, "answer": row["translation"]}
        if self.rows_of == "message":
            return {**row, "instruction": row["translation"], "answer": None}
        same = row["back"].split() == row["seed"].split()
        failure = "back: the same words come back, so there is no other wording" if same else None
        return {**row, "instruction": row["back"], "answer": None, "failure": failure}


class ToTranslations(ToCandidates):
    """Candidate rows in the locale that they are worded in, with source, way back and chrF in `extra`."""

    rows_of: str

    @property
    def inputs(self) -> list[str]:
        return [*super().inputs, "language", "locale_to"]

    def _candidate(self, row: Row) -> Row:
        made = super()._candidate(row)
        told = {
            "source": row["seed"],
            "translation": row.get("translation"),
            "back": row.get("back"),
            "chrf": row.get("chrf"),
            "to": row["locale_to"],
        }
        locale = row["locale"] if self.rows_of == "back" else row["locale_to"]
        extra = canonical_text({**json.loads(made["extra"]), "translation": told})
        return {**made, "locale": locale, "extra": extra}
