import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import ConfigError, SigningError, VerificationError
from synth_stack.lineage.sign import PREDICATE_TYPE, build_statement
from synth_stack.lineage.transparency import sign_sigstore, verify_sigstore
from tests.lineage.sigstore_loopback import ISSUER, make_token, run_sigstore

WHO = "curator@example.org"
STATEMENT = build_statement({"README.md": "b" * 64}, {"tree_size": 2, "root": "e3" * 32})
CI_VARIABLES = (
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "CIRCLECI",
    "BUILDKITE",
    "GOOGLE_SERVICE_ACCOUNT_NAME",
)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with run_sigstore() as config:
        path = tmp_path_factory.mktemp("sigstore") / "trust.json"
        path.write_text(config, encoding="utf-8")
        yield path


@pytest.fixture(scope="module")
def bundle(trust: Path) -> bytes:
    return sign_sigstore(STATEMENT, identity_token=make_token(WHO), trust_config=trust)


def verify(bundle: bytes, trust: Path, *, identity: str = WHO, issuer: str = ISSUER) -> bytes:
    return verify_sigstore(bundle, identity=identity, issuer=issuer, trust_config=trust)


def test_a_signed_statement_comes_back(trust: Path, bundle: bytes) -> None:
    assert verify(bundle, trust) == STATEMENT


def test_every_entry_of_a_growing_log_verifies(trust: Path) -> None:
    statements = [build_statement({"README.md": f"{i:064x}"}, {}) for i in range(3)]
    bundles = [
        sign_sigstore(statement, identity_token=make_token(WHO), trust_config=trust)
        for statement in statements
    ]
    assert [verify(signed, trust) for signed in bundles] == statements


def test_verifying_needs_no_server(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    with run_sigstore() as config:
        path.write_text(config, encoding="utf-8")
        bundle = sign_sigstore(STATEMENT, identity_token=make_token(WHO), trust_config=path)
    assert verify(bundle, path) == STATEMENT
    with pytest.raises(SigningError, match=r"sigstore did not sign: .*Connection refused"):
        sign_sigstore(STATEMENT, identity_token=make_token(WHO), trust_config=path)


def test_somebody_else_is_refused(trust: Path, bundle: bytes) -> None:
    with pytest.raises(VerificationError, match=r"do not match eve@example\.org"):
        verify(bundle, trust, identity="eve@example.org")
    with pytest.raises(VerificationError, match=r"expected 'https://eve\.example'"):
        verify(bundle, trust, issuer="https://eve.example")


def test_another_root_of_trust_is_refused(tmp_path: Path, bundle: bytes) -> None:
    with run_sigstore() as config:
        (tmp_path / "other.json").write_text(config, encoding="utf-8")
    with pytest.raises(VerificationError, match="does not verify"):
        verify(bundle, tmp_path / "other.json")


def edit(bundle: bytes, path: str, value: Any) -> bytes:
    content = json.loads(bundle)
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    place = content
    for key in parents:
        place = place[key]
    assert place[last] != value
    place[last] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dsseEnvelope.payload", base64.b64encode(STATEMENT.replace(b"b" * 64, b"c" * 64)).decode()),
        ("dsseEnvelope.payloadType", "text/plain"),
        ("dsseEnvelope.signatures", []),
        ("dsseEnvelope.signatures.0.sig", base64.b64encode(b"x" * 70).decode()),
        ("verificationMaterial.certificate.rawBytes", base64.b64encode(b"x" * 70).decode()),
        ("verificationMaterial.tlogEntries", []),
        ("verificationMaterial.tlogEntries.0.canonicalizedBody", base64.b64encode(b"{}").decode()),
        ("verificationMaterial.tlogEntries.0.inclusionProof.rootHash", base64.b64encode(bytes(32)).decode()),
        ("verificationMaterial.tlogEntries.0.inclusionProof.checkpoint.envelope", "a\n1\nb\n\n— a bbbb\n"),
        ("verificationMaterial.timestampVerificationData.rfc3161Timestamps", []),
        ("mediaType", "application/json"),
    ],
)
def test_a_bundle_altered_anywhere_is_refused(trust: Path, bundle: bytes, path: str, value: Any) -> None:
    with pytest.raises(VerificationError, match="the sigstore bundle does not verify"):
        verify(edit(bundle, path, value), trust)


@pytest.mark.parametrize("bundle", [b"", b"{}", b"null", b"\xff", b"[" * 100_000])
def test_a_bundle_that_is_none_is_refused(trust: Path, bundle: bytes) -> None:
    with pytest.raises(VerificationError, match="the sigstore bundle does not verify"):
        verify(bundle, trust)


def test_a_good_signature_over_another_kind_of_statement_is_refused(trust: Path) -> None:
    other = STATEMENT.replace(PREDICATE_TYPE.encode(), b"https://slsa.dev/provenance/v1")
    signed = sign_sigstore(other, identity_token=make_token(WHO), trust_config=trust)
    with pytest.raises(VerificationError, match=r"the statement in the sigstore bundle.*slsa\.dev"):
        verify(signed, trust)


def test_a_good_signature_over_another_payload_type_is_refused(
    trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigstore.dsse.Envelope._TYPE", "application/json")
    signed = sign_sigstore(STATEMENT, identity_token=make_token(WHO), trust_config=trust)
    with pytest.raises(VerificationError, match="another payload type; seen: application/json"):
        verify(signed, trust)


def test_an_identity_that_fulcio_does_not_know_is_refused(trust: Path) -> None:
    with pytest.raises(SigningError, match="403"):
        sign_sigstore(
            STATEMENT, identity_token=make_token(WHO, issuer="https://eve.example"), trust_config=trust
        )


@pytest.mark.parametrize("token", ["not a token", make_token(WHO, lifetime_s=-300)])
def test_a_token_that_is_none_or_has_expired_is_refused(trust: Path, token: str) -> None:
    with pytest.raises(SigningError, match="Identity token"):
        sign_sigstore(STATEMENT, identity_token=token, trust_config=trust)


def test_without_any_identity_nothing_is_signed(trust: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CI_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SigningError, match=r"no identity to sign with\. Run in a CI job"):
        sign_sigstore(STATEMENT, identity_token=None, trust_config=trust)


def test_a_trust_config_that_cannot_be_used_is_refused(tmp_path: Path, bundle: bytes) -> None:
    missing, broken = tmp_path / "missing.json", tmp_path / "broken.json"
    broken.write_text("{}", encoding="utf-8")
    for path, message in ((missing, "cannot be read"), (broken, "not a sigstore client trust config")):
        with pytest.raises(ConfigError, match=message):
            verify(bundle, path)
        with pytest.raises(ConfigError, match=message):
            sign_sigstore(STATEMENT, identity_token=make_token(WHO), trust_config=path)


def test_the_public_instance_is_the_default_and_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundle: bytes
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(VerificationError, match="not enough sources of verified time"):
        verify_sigstore(bundle, identity=WHO, issuer=ISSUER, trust_config=None)
    assert list(tmp_path.rglob("trusted_root.json"))


def test_without_the_extra_the_line_to_type_is_named() -> None:
    code = (
        "import sys; sys.modules['sigstore'] = None\n"
        "from synth_stack.errors import MissingExtra\n"
        "from synth_stack.lineage.transparency import sign_sigstore, verify_sigstore\n"
        "for call in (lambda: sign_sigstore(b'', identity_token='x', trust_config=None),\n"
        "             lambda: verify_sigstore(b'', identity='x', issuer='y', trust_config=None)):\n"
        "    try: call()\n"
        "    except MissingExtra as exc: print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("Type: pip install 'synth-stack[sigstore]'") for line in lines)
