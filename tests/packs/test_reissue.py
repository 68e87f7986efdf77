"""Packs that are issued again without withdrawn rows, for both verifiers."""

from pathlib import Path

import orjson
import pytest

from synth_stack.errors import InputError, StoreError, VerificationError
from synth_stack.files import read_table
from synth_stack.packs import verify_pack
from synth_stack.packs.load import load_pack
from synth_stack.packs.reissue import reissue_pack
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.ledger import follow_ledger
from synth_stack.packs.verify.verify import inspect_pack, verify_row
from synth_stack.packs.write import write_pack
from tests.packs.judged_run import build_pack, build_run
from tests.packs.withdrawn_pack import issue_again, withdraw


def read_ids(pack: Path) -> list[str]:
    return list(read_table(pack / "data" / "train-00000-of-00001.parquet")["row_id"].to_pylist())


def require_sound(pack: Path) -> None:
    assert inspect_pack(pack).problems == ()
    assert verify_pack.inspect(pack).problems == []


def test_a_pack_issued_again_goes_on_in_its_ledger(tmp_path: Path) -> None:
    ledger, pin = tmp_path / "ledger", tmp_path / "pin"
    run = build_run(tmp_path / "run")
    write_pack(run, tmp_path / "pack", signer=local_signer(tmp_path / "key.pem"), ledger=ledger)
    ids = read_ids(tmp_path / "pack")
    withdraw(tmp_path, row=ids[:2])
    again = issue_again(tmp_path, ledger=ledger)
    require_sound(again)
    assert read_ids(again) == ids[2:]
    for pack in (tmp_path / "pack", again):
        assert not follow_ledger(inspect_pack(pack), pin=pin).problems
    said = orjson.loads((again / "MANIFEST.json").read_bytes())["facts"]["withdrawn"]
    assert (said["rows"], said["entries"]) == (2, 1)
    card = (again / "README.md").read_text()
    assert "2 accepted rows of an earlier issue" in card
    assert said["list"] in card
    first = {path.name: path.read_bytes() for path in again.rglob("*") if path.is_file()}
    issue_again(tmp_path, ledger=ledger)
    assert first == {path.name: path.read_bytes() for path in again.rglob("*") if path.is_file()}
    assert "withdrawn since" in " ".join(verify_row(again, ids[0]).warnings)
    withdraw(tmp_path, row=[ids[4]])
    issue_again(tmp_path, "third", ledger=ledger, pack="again")
    require_sound(tmp_path / "third")
    assert read_ids(tmp_path / "third") == [*ids[2:4], *ids[5:]]
    assert not follow_ledger(inspect_pack(tmp_path / "third"), pin=pin).problems
    assert len(ledger.read_bytes().splitlines()) == 4


def test_the_corpus_is_left_out_where_a_text_of_it_is_withdrawn(tmp_path: Path) -> None:
    pack = build_pack(tmp_path)
    withdraw(tmp_path, seed=["seed-000003"])
    again = issue_again(tmp_path)
    require_sound(again)
    assert len(read_ids(again)) == len(read_ids(pack)) - 2
    assert not (again / "seeds").exists()


def test_adversarial_rows_and_a_split_that_is_gone(tmp_path: Path) -> None:
    pack = build_pack(tmp_path, adversarial={1: {"strategy": "x"}})
    adversarial = read_table(pack / "data" / "adversarial-00000-of-00001.parquet")["row_id"].to_pylist()
    withdraw(tmp_path, row=adversarial)
    again = issue_again(tmp_path)
    require_sound(again)
    assert not list(again.glob("data/adversarial*"))
    everything = build_pack(tmp_path / "all")
    (tmp_path / "all" / "revoked.jsonl").unlink(missing_ok=True)
    withdraw(tmp_path / "all", teacher=["parrot"])
    none = issue_again(tmp_path / "all")
    require_sound(none)
    assert (len(read_ids(everything)), read_ids(none)) == (9, [])


def test_what_cannot_be_issued_again_is_refused(tmp_path: Path) -> None:
    pack, other = build_pack(tmp_path), tmp_path / "other"
    signer = local_signer(tmp_path / "key.pem")
    path = withdraw(tmp_path, row=["a" * 32])
    with pytest.raises(InputError, match="withdraws no row"):
        reissue_pack(pack, other, path, signer=signer)
    withdraw(tmp_path, row=read_ids(pack)[:1])
    with pytest.raises(InputError, match="no pack"):
        reissue_pack(tmp_path / "run", other, path, signer=signer)
    with pytest.raises(VerificationError, match="not the expected key"):
        reissue_pack(pack, other, path, signer=local_signer(tmp_path / "stranger.pem"))
    with pytest.raises(StoreError, match="does not hold the batch"):
        reissue_pack(pack, other, path, signer=signer, ledger=tmp_path / "empty")
    with pytest.raises(InputError, match="is the pack"):
        reissue_pack(pack, pack, path, signer=signer)
    assert not other.exists()
    again = issue_again(tmp_path)
    path.unlink()
    withdraw(tmp_path, row=read_ids(pack)[1:2])
    with pytest.raises(VerificationError, match="does not go on"):
        reissue_pack(again, other, path, signer=signer)
    with pytest.raises(VerificationError, match="does not go on"):
        load_pack(again, revoked=path, expected_key=signer.key_id)
