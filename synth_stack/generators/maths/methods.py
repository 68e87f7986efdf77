"""Problems with verified final answers. Returns a real distilabel Pipeline for a teacher and a plan."""

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
_METHOD = "math_reasoning"
_WRITE, _SOLVE = "math_problem", "math_solution"
MIN_SHARE = 0.5
"""A majority. Wang et al. 2022 take the answer of the most, however few, and report that the share which
agrees goes with accuracy; a row of training data can be left out where they had to answer."""


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    return (*((_WRITE,) if params["problems"] == "written" else ()), _SOLVE)


@generator(_METHOD, version=VERSION, checked_by="final_answer", templates=_list_templates)
def math_reasoning(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    problems: Literal["seeds", "written"] = "seeds",
    samples: Annotated[int, Field(ge=1, le=64)] = 8,
    min_share: Annotated[float, Field(ge=0, le=1)] = MIN_SHARE,
) -> "Pipeline":
    """A pipeline that solves a problem `samples` times and keeps a solution whose final answer is verified.

    The problem is the seed itself, or another one written after it. Where the seed ends with a line
    `#### 72`, as in GSM8K, that is the truth, and the first solution that has it is kept (rejection sampling,
    Yuan et al. 2023, arXiv:2308.01825); else the first of the answer that most have, if a share `min_share`
    of them has it (self-consistency, Wang et al. 2022, arXiv:2203.11171). A row with neither fails.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.maths.steps import (
        PutToVote,
        SolveProblem,
        TakeProblem,
        ToMathRows,
        WriteProblem,
    )
    from synth_stack.generators.steps import draw_items

    params = {"problems": problems, "samples": samples, "min_share": repr(min_share)}
    columns = [f"solution_{k}" for k in range(1, samples + 1)]
    with Pipeline(name="math-reasoning") as pipeline:
        problem = (
            WriteProblem(name="instruction", llm=llm, template=_WRITE, column="instruction", whole=True)
            if problems == "written"
            else TakeProblem(name="instruction")
        )
        last = draw_items(plan, batch_rows) >> problem
        for column in columns:
            last = last >> SolveProblem(
                name=column, llm=llm, template=_SOLVE, column=column, single_line=False, whole=True
            )
        last = last >> PutToVote(name="vote", columns=columns, min_share=min_share)
        last >> ToMathRows(**record_origin(llm, _METHOD, VERSION, params))
    return pipeline
