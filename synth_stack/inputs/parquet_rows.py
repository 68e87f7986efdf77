"""Rows of Parquet files, each with its place, or the reason why there is none."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth_stack.errors import InputError
from synth_stack.inputs.byte_streams import UnpackedBound
from synth_stack.inputs.parquet_pages import measure_columns

BATCH_ROWS = 4_096
MAX_PAGE_BYTES = 512 * 1024**2
"""A page holds a megabyte as writers come, and never less than one value."""
MAX_VALUES = 64_000_000
"""Of one column in a row group, nulls included; a group of common writers has a million rows at most."""
MAX_BATCH_BYTES = 256 * 1024**2
"""A batch stands in memory as Arrow's buffers, which grow by doubling, and in slices as Python's objects."""
SLICE_ROWS = 512
"""Rows that are Python objects at a time, so that a look at the first ones of a shard is cheap."""


def read_parquet(file: IO[bytes], path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(place, row or reason) for every row; texts that are stored as bytes come as texts.

    Raises InputError for a file that is no Parquet, has two columns of one name, or unpacks to far more than
    its size.
    """
    try:
        table = pq.ParquetFile(file)
        check_names(table.schema_arrow.names, path)
        bound = UnpackedBound(path, file.seek(0, os.SEEK_END))
        number = 0
        for group in range(table.metadata.num_row_groups):
            rows = _bound_batch(file, table.metadata, group, path)
            for batch in table.iter_batches(batch_size=rows, row_groups=[group]):
                bound.take(batch.nbytes)
                for start in range(0, batch.num_rows, SLICE_ROWS):
                    for row in read_batch(batch.slice(start, SLICE_ROWS)):
                        number += 1
                        yield f"row {number}", row
    except (pa.ArrowException, ValueError, MemoryError) as exc:
        raise InputError(f"{path} is not a readable Parquet file: {exc}") from exc


def _bound_batch(file: IO[bytes], metadata: Any, group: int, path: Path) -> int:
    """Rows to decode at a time, so that no values of dictionaries that stand in all of them fill the memory.

    Raises InputError for a row group of which one page or one row may do so.
    """
    columns, rows = list(measure_columns(file, metadata, group)), int(metadata.row_group(group).num_rows)
    widest = sum(pages.dictionary * -(-pages.values // max(rows, 1)) for pages in columns)
    for pages in columns:
        if pages.largest > MAX_PAGE_BYTES or pages.values > MAX_VALUES:
            raise InputError(
                f"{path}: column {pages.name} unpacks to more than is read at once",
                seen=f"a page of {pages.largest} bytes, {pages.values} values",
                allowed=f"{MAX_PAGE_BYTES} bytes, {MAX_VALUES} values",
                mend="Write it anew in smaller row groups.",
            )
    return max(min(BATCH_ROWS, MAX_BATCH_BYTES // max(widest, 1)), 1)


def check_names(names: list[str], path: Path) -> None:
    """Nothing where each column has a name of its own. Raises InputError."""
    if len(set(names)) != len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise InputError(f"{path} has two columns of one name", seen=twice, mend="Rename one of them.")


def read_batch(batch: pa.RecordBatch) -> list[dict[str, Any] | str]:
    """The rows of a batch; in the place of one that Python cannot hold stands the reason.

    Such are bytes that are no UTF-8, dates beyond the year 9999, and maps with a key twice.
    """
    try:
        # asked for objects in the place of maps, Arrow takes ten times as long for every row
        maps = "strict" if any(_has_map(field.type) for field in batch.schema) else None
        rows: list[dict[str, Any] | str] = _decode(batch).to_pylist(maps_as_pydicts=maps)
    except (ValueError, OverflowError, KeyError, RecursionError) as exc:
        if batch.num_rows <= 1:
            return [f"not readable: {exc}"]
        half = batch.num_rows // 2
        return read_batch(batch.slice(0, half)) + read_batch(batch.slice(half))
    return rows


def _has_map(kind: pa.DataType) -> bool:
    return pa.types.is_map(kind) or any(_has_map(kind.field(n).type) for n in range(kind.num_fields))


def _decode(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its columns of bytes as texts, but for those that hold anything else than UTF-8."""
    for position, field in enumerate(batch.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
            column = batch.column(position)
            if column is not None and kind is not field.type:
                column = column.dictionary_decode()
            try:
                text = pc.cast(column, pa.large_string())
            except pa.ArrowInvalid:
                continue
            batch = batch.set_column(position, field.name, text)
    return batch
