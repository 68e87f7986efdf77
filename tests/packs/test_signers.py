"""Packs that several keys sign: all of them checked, and a threshold asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.errors import ConfigError, SigningError, VerificationError
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.prove import prove_rows, verify_proof
from synth_stack.packs.signers import add_cosigners, local_signer
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.packs.write import write_pack
from tests.packs.judged_run import build_run, read_predicate
from tests.packs.tampering.forge import Forger

Json = dict[str, Any]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cosigned")
    run = build_run(folder / "run")
    own = local_signer(folder / "key.pem")
    signer = add_cosigners(own, [folder / "second.pem"], [folder / "lattice.pem"])
    return write_pack(run, folder / "pack", signer=signer).path


def list_keys(pack: Path) -> list[str]:
    return [str(inspect_pack(pack).key_id), *inspect_pack(pack).cosigners]


def test_every_key_signs_and_a_threshold_is_met(pack: Path) -> None:
    keys = list_keys(pack)
    assert len(keys) == 3
    assert f"cosigner {keys[1]}" in inspect_pack(pack).lines()
    assert keys[2] in (pack / "README.md").read_text()
    stranger = "0" * 64
    found = inspect_pack(pack, signers=(2, [keys[1], keys[2], stranger]))
    assert (found.problems, found.warnings) == ((), ())
    assert verify_pack.inspect(pack, signers=(3, keys)).problems == []
    arguments = [str(pack), "--signers", "2of3", "--keys", keys[0], keys[2], stranger]
    assert verify_pack.main(arguments) == 0


def test_a_threshold_that_is_not_met_is_a_problem(pack: Path) -> None:
    keys = [list_keys(pack)[0], "0" * 64, "1" * 64]
    assert "1 of the 3 expected keys signed" in str(inspect_pack(pack, signers=(2, keys)).problems[0])
    assert verify_pack.main([str(pack), "--signers", "2of3", "--keys", *keys]) == 1


@pytest.mark.parametrize("text", ["3of2", "2of2", "0of3", "2", "2of3 ", "", "twoofthree", "2of03"])
def test_a_threshold_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(verify_pack.Refusal):
        verify_pack.parse_signers(text, ["0" * 64, "1" * 64, "2" * 64])
    with pytest.raises(verify_pack.Refusal):
        verify_pack.parse_signers("1of1", ["abc"])


def edit(change: Callable[[Json], object]) -> Callable[[Forger], object]:
    def lie(forger: Forger) -> None:
        forger.edit_json(layout.COSIGNATURES, change)
        forger.list()

    return lie


def exchange(value: Json) -> None:
    first, second = value["signatures"]
    first["sig"], second["sig"] = second["sig"], first["sig"]


def strip(forger: Forger) -> None:
    forger.path(layout.COSIGNATURES).unlink()
    forger.list()


def sign_alone(forger: Forger) -> None:
    """The holder of the first key changes the pack and cannot make the others sign that."""
    forger.edit(layout.CARD, lambda data: data + b"x")
    forger.sign()


def drop_names(forger: Forger) -> None:
    forger.sign({"cosigners": []})


def name_more(forger: Forger) -> None:
    forger.sign({"cosigners": sorted([*read_predicate(forger.pack)[0]["cosigners"], "0" * 64])})


LIES: dict[str, tuple[Callable[[Forger], object], str]] = {
    "stripped": (strip, "cosignatures.json is missing"),
    "one is gone": (edit(lambda value: value["signatures"].pop()), "lacks a signature"),
    "all are gone": (edit(lambda value: value["signatures"].clear()), "a signature is none"),
    "one stands twice": (
        edit(lambda value: value["signatures"].append(value["signatures"][0])),
        "stands there twice",
    ),
    "another order": (edit(lambda value: value["signatures"].reverse()), "not in order"),
    "exchanged": (edit(exchange), "does not fit its statement"),
    "no signature": (edit(lambda value: value["signatures"][0].__setitem__("sig", "AAAA")), "does not fit"),
    "no base64": (edit(lambda value: value["signatures"][0].__setitem__("sig", "?")), "cosignatures.json"),
    "no key": (edit(lambda value: value["signatures"][0].__setitem__("public_key", "x")), "no public key"),
    "another scheme": (edit(lambda value: value.__setitem__("scheme", "x")), "another scheme"),
    "a further word": (
        edit(lambda value: value["signatures"][0].__setitem__("more", 1)),
        "a signature is none",
    ),
    "signed again by one": (sign_alone, "does not fit its statement"),
    "names dropped": (drop_names, "does not fit its statement"),
    "a further name": (name_more, "does not fit its statement"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_about_cosigners_is_found_by_both(pack: Path, tmp_path: Path, name: str) -> None:
    lie, says = LIES[name]
    forger = Forger(pack, tmp_path)
    lie(forger)
    problems = [str(problem) for problem in inspect_pack(forger.pack).problems]
    assert any(says in problem for problem in problems), problems
    assert verify_pack.inspect(forger.pack).problems


def test_keys_that_cannot_cosign_are_refused(pack: Path, tmp_path: Path) -> None:
    own = local_signer(tmp_path / "key.pem")
    with pytest.raises(ConfigError, match="twice"):
        add_cosigners(own, [tmp_path / "key.pem"])
    with pytest.raises(ConfigError, match="twice"):
        add_cosigners(own, [tmp_path / "a.pem", tmp_path / "a.pem"])
    with pytest.raises(SigningError, match="ML-DSA-65"):
        add_cosigners(own, [], [tmp_path / "key.pem"])
    with pytest.raises(SigningError, match="another kind"):
        local_signer(pack.parent / "lattice.pem")


def test_a_proof_says_that_it_has_no_further_signatures(pack: Path, tmp_path: Path) -> None:
    row_id = orjson.loads(next(verify_pack.read_lines(pack, layout.lines_name(0))))["row_id"]
    path = prove_rows(pack, [row_id], tmp_path / "proof.json")
    assert any("further keys signed" in line for line in verify_proof(path).lines())
    with pytest.raises(VerificationError, match="expected key"):
        verify_proof(path, expected_key=list_keys(pack)[1])
