"""The shards of a folder in their order, and every other file of it by name, with why it is not read."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from synth_stack.errors import InputError
from synth_stack.inputs.byte_streams import CODECS, SUFFIXES, split_suffix
from synth_stack.inputs.notices import NoticeTally

SIDECARS = frozenset(
    {
        "dataset_infos.json",
        "dataset_info.json",
        "dataset_dict.json",
        "state.json",
        "manifest.json",
        "croissant.json",
    }
)
"""Files beside data that describe it: of the datasets library, of Croissant, of our packs and runs."""
DESCRIBING_FOLDERS = frozenset({"distiset_configs", "distiset_artifacts"})
"""Beside the configurations of a saved Distiset: its pipeline, its log and what steps left."""
MAX_ENTRIES = 200_000
"""Files and folders that are looked at; a data set of more is a mistake, or a folder that is no data set."""

_OTHER_PACKING = (".xz", ".lzma", ".lz4", ".br", ".7z", ".zip", ".z", ".sz", ".snappy")


def list_shards(folder: Path, tally: NoticeTally) -> list[Path]:
    """The files of `folder` and below that hold rows, in the order of their paths; `tally` gets the others.

    Hidden files, sidecars and files of other kinds are skipped and counted; of a pack of ours only `data/` is
    read. Raises InputError for a shard that is packed in a way that is not read, for a link that leads out of
    the folder or to nothing, and for a folder without a shard.
    """
    roots = _allowed_roots(folder)
    shards: list[Path] = []
    for path in _walk(folder, folder, roots, tally):
        name = path.relative_to(folder).as_posix()
        if path.name.lower() in SIDECARS:
            tally.add("skipped", name, "describes data and holds none", "files")
        elif path.suffix == ".arrow" and path.name.startswith("cache-"):
            tally.add("skipped", name, "a cache of the datasets library", "files")
        elif _is_shard(path):
            shards.append(path)
        else:
            tally.add("skipped", name, "of a kind that is not read", "files")
    if not shards:
        raise InputError(
            f"{folder} holds no shard", allowed=f"{', '.join(SUFFIXES)}; packed as {', '.join(CODECS)}"
        )
    return sorted(shards, key=lambda path: path.relative_to(folder).parts)


def is_pack(folder: Path) -> bool:
    """Whether a folder is laid out as a pack of ours: rows in data/, their records in lineage/."""
    return (folder / "MANIFEST.json").is_file() and all((folder / d).is_dir() for d in ("data", "lineage"))


def _walk(folder: Path, root: Path, roots: tuple[Path, ...], tally: NoticeTally) -> Iterator[Path]:
    """Every regular file below that is not hidden; what else there is is counted or refused."""
    seen = 0
    pending = [folder]
    while pending:
        parent = pending.pop()
        packed = is_pack(parent)
        try:
            entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
        except OSError as exc:
            raise InputError(
                f"{parent} cannot be read: {exc.strerror}", mend="Check its permissions."
            ) from exc
        for entry in entries:
            seen += 1
            if seen > MAX_ENTRIES:
                raise InputError(f"{root} holds more than {MAX_ENTRIES} files", mend="Name one shard folder.")
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            why = _why_unread(entry.name, packed=packed)
            if why is not None:
                tally.add("skipped", name, why, "files")
            elif entry.is_symlink() and not _is_file_inside(path, roots):
                tally.add("skipped", name, "a link to a folder is not followed", "files")
            elif path.is_dir():
                pending.append(path)
            elif stat.S_ISREG(path.stat().st_mode):
                yield path
            else:
                raise InputError(f"{path} is no regular file", mend="Move it out of the folder.")


def _why_unread(name: str, *, packed: bool) -> str | None:
    """Why a file or folder of that name is passed over, in a pack of ours or elsewhere; None if it is not."""
    if name.startswith(".") or name == "__MACOSX":
        return "hidden"
    if name in DESCRIBING_FOLDERS:
        return "describes a Distiset and holds no rows of it"
    return "belongs to the pack and holds no rows of it" if packed and name != "data" else None


def _is_file_inside(link: Path, roots: tuple[Path, ...]) -> bool:
    """Whether a link leads to a file. Raises InputError where it leads to nothing or out of the folder."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError) as exc:  # nothing there, or links in a circle
        raise InputError(f"{link} does not exist", mend="Check the path.") from exc
    if not any(target.is_relative_to(root) for root in roots):
        raise InputError(f"{link} is a link that leads out of the folder", mend="Copy the file, or name it.")
    return not target.is_dir()


def _allowed_roots(folder: Path) -> tuple[Path, ...]:
    """Where links may lead: into the folder, and from a snapshot in the Hub's cache to the cache's blobs."""
    root = folder.resolve()
    caches = [p.parent / "blobs" for p in (root, *root.parents) if p.name == "snapshots"]
    return (root, *caches)


def _is_shard(path: Path) -> bool:
    """Whether a file is read. Raises InputError for a shard that is packed in some other way."""
    try:
        split_suffix(path)
    except InputError:
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        if len(suffixes) == 2 and suffixes[0] in SUFFIXES and suffixes[1] in (*_OTHER_PACKING, *CODECS):
            raise InputError(
                f"{path} is a shard that is packed in a way that is not read",
                seen="".join(suffixes),
                allowed=", ".join(CODECS),
                mend="Unpack it, or move it out of the folder.",
            ) from None
        return False
    return True
