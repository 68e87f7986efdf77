"""The rows of a pack for a program: verified first, and without those that were withdrawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack

import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import InputError, VerificationError
from synth_stack.inputs.foreign import build_dataset
from synth_stack.packs import layout
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.shards import read_shard
from synth_stack.packs.splits import TRAIN
from synth_stack.packs.statement import open_seal
from synth_stack.packs.tombstones import find_withdrawn, open_for_pack
from synth_stack.packs.verify.verify import Check, ExpectedSigner, Verification, verify_pack


def load_pack(
    path: str | Path,
    *,
    revoked: str | Path | None = None,
    split: str = TRAIN,
    form: Literal["dataset", "arrow"] = "dataset",
    **signer: Unpack[ExpectedSigner],
) -> Any:
    """The accepted rows of one split of a pack: a `datasets.Dataset`, or with `form="arrow"` a pyarrow.Table.

    The pack is verified whole before a row is given, with `expected_key` or `identity` and `issuer` as who
    must have signed. `revoked` is a list of tombstones of the same key: rows that it withdraws, and rows that
    came from such, are left out. Columns are those of DATA_SCHEMA (data_rows.py); all rows of the split are
    in memory. Raises VerificationError for a pack or list that is not what was signed, InputError for a split
    that the pack does not have.
    """
    pack = Path(path)
    verify_pack(pack, **signer)
    names, _, _ = layout.list_pack_files(pack)
    files = layout.list_data(names)
    if not files.get(split):
        there = ", ".join(name for name, parts in files.items() if parts)
        raise InputError(f"{pack} has no rows in that split", seen=split, allowed=there)
    gone = [] if revoked is None else sorted(find_revoked(pack, Path(revoked)))
    banned = pa.array(gone, pa.string())
    tables = [
        table.filter(pc.invert(pc.is_in(table["row_id"], value_set=banned)))
        for name in files[split]
        for table in read_shard(pack, name, DATA_SCHEMA)
    ]
    rows = pa.concat_tables([DATA_SCHEMA.empty_table(), *tables])
    return rows if form == "arrow" else build_dataset(rows)


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
