"""Batches and slices of images that are distributed otherwise than real ones, or are less various.

Every image may be good and the set be wrong: darker than real photographs, all of one composition, all alike.
"""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import InputError
from synth_stack.gates.batch_samples import BatchSample
from synth_stack.gates.gate import Dial, Judge, Round, State
from synth_stack.gates.image_drift.canaries import plant_real, plant_shifts
from synth_stack.gates.image_drift.effects import STATISTICS
from synth_stack.gates.image_drift.features import describe_layout
from synth_stack.gates.image_drift.outcome import GATE, ImageDriftSettings, measure_batch, write_verdicts
from synth_stack.gates.image_drift.real_images import RealImages, open_real_images
from synth_stack.gates.image_drift.sampling import sketch_images
from synth_stack.gates.resources import Resources
from synth_stack.images.decoding import Pixels, require_pillow
from synth_stack.models.image_text import load_image_text
from synth_stack.registry import FilePath, gate

Bar = Annotated[float, Field(gt=0, lt=1)]
_PLANTED = 20


class ImageEnvelope(BaseModel):
    """The bar of each statistic, which the lower end of its interval has to pass; null switches it off.

    Chosen on one half of the images of benchmarks/images.py --drift, and measured on the other.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    lightness: Bar | None = 0.25
    contrast: Bar | None = 0.25
    colour: Bar | None = 0.25
    warmth: Bar | None = 0.25
    blur: Bar | None = 0.25
    detail: Bar | None = 0.25
    apparent: Bar | None = 0.6
    narrow: Bar | None = 0.3

    def list_bars(self) -> dict[str, float]:
        """The statistics that are on, with their bars."""
        return {name: bar for name, bar in self.model_dump().items() if bar is not None}


_ENVELOPE = ImageEnvelope()


@gate(GATE, version="1", reads=(), harm="spread")
def image_drift(
    resources: Resources,
    *,
    real: FilePath | None = None,
    model: FilePath | None = None,
    envelope: ImageEnvelope = _ENVELOPE,
    min_rows: Annotated[int, Field(ge=30)] = 50,
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
) -> Judge:
    """A judge that holds a batch, or a slice, that is further from `real` images than `envelope` allows.

    `real` is a folder of images, read as `curate` reads one: a slice is compared with the real images of that
    name, where both have `min_rows`. Up to 1,000 images of the batch and 200 of each slice are compared with
    as many real ones: lightness, contrast, colour, warmth, blur, detail (Kolmogorov-Smirnov), whether a
    classifier tells them apart (`apparent`), and how much fewer different images there are (`narrow`, Vendi).
    The last two are of colours and directions in 4 x 4 cells, or of the vectors of `model`, a folder of
    transformers (CLIP, SigLIP).

    The score is the lower end over its bar of the statistic that is furthest out; above 1 a group is held.
    Without real images every row is abstained on. Default of `min_rows`: with fewer no interval passes a bar.
    Raises InputError, ModelError, MissingExtra.
    """
    require_pillow()
    images = None if real is None else _open(real)
    embedder = None if model is None else load_image_text(Path(model))
    describe = describe_layout if embedder is None else embedder.embed_image
    bars = envelope.list_bars()
    settings = ImageDriftSettings(bars, min_rows, seed)

    @cache
    def sample() -> BatchSample | None:
        return None if images is None else images.sample(describe)

    @cache
    def planted() -> tuple[Pixels, ...]:
        return () if images is None else tuple(images.draw(_PLANTED, seed))

    return Judge(
        judge=_judge,
        rounds=(
            Round(
                partial(sketch_images, folder=resources.attachments, describe=describe),
                lambda sketches, state: measure_batch(sketches, state, settings=settings, real=sample()),
            ),
        ),
        facts={
            "real": _describe(images),
            "model": None if embedder is None else {"name": embedder.name, "files": dict(embedder.files)},
        },
        plant=lambda table, n, start: plant_shifts(table, n, start, statistics=list(bars), real=planted()),
        control=lambda table, n, start: plant_real(table, n, start, real=planted()),
        off=tuple(name for name in STATISTICS if name not in bars),
        dials=tuple(
            Dial(
                bar,
                ">",
                (f"{GATE}.{name}",),
                parameter=f"envelope.{name}",
                score=f"low.{name}",
                outcome="hold",
            )
            for name, bar in bars.items()
        ),
    )


def _judge(table: pa.Table, state: State) -> pa.Table:
    return write_verdicts(table, state)


def _open(path: str) -> RealImages:
    if not Path(path).is_dir():
        raise InputError("the real images are no folder", seen=Path(path).name, mend="Check the path.")
    return open_real_images(Path(path))


def _describe(images: RealImages | None) -> Mapping[str, object] | None:
    if images is None:
        return None
    folder = images.images
    return {"name": folder.name, "sha256": folder.sha256, "images": len(folder.files)}
