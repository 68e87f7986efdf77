"""What a card says of images: how they are loaded, what is there, and some of them to look at."""

from collections.abc import Mapping
from typing import Any

from synth_stack.images.store import STORE
from synth_stack.packs.card.figures import format_count
from synth_stack.packs.card.markdown import code, fence, prose, table
from synth_stack.packs.images import ImageCounts, PackedImage
from synth_stack.runs.locks import RecipeLock

_LOAD = f'images = load_dataset("PATH_OR_REPOSITORY", data_dir="{STORE}", split="train")'
_NOTE = (
    "The column `image` is what a row hands over, `condition` the images that steered its making, and "
    "`row_id` leads back to the row and its record. `sha256` is the digest of the file as it was made, and "
    "`pixels_sha256` that of its pixels, which stays where a file is encoded again without loss: "
    "`synth-stack trace PATH FILE` finds the row of an image, wherever it turned up."
)
_SIDE = 160
_COLUMNS = 4


def render_images(images: ImageCounts | None) -> list[str]:
    """The section on images, with one of each of some slices; nothing for rows without any."""
    if images is None:
        return []
    return [
        "## Images",
        fence(_LOAD, "python"),
        f"{format_count(images.files, 'image file')} in `{STORE}/`. {_NOTE}",
        *_render_samples(images),
    ]


def _render_samples(images: ImageCounts) -> list[str]:
    if not images.samples:
        return []
    cells = [_render_sample(each) for each in images.samples]
    cells += [""] * (-len(cells) % _COLUMNS if len(cells) > _COLUMNS else 0)
    width = min(_COLUMNS, len(cells))
    rows = [cells[first : first + width] for first in range(0, len(cells), width)]
    return ["One of each of some slices:", table([" "] * width, rows)]


def _render_sample(image: PackedImage) -> str:
    """A name in a pack is made of digits and a known ending: it needs no escaping."""
    shown = f'<img src="{image.name}" alt="row {image.row_id}" width="{_SIDE}">'
    return f"{shown}<br>{prose(image.slice or 'no slice')}"


_CONDITIONS = "conditions"
"""What a lock says of a method: what steers its images."""


def render_licences(recipe: RecipeLock) -> list[str]:
    """The licences of the weights that made images, and of what their conditions were drawn from, as the
    recipe states them; nothing for a recipe that has neither.
    """
    weights = [] if recipe.teacher is None else recipe.teacher.weights
    conditions = [each for method in recipe.methods for each in _list_conditions(method.params)]
    parts: list[str] = []
    if weights:
        lines = [[_say(each, name) for name in ("part", "name", "license", "digest")] for each in weights]
        parts += ["Weights:", table(("Part", "Name", "Licence", "SHA-256"), lines)]
    if conditions:
        lines = [[_say(each, name) for name in ("kind", "license")] for each in conditions]
        models = [
            [code(part), *(_say(told, name) for name in ("name", "license", "sha256"))]
            for each in conditions
            for part in ("estimator", "detector")
            if isinstance(told := each.get(part), Mapping)
        ]
        parts += [
            "Conditions were drawn from files under these licences; each row names its file with the digest, "
            "and no such file is in the pack:",
            table(("Condition", "Licence"), lines),
        ]
        if models:
            parts += ["Models that drew them:", table(("Part", "Name", "Licence", "SHA-256"), models)]
    return parts


def _list_conditions(params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    told = params.get(_CONDITIONS)
    return [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []


def _say(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return "not stated" if value is None else code(str(value))
