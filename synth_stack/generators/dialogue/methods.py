"""Dialogues: trees that grow from a single-turn seed, of which every path is a row.

The first level varies who asks, the ones below what they ask next; what paths share is asked once. Returns
a real distilabel Pipeline for a teacher and a plan.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from synth_stack.generation.provenance import record_origin
from synth_stack.generators.dialogue.personas import PersonaFile, digest_personas, read_personas
from synth_stack.generators.dialogue.trees import Shape
from synth_stack.registry import generator

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_METHOD = "dialogue_tree"
_OPENING, _FOLLOW_UP, _REPLY = "dialogue_opening", "dialogue_follow_up", "dialogue_reply"


def record_personas(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the digest and the number of the personas in the place of their path."""
    personas = read_personas(PersonaFile.model_validate(params["personas"]))
    return {**params, "personas": {"found": {"sha256": digest_personas(personas), "personas": len(personas)}}}


@generator(
    _METHOD,
    version=VERSION,
    checked_by="turns",
    templates=lambda params: (_OPENING, _FOLLOW_UP, _REPLY),
    record=record_personas,
)
def dialogue_tree(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    personas: PersonaFile,
    depth: Annotated[int, Field(ge=1, le=6)] = 3,
    fan_out: Annotated[int, Field(ge=1, le=4)] = 2,
    paths: Annotated[int, Field(ge=1, le=64)] = 4,
    max_calls: Annotated[int, Field(ge=2, le=1_000)] | None = None,
) -> "Pipeline":
    """A pipeline that grows trees of `depth` exchanges and takes `paths` of their leaves as rows.

    Each node has up to `fan_out` children. Three exchanges are the fewest in which a customer can come back
    to what was said; of their 8 leaves 4 are taken, two for each of two personas on average, and a row costs
    4.6 calls where a dialogue alone takes 6. Without `max_calls` a tree costs whatever its paths need.

    Raises InputError or ConfigError for personas that cannot be used, and ConfigError for a tree that has
    too few leaves or cannot keep to its budget.
    """
    from distilabel.pipeline import Pipeline

    shape = Shape(depth, fan_out, paths, max_calls)
    shape.check(_METHOD)
    known = read_personas(personas)
    with Pipeline(name="dialogue-tree") as pipeline:
        last = _draw_paths(plan, batch_rows, shape, known)
        for level in range(1, depth + 1):
            ask = _ask(llm, "user", level, _OPENING if level == 1 else _FOLLOW_UP)
            last = last >> ask >> _ask(llm, "assistant", level, _REPLY)
        last >> _to_rows(llm, shape, digest_personas(known))
    return pipeline


def _draw_paths(plan: "Plan", batch_rows: int, shape: Shape, personas: Any) -> Any:
    """The first step: whole trees within `batch_rows` rows, one at least."""
    from synth_stack.generators.dialogue.steps import DrawPaths

    whole_trees = max(batch_rows // shape.paths, 1) * shape.paths
    step = DrawPaths(
        name="items",
        batch_size=whole_trees,
        depth=shape.depth,
        fan_out=shape.fan_out,
        paths=shape.paths,
        max_calls=shape.max_calls,
    )
    step._plan, step._personas = plan, personas
    return step


def _ask(llm: "Teacher", role: str, level: int, template: str) -> Any:
    from synth_stack.generators.dialogue.steps import AskTurn

    name = f"{role}_{level}"
    return AskTurn(
        name=name,
        llm=llm,
        template=template,
        column=name,
        single_line=role == "user",
        role=role,
        level=level,
    )


def _to_rows(llm: "Teacher", shape: Shape, personas: str) -> Any:
    from synth_stack.generators.dialogue.steps import ToDialogues

    params = {
        "personas": personas,
        "depth": shape.depth,
        "fan_out": shape.fan_out,
        "paths": shape.paths,
        "max_calls": shape.max_calls,
    }
    return ToDialogues(**record_origin(llm, _METHOD, VERSION, params))
