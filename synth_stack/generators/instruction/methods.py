"""Instruction pairs: Self-Instruct, Magpie and Evol-Instruct, each followed by an answer.

Each function returns a real distilabel Pipeline for a teacher and a plan; `drive` runs it durably, and
distilabel's own `pipeline.run()` would run it too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.generation.provenance import record_origin
from synth_stack.generators.instruction.evol_rules import CODE, GAIN, OPERATORS, SORRY_WORDS, Domain
from synth_stack.generators.instruction.tags import TEMPLATES as TAG_TEMPLATES
from synth_stack.generators.instruction.tags import TagName
from synth_stack.generators.instruction.task_rules import FILTERS, Filter
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "3"

Answers = Literal["short", "full", "plain"]
ANSWER_TEMPLATES: dict[Answers, str] = {"short": "answer", "full": "answer_full", "plain": "answer_plain"}
"""One or two sentences to a customer, as much as the question needs, or that without any system prompt."""

TASK_TEMPLATES = (
    "self_instruct_tasks",
    "self_instruct_kind",
    "self_instruct_input_first",
    "self_instruct_output_first",
)
"""Those of the whole pipeline of Self-Instruct: the tasks, their kind, instances of either kind."""

System = Literal["topic", "none"]
"""What stands before a turn that the model writes: the topic of the draw, or nothing, as in the paper."""


def _list_opening(params: Mapping[str, Any]) -> tuple[str, ...]:
    tags = tuple(TAG_TEMPLATES[tag] for tag in params["tags"])
    return (_name_opening(params["system"], params["turns"]), ANSWER_TEMPLATES[params["answers"]], *tags)


def _name_opening(system: System, turns: int) -> str:
    """Magpie's template for one turn or several, or without a system prompt."""
    if system == "none":
        return "magpie_plain"
    return "magpie_turns" if turns > 1 else "magpie"


def _list_evolving(params: Mapping[str, Any]) -> tuple[str, ...]:
    judging = (GAIN,) if params["judge_gain"] else ()
    evolving = OPERATORS if params["domain"] == "general" else (CODE,)
    return (*evolving, *judging, ANSWER_TEMPLATES[params["answers"]])


@generator(
    "self_instruct",
    version=VERSION,
    templates=lambda params: ("self_instruct", ANSWER_TEMPLATES[params["answers"]]),
)
def self_instruct(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    examples: Annotated[int, Field(ge=1, le=20)] = 5,
    answers: Answers = "short",
) -> "Pipeline":
    """A pipeline that writes a new instruction in the context of `examples` seeds of its topic.

    Wang et al. 2023 (arXiv:2212.10560), section 2.2, show 8 tasks, 6 of them human; small models have
    room for about 5. The novelty filter of section 2.3 is the gate `novelty`.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.steps import Ask, answer, draw_items

    params = {"examples": examples, "answers": answers}
    with Pipeline(name="self-instruct") as pipeline:
        items = draw_items(plan, batch_rows, examples=examples)
        write = Ask(name="instruction", llm=llm, template="self_instruct", column="instruction")
        last = to_candidates(llm, "self_instruct", params)
        items >> write >> answer(llm, ANSWER_TEMPLATES[answers]) >> last
    return pipeline


@generator("self_instruct_tasks", version="1", templates=lambda _: TASK_TEMPLATES, checked_by="novelty")
def self_instruct_tasks(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    examples: Annotated[int, Field(ge=1, le=20)] = 8,
    generated: Annotated[int, Field(ge=0, le=20)] = 2,
    tasks: Annotated[int, Field(ge=1, le=20)] = 7,
    pool_every: Annotated[int, Field(ge=1, le=10_000)] = 40,
    filters: list[Filter] = [*FILTERS],  # noqa: B006  (a signature read as a schema; never mutated)
    max_rouge_l: Annotated[float, Field(gt=0, le=1)] = 0.7,
    instances: Annotated[int, Field(ge=1, le=20)] = 5,
) -> "Pipeline":
    """A pipeline that makes tasks with their instances from seeds and from the tasks that it made before.

    Wang et al. 2023 (arXiv:2212.10560), sections 2.2 and 2.3; the defaults are theirs: 8 examples of which 2
    are the pool's own, 9 to 15 as the numbers of the new tasks, a ROUGE-L of less than 0.7. As published: 5
    calls between two looks at the pool, so some 40 tasks, and at most 5 instances of a task.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.instruction import task_steps as steps
    from synth_stack.generators.instruction.task_pool import TaskPool

    params = {
        "examples": examples,
        "generated": generated,
        "tasks": tasks,
        "pool_every": pool_every,
        "filters": filters,
        "max_rouge_l": repr(max_rouge_l),
        "instances": instances,
    }
    ids, texts = (plan.corpus.seeds[name].to_pylist() for name in ("seed_id", "text"))
    pool = TaskPool(dict(zip(ids, texts, strict=True)), max_rouge_l)
    write, kind, first, _ = TASK_TEMPLATES
    with Pipeline(name="self-instruct-tasks") as pipeline:
        items = steps.DrawTasks(name="items", batch_size=batch_rows, tasks=tasks, pool_every=pool_every)
        show = steps.ShowTasks(name="show", examples=examples, generated=generated)
        ask = steps.WriteTasks(name="instruction", llm=llm, template=write, column="instruction")
        drop = steps.FilterTasks(name="filter", filters=filters, max_rouge_l=max_rouge_l)
        judge = steps.AskKind(name="kind", llm=llm, template=kind, column="kind", part="judge")
        example = steps.AskInstances(
            name="instances",
            llm=llm,
            template=first,
            column="instances",
            instances=instances,
            single_line=False,
        )
        items._plan = replace(plan, examples=examples)
        for step in (items, show, drop):
            step._pool = pool
        last = steps.ToTaskRows(**record_origin(llm, "self_instruct_tasks", "1", params))
        items >> show >> ask >> drop >> judge >> example >> last
    return pipeline


@generator("magpie", version=VERSION, templates=_list_opening)
def magpie(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    turns: Annotated[int, Field(ge=1, le=5)] = 1,
    answers: Answers = "short",
    system: System = "topic",
    tags: list[TagName] = [],  # noqa: B006  (a signature read as a schema; never mutated)
) -> "Pipeline":
    """A pipeline that lets the model write the user's turn from its pre-query tokens alone.

    Xu et al. 2024 (arXiv:2406.08464), section 2.1: with `system: none` there is no system prompt and no seed,
    as there; else the topic is the system prompt. Several `turns` as in their section 2.2: the pre-query
    tokens stand after the conversation so far. `tags` are asked of the models that the recipe names as judge
    and reward (section 3), and of no other. Raises ConfigError for a teacher whose chat format is not known.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.instruction.magpie import AnswerTurn, AskMagpie, ToConversations
    from synth_stack.generators.instruction.tag_steps import list_tag_steps
    from synth_stack.generators.steps import draw_items, name_column

    if llm.chat_format is None:
        raise ConfigError(
            "magpie needs a teacher whose chat format is known",
            mend="Set teacher.chat_format, or teacher.tokenizer, or leave the method out.",
        )
    if len(set(tags)) < len(tags):
        raise ConfigError("magpie: a tag is named twice", seen=", ".join(tags))
    with Pipeline(name="magpie") as pipeline:
        last = draw_items(plan, batch_rows)
        for turn in range(1, turns + 1):
            asked, said = name_column("instruction", turn), name_column("answer", turn)
            ask = AskMagpie(
                name=asked,
                llm=llm,
                only_instruction=True,
                template=_name_opening(system, turns),
                turn=turn,
                single_line=system == "topic",
            )
            reply = AnswerTurn(name=said, llm=llm, turn=turn, **_answering(said, answers))
            last = last >> ask >> reply
        for tag in list_tag_steps(llm, tags):
            last = last >> tag
        params: dict[str, Any] = {"turns": turns, "answers": answers, "system": system, "tags": tags}
        params["chat_format"] = llm.chat_format
        origin = record_origin(llm, "magpie", VERSION, params)
        last >> ToConversations(turns=turns, seeded=system == "topic", **origin)
    return pipeline


@generator("evol_instruct", version=VERSION, templates=_list_evolving)
def evol_instruct(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    rounds: Annotated[int, Field(ge=1, le=4)] = 1,
    judge_gain: bool = False,
    sorry_words: Annotated[int, Field(ge=0, le=1_000)] = SORRY_WORDS,
    answers: Answers = "short",
    keep: Literal["last", "all"] = "last",
    domain: Domain = "general",
) -> "Pipeline":
    """A pipeline that evolves one seed in `rounds`, each by an operator of its own, in depth or in breadth.

    Xu et al. 2023 (arXiv:2304.12244), section 3.2; they evolve four times (section 4.1). An evolved
    instruction that is eliminated is dropped, and the next round starts from the one before it. `judge_gain`
    also asks the teacher whether anything was gained: a third call a round. `sorry_words` is theirs too; 0
    is for a desk that says sorry as it answers. With `keep: all` every instruction that was kept is a row, as
    in the paper. `domain: code` evolves by the heuristics of WizardCoder (Luo et al. 2023, arXiv:2306.08568).
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.instruction.evol_steps import (
        AnswerTrial,
        Eliminate,
        Evolve,
        JudgeGain,
        ToEvolvedRows,
    )
    from synth_stack.generators.steps import draw_items, name_column

    with Pipeline(name="evol-instruct") as pipeline:
        last = draw_items(plan, batch_rows)
        for k in range(1, rounds + 1):
            evolved, judged, said = (name_column(what, k) for what in ("instruction", "gain", "answer"))
            last = last >> Evolve(
                name=evolved, llm=llm, column=evolved, round=k, domain=domain, part="rewriter"
            )
            if judge_gain:
                last = last >> JudgeGain(name=judged, llm=llm, template=GAIN, column=judged, part="judge")
            reply = AnswerTrial(name=said, llm=llm, sorry_words=sorry_words, **_answering(said, answers))
            last = last >> reply >> Eliminate(name=name_column("eliminate", k))
        params = {
            "rounds": rounds,
            "judge_gain": judge_gain,
            "sorry_words": sorry_words,
            "answers": answers,
            "keep": keep,
            "domain": domain,
        }
        last >> ToEvolvedRows(keep=keep, **record_origin(llm, "evol_instruct", VERSION, params))
    return pipeline


def to_candidates(llm: "Teacher", method: str, params: dict[str, Any]) -> Any:
    """The last step: candidate rows that name their method, teacher and parameters."""
    from synth_stack.generators.steps import ToCandidates

    return ToCandidates(**record_origin(llm, method, VERSION, params))


def _answering(column: str, answers: Answers) -> dict[str, Any]:
    return {"template": ANSWER_TEMPLATES[answers], "column": column, "single_line": False}
