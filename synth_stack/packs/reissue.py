"""A pack issued again without the rows that were withdrawn since."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError, StoreError, VerificationError
from synth_stack.files import write_bytes
from synth_stack.images.store import STORE
from synth_stack.lineage.ledger import read_ledger
from synth_stack.lineage.merkle import leaf_hash
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.counts import Counts, Tally
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.finish import PackedBatch, finish_pack, open_staging
from synth_stack.packs.images import ImageWriter
from synth_stack.packs.shards import SHARD_ROWS, read_shard, write_shards
from synth_stack.packs.signers import Signer
from synth_stack.packs.splits import SPLITS, list_splits
from synth_stack.packs.statement import Seal, open_seal, read_file
from synth_stack.packs.tombstones import find_withdrawn, open_for_pack
from synth_stack.packs.verify.recount import read_locks
from synth_stack.packs.verify.verify import verify_pack as require_sound
from synth_stack.packs.verify_pack import Revocations
from synth_stack.packs.write import PackSummary
from synth_stack.rows.canonical import canonical_json

_MADE_ANEW = frozenset({layout.CARD, *layout.DOCUMENTS, layout.LEDGER, layout.REVOKED, layout.WITHDRAWN})


def reissue_pack(
    pack: Path,
    out: Path,
    revoked: Path,
    *,
    signer: Signer,
    ledger: Path | None = None,
    shard_rows: int = SHARD_ROWS,
) -> PackSummary:
    """The pack at `pack` issued again at `out`, without the accepted rows that the list `revoked` withdraws.

    It is verified first. Records, decisions and tree stay as they are; data/ loses the rows, and seeds/ goes
    where a seed or a document was withdrawn. With a `ledger`, the new issue is its next batch. `signer` holds
    the key of the pack and of the list. Raises VerificationError for a pack or a list that is not what was
    signed, InputError where nothing new is withdrawn, StoreError for a ledger without the pack.
    """
    _require_pack(pack, out)
    before = require_sound(pack, expected_key=signer.key_id)
    sizes, _, _ = layout.list_pack_files(pack)
    seal = open_seal(pack)
    revocations, earlier = open_for_pack(revoked, pack, seal)
    gone = earlier.union(find_withdrawn([pack], revocations.tombstones)[pack])
    if gone == earlier:
        raise InputError(
            f"{revoked} withdraws no row of {pack} that is still in it: nothing is to be issued again"
        )
    _require_place(seal, ledger)
    recipe, lock = read_locks(pack)
    if before.counts is None:
        raise VerificationError(f"{pack} has no counts")
    with open_staging(out, recipe.identity, ledger) as staging:
        _copy_files(pack, staging, sizes, revocations)
        ordered = [row_id for row_id in _list_ids(pack, sizes) if row_id in gone]
        counts = _write_rows(
            pack, staging, sizes, before.counts, gone=gone, shard_rows=shard_rows, digests=seal.subjects
        )
        write_bytes(staging / layout.REVOKED, revocations.data)
        told = {"scheme": verify_pack.WITHDRAWN_SCHEME, "rows": ordered}
        write_bytes(staging / layout.WITHDRAWN, canonical_json(told) + b"\n")
        batch = PackedBatch(
            recipe, lock, _context(seal), counts, seal.head, _describe(seal, revocations, ordered)
        )
        finish_pack(staging, batch, signer, ledger=ledger)
    return PackSummary(out, counts.count_decisions(), seal.head.root.hex(), signer.key_id, len(ordered))


def _require_pack(pack: Path, out: Path) -> None:
    if not (pack / layout.STATEMENT).is_file():
        raise InputError(
            f"{pack} holds no pack to issue again", mend="Name the folder of a pack, not of a run."
        )
    if out.resolve() == pack.resolve():
        raise InputError(f"{out} is the pack that is issued again", mend="Choose another folder with --out.")


def _require_place(seal: Seal, ledger: Path | None) -> None:
    """The pack has to stand in the ledger that its next issue goes on from."""
    if seal.predicate["ledger"] is None and ledger is None:
        return
    if ledger is None:
        raise InputError(
            "the pack has a place in a ledger, and its next issue needs one too",
            mend="Name the file of your batches with --ledger.",
        )
    if leaf_hash(seal.statement).hex() not in {entry.leaf for entry in read_ledger(ledger)}:
        raise StoreError(
            f"{ledger} does not hold the batch that is issued again", mend="Name its own ledger."
        )


def _copy_files(pack: Path, staging: Path, sizes: Mapping[str, int], revocations: Revocations) -> None:
    for name, size in sizes.items():
        of_corpus = name.startswith(f"{layout.SEEDS}/") and revocations.leaves_out_corpus
        of_rows = name.startswith(("data/", f"{STORE}/"))
        if name in layout.UNSIGNED | _MADE_ANEW or of_rows or of_corpus:
            continue
        write_bytes(staging / name, read_file(pack, name, max_bytes=size))


def _list_ids(pack: Path, sizes: Mapping[str, int]) -> Iterator[str]:
    """The rows in the order of the tree."""
    for name in layout.of_kind(sizes, "lineage", "records"):
        for table in read_shard(pack, name, RECORD_SCHEMA, ["row_id"]):
            yield from table["row_id"].to_pylist()


def _write_rows(
    pack: Path,
    staging: Path,
    sizes: Mapping[str, int],
    before: Counts,
    *,
    gone: frozenset[str],
    shard_rows: int,
    digests: Mapping[str, str],
) -> Counts:
    """data/ and images/ without the rows, and the counts with what is left of them."""
    banned = pa.array(sorted(gone), pa.string())

    def read(split: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        for name in layout.list_data(sizes)[split]:
            for table in read_shard(pack, name, DATA_SCHEMA, columns):
                yield table.filter(pc.invert(pc.is_in(table["row_id"], value_set=banned)))

    left = {split: sum(len(table) for table in read(split, ["row_id"])) for split in SPLITS}
    tally = Tally()
    with ExitStack() as stack:
        images = ImageWriter(pack, staging, stack, digests)
        for split in list_splits(left):
            shards = max(math.ceil(left[split] / shard_rows), 1)
            name = _name_shards(shards, split)
            append = stack.enter_context(write_shards(staging, name, DATA_SCHEMA, shard_rows=shard_rows))
            for table in read(split):
                tally.add_rows(table)
                images.add_rows(table)
                append(table)
    rest = tally.finish([])
    return replace(
        before,
        lengths=rest.lengths,
        splits=rest.splits,
        labels=rest.labels,
        images=rest.images,
        data=rest.data,
    )


def _name_shards(shards: int, split: str) -> Any:
    return lambda number: layout.data_name(number, shards, split)


def _context(seal: Seal) -> dict[str, str]:
    return {name: seal.predicate[name] for name in ("gates_sha256", "recipe_sha256")}


def _describe(seal: Seal, revocations: Revocations, rows: list[str]) -> dict[str, Any]:
    """What the statement says of the withdrawn rows."""
    return {
        "entries": len(revocations.tombstones),
        "list": revocations.sha256,
        "rows": len(rows),
        "statement": leaf_hash(seal.statement).hex(),
    }
