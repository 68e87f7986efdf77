"""Folders of transformers models: whole, of safetensors alone, digested, and loaded without the network."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack.errors import ModelError
from synth_stack.models.files import need_module
from synth_stack.rows.canonical import Digest

_MAX_FILES = 200
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
"""Endings of weights that run code when they are read, or that nobody here reads."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that may be loaded, and the digest of each of its files."""

    path: Path
    files: Mapping[str, Digest]

    @property
    def name(self) -> str:
        """Its name, without where it lies."""
        return self.path.resolve().name


def check_folder(path: Path) -> ModelFolder:
    """The model in a folder. Raises ModelError where there is no config or no safetensors, and for weights in
    a format that runs code; MissingExtra without transformers.
    """
    need_module("transformers")
    if not (path / "config.json").is_file():
        raise ModelError(
            f"{path.name} holds no model", seen="no config.json", mend="Name a folder of transformers."
        )
    # links too: the cache of the Hub keeps a snapshot as links to its files
    names = sorted(each.name for each in path.iterdir() if each.is_file())
    pickled = next((name for name in names if name.endswith(_PICKLES)), None)
    if pickled is not None:
        raise ModelError(
            f"{path.name} has weights in a format that runs code when it is read",
            seen=pickled,
            allowed="safetensors",
            mend="Convert them, and take the file away.",
        )
    if not any(name.endswith(".safetensors") for name in names) or len(names) > _MAX_FILES:
        raise ModelError(f"{path.name} holds no weights that can be loaded", allowed="*.safetensors")
    return ModelFolder(path, {name: _digest(path / name) for name in names})


def load_parts(folder: ModelFolder, model: str, **options: Any) -> Any:
    """A model of that class of transformers, ready to be asked. Raises ModelError."""
    transformers, torch = need_module("transformers"), need_module("torch")
    torn = need_module("safetensors").SafetensorError
    transformers.utils.logging.disable_progress_bar()
    try:
        loaded = getattr(transformers, model).from_pretrained(
            folder.path, local_files_only=True, use_safetensors=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, torn) as exc:
        said = " ".join(str(exc).split())[:200]
        raise ModelError(f"{folder.name} cannot be loaded as {model}", seen=said) from exc
    loaded.eval()
    return loaded.to(torch.float32)


def load_image_processor(folder: ModelFolder) -> Any:
    """What turns images into the inputs of a model, and its outputs into boxes or joints, on Pillow alone.

    Raises ModelError, also for a folder that does not say it (`preprocessor_config.json`).
    """
    if "preprocessor_config.json" not in folder.files:
        raise ModelError(
            f"{folder.name} does not say how images become inputs",
            allowed="preprocessor_config.json",
            mend="Fetch its folder again, whole.",
        )
    try:
        return need_module("transformers").AutoImageProcessor.from_pretrained(
            folder.path, local_files_only=True, trust_remote_code=False, backend="pil"
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError) as exc:
        said = " ".join(str(exc).split())[:200]
        raise ModelError(f"{folder.name} has no image processor that can be loaded", seen=said) from exc


def _digest(path: Path) -> Digest:
    try:
        with path.open("rb") as file:
            return Digest(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as exc:
        raise ModelError(f"{path.name} cannot be read", seen=str(exc)) from exc
