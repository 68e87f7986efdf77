"""What the gate plants: images beside the condition of another image, and beside their own.

Where a model sees images, it draws the conditions of some images of the batch, and what is planted asks for
the opposite: other depths, another place, other labels. Nothing of a kind is planted where the model finds
nothing of it in them, such as people.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.image_conditions.agreement import find_edges
from synth_stack.gates.image_conditions.measures import ConditionModels
from synth_stack.images.attached import CONDITION, attach_inline
from synth_stack.images.condition_maps import colour_of, draw_boxes, draw_depths, draw_labels, share_boxes
from synth_stack.images.conditions import (
    CONDITIONS,
    IMAGE,
    LabelledPixelBox,
    describe_boxes,
    describe_conditions,
    describe_legend,
)
from synth_stack.images.decoding import Pixels
from synth_stack.images.planting import SIDE, pick_images, write_png
from synth_stack.images.pose_maps import MIN_JOINTS, MIN_SURE, draw_poses, read_poses
from synth_stack.models.image_segmenters import ImageSegmenter
from synth_stack.models.object_detectors import ObjectDetector
from synth_stack.models.pose_estimators import PoseEstimator
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

_NO_WORDS = [{"role": "text", "content": ""}]


def _draw_shapes(seed: int) -> Pixels:
    """Shapes at places of their own for each seed, on a ground with some grain."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng((0x5A9E, seed))
    picture = Image.new("RGB", (SIDE, SIDE), tuple(int(c) for c in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(picture)
    for shape in range(12):
        x, y = rng.uniform(-0.1, 0.8, 2) * SIDE
        w, h = rng.uniform(0.1, 0.5, 2) * SIDE
        draw = pen.ellipse if shape % 2 else pen.rectangle
        draw((x, y, x + w, y + h), fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
    grain = rng.normal(0, 4, (SIDE, SIDE, 1))
    return np.asarray(np.clip(np.asarray(picture) + grain, 0, 255), np.uint8)


def _blur(pixels: Pixels) -> Pixels:
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(12)))


_CONDITIONS: Mapping[str, Callable[[Pixels], Pixels]] = {"canny": find_edges, "blur": _blur}


_BY_MODEL = 8
"""Images that each model is asked about: enough to see that it is deaf, and few, since models are slow."""


@dataclass(frozen=True, slots=True)
class PlantedCondition:
    """A condition of a planted row: the image, the map, and what the row says of it beside its kind."""

    kind: str
    image: Pixels
    map_: Pixels
    told: Mapping[str, Any] = field(default_factory=dict)


def plant_others(
    sample: pa.Table, n: int, seed: int, *, models: ConditionModels, folder: Path | None
) -> pa.Table:
    """`n` images for each kind of condition at most, each beside one that it does not follow."""
    drawn = _draw_conditions(n, seed, n)
    seen = _ask_all(models, sample, n, folder, other=True)
    return build_candidates(_make_rows(build_canary, [*drawn, *seen]))


def plant_own(
    sample: pa.Table, n: int, seed: int, *, models: ConditionModels, folder: Path | None
) -> pa.Table:
    """`n` images for each kind of condition at most, each beside its own."""
    drawn = _draw_conditions(n, seed, 0)
    seen = _ask_all(models, sample, n, folder, other=False)
    return build_candidates(_make_rows(build_control, [*drawn, *seen]))


def _draw_conditions(n: int, seed: int, apart: int) -> Iterator[PlantedCondition]:
    start = seed % 2**31
    for place, kind in ((place, kind) for place in range(n) for kind in _CONDITIONS):
        map_ = _CONDITIONS[kind](_draw_shapes(start + place + apart))
        yield PlantedCondition(kind, _draw_shapes(start + place), map_)


def _ask_all(
    models: ConditionModels, sample: pa.Table, n: int, folder: Path | None, *, other: bool
) -> Iterator[PlantedCondition]:
    if models == ConditionModels():
        return
    for image in pick_images(sample, min(n, _BY_MODEL), folder):
        yield from _ask(models, image, other=other)


def _ask(models: ConditionModels, image: Pixels, *, other: bool) -> Iterator[PlantedCondition]:
    """The conditions that the models see in an image, or with `other` ones that it does not follow."""
    height, width = image.shape[:2]
    if models.depth is not None:
        map_ = draw_depths(models.depth.estimate(image), width, height)
        if np.ptp(map_) > 0:
            yield PlantedCondition("depth", image, 255 - map_ if other else map_)
    if models.pose is not None:
        yield from _ask_pose(models.pose, image, other=other)
    if models.layout is not None:
        yield from _ask_layout(models.layout, image, other=other)
    if models.segment is not None:
        yield from _ask_segment(models.segment, image, other=other)


def _ask_pose(estimator: PoseEstimator, image: Pixels, *, other: bool) -> Iterator[PlantedCondition]:
    """The image's greatest person, or that person as much beside its place as it is large."""
    height, width = image.shape[:2]
    (person,) = estimator.estimate(image, [(0.0, 0.0, float(width), float(height))])
    if (person[:, 2] >= MIN_SURE).sum() < MIN_JOINTS:
        return
    sure = person[person[:, 2] >= MIN_SURE, 0]
    if other:
        span = float(np.ptp(sure)) + 0.25 * width
        person = person + np.array([span if sure.mean() < width / 2 else -span, 0, 0], np.float32)
    map_ = draw_poses([person], width, height)
    if read_poses(map_):
        yield PlantedCondition("pose", image, map_)


def _ask_layout(detector: ObjectDetector, image: Pixels, *, other: bool) -> Iterator[PlantedCondition]:
    """What is found, or in its place something of which there is none."""
    height, width = image.shape[:2]
    boxes = [LabelledPixelBox(b.label, b.left, b.top, b.width, b.height) for b in detector.detect(image)]
    absent = sorted(detector.labels - {box.label for box in boxes})
    if not boxes or (other and not absent):
        return
    if other:
        boxes = [replace(box, label=absent[0]) for box in boxes]
    map_ = draw_boxes(share_boxes(boxes, width, height), width, height, {})
    yield PlantedCondition("layout", image, map_, describe_boxes(boxes))


def _ask_segment(segmenter: ImageSegmenter, image: Pixels, *, other: bool) -> Iterator[PlantedCondition]:
    """The labels that are seen, or at each point the next label."""
    if len(segmenter.labels) < 2:
        return
    legend = {label: colour_of(label) for label in segmenter.labels}
    places = (segmenter.segment(image) + int(other)) % len(segmenter.labels)
    yield PlantedCondition(
        "segment", image, draw_labels(places, list(legend.values())), describe_legend(legend)
    )


def _make_rows(
    build: Callable[..., dict[str, Any]], planted: Iterable[PlantedCondition]
) -> Iterator[dict[str, Any]]:
    for number, each in enumerate(planted):
        row = build("image", _NO_WORDS, f"a condition of kind {each.kind}", number, kind=each.kind)
        files = [
            attach_inline(write_png(each.image)),
            attach_inline(write_png(each.map_)) | {"role": CONDITION},
        ]
        told = describe_conditions([each.kind])
        told[IMAGE][CONDITIONS][0] |= each.told
        yield row | {
            "text": None,
            "attachments": files,
            "extra": canonical_text(orjson.loads(row["extra"]) | told),
        }
