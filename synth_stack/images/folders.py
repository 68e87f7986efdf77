"""The image files of a folder, in the order of their paths, each with the digest of its bytes."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from synth_stack.errors import InputError
from synth_stack.images.attached import AttachedFile
from synth_stack.images.paths import MIMES

MAX_FILES = 1_000_000


def list_image_files(folder: Path) -> tuple[AttachedFile, ...]:
    """The files below `folder` that are images by their names, sorted; hidden files and links are left out.

    Raises InputError for a file that cannot be read, and for more than MAX_FILES.
    """
    files: list[AttachedFile] = []
    for path in sorted(walk_images(folder)):
        try:
            with (folder / path).open("rb") as file:
                files.append(AttachedFile(path, hashlib.file_digest(file, "sha256").hexdigest()))
        except OSError as exc:
            raise InputError(f"an image of {folder.name} cannot be read: {exc.strerror}", seen=path) from exc
        if len(files) > MAX_FILES:
            raise InputError(f"{folder.name} has too many images", allowed=f"at most {MAX_FILES:,}")
    return tuple(files)


def walk_images(folder: Path) -> Iterator[str]:
    """The relative paths of the image files below a folder, in any order."""
    for here, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            path = Path(here) / name
            if path.suffix.lower() in MIMES and name[0] != "." and not path.is_symlink() and path.is_file():
                yield path.relative_to(folder).as_posix()
