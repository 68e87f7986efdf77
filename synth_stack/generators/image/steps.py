"""The steps that make images: prompts filled in, conditions drawn, images made, rows with their files.

A row's files travel beside it as `files`, by their paths in the run; whoever commits the row writes them.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

from distilabel.models.llms.base import LLM
from distilabel.steps import Step, StepInput
from pydantic import Field, PrivateAttr

from synth_stack.diffusion.requests import Condition, ImageRequest, MadeImage
from synth_stack.errors import ConfigError, InputError
from synth_stack.generators.image.conditions import ConditionSet, DrawnCondition
from synth_stack.generators.steps import Ask, ToCandidates
from synth_stack.generators.template import Template
from synth_stack.images.attached import CONDITION, RESULT, map_threads
from synth_stack.images.decoding import Pixels
from synth_stack.images.pixel_digest import digest_pixels
from synth_stack.images.planting import write_png
from synth_stack.rows.canonical import canonical_text, derive_seed
from synth_stack.teachers.image_teacher import ImageTeacher

Row = dict[str, Any]

FOLDER = "images"
"""Where the images of a run lie, each under the first two digits of its digest, and its digest."""


class FillPrompts(Step):  # type: ignore[misc]  # distilabel has no types
    """Fills in the prompt of each row, with the variables that it draws."""

    variables: dict[str, list[str]] = Field(default_factory=dict)

    _prompt: Template = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["rng_seed", "slice", "seed", "title"]

    @property
    def outputs(self) -> list[str]:
        return ["asked", "drawn"]

    def process(self, inputs: StepInput) -> Any:
        yield [self._fill(row) for row in inputs]

    def _fill(self, row: Row) -> Row:
        drawn = {
            name: random.Random(derive_seed(row["rng_seed"], "variable", name)).choice(values)  # noqa: S311
            for name, values in sorted(self.variables.items())
        }
        (said,) = self._prompt.render({**row, **drawn}, seed=row["rng_seed"], prefers_raw=False)
        asked = " ".join(said["content"].split())
        ids = [*row.get("template_ids", []), self._prompt.template_id]
        failure = None if asked else "prompt: it is empty once it is filled in"
        return {**row, "asked": asked, "drawn": drawn, "template_ids": ids, "failure": failure}


class WritePrompts(Ask):
    """Asks a model of text to write out each prompt: the recipe's `models.rewriter`."""

    part: Any = "rewriter"

    def load(self) -> None:
        Step.load(self)  # what `unload` needs; the LLM is loaded once it is known to write
        if isinstance(self.llm, ImageTeacher):
            raise ConfigError(
                "prompts are written by a model of text, and the teacher makes images",
                mend="Name one as models.rewriter, or leave write_prompts out.",
            )
        super().load()


class MakeImages(Step):  # type: ignore[misc]  # distilabel has no types
    """Asks the teacher for the image of each row, from its prompt, its noise and its conditions."""

    llm: LLM
    size: tuple[int, int]
    steps: int
    guidance: float
    negative_prompt: str | None = None

    _conditions: ConditionSet = PrivateAttr()

    @property
    def inputs(self) -> list[str]:
        return ["asked", "slice", "rng_seed"]

    @property
    def outputs(self) -> list[str]:
        return ["image", "files"]

    def load(self) -> None:
        super().load()
        self.llm.load()

    def unload(self) -> None:
        self.llm.unload()
        super().unload()

    def process(self, inputs: StepInput) -> Any:
        rows = [self._draw(row) for row in inputs]
        asked = [number for number, row in enumerate(rows) if not row.get("failure")]
        futures = self.llm.make_images([self._request(rows[number]) for number in asked])
        made = (image for future in futures for image in future.result())
        for number, image in zip(asked, made, strict=True):
            rows[number] = _settle(rows[number], image)
        yield rows

    def _draw(self, row: Row) -> Row:
        if row.get("failure"):
            return row
        try:
            drawn = self._conditions.draw(row["slice"], row["rng_seed"], *self.size)
        except InputError as exc:
            return {**row, "failure": f"condition: {exc}"}
        return {**row, "conditions": drawn}

    def _request(self, row: Mapping[str, Any]) -> ImageRequest:
        told: Sequence[DrawnCondition] = row["conditions"]
        steering = tuple(
            Condition(each.use.kind, each.pixels, each.use.scale, each.use.start, each.use.end)
            for each in told
        )
        prompt = row.get("instruction") or row["asked"]
        width, height = self.size
        return ImageRequest(
            prompt,
            width,
            height,
            self.steps,
            self.guidance,
            row["rng_seed"],
            self.negative_prompt,
            steering,
        )


class ToImageRows(ToCandidates):
    """Turns finished items into candidate rows of kind image, each with its files beside it."""

    weights: list[dict[str, Any]]

    @property
    def inputs(self) -> list[str]:
        return ["draw", "slice", "seed_id", "rng_seed", "asked"]

    @property
    def outputs(self) -> list[str]:
        return ["kind", "attachments", "text", "failure", "draw"]

    def process(self, inputs: StepInput) -> Any:
        yield list(map_threads(self._candidate, inputs))  # to encode a large image takes a tenth of a second

    def _candidate(self, row: Row) -> Row:
        files: dict[str, bytes] = {}
        attached: list[Row] = []
        steered: list[Row] = []
        if row.get("image") is not None:
            attached.append(_attach(row["image"], RESULT, files))
            for each in row["conditions"]:
                map_ = _attach(each.pixels, CONDITION, files)
                attached.append(map_)
                steered.append(_describe(each, map_))
        prompt = row.get("instruction") or row["asked"]
        told = {
            "prompt": prompt,
            "asked": row["asked"] if prompt != row["asked"] else None,
            "variables": row["drawn"] or None,
            "conditions": steered or None,
        }
        extra: Row = {"image": {k: v for k, v in told.items() if v is not None}, "title": row["title"]}
        extra |= {name: row[name] for name in ("tokens", "spent") if row.get(name)}
        return {
            "kind": "image",
            "slice": row["slice"],
            "locale": row["locale"],
            "messages": [],
            "text": prompt,
            "attachments": attached,
            "failure": row.get("failure"),
            "extra": canonical_text(extra),
            **self._origin(row),
            "models": self._list_models(row),
            "params": canonical_text(self.params),
            "prompts": [*row.get("prompts", []), {"column": "image", "text": prompt}],
            "files": files,
        }

    def _list_models(self, row: Mapping[str, Any]) -> list[Row]:
        """Everything that the image is made with, the base first, and what wrote the prompt."""
        used = {f"control:{each.use.kind}" for each in row.get("conditions", ())}
        found = [
            {"part": each["part"].replace("base", "writer"), "name": each["name"], "digest": each["digest"]}
            for each in self.weights
            if not each["part"].startswith("control:") or each["part"] in used | {"control:union"}
        ]
        return [*found, *({"part": part, **self._models[part]} for part in row.get("parts", ()))]


def _settle(row: Row, made: MadeImage) -> Row:
    failure = None if made.pixels is not None else f"image: {made.failure}"
    return {**row, "image": made.pixels, "failure": failure}


def _attach(pixels: Pixels, role: str, files: dict[str, bytes]) -> Row:
    """The attachment of an image, whose file is put among `files` under a path made of its digest."""
    data = write_png(pixels)
    digest = hashlib.sha256(data).hexdigest()
    path = f"{FOLDER}/{digest[:2]}/{digest}.png"
    files[path] = data
    height, width = pixels.shape[:2]
    return {
        "path": path,
        "sha256": digest,
        "mime": "image/png",
        "role": role,
        "pixels_sha256": digest_pixels(pixels),
        "width": width,
        "height": height,
    }


def _describe(drawn: DrawnCondition, attached: Mapping[str, Any]) -> Row:
    """What a row says of one of its conditions."""
    use = drawn.use
    return {
        "kind": use.kind,
        "sha256": attached["sha256"],
        "scale": repr(use.scale),
        "start": repr(use.start),
        "end": repr(use.end),
        **drawn.how,
        "source": {"file": drawn.source, "sha256": drawn.source_sha256, "license": use.license},
    }
