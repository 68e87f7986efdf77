"""What is decided of a whole batch: which rows are new, and which text is nearest to each of the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.errors import GateError
from synth_stack.gates.gate import Shards
from synth_stack.gates.novelty.pool import Pool
from synth_stack.gates.novelty.rouge_l import read_words
from synth_stack.text.fields import read_messages, read_texts
from synth_stack.text.ragged import Counts, Hashes, Ragged
from synth_stack.text.words import hash_texts

if TYPE_CHECKING:
    import polars as pl

SHOWN_CHARS = 200
"""Of the text that is nearest to a rejected row, in its evidence."""


@dataclass(frozen=True, slots=True)
class Batch:
    """n rows in order: `words` of each instruction, `ids` (n,) hashes of the row_ids, `passed_over` (n,) the
    number of the seed that a row is not compared with, or -1.
    """

    words: Ragged
    ids: Hashes
    passed_over: Counts


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A text that a row is too near to: its row_id or the id of its seed, and its beginning."""

    name: str
    in_pool: bool
    text: str


@dataclass(frozen=True, slots=True)
class Decided:
    """Of each row, by the hash of its row_id: the highest ROUGE-L and which text is nearest.

    `ids` (n,) is sorted, `scores` (n,); `nearest` (n,) numbers the texts, the seeds before the rows, and
    `neighbours` has those that a rejected row names.
    """

    ids: Hashes
    scores: NDArray[np.float64]
    nearest: Counts
    neighbours: Mapping[int, Neighbour]

    def find(self, table: pa.Table) -> Counts:
        """The places of the rows of a table. Raises GateError for a row that the batch did not have."""
        ids = hash_texts(read_texts(table["row_id"]))
        places = np.searchsorted(self.ids, ids)
        if len(ids) and (not len(self.ids) or (self.ids[np.minimum(places, len(self.ids) - 1)] != ids).any()):
            raise GateError("novelty was asked about a row that it did not see when it was prepared")
        return places


def read_batch(shards: Shards, seeds: pa.Table) -> Batch:
    """Every row of the shards, read once."""
    numbers = {name: k for k, name in enumerate(seeds["seed_id"].to_pylist())}
    words, ids, passed_over = [], [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for table in shards():
        words.append(read_words(read_instructions(table)))
        ids.append(hash_texts(read_texts(table["row_id"])))
        passed_over.append(_find_origins(table, numbers))
    return Batch(_join(words), np.concatenate(ids), np.concatenate(passed_over))


def decide_novelty(seeds: pa.Table, batch: Batch, shards: Shards, threshold: float) -> Decided:
    """The rows one by one against the pool, which each that is new joins; then the texts to be shown."""
    first = len(seeds)
    words = _join([read_words(read_texts(seeds["text"])), batch.words])
    readable = words.lengths > 0
    pool = Pool(words)
    for number in np.flatnonzero(readable[:first]).tolist():
        pool.add(number)
    scores = np.zeros(len(batch.ids))
    nearest = np.full(len(batch.ids), -1, dtype=np.int64)
    for row in np.flatnonzero(readable[first:]).tolist():
        found = pool.find_nearest(first + row, without=int(batch.passed_over[row]))
        scores[row], nearest[row] = found.rouge_l, found.text
        if found.rouge_l < threshold:
            pool.add(first + row)
    shown = np.unique(nearest[scores >= threshold])
    order = np.argsort(batch.ids, kind="stable")
    neighbours = _name_seeds(seeds, shown[shown < first]) | _name_rows(shards, shown[shown >= first], first)
    return Decided(batch.ids[order], scores[order], nearest[order], neighbours)


def read_instructions(table: pa.Table) -> "pl.Series":
    """The user's first message of each row; null where there is none, and for a row with a failure."""
    import polars as pl

    spoken = read_messages(table).filter(pl.col("role") == "user").unique("row", keep="first")
    rows = pl.DataFrame({"row": np.arange(len(table)), "failure": read_texts(table["failure"])})
    found = rows.join(spoken, on="row", how="left", maintain_order="left")
    return found.select(pl.when(pl.col("failure").is_null()).then("content"))["content"]


def _find_origins(table: pa.Table, numbers: Mapping[str, int]) -> Counts:
    """The number of the seed that each row was evolved from in depth, or -1."""
    extra = read_texts(table["extra"])
    depth = extra.str.json_path_match("$.evolution.depth").cast(int, strict=False).fill_null(0)
    grown = ((depth > 0) & (extra.str.json_path_match("$.evolution.origin") == "seed")).to_list()
    named = zip(grown, table["seed_id"].to_pylist(), strict=True)
    return np.array([numbers.get(seed, -1) if is_grown else -1 for is_grown, seed in named], dtype=np.int64)


def _name_seeds(seeds: pa.Table, numbers: Counts) -> dict[int, Neighbour]:
    rows = seeds.take(pa.array(numbers)).to_pylist()
    return {
        number: Neighbour(row["seed_id"], True, row["text"][:SHOWN_CHARS])
        for number, row in zip(numbers.tolist(), rows, strict=True)
    }


def _name_rows(shards: Shards, numbers: Counts, first: int) -> dict[int, Neighbour]:
    named: dict[int, Neighbour] = {}
    for table in shards() if len(numbers) else ():
        here = numbers[(numbers >= first) & (numbers < first + len(table))]
        rows: Any = table.take(pa.array(here - first))
        texts = read_instructions(rows).to_list()
        for number, name, said in zip(here.tolist(), rows["row_id"].to_pylist(), texts, strict=True):
            named[number] = Neighbour(name, False, said[:SHOWN_CHARS])
        first += len(table)
    return named


def _join(parts: list[Ragged]) -> Ragged:
    values = np.concatenate([np.zeros(0, np.uint64), *[part.values for part in parts]])
    lengths = np.concatenate([np.zeros(0, np.int64), *[part.lengths for part in parts]])
    return Ragged(values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
