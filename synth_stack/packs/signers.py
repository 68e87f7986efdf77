"""Who signs a pack: the key of this machine, and with sigstore an identity beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synth_stack.lineage.sign import key_id, load_or_make_key, public_key_pem, sign_local
from synth_stack.lineage.transparency import sign_sigstore
from synth_stack.packs import layout


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: `sign` turns a statement into the files of the pack that carry its signatures.

    `key_id` names the local key. With sigstore an identity signs the same statement too.
    """

    kind: Literal["local", "sigstore"]
    key_id: str
    sign: Callable[[bytes], Mapping[str, bytes]]


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
