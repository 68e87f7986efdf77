"""The files of a pack against its manifest and its signed statement."""

from collections.abc import Mapping
from pathlib import Path

from synth_stack.errors import VerificationError
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.refusals import to_error
from synth_stack.packs.statement import Json, Seal, build_facts, digest_pack_file, read_manifest
from synth_stack.runs.folder import MANIFEST

Digests = Mapping[str, tuple[str, int]]
"""By file name, without the manifest's: SHA-256 and bytes, as they are on the disk."""

_SELF_CHECKED = frozenset({layout.STATEMENT, layout.PUBLIC_KEY})
"""Files of which every byte is checked when the signature is, so that a good seal vouches for them. The
bundle is not among them: its JSON can be written in more than one way."""


def compare_files(
    pack: Path, sizes: Mapping[str, int], seal: Seal | None, seal_problem: VerificationError | None
) -> list[VerificationError]:
    """What the disk, the manifest and the statement say differently of each other, one problem a file.

    Names and sizes are compared first, and a file is read only where these hold. Where two of the three
    agree, the third one is named. Without a `seal` (and `seal_problem` says why) the manifest alone tells
    which file was changed.
    """
    trouble = [] if seal_problem is None else [seal_problem]
    listed: Json | None = None
    facts: Json = {}
    try:
        manifest = read_manifest(pack)
        listed, facts = manifest["files"], manifest["facts"]
    except VerificationError as exc:
        trouble.insert(0, exc)
    signed = {} if seal is None else seal.subjects
    problems = _compare_sizes(sizes, listed, seal)
    if not problems:
        digests = {
            name: (digest_pack_file(pack, name, sizes[name]), sizes[name])
            for name in sizes
            if name != MANIFEST
        }
        names = sorted({*digests, *signed, *(listed or {})})
        faults = {name: _find_fault(name, digests.get(name), listed, seal) for name in names}
        problems = {name: fault for name, fault in faults.items() if fault is not None}
    if listed is None:
        return [*trouble, *problems.values()]
    if seal is not None and not problems and facts != build_facts(seal.predicate):
        return [VerificationError(f"{MANIFEST}: its facts are not those that were signed")]
    is_blamed = problems.keys() & {*_SELF_CHECKED, layout.BUNDLE}
    return [*problems.values(), *([] if is_blamed else trouble)]


def _compare_sizes(
    sizes: Mapping[str, int], listed: Json | None, seal: Seal | None
) -> dict[str, VerificationError]:
    signed = None if seal is None else seal.predicate["bytes"]
    faults = verify_pack.compare_sizes(sizes, listed, signed)
    return {name: to_error(fault) for name, fault in faults.items()}


def _find_fault(
    name: str, on_disk: tuple[str, int] | None, listed: Json | None, seal: Seal | None
) -> VerificationError | None:
    """What is wrong with one file; without a manifest (`listed` is None) the signature alone tells."""
    signed = None if seal is None else seal.subjects.get(name)
    if on_disk is None:
        if seal is None or signed is not None or name in layout.UNSIGNED:
            return VerificationError(f"{name} is missing")
        return VerificationError(f"{MANIFEST} lists a file that was never part of the pack", seen=name)
    sha256, size = on_disk
    vouched_for = seal is not None and (signed == sha256 or name in _SELF_CHECKED)
    entry = None if listed is None else listed.get(name)
    if listed is not None and entry != {"sha256": sha256, "bytes": size}:
        if vouched_for:
            return VerificationError(f"{MANIFEST} does not list {name} as it was signed")
        known = None if entry is None else f"{entry['bytes']} bytes, SHA-256 {entry['sha256']}"
        return _describe_change(name, MANIFEST, f"{size} bytes, SHA-256 {sha256}", known)
    if seal is None or vouched_for or name in layout.UNSIGNED:
        return None
    return _describe_change(name, layout.STATEMENT, f"SHA-256 {sha256}", signed and f"SHA-256 {signed}")


def _describe_change(name: str, by: str, seen: str, known: str | None) -> VerificationError:
    if known is None:
        return VerificationError(f"{name} was added: {by} does not list it")
    return VerificationError(
        f"{name} was changed: it is not the file that {by} lists", seen=seen, allowed=known
    )
