"""Keys that sign a pack later, each on its own machine."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synth_stack.cli.main import app
from synth_stack.errors import ConfigError, InputError, VerificationError
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.cosign import sign_pack
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.runs.folder import list_files
from tests.packs.judged_run import build_pack


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("made"))


@pytest.fixture
def pack(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "here" / "pack"))


def test_three_machines_sign_and_two_of_three_are_asked_for(pack: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(pack, tmp_path / "elsewhere" / "pack"))
    signed = sign_pack(elsewhere, keys=[tmp_path / "second.pem"], out=tmp_path / "second.json")
    assert inspect_pack(elsewhere).cosigners == ()
    (second,) = signed.cosigners
    third = sign_pack(pack, post_quantum=[tmp_path / "third.pem"]).cosigners
    both = sign_pack(pack, add=[tmp_path / "second.json"])
    assert both.cosigners == tuple(sorted([second, *third]))
    found = inspect_pack(pack, signers=(2, [second, *third, "0" * 64]))
    assert (found.problems, found.warnings, found.cosigners) == ((), (), both.cosigners)
    assert verify_pack.inspect(pack, signers=(3, [both.key_id, *both.cosigners])).problems == []
    assert [path.name for path in pack.parent.iterdir()] == ["pack"]


def test_a_signature_that_stands_there_already_changes_nothing(pack: Path, tmp_path: Path) -> None:
    sign_pack(pack, keys=[tmp_path / "second.pem"])
    before = {name: (pack / name).read_bytes() for name in list_files(pack)}
    sign_pack(pack, keys=[tmp_path / "second.pem"])
    assert {name: (pack / name).read_bytes() for name in list_files(pack)} == before


def test_a_pack_that_is_not_what_was_signed_gets_no_signature(pack: Path, tmp_path: Path) -> None:
    (pack / layout.CARD).write_text("# mine\n")
    with pytest.raises(VerificationError, match=r"README.md was changed"):
        sign_pack(pack, keys=[tmp_path / "second.pem"])
    assert not (tmp_path / "second.pem").exists()


def test_a_signature_on_another_pack_or_by_another_key_is_refused(pack: Path, tmp_path: Path) -> None:
    other = build_pack(tmp_path / "other", rows=4)
    sign_pack(other, keys=[tmp_path / "second.pem"], out=tmp_path / "other.json")
    with pytest.raises(InputError, match="a signature on another pack"):
        sign_pack(pack, add=[tmp_path / "other.json"])
    sign_pack(pack, keys=[tmp_path / "second.pem"], out=tmp_path / "second.json")
    sign_pack(pack, keys=[tmp_path / "third.pem"], out=tmp_path / "third.json")
    one, two = (json.loads((tmp_path / name).read_bytes()) for name in ("second.json", "third.json"))
    (tmp_path / "mixed.json").write_text(json.dumps({**one, "sig": two["sig"]}))
    with pytest.raises(VerificationError, match="does not fit its statement"):
        sign_pack(pack, add=[tmp_path / "mixed.json"])
    assert inspect_pack(pack).problems == ()
    for text in ("", "[]", "{}", '{"scheme": "synth_stack/cosignature/v1"}'):
        (tmp_path / "none.json").write_text(text)
        with pytest.raises(InputError, match="is no signature"):
            sign_pack(pack, add=[tmp_path / "none.json"])


def test_what_cannot_be_signed_is_said(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody signs"):
        sign_pack(pack)
    with pytest.raises(ConfigError, match="one key"):
        sign_pack(pack, keys=[tmp_path / "a.pem", tmp_path / "b.pem"], out=tmp_path / "x.json")


def test_the_key_of_the_packer_does_not_count_twice(made: Path, pack: Path) -> None:
    with pytest.raises(ConfigError, match="the key of the packer signed already"):
        sign_pack(pack, keys=[made.parent / "key.pem"])
    assert not (pack / layout.COSIGNATURES).exists()


def test_the_command_line_signs(pack: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["sign", str(pack), "--key", str(tmp_path / "second.pem"), "--json"])
    assert said.exit_code == 0
    (second,) = json.loads(said.stdout)["cosigners"]
    asked = ["verify", str(pack), "--signers", "1of1", "--keys", second]
    assert CliRunner().invoke(app, asked).exit_code == 0
