"""Proof files: a few rows shown alone, and every change of one found by both verifiers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.errors import ConfigError, InputError, VerificationError
from synth_stack.files import read_table
from synth_stack.packs import verify_pack
from synth_stack.packs.prove import prove_rows, verify_proof
from tests.packs.judged_run import HELD, REJECTED, build_pack

Json = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("proved")
    build_pack(made)
    return made


@pytest.fixture(scope="module")
def ids(folder: Path) -> list[str]:
    return list(read_table(folder / "pack" / "lineage" / "records-00000.parquet")["row_id"].to_pylist())


@pytest.fixture(scope="module")
def proof(folder: Path, ids: list[str]) -> bytes:
    rows = [ids[HELD[0]], ids[REJECTED[0]], ids[0], ids[5]]
    return prove_rows(folder / "pack", rows, folder / "proof.json").read_bytes()


def test_a_proof_shows_its_rows_and_no_other(folder: Path, ids: list[str], proof: bytes) -> None:
    shown = verify_proof(folder / "proof.json")
    assert [row.record["row_id"] for row in shown.proof.rows] == [ids[0], ids[2], ids[5], ids[9]]
    assert [row.content is not None for row in shown.proof.rows] == [True, False, True, False]
    assert (
        shown.to_json()["rows"][0]["content"]["content"]["text"]
        == "Why was I charged 0 times?\n\nSorry. Case 0 is refunded."
    )
    assert not any(row_id.encode() in proof for row_id in (ids[1], ids[3], ids[6]))
    assert "not who signed" in shown.warnings[0]
    assert verify_pack.main([str(folder / "proof.json")]) == 0
    key_id = shown.proof.signed.key_id
    assert verify_proof(folder / "proof.json", expected_key=key_id).warnings == ()
    assert verify_pack.main([str(folder / "proof.json"), "--key-id", key_id]) == 0


def test_a_run_shows_what_was_turned_away(folder: Path, ids: list[str]) -> None:
    out = prove_rows(folder / "pack", [ids[REJECTED[1]][:9]], folder / "away.json", run=folder / "run")
    assert "charged 7 times" in str(verify_proof(out).proof.rows[0].content)


def set_in(row: int, name: str, value: Any) -> Callable[[Json], object]:
    return lambda proof: proof["rows"][row].__setitem__(name, value)


def swap(row: int, name: str, old: str, new: str) -> Callable[[Json], object]:
    def change(proof: Json) -> None:
        assert old in proof["rows"][row][name]
        proof["rows"][row][name] = proof["rows"][row][name].replace(old, new, 1)

    return change


def exchange(name: str) -> Callable[[Json], object]:
    def change(proof: Json) -> None:
        first, second = proof["rows"][0], proof["rows"][2]
        first[name], second[name] = second[name], first[name]

    return change


def cut_path(proof: Json) -> None:
    proof["rows"][0]["path"].pop()


def sign_otherwise(proof: Json) -> None:
    signature = proof["statement"]["signatures"][0]["sig"]
    proof["statement"]["signatures"][0]["sig"] = ("B" if signature[0] != "B" else "C") + signature[1:]


def another_head(proof: Json) -> None:
    import base64

    payload = orjson.loads(base64.b64decode(proof["statement"]["payload"]))
    payload["predicate"]["tree"]["size"] += 1
    proof["statement"]["payload"] = base64.b64encode(verify_pack.canonical(payload)).decode()


def another_key(proof: Json) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from synth_stack.lineage.sign import public_key_pem

    proof["public_key"] = public_key_pem(Ed25519PrivateKey.generate()).decode()


LIES: dict[str, tuple[Callable[[Json], object], str]] = {
    "text": (swap(0, "content", "charged 0 times", "charged 1 times"), "content is not what was recorded"),
    "another row's text": (exchange("content"), "content is not what was recorded"),
    "text of a rejected row": (set_in(1, "content", "{}"), "content is not what was recorded"),
    "record": (swap(0, "record", '"locale":"en"', '"locale":"de"'), "do not lead to the signed root"),
    "decision": (swap(1, "record", '"decision":"rejected"', '"decision":"accepted"'), "signed root"),
    "another row's record": (exchange("record"), "do not lead to the signed root"),
    "index": (set_in(0, "index", 1), "do not lead to the signed root from leaf 1"),
    "index beyond the tree": (set_in(3, "index", 99), "do not lead to the signed root"),
    "path": (lambda proof: proof["rows"][0]["path"].__setitem__(0, "0" * 64), "signed root"),
    "short path": (cut_path, "do not lead to the signed root"),
    "long path": (lambda proof: proof["rows"][0]["path"].append("0" * 64), "signed root"),
    "no hash": (lambda proof: proof["rows"][0]["path"].append("x"), "what is no hash"),
    "another row's path": (exchange("path"), "do not lead to the signed root"),
    "head": (another_head, "does not fit its statement"),
    "signature": (sign_otherwise, "does not fit its statement"),
    "key": (another_key, "another key"),
    "a row twice": (lambda proof: proof["rows"].append(proof["rows"][0]), "stand there twice"),
    "another order": (lambda proof: proof["rows"].reverse(), "order of the tree"),
    "no row": (lambda proof: proof["rows"].clear(), "proves no row"),
    "a bundle": (lambda proof: proof.__setitem__("bundle", "{}"), "bundle"),
    "another scheme": (lambda proof: proof.__setitem__("scheme", "x"), "no proof"),
    "a further word": (lambda proof: proof.__setitem__("more", 1), "no proof"),
    "no content at all": (lambda proof: proof["rows"][0].pop("content"), "is none"),
    "a number for a record": (set_in(0, "record", 1), "is none"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_tampered_proof_is_found_and_named(proof: bytes, tmp_path: Path, name: str) -> None:
    lie, says = LIES[name]
    value = orjson.loads(proof)
    lie(value)
    path = tmp_path / "proof.json"
    path.write_bytes(verify_pack.canonical(value) + b"\n")
    with pytest.raises(VerificationError, match=says):
        verify_proof(path)
    assert verify_pack.main([str(path)]) == 1


def test_what_is_no_proof_is_refused(folder: Path, ids: list[str], tmp_path: Path, proof: bytes) -> None:
    path = tmp_path / "proof.json"
    for data in (b"", b"[]\n", b"{}\n", b"\xff\n", b"[" * 100_000, proof + b"\n", proof[:-9]):
        path.write_bytes(data)
        with pytest.raises(VerificationError):
            verify_proof(path)
        assert verify_pack.main([str(path)]) == 1
    path.write_bytes(proof)
    with pytest.raises(VerificationError, match="expected key"):
        verify_proof(path, expected_key="0" * 64)
    with pytest.raises(VerificationError, match="no identity vouches"):
        verify_proof(path, identity="a", issuer="b")
    with pytest.raises(ConfigError, match="go together"):
        verify_proof(path, identity="a")
    with pytest.raises(InputError, match="lies in the pack"):
        prove_rows(folder / "pack", ids[:1], folder / "pack" / "x.json")
    with pytest.raises(InputError):
        prove_rows(folder / "pack", ["0" * 32], tmp_path / "x.json")
    with pytest.raises(InputError):
        prove_rows(folder / "pack", [], tmp_path / "x.json")
