"""Which rows of a batch NeMo Curator's buckets join: tables are sketched as texts, and merged into groups.

Two rows that share a bucket of any band are joined, and whoever is joined to a row of a group is in it, as in
its FuzzyDeduplicationWorkflow. Canaries are put into the buckets with the rows and join none of them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from synth_stack.errors import GateError
from synth_stack.gates.gate import State
from synth_stack.models.rapids import ID, list_members, read_buckets, refuse_buckets, run_script
from synth_stack.text.fields import find_canaries, hash_ids, read_field
from synth_stack.text.ragged import Counts, Hashes, Mask
from synth_stack.watcher import watch

NAME = "nemo_fuzzy_dedup"
NO_TWIN = -1

_SCRIPT = Path(__file__).with_name("rapids_minhash.py")
_ROWS = pa.schema(
    [
        pa.field("id", pa.uint64()),
        pa.field("readable", pa.bool_()),
        pa.field("twin", pa.int32()),
        pa.field("size", pa.int64()),
    ]
)
_TWINS = pa.schema([pa.field("row_id", pa.string())])


@dataclass(frozen=True, slots=True)
class Groups:
    """The n rows of a batch, sorted by the hash of their row_id.

    `ids` (n,); `readable` (n,); `twins` (n,), a row of `names`, the row_ids of those that stay, or NO_TWIN
    for a row that stays itself; `sizes` (n,), the rows of its group.
    """

    ids: Hashes
    readable: Mask
    twins: NDArray[np.int32]
    sizes: Counts
    names: pa.ChunkedArray

    @classmethod
    def from_state(cls, state: State) -> "Groups":
        """What `find_groups` wrote. Raises GateError where it is missing."""
        if "rows" not in state or "twins" not in state:
            raise GateError(f"{NAME} was asked for verdicts before it saw the batch")
        rows = state["rows"]
        return cls(
            ids=rows["id"].to_numpy(),
            readable=rows["readable"].to_numpy(),
            twins=rows["twin"].to_numpy(),
            sizes=rows["size"].to_numpy(),
            names=state["twins"]["row_id"],
        )

    def find(self, ids: Hashes) -> Counts:
        """The places of the rows of these ids, (n,). Raises GateError for one that was not in the batch."""
        place = np.minimum(np.searchsorted(self.ids, ids), max(len(self.ids) - 1, 0))
        if len(ids) and not (len(self.ids) and (self.ids[place] == ids).all()):
            raise GateError(f"{NAME} was asked for verdicts on rows that it had not seen")
        return place


def sketch_texts(
    table: pa.Table, _: State, *, field: Literal["text", "prompt", "answer"], least: int
) -> pa.Table:
    """The texts of n rows, null where there are fewer than `least` characters, with what tells them apart."""
    texts = read_field(table, field).to_arrow().cast(pa.large_string())
    long = pc.fill_null(pc.greater_equal(pc.utf8_length(texts), least), False)
    return pa.table(
        {
            "text": pc.if_else(long, texts, pa.scalar(None, pa.large_string())),
            "id": hash_ids(table),
            "canary": find_canaries(table),
            "row_id": table["row_id"].cast(pa.string()),
        }
    )


def find_groups(sketches: Iterable[pa.Table], _: State, *, python: str, params: Mapping[str, Any]) -> State:
    """The groups of the batch, by NeMo Curator's stages under `python`.

    Texts go to the folder for temporary files. Memory: 80 bytes a row, and 8 for each row in each bucket that
    it shares. Raises GateError where NeMo Curator fails, or names rows that it was not given.
    """
    with watch("rapids") as den:
        folder = den.folder
        rest = _write_texts(sketches, folder / "texts")
        buckets: list[list[pa.Table]] = [[] for _ in range(params["num_bands"])]
        if pc.any(rest["readable"]).as_py():
            run_script(
                python, _SCRIPT, den, json.dumps(dict(params)),
                gate=NAME,
                mend="See docs/install.md for its environment.",
            )  # fmt: skip
            buckets = read_buckets(folder, params["num_bands"], len(rest), gate=NAME)
        return _settle(buckets, rest)


def _write_texts(sketches: Iterable[pa.Table], home: Path) -> pa.Table:
    """The texts as a file for each sketch, rows numbered from 0; what is left of all the sketches."""
    home.mkdir()
    rest: list[pa.Table] = []
    first = 0
    for number, sketch in enumerate(sketches):
        ids = pa.array(np.arange(first, first + len(sketch), dtype=np.int64))
        readable = pc.is_valid(sketch["text"])
        texts = pa.table({ID: ids, "text": sketch["text"]}).filter(readable)
        if len(texts):
            pq.write_table(texts, home / f"part-{number:06d}.parquet", compression="zstd")
        rest.append(sketch.select(["id", "canary", "row_id"]).append_column("readable", readable))
        first += len(sketch)
    empty = {"id": pa.uint64(), "canary": pa.bool_(), "row_id": pa.string(), "readable": pa.bool_()}
    return pa.concat_tables([pa.schema(empty).empty_table(), *rest])


def _settle(buckets: Sequence[Sequence[pa.Table]], rest: pa.Table) -> State:
    """In each group the first row of the batch stays; a canary is like what its buckets hold of rows."""
    n, canary, readable = len(rest), rest["canary"].to_numpy(), rest["readable"].to_numpy()
    met = [_read_band(tables, readable) for tables in buckets]
    edges = [_join_rows(band, canary) for band in met]
    left, right = (np.concatenate([np.zeros(0, np.int64), *side]) for side in zip(*edges, strict=True))
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(n, n))
    _, group = connected_components(graph, directed=False) if n else (0, np.zeros(0, np.int64))
    _, heads, sizes = np.unique(group, return_index=True, return_counts=True)
    head, size = heads[group], sizes[group]
    planted, mate = _place_canaries(met, canary)
    head[planted], size[planted] = head[mate], size[mate] + 1
    away = head != np.arange(n)
    used, number = np.unique(head[away], return_inverse=True)
    twin = np.full(n, NO_TWIN, dtype=np.int32)
    twin[away] = number
    ids = rest["id"].to_numpy()
    order = np.argsort(ids, kind="stable")
    columns = [ids[order], readable[order], twin[order], size[order]]
    return {
        "rows": pa.table([pa.array(column) for column in columns], schema=_ROWS),
        "twins": pa.table([rest["row_id"].take(pa.array(used))], schema=_TWINS),
    }


@dataclass(frozen=True, slots=True)
class _Band:
    """The buckets of a band: `rows` (m,), in order within each, and `bucket` (m,), the number of theirs."""

    rows: Counts
    bucket: Counts


def _read_band(tables: Sequence[pa.Table], readable: Mask) -> _Band:
    """The buckets of these tables.

    Raises GateError for a row that there is not, and for one that is in two buckets of the band.
    """
    lists = list_members(tables)
    none = np.zeros(0, np.int64)
    rows = np.concatenate([none, *[each.flatten().to_numpy() for each in lists]])
    lengths = np.concatenate([none, *[pc.list_value_length(each).to_numpy() for each in lists]])
    if len(rows) and not (0 <= rows.min() <= rows.max() < len(readable) and readable[rows].all()):
        raise refuse_buckets(NAME, "a row that there is not")
    if len(np.unique(rows)) != len(rows):
        raise refuse_buckets(NAME, "a row in two buckets of one band")
    bucket = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((rows, bucket))
    return _Band(rows[order], bucket[order])


def _join_rows(band: _Band, canary: Mask) -> tuple[Counts, Counts]:
    """The edges between neighbours of a bucket, once its canaries are taken out."""
    plain = ~canary[band.rows]
    rows, bucket = band.rows[plain], band.bucket[plain]
    same = bucket[1:] == bucket[:-1]
    return rows[:-1][same], rows[1:][same]


def _place_canaries(bands: Sequence[_Band], canary: Mask) -> tuple[Counts, Counts]:
    """The canaries that share a bucket with a row, each once, and the first row of the first such bucket."""
    planted, mates = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for band in bands:
        plain = ~canary[band.rows]
        bucket, first = np.unique(band.bucket[plain], return_index=True)
        own = band.bucket[~plain]
        place = np.minimum(np.searchsorted(bucket, own), max(len(bucket) - 1, 0))
        shared = bucket[place] == own if len(bucket) else np.zeros(len(own), dtype=bool)
        planted.append(band.rows[~plain][shared])
        mates.append(band.rows[plain][first[place[shared]]])
    once, at = np.unique(np.concatenate(planted), return_index=True)
    return once, np.concatenate(mates)[at]
