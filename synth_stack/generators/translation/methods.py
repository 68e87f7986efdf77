"""Translations of slices, with a way back that checks them. Returns a real distilabel Pipeline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.generation.provenance import record_origin
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_METHOD = "translation"
_THERE, _BACK, _ANSWER, _ANSWER_SOURCE = "translate_text", "translate_back", "translate_answer", "answer_full"
MIN_CHRF = 0.4
"""Above what two different messages about one topic share: of 2,000 such pairs of the support recipe's seeds
none reaches it, and 0.4 percent reach 0.3 (`python benchmarks/translation.py`)."""

Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Language = Annotated[str, Field(min_length=2, max_length=60)]


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    answers = {"message": (_ANSWER,), "pair": (), "back": (_ANSWER_SOURCE,)}
    return (_THERE, _BACK, *answers[params["rows"]])


@generator(_METHOD, version=VERSION, templates=_list_templates)
def translation(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    to: Annotated[dict[Locale, Language], Field(min_length=1)],
    source: Language = "English",
    rows: Literal["message", "pair", "back"] = "message",
    keep: list[str] = [],  # noqa: B006  (a signature read as a schema; never mutated)
    min_chrf: Annotated[float, Field(ge=0, le=1)] = MIN_CHRF,
) -> "Pipeline":
    """A pipeline that translates each seed into one of the languages `to`, and back.

    `rows: message` makes rows of the translated message, answered in its language; `pair` rows that ask for
    the translation; `back` rows of the message that came back, in other words than the seed's, answered in
    the language of the `source` (back-translation; Sennrich et al. 2016, arXiv:1511.06709). The way back is
    gone by the recipe's `models.judge`, or the teacher; a row of which less than `min_chrf` comes back fails,
    and so does one that loses a number, code, an address, a placeholder or a word of `keep`.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import answer, draw_items
    from synth_stack.generators.translation.steps import (
        ChooseLanguage,
        ToTranslations,
        TranslateBack,
        TranslateThere,
        WordRows,
    )

    params = {"to": to, "source": source, "rows": rows, "keep": keep, "min_chrf": repr(min_chrf)}
    asked = {"llm": llm, "single_line": False, "whole": True}
    with Pipeline(name="translation") as pipeline:
        there = TranslateThere(name="translation", template=_THERE, column="translation", keep=keep, **asked)
        back = TranslateBack(
            name="back", template=_BACK, column="back", part="judge", min_chrf=min_chrf, **asked
        )
        last = draw_items(plan, batch_rows) >> ChooseLanguage(name="language", to=to, source=source)
        last = last >> there >> back >> WordRows(name="words", rows_of=rows)
        if rows != "pair":
            last = last >> answer(llm, _ANSWER if rows == "message" else _ANSWER_SOURCE)
        last >> ToTranslations(**record_origin(llm, _METHOD, VERSION, params), rows_of=rows)
    return pipeline
