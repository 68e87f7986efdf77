"""Rows of Arrow files, as `datasets` and distilabel save them (`save_to_disk`): streams or files of batches.

Arrow's bytes are read in place, so a lie in them would be read too: each batch is checked in full before any
value of it is looked at, and what may unfold to far more than its size is refused.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from synth_stack.errors import InputError
from synth_stack.inputs.parquet_rows import SLICE_ROWS, check_names, read_batch

_FILE_MARK = b"ARROW1\x00\x00"
_MESSAGE_HEADER, _BATCH_COMPRESSION = 2, 3
"""Places of fields in the tables Message and RecordBatch (Arrow's Message.fbs)."""


def read_arrow(file: IO[bytes], path: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(place, row or reason) for every row of a stream of batches; memory is that of one batch.

    Raises InputError for what is no Arrow, has two columns of one name, or holds packed batches or columns
    that may be larger than they are stored (dictionaries, views, runs).
    """
    if file.read(len(_FILE_MARK)) != _FILE_MARK:  # after the mark a file is a stream too, with a footer
        file.seek(0)
    try:
        messages = pa.ipc.MessageReader.open_stream(file)
        head = next(_read_messages(messages), None)
        if head is None:
            raise ValueError("it holds no schema")
        schema = pa.ipc.read_schema(head)
        check_names(schema.names, path)
        _check_kinds(schema, path)
        number = 0
        for message in _read_messages(messages):
            if message.type != "record batch":
                continue
            if _is_packed(message.metadata.to_pybytes()):
                raise InputError(
                    f"{path} holds packed batches", mend="Write it anew without compression, or as Parquet."
                )
            batch = pa.ipc.read_record_batch(message, schema)
            batch.validate(full=True)
            for start in range(0, batch.num_rows, SLICE_ROWS):
                for row in read_batch(batch.slice(start, SLICE_ROWS)):
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowException, struct.error, OSError, ValueError, MemoryError, EOFError) as exc:
        raise InputError(f"{path} is not a readable Arrow file: {exc}") from exc


def _read_messages(messages: Any) -> Iterator[Any]:
    """The messages up to the end of the stream."""
    while True:
        try:
            yield messages.read_next_message()
        except StopIteration:
            return


def _check_kinds(schema: pa.Schema, path: Path) -> None:
    for field in schema:
        if not _is_stored_as_it_is(field.type):
            raise InputError(
                f"{path}: column {field.name} is stored in a way that is not read",
                seen=str(field.type)[:100],
                mend="Write it anew with plain columns, or as Parquet.",
            )


def _is_stored_as_it_is(kind: pa.DataType) -> bool:
    """Whether no value of a type can stand in many rows while it is stored once."""
    if isinstance(kind, pa.BaseExtensionType):
        return False
    shared = (
        pa.types.is_dictionary(kind)
        or pa.types.is_run_end_encoded(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )
    return not shared and all(_is_stored_as_it_is(kind.field(n).type) for n in range(kind.num_fields))


def _is_packed(metadata: bytes) -> bool:
    """Whether the batch of a message says that its buffers are compressed (FlatBuffers, "Internals")."""
    (root,) = struct.unpack_from("<I", metadata, 0)
    header = _find_field(metadata, root, _MESSAGE_HEADER)
    if header is None:
        return False
    batch = header + struct.unpack_from("<I", metadata, header)[0]
    return _find_field(metadata, batch, _BATCH_COMPRESSION) is not None


def _find_field(data: bytes, table: int, number: int) -> int | None:
    """Where a field of a FlatBuffers table stands; None where it has its default."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, vtable)
    place = 4 + 2 * number
    if place + 2 > size:
        return None
    (offset,) = struct.unpack_from("<H", data, vtable + place)
    return table + offset if offset else None
