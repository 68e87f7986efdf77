"""One signature a batch, with a key on this machine: an in-toto statement in a DSSE envelope.

The statement (https://in-toto.io/Statement/v1) names files by digest and carries the tree's head; the
envelope (DSSE v1) signs it with Ed25519 (RFC 8032), which is deterministic: the same batch and key give
the same bytes. Both are canonical JSON, so a change of any byte in the file is found.
"""

import base64
import hashlib
import logging
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from synth_stack.errors import SigningError, VerificationError
from synth_stack.files import open_regular
from synth_stack.rows.canonical import canonical_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

    PrivateKey = Ed25519PrivateKey | MLDSA65PrivateKey

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://synth-stack.dev/lineage/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The media type that in-toto gives its statements inside a DSSE envelope."""

KEY_VARIABLE = "SYNTH_STACK_KEY"

_MAX_PEM_BYTES = 64 * 1024
"""A private key of ML-DSA-65 takes some 6 kB."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger(__name__)


def build_statement(
    subjects: Mapping[str, str], predicate: Mapping[str, Any], predicate_type: str = PREDICATE_TYPE
) -> bytes:
    """The canonical bytes of an in-toto statement: `subjects` maps file names to SHA-256 digests.

    Subjects stand in the order of their names. Raises SigningError for no subject, a digest that is not
    one, or a predicate that JSON cannot say exactly.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }
    try:
        data = canonical_json(statement)
    except ValueError as exc:
        raise SigningError(f"the statement cannot be signed: {exc}") from exc
    if (fault := _find_fault(statement, predicate_type)) is not None:
        raise SigningError(f"the statement cannot be signed: {fault}")
    return data


def parse_statement(
    data: bytes, *, where: str = "the statement", predicate_type: str = PREDICATE_TYPE
) -> dict[str, Any]:
    """The statement that `data` holds, of that type. Raises VerificationError, starting with `where`, for any
    other.
    """
    try:
        statement = orjson.loads(data)
        if (fault := _find_fault(statement, predicate_type)) is not None:
            raise VerificationError(f"{where} is not a statement of this package: {fault}")
        if canonical_json(statement) != data:
            raise VerificationError(f"{where} is not canonical JSON (RFC 8785)")
    except (ValueError, RecursionError) as exc:
        raise VerificationError(f"{where} is not JSON that can be canonical: {exc}") from exc
    return dict(statement)


def load_or_make_key(path: Path | None = None) -> Ed25519PrivateKey:
    """The signing key at `path`, made there on first use (mode 0600, PEM, PKCS 8).

    Without a path: the one that SYNTH_STACK_KEY names, else synth_stack/signing-key.pem under
    XDG_CONFIG_HOME or ~/.config. Raises SigningError for a key that others can read or write, that is
    not Ed25519, that is encrypted, or that cannot be read or made.
    """
    path = path or default_key_path()
    try:
        if not path.exists():
            _make_key(path, Ed25519PrivateKey.generate())
        return _load_key(path)
    except OSError as exc:
        raise SigningError(f"the signing key {path} cannot be used: {exc.strerror or exc}") from exc


def load_or_make_lattice_key(path: Path) -> "MLDSA65PrivateKey":
    """The ML-DSA-65 key (FIPS 204) at `path`, made there on first use as `load_or_make_key` does.

    Raises what that does, and SigningError where the installed cryptography has no ML-DSA.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

        if not path.exists():
            _make_key(path, MLDSA65PrivateKey.generate())
        key = _load_private(path)
    except (ImportError, UnsupportedAlgorithm) as exc:
        raise SigningError(
            "the installed cryptography has no ML-DSA", mend="Type: pip install --upgrade cryptography"
        ) from exc
    except OSError as exc:
        raise SigningError(f"the signing key {path} cannot be used: {exc.strerror or exc}") from exc
    if not isinstance(key, MLDSA65PrivateKey):
        raise SigningError(
            f"the signing key {path} is of another kind", seen=type(key).__name__, allowed="ML-DSA-65"
        )
    return key


def load_private_key(path: Path) -> Any:
    """The private key of any kind in a file that nobody else can read. Raises SigningError."""
    try:
        return _load_private(path)
    except OSError as exc:
        raise SigningError(f"the signing key {path} cannot be used: {exc.strerror or exc}") from exc


def sign_detached(statement: bytes, key: "PrivateKey") -> str:
    """The signature over DSSE's encoding of `statement` in base64, to stand beside that in its envelope."""
    return base64.b64encode(key.sign(encode_pae(PAYLOAD_TYPE, statement))).decode()


def public_key_pem(key: "PrivateKey") -> bytes:
    """The public half in PEM (SubjectPublicKeyInfo): what a reader of the pack verifies with."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: "Ed25519PublicKey | MLDSA65PublicKey") -> str:
    """The key's name in an envelope: SHA-256 over the DER SubjectPublicKeyInfo, in hexadecimal."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign_local(statement: bytes, key: Ed25519PrivateKey) -> bytes:
    """The DSSE envelope over `statement` as canonical JSON. Equal input gives equal bytes."""
    return sign_payload(statement, key, PAYLOAD_TYPE)


def sign_payload(payload: bytes, key: Ed25519PrivateKey, payload_type: str) -> bytes:
    """The DSSE envelope over a payload of any type as canonical JSON. Equal input gives equal bytes."""
    signature = key.sign(encode_pae(payload_type, payload))
    return _encode_envelope(payload, key_id(key.public_key()), signature, payload_type)


def verify_envelope(
    envelope: bytes,
    public_pem: bytes,
    *,
    where: str = "statement.dsse.json",
    predicate_type: str = PREDICATE_TYPE,
) -> bytes:
    """The statement's bytes, if the envelope is what `sign_local` makes of them with that key.

    Raises VerificationError, starting with `where`, for any byte that was changed, another key, or a
    statement that is not ours.
    """
    key = _load_public_key(public_pem)
    statement, keyid, signature = _open_envelope(envelope, where)
    if keyid != key_id(key):
        raise VerificationError(f"{where} was signed with another key", seen=keyid, allowed=key_id(key))
    if _encode_envelope(statement, keyid, signature) != envelope:
        raise VerificationError(f"{where} is not written as this package writes it")
    try:
        key.verify(signature, encode_pae(PAYLOAD_TYPE, statement))
    except InvalidSignature as exc:
        raise VerificationError(f"the signature in {where} does not fit its statement") from exc
    parse_statement(statement, where=f"the statement in {where}", predicate_type=predicate_type)
    return statement


def encode_pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, the bytes that are signed (DSSE v1, protocol.md)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _find_fault(statement: Any, wanted: str) -> str | None:
    match statement:
        case {
            "_type": kind,
            "subject": [_, *_] as subjects,
            "predicateType": predicate_type,
            "predicate": dict(),
            **others,
        } if not others:
            if kind != STATEMENT_TYPE:
                return f"its _type is {kind!r}, not {STATEMENT_TYPE}"
            if predicate_type != wanted:
                return f"its predicateType is {predicate_type!r}, not {wanted}"
            names = [_subject_name(subject) for subject in subjects]
            if None in names:
                return f"subject {names.index(None)} is not a name with one SHA-256"
            return None if len(set(names)) == len(names) else "a subject stands in it twice"
    return "it is not an object of _type, subject (at least one), predicateType and predicate alone"


def _subject_name(subject: Any) -> str | None:
    match subject:
        case {"name": str(name), "digest": {"sha256": str(digest), **others}, **more}:
            return name if name and not others and not more and _SHA256.fullmatch(digest) else None
    return None


def default_key_path() -> Path:
    """Where the key of this machine lies. Raises SigningError without a home folder."""
    if named := os.environ.get(KEY_VARIABLE):
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    try:
        return Path(config).expanduser() / "synth_stack" / "signing-key.pem"
    except RuntimeError as exc:
        raise SigningError(
            "there is no home folder for a signing key", mend=f"Name a key file in {KEY_VARIABLE}."
        ) from exc


def _make_key(path: Path, key: "PrivateKey") -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp opens with O_EXCL and mode 0600; a hard link fails where a name is taken. So no reader
    # ever sees half a key, and of two processes that start together both use the one that was first.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        Path(temporary).unlink()
    _log.warning("made a new signing key at %s; its id is %s", path, key_id(key.public_key()))


def _load_key(path: Path) -> Ed25519PrivateKey:
    key = _load_private(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(
            f"the signing key {path} is of another kind", seen=type(key).__name__, allowed="Ed25519"
        )
    return key


def _load_private(path: Path) -> Any:
    with open_regular(path) as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        pem = file.read(_MAX_PEM_BYTES)
    if mode & 0o077:
        raise SigningError(
            f"the signing key {path} is open to others",
            seen=f"mode {mode:04o}",
            allowed="mode 0600",
            mend=f"Type: chmod 600 {path}",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as exc:
        raise SigningError(f"the signing key {path} is encrypted", allowed="an unencrypted PEM key") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise SigningError(f"the signing key {path} is not a PEM private key: {exc}") from exc
    return key


def _load_public_key(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise VerificationError(f"the public key is not PEM: {exc}") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise VerificationError(
            "the public key is of another kind", seen=type(key).__name__, allowed="Ed25519"
        )
    return key


def _encode_envelope(
    statement: bytes, keyid: str, signature: bytes, payload_type: str = PAYLOAD_TYPE
) -> bytes:
    return canonical_json(
        {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}],
        }
    )


def _open_envelope(envelope: bytes, where: str) -> tuple[bytes, str, bytes]:
    """Statement, key id and signature. What JSON or base64 let pass is found by encoding it again."""
    try:
        content = orjson.loads(envelope)
        match content:
            case {
                "payload": str(payload),
                "payloadType": str(kind),
                "signatures": [{"keyid": str(keyid), "sig": str(signature)}],
            }:
                if kind != PAYLOAD_TYPE:
                    raise VerificationError(
                        f"{where} holds another payload type", seen=kind, allowed=PAYLOAD_TYPE
                    )
                return base64.b64decode(payload), keyid, base64.b64decode(signature)
    except ValueError as exc:
        raise VerificationError(f"{where} is not a DSSE envelope: {exc}") from exc
    raise VerificationError(f"{where} is not a DSSE envelope with exactly one signature")
