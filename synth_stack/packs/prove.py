"""A proof file: rows of a pack with their records, their paths and the signed head, to be checked alone.

`verify_pack.read_proof` checks it, here and in the single-file verifier. Of other rows it shows hashes alone;
of the batch what the statement says, which is what is signed: names and digests of files, gates, and counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.errors import ConfigError, InputError, VerificationError
from synth_stack.files import read_regular, store_errors, write_bytes
from synth_stack.lineage.record import RECORD_SCHEMA
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.shards import find_row
from synth_stack.packs.statement import read_file
from synth_stack.packs.trace import find_accepted
from synth_stack.packs.verify.verify import (
    ExpectedSigner,
    RowProof,
    SignatureCheck,
    check_identity,
    name_identity,
    verify_row,
)
from synth_stack.rows.schemas import canonical_row
from synth_stack.runs.judged import read_candidates
from synth_stack.text.printable import show

MAX_PROVED = 1_000
"""Rows of a proof: each is looked for in the pack, which takes a pass over the ids."""


@dataclass(frozen=True, slots=True)
class ProofCheck:
    """What a proof file shows, once every row of it is proved; `warnings` are what it cannot prove."""

    path: Path
    proof: verify_pack.Proof
    warnings: tuple[str, ...]
    signature: SignatureCheck

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON; of a pack in a mixture `mixture` has root and key of the mixture."""
        outer = self.proof.mixture
        signed = self.proof.signed
        return {
            "path": str(self.path),
            "verified": True,
            "rows": [
                {
                    "row_id": row.record["row_id"],
                    "index": row.index,
                    "record": row.record,
                    "content": None if row.content is None else orjson.loads(row.content),
                }
                for row in self.proof.rows
            ],
            "warnings": list(self.warnings),
            "root": signed.predicate["tree"]["root"],
            "size": signed.predicate["tree"]["size"],
            "key_id": signed.key_id,
            "signature": self.signature.to_json(),
            "mixture": None
            if outer is None
            else {
                "folder": self.proof.folder,
                "root": outer.predicate["tree"]["root"],
                "key_id": outer.key_id,
            },
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        return show(
            *verify_pack.describe_proof(self.proof, self.signature.key_checked, self.signature.identity)
        )


def prove_rows(pack: Path, row_ids: Sequence[str], out: Path, *, run: Path | None = None) -> Path:
    """Write the proof of some rows of a pack, accepted or not, to the file `out`, and return its path.

    Ids may be shortened to 8 or more characters. Each row is checked against the signature first. The content
    of accepted rows is in it; that of others where the `run` that made them is given. Raises InputError for a
    row that the pack or run does not have, VerificationError for one that is not what was signed.
    """
    if not 1 <= len(row_ids) <= MAX_PROVED:
        raise InputError("a proof is of some rows", seen=len(row_ids), allowed=f"1 to {MAX_PROVED}")
    if out.resolve().is_relative_to(pack.resolve()):
        raise InputError(f"{out} lies in the pack, which it would alter", mend="Choose another --out.")
    proved = [verify_row(pack, row_id) for row_id in row_ids]
    sources = sorted({each.mixture.folder for each in proved if each.mixture is not None})
    if len(sources) > 1:
        raise InputError(
            "the rows are of several packs of the mixture, and a proof is of one",
            seen=", ".join(sources),
            mend="Write a proof for each.",
        )
    outer = _tell_mixture(pack) if sources else {}
    pack = pack / sources[0] if sources else pack
    found = {each.index: each for each in proved}
    names, _, _ = layout.list_pack_files(pack)
    told = [_tell(pack, names, found[index], run) for index in sorted(found)]
    has_bundle = layout.BUNDLE in names
    value = {
        "scheme": verify_pack.PROOF_SCHEME,
        "public_key": read_file(pack, layout.PUBLIC_KEY, max_bytes=names[layout.PUBLIC_KEY]).decode(),
        "statement": orjson.loads(read_file(pack, layout.STATEMENT, max_bytes=verify_pack.MAX_SEAL_BYTES)),
        "bundle": read_file(pack, layout.BUNDLE, max_bytes=names[layout.BUNDLE]).decode()
        if has_bundle
        else None,
        "rows": told,
        **outer,
    }
    data = verify_pack.canonical(value) + b"\n"
    with raise_refusals():
        verify_pack.read_proof(data, str(out))
    with store_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(out, data)
    return out


def verify_proof(path: Path, **signer: Unpack[ExpectedSigner]) -> ProofCheck:
    """What a proof file shows. Raises VerificationError for whatever of it is not proved, and ConfigError for
    arguments that cannot be used.
    """
    data = read_regular(path, max_bytes=verify_pack.MAX_PROOF_BYTES)
    with raise_refusals():
        proof = verify_pack.read_proof(data, str(path), signer.get("expected_key"))
    if proof.mixture is not None and signer.get("identity") is not None:
        raise ConfigError("a mixture is signed with keys: no identity vouches for it")
    checked = check_identity(proof.signed.statement, proof.bundle, signer)
    known = signer.get("expected_key") is not None
    signature = SignatureCheck(known, proof.bundle is not None, name_identity(signer) if checked else None)
    return ProofCheck(path, proof, () if known or checked else (verify_pack.LOCAL_NOTE,), signature)


def _tell_mixture(folder: Path) -> dict[str, Any]:
    """What a proof says of the mixture that its pack lies in."""
    envelope = read_file(folder, layout.STATEMENT, max_bytes=verify_pack.MAX_SEAL_BYTES)
    key = read_file(folder, layout.PUBLIC_KEY, max_bytes=4096)
    return {"mixture": {"public_key": key.decode(), "statement": orjson.loads(envelope)}}


def _tell(pack: Path, names: Mapping[str, int], proved: RowProof, run: Path | None) -> dict[str, Any]:
    files = layout.of_kind(names, "lineage", "records")
    record = find_row(pack, files, RECORD_SCHEMA, proved.index)["record"].decode()
    content = None
    if proved.in_data:
        content = find_accepted(pack, names, proved.row_id)
        if content is None:
            raise VerificationError(f"row {proved.row_id} was signed as accepted and is not in data/")
    elif run is not None:
        content = _find_in_run(run, proved.row_id)
    return {
        "index": proved.index,
        "path": list(proved.proof),
        "record": record,
        "content": None if content is None else canonical_row(content).decode(),
    }


def _find_in_run(run: Path, row_id: str) -> Mapping[str, Any]:
    for table in read_candidates(run):
        for row in table.filter(pc.equal(table["row_id"], pa.scalar(row_id))).to_pylist():
            found: Mapping[str, Any] = row
            return found
    raise InputError(f"{run} does not have row {row_id}", mend="Name the run that the pack was made of.")
