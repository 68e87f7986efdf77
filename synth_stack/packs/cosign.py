"""Further signatures on a pack that is there already, made on the machine of whoever holds the key.

Whoever signs checks the pack first, and signs the statement that the packer signed. So keys that must sign
together never lie on one machine. The signature travels as a small file, or in a copy of the pack.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from synth_stack.errors import ConfigError, InputError
from synth_stack.files import read_regular, store_errors, write_bytes
from synth_stack.lineage.sign import (
    key_id,
    load_or_make_key,
    load_or_make_lattice_key,
    public_key_pem,
    sign_detached,
)
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.publish import publish, remove_leftovers
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.statement import Seal, build_facts, open_seal
from synth_stack.packs.verify.verify import verify_pack as require_sound
from synth_stack.rows.canonical import canonical_json, digest_bytes
from synth_stack.runs.folder import MANIFEST, hold_alone, list_files, write_manifest

SIGNATURE_SCHEME = "synth_stack/cosignature/v1"
_SUFFIX = "signing"


@dataclass(frozen=True, slots=True)
class SignedPack:
    """Who has signed a pack now: the ids of the packer's key and of all further ones; and where it is, or the
    file of one signature on it.
    """

    path: Path
    key_id: str
    cosigners: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return {"path": str(self.path), "key_id": self.key_id, "cosigners": list(self.cosigners)}

    def lines(self) -> list[str]:
        """The same for a person."""
        return [
            f"signed   {self.path}",
            f"key id   {self.key_id}",
            *(f"cosigner {each}" for each in self.cosigners),
        ]


def sign_pack(
    pack: Path,
    *,
    keys: Sequence[Path] = (),
    post_quantum: Sequence[Path] = (),
    add: Sequence[Path] = (),
    out: Path | None = None,
) -> SignedPack:
    """The pack with further signatures on its statement: by `keys` and keys of ML-DSA-65 (`post_quantum`),
    made where there is no such file, and those in the files `add`. The pack is verified first.

    With `out` the pack stays as it is, and the signature of the one key is written there. Raises
    VerificationError for a pack that is not what was signed and for a signature that does not fit it,
    ConfigError, InputError, SigningError, StoreError.
    """
    require_sound(pack)
    seal = open_seal(pack)
    made = [load_or_make_key(path) for path in keys] + [
        load_or_make_lattice_key(path) for path in post_quantum
    ]
    new = [
        {"public_key": public_key_pem(key).decode(), "sig": sign_detached(seal.statement, key)}
        for key in made
    ]
    if out is not None:
        if len(new) != 1 or add:
            raise ConfigError("a file holds the signature of one key", mend="Name one key with --out.")
        told = {"scheme": SIGNATURE_SCHEME, "statement": digest_bytes(seal.statement), **new[0]}
        write_bytes(out, canonical_json(told) + b"\n")
        return SignedPack(out, seal.key_id, (key_id(made[0].public_key()),))
    new += [_read_signature(path, seal) for path in add]
    if not new:
        raise ConfigError("nobody signs", mend="Name a key with --key, or a signature with --add.")
    with (
        hold_alone(pack.with_name(f".{pack.name}.lock"), str(pack), remove=True),
        _open_copy(pack) as staging,
    ):
        cosigners = _write_signatures(staging, seal, new)
    return SignedPack(pack, seal.key_id, cosigners)


def _read_signature(path: Path, seal: Seal) -> dict[str, str]:
    """What a signature file holds. Raises InputError for one of another pack, or none."""
    try:
        value = orjson.loads(read_regular(path, max_bytes=verify_pack.MAX_COSIGNATURES_BYTES))
    except (OSError, orjson.JSONDecodeError) as exc:
        raise InputError(f"{path} is no signature: {exc}") from exc
    match value:
        case {
            "scheme": "synth_stack/cosignature/v1",
            "statement": str(statement),
            "public_key": str(key),
            "sig": str(sig),
        }:
            if statement != digest_bytes(seal.statement):
                raise InputError(f"{path} is a signature on another pack")
            return {"public_key": key, "sig": sig}
    raise InputError(f"{path} is no signature on a pack")


def _write_signatures(staging: Path, seal: Seal, new: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """The ids of all further keys, once the signatures lie in `staging` in the order of the ids."""
    path = staging / layout.COSIGNATURES
    held = orjson.loads(path.read_bytes())["signatures"] if path.exists() else []
    named: dict[str, dict[str, str]] = {}
    with raise_refusals():
        for each in (*held, *new):
            _, named_id = verify_pack.read_key(each["public_key"].encode(), "the signature", cosigns=True)
            if named_id != seal.key_id:
                named[named_id] = each
            elif each in new:
                raise ConfigError("the key of the packer signed already", seen=named_id)
    told = {"scheme": verify_pack.COSIGNATURES_SCHEME, "signatures": [named[each] for each in sorted(named)]}
    write_bytes(path, canonical_json(told) + b"\n")
    (staging / MANIFEST).unlink()
    write_manifest(staging, build_facts(seal.predicate))
    return open_seal(staging).cosigners


@contextmanager
def _open_copy(pack: Path) -> Iterator[Path]:
    """A copy of a pack whose files share their place on the disk, which becomes the pack when the block ends
    well.
    """
    remove_leftovers(pack, _SUFFIX)
    staging = pack.with_name(f".{pack.name}.{os.urandom(4).hex()}.{_SUFFIX}")
    with store_errors(pack):
        try:
            for name in list_files(pack):
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(pack / name, staging / name)
                except OSError:  # a file system without hard links
                    shutil.copyfile(pack / name, staging / name)
            yield staging
            publish(staging, pack, _SUFFIX)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
