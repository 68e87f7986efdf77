"""The files of a pack against its manifest and its signed statement."""

from collections.abc import Mapping
from pathlib import Path

from synth_stack.errors import VerificationError
from synth_stack.packs import layout
from synth_stack.packs.statement import Json, Seal, build_facts, read_manifest
from synth_stack.runs.folder import MANIFEST

Digests = Mapping[str, tuple[str, int]]
"""By file name, without the manifest's: SHA-256 and bytes, as they are on the disk."""

Problems = dict[str, VerificationError]
"""By file name, the first thing that is wrong with it."""

_SELF_CHECKED = frozenset({layout.STATEMENT, layout.PUBLIC_KEY})
"""Files of which every byte is checked when the signature is, so that a good seal vouches for them. The
bundle is not among them: its JSON can be written in more than one way."""


def compare_files(
    pack: Path, digests: Digests, seal: Seal | None, seal_problem: VerificationError | None
) -> list[VerificationError]:
    """What the disk, the manifest and the statement say differently of each other, one problem a file.

    Where two of the three agree, the third one is named. Without a `seal` (and `seal_problem` says why)
    the manifest alone tells which file was changed.
    """
    trouble = [] if seal_problem is None else [seal_problem]
    signed = {} if seal is None else _compare_signed(digests, seal)
    try:
        manifest = read_manifest(pack)
    except VerificationError as exc:
        return [exc, *trouble, *signed.values()]
    listed = manifest["files"]
    problems = {**signed, **_compare_listed(digests, listed, seal), **_find_lost(digests, listed, seal)}
    if seal is None:
        is_blamed = problems.keys() & {*_SELF_CHECKED, layout.BUNDLE}
        return [*problems.values(), *([] if is_blamed else trouble)]
    if not problems and manifest["facts"] != build_facts(seal.predicate):
        return [VerificationError(f"{MANIFEST}: its facts are not those that were signed")]
    return list(problems.values())


def _compare_listed(digests: Digests, listed: Json, seal: Seal | None) -> Problems:
    """Files that are not as the manifest lists them."""
    problems: Problems = {}
    for name, (sha256, size) in digests.items():
        entry = listed.get(name)
        if entry is not None and (entry["sha256"], entry["bytes"]) == (sha256, size):
            continue
        if seal is not None and (name in _SELF_CHECKED or seal.subjects.get(name) == sha256):
            problems[name] = VerificationError(f"{MANIFEST} does not list {name} as it was signed")
        elif entry is None:
            problems[name] = VerificationError(f"{name} was added: {MANIFEST} does not list it")
        else:
            problems[name] = VerificationError(
                f"{name} was changed: it is not the file that {MANIFEST} lists",
                seen=f"{size} bytes, SHA-256 {sha256}",
                allowed=f"{entry['bytes']} bytes, SHA-256 {entry['sha256']}",
            )
    return problems


def _find_lost(digests: Digests, listed: Json, seal: Seal | None) -> Problems:
    """Files of the manifest that are not there: lost, or never part of the pack."""
    problems: Problems = {}
    for name in sorted(set(listed) - set(digests)):
        if seal is None or name in seal.subjects or name in layout.UNSIGNED:
            problems[name] = VerificationError(f"{name} is missing")
        else:
            what = f"{MANIFEST} lists a file that was never part of the pack"
            problems[name] = VerificationError(what, seen=name)
    return problems


def _compare_signed(digests: Digests, seal: Seal) -> Problems:
    """Files that are not as they were signed."""
    problems: Problems = {}
    for name, sha256 in sorted(seal.subjects.items()):
        if name not in digests:
            problems[name] = VerificationError(f"{name} is missing")
        elif digests[name][0] != sha256:
            problems[name] = VerificationError(
                f"{name} was changed: it is not the file that was signed",
                seen=f"SHA-256 {digests[name][0]}",
                allowed=f"SHA-256 {sha256}",
            )
    for name in sorted(set(digests) - set(seal.subjects) - layout.UNSIGNED):
        problems[name] = VerificationError(f"{name} was added: the signature does not cover it")
    return problems
