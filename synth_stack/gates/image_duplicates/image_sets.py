"""Sets of images that a batch is compared with: a folder each, listed strictly and digested."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import InputError
from synth_stack.images.attached import AttachedFile
from synth_stack.images.folders import list_image_files
from synth_stack.images.paths import MIMES
from synth_stack.registry import FilePath
from synth_stack.rows.canonical import Digest, digest_json


class NamedImageSet(BaseModel):
    """A folder of images and what they are: images that a model is evaluated on, or real ones of training."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: FilePath
    what: Literal["eval", "real"] = "eval"


@dataclass(frozen=True, slots=True)
class NamedImages:
    """The files of a set in the order of their paths, and the digest of these with that of each file."""

    name: str
    what: str
    folder: Path
    sha256: Digest
    files: tuple[AttachedFile, ...]


def open_sets(named: Sequence[NamedImageSet]) -> tuple[NamedImages, ...]:
    """The sets, every file digested. Raises InputError for a folder that is none or has no image, and for a
    name that is there twice.
    """
    names = [each.name for each in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError("two image sets have one name", seen=twice)
    return tuple(_open_set(each) for each in named)


def _open_set(named: NamedImageSet) -> NamedImages:
    folder = Path(named.path)
    if not folder.is_dir():
        raise InputError(f"the image set {named.name} is no folder", seen=folder.name, mend="Check the path.")
    files = list_image_files(folder)
    if not files:
        raise InputError(f"the image set {named.name} has no image", allowed=", ".join(MIMES))
    digest = digest_json([[file.path, file.sha256] for file in files])
    return NamedImages(named.name, named.what, folder, digest, files)
