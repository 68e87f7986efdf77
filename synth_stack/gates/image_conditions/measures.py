"""What compares an image with a condition, by its kind: pixels, or a model by path that sees the image."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synth_stack.gates.image_conditions.agreement import MEASURES, PixelMeasure, measure_depth
from synth_stack.gates.image_conditions.map_agreement import (
    box_joints,
    compare_boxes,
    compare_joints,
    compare_labels,
)
from synth_stack.images.condition_maps import LabelledBox, share_boxes
from synth_stack.images.conditions import LabelledPixelBox, ToldCondition
from synth_stack.images.decoding import Pixels
from synth_stack.images.pose_maps import MIN_SURE, read_poses
from synth_stack.models.depth_estimators import DepthEstimator, load_depth_estimator
from synth_stack.models.image_segmenters import ImageSegmenter, load_image_segmenter
from synth_stack.models.object_detectors import ObjectDetector, load_object_detector
from synth_stack.models.pose_estimators import PoseEstimator, load_pose_estimator

NOTHING = "there is as good as nothing in it"
_MIN_PART = 0.0005
"""Of a map: a patch of colour that is smaller is no box."""

Measure = Callable[[Pixels, Pixels, ToldCondition], float]
"""(image, map, what the row says of it) -> agreement, 0.5 where they have nothing in common. Raises
NotComparable.
"""


class NotComparable(Exception):
    """Why a condition says nothing of an image."""


@dataclass(frozen=True, slots=True)
class ConditionModels:
    """The models that see images, by the kind of condition that they are for; None where none is named."""

    depth: DepthEstimator | None = None
    pose: PoseEstimator | None = None
    layout: ObjectDetector | None = None
    segment: ImageSegmenter | None = None

    def list_measures(self) -> dict[str, Measure]:
        """What compares, by the kind of condition."""
        found: dict[str, Measure] = {kind: _of_pixels(measure) for kind, measure in MEASURES.items()}
        if self.depth is not None:
            found["depth"] = _by_depth(self.depth)
        if self.pose is not None:
            found["pose"] = _by_pose(self.pose)
        if self.layout is not None:
            found["layout"] = _by_layout(self.layout)
        if self.segment is not None:
            found["segment"] = _by_segment(self.segment)
        return found

    def describe(self) -> dict[str, Any]:
        """The kinds that are compared, and the models with the digests of their files."""
        named = (
            ("depth", self.depth),
            ("pose", self.pose),
            ("layout", self.layout),
            ("segment", self.segment),
        )
        models = {
            kind: {"name": model.name, "files": dict(model.files)}
            for kind, model in named
            if model is not None
        }
        return {"kinds": sorted(self.list_measures())} | ({"models": models} if models else {})


def load_models(
    depth: str | None, pose: str | None, layout: str | None, segment: str | None
) -> ConditionModels:
    """The models of these folders. Raises ModelError, MissingExtra."""
    return ConditionModels(
        None if depth is None else load_depth_estimator(Path(depth)),
        None if pose is None else load_pose_estimator(Path(pose)),
        None if layout is None else load_object_detector(Path(layout)),
        None if segment is None else load_image_segmenter(Path(segment)),
    )


def _of_pixels(measure: PixelMeasure) -> Measure:
    def compare(image: Pixels, map_: Pixels, _: ToldCondition) -> float:
        return _require(measure(image, map_))

    return compare


def _by_depth(estimator: DepthEstimator) -> Measure:
    def compare(image: Pixels, map_: Pixels, _: ToldCondition) -> float:
        return _require(measure_depth(estimator.estimate(image), map_))

    return compare


def _by_pose(estimator: PoseEstimator) -> Measure:
    """Each person is looked for where the condition has one."""

    def compare(image: Pixels, map_: Pixels, _: ToldCondition) -> float:
        people = read_poses(map_)
        if not people:
            raise NotComparable("no person in it can be told from others")
        share = np.array([image.shape[1] / map_.shape[1], image.shape[0] / map_.shape[0], 1.0], np.float32)
        wanted = [person * share for person in people]
        found = estimator.estimate(image, [box_joints(person) for person in wanted])
        alike = [compare_joints(a, b, MIN_SURE) for a, b in zip(wanted, found, strict=True)]
        return _raise_half(float(np.mean(alike)))

    return compare


def _by_layout(detector: ObjectDetector) -> Measure:
    def compare(image: Pixels, map_: Pixels, told: ToldCondition) -> float:
        wanted = [box for box in _list_boxes(map_, told) if box.label in detector.labels]
        if not wanted:
            raise NotComparable("the row names no box of a label that the model knows")
        height, width = image.shape[:2]
        return _raise_half(compare_boxes(wanted, share_boxes(detector.detect(image), width, height)))

    return compare


def _by_segment(segmenter: ImageSegmenter) -> Measure:
    places = {label: number for number, label in enumerate(segmenter.labels)}

    def compare(image: Pixels, map_: Pixels, told: ToldCondition) -> float:
        known = {colour: label for colour, label in told.legend.items() if label in places}
        wanted = np.full(map_.shape[:2], -1, np.int64)
        for colour, label in known.items():
            wanted[(map_ == np.array(colour, np.uint8)).all(axis=2)] = places[label]
        if not (wanted >= 0).any():
            raise NotComparable("the row names no colour of a label that the model knows")
        seen = _fit(segmenter.segment(image), wanted.shape)
        alike = compare_labels(wanted, seen, {places[label]: label for label in known.values()})
        return _raise_half(float(np.mean(list(alike.values()))))

    return compare


def _list_boxes(map_: Pixels, told: ToldCondition) -> list[LabelledBox]:
    """The boxes that the row names, or else those around each patch of a colour of its legend."""
    height, width = map_.shape[:2]
    return share_boxes(told.boxes or _find_patches(map_, told), width, height)


def _find_patches(map_: Pixels, told: ToldCondition) -> tuple[LabelledPixelBox, ...]:
    from scipy.ndimage import find_objects, label

    found: list[LabelledPixelBox] = []
    for colour, name in sorted(told.legend.items()):
        patches, _ = label((map_ == np.array(colour, np.uint8)).all(axis=2))
        for rows, columns in find_objects(patches):
            height, width = rows.stop - rows.start, columns.stop - columns.start
            if height * width >= _MIN_PART * patches.size:
                found.append(LabelledPixelBox(name, columns.start, rows.start, width, height))
    return tuple(found)


def _fit(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The nearest point of each, in another size."""
    rows, columns = (
        (np.arange(wanted) + 0.5) * there / wanted for wanted, there in zip(shape, places.shape, strict=True)
    )
    found: np.ndarray = places[rows.astype(np.int64)[:, None], columns.astype(np.int64)]
    return found


def _require(agreement: float | None) -> float:
    if agreement is None:
        raise NotComparable(NOTHING)
    return agreement


def _raise_half(share: float) -> float:
    """A share of 0 to 1 as an agreement, of which 0.5 says that both have nothing in common."""
    return (1 + share) / 2
