"""What each point of an image is part of, as a model by path sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.files import need_module
from synth_stack.models.torch_folders import check_folder, load_image_processor, load_parts
from synth_stack.rows.canonical import Digest


@dataclass(frozen=True, slots=True)
class ImageSegmenter:
    """`segment(pixels)` gives for each point (height, width) the place of its label in `labels`."""

    name: str
    files: Mapping[str, Digest]
    labels: tuple[str, ...]
    segment: Callable[[NDArray[np.uint8]], NDArray[np.int64]]


def load_image_segmenter(path: Path) -> ImageSegmenter:
    """The model in a folder of transformers (SegFormer, UPerNet, BEiT, DPT). Raises ModelError, MissingExtra.

    Each point has one label: instances of one label are not told apart.
    """
    folder = check_folder(path)
    model = load_parts(folder, "AutoModelForSemanticSegmentation")
    processor = load_image_processor(folder)
    torch = need_module("torch")
    words: Mapping[int, str] = model.config.id2label
    labels = tuple(words[number] for number in sorted(words))

    def segment(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        with torch.inference_mode():
            told = model(**processor(images=pixels, return_tensors="pt"))
        (found,) = processor.post_process_semantic_segmentation(told, target_sizes=[pixels.shape[:2]])
        return np.asarray(found.numpy(), np.int64)

    return ImageSegmenter(folder.name, folder.files, labels, segment)
