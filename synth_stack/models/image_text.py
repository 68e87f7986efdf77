"""Models that put images and texts into one space (CLIP, SigLIP), from a folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.models.files import need_module
from synth_stack.models.image_inputs import read_image_input
from synth_stack.models.torch_folders import ModelFolder, check_folder, load_parts
from synth_stack.rows.canonical import Digest

Vectors = NDArray[np.float32]

_WORDS = frozenset({"tokenizer.json", "vocab.json", "spiece.model"})
"""One of which a tokenizer needs."""


@dataclass(frozen=True, slots=True)
class ImageTextModel:
    """`embed_image(pixels)` and `embed_texts(texts)` give unit vectors, (d,) and (n, d)."""

    name: str
    files: Mapping[str, Digest]
    embed_image: Callable[[NDArray[np.uint8]], Vectors]
    embed_texts: Callable[[Sequence[str]], Vectors]


def load_image_text(path: Path) -> ImageTextModel:
    """The model in a folder of transformers, with its tokenizer. Raises ModelError, MissingExtra."""
    folder = check_folder(path)
    model = load_parts(folder, "AutoModel")
    torch = need_module("torch")
    config = model.config
    if not hasattr(model, "get_image_features") or not hasattr(config, "vision_config"):
        raise ModelError(
            f"{folder.name} does not put images and texts into one space",
            seen=type(model).__name__,
            allowed="CLIP, SigLIP or their like",
        )
    given = read_image_input(path, int(config.vision_config.image_size))
    tokenizer = _load_tokenizer(folder)
    longest = int(config.text_config.max_position_embeddings)

    def embed_image(pixels: NDArray[np.uint8]) -> Vectors:
        with torch.inference_mode():
            found = model.get_image_features(pixel_values=torch.from_numpy(given.prepare(pixels))[None])
        vector: Vectors = _to_unit(found)[0]
        return vector

    def embed_texts(texts: Sequence[str]) -> Vectors:
        tokens = tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt"
        )
        known = {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}
        with torch.inference_mode():
            return _to_unit(model.get_text_features(**known))

    return ImageTextModel(folder.name, folder.files, embed_image, embed_texts)


def _load_tokenizer(folder: ModelFolder) -> Any:
    """Without its words transformers would give one that knows none."""
    if not _WORDS & folder.files.keys():
        raise ModelError(f"{folder.name} has no tokenizer", allowed=" or ".join(sorted(_WORDS)))
    try:
        return need_module("transformers").AutoTokenizer.from_pretrained(
            folder.path, local_files_only=True, trust_remote_code=False
        )
    except Exception as exc:  # tokenizers raises nothing more exact
        said = " ".join(str(exc).split())[:200]
        raise ModelError(f"{folder.name} has no tokenizer that can be loaded", seen=said) from exc


def _to_unit(found: Any) -> Vectors:
    """Some versions give the vectors, others an output that has them."""
    values = np.asarray(getattr(found, "pooler_output", found).numpy(), np.float32)
    lengths: Vectors = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-12), np.float32)
