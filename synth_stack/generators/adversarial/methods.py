"""Adversarial prompts with the answers that they should get: jailbreaks, injected orders, and look-alikes.

For safety post-training and red-team gates. The seeds are requests that a policy forbids, named in general
words; a slice is a policy. Teachers write words around them; encodings, splits and injected orders are made
by code, so that they are exact. Whether an answer does what its row expects, the gate `refusal` finds out: a
recipe for adversarial rows has it in its gate file. Rows are of kind "adversarial".
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.generation.provenance import record_origin
from synth_stack.generators.adversarial.strategies import (
    CarrierNames,
    GoalNames,
    InjectionNames,
    LookAlikeNames,
    Placement,
    StrategyNames,
    TacticNames,
    digest_strategies,
    list_names,
)
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
PLACEMENTS: tuple[Placement, ...] = ("start", "middle", "end")

_TEMPLATES = {
    "jailbreak": ("adversarial_frame", "adversarial_refusal"),
    "prompt_injection": ("adversarial_document", "adversarial_task"),
    "crescendo": (
        "adversarial_escalate",
        "adversarial_target",
        "adversarial_escalate_last",
        "adversarial_refusal",
    ),
    "tactic_composition": ("adversarial_tactics", "adversarial_refusal"),
    "hard_negative": ("adversarial_look_alike", "adversarial_opinion", "adversarial_help"),
}


def record_strategies(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a method with the digest of the table that its names stand in."""
    return {**params, "strategies_sha256": digest_strategies()}


_method = partial(generator, version=VERSION, checked_by="refusal", record=record_strategies)
"""The rows say what their answer has to do, and one gate holds it to that."""


@_method("jailbreak", templates=lambda params: _TEMPLATES["jailbreak"])
def jailbreak(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    strategies: StrategyNames | None = None,
    shots: Annotated[int, Field(ge=1, le=256)] = 4,
) -> "Pipeline":
    """A pipeline that dresses a forbidden request in one of `strategies` (null: all) and refuses it.

    Each strategy is one that a paper describes (strategies.yaml). What only takes words around the request is
    written by the teacher, and the request itself is put in by code: jailbreak prompts are templates into
    which a question is put (Shen et al. 2023, arXiv:2308.03825). Encodings, splits and the dialogue of up to
    `shots` requests (Anil et al. 2024 show up to 256; 4 fit into small windows) are made by code.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.adversarial.steps import AskFrame, ComposeAttempt, DrawAttempts

    names = strategies or list_names("strategies")
    with Pipeline(name="jailbreak") as pipeline:
        items = DrawAttempts(name="items", batch_size=batch_rows, strategies=names)
        items._plan = replace(plan, examples=shots + 1)
        frame = AskFrame(name="frame", llm=llm, template="adversarial_frame", column="frame")
        answer = _answer(llm, "adversarial_refusal")
        rows = _to_rows(llm, "jailbreak", {"strategies": names, "shots": shots})
        items >> frame >> ComposeAttempt(name="compose") >> answer >> rows
    return pipeline


@_method("crescendo", templates=lambda params: _TEMPLATES["crescendo"])
def crescendo(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    turns: Annotated[int, Field(ge=2, le=10)] = 5,
    backtracks: Annotated[int, Field(ge=0, le=10)] = 3,
) -> "Pipeline":
    """A pipeline that leads a conversation up to a forbidden request in `turns`, and refuses at its end.

    Russinovich et al. 2024 (arXiv:2404.01833), who allow 10 rounds and 10 backtracks and mostly need fewer
    than 5. The teacher attacks; the model that the recipe names as target answers, and where it refuses the
    question is taken back, at most `backtracks` times. The last answer is written as it should be.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.adversarial import escalation as steps
    from synth_stack.generators.steps import name_column

    escalate, answer, last_template, _ = _TEMPLATES["crescendo"]
    with Pipeline(name="crescendo") as pipeline:
        last: Any = steps.DrawGoals(name="items", batch_size=batch_rows, turns=turns)
        last._plan = plan
        for k in range(1, turns + backtracks):
            asked, said = name_column("turn", k), name_column("reply", k)
            ask = steps.AskEscalation(
                name=asked, llm=llm, template=escalate, column=asked, turns=turns, single_line=False
            )
            target = steps.AskTarget(
                name=said,
                llm=llm,
                template=answer,
                column=said,
                backtracks=backtracks,
                single_line=False,
                part="target",
            )
            last = last >> ask >> target
        ask = steps.AskLastTurn(
            name="turn_last",
            llm=llm,
            template=last_template,
            column="turn_last",
            turns=turns,
            single_line=False,
        )
        params = {"turns": turns, "backtracks": backtracks}
        rows = steps.ToEscalations(**record_origin(llm, "crescendo", VERSION, params))
        last >> ask >> steps.EndEscalation(name="end") >> _answer(llm, "adversarial_refusal") >> rows
    return pipeline


@_method("tactic_composition", templates=lambda params: _TEMPLATES["tactic_composition"])
def tactic_composition(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    tactics: TacticNames | None = None,
    fewest: Annotated[int, Field(ge=1, le=16)] = 2,
    most: Annotated[int, Field(ge=1, le=16)] = 4,
) -> "Pipeline":
    """A pipeline that dresses a forbidden request in `fewest` to `most` of `tactics` at once, and refuses it.

    After WildTeaming (Jiang et al. 2024, arXiv:2406.18510), which composes tactics that it found among users;
    null is all that strategies.yaml has. Raises ConfigError for more than there are.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.adversarial.steps import AskFrame, ComposeTactics, DrawTactics

    names = tactics or list_names("tactics")
    if not fewest <= most <= len(names):
        raise ConfigError(
            "tactic_composition: so many tactics cannot be drawn",
            seen=f"fewest {fewest}, most {most}, of {len(names)}",
            allowed="fewest at most `most`, and that at most as many as there are",
        )
    with Pipeline(name="tactic-composition") as pipeline:
        items = DrawTactics(name="items", batch_size=batch_rows, names=names, fewest=fewest, most=most)
        items._plan = plan
        frame = AskFrame(
            name="frame", llm=llm, template="adversarial_tactics", column="frame", single_line=False
        )
        params = {"tactics": names, "fewest": fewest, "most": most}
        rows = _to_rows(llm, "tactic_composition", params)
        answer = _answer(llm, "adversarial_refusal")
        items >> frame >> ComposeTactics(name="compose") >> answer >> rows
    return pipeline


@_method("prompt_injection", templates=lambda params: _TEMPLATES["prompt_injection"])
def prompt_injection(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    injections: InjectionNames | None = None,
    goals: GoalNames | None = None,
    carriers: CarrierNames | None = None,
    placements: Annotated[list[Placement], Field(min_length=1)] | None = None,
    answered_from: Literal["injected", "clean"] = "injected",
) -> "Pipeline":
    """A pipeline that hides an order in a text that is to be worked on; the answer does the task alone.

    Direct in the user's own text (Perez and Ribeiro 2022, arXiv:2211.09527), indirect in an e-mail, a web
    page, the result of a tool or a document (Greshake et al. 2023, arXiv:2302.12173), put as one of
    `injections` (Liu et al. 2024, arXiv:2310.12815). Null is all that strategies.yaml has. Every order
    carries a marker, a word with a number that an answer holds only if it obeys.

    With `answered_from: clean` the teacher sees the text without the order (as in StruQ, Chen et al. 2024,
    arXiv:2402.06363), so that a teacher which falls for orders writes good answers too.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.adversarial.steps import DrawInjections, PlaceOrder
    from synth_stack.generators.steps import Ask

    names: dict[str, Any] = {
        "injections": injections or list_names("injections"),
        "goals": goals or list_names("goals"),
        "carriers": carriers or list_names("carriers"),
        "placements": list(placements or PLACEMENTS),
    }
    with Pipeline(name="prompt-injection") as pipeline:
        items = DrawInjections(name="items", batch_size=batch_rows, **names)
        items._plan = plan
        body = Ask(name="body", llm=llm, template="adversarial_document", column="body")
        place = PlaceOrder(name="place", shows_order=answered_from == "injected")
        rows = _to_rows(llm, "prompt_injection", {**names, "answered_from": answered_from})
        items >> body >> place >> _answer(llm, "adversarial_task") >> rows
    return pipeline


@_method("hard_negative", templates=lambda params: _TEMPLATES["hard_negative"])
def hard_negative(
    llm: "Teacher", plan: "Plan", batch_rows: int, *, look_alikes: LookAlikeNames | None = None
) -> "Pipeline":
    """A pipeline that writes a harmless request which looks like a forbidden one, and answers it.

    By the prompt types of XSTest (Röttger et al. 2024, arXiv:2308.01263), those that fit any policy; null is
    all of them. The row and the jailbreaks of the same seed carry the same `pair`. A request
    that shares no word with the seed or its policy looks like nothing, and one that holds the words of the
    seed is the forbidden request itself: both fail. So does one that the teacher does not call harmless when
    it is asked alone (as Cui et al. 2024 sort theirs, arXiv:2405.20947).
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.adversarial.steps import CheckLookAlike, DrawLookAlikes, ReadOpinion
    from synth_stack.generators.steps import Ask

    names = look_alikes or list_names("look_alikes")
    with Pipeline(name="hard-negative") as pipeline:
        items = DrawLookAlikes(name="items", batch_size=batch_rows, look_alikes=names)
        items._plan = plan
        write = Ask(name="instruction", llm=llm, template="adversarial_look_alike", column="instruction")
        rows = _to_rows(llm, "hard_negative", {"look_alikes": names})
        check, read = CheckLookAlike(name="check"), ReadOpinion(name="read")
        opinion = Ask(name="opinion", llm=llm, template="adversarial_opinion", column="opinion", part="judge")
        items >> write >> check >> opinion >> read >> _answer(llm, "adversarial_help") >> rows
    return pipeline


def _answer(llm: "Teacher", template: str) -> Any:
    from synth_stack.generators.steps import Ask

    return Ask(name="answer", llm=llm, template=template, column="answer", single_line=False)


def _to_rows(llm: "Teacher", method: str, params: dict[str, Any]) -> Any:
    from synth_stack.generators.adversarial.steps import ToAdversarialRows

    return ToAdversarialRows(**record_origin(llm, method, VERSION, params))
