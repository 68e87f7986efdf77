import datetime
import io
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from synth_stack.errors import SigningError, VerificationError
from synth_stack.images.decoding import decode
from synth_stack.lineage.content_credentials import given_signer, project_signer, read_manifest
from tests.picture_rows import draw_picture, save

LINEAGE = {"row_id": "ab" * 16, "leaf": "cd" * 32, "index": 3, "root": "ef" * 32, "size": 9}
KEY, LEAF = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
SIGNER = project_signer(KEY, LEAF)


@pytest.mark.parametrize("generated", [True, False])
@pytest.mark.parametrize(
    ("form", "mime"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_a_manifest_is_read_back_and_the_pixels_stay(form: str, mime: str, generated: bool) -> None:
    plain = save(draw_picture(1), form)
    signed = SIGNER.embed(plain, mime, LINEAGE, generated=generated)
    found = read_manifest(signed, mime, SIGNER.chain)
    assert found is not None
    assert found.trusted
    assert dict(found.lineage) == LINEAGE
    assert (decode(signed).pixels == decode(plain).pixels).all()
    assert (b"trainedAlgorithmicMedia" in signed) is generated


def test_the_certificates_of_one_key_are_the_same_each_time() -> None:
    assert project_signer(KEY, LEAF).chain == SIGNER.chain


def test_another_issuer_is_not_trusted() -> None:
    signed = SIGNER.embed(save(draw_picture(1)), "image/png", LINEAGE, generated=True)
    other = project_signer(Ed25519PrivateKey.generate(), LEAF)
    found = read_manifest(signed, "image/png", other.chain)
    assert found is not None
    assert not found.trusted


def test_encoding_an_image_again_takes_its_manifest_away() -> None:
    signed = SIGNER.embed(save(draw_picture(1)), "image/png", LINEAGE, generated=True)
    again = io.BytesIO()
    with Image.open(io.BytesIO(signed)) as opened:
        opened.save(again, "PNG")
    assert read_manifest(again.getvalue(), "image/png", SIGNER.chain) is None


def test_a_changed_byte_is_found() -> None:
    signed = bytearray(SIGNER.embed(save(draw_picture(1)), "image/png", LINEAGE, generated=True))
    signed[-40] ^= 1
    with pytest.raises(VerificationError, match="not of these bytes"):
        read_manifest(bytes(signed), "image/png", SIGNER.chain)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_takes_no_manifest(data: bytes) -> None:
    with pytest.raises(SigningError):
        SIGNER.embed(data, "image/png", LINEAGE, generated=True)


def write_certified(folder: Path) -> tuple[Path, Path]:
    """Certificates and a key as somebody gets them from an authority of his own: ECDSA over P-256."""
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    begins, ends = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2025, 2055))

    def certify(name: str, public: ec.EllipticCurvePublicKey, *, ca: bool) -> bytes:
        flags = dict.fromkeys(
            "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only".split(),
            False,
        )
        names = [
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x"),
                    x509.NameAttribute(NameOID.COMMON_NAME, each),
                ]
            )
            for each in (name, "authority")
        ]
        built = (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **flags), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        if not ca:
            built = built.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
            )
            built = built.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False
            )
        return built.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)

    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(
        certify("own", own.public_key(), ca=False) + certify("authority", authority.public_key(), ca=True)
    )
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    return chain, key


def test_certificates_of_an_authority_sign_too(tmp_path: Path) -> None:
    signer = given_signer(*write_certified(tmp_path))
    signed = signer.embed(save(draw_picture(1)), "image/png", LINEAGE, generated=True)
    found = read_manifest(signed, "image/png", signer.chain)
    assert found is not None
    assert found.trusted


def test_a_key_of_others_certificates_is_refused(tmp_path: Path) -> None:
    chain, key = write_certified(tmp_path)
    (tmp_path / "other").mkdir()
    with pytest.raises(SigningError, match="not that of the key"):
        given_signer(write_certified(tmp_path / "other")[0], key)
    key.chmod(0o644)
    with pytest.raises(SigningError, match="open to others"):
        given_signer(chain, key)
    chain.write_text("no certificates")
    with pytest.raises(SigningError, match="no certificates"):
        given_signer(chain, key)
