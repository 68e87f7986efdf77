"""Depth of an image, as a model by path estimates it: nearer is more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.files import need_module
from synth_stack.models.image_inputs import read_image_input
from synth_stack.models.torch_folders import check_folder, load_parts
from synth_stack.rows.canonical import Digest

_SIDE = 518
"""What Depth Anything reads (14 x 37 pixels), where a folder says nothing else."""


@dataclass(frozen=True, slots=True)
class DepthEstimator:
    """`estimate(pixels)` gives relative depths (h, w) of an image, more where nearer."""

    name: str
    files: Mapping[str, Digest]
    estimate: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def load_depth_estimator(path: Path) -> DepthEstimator:
    """The model in a folder of transformers (Depth Anything, DPT, MiDaS). Raises ModelError, MissingExtra."""
    folder = check_folder(path)
    model = load_parts(folder, "AutoModelForDepthEstimation")
    torch = need_module("torch")
    given = read_image_input(path, _SIDE)

    def estimate(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = model(pixel_values=torch.from_numpy(given.prepare(pixels))[None])
        return np.asarray(found.predicted_depth[0].numpy(), np.float32)

    return DepthEstimator(folder.name, folder.files, estimate)
