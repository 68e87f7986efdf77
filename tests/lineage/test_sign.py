import base64
import json
import logging
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from synth_stack.errors import SigningError, VerificationError
from synth_stack.lineage.sign import (
    PAYLOAD_TYPE,
    _make_key,
    build_statement,
    encode_pae,
    key_id,
    load_or_make_key,
    parse_statement,
    public_key_pem,
    sign_local,
    verify_envelope,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = public_key_pem(KEY)
PREDICATE = {"tree_size": 2, "root": "e3" * 32, "rejected": 0.25}
STATEMENT = build_statement({"data/train-00000.parquet": "a" * 64, "README.md": "b" * 64}, PREDICATE)


def write_pem(
    path: Path, key: Any, encryption: KeySerializationEncryption | None = None, *, mode: int = 0o600
) -> Path:
    encryption = encryption or NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(mode)
    return path


def seal(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """An envelope whose signature is good, whatever it holds."""
    signature = KEY.sign(encode_pae(payload_type, payload))
    return rfc8785.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": key_id(KEY.public_key()), "sig": base64.b64encode(signature).decode()}],
        }
    )


def test_a_statement_is_in_toto_v1_with_its_subjects_by_name() -> None:
    assert json.loads(STATEMENT) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "README.md", "digest": {"sha256": "b" * 64}},
            {"name": "data/train-00000.parquet", "digest": {"sha256": "a" * 64}},
        ],
        "predicateType": "https://synth-stack.dev/lineage/v1",
        "predicate": PREDICATE,
    }
    assert parse_statement(STATEMENT) == json.loads(STATEMENT)
    assert rfc8785.dumps(json.loads(STATEMENT)) == STATEMENT


@pytest.mark.parametrize(
    ("subjects", "predicate", "message"),
    [
        ({}, {}, "at least one"),
        ({"a": "A" * 64}, {}, "subject 0 is not a name with one SHA-256"),
        ({"a": "a" * 64, "b": "b" * 63}, {}, "subject 1"),
        ({"": "a" * 64}, {}, "subject 0"),
        ({"a": "a" * 64}, {"rate": float("nan")}, "canonical"),
        ({"a": "a" * 64}, {"rows": 2**60}, "canonical"),
        ({"a": "a" * 64}, {"name": "\ud800"}, "canonical"),
    ],
)
def test_a_statement_that_could_not_be_verified_is_not_built(
    subjects: dict[str, str], predicate: dict[str, Any], message: str
) -> None:
    with pytest.raises(SigningError, match=message):
        build_statement(subjects, predicate)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 1_000 + b"]" * 1_000,
        STATEMENT + b"\n",
        STATEMENT.replace(b"Statement/v1", b"Statement/v0.1"),
        STATEMENT.replace(b"lineage/v1", b"lineage/v2"),
        STATEMENT.replace(b'"predicate":{', b'"extra":{},"predicate":{'),
        STATEMENT.replace(b"README.md", b"data/train-00000.parquet"),
        STATEMENT.replace(b'"sha256"', b'"sha512"'),
        STATEMENT.replace(b'"name":"README.md"', b'"name":7'),
        STATEMENT.replace(b'"tree_size":2', b'"tree_size":2.0'),
    ],
)
def test_what_is_not_our_statement_is_refused(data: bytes) -> None:
    assert data != STATEMENT
    with pytest.raises(VerificationError, match=r"^statement x "):
        parse_statement(data, where="statement x")


@pytest.mark.parametrize("depth", [1_010, 100_000])
def test_a_deep_statement_is_refused_and_not_a_crash(depth: int) -> None:
    deep = STATEMENT.replace(b'"tree_size":2', b'"tree_size":' + b"[" * depth + b"]" * depth)
    with pytest.raises(VerificationError, match="canonical"):
        parse_statement(deep)


def test_pae_is_that_of_the_dsse_specification() -> None:
    # protocol.md of DSSE v1, "Test vectors".
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert encode_pae("http://example.com/HelloWorld", b"hello world") == expected


def test_a_signed_statement_comes_back() -> None:
    assert verify_envelope(sign_local(STATEMENT, KEY), PEM) == STATEMENT


def test_signing_twice_gives_the_same_bytes() -> None:
    assert sign_local(STATEMENT, KEY) == sign_local(STATEMENT, KEY)


def test_openssl_agrees_on_the_signature(tmp_path: Path) -> None:
    envelope = json.loads(sign_local(STATEMENT, KEY))
    (tmp_path / "pub.pem").write_bytes(PEM)
    (tmp_path / "pae").write_bytes(encode_pae(PAYLOAD_TYPE, STATEMENT))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = "openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in pae -sigfile sig"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, b"Signature Verified Successfully")


def test_a_change_of_any_byte_is_found() -> None:
    envelope = sign_local(STATEMENT, KEY)
    for position in range(len(envelope)):
        for value in (envelope[position] ^ 1, envelope[position] ^ 0x20, 0x20):
            changed = envelope[:position] + bytes([value]) + envelope[position + 1 :]
            if changed != envelope:
                with pytest.raises(VerificationError):
                    verify_envelope(changed, PEM)


def test_a_byte_more_or_less_is_found() -> None:
    envelope = sign_local(STATEMENT, KEY)
    for changed in (envelope + b"\n", b" " + envelope, envelope[:-1], b"", envelope + envelope):
        with pytest.raises(VerificationError):
            verify_envelope(changed, PEM)


def test_another_key_is_named() -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(VerificationError, match=key_id(KEY.public_key())):
        verify_envelope(sign_local(STATEMENT, KEY), public_key_pem(other))


def test_a_forged_key_id_does_not_help() -> None:
    other = Ed25519PrivateKey.generate()
    envelope = json.loads(sign_local(STATEMENT, other))
    envelope["signatures"][0]["keyid"] = key_id(KEY.public_key())
    with pytest.raises(VerificationError, match=r"pack/x\.json"):
        verify_envelope(rfc8785.dumps(envelope), PEM, where="pack/x.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signatures": []}, "exactly one signature"),
        ({"payloadType": "text/plain"}, "payload type"),
        ({"payload": "not base64"}, "not a DSSE envelope"),
        ({"payload": None}, "not a DSSE envelope"),
        ({"note": ""}, "not written as this package writes it"),
    ],
)
def test_an_envelope_of_another_shape_is_refused(change: dict[str, Any], message: str) -> None:
    envelope = {**json.loads(sign_local(STATEMENT, KEY)), **change}
    with pytest.raises(VerificationError, match=message):
        verify_envelope(rfc8785.dumps(envelope), PEM)


def test_a_second_signature_is_refused() -> None:
    envelope = json.loads(sign_local(STATEMENT, KEY))
    envelope["signatures"] *= 2
    with pytest.raises(VerificationError, match="exactly one signature"):
        verify_envelope(rfc8785.dumps(envelope), PEM)


def test_a_duplicate_key_is_refused() -> None:
    envelope = sign_local(STATEMENT, KEY)
    with pytest.raises(VerificationError, match="not written as"):
        verify_envelope(b'{"payload":"e30=",' + envelope[1:], PEM)


def test_a_good_signature_over_something_else_is_refused() -> None:
    with pytest.raises(VerificationError, match=r"the statement in statement\.dsse\.json"):
        verify_envelope(seal(b"{}"), PEM)
    with pytest.raises(VerificationError, match="predicateType"):
        verify_envelope(seal(STATEMENT.replace(b"lineage/v1", b"lineage/v2")), PEM)
    with pytest.raises(VerificationError, match="payload type"):
        verify_envelope(seal(STATEMENT, "application/json"), PEM)
    assert verify_envelope(seal(STATEMENT), PEM) == STATEMENT


def test_a_public_key_that_is_none_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    wrong_kind = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for pem in (b"", b"hello", PEM[:60], wrong_kind):
        with pytest.raises(VerificationError, match="the public key"):
            verify_envelope(sign_local(STATEMENT, KEY), pem)


def test_the_first_use_makes_a_key_that_only_its_owner_can_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config" / "key.pem"
    with caplog.at_level(logging.WARNING):
        key = load_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["key.pem"]
    assert key_id(key.public_key()) in caplog.text
    assert public_key_pem(load_or_make_key(path)) == public_key_pem(key)


def test_the_variable_names_the_key_and_a_path_comes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_STACK_KEY", str(tmp_path / "named.pem"))
    named = load_or_make_key()
    assert public_key_pem(load_or_make_key(tmp_path / "named.pem")) == public_key_pem(named)
    assert public_key_pem(load_or_make_key(tmp_path / "other.pem")) != public_key_pem(named)


def test_the_default_place_is_the_users_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNTH_STACK_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    load_or_make_key()
    assert (tmp_path / "xdg/synth_stack/signing-key.pem").is_file()
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load_or_make_key()
    assert (tmp_path / "home/.config/synth_stack/signing-key.pem").is_file()


def test_a_home_that_does_not_exist_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNTH_STACK_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "~no-such-user/config")
    with pytest.raises(SigningError, match="Name a key file in SYNTH_STACK_KEY"):
        load_or_make_key()


def test_a_key_that_appeared_meanwhile_is_kept(tmp_path: Path) -> None:
    path = write_pem(tmp_path / "key.pem", KEY)
    _make_key(path, Ed25519PrivateKey.generate())
    assert public_key_pem(load_or_make_key(path)) == PEM
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from synth_stack.lineage import sign;"
        "sys.stdout.buffer.write(sign.public_key_pem(sign.load_or_make_key(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new" / "key.pem")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    printed = {process.communicate(timeout=60)[0] for process in started}
    assert printed == {public_key_pem(load_or_make_key(tmp_path / "new" / "key.pem"))}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_a_key_that_is_open_to_others_is_refused_with_the_chmod(tmp_path: Path, mode: int) -> None:
    path = write_pem(tmp_path / "key.pem", KEY, mode=mode)
    with pytest.raises(SigningError, match=f"seen: mode {mode:04o}.*Type: chmod 600 {path}"):
        load_or_make_key(path)
    path.chmod(0o400)
    assert public_key_pem(load_or_make_key(path)) == PEM


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write_pem(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SigningError, match="allowed: Ed25519"):
        load_or_make_key(path)


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    path = write_pem(tmp_path / "key.pem", KEY, BestAvailableEncryption(b"secret"))
    with pytest.raises(SigningError, match="encrypted"):
        load_or_make_key(path)


@pytest.mark.parametrize("content", [b"", b"not a key", PEM])
def test_a_file_that_is_no_private_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SigningError, match="not a PEM private key"):
        load_or_make_key(path)


def test_a_place_where_no_key_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dangling.pem").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "file" / "key.pem", tmp_path / "dangling.pem"):
        with pytest.raises(SigningError, match="cannot be used"):
            load_or_make_key(path)
