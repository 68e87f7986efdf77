"""The digests of the rows of a candidate table, as `canonical_row` gives them, made column by column.

What costs time in a row is its structs: each names every field, and most are null in a whole batch. So fields
that are null throughout are dropped from the columns, before a row becomes a Python object.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.rows.schemas import CONTENT_FIELDS, ORIGIN_FIELDS, drop_nulls, encode_canonical

_CONTENT = tuple(field.name for field in CONTENT_FIELDS)
_ORIGIN = tuple(field.name for field in ORIGIN_FIELDS)
DIGESTED_ROWS = 1_000
"""Rows that are Python objects at a time."""


def digest_rows(rows: pa.Table) -> list[str | None]:
    """SHA-256 of each row's canonical bytes in hexadecimal, in order; None for a row that has no canonical
    form, as for a whole number beyond 2**53.

    `rows` has the columns of CANDIDATE_SCHEMA, and may have more.
    """
    return [
        None if data is None else hashlib.sha256(data).hexdigest()
        for start in range(0, len(rows), DIGESTED_ROWS)
        for data in _encode_rows(rows.slice(start, DIGESTED_ROWS))
    ]


def _encode_rows(rows: pa.Table) -> Iterator[bytes | None]:
    content = zip(*(_list_values(rows[name]) for name in _CONTENT), strict=True)
    origin = zip(*(_list_values(rows[name]) for name in _ORIGIN), strict=True)
    for said, came in zip(content, origin, strict=True):
        yield _encode(dict(zip(_CONTENT, said, strict=True)), dict(zip(_ORIGIN, came, strict=True)))


def _encode(content: Mapping[str, Any], origin: Mapping[str, Any]) -> bytes | None:
    try:
        return encode_canonical(content, origin)
    except ValueError:
        return None


def _list_values(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column as they are digested: no struct in it has a field that is null."""
    flat = column.combine_chunks()
    if not pa.types.is_list(flat.type):
        values: list[Any] = flat.to_pylist()
        return values
    slim, has_nulls = _drop_empty_fields(flat)
    values = slim.to_pylist()
    return [drop_nulls(value) if value else value for value in values] if has_nulls else values


def _drop_empty_fields(column: pa.Array) -> tuple[pa.Array, bool]:
    """The column without the fields of its structs that are null throughout; whether others have nulls."""
    if pa.types.is_list(column.type):
        inside, has_nulls = _drop_empty_fields(column.flatten())
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
        mask = pc.is_null(column) if column.null_count else None
        return pa.ListArray.from_arrays(offsets, inside, mask=mask), has_nulls
    if not pa.types.is_struct(column.type):
        return column, False
    names = [column.type.field(i).name for i in range(column.type.num_fields)]
    kept = {
        name: values
        for name, values in zip(names, column.flatten(), strict=True)
        if values.null_count < len(values)
    }
    if column.null_count or not kept:
        return column, True
    slim = {name: _drop_empty_fields(values) for name, values in kept.items()}
    has_nulls = any(below or values.null_count for values, below in slim.values())
    return pa.StructArray.from_arrays([values for values, _ in slim.values()], names=[*slim]), bool(has_nulls)
