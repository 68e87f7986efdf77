"""The list of a mixture's files, and what is wrong with it, by the single file's rules."""

from pathlib import Path

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import store_errors
from synth_stack.packs import verify_pack
from synth_stack.packs.refusals import raise_refusals, to_error
from synth_stack.packs.verify_pack import MAX_SOURCES, SOURCES, is_mixture, name_source

__all__ = ["MAX_SOURCES", "is_mixture", "list_foreign", "list_mixture", "name_source", "require_one_pack"]


def require_one_pack(folder: Path) -> None:
    """Raises InputError for a mixture, where a single pack is needed."""
    if is_mixture(folder):
        raise InputError(
            f"{folder} is a mixture of packs", mend=f"Name one of them: {folder / SOURCES / '00'}, say."
        )


def list_mixture(folder: Path) -> tuple[dict[str, int], list[str], list[VerificationError]]:
    """The bytes of every file by name, sorted; the folders of the packs in order; what is wrong with either.

    Nothing is opened. The files of each pack are listed as those of any pack are.
    """
    with store_errors(folder), raise_refusals():
        found = verify_pack.list_mixture(folder)
    return found.sizes, found.sources, [to_error(fault) for fault in found.faults]


def list_foreign(folder: Path) -> list[str]:
    """Sentences on what lies in a mixture and is no part of one; missing files are none of it."""
    with store_errors(folder), raise_refusals():
        found = verify_pack.list_mixture(folder)
    return [str(fault) for fault in found.faults if not isinstance(fault, verify_pack.MissingFile)]
