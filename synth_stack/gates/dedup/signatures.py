"""What comparing needs of a row: its band keys, a hash of its shingles, and how it ranks; or its shingles.

Rows are read in blocks that fit in a core's cache, on several threads where there are several.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.dedup.lsh import Keys, sign_bands
from synth_stack.gates.dedup.row_parts import Field, mark_short_answers
from synth_stack.gates.dedup.thread_pool import Item, Result
from synth_stack.gates.dedup.torch_bands import sign_bands_torch
from synth_stack.text.fields import find_canaries, hash_ids, read_field, read_texts
from synth_stack.text.ragged import Hashes, Mask, Ragged, join_rows
from synth_stack.text.words import hash_texts, list_shingles, mix, normalise, shingle

if TYPE_CHECKING:
    import polars as pl

_BLOCK_ROWS = 1024
"""Rows read at a time: their arrays fit in a core's second-level cache."""
_GPU_BLOCK_ROWS = 1 << 14
"""Rows at a time where a GPU signs them: so many that starting its work costs little beside the work."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read: the field, words a shingle, the signature, the words of an answer up to which it has
    to be the same, and what ranks rows (None: nothing). `device` is where they are signed, to the same bits.
    """

    field: Field
    ngram: int
    bands: int
    rows: int
    seed: int
    short_words: int
    score_column: str | None = None
    device: Literal["cpu", "cuda"] = "cpu"


@dataclass(frozen=True, slots=True)
class Signatures:
    """The signatures of n rows, in order.

    `keys` (n, bands); `content` (n,), a hash of the shingles with their numbers, the same in any order;
    `readable` (n,), false where there is nothing to read (and so no keys and no content); `ids` (n,), a hash
    of the row_id; `slices` (n,), a hash of the slice, 0 without one; `canary` (n,); `marks` (n,), the same
    for the same short answers (mark_short_answers): rows of different marks are no duplicates. `score` (n,),
    higher first, and `tie` (n,), a hash of the text as it came, lower first: zeros where nothing ranks rows.
    """

    keys: Keys
    content: Hashes
    readable: Mask
    ids: Hashes
    slices: Hashes
    canary: Mask
    marks: Hashes
    score: NDArray[np.float64]
    tie: Hashes


def sign_rows(table: pa.Table, reading: Reading, threads: int = 1) -> Signatures:
    """The signatures of the rows of one table."""
    texts = read_field(table, reading.field)
    n = len(table)
    with _Blocks(threads) as blocks:
        rows = _BLOCK_ROWS if reading.device == "cpu" else _GPU_BLOCK_ROWS
        signed = blocks.map(lambda block: _sign_texts(block, reading), _cut(texts, rows))
        ranked = reading.score_column is not None
        ids, canary = hash_ids(table), find_canaries(table)
        slices = _hash_slices(table) if "slice" in table.schema.names else np.zeros(n, dtype=np.uint64)
        score = _read_scores(table, reading.score_column) if ranked else np.zeros(n)
        tie = hash_texts(texts) if ranked else np.zeros(n, dtype=np.uint64)
        marks = mark_short_answers(table, reading.field, reading.short_words)
        parts = list(signed)
    return Signatures(
        keys=np.concatenate([np.zeros((0, reading.bands), dtype=np.uint32), *[part[0] for part in parts]]),
        content=np.concatenate([np.zeros(0, dtype=np.uint64), *[part[1] for part in parts]]),
        readable=np.concatenate([np.zeros(0, dtype=bool), *[part[2] for part in parts]]),
        ids=ids,
        slices=slices,
        canary=canary,
        marks=marks,
        score=score,
        tie=tie,
    )


def shingle_rows(table: pa.Table, reading: Reading, threads: int = 1) -> Ragged:
    """The distinct shingles of the rows of one table, sorted within each row."""
    texts = read_field(table, reading.field)
    with _Blocks(threads) as blocks:
        return join_rows(
            blocks.map(lambda block: shingle(normalise(block), reading.ngram), _cut(texts, _BLOCK_ROWS))
        )


class _Blocks:
    """Work on blocks: in this thread, or all of it handed to `threads` others at once."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> "_Blocks":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, work: Callable[[Item], Result], blocks: Iterable[Item]) -> Iterable[Result]:
        """`work(block)` of each block, in order."""
        return map(work, blocks) if self._pool is None else self._pool.map(work, blocks)


def _cut(texts: "pl.Series", rows: int) -> "list[pl.Series]":
    return [texts[first : first + rows] for first in range(0, len(texts), rows)]


def _sign_texts(texts: "pl.Series", reading: Reading) -> tuple[Keys, Hashes, Mask]:
    every = list_shingles(normalise(texts), reading.ngram)
    readable = every.lengths > 0
    keys = np.zeros((len(readable), reading.bands), dtype=np.uint32)
    content = np.zeros(len(readable), dtype=np.uint64)
    # without the empty rows the offsets of the others still are the offsets of all values
    sets = Ragged(every.values, np.append(every.offsets[:-1][readable], every.offsets[-1]))
    if len(every.values):
        keys[readable] = _sign(sets, reading)
        # the shingles are hashes; hashed again, a sum of them identifies the set
        content[readable] = np.add.reduceat(mix(sets.values), sets.offsets[:-1])
    return keys, content, readable


def _sign(sets: Ragged, reading: Reading) -> Keys:
    if reading.device == "cpu":
        return sign_bands(sets, reading.bands, reading.rows, reading.seed)
    return sign_bands_torch(sets, reading.bands, reading.rows, reading.seed, reading.device)


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
