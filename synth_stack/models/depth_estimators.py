"""Depth of an image, as a model by path estimates it: nearer is more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.files import need_module
from synth_stack.models.image_inputs import read_image_input
from synth_stack.models.torch_folders import check_folder, load_parts
from synth_stack.rows.canonical import Digest

_SIDE = 518
"""What Depth Anything reads (14 x 37 pixels), where a folder says nothing else."""
_METRIC = frozenset({"glpn", "zoedepth", "depth_pro", "prompt_depth_anything"})
"""Architectures whose output is a distance, more where farther (transformers, their model documentation)."""


@dataclass(frozen=True, slots=True)
class DepthEstimator:
    """`estimate(pixels)` gives relative depths (h, w) of an image, more where nearer."""

    name: str
    files: Mapping[str, Digest]
    estimate: Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def load_depth_estimator(path: Path) -> DepthEstimator:
    """The model in a folder of transformers (Depth Anything, DPT, MiDaS, ZoeDepth, GLPN).

    Models of relative depth give more where nearer; those of distances are turned round. Raises ModelError,
    MissingExtra.
    """
    folder = check_folder(path)
    model = load_parts(folder, "AutoModelForDepthEstimation")
    torch = need_module("torch")
    given = replace(read_image_input(path, _SIDE), crop=False)
    metric = model.config.model_type in _METRIC or _is_metric(model.config)

    def estimate(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found = model(pixel_values=torch.from_numpy(given.prepare(pixels))[None])
        depths = np.asarray(found.predicted_depth[0].numpy(), np.float32)
        return -depths if metric else depths

    return DepthEstimator(folder.name, folder.files, estimate)


def _is_metric(config: Any) -> bool:
    """Depth Anything says it in its config, and ends otherwise where it gives metres."""
    return getattr(config, "depth_estimation_type", "relative") == "metric"
