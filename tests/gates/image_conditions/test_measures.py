import numpy as np
import pytest

from synth_stack.gates.image_conditions.measures import ConditionModels, NotComparable, load_models
from synth_stack.images.attached import AttachedFile
from synth_stack.images.conditions import LabelledPixelBox, ToldCondition
from synth_stack.images.pose_maps import draw_poses
from synth_stack.models.image_segmenters import ImageSegmenter
from synth_stack.models.object_detectors import FoundBox, ObjectDetector
from synth_stack.models.pose_estimators import PoseEstimator
from tests.images.test_pose_maps import stand

FILE = AttachedFile("a.png", None)
BLACK = np.zeros((100, 200, 3), np.uint8)


def test_without_a_model_pixels_alone_are_compared() -> None:
    models = load_models(None, None, None, None)
    assert models.describe() == {"kinds": ["blur", "canny"]}
    measures = models.list_measures()
    assert set(measures) == {"blur", "canny"}
    with pytest.raises(NotComparable, match="as good as nothing"):
        measures["canny"](BLACK, BLACK, ToldCondition("canny", FILE))


def test_people_are_looked_for_at_the_size_of_the_image() -> None:
    """The map is half as large as the image, in which the person stands where the map says."""
    seen: list[tuple[float, ...]] = []

    def estimate(_: object, boxes: object) -> list[np.ndarray]:
        seen.extend(boxes)  # type: ignore[arg-type]  # boxes, whatever they are
        return [stand(40, 40, 400)]

    compare = ConditionModels(pose=PoseEstimator("p", {}, estimate)).list_measures()["pose"]
    map_ = draw_poses([stand(20, 20, 200)], 256, 256)
    image = np.zeros((512, 512, 3), np.uint8)
    assert compare(image, map_, ToldCondition("pose", FILE)) > 0.95
    assert seen[0] == pytest.approx((120, 60, 240, 368), abs=6)


def test_boxes_are_compared_as_shares_and_those_of_labels_unknown_to_the_model_are_free() -> None:
    found = [FoundBox("car", 0.9, 20, 10, 40, 50)]
    detector = ObjectDetector("d", {}, frozenset({"car", "bus"}), lambda _: found)
    compare = ConditionModels(layout=detector).list_measures()["layout"]
    boxes = (LabelledPixelBox("car", 10, 5, 20, 25), LabelledPixelBox("yak", 0, 0, 9, 9))
    map_ = np.zeros((50, 100, 3), np.uint8)
    assert compare(BLACK, map_, ToldCondition("layout", FILE, boxes=boxes)) == 1
    with pytest.raises(NotComparable, match="label that the model knows"):
        compare(BLACK, map_, ToldCondition("layout", FILE, boxes=boxes[1:]))


def test_specks_of_a_colour_are_no_boxes() -> None:
    detector = ObjectDetector("d", {}, frozenset({"car"}), lambda _: [FoundBox("car", 1, 0, 0, 100, 100)])
    compare = ConditionModels(layout=detector).list_measures()["layout"]
    map_ = BLACK.copy()
    map_[:, :100] = (9, 8, 7)
    map_[50, 150] = (9, 8, 7)
    assert compare(BLACK, map_, ToldCondition("layout", FILE, {(9, 8, 7): "car"})) == 1


def test_labels_are_compared_at_the_size_of_the_map() -> None:
    seen = np.repeat([[0, 1]], 2, axis=0)
    segmenter = ImageSegmenter("s", {}, ("sky", "road"), lambda _: seen)
    compare = ConditionModels(segment=segmenter).list_measures()["segment"]
    map_ = np.zeros((100, 200, 3), np.uint8)
    map_[:, 100:] = 255
    told = ToldCondition("segment", FILE, {(0, 0, 0): "sky", (255, 255, 255): "road"})
    assert compare(BLACK, map_, told) == 1
    with pytest.raises(NotComparable, match="no colour of a label"):
        compare(BLACK, map_, ToldCondition("segment", FILE, {(1, 1, 1): "sky"}))
