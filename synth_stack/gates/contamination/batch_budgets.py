"""What a batch may spend: which rows MiniLM rates, and which runs are made in the sandbox.

Each bound counts for the batch as a whole and is cut once, with ties by row_id, so how the batch was cut into
shards does not show. Canaries and controls take nothing from the rows, and get what a row with their claim
would have got: where a bound lets no row through, they are not looked at either.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth_stack.gates.contamination.short_list import SKETCH, find_noticed, note_down
from synth_stack.gates.gate import State
from synth_stack.text.fields import hash_ids
from synth_stack.text.ragged import Counts, Hashes, Mask

_HELD_PAIRS = 200_000
"""Pairs of passages and items that are held before those that nothing will be spent on are dropped: 20 MB."""

_RUNS_PER = 10_000


def cut_budgets(
    sketches: Iterable[pa.Table],
    _: State,
    *,
    confirm_rows: int,
    runs_per_10000_rows: int,
) -> State:
    """The tables `known` and `noticed` (short_list.py) of a batch, from the sketches of its shards.

    Confirmed are the `confirm_rows` rows that are likest to an item, by the first embedder. Of the runs every
    row gets its first before any gets its second; rows with a function of an item's name come first, then
    those that are nearest to an item.
    """
    noticed, known, rows = _gather(sketches, confirm_rows)
    confirmed = _choose_confirmed(noticed, confirm_rows)
    runs = runs_per_10000_rows * max(1, -(-rows // _RUNS_PER))
    taken = _share_runs(noticed, _measure_lists(noticed, "runs"), runs)
    noticed = _drop_pairs(noticed, confirmed)
    return {
        "known": pa.table({"id": known}),
        "noticed": note_down(noticed, confirmed, taken.astype(np.int32)),
    }


def _gather(sketches: Iterable[pa.Table], confirm_rows: int) -> tuple[pa.Table, Hashes, int]:
    """The lines of the rows that there is something to say of, each once; the hashes of all rows, sorted; and
    how many rows there are that are no canaries.
    """
    kept = [SKETCH.empty_table()]
    known = [np.zeros(0, dtype=np.uint64)]
    rows = pairs = 0
    for sketch in sketches:
        known.append(hash_ids(sketch))
        rows += len(sketch) - int(_read_flags(sketch, "canary").sum())
        lines = sketch.filter(pa.array(find_noticed(sketch)))
        kept.append(lines)
        pairs += int(_measure_lists(lines, "pairs").sum())
        if pairs > _HELD_PAIRS:
            every = _keep_first(kept)
            every = _drop_pairs(every, _choose_confirmed(every, confirm_rows))
            kept, pairs = [every], 0
    return _keep_first(kept), np.sort(np.concatenate(known)), rows


def _keep_first(tables: list[pa.Table]) -> pa.Table:
    """The tables as one, with one line for each row_id: equal rows have equal lines."""
    every = pa.concat_tables(tables).combine_chunks()
    _, first = np.unique(_read_ids(every), return_index=True)
    return every.take(pa.array(np.sort(first))).combine_chunks()


def _choose_confirmed(noticed: pa.Table, confirm_rows: int) -> Mask:
    """Which rows are rated again, (n,): the likest of the short list, and each canary that is as like.

    What is left out is held where the first embedder finds it like an item, and is below the bar elsewhere.
    """
    listed = np.flatnonzero(_measure_lists(noticed, "pairs") > 0)
    planted = _read_flags(noticed, "canary")[listed]
    first = pc.list_element(noticed["pairs"].take(pa.array(listed)), 0).combine_chunks()
    likeness = first.field("likeness").to_numpy(zero_copy_only=False)
    order = np.lexsort((_read_ids(noticed)[listed], -likeness))
    mine = order[~planted[order]]
    last = likeness[mine[confirm_rows - 1]] if 0 < confirm_rows < len(mine) else 0.0
    confirmed = np.zeros(len(noticed), dtype=bool)
    confirmed[listed[mine[:confirm_rows]]] = True
    confirmed[listed[planted & (likeness >= last)]] = confirm_rows > 0
    return confirmed


def _share_runs(noticed: pa.Table, wanted: Counts, runs: int) -> Counts:
    """How many of the runs that each row wants it gets, (n,), of `runs` in all: in turn, by its claim.

    A canary gets its turn while a row with a claim no better does.
    """
    far = -noticed["nearness"].to_numpy()
    unnamed = ~_read_flags(noticed, "by_name")
    planted = _read_flags(noticed, "canary")
    order = np.lexsort((_read_ids(noticed), far, unnamed))
    taken = np.zeros(len(noticed), dtype=np.int64)
    for turn in range(int(wanted.max(initial=0))):
        mine = order[(wanted[order] > turn) & ~planted[order]]
        lucky = mine[:runs]
        claimed = planted & (wanted > turn)
        if len(lucky) < len(mine):
            last = lucky[-1] if len(lucky) else None
            claimed &= last is not None and (
                (unnamed < unnamed[last]) | ((unnamed == unnamed[last]) & (far <= far[last]))
            )
        elif not runs:
            claimed[:] = False
        taken[lucky] += 1
        taken[claimed] += 1
        runs -= len(lucky)
    return taken


def _drop_pairs(noticed: pa.Table, confirmed: Mask) -> pa.Table:
    """The lines with the likeliest pair alone where nothing will be rated again."""
    every = noticed["pairs"].combine_chunks()
    pairs = pc.if_else(pa.array(confirmed), every, pc.list_slice(every, 0, 1))
    at = noticed.schema.get_field_index("pairs")
    return noticed.set_column(at, SKETCH.field("pairs"), pairs)


def _measure_lists(lines: pa.Table, name: str) -> Counts:
    lengths: Counts = pc.list_value_length(lines[name]).to_numpy().astype(np.int64)
    return lengths


def _read_flags(lines: pa.Table, name: str) -> Mask:
    flags: Mask = lines[name].to_numpy().astype(bool)
    return flags


def _read_ids(lines: pa.Table) -> NDArray[np.bytes_]:
    ids: NDArray[np.bytes_] = np.array(lines["row_id"].cast(pa.binary()).to_pylist(), dtype=np.bytes_)
    return ids
