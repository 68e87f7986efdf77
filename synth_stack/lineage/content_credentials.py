"""C2PA manifests in images: which row of which batch an image is of, signed into the file itself.

The manifest (C2PA 2.1) is written after the tree is closed, since it names the row's leaf and the root. What
the leaf holds of the image is the digest of its pixels, which embedding leaves alone. Whoever encodes the
file again takes the manifest away; the record of the row still proves the pixels.

The certificate of the signer is issued by the key that signs packs, or comes with a key of the user.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth_stack import __version__
from synth_stack.errors import MissingExtra, SigningError, VerificationError
from synth_stack.files import open_regular
from synth_stack.lineage.sign import load_private_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.x509 import Certificate, Name

LINEAGE_ASSERTION = "dev.synth-stack.lineage"
"""The label of our assertion: a domain in reverse, as C2PA 2.1 (section 6.2) asks of labels of one's own."""
FORMATS = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/tiff"})
"""Media types that take a manifest; a BMP has no place for one."""
_BEGINS, _ENDS = datetime(2025, 1, 1, tzinfo=UTC), datetime(2055, 1, 1, tzinfo=UTC)
"""Fixed, so that one key has one certificate: its owner ends its use, and no date does."""
_MAX_PEM = 64 * 1024

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class ContentSigner:
    """Who signs manifests: certificates as PEM, its own first and that of its issuer last; and how."""

    chain: bytes
    algorithm: str
    sign: Sign

    def embed(self, data: bytes, mime: str, lineage: Mapping[str, Any], *, generated: bool) -> bytes:
        """The file with a manifest that holds `lineage`.

        `generated`: a model made the image; else the manifest says that a file was opened, and keeps what
        the file said of itself. Raises SigningError for a file that takes none.
        """
        c2pa = need_c2pa()
        told = {
            "claim_generator_info": [{"name": "synth_stack", "version": __version__}],
            "format": mime,
            "title": lineage["row_id"],
            "assertions": [{"label": LINEAGE_ASSERTION, "data": dict(lineage)}],
        }
        intent, source = c2pa.C2paBuilderIntent.EDIT, c2pa.C2paDigitalSourceType.EMPTY
        if generated:
            intent = c2pa.C2paBuilderIntent.CREATE
            source = c2pa.C2paDigitalSourceType.TRAINED_ALGORITHMIC_MEDIA
        out = io.BytesIO()
        try:
            context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
            with (
                c2pa.Builder(json.dumps(told), context=context) as builder,
                c2pa.Signer.from_callback(
                    self.sign, c2pa.C2paSigningAlg[self.algorithm], self.chain.decode(), None
                ) as signer,
            ):
                builder.set_intent(intent, source)
                builder.sign(signer, mime, io.BytesIO(data), out)
        except c2pa.C2paError as exc:
            raise SigningError(f"an image takes no C2PA manifest: {_shorten(exc)}") from exc
        return out.getvalue()


def project_signer(key: "Ed25519PrivateKey", leaf: "Ed25519PrivateKey") -> ContentSigner:
    """A signer whose certificate is issued by the key that signs packs, the same each time."""
    from cryptography.hazmat.primitives.serialization import Encoding

    need_c2pa()
    issuer = _certify(key.public_key(), None, key)
    own = _certify(leaf.public_key(), issuer, key)
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in (own, issuer))
    return ContentSigner(chain, "ED25519", leaf.sign)


def given_signer(chain: Path, key: Path) -> ContentSigner:
    """A signer with certificates and a key of the user: Ed25519, or ECDSA over P-256 or P-384.

    Raises SigningError for files that cannot be used, or that do not belong together.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    need_c2pa()
    try:
        with open_regular(chain) as file:
            pem = file.read(_MAX_PEM)
        certificates = x509.load_pem_x509_certificates(pem)
    except (OSError, ValueError) as exc:
        raise SigningError(f"{chain} holds no certificates", seen=_shorten(exc), allowed="PEM") from exc
    private = load_private_key(key)
    if certificates[0].public_key() != private.public_key():
        raise SigningError(f"the first certificate of {chain} is not that of the key {key}")
    if isinstance(private, Ed25519PrivateKey):
        return ContentSigner(pem, "ED25519", private.sign)
    if isinstance(private, EllipticCurvePrivateKey) and private.key_size in _ECDSA:
        return ContentSigner(pem, f"ES{private.key_size}", _sign_ecdsa(private))
    allowed = "Ed25519, or ECDSA over P-256 or P-384"
    raise SigningError(f"the key {key} is of another kind", seen=type(private).__name__, allowed=allowed)


@dataclass(frozen=True, slots=True)
class ContentManifest:
    """What an image says of itself: our assertion, and whether its issuer is the one that was named."""

    lineage: Mapping[str, Any]
    trusted: bool


def read_manifest(data: bytes, mime: str, chain: bytes) -> ContentManifest | None:
    """The manifest of an image, None for one without; trusted where the last of `chain` issued its signer.

    Raises VerificationError for a manifest that is damaged, of other bytes, or without our assertion.
    """
    c2pa = need_c2pa()
    anchor = chain[chain.rfind(b"-----BEGIN CERTIFICATE-----") :].decode("ascii", "replace")
    settings = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False},
        "trust": {"trust_anchors": anchor},
    }
    try:
        context = c2pa.Context.from_dict(settings)
        with c2pa.Reader(mime, io.BytesIO(data), context=context) as reader:
            state = str(reader.get_validation_state())
            told = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, ValueError) as exc:
        raise VerificationError(f"its C2PA manifest cannot be read: {_shorten(exc)}") from exc
    if state not in {"Valid", "Trusted"}:
        raise VerificationError("its C2PA manifest is not of these bytes", seen=state)
    active = told.get("manifests", {}).get(told.get("active_manifest"), {})
    stated = {each.get("label"): each.get("data") for each in active.get("assertions", ())}
    lineage = stated.get(LINEAGE_ASSERTION)
    if not isinstance(lineage, dict):
        raise VerificationError("its C2PA manifest does not say of which row it is")
    return ContentManifest(lineage, state == "Trusted")


def need_c2pa() -> Any:
    """The library. Raises MissingExtra."""
    try:
        import c2pa
    except ImportError as exc:
        raise MissingExtra(
            "C2PA manifests need c2pa-python",
            seen="not installed",
            mend="Run: pip install 'synth-stack[c2pa]'",
        ) from exc
    return c2pa


_ECDSA = (256, 384)


def _sign_ecdsa(key: Any) -> Sign:
    """Signatures as COSE has them: r and s side by side (RFC 9053, section 2.1)."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    width = key.key_size // 8
    digest = hashes.SHA256() if key.key_size == 256 else hashes.SHA384()

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ECDSA(digest)))
        return bytes(r.to_bytes(width, "big") + s.to_bytes(width, "big"))

    return sign


def _certify(
    public: "Ed25519PublicKey", issuer: "Certificate | None", key: "Ed25519PrivateKey"
) -> "Certificate":
    """A certificate as C2PA 2.1 (section 14.5) wants it: of an issuer where there is none yet, or signer."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    name = _name("synth_stack signer" if issuer else "synth_stack packs")
    none = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
    usage = dict.fromkeys(none.split(), False)
    is_issuer = issuer is None
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.subject)
        .public_key(public)
        .serial_number(int.from_bytes(raw[:15], "big") or 1)
        .not_valid_before(_BEGINS)
        .not_valid_after(_ENDS)
        .add_extension(
            x509.BasicConstraints(ca=is_issuer, path_length=0 if is_issuer else None), critical=True
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_issuer, key_cert_sign=is_issuer, crl_sign=is_issuer, **usage
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if not is_issuer:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        built = built.add_extension(purposes, critical=False).add_extension(own, critical=False)
    return built.sign(key, None)


def _name(common: str) -> "Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = ((NameOID.ORGANIZATION_NAME, "synth_stack"), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(*part) for part in parts])


def _shorten(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]
