"""Images from prompts: the method `text_to_image`. Returns a real distilabel Pipeline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from synth_stack.diffusion.requests import Condition, ImageRequest
from synth_stack.errors import ConfigError
from synth_stack.generation.provenance import record_origin
from synth_stack.generators.image.conditions import ConditionUse, open_conditions, record_conditions
from synth_stack.generators.template import Template, make_template
from synth_stack.registry import generator
from synth_stack.teachers.image_teacher import ImageTeacher

if TYPE_CHECKING:
    from distilabel.pipeline import Pipeline

    from synth_stack.generation.draws import Plan
    from synth_stack.teachers.teacher import Teacher

VERSION = "1"
_METHOD = "text_to_image"
_WRITTEN = "image_prompt"
"""The template by which a model of text writes a prompt out."""
PROMPT_TOKENS = 77
"""What the text encoder of CLIP reads of a prompt (Radford et al. 2021, section 2.4: 76 and an end)."""
_TAKEN = frozenset("draw slice rng_seed about title description grounding seed_id seed locale".split())


def _check_variables(variables: dict[str, list[str]]) -> dict[str, list[str]]:
    for name, values in variables.items():
        if not name.isidentifier() or name in _TAKEN:
            raise ValueError(f"{name!r} is no name of a variable, or that of a column of every row")
        if not values:
            raise ValueError(f"{name} has no value to draw")
    return variables


def _list_templates(params: Mapping[str, Any]) -> tuple[str | Template, ...]:
    own = make_template(_METHOD, params["prompt"], max_tokens=PROMPT_TOKENS)
    return (own, _WRITTEN) if params["write_prompts"] else (own,)


def _record(params: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: repr(value) if isinstance(value, float) else value for name, value in params.items()}
    return {**numbers, "conditions": record_conditions(params["conditions"])}


@generator(_METHOD, version=VERSION, templates=_list_templates, record=_record)
def text_to_image(
    llm: "Teacher",
    plan: "Plan",
    batch_rows: int,
    *,
    prompt: Annotated[str, Field(min_length=1, max_length=10_000)] = "{{ seed }}",
    negative_prompt: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None,
    variables: Annotated[dict[str, list[str]], AfterValidator(_check_variables)] = {},  # noqa: B006
    write_prompts: bool = False,
    width: Annotated[int, Field(ge=16, le=4096)] = 1024,
    height: Annotated[int, Field(ge=16, le=4096)] = 1024,
    steps: Annotated[int, Field(ge=1, le=1_000)] | None = None,
    guidance: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] | None = None,
    conditions: list[ConditionUse] = [],  # noqa: B006  (a signature read as a schema; never mutated)
) -> "Pipeline":
    """A pipeline that asks a diffusion teacher for an image of each draw.

    `prompt` is a Jinja template over the draw (`seed`, `slice`, `title`, `description`, `about`) and the
    `variables`, of each of which a row draws one value. With `write_prompts` the recipe's `models.rewriter`
    writes it out. 1024 x 1024 is the size that SDXL, FLUX.1 and SD3.5 were trained on; `steps` and `guidance`
    are by default those of the family's class in diffusers.

    Raises ConfigError for a teacher that makes no images, a size, negative prompt or condition that it does
    not take, and InputError for conditions that cannot be read or that a slice has none of.
    """
    from distilabel.pipeline import Pipeline

    from synth_stack.generators.image.steps import FillPrompts, MakeImages, ToImageRows, WritePrompts
    from synth_stack.generators.steps import draw_items

    if not isinstance(llm, ImageTeacher):
        raise ConfigError(
            f"the method {_METHOD} needs a teacher that makes images",
            seen=llm.model_name,
            mend="Set teacher: {use: diffusion, model: ..., license: ...}.",
        )
    steps = steps if steps is not None else llm.family.steps
    guidance = guidance if guidance is not None else llm.family.guidance
    black = np.zeros((1, 1, 3), np.uint8)
    told = tuple(Condition(each.kind, black, each.scale, each.start, each.end) for each in conditions)
    llm.require(ImageRequest(prompt, width, height, steps, guidance, 0, negative_prompt, told))
    found = open_conditions(conditions)
    found.require(sorted(set(plan.corpus.seeds["slice"].to_pylist())))

    params = {
        "negative_prompt": negative_prompt,
        "size": [width, height],
        "steps": steps,
        "guidance": repr(guidance),
        "write_prompts": write_prompts,
    }
    with Pipeline(name="text-to-image") as pipeline:
        filled = FillPrompts(name="prompt", variables=variables)
        filled._prompt = make_template(_METHOD, prompt, max_tokens=PROMPT_TOKENS)
        last = draw_items(plan, batch_rows) >> filled
        if write_prompts:
            last = last >> WritePrompts(name="instruction", llm=llm, template=_WRITTEN, column="instruction")
        made = MakeImages(
            name="image",
            llm=llm,
            size=(width, height),
            steps=steps,
            guidance=guidance,
            negative_prompt=negative_prompt,
        )
        made._conditions = found
        origin = record_origin(llm, _METHOD, VERSION, params)
        last >> made >> ToImageRows(weights=[dict(each) for each in llm.weights], **origin)
    return pipeline
