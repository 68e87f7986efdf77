"""Rows of a pack for a program, without those that are withdrawn."""

import warnings
from pathlib import Path

import orjson
import pytest
from datasets import Dataset

import synth_stack
from synth_stack.errors import InputError, UnknownSigner, VerificationError
from synth_stack.packs.load import SIGNATURE, compare_revoked
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.verify import inspect_pack
from tests.packs.judged_run import build_pack
from tests.packs.withdrawn_pack import issue_again, withdraw

unasked = pytest.mark.filterwarnings("ignore::synth_stack.errors.UnknownSigner")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A pack, and the id of its key."""
    folder = tmp_path_factory.mktemp("sound")
    return build_pack(folder), local_signer(folder / "key.pem").key_id


def test_whoever_names_nobody_is_warned_and_the_rows_say_so(sound: tuple[Path, str]) -> None:
    pack, key_id = sound
    with pytest.warns(UnknownSigner, match=f"its key {key_id} came with it") as told:
        rows = synth_stack.load_pack(pack)
    assert told[0].filename == __file__
    assert rows.info.description.splitlines() == [
        "identity none: there is no sigstore bundle, so no identity signed",
        *[line for line in inspect_pack(pack).lines() if line.startswith(("root", "key id"))],
    ]
    with pytest.warns(UnknownSigner):
        table = synth_stack.load_pack(pack, form="arrow")
    assert orjson.loads(table.schema.metadata[SIGNATURE]) == {
        "root": inspect_pack(pack).root,
        "key_id": key_id,
        "key_checked": False,
        "bundle": False,
        "identity_checked": False,
        "identity": None,
    }


@pytest.mark.parametrize("form", ["one key", "one of two keys"])
def test_whoever_names_the_key_reads_that_it_was_expected(sound: tuple[Path, str], form: str) -> None:
    pack, key_id = sound
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if form == "one key":
            rows = synth_stack.load_pack(pack, expected_key=key_id)
        else:
            rows = synth_stack.load_pack(pack, signers=(1, [key_id, "0" * 64]))
    assert rows.info.description.splitlines()[-1].endswith("which was expected")


@unasked
def test_rows_are_loaded_without_the_withdrawn_ones(tmp_path: Path) -> None:
    pack = build_pack(tmp_path, adversarial={1: {"strategy": "x"}})
    rows = synth_stack.load_pack(pack)
    assert isinstance(rows, Dataset)
    assert len(rows) == 8
    path = withdraw(tmp_path, row=rows["row_id"][:3])
    left = synth_stack.load_pack(str(pack), revoked=str(path), form="arrow")
    assert left["row_id"].to_pylist() == rows["row_id"][3:]
    assert len(synth_stack.load_pack(pack, split="adversarial")) == 1
    assert len(synth_stack.load_pack(issue_again(tmp_path), revoked=path)) == 5


@unasked
def test_nothing_is_loaded_of_what_does_not_verify(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    with pytest.raises(InputError, match="no rows in that split"):
        synth_stack.load_pack(pack, split="adversarial")
    with pytest.raises(VerificationError, match="expected key"):
        synth_stack.load_pack(pack, expected_key="0" * 64)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(VerificationError, match="another key"):
        synth_stack.load_pack(pack, revoked=withdraw(tmp_path, seed=["seed-000001"]))
    (pack / "README.md").write_text("x")
    with pytest.raises(VerificationError, match=r"README\.md"):
        synth_stack.load_pack(pack)


def test_verify_says_which_rows_are_withdrawn(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    path = withdraw(tmp_path, seed=["seed-000003"])
    found = compare_revoked(inspect_pack(pack), path)
    assert len(found.withdrawn) == 2
    assert "2 of 9 accepted rows are withdrawn" in str(found.problems[0])
    assert "2 by seed" in str(found.problems[0])
    assert not compare_revoked(inspect_pack(issue_again(tmp_path)), path).problems
    assert len(found.to_json()["withdrawn"]) == 2
