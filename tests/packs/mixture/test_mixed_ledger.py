"""A mixture in a ledger of its own: its place, the pin of a reader, and how far the ledgers of its packs were seen."""

import shutil
from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, VerificationError
from synth_stack.files import digest_file
from synth_stack.lineage.ledger import read_ledger, read_pin
from synth_stack.packs import verify_pack
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.ledger import follow_ledger
from synth_stack.packs.verify.verify import Verification, inspect_pack
from synth_stack.runs.folder import list_files
from tests.packs.mixture.mixed_pack import Parts, mix


@pytest.fixture(scope="session")
def mixtures(parts: Parts) -> dict[str, Path]:
    """Two batches of a ledger, with batch 0 and batch 1 of another vendor's, and what could follow as the third:
    one with batch 0 of that vendor again, one with a fork of it, and one without a pack of that vendor.
    """
    folder, ledger = parts.folder / "mixtures", parts.folder / "mixtures" / "l"
    made = {
        name: mix(folder, [parts.first, pack], name, ledger=ledger)
        for name, pack in (("zero", parts.batch0), ("one", parts.batch1))
    }
    for name, pack in (("back", parts.batch0), ("fork", parts.fork1), ("without", parts.third)):
        shutil.copy(ledger, folder / f"{name}.l")
        made[name] = mix(folder, [parts.first, pack], name, ledger=folder / f"{name}.l", name=name)
    packs = [parts.first, parts.batch0]
    made["later"] = mix(folder, packs, "later", ledger=folder / "without.l", name="later")
    return made


def follow(mixture: Path, pin: Path) -> Verification:
    return follow_ledger(inspect_pack(mixture), pin=pin)


def test_each_mixture_signs_its_place_and_the_next_goes_on_from_it(
    parts: Parts, mixtures: dict[str, Path], tmp_path: Path
) -> None:
    pin = tmp_path / "pin.json"
    for number, name in enumerate(("zero", "one")):
        found = follow(mixtures[name], pin)
        assert found.problems == ()
        assert found.place is not None
        assert len(found.place.previous) == number
        assert f"ledger   batch {number}, head {found.place.head}" in found.lines()
        assert f"This is batch {number} of its publisher's" in (mixtures[name] / "README.md").read_text(
            "utf-8"
        )
        assert verify_pack.inspect(mixtures[name]).problems == []
    assert len(read_ledger(parts.folder / "mixtures" / "l")) == 2
    kept = read_pin(pin)
    assert kept is not None
    vendor = local_signer(parts.folder / "vendor.pem").key_id
    assert [(each.key_id, each.size) for each in kept.packs] == [(vendor, 2)]


def test_the_last_one_made_again_is_the_same_to_the_byte(parts: Parts, tmp_path: Path) -> None:
    first, again = (
        mix(tmp_path, [parts.first, parts.second], name, ledger=tmp_path / "l") for name in ("a", "b")
    )
    assert {name: digest_file(first / name) for name in list_files(first)} == {
        name: digest_file(again / name) for name in list_files(again)
    }
    assert len(read_ledger(tmp_path / "l")) == 1


def test_a_rollback_a_fork_and_a_missing_mixture_are_refused(
    parts: Parts, mixtures: dict[str, Path], tmp_path: Path
) -> None:
    pin = tmp_path / "pin.json"
    follow(mixtures["zero"], pin)
    assert "a batch is missing" in str(follow(mixtures["without"], pin).problems[0])
    follow(mixtures["one"], pin)
    assert "the ledger was rolled back" in str(follow(mixtures["zero"], pin).problems[0])
    key = parts.folder / "mixtures" / "mixture.pem"
    for name, packs in (("a", [parts.second, parts.third]), ("b", [parts.first, parts.third])):
        mix(tmp_path, packs, name, ledger=tmp_path / "l", key=key)
    assert "the ledger was forked" in str(follow(tmp_path / "b", pin).problems[0])
    assert "no place in a ledger" in str(follow(parts.mixture, pin).problems[0])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("back", "sources/01 was rolled back: a mixture before had"),
        ("fork", "sources/01 is of a fork: its ledger"),
    ],
)
def test_a_pack_in_it_that_was_rolled_back_or_forked_is_named(
    mixtures: dict[str, Path], tmp_path: Path, name: str, says: str
) -> None:
    pin = tmp_path / "pin.json"
    for before in ("zero", "one"):
        follow(mixtures[before], pin)
    kept = pin.read_bytes()
    assert str(follow(mixtures[name], pin).problems[0]).startswith(says)
    assert pin.read_bytes() == kept
    assert follow(mixtures[name], tmp_path / "new.json").problems == ()


def test_a_ledger_that_no_pack_of_a_mixture_stands_in_is_remembered(
    mixtures: dict[str, Path], tmp_path: Path
) -> None:
    pin = tmp_path / "pin.json"
    for name in ("zero", "one", "without"):
        assert follow(mixtures[name], pin).problems == ()
    assert str(follow(mixtures["later"], pin).problems[0]).startswith("sources/01 was rolled back")


@pytest.mark.parametrize("broken", [b'"packs":{}', b'"packs":[1]', b'"packs":[{"size":1}]', b'"more":1'])
def test_a_pin_that_is_none_is_refused(mixtures: dict[str, Path], tmp_path: Path, broken: bytes) -> None:
    pin = tmp_path / "pin.json"
    follow(mixtures["zero"], pin)
    data = pin.read_bytes()
    start = data.index(b'"packs"')
    pin.write_bytes(data[:start] + broken + data[data.index(b"]", start) + 1 :])
    with pytest.raises(ConfigError, match="is no pin"):
        follow(mixtures["zero"], pin)


def test_packs_of_two_forks_are_not_mixed(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="are of two forks of one ledger"):
        mix(tmp_path, [parts.batch1, parts.fork1])
    assert inspect_pack(mix(tmp_path, [parts.batch0, parts.batch1])).problems == ()
