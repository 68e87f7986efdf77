"""Several packs as one mixture: each copied whole, and a card, documents and a signature over all."""

import re
from collections.abc import Sequence
from pathlib import Path

from synth_stack.errors import ConfigError, InputError, RunMismatch, VerificationError
from synth_stack.files import store_errors, write_bytes
from synth_stack.inputs.terms import PURPOSES
from synth_stack.lineage.ledger import LedgerEntry, append_entry, find_place, read_ledger
from synth_stack.lineage.merkle import leaf_hash
from synth_stack.lineage.sign import build_statement
from synth_stack.packs import layout
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.finish import stage
from synth_stack.packs.mixture.card import render_card
from synth_stack.packs.mixture.contents import (
    MixedPack,
    describe_mixture,
    disclose_mixture,
    find_clashes,
    find_forbidden,
    find_revoked_in,
    grow_tree,
    identify_mixture,
    open_packs,
)
from synth_stack.packs.mixture.listing import (
    MAX_SOURCES,
    is_mixture,
    list_foreign,
    list_mixture,
    name_source,
)
from synth_stack.packs.signers import Signer
from synth_stack.packs.statement import digest_pack_file, read_file
from synth_stack.packs.verify.recount import read_verifier
from synth_stack.packs.verify_pack import PACKS_SUBJECT, build_mixture_facts
from synth_stack.packs.write import PackSummary
from synth_stack.runs.folder import write_manifest

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,120}")


def mix_packs(
    packs: Sequence[Path],
    out: Path,
    *,
    signer: Signer,
    name: str | None = None,
    purpose: str | None = None,
    revoked: Sequence[Path] = (),
    ledger: Path | None = None,
) -> PackSummary:
    """The mixture of several packs at `out`, there whole or not at all, each pack in it as it was signed.

    All are verified first. With a `purpose` (PURPOSES), the declared terms of every model in them have to
    allow it. `revoked` are lists of tombstones, each of the key of one of the packs. The `ledger` is the
    file of batches that the mixture is appended to. The same packs in the same order, name, purpose, key and
    place give the same bytes. Raises VerificationError for a pack that is not
    what was signed, for two that have a row in common, for a row that is withdrawn, and for terms that forbid
    the purpose; InputError for fewer than two packs; ConfigError; RunMismatch where `out` is in use.
    """
    _require_sayable(packs, out, name, purpose, signer)
    named = name or f"Mixture of {len(packs)} packs"
    opened, problems = open_packs([(str(path), path) for path in packs])
    problems = problems or [*find_clashes(opened), *find_forbidden(opened, purpose)]
    if problems:
        raise problems[0]
    _refuse_revoked(opened, revoked)
    with stage(out, lambda: _require_replaceable(out), ledger) as staging:
        for number, pack in enumerate(opened):
            _copy_pack(pack, staging, name_source(number))
        placed = [(name_source(n), staging / name_source(n)) for n in range(len(opened))]
        mixed, problems = open_packs(placed)
        if problems:
            raise problems[0]
        _finish(staging, mixed, (named, purpose), signer, ledger)
        head = grow_tree(mixed)
        rows = sum(pack.told.data.rows for pack in mixed)
        counts = {"packs": len(mixed), "accepted": rows}
    return PackSummary(out, counts, head.root.hex(), signer.key_id)


def _require_sayable(
    packs: Sequence[Path], out: Path, name: str | None, purpose: str | None, signer: Signer
) -> None:
    if not 2 <= len(packs) <= MAX_SOURCES:
        raise InputError(
            "a mixture is of several packs", seen=len(packs), allowed=f"2 to {MAX_SOURCES} packs"
        )
    if signer.kind != "local":
        raise ConfigError("a mixture is signed with keys, and not with sigstore")
    if purpose is not None and purpose not in PURPOSES:
        raise ConfigError("there is no purpose of that name", seen=purpose, allowed=", ".join(PURPOSES))
    if name is not None and not (_NAME.fullmatch(name) and name.isprintable() and name.strip()):
        raise ConfigError("a mixture has a name of one line", seen=name, allowed="1 to 120 characters")
    for pack in packs:
        if is_mixture(pack):
            raise InputError(f"{pack} is a mixture itself", mend="Name the packs in its sources/.")
        if not (pack / layout.STATEMENT).is_file():
            raise InputError(f"{pack} holds no pack", mend="Name folders of packs, not of runs.")
        if out.resolve().is_relative_to(pack.resolve()):
            raise InputError(f"{out} lies in {pack}, which it would alter", mend="Choose another --out.")


def _refuse_revoked(packs: Sequence[MixedPack], revoked: Sequence[Path]) -> None:
    for path in revoked:
        for folder, rows in find_revoked_in(packs, path).items():
            row_id, cause = min(rows.items())
            raise VerificationError(
                f"{folder}: row {row_id} is withdrawn by {path} ({cause})",
                mend="Issue that pack again without it: pack PACK --reissue LIST.",
            )


def _copy_pack(pack: MixedPack, staging: Path, folder: str) -> None:
    """The files of a pack, byte for byte; what the Hub left beside them stays behind."""
    sizes, _, _ = layout.list_pack_files(pack.path)
    for name, size in sizes.items():
        with store_errors(staging):
            (staging / folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(staging / folder / name, read_file(pack.path, name, max_bytes=size))


def _finish(
    staging: Path,
    packs: Sequence[MixedPack],
    asked: tuple[str, str | None],
    signer: Signer,
    ledger: Path | None,
) -> None:
    """Write what lies beside the packs, and append the mixture to the ledger; `asked`: name and purpose."""
    name, purpose = asked
    told = disclose_mixture(packs, name, signer.key_id)
    run, root = identify_mixture(packs, name, purpose), grow_tree(packs).root.hex()
    entries = [] if ledger is None else read_ledger(ledger)
    place = None if ledger is None else find_place(entries, run, root)
    if place is not None:
        write_bytes(staging / layout.LEDGER, place.to_bytes())
    stands = None if place is None else place.to_predicate()
    for document, data in render_documents(told).items():
        write_bytes(staging / document, data)
    write_bytes(staging / layout.VERIFIER, read_verifier())
    write_bytes(staging / layout.CARD, render_card(packs, told, purpose, stands).encode("utf-8"))
    sizes, _, _ = list_mixture(staging)
    predicate = {
        **describe_mixture(packs, name, purpose),
        "ledger": stands,
        "cosigners": list(signer.cosigners),
        "bytes": sizes,
    }
    subjects = {file: digest_pack_file(staging, file, size) for file, size in sizes.items()}
    statement = build_statement({**subjects, PACKS_SUBJECT: root}, predicate)
    for file, data in signer.sign(statement).items():
        write_bytes(staging / file, data)
    write_manifest(staging, build_mixture_facts(predicate))
    if ledger is not None and place is not None:
        entry = LedgerEntry(place.sequence, run, root, leaf_hash(statement).hex())
        append_entry(ledger, entries, entry)


def _require_replaceable(out: Path) -> None:
    """Refuse a folder that holds anything but a mixture."""
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise RunMismatch(f"{out} is in the way: it is no folder", mend="Choose another folder with --out.")
    held = sorted(path.name for path in out.iterdir())
    if held and (not is_mixture(out) or list_foreign(out)):
        raise RunMismatch(
            f"{out} is not empty and holds no mixture", seen=held[0], mend="Choose another folder with --out."
        )
