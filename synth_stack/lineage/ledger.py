"""The ledger of a publisher: an append-only list of the batches that were signed, as a Merkle tree over them.

Each batch signs its place: how many batches were before it, and the root over these. The next batch signs the
head that this one made, so a batch that is left out, changed or put in later breaks the chain. A reader keeps
the last head that was seen (a pin) and takes only what goes on from there (RFC 9162, section 2.1.4).

The file has one canonical JSON object a line: a header, then `{leaf, root, run, sequence}` for each batch,
and `revoked` of one that was issued again.
`leaf` is the RFC 6962 leaf hash of the batch's signed statement.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth_stack.errors import ConfigError, StoreError, VerificationError
from synth_stack.files import store_errors, write_bytes
from synth_stack.lineage.merkle import HASH_BYTES, TreeHead, grow_tree, prove_consistency, verify_consistency
from synth_stack.rows.canonical import canonical_json

LEDGER_SCHEME = "synth_stack/ledger/v1"
PIN_SCHEME = "synth_stack/pin/v1"
MAX_LEDGER_BYTES = 256 * 1024**2
"""About a million batches."""
MAX_PIN_BYTES = 1024**2
"""A ledger that packs of mixtures stand in takes some 250 bytes."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADER = canonical_json({"scheme": LEDGER_SCHEME})


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A batch in a ledger: its place, its run, the root over its rows, and the leaf hash of its statement.

    `revoked` is the digest of the list by which rows were withdrawn from it, where it was issued again.
    """

    sequence: int
    run: str
    root: str
    leaf: str
    revoked: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """Where a batch stands: after `previous`, the leaf hashes (hexadecimal) of the batches before it."""

    previous: tuple[str, ...]

    @property
    def sequence(self) -> int:
        """How many batches stand before it."""
        return len(self.previous)

    def to_predicate(self) -> dict[str, Any]:
        """What the statement of the batch says of it."""
        head = grow_head(bytes.fromhex(leaf) for leaf in self.previous)
        return {"sequence": self.sequence, "previous": {"size": head.size, "root": head.root.hex()}}

    def to_bytes(self) -> bytes:
        """The file of a pack that shows the batches before it."""
        return canonical_json({"scheme": LEDGER_SCHEME, "entries": list(self.previous)}) + b"\n"


@dataclass(frozen=True, slots=True, order=True)
class PinnedLedger:
    """The furthest that a reader has seen of another ledger, by packs in a mixture: it is known by its key
    and its `first` batch.
    """

    key_id: str
    first: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Pin:
    """The last head of a ledger that a reader has verified, and whose key had signed it; and what its
    mixtures have shown of other ledgers.
    """

    key_id: str
    size: int
    root: str
    packs: tuple[PinnedLedger, ...] = ()

    def to_bytes(self) -> bytes:
        """The bytes of a pin file."""
        told: dict[str, Any] = {
            "scheme": PIN_SCHEME,
            "key_id": self.key_id,
            "size": self.size,
            "root": self.root,
        }
        if self.packs:
            told["packs"] = [asdict(each) for each in self.packs]
        return canonical_json(told) + b"\n"


def grow_head(leaves: Any) -> TreeHead:
    """The head over leaf hashes of 32 bytes each."""
    data = b"".join(leaves)
    return grow_tree([np.frombuffer(data, dtype=np.uint8).reshape(-1, HASH_BYTES)])


def read_ledger(path: Path) -> list[LedgerEntry]:
    """The batches of a ledger; none where there is no file. Raises StoreError for one that is torn or
    altered.

    A last line without its end was being written when the machine stopped; its batch was never published.
    """
    if not path.exists():
        return []
    with store_errors(path), path.open("rb") as file:
        data = file.read(MAX_LEDGER_BYTES + 1)
    if len(data) > MAX_LEDGER_BYTES:
        raise StoreError(f"{path} is too large for a ledger", allowed=f"at most {MAX_LEDGER_BYTES} bytes")
    lines = data.split(b"\n")[:-1]
    if not lines or lines[0] != _HEADER:
        raise StoreError(f"{path} is no ledger", mend="Name the file that --ledger made, or a new one.")
    return [_read_entry(line, number, path) for number, line in enumerate(lines[1:])]


def find_place(
    entries: Sequence[LedgerEntry], run: str, root: str, revoked: str | None = None
) -> LedgerPlace:
    """The place of a batch: the last one again where that is the very batch, else after all others."""
    leaves = [entry.leaf for entry in entries]
    last = entries[-1] if entries else None
    again = last is not None and (last.run, last.root, last.revoked) == (run, root, revoked)
    return LedgerPlace(tuple(leaves[:-1] if again else leaves))


def append_entry(path: Path, entries: Sequence[LedgerEntry], entry: LedgerEntry) -> None:
    """Write `entry` after `entries`, unless it is the last of them; it is on the disk when this returns.

    Raises StoreError when the place is taken by another batch.
    """
    if entries and entries[-1] == entry:
        return
    if entry.sequence != len(entries):
        raise StoreError(
            f"{path}: batch {entry.sequence} was signed with another statement before",
            mend="Pack with the version and key that signed it, or go on with the next batch.",
        )
    lines = [_HEADER, *(canonical_json(_to_json(each)) for each in [*entries, entry])]
    write_bytes(path, b"\n".join(lines) + b"\n")


def read_pin(path: Path) -> Pin | None:
    """The pin at `path`; None where there is no file. Raises ConfigError for a file that is none."""
    if not path.exists():
        return None
    with store_errors(path), path.open("rb") as file:
        data = file.read(MAX_PIN_BYTES + 1)
    try:
        match orjson.loads(data):
            case {
                "scheme": "synth_stack/pin/v1",
                "key_id": str(key),
                "size": int(size),
                "root": str(root),
                **rest,
            }:
                packs = _read_pinned(rest.pop("packs", []))
                sound = size > 0 and _SHA256.fullmatch(root) and _SHA256.fullmatch(key)
                if not rest and sound and packs is not None:
                    return Pin(key, size, root, packs)
    except orjson.JSONDecodeError:
        pass
    raise ConfigError(
        f"{path} is no pin", mend="Name the file that --pin wrote, or one that is not there yet."
    )


def _read_pinned(value: object) -> tuple[PinnedLedger, ...] | None:
    """The ledgers in a pin; None for what is none."""
    found = []
    for each in value if isinstance(value, list) else [None]:
        match each:
            case {"key_id": str(key), "first": str(first), "size": int(size), "root": str(root), **rest}:
                if not rest and size > 0 and all(_SHA256.fullmatch(text) for text in (key, first, root)):
                    found.append(PinnedLedger(key, first, size, root))
                    continue
        return None
    return tuple(found)


def advance_packs(
    pinned: Sequence[PinnedLedger], chains: Sequence[tuple[str, str, Sequence[bytes]]]
) -> tuple[PinnedLedger, ...]:
    """The ledgers of a pin after a mixture, each as far as it was seen. `chains` are the packs in it that
    have a place: folder, key, and the leaf hashes up to them.

    Raises VerificationError where all packs of a pinned ledger stand before what was seen (rollback), and
    where one holds other batches (a fork). A ledger that has no pack in the mixture stays as it was.
    """
    known = {(each.key_id, each.first): each for each in pinned}
    furthest: dict[tuple[str, str], tuple[str, Sequence[bytes]]] = {}
    for folder, key_id, leaves in chains:
        at = (key_id, leaves[0].hex())
        if len(leaves) > len(furthest.get(at, ("", ()))[1]):
            furthest[at] = (folder, leaves)
    for (key_id, first), (folder, leaves) in furthest.items():
        before = known.get((key_id, first))
        if before is not None and len(leaves) < before.size:
            raise VerificationError(
                f"{folder} was rolled back: a mixture before had a later batch of its ledger",
                seen=f"batch {len(leaves) - 1}",
                allowed=f"batch {before.size - 1} or later",
            )
        if before is not None and grow_head(leaves[: before.size]).root.hex() != before.root:
            raise VerificationError(
                f"{folder} is of a fork: its ledger does not hold the batches that were pinned",
                seen=grow_head(leaves[: before.size]).root.hex(),
                allowed=before.root,
            )
        known[key_id, first] = PinnedLedger(key_id, first, len(leaves), grow_head(leaves).root.hex())
    return tuple(sorted(known.values()))


def advance_pin(pin: Pin | None, key_id: str, previous: Sequence[bytes], leaf: bytes) -> Pin:
    """The pin after a batch whose statement has the hash `leaf` and that signed the leaf hashes `previous`.

    Without a pin the batch is the first that is seen of its ledger. Raises VerificationError for a batch by
    another key, one that stands before the pin (a rollback), one whose ledger does not hold what was pinned
    (a fork), and one that is not the next (a batch in between is missing).
    """
    size = len(previous) + 1
    head = grow_head([*previous, leaf])
    new = Pin(key_id, size, head.root.hex(), () if pin is None else pin.packs)
    if pin is None:
        return new
    if pin.key_id != key_id:
        raise VerificationError("the pin is of another key", seen=key_id, allowed=pin.key_id)
    if size < pin.size:
        raise VerificationError(
            "the ledger was rolled back: the pin has seen more batches than this pack knows of",
            seen=f"batch {size - 1}",
            allowed=f"batch {pin.size - 1} or later",
        )
    leaves = np.frombuffer(b"".join([*previous, leaf]), dtype=np.uint8).reshape(-1, HASH_BYTES)
    proof = prove_consistency(leaves, pin.size)
    if not verify_consistency(pin.size, size, bytes.fromhex(pin.root), head.root, proof):
        raise VerificationError(
            "the ledger was forked: it does not hold the batches that were pinned",
            seen=grow_head([*previous, leaf][: pin.size]).root.hex(),
            allowed=pin.root,
        )
    if size > pin.size + 1:
        missing = f"{pin.size}" if size == pin.size + 2 else f"{pin.size} to {size - 2}"
        raise VerificationError(
            f"a batch is missing: {missing} stands between the pin and this pack",
            seen=f"batch {size - 1}",
            allowed=f"batch {pin.size}",
            mend="Verify the packs of these batches with the same pin first, in their order.",
        )
    return new


def _to_json(entry: LedgerEntry) -> dict[str, Any]:
    told = {"sequence": entry.sequence, "run": entry.run, "root": entry.root, "leaf": entry.leaf}
    return told if entry.revoked is None else {**told, "revoked": entry.revoked}


def _read_entry(line: bytes, number: int, path: Path) -> LedgerEntry:
    try:
        match orjson.loads(line):
            case {"sequence": int(sequence), "run": str(run), "root": str(root), "leaf": str(leaf), **rest}:
                digests = all(_SHA256.fullmatch(each) for each in (run, root, leaf))
                match rest:
                    case {"revoked": str(revoked), **more} if not more and _SHA256.fullmatch(revoked):
                        again: str | None = revoked
                    case _:
                        again, digests = None, digests and not rest
                if digests and sequence == number:
                    return LedgerEntry(sequence, run, root, leaf, again)
    except orjson.JSONDecodeError:
        pass
    raise StoreError(f"{path}: line {number + 2} is no batch, or not batch {number}")
