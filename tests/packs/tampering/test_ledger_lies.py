"""Lies about the place of a batch in a ledger, signed by whoever holds the key, found by both verifiers."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.lineage.ledger import grow_head
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.packs.write import write_pack
from tests.packs.judged_run import GATES, RECIPE, build_run, read_predicate
from tests.packs.tampering.forge import DIALS, Forger

Lie = Callable[[Forger], object]
ELSE = "e" * 64


@pytest.fixture(scope="session")
def third(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The third batch of a ledger."""
    folder = tmp_path_factory.mktemp("third")
    gates = {**GATES, "gates": [{**gate, "dials": DIALS[gate["use"]]} for gate in GATES["gates"]]}
    for number in range(3):
        recipe = {**RECIPE, "about": f"Shop {number}"}
        run = build_run(folder / f"run{number}", recipe=recipe, gates=gates)
        signer = local_signer(folder / "key.pem")
        write_pack(run, folder / f"pack{number}", signer=signer, ledger=folder / "ledger.jsonl")
    return folder / "pack2"


def put_file(change: Callable[[dict[str, Any]], object]) -> Lie:
    """Another list of the batches before, and no other place."""

    def lie(forger: Forger) -> None:
        forger.edit_json(layout.LEDGER, change)
        forger.derive()

    return lie


def put_batches(change: Callable[[list[Any]], object]) -> Lie:
    """Other batches before this one, and the place that they give."""

    def lie(forger: Forger) -> None:
        entries = orjson.loads(forger.path(layout.LEDGER).read_bytes())["entries"]
        change(entries)
        put_file(lambda value: value.update(entries=entries))(forger)
        leaves = [bytes.fromhex(entry) for entry in entries if re.fullmatch("[0-9a-fA-F]{64}", str(entry))]
        head = grow_head(leaves)
        say(forger, {"sequence": len(entries), "previous": {"size": len(entries), "root": head.root.hex()}})

    return lie


def say(forger: Forger, place: Any) -> None:
    """Another place in the statement, and the card that tells it."""
    forger.sign({"ledger": place})
    if isinstance(place, dict) and {*place} >= {"sequence", "previous"}:
        forger.derive()


def claim(change: Callable[[dict[str, Any]], object]) -> Lie:
    def lie(forger: Forger) -> None:
        place = read_predicate(forger.pack)[0]["ledger"]
        change(place)
        say(forger, place)

    return lie


def deny(forger: Forger) -> None:
    forger.sign({"ledger": None})
    forger.derive()


def remove(forger: Forger) -> None:
    forger.path(layout.LEDGER).unlink()
    forger.derive()


TWICE = "a batch stands in it twice"
HEAD = "does not give the head"
NONE = "its place in a ledger is none|predicate|does not say"
LEDGER_LIES: dict[str, tuple[Lie, str]] = {
    "the last batch is doubled": (put_batches(lambda batches: batches.append(batches[-1])), TWICE),
    "the first batch is doubled": (put_batches(lambda batches: batches.insert(0, batches[0])), TWICE),
    "one batch stands for all": (put_batches(lambda batches: batches.__setitem__(1, batches[0])), TWICE),
    "a batch is no hash": (put_batches(lambda batches: batches.append("later")), "an entry is no SHA-256"),
    "a batch is a number": (put_batches(lambda batches: batches.append(7)), "an entry is no SHA-256"),
    "a batch is a hash in capitals": (
        put_batches(lambda batches: batches.__setitem__(0, batches[0].upper())),
        "an entry is no SHA-256",
    ),
    "a batch is left out of the list": (put_file(lambda value: value["entries"].pop()), HEAD),
    "a batch more is in the list": (put_file(lambda value: value["entries"].append(ELSE)), HEAD),
    "two batches change places": (put_file(lambda value: value["entries"].reverse()), HEAD),
    "another batch is in the list": (put_file(lambda value: value["entries"].__setitem__(0, ELSE)), HEAD),
    "the list has another scheme": (put_file(lambda value: value.update(scheme="x")), "of another scheme"),
    "the list says more": (put_file(lambda value: value.update(note="x")), "of another scheme"),
    "the list is none": (put_file(lambda value: value.update(entries={})), "of another scheme"),
    "the list is gone": (remove, r"lineage/ledger\.json"),
    "the batch has no place": (deny, "does not belong to a pack that has no place"),
    "another number": (claim(lambda place: place.update(sequence=3)), HEAD),
    "a number before the first": (claim(lambda place: place.update(sequence=-1)), HEAD),
    "a fraction of a number": (claim(lambda place: place.update(sequence=2.5)), NONE),
    "another size": (claim(lambda place: place["previous"].update(size=1)), HEAD),
    "another root": (claim(lambda place: place["previous"].update(root=ELSE)), HEAD),
    "a place says more": (claim(lambda place: place.update(note="x")), NONE),
    "a place says nothing": (claim(lambda place: place.clear()), NONE),
}


def test_nobody_lied(third: Path, tmp_path: Path) -> None:
    forger = Forger(third, tmp_path)
    forger.derive()
    assert inspect_pack(forger.pack).problems == ()
    assert verify_pack.inspect(forger.pack).problems == []


@pytest.mark.parametrize("name", LEDGER_LIES)
def test_a_lie_about_the_ledger_is_found(third: Path, tmp_path: Path, name: str) -> None:
    lie, says = LEDGER_LIES[name]
    forger = Forger(third, tmp_path)
    lie(forger)
    for found in (inspect_pack(forger.pack).problems, verify_pack.inspect(forger.pack).problems):
        assert any(re.search(says, str(problem)) for problem in found), found
