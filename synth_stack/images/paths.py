"""Names of image files: which endings they have, and where in the folder of a batch a path leads."""

import os
from pathlib import Path, PurePosixPath

from synth_stack.images.decoding import ImageFault

MIMES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
"""The endings of image files, and their media types."""


def locate(folder: Path, path: str) -> Path:
    """The file of that relative path in the folder. Raises ImageFault (`outside`) for one that leads out."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ImageFault("outside", "its path leads out of the folder")
    root = os.path.realpath(folder)
    real = os.path.realpath(os.path.join(root, *parts))  # noqa: PTH118  (Path.resolve raises at loops of links)
    if os.path.commonpath([root, real]) != root:
        raise ImageFault("outside", "a link leads out of the folder")
    return Path(real)
