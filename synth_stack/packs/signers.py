"""Who signs a pack: the key of this machine, and with sigstore an identity beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from synth_stack.errors import ConfigError
from synth_stack.lineage.content_credentials import ContentSigner, given_signer, project_signer
from synth_stack.lineage.sign import (
    default_key_path,
    key_id,
    load_or_make_key,
    load_or_make_lattice_key,
    public_key_pem,
    sign_detached,
    sign_local,
)
from synth_stack.lineage.transparency import sign_sigstore
from synth_stack.packs import layout, verify_pack
from synth_stack.rows.canonical import canonical_json

if TYPE_CHECKING:
    from synth_stack.lineage.sign import PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: `sign` turns a statement into the files of the pack that carry its signatures.

    `key_id` names the local key. With sigstore an identity signs the same statement too, and so do the keys
    whose ids are the `cosigners`, in order.
    """

    kind: Literal["local", "sigstore"]
    key_id: str
    sign: Callable[[bytes], Mapping[str, bytes]]
    cosigners: tuple[str, ...] = ()


def local_signer(key_path: Path | None) -> Signer:
    """A signer with the key of this machine at `key_path` (default: where `load_or_make_key` looks).

    It proves that nothing was changed, and not who signed. Raises SigningError for a key that cannot be
    used.
    """
    key = load_or_make_key(key_path)

    def sign(statement: bytes) -> dict[str, bytes]:
        return {layout.STATEMENT: sign_local(statement, key), layout.PUBLIC_KEY: public_key_pem(key)}

    return Signer("local", key_id(key.public_key()), sign)


def sigstore_signer(
    identity_token: str | None, trust_config: Path | None, *, key_path: Path | None = None
) -> Signer:
    """A signer with the key of this machine and, over the same statement, a sigstore identity.

    Without a token the ambient credential of a CI system is asked for, at the time of signing: it lives
    for minutes. Raises what `local_signer` raises.
    """
    local = local_signer(key_path)

    def sign(statement: bytes) -> dict[str, bytes]:
        bundle = sign_sigstore(statement, identity_token=identity_token, trust_config=trust_config)
        return {**local.sign(statement), layout.BUNDLE: bundle}

    return Signer("sigstore", local.key_id, sign)


def make_content_signer(
    key_path: Path | None = None, *, chain: Path | None = None, private: Path | None = None
) -> ContentSigner:
    """Who signs C2PA manifests: a key beside that of this machine, certified by it; or a key of the user with
    the certificates that belong to it.

    Raises ConfigError for one of both without the other, SigningError, MissingExtra.
    """
    if (chain is None) != (private is None):
        raise ConfigError("certificates and key of C2PA go together", mend="Name both, or neither.")
    if chain is not None and private is not None:
        return given_signer(chain, private)
    issuer_path = key_path or default_key_path()
    leaf = load_or_make_key(issuer_path.with_name(f"{issuer_path.stem}-c2pa.pem"))
    return project_signer(load_or_make_key(issuer_path), leaf)


def add_cosigners(signer: Signer, keys: Sequence[Path], post_quantum: Sequence[Path] = ()) -> Signer:
    """The signer, with keys that sign the same statement after it: of Ed25519, and of ML-DSA-65 (FIPS 204).

    Each is made where its file is not there. A signature of ML-DSA is another one each time. Raises
    ConfigError for a key that stands there twice, SigningError for one that cannot be used, and where
    the installed cryptography has no ML-DSA.
    """
    made: list[PrivateKey] = [load_or_make_key(path) for path in keys]
    made += [load_or_make_lattice_key(path) for path in post_quantum]
    named = {key_id(key.public_key()): key for key in made}
    if len(named) < len(made) or signer.key_id in named:
        raise ConfigError("a key stands twice among those that sign", mend="Name each key once.")
    ids = tuple(sorted(named))

    def sign(statement: bytes) -> dict[str, bytes]:
        signatures = [
            {"public_key": public_key_pem(named[each]).decode(), "sig": sign_detached(statement, named[each])}
            for each in ids
        ]
        told = {"scheme": verify_pack.COSIGNATURES_SCHEME, "signatures": signatures}
        return {**signer.sign(statement), layout.COSIGNATURES: canonical_json(told) + b"\n"}

    return Signer(signer.kind, signer.key_id, sign, ids) if ids else signer
