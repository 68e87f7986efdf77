"""A whole sigstore on one loopback port: Fulcio, its CT log, Rekor v2 and a timestamp authority.

The real client signs against it and verifies what it signed. Identities are what an unsigned token says,
for tokens of the one issuer it trusts; keys live as long as the server.
"""

import base64
import hashlib
import json
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import rfc8785
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from synth_stack.lineage.merkle import grow_tree, leaf_hash, prove_inclusion

ISSUER = "https://issuer.example"
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_FULCIO_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_SHA256 = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class Authority:
    """A certificate and its key."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@contextmanager
def run_sigstore() -> Iterator[str]:
    """The JSON of a client trust config for a sigstore that runs until the block ends."""
    fulcio, tsa_root = _make_root("fulcio"), _make_root("tsa-root")
    tsa = _make_tsa(tsa_root)
    ct_key, log_key = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    log: list[bytes] = []
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/v2/signingCert":
                claims = _read_claims(self.headers["Authorization"])
                if claims["iss"] != ISSUER:
                    self._answer(403, b'{"message": "unknown issuer"}')
                    return
                cert = _issue(json.loads(body), claims, fulcio, ct_key)
                chain = [c.public_bytes(Encoding.PEM).decode() for c in (cert, fulcio.cert)]
                self._answer_json({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})
            elif self.path == "/api/v2/log/entries":
                with turn:
                    self._answer_json(_log_entry(json.loads(body), log, log_key))
            else:
                self._answer(200, _timestamp(body, tsa))

        def _answer_json(self, value: Any) -> None:
            self._answer(200, json.dumps(value).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield json.dumps(_trust_config(url, fulcio, [tsa, tsa_root], ct_key, log_key))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_token(subject: str, *, issuer: str = ISSUER, lifetime_s: int = 600) -> str:
    """An unsigned OpenID Connect token, which this Fulcio believes."""
    now = int(time.time())
    claims = {"iss": issuer, "sub": subject, "aud": "sigstore", "iat": now - 60, "exp": now + lifetime_s}
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def _read_claims(header: str) -> dict[str, Any]:
    payload = header.removeprefix("Bearer ").split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


def _make_root(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(name, name, key, timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(cert_sign=True), critical=True)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def _make_tsa(root: Authority) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder("tsa", "tsa-root", key, timedelta(days=1))
        .add_extension(_key_usage(cert_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(_names_issuer(root), critical=False)
    )
    return Authority(builder.sign(root.key, hashes.SHA256()), key)


def _issue(
    request: dict[str, str], claims: dict[str, Any], ca: Authority, ct_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """A ten-minute certificate for the token's subject with its receipt from the CT log (RFC 6962, 3.2)."""
    csr = x509.load_pem_x509_csr(base64.b64decode(request["certificateSigningRequest"]))
    builder = (
        _builder(None, "fulcio", csr.public_key(), timedelta(minutes=10))
        .add_extension(_key_usage(cert_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(_names_issuer(ca), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(claims["sub"])]), critical=True)
        .add_extension(x509.UnrecognizedExtension(_FULCIO_ISSUER, claims["iss"].encode()), critical=False)
    )
    precert = builder.sign(ca.key, hashes.SHA256()).tbs_certificate_bytes
    stamp = struct.pack(">Q", time.time_ns() // 1_000_000)
    entry = b"\x00\x01" + _key_digest(ca.key) + len(precert).to_bytes(3, "big") + precert + b"\x00\x00"
    signature = ct_key.sign(b"\x00\x00" + stamp + entry, _SHA256)
    # version 1, log id, time, no extensions, SHA-256 with ECDSA, signature
    receipt = b"\x00" + _key_digest(ct_key) + stamp + b"\x00\x00\x04\x03" + _prefixed(signature)
    receipts = core.OctetString(_prefixed(_prefixed(receipt))).dump()
    return builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, receipts), critical=False).sign(
        ca.key, hashes.SHA256()
    )


def _log_entry(request: dict[str, Any], log: list[bytes], key: ed25519.Ed25519PrivateKey) -> dict[str, Any]:
    """Append a hashedrekord 0.0.2 and answer with its proof and the log's signed checkpoint."""
    asked = request["hashedRekordRequestV002"]
    data = {"algorithm": "SHA2_256", "digest": asked["digest"]}
    spec = {"hashedRekordV002": {"data": data, "signature": asked["signature"]}}
    body = rfc8785.dumps({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})
    log.append(leaf_hash(body))
    leaves = np.frombuffer(b"".join(log), dtype=np.uint8).reshape(-1, 32)
    index, head = len(log) - 1, grow_tree([leaves])
    note = f"rekor.example\n{head.size}\n{_b64(head.root)}\n"
    signed = _b64(_key_digest(key)[:4] + key.sign(note.encode()))
    return {
        "logIndex": str(index),
        "logId": {"keyId": _b64(_key_digest(key))},
        "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
        "inclusionProof": {
            "logIndex": str(index),
            "rootHash": _b64(head.root),
            "treeSize": str(head.size),
            "hashes": [_b64(node) for node in prove_inclusion(leaves, index)],
            "checkpoint": {"envelope": f"{note}\n— rekor.example {signed}\n"},
        },
        "canonicalizedBody": _b64(body),
    }


def _timestamp(query: bytes, tsa: Authority) -> bytes:
    """A granted RFC 3161 response."""
    asked = tsp.TimeStampReq.load(query)
    cert = asn1_x509.Certificate.load(tsa.cert.public_bytes(Encoding.DER))
    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "1.2.3.4.1",
            "message_imprint": asked["message_imprint"],
            "serial_number": secrets.randbits(63),
            "gen_time": datetime.now(UTC),
            "nonce": asked["nonce"],
        }
    )
    certificate_id = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(cert.dump()).digest()})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(info.dump()).digest()]}),
            cms.CMSAttribute(
                {
                    "type": "signing_certificate_v2",
                    "values": [tsp.SigningCertificateV2({"certs": [certificate_id]})],
                }
            ),
        ]
    )
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.IssuerAndSerialNumber({"issuer": cert.issuer, "serial_number": cert.serial_number}),
            "digest_algorithm": sha256,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": tsa.key.sign(attributes.dump(), _SHA256),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "tst_info", "content": info},
            "certificates": [cert],
            "signer_infos": [signer],
        }
    )
    token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
    answer: bytes = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()
    return answer


def _trust_config(
    url: str,
    fulcio: Authority,
    tsa_chain: list[Authority],
    ct_key: ec.EllipticCurvePrivateKey,
    log_key: ed25519.Ed25519PrivateKey,
) -> dict[str, Any]:
    since = {"start": (datetime.now(UTC) - timedelta(days=1)).isoformat()}

    def authority(chain: list[Authority]) -> dict[str, Any]:
        certs = [{"rawBytes": _b64(link.cert.public_bytes(Encoding.DER))} for link in chain]
        name = {"organization": "example", "commonName": "loopback"}
        return {"subject": name, "uri": url, "certChain": {"certificates": certs}, "validFor": since}

    def transparency_log(key: Any, kind: str) -> dict[str, Any]:
        public = {"rawBytes": _b64(_public_der(key)), "keyDetails": kind, "validFor": since}
        log_id = {"keyId": _b64(_key_digest(key))}
        return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": log_id}

    def service(address: str, version: int) -> list[dict[str, Any]]:
        return [{"url": address, "majorApiVersion": version, "validFor": since, "operator": "loopback"}]

    return {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [transparency_log(log_key, "PKIX_ED25519")],
            "certificateAuthorities": [authority([fulcio])],
            "ctlogs": [transparency_log(ct_key, "PKIX_ECDSA_P256_SHA_256")],
            "timestampAuthorities": [authority(tsa_chain)],
        },
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service(url, 1),
            "oidcUrls": service(url, 1),
            "rekorTlogUrls": service(url, 2),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": service(f"{url}/timestamp", 1),
            "tsaConfig": {"selector": "ANY"},
        },
    }


def _builder(subject: str | None, issuer: str, key: Any, lifetime: timedelta) -> x509.CertificateBuilder:
    public = key.public_key() if hasattr(key, "public_key") else key
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(common_name: str | None) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _names_issuer(ca: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())


def _key_usage(*, cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not cert_sign,
        key_cert_sign=cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _public_der(key: Any) -> bytes:
    der: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def _key_digest(key: Any) -> bytes:
    return hashlib.sha256(_public_der(key)).digest()


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
