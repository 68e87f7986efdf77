"""The seal of a pack: the signed statement, the list of its files, and whether the files are those."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.files import store_errors
from synth_stack.lineage.merkle import TreeHead
from synth_stack.lineage.sign import key_id, parse_statement, verify_envelope
from synth_stack.packs import layout
from synth_stack.packs.counts import Counts
from synth_stack.rows.canonical import canonical_json
from synth_stack.runs.folder import MANIFEST, MANIFEST_SCHEME

Json = dict[str, Any]
CheckBundle = Callable[[bytes], bytes]
"""The statement that a sigstore bundle signs, once its identity is checked; raises VerificationError."""

MAX_SEAL_BYTES = 64 * 1024**2
"""The statement and the manifest take 150 bytes a file; a larger one is refused unread."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Seal:
    """What a pack's signature says. `subjects` maps each signed file to its SHA-256.

    `has_bundle` says that an identity signed too, and `identity_checked` that it is the expected one.
    """

    head: TreeHead
    predicate: Mapping[str, Any]
    subjects: Mapping[str, str]
    key_id: str
    has_bundle: bool
    identity_checked: bool


def build_predicate(
    *,
    identity: str,
    version: str,
    signature: str,
    head: TreeHead,
    context: Mapping[str, str],
    counts: Counts,
) -> Json:
    """What is signed beside the digests: of which run, by what, how many rows and what became of them."""
    return {
        "scheme": layout.PACK_SCHEME if counts.review is None else layout.REVIEWED_SCHEME,
        "run": identity,
        "synth_stack": version,
        "signature": signature,
        "tree": {"size": head.size, "root": head.root.hex()},
        **context,
        "counts": counts.to_predicate(),
    }


def build_facts(predicate: Mapping[str, Any]) -> Json:
    """The facts of the manifest: what the statement says, for a reader who only lists packs."""
    return {
        "scheme": predicate["scheme"],
        "run": predicate["run"],
        "root": predicate["tree"]["root"],
        "generated": predicate["counts"]["generated"],
        "accepted": predicate["counts"]["accepted"],
    }


def read_file(pack: Path, name: str, *, max_bytes: int) -> bytes:
    """The bytes of one file of a pack. Raises VerificationError for a larger one, or none."""
    path = pack / name
    if path.is_symlink() or not path.is_file():
        raise VerificationError(f"{name} is missing")
    with store_errors(path), path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise VerificationError(f"{name} is too large", allowed=f"at most {max_bytes} bytes")
    return data


def read_manifest(pack: Path) -> Json:
    """MANIFEST.json as {scheme, facts, files: {name: {sha256, bytes}}}, in the form that was written.

    Raises VerificationError for any other, and for a byte that is not the canonical one.
    """
    data = read_file(pack, MANIFEST, max_bytes=MAX_SEAL_BYTES)
    try:
        value = orjson.loads(data)
        canonical = canonical_json(value) + b"\n"
    except ValueError as exc:
        raise VerificationError(f"{MANIFEST} is not JSON: {exc}") from exc
    match value:
        case {"scheme": str(scheme), "facts": dict(), "files": dict(files), **others} if not others:
            if scheme != MANIFEST_SCHEME:
                raise VerificationError(
                    f"{MANIFEST} has another scheme", seen=scheme, allowed=MANIFEST_SCHEME
                )
            for name, entry in files.items():
                _require_entry(name, entry)
        case _:
            raise VerificationError(f"{MANIFEST} is not a list of files with facts")
    if canonical != data:
        raise VerificationError(f"{MANIFEST} is not canonical JSON (RFC 8785) with one line end")
    return dict(value)


def open_seal(
    pack: Path, *, expected_key: str | None = None, check_bundle: CheckBundle | None = None
) -> Seal:
    """What the signature of a pack says, once it is checked; no other file is opened.

    Raises VerificationError naming the file that is wrong, and ConfigError for an `expected_key` that is
    no key id.
    """
    if expected_key is not None and not _SHA256.fullmatch(expected_key):
        raise ConfigError(
            "the expected key is not a key id", seen=expected_key, allowed="64 lower-case hexadecimal digits"
        )
    envelope = read_file(pack, layout.STATEMENT, max_bytes=MAX_SEAL_BYTES)
    pem = read_file(pack, layout.PUBLIC_KEY, max_bytes=4096)
    try:
        statement = verify_envelope(envelope, pem, where=layout.STATEMENT)
    except VerificationError as exc:
        if str(exc).startswith("the public key"):
            raise VerificationError(f"{layout.PUBLIC_KEY}: {exc}") from exc
        raise
    keyid = _name_key(pem)
    if expected_key is not None and keyid != expected_key:
        raise VerificationError(
            f"{layout.PUBLIC_KEY} is not the expected key", seen=keyid, allowed=expected_key
        )
    value = parse_statement(statement, where=layout.STATEMENT)
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in value["subject"]}
    head = _read_head(value["predicate"])
    if subjects.pop(layout.ROWS_SUBJECT, None) != head.root.hex():
        raise VerificationError(f"{layout.STATEMENT} names two different roots, or no rows")
    has_bundle = value["predicate"]["signature"] == "sigstore"
    checked = _check_bundle(pack, statement, has_bundle, check_bundle)
    return Seal(head, value["predicate"], subjects, keyid, has_bundle, checked)


def digest_pack_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size of the bytes of one file, read once. Raises StoreError."""
    digest, size = hashlib.sha256(), 0
    with store_errors(path), path.open("rb") as file:
        while block := file.read(1024**2):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _require_entry(name: str, entry: Any) -> None:
    match entry:
        case {"sha256": str(sha256), "bytes": int(size), **others}:
            if not others and _SHA256.fullmatch(sha256) and size >= 0 and size is not True:
                return
    raise VerificationError(f"{MANIFEST}: {name} is not listed with a SHA-256 and its bytes")


def _name_key(pem: bytes) -> str:
    """The id of the key in `pem`, if those are the bytes that we write for it.

    PEM has room for what changes nothing: spaces, text before and after. Here every byte counts.
    """
    key = load_pem_public_key(pem)
    written = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if written != pem or not isinstance(key, Ed25519PublicKey):
        raise VerificationError(f"{layout.PUBLIC_KEY} is not written as this package writes it")
    return key_id(key)


def _read_head(predicate: Mapping[str, Any]) -> TreeHead:
    match predicate:
        case {"scheme": str(scheme)} if scheme not in {layout.PACK_SCHEME, layout.REVIEWED_SCHEME}:
            raise VerificationError(
                f"{layout.STATEMENT} is of another scheme",
                seen=scheme,
                allowed=f"{layout.PACK_SCHEME} or {layout.REVIEWED_SCHEME}",
            )
        case {
            "scheme": str(),
            "run": str(),
            "synth_stack": str(),
            "signature": "local" | "sigstore",
            "tree": {"size": int(size), "root": str(root)},
            "recipe_sha256": str(),
            "gates_sha256": str(),
            "counts": {"generated": int(), "accepted": int()},
        } if _SHA256.fullmatch(root) and size >= 0:
            return TreeHead(size, bytes.fromhex(root))
    raise VerificationError(f"{layout.STATEMENT} does not say what a pack's statement says")


def _check_bundle(pack: Path, statement: bytes, has_bundle: bool, check: CheckBundle | None) -> bool:
    """Whether an identity was checked. The bundle must sign the very statement that the key signed."""
    if not has_bundle:
        if (pack / layout.BUNDLE).exists():
            raise VerificationError(f"{layout.BUNDLE} does not belong to a pack signed with a key alone")
        if check is not None:
            raise VerificationError(
                f"{layout.STATEMENT} was signed with a local key, and no identity vouches for it",
                mend="Ask the publisher for a pack signed with sigstore, or check the key with --key-id.",
            )
        return False
    bundle = read_file(pack, layout.BUNDLE, max_bytes=MAX_SEAL_BYTES)
    try:
        signed = check(bundle) if check is not None else _read_payload(bundle)
    except VerificationError as exc:
        raise VerificationError(f"{layout.BUNDLE}: {exc}") from exc
    if signed != statement:
        raise VerificationError(f"{layout.BUNDLE} signs another statement than {layout.STATEMENT}")
    return check is not None


def _read_payload(bundle: bytes) -> bytes:
    try:
        match orjson.loads(bundle):
            case {"dsseEnvelope": {"payload": str(payload)}}:
                return base64.b64decode(payload, validate=True)
    except ValueError as exc:
        raise VerificationError(f"it is not JSON with base64: {exc}") from exc
    raise VerificationError("it holds no DSSE envelope")
