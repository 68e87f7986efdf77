"""Images that do not show what their prompt asks for, as a model of images and texts sees it.

Such a model sees what is there, and hardly how many, where, or in which colour what (Yuksekgonul et al. 2023,
"When and why vision-language models behave like bags-of-words"). A pass is a label and no proof.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Dial, Judge, State
from synth_stack.gates.resources import Resources
from synth_stack.images.attached import AttachedFile, list_attached, map_threads, read_attached
from synth_stack.images.decoding import require_pillow
from synth_stack.models.image_text import ImageTextModel, Vectors, load_image_text
from synth_stack.registry import FilePath, gate
from synth_stack.rows.schemas import build_verdicts
from synth_stack.text.fields import read_asked

GATE = "image_prompt"
ANOTHER = f"{GATE}.shows_another_thing"
_DECIMALS = 4
_TEXTS = 256
"""Prompts that are read at once."""


@gate(GATE, version="1", reads=("content",))
def image_prompt(
    resources: Resources,
    *,
    model: FilePath | None = None,
    threshold: Annotated[float, Field(gt=-1, lt=1)] | None = None,
    action: Literal["reject", "hold"] = "hold",
) -> Judge:
    """A judge that holds (or rejects) an image whose likeness to its prompt is below `threshold`.

    The score is the cosine of image and prompt in the space of `model`, a folder of transformers (CLIP,
    SigLIP) whose weights are safetensors. Where it lies for a fit differs from model to model and from prompt
    to prompt, so the threshold has no default: look at the scores of a few hundred rows first. Without a
    model, an image or a prompt a row is abstained on. It plants nothing: which images a model is right on is
    not known here, so it can be found neither blind nor unfair.

    Raises ConfigError for a model without a threshold or the reverse, ModelError, MissingExtra.
    """
    require_pillow()
    if (model is None) != (threshold is None):
        raise ConfigError(
            "image_prompt needs a model and a threshold together, or neither", seen="one of them"
        )
    loaded = None if model is None else load_image_text(Path(model))
    bar = 0.0 if threshold is None else threshold
    return Judge(
        judge=partial(_judge, folder=resources.attachments, model=loaded, threshold=bar, action=action),
        facts={} if loaded is None else {"model": loaded.name, "files": dict(loaded.files)},
        dials=()
        if loaded is None
        else (Dial(bar, "<", (ANOTHER,), parameter="threshold", outcome="action"),),
    )


def _judge(
    table: pa.Table,
    _: State,
    *,
    folder: Path | None,
    model: ImageTextModel | None,
    threshold: float,
    action: str,
) -> pa.Table:
    prompts = read_asked(table).to_list()
    scores: Sequence[float | None] = [None] * len(table)
    if model is not None:
        scores = list(_score(list_attached(table), prompts, folder, model))
    said = [_say(score, threshold, action, known=model is not None) for score in scores]
    return build_verdicts(
        table["row_id"],
        GATE,
        [outcome for outcome, _, _ in said],
        scores=scores,
        threshold=None if model is None else threshold,
        reasons=[reason for _, reason, _ in said],
        reason_classes=[reason_class for _, _, reason_class in said],
    )


def _score(
    files: Sequence[AttachedFile | None],
    prompts: Sequence[str | None],
    folder: Path | None,
    model: ImageTextModel,
) -> Iterator[float | None]:
    def look(file: AttachedFile | None) -> Vectors | None:
        image = read_attached(folder, file).image
        return None if image is None else model.embed_image(image.pixels)

    for first in range(0, len(files), _TEXTS):
        asked = [prompt or "" for prompt in prompts[first : first + _TEXTS]]
        texts = model.embed_texts(asked)
        seen = map_threads(look, files[first : first + _TEXTS])
        for prompt, text, image in zip(asked, texts, seen, strict=True):
            yield None if image is None or not prompt.strip() else round(float(text @ image), _DECIMALS)


def _say(
    score: float | None, threshold: float, action: str, *, known: bool
) -> tuple[str, str | None, str | None]:
    if not known:
        return "abstain", "no model is named that could compare image and prompt", f"{GATE}.no_model"
    if score is None:
        return "abstain", "there is no image that can be decoded, or no prompt", f"{GATE}.nothing_to_compare"
    if score < threshold:
        return action, f"shows another thing than asked: likeness {score}, allowed from {threshold}", ANOTHER
    return "accept", None, None
