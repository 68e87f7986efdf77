"""The names that a mixture's files may have, and the list of those that it has."""

import os
import re
import stat
from pathlib import Path

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import store_errors
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.refusals import to_error
from synth_stack.runs.folder import MANIFEST
from synth_stack.text.printable import show

SOURCES = "sources"
MAX_SOURCES = 100
OWN = (layout.CARD, *layout.DOCUMENTS, layout.STATEMENT, layout.PUBLIC_KEY, MANIFEST)
"""Files beside the packs, which are always there."""
_MAY_BE = frozenset({*OWN, layout.COSIGNATURES})
_FOLDERS = frozenset(name.partition("/")[0] for name in _MAY_BE if "/" in name) | {SOURCES}
_SOURCE = re.compile(r"\d\d", re.ASCII)
_LEFT_BY_HUB = (".gitattributes", ".cache")


def is_mixture(folder: Path) -> bool:
    """Whether a folder is laid out as a mixture of packs."""
    return (folder / SOURCES).is_dir() and not (folder / SOURCES).is_symlink()


def require_one_pack(folder: Path) -> None:
    """Raises InputError for a mixture, where a single pack is needed."""
    if is_mixture(folder):
        raise InputError(
            f"{folder} is a mixture of packs", mend=f"Name one of them: {folder / SOURCES / '00'}, say."
        )


def name_source(number: int) -> str:
    """The folder of the pack of that number."""
    return f"{SOURCES}/{number:02d}"


def list_mixture(folder: Path) -> tuple[dict[str, int], list[str], list[VerificationError]]:
    """The bytes of every file by name, sorted; the folders of the packs in order; what is wrong with either.

    Nothing is opened. The files of each pack are listed as those of any pack are.
    """
    sizes: dict[str, int] = {}
    faults: list[VerificationError] = []
    with store_errors(folder):
        for prefix in ("", *(f"{name}/" for name in sorted(_FOLDERS - {SOURCES}))):
            if prefix and not _is_folder(folder / prefix):
                continue
            for entry in sorted(os.scandir(folder / prefix), key=lambda entry: entry.name):
                _list_entry(f"{prefix}{entry.name}", entry, sizes, faults)
        sources = _list_sources(folder, faults)
    for source in sources:
        held, wrong, _ = layout.list_pack_files(folder / source)
        sizes |= {f"{source}/{name}": size for name, size in held.items()}
        faults += [prefix_error(source, fault) for fault in wrong]
        if len(sizes) > verify_pack.MAX_FILES:
            raise VerificationError(f"the mixture holds more than {verify_pack.MAX_FILES} files")
    faults += [VerificationError(f"{name} is missing") for name in OWN if name not in sizes]
    return dict(sorted(sizes.items())), sources, faults


def prefix_error(source: str, error: VerificationError) -> VerificationError:
    """What is wrong with a pack, with the folder that it lies in before it."""
    return VerificationError(f"{source}: {error}")


def _list_entry(
    name: str, entry: "os.DirEntry[str]", sizes: dict[str, int], faults: list[VerificationError]
) -> None:
    status = entry.stat(follow_symlinks=False)
    if name in _LEFT_BY_HUB and not stat.S_ISLNK(status.st_mode):
        return
    if name in _FOLDERS and stat.S_ISDIR(status.st_mode):
        return
    if name in _MAY_BE and stat.S_ISREG(status.st_mode):
        sizes[name] = status.st_size
    else:
        faults.append(VerificationError(f"{show(name)[0]} does not belong into a mixture of packs"))


def _list_sources(folder: Path, faults: list[VerificationError]) -> list[str]:
    found = []
    for entry in sorted(os.scandir(folder / SOURCES), key=lambda entry: entry.name):
        if _SOURCE.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            found.append(f"{SOURCES}/{entry.name}")
        else:
            name = show(f"{SOURCES}/{entry.name}")[0]
            faults.append(VerificationError(f"{name} does not belong into a mixture of packs"))
    if found != [name_source(number) for number in range(len(found))] or len(found) < 2:
        faults.append(
            VerificationError(
                f"{SOURCES}/ is not numbered from 00 without a gap, or holds fewer than two packs",
                seen=", ".join(found),
            )
        )
    return found


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def digest_file(folder: Path, name: str, size: int) -> str:
    """SHA-256 of one file of `size` bytes. Raises VerificationError."""
    try:
        return verify_pack.digest_bounded(folder, name, size)
    except verify_pack.Refusal as exc:
        raise to_error(exc) from exc
