"""Instructions in the words of many personas (PersonaHub). Returns a real distilabel Pipeline."""

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
_METHOD = "persona_instruct"
_READ, _RELATE, _ASK, _ANSWER = "persona_from_text", "persona_related", "persona_instruction", "answer_full"
MAX_HOPS = 6
"""The paper follows relationships six times, after the six degrees of separation (section 2.2)."""


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    read = (_READ,) if params["source"] == "texts" else ()
    related = (_RELATE,) if params["hops"] else ()
    return (*read, *related, _ASK, _ANSWER)


@generator(_METHOD, version=VERSION, templates=_list_templates)
def persona_instruct(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    source: Literal["texts", "personas"] = "texts",
    hops: Annotated[int, Field(ge=0, le=MAX_HOPS)] = 1,
) -> "Pipeline":
    """A pipeline that finds a persona, and writes what it would ask with an answer to it.

    Ge et al. 2024 (arXiv:2406.20094). With `source: texts` the row's seed is a text of any kind, of which a
    persona is read; with `personas` it is one. From it a row goes 0 to `hops` times to somebody near to the
    last one, as often as its seed draws: so personas come of the texts and of all distances to them.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.personas.steps import (
        AskPersona,
        AskRelated,
        SetOutPersona,
        ToPersonaRows,
        WriteAsPersona,
    )
    from synth_stack.generators.steps import answer, draw_items

    params = {"source": source, "hops": hops}
    with Pipeline(name="persona-instruct") as pipeline:
        last = draw_items(plan, batch_rows) >> SetOutPersona(
            name="start", hops=hops, given=source == "personas"
        )
        if source == "texts":
            last = last >> AskPersona(
                name="persona_0", llm=llm, template=_READ, column="persona_0", whole=True
            )
        for hop in range(1, hops + 1):
            name = f"persona_{hop}"
            last = last >> AskRelated(name=name, llm=llm, template=_RELATE, column=name, whole=True, hop=hop)
        write = WriteAsPersona(name="instruction", llm=llm, template=_ASK, column="instruction", whole=True)
        last = last >> write >> answer(llm, _ANSWER)
        last >> ToPersonaRows(**record_origin(llm, _METHOD, VERSION, params))
    return pipeline
