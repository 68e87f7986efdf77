"""Which texts of a batch share a band key or occur twice: found by the first pass, settled by the second."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.dedup.index import NAMES, EarlierPack
from synth_stack.gates.dedup.lsh import Buckets, Keys, build_buckets, find_buckets
from synth_stack.gates.dedup.nemo_buckets import find_buckets_on_gpus
from synth_stack.gates.dedup.signatures import Reading
from synth_stack.gates.dedup.sketches import (
    NO_WORDS,
    WANTED,
    WORDS,
    fill_lists,
    join_words,
    keep_words,
    read_signatures,
    write_words,
)
from synth_stack.gates.dedup.thread_pool import map_ahead
from synth_stack.gates.gate import State
from synth_stack.models.rapids import RAPIDS
from synth_stack.text.ragged import (
    HASH_LISTS,
    Counts,
    Hashes,
    Mask,
    Ragged,
    join_rows,
    offsets_of,
    write_lists,
)

_TEXTS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("met", pa.bool_()),
        pa.field("many", pa.bool_()),
        pa.field("canary", pa.bool_()),
    ]
)
_TEXT_ROWS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("slice", pa.uint64()),
        pa.field("canary", pa.bool_()),
        pa.field("text", pa.int32()),
        pa.field("is_first", pa.bool_()),
    ]
)
_SLICES = pa.schema([pa.field("slice", pa.uint64()), pa.field("rows", pa.int64())])
_BUCKETS = pa.schema(
    [pa.field("rows", pa.large_list(pa.int32())), pa.field("opens", pa.large_list(pa.bool_()))]
)
_EARLIER = pa.schema([*NAMES, pa.field("shingles", HASH_LISTS), *WORDS])
_WANTED = pa.schema([pa.field("id", pa.uint64()), pa.field("met", pa.bool_()), pa.field("many", pa.bool_())])
_SCHEMAS = {
    "texts": _TEXTS,
    "text_rows": _TEXT_ROWS,
    "slices": _SLICES,
    "buckets": _BUCKETS,
    "earlier": _EARLIER,
    WANTED: _WANTED,
}


@dataclass(frozen=True, slots=True)
class Collisions:
    """The t distinct texts that share a band key with another or occur several times, and their rows.

    Texts come in order of precedence, those of earlier packs first: `text_ids` (t,), the hash of the row_id
    of the first row of each; `met` (t,), whether it shares a band key; `many` (t,), whether with so many
    others, canaries apart, that they may share a text; `text_canary` (t,). Of the first of them `earlier` has
    the names and, of those that met, the shingles and words.

    The k rows of the batch with one of these texts come in order of precedence, then those with nothing to
    read: `row_ids` (k,) hashes; `row_slices` (k,); `row_canary` (k,); `row_texts` (k,), -1 for nothing to
    read; `is_first` (k,), whether no row, of whatever pack, had the text before.

    `slices` (s,) sorted, with the rows of each in `slice_rows`, canaries left out. `buckets`: who shares a
    key, band by band, numbered among the texts that met.
    """

    text_ids: Hashes
    met: Mask
    many: Mask
    text_canary: Mask
    earlier: pa.Table
    row_ids: Hashes
    row_slices: Hashes
    row_canary: Mask
    row_texts: Counts
    is_first: Mask
    slices: Hashes
    slice_rows: Counts
    buckets: Sequence[Buckets]

    @classmethod
    def from_state(cls, state: State) -> "Collisions":
        """What `find_collisions` wrote."""
        texts, rows, slices = state["texts"], state["text_rows"], state["slices"]
        return cls(
            text_ids=texts["id"].to_numpy(),
            met=texts["met"].to_numpy(),
            many=texts["many"].to_numpy(),
            text_canary=texts["canary"].to_numpy(),
            earlier=state["earlier"],
            row_ids=rows["id"].to_numpy(),
            row_slices=rows["slice"].to_numpy(),
            row_canary=rows["canary"].to_numpy(),
            row_texts=rows["text"].to_numpy().astype(np.int64),
            is_first=rows["is_first"].to_numpy(),
            slices=slices["slice"].to_numpy(),
            slice_rows=slices["rows"].to_numpy(),
            buckets=_read_buckets(state["buckets"]),
        )


_NO_MATE, _MANY_MATES, _TWO_MATES = -1, -2, 2

NO_COLLISIONS: State = {name: schema.empty_table() for name, schema in _SCHEMAS.items()}
"""Takes the place of what `find_collisions` wrote once it is settled: none of it is needed to judge."""


@dataclass(frozen=True, slots=True)
class _SignedRows:
    """All signatures together, n rows in the order in which they were read, earlier packs first.

    `lengths` are the rows of each table of the earlier packs, pack by pack; `keys` the keys table by table,
    which are the bulk and are dropped once they were used; rows from `first_own` on are the batch's. `order`
    (n,): the rows by precedence. The other fields are those of Signatures.
    """

    lengths: list[list[int]]
    keys: list[Keys]
    first_own: int
    order: Counts
    content: Hashes
    readable: Mask
    ids: Hashes
    slices: Hashes
    canary: Mask
    marks: Hashes


@dataclass(frozen=True, slots=True)
class _DistinctTexts:
    """The p rows with something to read by precedence, and the d of them that equal no row before them.

    `rows` (p,), the row that it is; `firsts` (d,), positions in `rows`; `first_of` (p,), which of `firsts`
    each one equals.
    """

    rows: Counts
    firsts: Counts
    first_of: Counts

    @property
    def places(self) -> Counts:
        """The rows that the distinct ones are, (d,)."""
        return self.rows[self.firsts]


def find_collisions(
    sketches: Iterable[pa.Table],
    _: State,
    *,
    packs: Sequence[EarlierPack],
    reading: Reading,
    many: int,
) -> State:
    """What the signatures of a batch and of earlier packs show; `packs` are read here.

    The same for the same rows, whatever tables they come in. `many` texts of one key may share a text that is
    none of their own. Memory: some 45 bytes a row beside the band keys, which stay in the sketches.
    """
    read = _read_all(sketches, packs, reading)
    distinct = _collapse(read)
    places = distinct.places
    buckets, met, crowd = _fill_buckets(read, places, reading.bands, many)
    listed = met | crowd | (np.bincount(distinct.first_of, minlength=len(places)) > 1)
    earlier = _pick_earlier(packs, read, places[listed], places[met | crowd], places[crowd])
    return {
        **_list_collisions(read, distinct, met, crowd, listed),
        **_write_buckets(buckets),
        "earlier": earlier,
    }


def _list_collisions(
    read: _SignedRows, distinct: _DistinctTexts, met: Mask, crowd: Mask, listed: Mask
) -> State:
    """The texts in `listed` (d,), their rows, the sizes of slices, and what the second pass has to read."""
    texts, own = distinct.places[listed], slice(read.first_own, None)
    mine = np.flatnonzero((distinct.rows >= read.first_own) & listed[distinct.first_of])
    empty = np.flatnonzero(~read.readable[own]) + read.first_own
    rows = np.concatenate([distinct.rows[mine], empty])
    number = (np.cumsum(listed) - 1).astype(np.int32)
    first = np.zeros(len(distinct.rows), dtype=bool)
    first[distinct.firsts] = True
    slices, sizes = np.unique(read.slices[own][~read.canary[own]], return_counts=True)
    asked = texts >= read.first_own
    wanted, place = np.unique(read.ids[texts[asked]], return_inverse=True)
    wanted_met, wanted_many = np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=bool)
    wanted_met[place[met[listed][asked]]] = True
    wanted_many[place[crowd[listed][asked]]] = True
    of_empty = np.zeros(len(empty), dtype=np.int32)
    return {
        "texts": _write(_TEXTS, read.ids[texts], met[listed], crowd[listed], read.canary[texts]),
        "text_rows": _write(
            _TEXT_ROWS,
            read.ids[rows],
            read.slices[rows],
            read.canary[rows],
            np.concatenate([number[distinct.first_of[mine]], of_empty - 1]),
            np.concatenate([first[mine], of_empty.astype(bool)]),
        ),
        "slices": _write(_SLICES, slices, sizes.astype(np.int64)),
        WANTED: _write(_WANTED, wanted, wanted_met, wanted_many),
    }


def _write(schema: pa.Schema, *columns: NDArray[Any]) -> pa.Table:
    return pa.table([pa.array(column) for column in columns], schema=schema)


def _read_all(sketches: Iterable[pa.Table], packs: Sequence[EarlierPack], reading: Reading) -> _SignedRows:
    earlier = [list(pack.sign()) for pack in packs]
    own = [read_signatures(sketch, reading.bands) for sketch in sketches]
    parts = [*(part for pack in earlier for part in pack), *own]
    none = np.zeros(0, dtype=np.uint64)
    canary = np.concatenate([np.zeros(0, dtype=bool), *[part.canary for part in parts]])
    n, count = len(canary), sum(len(part.ids) for part in own)
    # earlier packs, then the batch by rank and position, then its canaries
    kind = np.where(canary, 2, np.arange(n) >= n - count).astype(np.uint8)
    if reading.score_column is None:
        order = np.argsort(kind, kind="stable")
    else:
        score = np.concatenate([np.zeros(0), *[part.score for part in parts]])
        order = np.lexsort((np.concatenate([none, *[part.tie for part in parts]]), -score, kind))
    return _SignedRows(
        lengths=[[len(part.ids) for part in pack] for pack in earlier],
        keys=[part.keys for part in parts],
        first_own=n - count,
        order=order,
        content=np.concatenate([none, *[part.content for part in parts]]),
        readable=np.concatenate([np.zeros(0, dtype=bool), *[part.readable for part in parts]]),
        ids=np.concatenate([none, *[part.ids for part in parts]]),
        slices=np.concatenate([none, *[part.slices for part in parts]]),
        canary=canary,
        marks=np.concatenate([none, *[part.marks for part in parts]]),
    )


def _collapse(read: _SignedRows) -> _DistinctTexts:
    rows = read.order[read.readable[read.order]]
    content = read.content[rows]
    by_content = np.argsort(content, kind="stable")
    ordered = content[by_content]
    opens = np.ones(len(rows), dtype=bool)
    opens[1:] = ordered[1:] != ordered[:-1]
    first = np.empty(len(rows), dtype=np.int64)
    first[by_content] = by_content[np.flatnonzero(opens)][np.cumsum(opens) - 1]
    is_first = first == np.arange(len(rows))
    return _DistinctTexts(rows, np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[first])


def _fill_buckets(
    read: _SignedRows, places: Counts, bands: int, many: int
) -> tuple[list[Buckets], Mask, Mask]:
    """The buckets of each band, numbered among the texts that are in any; which of the texts are, (d,); and
    which share keys, whatever their answers, with so many others that `many` are no canaries, (d,).
    """
    real, marks = ~read.canary[places], read.marks[places]
    parted = bool((marks != 0).any())

    def read_keys(columns: slice) -> Keys:
        tables = [table[:, columns] for table in read.keys]
        none = np.zeros((0, len(range(bands)[columns])), dtype=np.uint32)
        chosen: Keys = np.concatenate([none, *tables])[places]
        return chosen

    python = os.environ.get(RAPIDS)
    on_gpus = find_buckets_on_gpus(read_keys(slice(None)), python) if python else None

    def fill(band: int) -> tuple[Buckets, Counts, Counts]:
        met = find_buckets(read_keys(slice(band, band + 1))[:, 0]) if on_gpus is None else on_gpus[band]
        mates = _find_mates(met, real, many)
        return met.split(marks) if parted else met, met.rows[mates != _NO_MATE], mates[mates != _NO_MATE]

    found = list(map_ahead(fill, range(bands)))
    read.keys.clear()
    met, crowd = np.zeros(len(places), dtype=bool), np.zeros(len(places), dtype=bool)
    first_mate = np.full(len(places), _NO_MATE, dtype=np.int64)
    for band, rows, mates in found:
        met[band.rows] = True
        fresh = first_mate[rows] == _NO_MATE
        first_mate[rows[fresh]] = mates[fresh]
        # three that are alike may have no key in common, though one shares keys with each of the others
        crowd[rows[(mates == _MANY_MATES) | ((first_mate[rows] != mates) & (many <= _TWO_MATES + 1))]] = True
    fellows = [rows[(mates >= 0) & crowd[mates]] for _, rows, mates in found]
    crowd[np.concatenate(fellows)] = True
    number = (np.cumsum(met) - 1).astype(np.int32)
    return [Buckets(number[band.rows], band.firsts) for band, _, _ in found], met, crowd


def _find_mates(met: Buckets, real: Mask, many: int) -> Counts:
    """Of each entry (e,) the other row of its bucket that is no canary, where there is one alone; or
    _MANY_MATES where it and others are `many`, and _NO_MATE else.
    """
    counts = met.count(real[met.rows])
    starts = np.flatnonzero(met.opens)
    mates = np.where(counts >= many, _MANY_MATES, _NO_MATE)
    if not len(starts):
        return mates
    sums = np.add.reduceat(np.where(real[met.rows], met.rows, 0).astype(np.int64), starts)
    every = np.repeat(sums, np.diff(starts, append=len(met.rows)))
    own = np.where(real[met.rows], met.rows, 0)
    one = (counts - real[met.rows] == 1) & (counts < many)
    return np.where(one, every - own, mates)


def _pick_earlier(
    packs: Sequence[EarlierPack], read: _SignedRows, listed: Counts, met: Counts, crowd: Counts
) -> pa.Table:
    """Names of the earlier ones among the `listed` rows, and shingles and words of those that also `met`
    others.
    """
    named, chosen = np.zeros(read.first_own, dtype=bool), np.zeros(read.first_own, dtype=bool)
    named[listed[listed < read.first_own]] = True
    chosen[met[met < read.first_own]] = True
    needed = np.zeros(read.first_own, dtype=bool)
    needed[crowd[crowd < read.first_own]] = True
    names, words = [NAMES.empty_table()], [NO_WORDS]

    def pick() -> Iterator[Ragged]:
        first = 0
        for pack, tables in zip(packs, read.lengths, strict=True):
            cuts = list(pairwise(np.cumsum([first, *tables]).tolist()))
            picked = pack.pick((named[a:b] for a, b in cuts), (chosen[a:b] for a, b in cuts))
            for (a, b), rows in zip(cuts, picked, strict=True):
                names.append(rows.names)
                words.append(keep_words(rows.words, needed[a:b][chosen[a:b]]))
                yield rows.shingles
            first += sum(tables)

    sets = join_rows(pick())
    found = pa.concat_tables(names).combine_chunks()
    columns = {
        **dict(zip(NAMES.names, found.columns, strict=True)),
        "shingles": write_lists(fill_lists(sets, chosen[named])),
        **write_words(join_words(words), chosen[named]),
    }
    return pa.table(columns, schema=_EARLIER)


def _write_buckets(bands: Sequence[Buckets]) -> State:
    offsets = pa.array(offsets_of(np.array([len(band.rows) for band in bands])))
    rows = np.concatenate([np.zeros(0, dtype=np.int32), *[band.rows for band in bands]])
    opens = np.concatenate([np.zeros(0, dtype=bool), *[band.opens for band in bands]])
    lists = [pa.LargeListArray.from_arrays(offsets, pa.array(column)) for column in (rows, opens)]
    return {"buckets": pa.table(lists, schema=_BUCKETS)}


def _read_buckets(table: pa.Table) -> list[Buckets]:
    rows, opens = (column.chunk(0) for column in table.combine_chunks().columns)
    return [
        build_buckets(rows[band].values.to_numpy(), opens[band].values.to_numpy(zero_copy_only=False))
        for band in range(len(table))
    ]
