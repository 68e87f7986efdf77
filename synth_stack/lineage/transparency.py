"""The batch's statement signed by an identity instead of a key, and entered in a public log (sigstore).

A short-lived certificate (Fulcio) binds the signature to an OpenID Connect identity, and the log (Rekor)
shows that it existed while the certificate was valid. Signing needs the network; verifying does not.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from synth_stack.errors import (
    ConfigError,
    MissingExtra,
    SigningError,
    SynthStackError,
    VerificationError,
    replace_unprintable,
)
from synth_stack.files import read_regular
from synth_stack.lineage.sign import PAYLOAD_TYPE, parse_statement

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig


_MAX_TRUST_BYTES = 4 * 1024**2
"""The trust root of the public instance takes some 10 kB."""


def sign_sigstore(statement: bytes, *, identity_token: str | None, trust_config: Path | None) -> bytes:
    """The sigstore bundle (JSON) over `statement`.

    Without `identity_token`, the ambient credential of a CI system is used. Without `trust_config` (a
    sigstore client trust config, JSON), the public good instance; its log is public and for good.

    Raises MissingExtra without the extra `sigstore`, ConfigError for an unusable trust config, and
    SigningError when there is no usable identity or a service refuses, answers nonsense or is down.
    """
    _require_sigstore()
    from sigstore.dsse import Statement
    from sigstore.oidc import IdentityToken, detect_credential
    from sigstore.sign import SigningContext

    try:
        token = identity_token or detect_credential()
        if token is None:
            raise SigningError(
                "there is no identity to sign with",
                mend="Run in a CI job that may request an OpenID Connect token, or give an identity token.",
            )
        context = SigningContext.from_trust_config(_load_trust(trust_config, offline=False))
        with context.signer(IdentityToken(token)) as signer:
            return signer.sign_dsse(Statement(statement)).to_json().encode()
    except SynthStackError:
        raise
    # sigstore lets through what its parts raise: requests, pydantic, x509, and bases of its own that
    # share no parent. Whatever it was, nothing was signed.
    except Exception as exc:
        raise SigningError(f"sigstore did not sign: {_describe(exc)}") from exc


def verify_sigstore(bundle: bytes, *, identity: str, issuer: str, trust_config: Path | None) -> bytes:
    """The statement's bytes, if `bundle` shows that `identity`, vouched for by `issuer`, signed it.

    `identity` is the e-mail address or URI in the certificate. Works offline: without `trust_config`, by
    the public good instance's keys as sigstore last saved them, or those that ship with it.

    Raises MissingExtra without the extra `sigstore`, ConfigError for an unusable trust config, and
    VerificationError for a bundle that is malformed, altered, signed by somebody else, or over another
    kind of statement.
    """
    _require_sigstore()
    from sigstore.models import Bundle
    from sigstore.verify import Verifier
    from sigstore.verify.policy import Identity

    try:
        verifier = Verifier(trusted_root=_load_trust(trust_config, offline=True).trusted_root)
        policy = Identity(identity=identity, issuer=issuer)
        payload_type, statement = verifier.verify_dsse(Bundle.from_json(bundle), policy)
    except SynthStackError:
        raise
    # A bundle is hostile input, and its parsers raise more than sigstore's own error: a bundle that
    # cannot be checked to the end is not verified.
    except Exception as exc:
        raise VerificationError(f"the sigstore bundle does not verify: {_describe(exc)}") from exc
    if payload_type != PAYLOAD_TYPE:
        raise VerificationError(
            "the sigstore bundle holds another payload type", seen=payload_type, allowed=PAYLOAD_TYPE
        )
    parse_statement(statement, where="the statement in the sigstore bundle")
    return statement


def _require_sigstore() -> None:
    try:
        import sigstore  # noqa: F401
    except ImportError as exc:
        raise MissingExtra(
            "signing and verifying with sigstore needs an extra",
            mend="Type: pip install 'synth-stack[sigstore]'",
        ) from exc


def _load_trust(path: Path | None, *, offline: bool) -> "ClientTrustConfig":
    from sigstore.models import ClientTrustConfig

    if path is None:
        return ClientTrustConfig.production(offline=offline)
    try:
        return ClientTrustConfig.from_json(read_regular(path, max_bytes=_MAX_TRUST_BYTES).decode("utf-8"))
    except OSError as exc:
        raise ConfigError(f"the trust config {path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not a sigstore client trust config: {exc}") from exc


def _describe(exc: Exception) -> str:
    """The error on one printable line; it may quote the bundle, which is somebody else's text."""
    said = str(exc) or f"{type(exc).__name__} {exc.__cause__ or ''}"
    line = " ".join(said.split())
    return replace_unprintable(line)[:300]
