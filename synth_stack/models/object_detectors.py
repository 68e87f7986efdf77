"""Things in an image and their boxes, as a model by path finds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.files import need_module
from synth_stack.models.torch_folders import check_folder, load_image_processor, load_parts
from synth_stack.rows.canonical import Digest

_MIN_SCORE = 0.5
"""Of a box that counts as found (transformers, post_process_object_detection: its default)."""


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A thing that was found: its label in the model's words, how sure, and its box in pixels."""

    label: str
    score: float
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ObjectDetector:
    """`detect(pixels)` gives what an image has, the surest first; `labels` are the words it knows."""

    name: str
    files: Mapping[str, Digest]
    labels: frozenset[str]
    detect: Callable[[NDArray[np.uint8]], list[FoundBox]]


def load_object_detector(path: Path) -> ObjectDetector:
    """The model in a folder of transformers (DETR, RT-DETR, YOLOS). Raises ModelError, MissingExtra."""
    folder = check_folder(path)
    model = load_parts(folder, "AutoModelForObjectDetection")
    processor = load_image_processor(folder)
    torch = need_module("torch")
    words: Mapping[int, str] = model.config.id2label

    def detect(pixels: NDArray[np.uint8]) -> list[FoundBox]:
        height, width = pixels.shape[:2]
        with torch.inference_mode():
            told = model(**processor(images=pixels, return_tensors="pt"))
        (found,) = processor.post_process_object_detection(
            told, threshold=_MIN_SCORE, target_sizes=[(height, width)]
        )
        boxes = [
            _clip(words[int(label)], float(score), box.tolist(), width, height)
            for score, label, box in zip(found["scores"], found["labels"], found["boxes"], strict=True)
        ]
        return sorted((each for each in boxes if each.width > 0 and each.height > 0), key=_rank)

    return ObjectDetector(folder.name, folder.files, frozenset(words.values()), detect)


def _clip(label: str, score: float, corners: list[float], width: int, height: int) -> FoundBox:
    left, top, right, bottom = np.clip(corners, 0, [width, height, width, height]).tolist()
    return FoundBox(label, score, left, top, right - left, bottom - top)


def _rank(box: FoundBox) -> tuple[float | str, ...]:
    return (-box.score, box.label, box.left, box.top)
