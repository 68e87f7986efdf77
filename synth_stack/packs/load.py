"""The rows of a pack for a program: verified first, and without those that were withdrawn."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError, UnknownSigner, VerificationError
from synth_stack.inputs.foreign import build_dataset
from synth_stack.packs import layout
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.mixture.contents import find_revoked_in
from synth_stack.packs.mixture.listing import is_mixture, list_mixture
from synth_stack.packs.mixture.verify import compare_revoked as compare_mixed
from synth_stack.packs.mixture.verify import list_packs
from synth_stack.packs.shards import read_shard
from synth_stack.packs.splits import TRAIN
from synth_stack.packs.statement import open_seal
from synth_stack.packs.tombstones import find_withdrawn, open_for_pack
from synth_stack.packs.verify.verify import Check, ExpectedSigner, SignatureCheck, Verification, verify_pack
from synth_stack.rows.canonical import canonical_json

SIGNATURE = b"synth_stack.signature"
"""In the metadata of a table: root, key id, and what of the signature was checked, as JSON."""


def load_pack(
    path: str | Path,
    *,
    revoked: str | Path | None = None,
    split: str = TRAIN,
    form: Literal["dataset", "arrow"] = "dataset",
    **signer: Unpack[ExpectedSigner],
) -> Any:
    """The accepted rows of one split of a pack, or of a mixture of packs: a `datasets.Dataset`, or with
    `form="arrow"` a pyarrow.Table.

    The pack is verified whole before a row is given, with `expected_key`, `signers`, or `identity` and
    `issuer` as who must have signed. What of the signature was checked goes with the rows, in the words of
    `verify`: in `info.description` of a Dataset, under SIGNATURE in the metadata of a Table. Where nobody was
    named, UnknownSigner is warned of. `revoked` is a list of tombstones of the same key: rows that it
    withdraws, and rows that came from such, are left out. Columns are those of DATA_SCHEMA (data_rows.py);
    all rows of the split are in memory. Raises VerificationError for a pack or list that is not what was
    signed, InputError for a split that the pack does not have.
    """
    pack = Path(path)
    found = verify_pack(pack, **signer)
    signature = found.signature or SignatureCheck()
    _warn_of_unknown_signer(pack, found.key_id, signature)
    parts = [pack / source for source in list_mixture(pack)[1]] if is_mixture(pack) else [pack]
    files = [(part, layout.list_data(layout.list_pack_files(part)[0])) for part in parts]
    if not any(held.get(split) for _, held in files):
        there = sorted({name for _, held in files for name, names in held.items() if names})
        raise InputError(f"{pack} has no rows in that split", seen=split, allowed=", ".join(there))
    gone = [] if revoked is None else sorted(_list_revoked(pack, Path(revoked)))
    banned = pa.array(gone, pa.string())
    tables = [
        table.filter(pc.invert(pc.is_in(table["row_id"], value_set=banned)))
        for part, held in files
        for name in held[split]
        for table in read_shard(part, name, DATA_SCHEMA)
    ]
    rows = pa.concat_tables([DATA_SCHEMA.empty_table(), *tables])
    if form == "arrow":
        told = {"root": found.root, "key_id": found.key_id, **signature.to_json()}
        return rows.replace_schema_metadata({SIGNATURE: canonical_json(told)})
    return build_dataset(rows, description="\n".join(signature.lines(found.root, found.key_id)))


def _warn_of_unknown_signer(pack: Path, key_id: str | None, signature: SignatureCheck) -> None:
    """Says so where whoever loads a pack named nobody who must have signed it."""
    if signature.key_checked or signature.identity is not None:
        return
    warnings.warn(
        f"who signed {pack} was not checked: its key {key_id} came with it, and whoever alters a pack can "
        "sign it again with a key of their own. Say who must have signed, with expected_key, with signers, "
        "or with identity and issuer.",
        UnknownSigner,
        stacklevel=3,
    )


def _list_revoked(pack: Path, revoked: Path) -> list[str]:
    if not is_mixture(pack):
        return [*find_revoked(pack, revoked)]
    return [row_id for rows in find_revoked_in(list_packs(pack), revoked).values() for row_id in rows]


def find_revoked(pack: Path, revoked: Path) -> dict[str, str]:
    """The rows in the data of a verified pack that a list withdraws: id to selector, or "descendant".

    Raises as `open_for_pack` does.
    """
    revocations, gone = open_for_pack(revoked, pack, open_seal(pack))
    found = find_withdrawn([pack], revocations.tombstones)[pack]
    return {row_id: cause for row_id, cause in found.items() if row_id not in gone}


def compare_revoked(found: Verification, revoked: Path) -> Verification:
    """The verification of a sound pack with what a list withdraws from it: a problem where such rows are
    still in the data.
    """
    if found.problems:
        return found
    if is_mixture(found.path):
        return compare_mixed(found, revoked)
    try:
        rows = find_revoked(found.path, revoked)
    except VerificationError as exc:
        return replace(found, checks=(), problems=(exc,))
    if not rows:
        return replace(found, checks=(*found.checks, Check("rows that are withdrawn", 0)))
    causes = sorted({*rows.values()})
    counted = ", ".join(f"{sum(each == cause for each in rows.values()):,} by {cause}" for cause in causes)
    accepted = 0 if found.counts is None else found.counts.accepted
    problem = VerificationError(
        f"{len(rows):,} of {accepted:,} accepted rows are withdrawn by {revoked} ({counted})",
        mend="Take the batch that was issued again, or load it with load_pack(..., revoked=...).",
    )
    return replace(found, checks=(), problems=(problem,), withdrawn=rows)
