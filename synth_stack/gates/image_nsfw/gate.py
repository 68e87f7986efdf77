"""Pornographic images, as Yahoo's Open NSFW sees them; a label for people, and no proof of safety."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.canaries import build_control
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.resources import Resources
from synth_stack.images.attached import attach_inline, list_attached
from synth_stack.images.decoding import Pixels, require_pillow
from synth_stack.images.looks import WantedMeasure, map_looks, want
from synth_stack.images.planting import draw_texture, write_png
from synth_stack.models.open_nsfw import NsfwModel, load_open_nsfw, prepare_image
from synth_stack.registry import gate
from synth_stack.rows.schemas import build_candidates, build_verdicts

EXPLICIT = "image_nsfw.explicit"
_NO_IMAGE = ("there is no image that can be decoded", "image_nsfw.no_image")
_DECIMALS = 4


@gate("image_nsfw", version="1", reads=())
def image_nsfw(
    resources: Resources,
    *,
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.8,
    action: Literal["hold", "reject"] = "hold",
) -> Judge:
    """A judge that holds (or rejects) an image with a probability of being pornographic above `threshold`.

    The score is that probability. A row without an image that can be decoded is abstained on. It plants no
    canaries: none are shipped.

    Defaults: 0.8, above which the makers of the model call an image not safe (below 0.2 safe); to hold,
    since the model is wrong on skin, food and art. Raises MissingExtra and ModelError.
    """
    require_pillow()
    model = load_open_nsfw()
    wanted = want(f"open_nsfw:{model.sha256}", partial(_measure, model=model))
    return Judge(
        judge=partial(
            _judge, folder=resources.attachments, wanted=wanted, threshold=threshold, action=action
        ),
        facts={"model": "Open NSFW", "license": "BSD-2-Clause", "sha256": model.sha256},
        control=_plant_safe,
        dials=(Dial(threshold, ">", (EXPLICIT,), parameter="threshold", outcome="action"),),
    )


def _judge(
    table: pa.Table,
    _: State,
    *,
    folder: Path | None,
    wanted: WantedMeasure,
    threshold: float,
    action: Literal["hold", "reject"],
) -> pa.Table:
    seen = map_looks(folder, list_attached(table), wanted=wanted)
    scores = [None if read.look is None else read.look.wanted[wanted.name] for read in seen]
    said = [_say(score, threshold, action) for score in scores]
    return build_verdicts(
        table["row_id"],
        "image_nsfw",
        [outcome for outcome, _, _ in said],
        scores=scores,
        threshold=threshold,
        reasons=[reason for _, reason, _ in said],
        reason_classes=[reason_class for _, _, reason_class in said],
    )


def _measure(pixels: Pixels, *, model: NsfwModel) -> float:
    return round(float(model.score(prepare_image(pixels)[None])[0]), _DECIMALS)


def _say(score: float | None, threshold: float, action: str) -> tuple[str, str | None, str | None]:
    if score is None:
        return "abstain", *_NO_IMAGE
    if score > threshold:
        return action, f"explicit: probability {score}, allowed up to {threshold}", EXPLICIT
    return "accept", None, None


def _plant_safe(_: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` images of blocks and grain."""
    words = [{"role": "text", "content": ""}]
    rows = [
        build_control("image", words, "a texture", number, kind="texture")
        | {"text": None, "attachments": [attach_inline(write_png(draw_texture(seed % 2**31 + number)))]}
        for number in range(n)
    ]
    return build_candidates(rows)
