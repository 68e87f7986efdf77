"""The end of a pack: its card, its place in a ledger, its signatures, and its name."""

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from synth_stack import __version__
from synth_stack.errors import RunMismatch, VerificationError
from synth_stack.files import digest_file, store_errors, write_bytes
from synth_stack.lineage.ledger import LedgerEntry, append_entry, find_place, read_ledger
from synth_stack.lineage.merkle import TreeHead, leaf_hash
from synth_stack.lineage.sign import build_statement
from synth_stack.packs import layout
from synth_stack.packs.card.card import render_card
from synth_stack.packs.counts import Counts
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.disclosure.facts import build_disclosure
from synth_stack.packs.publish import publish, remove_leftovers
from synth_stack.packs.signers import Signer
from synth_stack.packs.statement import Json, build_facts, build_predicate, read_manifest
from synth_stack.runs.folder import MANIFEST, hold_alone, list_files, write_manifest
from synth_stack.runs.locks import GatesLock, RecipeLock


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """What is said of the rows in a pack: its locks, the digests in every record, the counts, the tree.

    `withdrawn` is what the statement says of rows that are gone since an earlier issue; None for a first one.
    """

    recipe: RecipeLock
    lock: GatesLock
    context: Mapping[str, str]
    counts: Counts
    head: TreeHead
    withdrawn: Json | None = None


@contextmanager
def open_staging(out: Path, identity: str, ledger: Path | None) -> Iterator[Path]:
    """A folder to fill with a pack of the run `identity`, which becomes `out` when the block ends well.

    `out` and `ledger` are held by this process alone. Raises RunMismatch when `out` holds something other
    than an older pack of this run, StoreError while another process packs there.
    """
    with stage(out, lambda: _require_replaceable(out, identity), ledger) as staging:
        yield staging


@contextmanager
def stage(out: Path, require: Callable[[], None], beside: Path | None = None) -> Iterator[Path]:
    """A folder to fill, which becomes `out` when the block ends well; `require` refuses what stands there.

    `out`, and the file `beside`, are held by this process alone.
    """
    with store_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        held.enter_context(hold_alone(out.with_name(f".{out.name}.lock"), str(out), remove=True))
        if beside is not None:
            held.enter_context(hold_alone(beside.with_name(f".{beside.name}.lock"), str(beside), remove=True))
        require()
        staging = out.with_name(f".{out.name}.{secrets.token_hex(4)}.packing")
        with store_errors(out):
            remove_leftovers(out, "packing")
            staging.mkdir(parents=True)
            try:
                yield staging
                publish(staging, out, "packing")
            finally:
                shutil.rmtree(staging, ignore_errors=True)


def finish_pack(staging: Path, batch: PackedBatch, signer: Signer, *, ledger: Path | None) -> None:
    """Write card, documents, ledger place, signatures and manifest of a pack whose other files lie in
    `staging`, and append the batch to the ledger.
    """
    recipe, head = batch.recipe, batch.head
    revoked = None if batch.withdrawn is None else batch.withdrawn["list"]
    entries = [] if ledger is None else read_ledger(ledger)
    place = None if ledger is None else find_place(entries, recipe.identity, head.root.hex(), revoked)
    if place is not None:
        write_bytes(staging / layout.LEDGER, place.to_bytes())
    told = None if place is None else place.to_predicate()
    disclosed = build_disclosure(
        recipe,
        batch.lock.gates,
        batch.counts,
        root=head.root.hex(),
        key_id=signer.key_id,
        files={name: _measure(staging / name) for name in list_files(staging) if name.startswith("data/")},
        withdrawn=0 if batch.withdrawn is None else batch.withdrawn["rows"],
    )
    for name, data in render_documents(disclosed).items():
        write_bytes(staging / name, data)
    card = render_card(
        recipe,
        batch.lock.gates,
        batch.counts,
        told=disclosed,
        signature=signer.kind,
        place=told,
        withdrawn=batch.withdrawn,
        cosigners=signer.cosigners,
    )
    write_bytes(staging / layout.CARD, card.encode("utf-8"))
    statement = _sign(staging, batch, signer, place=told)
    if ledger is not None and place is not None:
        leaf = leaf_hash(statement).hex()
        entry = LedgerEntry(place.sequence, recipe.identity, head.root.hex(), leaf, revoked)
        append_entry(ledger, entries, entry)


def _measure(path: Path) -> tuple[str, int]:
    return str(digest_file(path)), path.stat().st_size


def _sign(staging: Path, batch: PackedBatch, signer: Signer, *, place: Json | None) -> bytes:
    """The signed statement, once its signatures and the manifest are written."""
    predicate = build_predicate(
        identity=batch.recipe.identity,
        version=__version__,
        signature=signer.kind,
        head=batch.head,
        context=batch.context,
        lock=batch.lock,
        counts=batch.counts,
        sizes={name: (staging / name).stat().st_size for name in list_files(staging)},
        place=place,
        withdrawn=batch.withdrawn,
        cosigners=signer.cosigners,
    )
    subjects = {name: str(digest_file(staging / name)) for name in list_files(staging)}
    statement = build_statement({**subjects, layout.ROWS_SUBJECT: batch.head.root.hex()}, predicate)
    for name, data in signer.sign(statement).items():
        write_bytes(staging / name, data)
    write_manifest(staging, build_facts(predicate))
    return statement


def _require_replaceable(out: Path, identity: str) -> None:
    """Refuse a folder that holds anything but an older pack of the same run."""
    if not out.exists() and not out.is_symlink():
        return
    mend = "Choose another folder with --out."
    if out.is_symlink() or not out.is_dir():
        raise RunMismatch(f"{out} is in the way: it is no folder", mend=mend)
    present = sorted(path.name for path in out.iterdir())
    if not present:
        return
    try:
        manifest = read_manifest(out)
    except VerificationError as exc:
        raise RunMismatch(f"{out} is not empty and holds no pack", seen=present[0], mend=mend) from exc
    if manifest["facts"].get("run") != identity:
        raise RunMismatch(
            f"{out} holds the pack of another run", seen=manifest["facts"].get("run"), mend=mend
        )
    names, _, _ = layout.list_pack_files(out)
    foreign = layout.list_foreign(out) + sorted(names.keys() - {*manifest["files"], MANIFEST})
    if foreign:
        raise RunMismatch(f"{out} holds a file that is no part of the pack", seen=foreign[0], mend=mend)
