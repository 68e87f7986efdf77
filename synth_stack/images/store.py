"""Images kept under the digests of their files, so that a run or a pack has them wherever they came from.

    images/3f/3f0c...e1.png    a folder for each first two digits: the Hub takes 10,000 files in one folder

A row keeps the path that it was read by, which says where it came from; its digest finds the file here.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from synth_stack.files import store_errors
from synth_stack.images.decoding import ImageFault
from synth_stack.images.paths import MIMES, locate

STORE = "images"
"""The folder in a run or a pack."""
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def store_name(path: str, sha256: str | None) -> str | None:
    """The path in a run or pack of the file that a row names by path and digest; None where these name no
    image file.
    """
    ending = PurePosixPath(path).suffix.lower()
    if sha256 is None or not _SHA256.fullmatch(sha256) or ending not in MIMES:
        return None
    return f"{STORE}/{sha256[:2]}/{sha256}{ending}"


def find_file(folder: Path, path: str, sha256: str | None) -> Path:
    """The file of that relative path in a folder, or else the one that is kept there under its digest.

    Raises ImageFault (`outside`) for a path that leads out. Whether it is the file is for its reader to say.
    """
    found = locate(folder, path)
    stored = store_name(path, sha256)
    return found if stored is None or found.is_file() else locate(folder, stored)


def keep_images(table: pa.Table, source: Path, folder: Path) -> None:
    """Keep in `folder` the files that the rows of a table (column `attachments`) name in the folder `source`.

    A file in the same file system is linked and takes no room. One that `source` does not hold is left out:
    the row says so when it is judged. Raises StoreError.
    """
    for attached in list_attachments(table):
        _keep(attached, source, folder)


def list_attachments(table: pa.Table) -> list[dict[str, Any]]:
    """Every attachment of the rows of a table, in order."""
    found: list[dict[str, Any]] = table["attachments"].combine_chunks().flatten().to_pylist()
    return found


def _keep(attached: Mapping[str, Any], source: Path, folder: Path) -> None:
    name = store_name(attached["path"] or "", attached["sha256"])
    if name is None or (folder / name).exists():
        return
    try:
        found = find_file(source, attached["path"], attached["sha256"])
    except ImageFault:
        return
    if found.is_file():
        link_or_copy(found, folder / name)


def link_or_copy(found: Path, target: Path) -> None:
    """The file under another name, there whole or not at all; a second name for it where the file system
    can. Raises StoreError.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    with store_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(found)
        except OSError:
            shutil.copyfile(found, temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(target)
