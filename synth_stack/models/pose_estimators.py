"""Where the joints of people in an image are, as a model by path estimates it (ViTPose)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.models.files import need_module
from synth_stack.models.torch_folders import check_folder, load_image_processor, load_parts
from synth_stack.rows.canonical import Digest

COCO_JOINTS = 17
"""Of a person in COCO (Lin et al. 2014): nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles,
left before right."""

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""
Joints = NDArray[np.float32]
"""(17, 3): x and y in pixels, and how sure the model is, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class PoseEstimator:
    """`estimate(pixels, boxes)` gives the joints of the person in each box."""

    name: str
    files: Mapping[str, Digest]
    estimate: Callable[[NDArray[np.uint8], Sequence[Box]], list[Joints]]


def load_pose_estimator(path: Path) -> PoseEstimator:
    """The model in a folder of transformers (ViTPose, ViTPose++). Raises ModelError, MissingExtra."""
    folder = check_folder(path)
    model = load_parts(folder, "VitPoseForPoseEstimation")
    if model.config.num_labels != COCO_JOINTS:
        raise ModelError(
            f"{folder.name} knows other joints than those of COCO",
            seen=model.config.num_labels,
            allowed=str(COCO_JOINTS),
        )
    processor = load_image_processor(folder)
    torch = need_module("torch")
    # ViTPose++ has an expert for each of its data sets, of which the first is COCO (its model card)
    experts = getattr(model.config.backbone_config, "num_experts", 1) > 1

    def estimate(pixels: NDArray[np.uint8], boxes: Sequence[Box]) -> list[Joints]:
        if not boxes:
            return []
        given = processor(images=pixels, boxes=[[list(box) for box in boxes]], return_tensors="pt")
        chosen = {"dataset_index": torch.zeros(len(boxes), dtype=torch.int64)} if experts else {}
        with torch.inference_mode():
            told = model(**given, **chosen)
        (people,) = processor.post_process_pose_estimation(told, boxes=[[list(box) for box in boxes]])
        return [_gather(person) for person in people]

    return PoseEstimator(folder.name, folder.files, estimate)


def _gather(person: Mapping[str, Any]) -> Joints:
    """Joints that the processor leaves out are unsure ones."""
    found = np.zeros((COCO_JOINTS, 3), np.float32)
    which = person["labels"].numpy()
    found[which, :2] = person["keypoints"].numpy()
    found[which, 2] = np.clip(person["scores"].numpy(), 0, 1)
    return found
