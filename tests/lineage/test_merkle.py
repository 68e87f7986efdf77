import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import InputError, StoreError, VerificationError
from synth_stack.lineage.merkle import (
    EMPTY_ROOT,
    LeafHashes,
    check_tiles,
    grow_tree,
    leaf_hash,
    node_hash,
    prove_from_tiles,
    prove_inclusion,
    verify_inclusion,
    write_tiles,
)
from tests.examples import examples

# The leaves, roots and paths of certificate-transparency's merkle_tree_test.cc.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def hash_leaves(leaves: list[bytes]) -> LeafHashes:
    return np.frombuffer(b"".join(map(leaf_hash, leaves)), dtype=np.uint8).reshape(-1, 32)


MANY = hash_leaves([b"%d" % i for i in range(66_000)])


def reference_root(hashes: list[bytes]) -> bytes:
    """MTH as RFC 6962, 2.1 writes it down."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(reference_root(hashes[:k]), reference_root(hashes[k:]))


def reference_path(m: int, hashes: list[bytes]) -> list[bytes]:
    """PATH as RFC 6962, 2.1.1 writes it down."""
    if len(hashes) == 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m < k:
        return [*reference_path(m, hashes[:k]), reference_root(hashes[k:])]
    return [*reference_path(m - k, hashes[k:]), reference_root(hashes[:k])]


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size: int) -> None:
    head = grow_tree([hash_leaves(CT_LEAVES[:size])])
    assert (head.size, head.root.hex()) == (size, CT_ROOTS[size])


@pytest.mark.parametrize(("index", "size"), CT_PATHS)
def test_the_published_paths_come_out_and_verify(index: int, size: int) -> None:
    leaves = hash_leaves(CT_LEAVES[:size])
    proof = prove_inclusion(leaves, index)
    assert [node.hex() for node in proof] == CT_PATHS[index, size]
    assert verify_inclusion(leaf_hash(CT_LEAVES[index]), index, size, proof, bytes.fromhex(CT_ROOTS[size]))


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 255, 256, 257, 300])
def test_every_leaf_proves_itself_by_the_path_of_the_rfc(size: int) -> None:
    leaves = MANY[:size]
    hashes = [leaf.tobytes() for leaf in leaves]
    root = grow_tree([leaves]).root
    assert root == reference_root(hashes)
    for index, leaf in enumerate(hashes):
        proof = prove_inclusion(leaves, index)
        assert proof == reference_path(index, hashes)
        assert verify_inclusion(leaf, index, size, proof, root)


@given(st.data())
def test_any_flipped_bit_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    proof = prove_inclusion(MANY[:size], index)
    parts = [MANY[index].tobytes(), grow_tree([MANY[:size]]).root, *proof]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(parts[which])
    flipped[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(flipped)
    assert not verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(st.data())
def test_a_proof_holds_for_no_other_index(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index, other = data.draw(st.permutations(range(size)))[:2]
    proof = prove_inclusion(MANY[:size], index)
    assert not verify_inclusion(MANY[index].tobytes(), other, size, proof, grow_tree([MANY[:size]]).root)


def test_a_proof_of_the_wrong_shape_is_false_and_never_an_error() -> None:
    root, leaf = grow_tree([MANY[:5]]).root, MANY[1].tobytes()
    proof = prove_inclusion(MANY[:5], 1)
    assert verify_inclusion(leaf, 1, 5, proof, root)
    assert not verify_inclusion(leaf, 1, 5, proof[:-1], root)
    assert not verify_inclusion(leaf, 1, 5, [*proof, proof[0]], root)
    assert not verify_inclusion(leaf, 1, 5, [], root)
    assert not verify_inclusion(leaf, 1, 5, [b"", *proof], root)
    assert not verify_inclusion(leaf, 1, 5, [proof[0] + proof[1], proof[2]], root)
    assert not verify_inclusion(leaf, -1, 5, proof, root)
    assert not verify_inclusion(leaf, 5, 5, proof, root)
    assert not verify_inclusion(leaf, 0, 0, [], EMPTY_ROOT)


def test_an_inner_node_does_not_pass_for_a_leaf() -> None:
    inner = node_hash(MANY[0].tobytes(), MANY[1].tobytes())
    data = MANY[0].tobytes() + MANY[1].tobytes()
    assert leaf_hash(data) != inner


@settings(max_examples=examples(30))
@given(st.lists(st.integers(0, 700), max_size=6))
def test_how_the_leaves_are_cut_into_shards_changes_nothing(sizes: list[int]) -> None:
    ends = np.cumsum([0, *sizes])
    shards = [MANY[start:end] for start, end in itertools.pairwise(ends)]
    assert grow_tree(shards) == grow_tree([MANY[: ends[-1]]])


@pytest.mark.parametrize("leaves", [np.zeros(32, np.uint8), np.zeros((2, 31), np.uint8), np.zeros((2, 32))])
def test_an_array_that_is_not_leaf_hashes_is_refused(leaves: LeafHashes) -> None:
    with pytest.raises(ValueError, match="shape"):
        grow_tree([leaves])


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000])
def test_tiles_give_the_root_and_the_proofs_of_the_tree(tmp_path: Path, size: int) -> None:
    head = grow_tree([MANY[:size]])
    assert write_tiles(tmp_path, [MANY[: size // 3], MANY[size // 3 : size]]) == head
    assert check_tiles(tmp_path) == head
    for index in {0, 1, 254, 255, 256, 511, size // 2, 65_535, size - 2, size - 1}:
        if 0 <= index < size:
            proof = prove_from_tiles(tmp_path, index, size)
            assert proof == prove_inclusion(MANY[:size], index)
            assert verify_inclusion(MANY[index].tobytes(), index, size, proof, head.root)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    write_tiles(folder, [MANY])
    return folder


@settings(max_examples=examples(200))
@given(data=st.data())
def test_tiles_prove_every_earlier_tree_too(tiles: Path, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 2_000) | st.integers(1, len(MANY)))
    index = data.draw(st.integers(0, size - 1))
    proof = prove_from_tiles(tiles, index, size)
    assert verify_inclusion(MANY[index].tobytes(), index, size, proof, grow_tree([MANY[:size]]).root)


def test_a_tile_file_holds_one_hash_for_each_complete_subtree(tmp_path: Path) -> None:
    write_tiles(tmp_path, [MANY])
    lengths = {path.name: path.stat().st_size // 32 for path in tmp_path.iterdir()}
    assert lengths == {"0.bin": 66_000, "1.bin": 257, "2.bin": 1}
    assert (tmp_path / "1.bin").read_bytes()[32:64] == grow_tree([MANY[256:512]]).root
    assert (tmp_path / "2.bin").read_bytes() == grow_tree([MANY[:65_536]]).root


def test_a_smaller_tree_leaves_nothing_of_the_larger_one(tmp_path: Path) -> None:
    write_tiles(tmp_path, [MANY])
    head = write_tiles(tmp_path, [MANY[:300]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.bin", "1.bin"]
    assert check_tiles(tmp_path) == head


@pytest.mark.parametrize(("name", "position"), [("1.bin", 0), ("1.bin", 8_223), ("2.bin", 31)])
def test_a_changed_inner_hash_is_named(tmp_path: Path, name: str, position: int) -> None:
    write_tiles(tmp_path, [MANY])
    data = bytearray((tmp_path / name).read_bytes())
    data[position] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(VerificationError, match=rf"{name}: hash {position // 32} is not"):
        check_tiles(tmp_path)


def test_a_changed_leaf_shows_in_the_level_above(tmp_path: Path) -> None:
    write_tiles(tmp_path, [MANY[:600]])
    data = bytearray((tmp_path / "0.bin").read_bytes())
    data[300 * 32] ^= 1
    (tmp_path / "0.bin").write_bytes(data)
    with pytest.raises(VerificationError, match=r"1\.bin: hash 1 is not"):
        check_tiles(tmp_path)


@pytest.mark.parametrize(
    ("name", "length", "message"),
    [
        ("0.bin", 300 * 32 - 1, r"0\.bin ends within a hash"),
        ("1.bin", 31, r"1\.bin is not of the length"),
        ("1.bin", 0, r"1\.bin is not of the length"),
    ],
)
def test_a_tile_file_cut_short_is_named(tmp_path: Path, name: str, length: int, message: str) -> None:
    write_tiles(tmp_path, [MANY[:300]])
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:length])
    with pytest.raises(VerificationError, match=message):
        check_tiles(tmp_path)


def test_a_tile_file_with_more_than_its_leaves_give_is_named(tmp_path: Path) -> None:
    write_tiles(tmp_path, [MANY[:300]])
    with (tmp_path / "1.bin").open("ab") as file:
        file.write(bytes(32))
    with pytest.raises(VerificationError, match=r"1\.bin is not of the length.*seen: 64"):
        check_tiles(tmp_path)


@pytest.mark.parametrize("name", ["0.bin", "1.bin"])
def test_a_missing_tile_file_is_named_by_check_and_by_proof(tmp_path: Path, name: str) -> None:
    write_tiles(tmp_path, [MANY[:600]])
    (tmp_path / name).unlink()
    with pytest.raises(VerificationError, match=name):
        check_tiles(tmp_path)
    with pytest.raises(VerificationError, match=name):
        prove_from_tiles(tmp_path, 0, 600)


def test_a_file_of_no_level_is_named(tmp_path: Path) -> None:
    write_tiles(tmp_path, [MANY[:300]])
    (tmp_path / "2.bin").write_bytes(b"")
    with pytest.raises(VerificationError, match=r"belongs to no level; seen: 2\.bin"):
        check_tiles(tmp_path)


def test_a_proof_from_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_tiles(tmp_path, [MANY[:300]])
    with pytest.raises(VerificationError, match=r"0\.bin ends before hash 399"):
        prove_from_tiles(tmp_path, 0, 400)


@pytest.mark.parametrize("index", [-1, 300, 1_000])
def test_a_leaf_outside_the_tree_is_refused(tmp_path: Path, index: int) -> None:
    write_tiles(tmp_path, [MANY[:300]])
    with pytest.raises(InputError, match="0 to 299"):
        prove_from_tiles(tmp_path, index, 300)
    with pytest.raises(InputError, match="0 to 299"):
        prove_inclusion(MANY[:300], index)


def test_an_empty_tree_has_no_leaf_to_prove(tmp_path: Path) -> None:
    assert write_tiles(tmp_path, []).root == hashlib.sha256(b"").digest()
    with pytest.raises(InputError, match="the tree is empty"):
        prove_from_tiles(tmp_path, 0, 0)


def test_tiles_that_cannot_be_written_are_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "tiles").write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        write_tiles(tmp_path / "tiles", [MANY[:3]])


def test_tiles_are_whole_or_not_there(tmp_path: Path) -> None:
    def die_half_way() -> Iterator[LeafHashes]:
        yield MANY[:1_000]
        raise KeyboardInterrupt

    write_tiles(tmp_path, [MANY[:10]])
    with pytest.raises(KeyboardInterrupt):
        write_tiles(tmp_path, die_half_way())
    assert check_tiles(tmp_path) == grow_tree([MANY[:10]])
