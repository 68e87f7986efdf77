"""Questions about documents, answered with the words that say so. Returns a real distilabel Pipeline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from synth_stack.generation.provenance import record_origin
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_METHOD = "document_qa"
_ASK, _LEAVE_OPEN, _ANSWER, _READ = (
    "document_question",
    "document_open_question",
    "document_answer",
    "document_reading",
)
NO_ANSWER = "The document does not say."
MIN_OVERLAP = 0.5
"""Half of the words shared: the paper asks for the same span, of extractive readers trained on one corpus.
Two chat models that quote one fact differ by a clause before or after it."""


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    open_ = (_LEAVE_OPEN,) if params["unanswerable"] else ()
    return (_ASK, *open_, _ANSWER, *((_READ,) if params["round_trip"] else ()))


@generator(_METHOD, version=VERSION, templates=_list_templates)
def document_qa(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    unanswerable: Annotated[float, Field(ge=0, le=1)] = 0.0,
    no_answer: Annotated[str, Field(min_length=1, max_length=500)] = NO_ANSWER,
    round_trip: bool = True,
    min_overlap: Annotated[float, Field(ge=0, le=1)] = MIN_OVERLAP,
) -> "Pipeline":
    """A pipeline that asks about a passage and answers with a quotation of it.

    The passage is the row's seed: set the recipe's seeds to a folder of documents. A share `unanswerable` of
    the questions is about what the passage leaves open, as in SQuAD 2.0 (Rajpurkar et al. 2018,
    arXiv:1806.03822), and is answered with `no_answer`. With `round_trip` the recipe's `models.judge`, or
    the teacher, reads the passage again and has to find the same words, to `min_overlap` token F1.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.documents.steps import (
        AnswerWithQuote,
        AskAboutPassage,
        ChooseQuestions,
        ReadAgain,
        ToDocumentRows,
    )
    from synth_stack.generators.steps import draw_items

    params = {
        "unanswerable": repr(unanswerable),
        "no_answer": no_answer,
        "round_trip": round_trip,
        "min_overlap": repr(min_overlap),
    }
    with Pipeline(name="document-qa") as pipeline:
        question = AskAboutPassage(
            name="instruction",
            llm=llm,
            template=_ASK,
            unanswerable_template=_LEAVE_OPEN,
            column="instruction",
            whole=True,
        )
        answer = AnswerWithQuote(
            name="answer",
            llm=llm,
            template=_ANSWER,
            column="answer",
            single_line=False,
            whole=True,
            no_answer=no_answer,
        )
        last = draw_items(plan, batch_rows) >> ChooseQuestions(name="passage", unanswerable=unanswerable)
        last = last >> question >> answer
        if round_trip:
            last = last >> ReadAgain(
                name="reading",
                llm=llm,
                template=_READ,
                column="reading",
                single_line=False,
                part="judge",
                min_overlap=min_overlap,
            )
        last >> ToDocumentRows(**record_origin(llm, _METHOD, VERSION, params))
    return pipeline
