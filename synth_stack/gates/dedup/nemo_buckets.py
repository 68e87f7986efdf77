"""Who shares a band key, found on GPUs by NeMo Curator's LSHStage: the same buckets as lsh.py, bit by bit.

NeMo Curator hashes character 24-grams, so its own candidates are not ours. Our band keys go in as if they
were its minhashes, one a band, and what comes out are our buckets. RAPIDS does not fit beside this package
(docs/install.md): rapids_lsh.py runs in an environment of its own, and both sides know the files alone.

    MinHashStage/part-K.parquet            _curator_dedup_id int64, _minhash_signature list<uint32>: ours
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth_stack.gates.dedup.lsh import Buckets, Keys, build_buckets
from synth_stack.models import rapids
from synth_stack.models.rapids import ID, RAPIDS, SIGNATURE, SIGNED, list_members, refuse_buckets, run_script
from synth_stack.text.ragged import Mask
from synth_stack.watcher import watch

_GATE = "dedup"
_MEND = f"See docs/install.md for its environment, or unset {RAPIDS}: all is the same."

_PART_ROWS = 1_000_000
"""Rows of a file of signatures: 76 MB at 17 bands, and NeMo Curator's shuffle has a part for each file."""


def find_buckets_on_gpus(keys: Keys, python: str) -> list[Buckets]:
    """The buckets of each band of `keys` (n, bands), as `lsh.find_buckets` finds them.

    `python` is the interpreter of an environment with RAPIDS. Files of 4 bytes a row and band are written to
    the folder for temporary files. Raises GateError where NeMo Curator fails there, or leaves buckets that
    the keys do not bear out.
    """
    with watch("rapids") as den:
        folder = den.folder
        write_signatures(keys, folder)
        script = Path(__file__).with_name("rapids_lsh.py")
        run_script(python, script, den, str(keys.shape[1]), gate=_GATE, mend=_MEND)
        return read_buckets(folder, keys)


def write_signatures(keys: Keys, folder: Path) -> list[Path]:
    """The keys (n, bands) as signatures of NeMo Curator, rows numbered from 0; the files."""
    home = folder / SIGNED
    home.mkdir()
    paths = []
    for number, first in enumerate(range(0, len(keys), _PART_ROWS)):
        block = keys[first : first + _PART_ROWS]
        offsets = np.arange(len(block) + 1, dtype=np.int32) * block.shape[1]
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(block).ravel()))
        ids = pa.array(np.arange(first, first + len(block), dtype=np.int64))
        paths.append(home / f"part-{number:05d}.parquet")
        pq.write_table(pa.table({ID: ids, SIGNATURE: lists}), paths[-1])
    return paths


def read_buckets(folder: Path, keys: Keys) -> list[Buckets]:
    """The buckets that NeMo Curator left in `folder`, of each band of `keys` (n, bands): in the order of
    their keys, the rows of each in theirs.

    Raises GateError for files of another form, and for buckets that are not all rows of one key: no twin is
    missed, and none invented.
    """
    bands = rapids.read_buckets(folder, keys.shape[1], len(keys), gate=_GATE)
    return [_join(tables, keys[:, band]) for band, tables in enumerate(bands)]


def _join(tables: Sequence[pa.Table], keys: Keys) -> Buckets:
    lists = list_members(tables)
    none = np.zeros(0, np.int64)
    lengths = np.concatenate([none, *[pc.list_value_length(each).to_numpy() for each in lists]])
    rows = np.concatenate([none, *[each.flatten().to_numpy() for each in lists]])
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(keys):
        raise refuse_buckets(_GATE, "a row that there is not")
    bucket = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((rows, bucket, keys[rows]))
    rows, bucket = rows[order], bucket[order]
    opens = np.ones(len(rows), dtype=bool)
    opens[1:] = bucket[1:] != bucket[:-1]
    _require_whole(rows, opens, keys)
    return build_buckets(rows.astype(np.int32), opens)


def _require_whole(rows: np.ndarray, opens: Mask, keys: Keys) -> None:
    """Raises GateError unless the buckets are those of the keys: one a key, and every row that shares one."""
    found = keys[rows]
    changes = np.ones(len(rows), dtype=bool)
    changes[1:] = found[1:] != found[:-1]
    _, counts = np.unique(keys, return_counts=True)
    shared = int(counts[counts > 1].sum())
    if not np.array_equal(changes, opens) or len(rows) != shared or len(np.unique(rows)) != len(rows):
        raise refuse_buckets(
            _GATE, f"{len(rows)} rows in {int(opens.sum())} buckets; {shared} share {np.sum(counts > 1)} keys"
        )
