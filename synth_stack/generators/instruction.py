"""Instruction pairs: Self-Instruct, Magpie and Evol-Instruct, each followed by an answer.

Each function returns a real distilabel Pipeline for a teacher and a plan; `drive` runs it durably, and
distilabel's own `pipeline.run()` would run it too.
"""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.generators.template import declare_templates
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.plan import Plan

VERSION = "1"
EVOL_OPERATORS = ("evol_constraint", "evol_concretize", "evol_breadth")

declare_templates(
    {
        "self_instruct": ("self_instruct", "answer"),
        "magpie": ("magpie", "answer"),
        "evol_instruct": (*EVOL_OPERATORS, "answer"),
    }
)


@generator("self_instruct", version=VERSION)
def self_instruct(
    llm: Any, plan: "Plan", batch_rows: int, *, examples: Annotated[int, Field(ge=1, le=20)] = 5
) -> "Pipeline":
    """A pipeline that writes a new instruction in the context of `examples` seeds of its topic.

    Wang et al. 2023 (arXiv:2212.10560), section 2.2, show 8 tasks, 6 of them human; small models have
    room for about 5.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import Ask

    with Pipeline(name="self-instruct") as pipeline:
        items = draw_items(plan, batch_rows, examples=examples)
        write = Ask(name="instruction", llm=llm, template="self_instruct", column="instruction")
        items >> write >> answer(llm) >> to_candidates(llm, "self_instruct", {"examples": examples})
    return pipeline


@generator("magpie", version=VERSION)
def magpie(llm: Any, plan: "Plan", batch_rows: int) -> "Pipeline":
    """A pipeline that lets the model write the user's turn from its pre-query tokens alone.

    Xu et al. 2024 (arXiv:2406.08464), section 2.1, with the topic as system prompt. Raises ConfigError for
    a teacher whose chat format is not known.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import AskMagpie

    if not getattr(llm, "use_magpie_template", False):
        raise ConfigError(
            "magpie needs a teacher whose chat format is known",
            mend="Set teacher.chat_format, or leave the method out.",
        )
    with Pipeline(name="magpie") as pipeline:
        items = draw_items(plan, batch_rows)
        write = AskMagpie(name="instruction", llm=llm, only_instruction=True)
        items >> write >> answer(llm) >> to_candidates(llm, "magpie", {})
    return pipeline


@generator("evol_instruct", version=VERSION)
def evol_instruct(llm: Any, plan: "Plan", batch_rows: int) -> "Pipeline":
    """A pipeline that evolves one seed by one operator: add a constraint, concretise, or in breadth.

    Xu et al. 2023 (arXiv:2304.12244), section 3.2. The operator of a row is drawn from its own seed and
    recorded on the row.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import Ask

    with Pipeline(name="evol-instruct") as pipeline:
        items = draw_items(plan, batch_rows, operators=EVOL_OPERATORS)
        write = Ask(name="instruction", llm=llm, column="instruction")
        items >> write >> answer(llm) >> to_candidates(llm, "evol_instruct", {})
    return pipeline


def draw_items(plan: "Plan", batch_rows: int, *, examples: int = 0, operators: tuple[str, ...] = ()) -> Any:
    """The first step of a pipeline: the items of the plan."""
    from dataclasses import replace

    from synth_stack.generators.steps import DrawItems

    step = DrawItems(name="items", batch_size=batch_rows, operators=list(operators))
    step._plan = replace(plan, examples=examples)
    return step


def answer(llm: Any) -> Any:
    """The step that answers the instruction, from the topic's document section where there is one."""
    from synth_stack.generators.steps import Ask

    return Ask(name="answer", llm=llm, template="answer", column="answer", single_line=False)


def to_candidates(llm: Any, method: str, params: dict[str, Any]) -> Any:
    """The last step: candidate rows that name their method, teacher and parameters."""
    from synth_stack.generators.steps import ToCandidates

    return ToCandidates(
        name="candidates",
        method=method,
        version=VERSION,
        params={**params, "sampling": _as_text(llm.sampling)},
        teacher=llm.model_name,
        teacher_digest=llm.digest,
        replayable=llm.replayable,
    )


def _as_text(sampling: dict[str, Any]) -> dict[str, str]:
    """Sampling parameters as text: a float in a signed record must survive every reader."""
    return {key: repr(value) for key, value in sampling.items()}
