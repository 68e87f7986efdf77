"""Rows of a pack for a program, without those that are withdrawn."""

from pathlib import Path

import pytest
from datasets import Dataset

import synth_stack
from synth_stack.errors import InputError, VerificationError
from synth_stack.packs.load import compare_revoked
from synth_stack.packs.verify.verify import inspect_pack
from tests.packs.judged_run import build_pack
from tests.packs.withdrawn_pack import issue_again, withdraw


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
