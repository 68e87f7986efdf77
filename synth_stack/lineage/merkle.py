"""The Merkle tree over a batch's lineage records (RFC 6962, section 2.1), its proofs and its tiles.

RFC 6962 splits n leaves at the largest power of two below n. Folding neighbours pairwise, level by
level, with a last node that has no neighbour carried up unchanged, gives the same tree; everything
here rests on that one step, `_fold`.

Tiles keep every eighth level of the tree (heights as in C2SP tlog-tiles, but one file a level, so that
a pack on a hub is not thousands of files): `0.bin` is all leaf hashes, `1.bin` the roots of complete
256-leaf subtrees, `2.bin` those of complete 65,536-leaf subtrees. Subtrees that later leaves could still
change are in no file; they are folded again from the level below.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import InputError, StoreError, VerificationError

LeafHashes = NDArray[np.uint8]
"""Shape (n, 32): one SHA-256 a row."""

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_HASHES = 1 << TILE_HEIGHT
TILE_BYTES = TILE_HASHES * HASH_BYTES
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""RFC 6962, 2.1: the hash of an empty list is the hash of an empty string."""

BLOCK_BYTES = 256 * TILE_BYTES
"""Leaf hashes folded at a time: 2 MiB, 65,536 leaves; it bounds the memory, not the result."""


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a signature covers: the number of leaves and the 32-byte root over them."""

    size: int
    root: bytes


def leaf_hash(data: bytes) -> bytes:
    """The 32-byte hash of one leaf: SHA-256(0x00 || data), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of an inner node: SHA-256(0x01 || left || right), RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow_tree(shards: Iterable[LeafHashes]) -> TreeHead:
    """The head of the tree over all leaf hashes, shards in order, each of shape (n, 32).

    Memory stays at one shard and 1/256 of the hashes before it; 1 million leaves take about a second.
    """
    size, nodes = _fold_blocks(_split_blocks(shards))
    return TreeHead(size, _fold_to_root(nodes))


def prove_inclusion(leaf_hashes: LeafHashes, index: int) -> list[bytes]:
    """The audit path of leaf `index` in the tree over (n, 32) leaf hashes (RFC 6962, 2.1.1).

    Sibling hashes from the leaf upwards. Folds the whole tree: for a stored one use `prove_from_tiles`.
    Raises InputError for an index outside the tree.
    """
    level = leaf_hashes.tobytes()
    _require_index(index, len(level) // HASH_BYTES)
    return _climb(level, index, len(leaf_hashes).bit_length())


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Iterable[bytes], root: bytes) -> bool:
    """Whether the audit path leads from the leaf hash at `index` to the root of a tree of `size` leaves.

    The check of RFC 9162, section 2.1.3.2, which RFC 6962 leaves to the reader; the two trees are the
    same. Never raises for a hostile proof: one that is too short, too long or misshapen is false.
    """
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def prove_consistency(leaf_hashes: LeafHashes, size: int) -> list[bytes]:
    """The proof that the tree of the first `size` of (n, 32) leaf hashes is a start of the tree over all of
    them.

    RFC 9162, section 2.1.4.1. Raises InputError for a size outside 1 to n.
    """
    n = len(leaf_hashes)
    if not 1 <= size <= n:
        raise InputError("there is no tree of that size", seen=size, allowed=f"1 to {n}")
    return _prove_start(leaf_hashes, size, whole=True)


def _prove_start(leaves: LeafHashes, size: int, *, whole: bool) -> list[bytes]:
    n = len(leaves)
    if size == n:
        return [] if whole else [_root_of(leaves)]
    half = 1 << (n - 1).bit_length() - 1
    if size <= half:
        return [*_prove_start(leaves[:half], size, whole=whole), _root_of(leaves[half:])]
    return [*_prove_start(leaves[half:], size - half, whole=False), _root_of(leaves[:half])]


def _root_of(leaves: LeafHashes) -> bytes:
    return _fold_to_root(leaves.tobytes())


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Iterable[bytes]
) -> bool:
    """Whether the proof shows that the tree of `first` leaves is a start of that of `second` (at least as
    many).

    The check of RFC 9162, section 2.1.4.2. Never raises for a hostile proof.
    """
    path = list(proof)
    if not 1 <= first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    before = after = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            after = node_hash(after, node)
        position, last = position >> 1, last >> 1
    return last == 0 and before == first_root and after == second_root


def write_tiles(folder: Path, shards: Iterable[LeafHashes]) -> TreeHead:
    """Write `0.bin`, `1.bin`, ... under `folder` and return the head of the tree they hold.

    32 bytes a leaf; shards in order, each of shape (n, 32). Files of an earlier tree are replaced or
    removed. Raises StoreError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _replace_file(_tile_path(folder, 0)) as file:
            size, nodes = _fold_blocks(_split_blocks(shards), copy_to=file)
        level = 1
        while complete := size >> (TILE_HEIGHT * level):
            with _replace_file(_tile_path(folder, level)) as file:
                file.write(nodes[: complete * HASH_BYTES])
            level, nodes = level + 1, _fold(nodes, TILE_HEIGHT)
        while (stale := _tile_path(folder, level)).exists():
            stale.unlink()
            level += 1
    except OSError as exc:
        raise StoreError(f"the proof tiles under {folder} cannot be written: {exc.strerror or exc}") from exc
    return TreeHead(size, _fold_to_root(nodes))


def prove_from_tiles(folder: Path, index: int, size: int) -> list[bytes]:
    """The audit path of leaf `index` in the tree of the first `size` leaves stored under `folder`.

    Reads at most two tiles of 256 hashes a level. Raises InputError for an index outside the tree and
    VerificationError for a tile file that is missing or too short.
    """
    _require_index(index, size)
    proof: list[bytes] = []
    level, position, complete, edge = 0, index, size, b""
    while complete + bool(edge) > 1:
        # The last tile ends with the one node that is not complete, folded from the level below.
        last_tile = complete // TILE_HASHES
        last = _read_hashes(folder, level, last_tile * TILE_HASHES, complete) + edge
        tile, offset = divmod(position, TILE_HASHES)
        first = tile * TILE_HASHES
        nodes = last if tile == last_tile else _read_hashes(folder, level, first, first + TILE_HASHES)
        proof += _climb(nodes, offset, TILE_HEIGHT)
        level, position, complete = level + 1, tile, last_tile
        edge = _fold(last, TILE_HEIGHT)
    return proof


def check_tiles(folder: Path) -> TreeHead:
    """The head of the tree under `folder`, every stored hash above the leaves computed again.

    Raises VerificationError naming the file and the first hash in it that its leaves do not give, a file
    that is missing or of a wrong length, or one that belongs to no level.
    """
    path = _tile_path(folder, 0)
    try:
        present = {entry.name for entry in folder.iterdir()}
        if (stored_bytes := path.stat().st_size) % HASH_BYTES:
            raise VerificationError(
                f"{path} ends within a hash", seen=stored_bytes, allowed=f"a multiple of {HASH_BYTES} bytes"
            )
        with path.open("rb") as file:
            size, nodes = _fold_blocks(iter(lambda: file.read(BLOCK_BYTES), b""))
    except OSError as exc:
        raise VerificationError(f"{path} cannot be read: {exc.strerror}") from exc
    level = 1
    while complete := size >> (TILE_HEIGHT * level):
        _compare_level(_tile_path(folder, level), nodes[: complete * HASH_BYTES])
        level, nodes = level + 1, _fold(nodes, TILE_HEIGHT)
    if extra := present - {f"{number}.bin" for number in range(level)}:
        raise VerificationError(f"{folder} holds a file that belongs to no level", seen=min(extra))
    return TreeHead(size, _fold_to_root(nodes))


def _fold(nodes: bytes, levels: int) -> bytes:
    """The concatenated nodes `levels` further up; a lone last node is carried up unchanged."""
    sha256, pair = hashlib.sha256, 2 * HASH_BYTES
    for _ in range(levels):
        paired = len(nodes) // pair * pair
        if not paired:
            break
        parents = [sha256(b"\x01" + nodes[i : i + pair]).digest() for i in range(0, paired, pair)]
        nodes = b"".join(parents) + nodes[paired:]
    return nodes


def _fold_blocks(blocks: Iterable[bytes], *, copy_to: IO[bytes] | None = None) -> tuple[int, bytes]:
    """The number of leaves and the nodes of level `TILE_HEIGHT`, from blocks of whole tiles."""
    size, nodes = 0, bytearray()
    for block in blocks:
        if copy_to is not None:
            copy_to.write(block)
        size += len(block) // HASH_BYTES
        nodes += _fold(block, TILE_HEIGHT)
    return size, bytes(nodes)


def _fold_to_root(nodes: bytes) -> bytes:
    return _fold(nodes, len(nodes).bit_length()) if nodes else EMPTY_ROOT


def _climb(nodes: bytes, position: int, levels: int) -> list[bytes]:
    """The siblings met on the way up from `position`; a node without one adds nothing."""
    siblings = []
    for _ in range(levels):
        start = (position ^ 1) * HASH_BYTES
        if sibling := nodes[start : start + HASH_BYTES]:
            siblings.append(sibling)
        nodes, position = _fold(nodes, 1), position >> 1
    return siblings


def _split_blocks(shards: Iterable[LeafHashes]) -> Iterator[bytes]:
    """The leaf hashes in blocks of whole tiles; only the last block may end within a tile."""
    rest = b""
    for shard in shards:
        if shard.ndim != 2 or shard.shape[1] != HASH_BYTES or shard.dtype != np.uint8:
            raise ValueError(f"leaf hashes are uint8 of shape (n, {HASH_BYTES}), not {shard.shape}")
        for start in range(0, len(shard), BLOCK_BYTES // HASH_BYTES):
            data = rest + shard[start : start + BLOCK_BYTES // HASH_BYTES].tobytes()
            whole = len(data) // TILE_BYTES * TILE_BYTES
            yield data[:whole]
            rest = data[whole:]
    yield rest


def _tile_path(folder: Path, level: int) -> Path:
    return folder / f"{level}.bin"


def _read_hashes(folder: Path, level: int, start: int, stop: int) -> bytes:
    path = _tile_path(folder, level)
    if start == stop:
        return b""
    try:
        with path.open("rb") as file:
            file.seek(start * HASH_BYTES)
            data = file.read((stop - start) * HASH_BYTES)
    except OSError as exc:
        raise VerificationError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(data) != (stop - start) * HASH_BYTES:
        raise VerificationError(f"{path} ends before hash {stop - 1}, which the tree of that size has")
    return data


def _compare_level(path: Path, expected: bytes) -> None:
    try:
        with path.open("rb") as file:
            stored = file.read(len(expected) + 1)
    except OSError as exc:
        raise VerificationError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(stored) != len(expected):
        raise VerificationError(
            f"{path} is not of the length that its leaves give",
            seen=path.stat().st_size,
            allowed=f"{len(expected)} bytes",
        )
    if stored != expected:
        differs = next(i for i, (a, b) in enumerate(zip(stored, expected, strict=True)) if a != b)
        raise VerificationError(f"{path}: hash {differs // HASH_BYTES} is not what its leaves give")


def _require_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        allowed = f"0 to {size - 1}" if size else "none, the tree is empty"
        raise InputError("there is no leaf of that index", seen=index, allowed=allowed)


@contextlib.contextmanager
def _replace_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is whole and on the disk."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
