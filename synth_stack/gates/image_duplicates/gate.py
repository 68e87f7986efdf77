"""Copies of images: of one another within a batch, of real ones, and of images that a model is evaluated on.

A perceptual hash of each image, and of windows of it, in all eight ways in which it can lie, proposes pairs
(perceptual_hash.py, band_index.py); the correlation of their thumbnails, tile by tile, and of their texture
decides (alignment.py). One gate for all three, since they are one question asked of three sets; the reason
class says of which.
"""

from functools import partial
from typing import Annotated

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.image_duplicates.canaries import plant_copies, plant_new
from synth_stack.gates.image_duplicates.greedy_star import LEAST
from synth_stack.gates.image_duplicates.image_sets import NamedImages, NamedImageSet, open_sets
from synth_stack.gates.image_duplicates.outcome import decide_twins, sketch_thumbnails
from synth_stack.gates.image_duplicates.verdicts import (
    EVAL_IMAGE,
    NEAR_DUPLICATE,
    REAL_IMAGE,
    write_verdicts,
)
from synth_stack.gates.resources import Resources
from synth_stack.images.decoding import require_pillow
from synth_stack.registry import gate

HASH_SCHEME = "synth_stack/image-hash/v1"


@gate("image_duplicates", version="2", reads=())
def image_duplicates(
    resources: Resources,
    *,
    threshold: Annotated[float, Field(ge=LEAST, lt=1)] = 0.8,
    against: Annotated[list[NamedImageSet], Field(max_length=100)] = [],  # noqa: B006  (read, never changed)
) -> Judge:
    """A judge that rejects an image that is like one that stays by more than `threshold`, and names it.

    Of images that are alike the one with the most pixels stays; images of `against` always do. The score is
    the greatest likeness to an image that stays, 0 where nothing was near. Evidence of a reject: the twin (or
    set and item), the likeness, how one lies on the other, and which part of which it is. An image with too
    little in it is compared by its pixels alone, and else abstained on; so is a row without an image.

    Default: 0.8, which benchmarks/images.py weighs on a planted set. Raises InputError, MissingExtra.
    """
    require_pillow()
    folder, sets = resources.attachments, open_sets(against)
    classes = (NEAR_DUPLICATE, EVAL_IMAGE, REAL_IMAGE)
    return Judge(
        judge=partial(_judge, threshold=threshold, sets=sets),
        rounds=(
            Round(
                partial(sketch_thumbnails, folder=folder),
                partial(decide_twins, threshold=threshold, sets=sets),
            ),
        ),
        facts={
            "hash": HASH_SCHEME,
            "sets": [
                {"name": each.name, "what": each.what, "sha256": each.sha256, "images": len(each.files)}
                for each in sets
            ],
        },
        plant=partial(plant_copies, folder=folder),
        control=plant_new,
        dials=(Dial(threshold, ">", classes, parameter="threshold", lowest=LEAST),),
    )


def _judge(table: pa.Table, state: State, *, threshold: float, sets: tuple[NamedImages, ...]) -> pa.Table:
    return write_verdicts(table, state, threshold=threshold, sets=sets)
