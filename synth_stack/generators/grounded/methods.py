"""Grounded pairs: the teacher words a question of a slice, and sentences of the slice's section answer it.

For desks with written policies and teachers too small to be trusted with them: no model writes anything in an
answer. Returns a real distilabel Pipeline for a teacher and a plan.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.generation.provenance import record_origin
from synth_stack.generators.grounded.phrasings import Phrasings, read_phrasings
from synth_stack.models.files import MINILM, MINILM_TOKENIZER, find_model
from synth_stack.registry import FilePath, generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_METHOD = "grounded_pairs"

Wording = Literal["chosen", "free"]

KEPT_NEARNESS = 0.5
"""MiniLM's cosine between a draft and its rewording, at least."""


def record_phrasings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the digest of the phrasings in the place of their path."""
    path = params["phrasings"]
    found = {"found": {"sha256": read_phrasings(path).digest}} if path else None
    return {**params, "phrasings": found}


def _list_templates(params: Mapping[str, Any]) -> tuple[str, ...]:
    return ("grounded_question",) if params["phrasings"] else ("self_instruct",)


@generator(_METHOD, version=VERSION, templates=_list_templates, record=record_phrasings)
def grounded_pairs(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    phrasings: FilePath | None = None,
    wording: Wording | None = None,
    examples: Annotated[int, Field(ge=1, le=20)] = 2,
    sentences: Annotated[int, Field(ge=1, le=20)] = 5,
    min_nearness: Annotated[float, Field(ge=0, le=1)] = 0.2,
) -> "Pipeline":
    """A pipeline that words questions, and answers each with sentences of its slice's section, up to so many.

    With `phrasings` a draft is drawn for each row. `wording: chosen` lets the teacher choose among its
    wordings by its own likelihoods, under a grammar; `free` has it write the draft in its own words; null is
    the first for teachers that take a grammar, and else the second. Without `phrasings` the teacher writes a
    new message in the context of `examples` seeds, as in self_instruct.

    Raises ConfigError for a slice without a section or phrasings, phrasings that cannot be read, and chosen
    wordings of a teacher that takes no grammar; MissingExtra without the files of MiniLM.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.grounded.steps import AskQuestion, ComposeAnswer, ToGroundedRows

    known = read_phrasings(phrasings) if phrasings else None
    _check_slices(plan, known, phrasings)
    how = _find_wording(llm, known, wording)
    for source in (MINILM, MINILM_TOKENIZER):
        find_model(source)
    params = {
        "phrasings": known.digest if known else None,
        "wording": how,
        "examples": examples,
        "sentences": sentences,
        "min_nearness": repr(min_nearness),
    }
    with Pipeline(name="grounded-pairs") as pipeline:
        items = _draw_drafts(plan, batch_rows, known, examples)
        (template,) = _list_templates({"phrasings": phrasings})
        question = AskQuestion(
            name="instruction",
            llm=llm,
            template=template,
            column="instruction",
            whole=True,
            chosen=how == "chosen",
        )
        question._phrasings = known
        kept = KEPT_NEARNESS if known and how == "free" else None
        compose = ComposeAnswer(
            name="answer", sentences=sentences, min_nearness=min_nearness, kept_nearness=kept
        )
        rows = ToGroundedRows(wording=how, **record_origin(llm, _METHOD, VERSION, params))
        items >> question >> compose >> rows
    return pipeline


def _draw_drafts(plan: "Plan", batch_rows: int, known: Phrasings | None, examples: int) -> Any:
    from dataclasses import replace

    from synth_stack.generators.grounded.steps import DrawDrafts

    step = DrawDrafts(name="items", batch_size=batch_rows)
    step._plan, step._phrasings = replace(plan, examples=examples), known
    return step


def _find_wording(llm: "Teacher", known: Phrasings | None, asked: Wording | None) -> Wording:
    if asked != "chosen":
        return asked or ("chosen" if known and llm.takes_grammar else "free")
    if known is None:
        raise ConfigError(f"{_METHOD}: wording: chosen needs phrasings to choose from", seen="no phrasings")
    if not llm.takes_grammar:
        raise ConfigError(
            f"{_METHOD}: the teacher {llm.model_name} takes no grammar, so it cannot choose among wordings",
            mend="Set wording: free, or use the embedded teacher.",
        )
    return asked


def _check_slices(plan: "Plan", known: Phrasings | None, path: str | None) -> None:
    slices = sorted(set(plan.corpus.seeds["slice"].to_pylist()))
    topics = plan.corpus.topics
    _refuse(
        (slice_ for slice_ in slices if topics[slice_].policy is None),
        f"{_METHOD} answers from documents, and slices without a section have none",
        "Give each topic of the taxonomy its policy, and the recipe its documents.",
    )
    if known is not None:
        _refuse(
            (slice_ for slice_ in slices if slice_ not in known.slices),
            f"{Path(str(path)).name} has no phrasings for slices of the seeds",
            "Add them under slices.",
        )


def _refuse(slices: Iterable[str], what: str, mend: str) -> None:
    if found := list(slices):
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise ConfigError(what, seen=", ".join(found[:5]) + more, mend=mend)
