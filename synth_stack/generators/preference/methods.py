"""Preference rows: the best and the worst of several answers, or a strong model's and a weak one's.

Each function returns a real distilabel Pipeline for a teacher and a plan.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.generation.provenance import record_origin
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_WRITE, _ANSWER, _RATE = "self_instruct", "preference_answer", "preference_rating"
_REPAIR = "preference_repair"
MAX_CHANGED = 0.5
"""Beyond half of its words an answer was written anew, and the pair says no more what was wrong with it."""

Aspect = Literal["instruction_following", "truthfulness", "honesty", "helpfulness"]
FOUR: tuple[Aspect, ...] = ("instruction_following", "truthfulness", "honesty", "helpfulness")
MIN_MARGIN = 0.5
"""Half a point of the mean of four aspects: two of them differ by one. Below that another judgement of the
same judge may turn the pair round."""


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    writing = (_WRITE,) if params["prompts"] == "written" else ()
    return (*writing, _ANSWER, _RATE)


@generator("best_of_n", version=VERSION, templates=_list_templates)
def best_of_n(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    n: Annotated[int, Field(ge=2, le=16)] = 4,
    prompts: Literal["seeds", "written"] = "written",
    examples: Annotated[int, Field(ge=1, le=20)] = 5,
    aspects: Annotated[list[Aspect], Field(min_length=1)] = list(FOUR),  # noqa: B006  (never mutated)
    min_margin: Annotated[float, Field(ge=0, le=4)] = MIN_MARGIN,
) -> "Pipeline":
    """A pipeline that answers an instruction `n` times, rates each answer, and pairs the best with the worst.

    UltraFeedback (Cui et al. 2023, arXiv:2310.01377) has four answers and four aspects. The instruction is
    the seed itself, or written in the context of `examples` seeds as in Self-Instruct. The recipe's
    `models.judge` rates, or the teacher its own answers. A row whose best answer is not `min_margin` above
    its worst fails.
    """
    sides = [f"answer_{k}" for k in range(1, n + 1)]
    params = {
        "n": n,
        "prompts": prompts,
        "examples": examples,
        "aspects": aspects,
        "min_margin": repr(min_margin),
    }
    parts = dict.fromkeys(sides, "writer")
    origin = record_origin(llm, "best_of_n", VERSION, params)
    return _build(llm, plan, batch_rows, parts=parts, params=params, origin=origin)


@generator("strong_weak", version=VERSION, templates=_list_templates)
def strong_weak(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    prompts: Literal["seeds", "written"] = "written",
    examples: Annotated[int, Field(ge=1, le=20)] = 5,
    aspects: Annotated[list[Aspect], Field(min_length=1)] = list(FOUR),  # noqa: B006  (never mutated)
    min_margin: Annotated[float, Field(ge=0, le=4)] = MIN_MARGIN,
) -> "Pipeline":
    """A pipeline that pairs the teacher's answer with that of `models.weak`, which has to be rated lower.

    Without `models.weak` the teacher answers twice, and the pair is on-policy. A row whose weak answer is not
    `min_margin` below fails, and says so.
    """
    params = {
        "prompts": prompts,
        "examples": examples,
        "aspects": aspects,
        "min_margin": repr(min_margin),
    }
    parts = {"answer_strong": "writer", "answer_weak": "weak"}
    origin = record_origin(llm, "strong_weak", VERSION, params)
    return _build(llm, plan, batch_rows, parts=parts, params=params, origin=origin, strong="answer_strong")


def _list_repair_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    writing = (_WRITE,) if params["prompts"] == "written" else ()
    return (*writing, _ANSWER, _REPAIR, *((_RATE,) if params["rated"] else ()))


@generator("minimal_repair", version=VERSION, templates=_list_repair_templates)
def minimal_repair(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    prompts: Literal["seeds", "written"] = "written",
    examples: Annotated[int, Field(ge=1, le=20)] = 5,
    max_changed: Annotated[float, Field(gt=0, le=1)] = MAX_CHANGED,
    rated: bool = True,
    aspects: Annotated[list[Aspect], Field(min_length=1)] = list(FOUR),  # noqa: B006  (never mutated)
    min_margin: Annotated[float, Field(ge=0, le=4)] = MIN_MARGIN,
) -> "Pipeline":
    """A pipeline that answers, mends the answer as little as it can, and prefers the mended one.

    CLAIR (D'Oosterlinck et al. 2024, arXiv:2408.06266, section 4): `models.weak`, or the teacher itself,
    answers; `models.rewriter`, or the teacher, revises. A repair of more than the share `max_changed` of the
    words fails. With `rated` the recipe's `models.judge` rates both, and a repair that is not `min_margin`
    better fails; the paper takes every revision.
    """
    params = {
        "prompts": prompts,
        "examples": examples,
        "max_changed": repr(max_changed),
        "rated": rated,
        "aspects": aspects,
        "min_margin": repr(min_margin),
    }
    parts = {"answer_draft": "weak", "answer_repair": "rewriter"}
    origin = record_origin(llm, "minimal_repair", VERSION, params)
    return _build(llm, plan, batch_rows, parts=parts, params=params, origin=origin, strong="answer_repair")


def _build(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    parts: Mapping[str, str],
    params: Mapping[str, Any],
    origin: Mapping[str, Any],
    strong: str | None = None,
) -> "Pipeline":
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.preference.steps import AskSide, RateSide, RepairSide, ToPreferences
    from synth_stack.generators.steps import Ask, draw_items

    aspects: Sequence[str] = params["aspects"]
    with Pipeline(name=str(origin["method"]).replace("_", "-")) as pipeline:
        last = draw_items(plan, batch_rows, examples=params["examples"])
        if params["prompts"] == "written":
            last = last >> Ask(name="instruction", llm=llm, template=_WRITE, column="instruction")
        else:
            last = last >> _take_seeds()
        for side, part in parts.items():
            asked = {"name": side, "llm": llm, "column": side, "single_line": False, "part": part}
            if part == "rewriter":
                limit = float(params["max_changed"])
                repair = RepairSide(**asked, template=_REPAIR, side=next(iter(parts)), max_changed=limit)
                last = last >> repair
            else:
                last = last >> AskSide(**asked, template=_ANSWER)
        for side in parts if params.get("rated", True) else ():
            rating = side.replace("answer", "rating")
            judge = RateSide(
                name=rating,
                llm=llm,
                template=_RATE,
                column=rating,
                single_line=False,
                part="judge",
                side=side,
                aspects=list(aspects),
            )
            last = last >> judge
        last >> ToPreferences(sides=list(parts), min_margin=params["min_margin"], strong=strong, **origin)
    return pipeline


def _take_seeds() -> Any:
    from synth_stack.generators.preference.steps import TakeSeed

    return TakeSeed(name="instruction")
