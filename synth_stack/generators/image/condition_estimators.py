"""Maps of conditions as models draw them from pictures: depths, poses, labels, boxes.

Weights are safetensors in a folder of transformers, or a repository of the Hub at one commit; each row and
the lock have the digest of every file, with the licence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from synth_stack.diffusion.families import ControlKind
from synth_stack.diffusion.hub_snapshot import find_weights_folder, name_weights
from synth_stack.errors import ConfigError, InputError
from synth_stack.images.condition_maps import (
    Colour,
    LabelledBox,
    colour_of,
    draw_boxes,
    draw_depths,
    draw_labels,
    share_boxes,
)
from synth_stack.images.conditions import LabelledPixelBox, describe_boxes, describe_legend
from synth_stack.images.decoding import Pixels
from synth_stack.images.pose_maps import MIN_SURE, draw_poses
from synth_stack.models.depth_estimators import load_depth_estimator
from synth_stack.models.image_segmenters import load_image_segmenter
from synth_stack.models.object_detectors import ObjectDetector, load_object_detector
from synth_stack.models.pose_estimators import load_pose_estimator
from synth_stack.models.torch_folders import check_folder
from synth_stack.registry import FilePath
from synth_stack.rows.canonical import digest_json

ESTIMATED: frozenset[ControlKind] = frozenset({"depth", "pose", "segment", "layout"})
"""Kinds whose maps a model can draw from pictures."""
PERSON = "person"
"""The label of people in COCO, which detectors are trained on."""

Licence = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class WeightsUse(BaseModel):
    """Weights that draw maps: a folder, or "hub:OWNER/NAME" at the commit `revision`, and their licence."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    path: FilePath
    license: Licence
    revision: Commit | None = None

    def find(self, where: str) -> Path:
        """The folder of the weights. Raises ConfigError, ModelError."""
        return find_weights_folder(self.path, self.revision, where=where)

    def describe(self, where: str) -> dict[str, Any]:
        """Their name, licence and digest, for rows and locks."""
        files = check_folder(self.find(where)).files
        digest = digest_json([[name, sha256] for name, sha256 in sorted(files.items())])
        return {"name": name_weights(self.path, self.revision), "license": self.license, "sha256": digest}


class EstimatorUse(WeightsUse):
    """A model that draws the map of a condition; for `pose` with a `detector` that finds the people, each of
    whom it is asked about. Without one a picture is taken to be one person.
    """

    detector: WeightsUse | None = None

    def describe_all(self, kind: ControlKind) -> dict[str, Any]:
        """What is said of the estimator, and of its detector."""
        told = {"estimator": self.describe(f"the estimator of {kind}")}
        if self.detector is not None:
            told["detector"] = self.detector.describe(f"the detector of {kind}")
        return told


@dataclass(frozen=True, slots=True)
class EstimatedMap:
    """A map that a model drew, and what its row says of it beside its digest: its legend and boxes."""

    pixels: Pixels
    told: Mapping[str, Any] = field(default_factory=dict)


DrawMap = Callable[[Pixels], EstimatedMap]


def load_map_drawer(kind: ControlKind, use: EstimatorUse, colours: Mapping[str, Colour]) -> DrawMap:
    """What draws the map of this kind from a picture, in the picture's size.

    It raises InputError for a picture in which there is nothing to draw. Raises ConfigError for a kind that
    no model draws, ModelError, MissingExtra.
    """
    if use.detector is not None and kind != "pose":
        raise ConfigError(f"a detector of people is of no use for {kind}", mend="Leave detector out.")
    path = use.find(f"the estimator of {kind}")
    if kind == "depth":
        return _draw_depths(path)
    if kind == "pose":
        return _draw_poses(path, use.detector)
    if kind == "segment":
        return _draw_segments(path, colours)
    if kind == "layout":
        return _draw_layouts(path, colours)
    raise ConfigError(f"no model draws {kind}", allowed=", ".join(sorted(ESTIMATED)))


def _draw_depths(path: Path) -> DrawMap:
    estimator = load_depth_estimator(path)

    def draw(pixels: Pixels) -> EstimatedMap:
        return EstimatedMap(draw_depths(estimator.estimate(pixels), pixels.shape[1], pixels.shape[0]))

    return draw


def _draw_poses(path: Path, detector: WeightsUse | None) -> DrawMap:
    estimator = load_pose_estimator(path)
    finder = None if detector is None else load_object_detector(detector.find("the detector of pose"))
    _require_people(finder)

    def draw(pixels: Pixels) -> EstimatedMap:
        height, width = pixels.shape[:2]
        boxes = [(0.0, 0.0, float(width), float(height))]
        if finder is not None:
            found = [box for box in finder.detect(pixels) if box.label == PERSON]
            boxes = [(box.left, box.top, box.width, box.height) for box in found]
        people = [each for each in estimator.estimate(pixels, boxes) if (each[:, 2] >= MIN_SURE).any()]
        if not people:
            raise InputError("no person is found in the picture")
        return EstimatedMap(draw_poses(people, width, height))

    return draw


def _require_people(finder: ObjectDetector | None) -> None:
    if finder is not None and PERSON not in finder.labels:
        raise ConfigError(
            f"the detector {finder.name} finds no people",
            seen=", ".join(sorted(finder.labels)[:8]),
            allowed=f"one with the label {PERSON}",
        )


def _draw_segments(path: Path, colours: Mapping[str, Colour]) -> DrawMap:
    segmenter = load_image_segmenter(path)
    legend = {label: colours.get(label) or colour_of(label) for label in segmenter.labels}

    def draw(pixels: Pixels) -> EstimatedMap:
        places = segmenter.segment(pixels)
        seen = {segmenter.labels[int(place)] for place in set(places.ravel().tolist())}
        told = describe_legend({label: legend[label] for label in seen})
        return EstimatedMap(draw_labels(places, [legend[label] for label in segmenter.labels]), told)

    return draw


def _draw_layouts(path: Path, colours: Mapping[str, Colour]) -> DrawMap:
    detector = load_object_detector(path)

    def draw(pixels: Pixels) -> EstimatedMap:
        height, width = pixels.shape[:2]
        boxes = share_boxes(detector.detect(pixels), width, height)
        if not boxes:
            raise InputError("nothing is found in the picture")
        return draw_layout(boxes, width, height, colours)

    return draw


def draw_layout(
    boxes: Sequence[LabelledBox], width: int, height: int, colours: Mapping[str, Colour]
) -> EstimatedMap:
    """Boxes as a map, with the legend of their colours and the boxes in pixels of it."""
    legend = {box.label: colours.get(box.label) or colour_of(box.label) for box in boxes}
    placed = [
        LabelledPixelBox(
            box.label, box.left * width, box.top * height, box.width * width, box.height * height
        )
        for box in boxes
    ]
    told = describe_legend(legend) | describe_boxes(placed)
    return EstimatedMap(draw_boxes(boxes, width, height, legend), told)
