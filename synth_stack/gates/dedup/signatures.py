"""What a row leaves behind when it is read: band keys, a hash of its shingles, and how it ranks.

The rows themselves are read twice, shard by shard on a few threads, and never held: once for the prints of
all of them, and once for the shingles of those few that meet another.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.dedup.lsh import Keys, sign_bands
from synth_stack.text.fields import find_canaries, hash_ids, read_field, read_texts
from synth_stack.text.ragged import Hashes, Mask, Ragged
from synth_stack.text.words import hash_texts, list_shingles, mix, normalise, shingle

if TYPE_CHECKING:
    import polars as pl

_BLOCK_ROWS = 1024
"""Rows read at a time: their arrays fit in a core's second-level cache."""
_MAX_THREADS = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read: the field, words a shingle, the signature, and what ranks rows (None: nothing)."""

    field: Literal["text", "prompt", "answer"]
    ngram: int
    bands: int
    rows: int
    seed: int
    score_column: str | None = None


@dataclass(frozen=True, slots=True)
class Prints:
    """The prints of n rows, one after the other.

    `keys` (n, bands); `content` (n,), a hash of the shingles with their numbers, the same in any order;
    `readable` (n,), false where there is nothing to read (and so no keys and no content); `ids` (n,), a hash
    of the row_id; `slices` (n,), a hash of the slice, 0 without one; `canary` (n,). `score` (n,), higher
    first, and `tie` (n,), a hash of the text as it came, lower first: zeros where nothing ranks rows.
    """

    keys: Keys
    content: Hashes
    readable: Mask
    ids: Hashes
    slices: Hashes
    canary: Mask
    score: NDArray[np.float64]
    tie: Hashes


NAMES = pa.schema([pa.field("row_id", pa.string()), pa.field("pack", pa.string())])
"""What names a twin: its row_id, and the earlier pack that it is in (null: the batch itself)."""


@dataclass(frozen=True, slots=True)
class Source:
    """Tables of rows, read anew each time they are asked for.

    prints()              the prints of each table, in order
    pick(named, chosen)   of each table: names (NAMES) of its `named` rows, and the distinct shingles of its
                          `chosen` rows; one mask of either kind a table
    """

    prints: Callable[[], Iterator[Prints]]
    pick: Callable[[Iterable[Mask], Iterable[Mask]], Iterator[tuple[pa.Table, Ragged]]]


def open_tables(
    tables: Callable[[], Iterable[pa.Table]], reading: Reading, pack: str | None = None
) -> Source:
    """The source of candidate tables: the batch, or the rows of an earlier pack of that name."""

    def pick_rows(job: tuple[pa.Table, Mask, Mask]) -> tuple[pa.Table, Ragged]:
        table, named, chosen = job
        ids = table["row_id"].filter(pa.array(named)).combine_chunks()
        names = pa.table({"row_id": ids, "pack": pa.array([pack] * len(ids), pa.string())}, schema=NAMES)
        return names, shingle_rows(table.filter(pa.array(chosen)), reading)

    return Source(
        prints=lambda: map_ahead(lambda table: print_rows(table, reading), tables()),
        pick=lambda named, chosen: map_ahead(pick_rows, zip(tables(), named, chosen, strict=True)),
    )


def shingle_rows(table: pa.Table, reading: Reading) -> Ragged:
    """The distinct shingles of the rows of one table."""
    texts = read_field(table, reading.field)
    return join_sets(shingle(normalise(block), reading.ngram) for block in _cut(texts))


def print_rows(table: pa.Table, reading: Reading) -> Prints:
    """The prints of the rows of one table."""
    texts = read_field(table, reading.field)
    parts = [_print_texts(block, reading) for block in _cut(texts)]
    keys = np.concatenate([np.zeros((0, reading.bands), dtype=np.uint32), *[part[0] for part in parts]])
    content = np.concatenate([np.zeros(0, dtype=np.uint64), *[part[1] for part in parts]])
    readable = np.concatenate([np.zeros(0, dtype=bool), *[part[2] for part in parts]])
    names = table.schema.names
    ranked = reading.score_column is not None
    return Prints(
        keys=keys,
        content=content,
        readable=readable,
        ids=hash_ids(table),
        slices=_hash_slices(table) if "slice" in names else np.zeros(len(table), dtype=np.uint64),
        canary=find_canaries(table),
        score=_read_scores(table, reading.score_column) if ranked else np.zeros(len(table)),
        tie=hash_texts(texts) if ranked else np.zeros(len(table), dtype=np.uint64),
    )


def join_sets(parts: Iterable[Ragged]) -> Ragged:
    """The rows of all parts, one behind the other, with no more than an eighth of them held twice."""
    values = np.zeros(0, dtype=np.uint64)
    lengths = [np.zeros(0, dtype=np.int64)]
    filled = 0
    for part in parts:
        end = filled + len(part.values)
        if end > len(values):
            # realloc moves large arrays by their page tables, where a list of parts would be copied
            values.resize(max(end, len(values) + len(values) // 8), refcheck=False)
        values[filled:end] = part.values
        lengths.append(part.lengths)
        filled = end
    values.resize(filled, refcheck=False)
    return Ragged(values, np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64))


def map_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work(item)` of each item, in order, on a thread per core; never more than some items ahead.

    NumPy and polars let go of the interpreter while they work. The items are drawn in the calling thread.
    """
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Result]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _cut(texts: "pl.Series") -> Iterator["pl.Series"]:
    return (texts[first : first + _BLOCK_ROWS] for first in range(0, len(texts), _BLOCK_ROWS))


def _print_texts(texts: "pl.Series", reading: Reading) -> tuple[Keys, Hashes, Mask]:
    every = list_shingles(normalise(texts), reading.ngram)
    readable = every.lengths > 0
    keys = np.zeros((len(readable), reading.bands), dtype=np.uint32)
    content = np.zeros(len(readable), dtype=np.uint64)
    # without the empty rows the offsets of the others still are the offsets of all values
    sets = Ragged(every.values, np.append(every.offsets[:-1][readable], every.offsets[-1]))
    if len(every.values):
        keys[readable] = sign_bands(sets, reading.bands, reading.rows, reading.seed)
        # the shingles are hashes; hashed again, a sum of them says which they are
        content[readable] = np.add.reduceat(mix(sets.values), sets.offsets[:-1])
    return keys, content, readable


def _hash_slices(table: pa.Table) -> Hashes:
    slices = read_texts(table["slice"])
    hashes = hash_texts(slices)
    hashes[slices.is_null().to_numpy()] = 0
    return hashes


def _read_scores(table: pa.Table, column: str | None) -> NDArray[np.float64]:
    """The number of that name in each row's `extra`, minus infinity where there is none."""
    import polars as pl

    found = read_texts(table["extra"]).str.json_path_match(f"$.{column}")
    numbers = found.cast(pl.Float64, strict=False).to_numpy()
    scores: NDArray[np.float64] = np.where(np.isfinite(numbers), numbers, -np.inf)
    return scores
