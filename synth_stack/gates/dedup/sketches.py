"""What each table of a batch adds to a pass, as Arrow: signatures of all rows, then shingles of some."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from synth_stack.gates.dedup.row_parts import PartedWords, find_parted, split_words
from synth_stack.gates.dedup.signatures import Reading, Signatures, shingle_rows, sign_rows
from synth_stack.gates.dedup.thread_pool import count_threads
from synth_stack.gates.gate import State
from synth_stack.text.fields import hash_ids
from synth_stack.text.ragged import HASH_LISTS, Hashes, Mask, Ragged, offsets_of, read_lists, write_lists

WANTED = "wanted"
"""The table of state that names the rows of the second pass, by `id` (sorted); `met` ones are shingled, and
of those that met `many` others the words are read, whether or not they are compared."""

WORD_LISTS = pa.large_list(pa.uint32())
"""The Arrow type of a column of rows of words."""

WORDS = pa.schema(
    [
        pa.field("asked", WORD_LISTS, nullable=False),
        pa.field("answered", WORD_LISTS, nullable=False),
        pa.field("whole", pa.bool_(), nullable=False),
    ]
)
"""PartedWords as columns."""

PICKS = pa.schema(
    [
        pa.field("id", pa.uint64(), nullable=False),
        pa.field("row_id", pa.string(), nullable=False),
        pa.field("shingles", HASH_LISTS, nullable=False),
        *WORDS,
    ]
)
"""A sketch of the second pass: the wanted rows, with distinct shingles and words where they have to be
compared."""


_NO_LISTS = Ragged(np.zeros(0, dtype=np.uint32), np.zeros(1, dtype=np.int64))
NO_WORDS = PartedWords(_NO_LISTS, _NO_LISTS, np.zeros(0, dtype=bool))
"""The words of no rows."""


def sketch_signatures(table: pa.Table, _: State, *, reading: Reading) -> pa.Table:
    """The signatures of the rows of a table."""
    signed = sign_rows(table, reading, count_threads())
    columns = {
        "keys": pa.FixedSizeListArray.from_arrays(pa.array(signed.keys.ravel()), reading.bands),
        "content": signed.content,
        "readable": signed.readable,
        "id": signed.ids,
        "slice": signed.slices,
        "canary": signed.canary,
        "mark": signed.marks,
    }
    if reading.score_column is not None:
        columns |= {"score": signed.score, "tie": signed.tie}
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def read_signatures(sketch: pa.Table, bands: int) -> Signatures:
    """What `sketch_signatures` wrote; the band keys are not copied."""
    n = len(sketch)
    ranked = "score" in sketch.schema.names
    keys = sketch["keys"]
    flat = (keys.chunk(0) if keys.num_chunks == 1 else keys.combine_chunks()).flatten()
    return Signatures(
        keys=flat.to_numpy().reshape(n, bands),
        content=sketch["content"].to_numpy(),
        readable=sketch["readable"].to_numpy(),
        ids=sketch["id"].to_numpy(),
        slices=sketch["slice"].to_numpy(),
        canary=sketch["canary"].to_numpy(),
        marks=sketch["mark"].to_numpy(),
        score=sketch["score"].to_numpy() if ranked else np.zeros(n),
        tie=sketch["tie"].to_numpy() if ranked else np.zeros(n, dtype=np.uint64),
    )


def sketch_shingles(table: pa.Table, state: State, *, reading: Reading) -> pa.Table:
    """The rows of a table that the first pass wants, and shingles and words of those that have to be
    compared.
    """
    ids = hash_ids(table)
    wanted, met, many = _find_wanted(ids, state[WANTED])
    # the shingles of others are enough
    read = many | (met & find_parted(table, reading.field))
    sets = shingle_rows(table.filter(pa.array(met)), reading, count_threads())
    words = split_words(table.filter(pa.array(read)), reading.field)
    columns = {
        "id": pa.array(ids[wanted]),
        "row_id": table["row_id"].filter(pa.array(wanted)).cast(pa.string()),
        "shingles": write_lists(fill_lists(sets, met[wanted])),
        **write_words(words, read[wanted]),
    }
    return pa.table(columns, schema=PICKS)


def keep_words(words: PartedWords, needed: Mask) -> PartedWords:
    """The words of the rows that are parted or `needed` (n,), none of the others: their shingles are
    enough.
    """
    kept = np.flatnonzero(needed | ~words.whole)
    every = np.zeros(len(needed), dtype=bool)
    every[kept] = True
    return PartedWords(fill_lists(words.asked.take(kept), every), words.answered, words.whole)


def write_words(words: PartedWords, rows: Mask) -> dict[str, pa.Array]:
    """Words as columns (WORDS), those of the next row wherever `rows` (n,) is true."""
    whole = np.ones(len(rows), dtype=bool)
    whole[rows] = words.whole
    return {
        "asked": write_lists(fill_lists(words.asked, rows)),
        "answered": write_lists(fill_lists(words.answered, rows)),
        "whole": pa.array(whole),
    }


def join_words(parts: Sequence[PartedWords]) -> PartedWords:
    """The rows of all parts in order."""
    return PartedWords(
        asked=_concat([part.asked for part in parts]),
        answered=_concat([part.answered for part in parts]),
        whole=np.concatenate([part.whole for part in parts]),
    )


def read_words(table: pa.Table) -> PartedWords:
    """What `write_words` wrote."""
    whole = table["whole"].to_numpy()
    return PartedWords(read_lists(table["asked"]), read_lists(table["answered"]), whole)


def _concat(parts: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([part.lengths for part in parts])
    # an empty column of lists has 64 bits
    values = [part.values for part in parts if len(part.values)] or [parts[0].values]
    return Ragged(np.concatenate(values), offsets_of(lengths))


def fill_lists(lists: Ragged, rows: Mask) -> Ragged:
    """The next of the lists wherever `rows` (n,) is true, and an empty one elsewhere."""
    lengths = np.zeros(len(rows), dtype=np.int64)
    lengths[rows] = lists.lengths
    return Ragged(lists.values, offsets_of(lengths))


def _find_wanted(ids: Hashes, wanted: pa.Table) -> tuple[Mask, Mask, Mask]:
    """Which of the rows with these ids are wanted, which of them have to be compared, and which met many."""
    if not len(wanted):
        nothing = np.zeros(len(ids), dtype=bool)
        return nothing, nothing, nothing
    known = wanted["id"].to_numpy()
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    found: Mask = known[place] == ids
    met, many = (wanted[name].take(pa.array(place)).to_numpy() for name in ("met", "many"))
    return found, found & met, found & many
