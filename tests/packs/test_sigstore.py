from pathlib import Path

import orjson
import pytest

from synth_stack.errors import UnknownSigner, VerificationError
from synth_stack.packs import layout
from synth_stack.packs.load import load_pack
from synth_stack.packs.signers import sigstore_signer
from synth_stack.packs.verify.verify import inspect_pack, verify_pack, verify_row
from synth_stack.packs.write import write_pack
from synth_stack.runs.folder import MANIFEST, write_manifest
from tests.lineage.sigstore_loopback import ISSUER, make_token, run_sigstore
from tests.packs.judged_run import build_run

pytest.importorskip("sigstore")

WHO = "curator@example.org"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pack that an identity signed, and the trust config to check it with."""
    folder = tmp_path_factory.mktemp("signed")
    trust = folder / "trust.json"
    with run_sigstore() as config:
        trust.write_text(config, encoding="utf-8")
        signer = sigstore_signer(make_token(WHO), trust, key_path=folder / "key.pem")
        write_pack(build_run(folder / "run"), folder / "pack", signer=signer)
    return folder / "pack", trust


def test_the_expected_identity_verifies_without_a_warning(signed: tuple[Path, Path]) -> None:
    pack, trust = signed
    result = verify_pack(pack, identity=WHO, issuer=ISSUER, trust_config=trust)
    assert result.warnings == ()
    row = orjson.loads((pack / "MANIFEST.json").read_bytes())
    assert layout.BUNDLE in row["files"]


def test_one_row_verifies_by_identity(signed: tuple[Path, Path]) -> None:
    import pyarrow.parquet as pq

    pack, trust = signed
    row_id = pq.read_table(pack / "log/decisions-00000.parquet")["row_id"][0].as_py()
    proof = verify_row(pack, row_id, identity=WHO, issuer=ISSUER, trust_config=trust)
    assert proof.warnings == ()


def test_an_identity_that_was_not_asked_for_is_warned_of(signed: tuple[Path, Path]) -> None:
    assert "identity was not checked" in verify_pack(signed[0]).warnings[0]


def test_rows_that_are_loaded_say_who_signed_and_whether_that_was_checked(signed: tuple[Path, Path]) -> None:
    pack, trust = signed
    rows = load_pack(pack, identity=WHO, issuer=ISSUER, trust_config=trust)
    assert rows.info.description.startswith(f"identity checked: {WHO}, by {ISSUER}")
    with pytest.warns(UnknownSigner):
        rows = load_pack(pack)
    assert rows.info.description.startswith("identity not checked: lineage/bundle.sigstore.json is there")


def test_another_identity_or_issuer_is_refused(signed: tuple[Path, Path]) -> None:
    pack, trust = signed
    for who, issuer in (("mallory@example.org", ISSUER), (WHO, "https://other.example")):
        with pytest.raises(VerificationError, match=r"^lineage/bundle.sigstore.json"):
            verify_pack(pack, identity=who, issuer=issuer, trust_config=trust)


def test_a_changed_bundle_is_named(signed: tuple[Path, Path]) -> None:
    pack, _ = signed
    path = pack / layout.BUNDLE
    sound = path.read_bytes()
    try:
        for offset in range(0, len(sound), len(sound) // 40):
            data = bytearray(sound)
            data[offset] ^= 1
            path.write_bytes(data)
            assert str(inspect_pack(pack).problems[0]).startswith(layout.BUNDLE)
    finally:
        path.write_bytes(sound)


def test_a_bundle_cannot_be_taken_away(signed: tuple[Path, Path], tmp_path: Path) -> None:
    import shutil

    pack = Path(shutil.copytree(signed[0], tmp_path / "pack"))
    (pack / layout.BUNDLE).unlink()
    manifest = orjson.loads((pack / MANIFEST).read_bytes())
    del manifest["files"][layout.BUNDLE]
    (pack / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS) + b"\n")
    assert str(inspect_pack(pack).problems[0]) == "lineage/bundle.sigstore.json is missing"


def test_a_bundle_over_another_statement_is_refused(signed: tuple[Path, Path], tmp_path: Path) -> None:
    import base64
    import shutil

    pack = Path(shutil.copytree(signed[0], tmp_path / "pack"))
    bundle = orjson.loads((pack / layout.BUNDLE).read_bytes())
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(b"{}").decode()
    (pack / layout.BUNDLE).write_bytes(orjson.dumps(bundle))
    facts = orjson.loads((pack / MANIFEST).read_bytes())["facts"]
    (pack / MANIFEST).unlink()
    write_manifest(pack, facts)
    assert "signs another statement" in " ".join(map(str, inspect_pack(pack).problems))


def test_the_card_says_how_to_check_the_identity(signed: tuple[Path, Path]) -> None:
    card = (signed[0] / "README.md").read_text()
    assert "`--identity` and `--issuer`" in card
    assert "second signature" in card
