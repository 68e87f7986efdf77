import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import ConfigError, InputError, StoreError, VerificationError
from synth_stack.lineage.ledger import (
    LedgerEntry,
    Pin,
    advance_pin,
    append_entry,
    find_place,
    grow_head,
    read_ledger,
    read_pin,
)
from synth_stack.lineage.merkle import leaf_hash, prove_consistency, verify_consistency
from tests.examples import examples
from tests.lineage.test_merkle import CT_LEAVES

KEY = "a" * 64
LEAVES = [leaf_hash(b"statement %d" % n) for n in range(40)]
RFC_PROOFS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def stack(leaves: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(leaves), dtype=np.uint8).reshape(-1, 32)


@pytest.mark.parametrize("sizes", RFC_PROOFS)
def test_consistency_proofs_are_those_of_the_published_vectors(sizes: tuple[int, int]) -> None:
    first, second = sizes
    leaves = [leaf_hash(data) for data in CT_LEAVES]
    proof = prove_consistency(stack(leaves[:second]), first)
    assert [node.hex() for node in proof] == RFC_PROOFS[sizes]
    roots = grow_head(leaves[:first]).root, grow_head(leaves[:second]).root
    assert verify_consistency(first, second, *roots, proof)


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=examples(150), deadline=None)
def test_every_start_of_a_tree_is_proved_and_no_other(first: int, second: int) -> None:
    if first > second:
        with pytest.raises(InputError):
            prove_consistency(stack(LEAVES[:second]), first)
        return
    proof = prove_consistency(stack(LEAVES[:second]), first)
    old, new = grow_head(LEAVES[:first]).root, grow_head(LEAVES[:second]).root
    assert verify_consistency(first, second, old, new, proof)
    assert not verify_consistency(first, second, hashlib.sha256(old).digest(), new, proof)
    assert not verify_consistency(first, second, old, hashlib.sha256(new).digest(), proof)
    assert not verify_consistency(first, second, old, new, [*proof, old])
    if proof:
        assert not verify_consistency(first, second, old, new, proof[:-1])
    assert not verify_consistency(0, second, old, new, proof)


def entry(sequence: int) -> LedgerEntry:
    return LedgerEntry(sequence, "b" * 64, f"{sequence:064d}", LEAVES[sequence].hex())


def fill(path: Path, batches: int) -> list[LedgerEntry]:
    for number in range(batches):
        append_entry(path, read_ledger(path), entry(number))
    return read_ledger(path)


def test_a_ledger_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert read_ledger(path) == []
    assert fill(path, 3) == [entry(0), entry(1), entry(2)]
    append_entry(path, read_ledger(path), entry(2))
    assert len(read_ledger(path)) == 3
    with pytest.raises(StoreError, match="batch 1 was signed with another statement before"):
        append_entry(path, read_ledger(path), entry(1))


def test_the_last_batch_finds_its_own_place_again(tmp_path: Path) -> None:
    entries = fill(tmp_path / "ledger", 3)
    again = find_place(entries, entries[2].run, entries[2].root)
    assert again.previous == tuple(e.leaf for e in entries[:2])
    assert find_place(entries, entries[1].run, entries[1].root).sequence == 3
    assert find_place([], "b" * 64, "c" * 64).to_predicate() == {
        "sequence": 0,
        "previous": {"size": 0, "root": hashlib.sha256(b"").hexdigest()},
    }


def test_a_torn_last_line_is_a_batch_that_was_never_published(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    fill(path, 2)
    path.write_bytes(path.read_bytes() + b'{"leaf":')
    assert len(read_ledger(path)) == 2


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"[]", b"\xff\xfe\n"])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "ledger").write_bytes(data)
    with pytest.raises(StoreError, match="is no ledger"):
        read_ledger(tmp_path / "ledger")


def test_an_altered_ledger_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    fill(path, 3)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1], lines[3], b""]))
    with pytest.raises(StoreError, match="line 3 is no batch, or not batch 1"):
        read_ledger(path)


def pin_after(batches: int) -> Pin:
    return advance_pin(None, KEY, LEAVES[: batches - 1], LEAVES[batches - 1])


def test_a_pin_follows_a_ledger_batch_by_batch() -> None:
    pin = pin_after(1)
    for number in range(1, 9):
        pin = advance_pin(pin, KEY, LEAVES[:number], LEAVES[number])
        assert pin == pin_after(number + 1)
    assert advance_pin(pin, KEY, LEAVES[:8], LEAVES[8]) == pin


@pytest.mark.parametrize(
    ("key", "previous", "leaf", "said"),
    [
        ("c" * 64, LEAVES[:4], LEAVES[4], "the pin is of another key"),
        (KEY, LEAVES[:2], LEAVES[2], "rolled back"),
        (KEY, LEAVES[:3], LEAVES[9], "forked"),
        (KEY, [LEAVES[0], LEAVES[9], *LEAVES[2:4]], LEAVES[4], "forked"),
        (KEY, [*LEAVES[:3], LEAVES[9]], LEAVES[4], "forked"),
        (KEY, LEAVES[:5], LEAVES[5], "a batch is missing: 4 stands"),
        (KEY, LEAVES[:9], LEAVES[9], "a batch is missing: 4 to 8 stands"),
        (KEY, [LEAVES[9], *LEAVES[1:9]], LEAVES[9], "forked"),
    ],
)
def test_a_rollback_a_fork_and_a_missing_batch_are_refused(
    key: str, previous: list[bytes], leaf: bytes, said: str
) -> None:
    with pytest.raises(VerificationError, match=said):
        advance_pin(pin_after(4), key, previous, leaf)


def test_a_pin_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "pin.json"
    assert read_pin(path) is None
    path.write_bytes(pin_after(3).to_bytes())
    assert read_pin(path) == pin_after(3)
    for data in (b"", b"{}", b"[]", b"\xff", pin_after(3).to_bytes().replace(b"3", b"-3", 1), b"[" * 5000):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match="is no pin"):
            read_pin(path)
