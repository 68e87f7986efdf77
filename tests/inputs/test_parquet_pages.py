import contextlib
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import InputError
from synth_stack.inputs.parquet_pages import measure_columns
from synth_stack.inputs.parquet_rows import _bound_batch
from synth_stack.inputs.records import read_records
from tests.examples import examples


def measure(data: bytes) -> list[tuple[str, int, int, int]]:
    file = io.BytesIO(data)
    metadata = pq.ParquetFile(file).metadata
    return [
        (pages.name, pages.unpacked, pages.dictionary, pages.values)
        for group in range(metadata.num_row_groups)
        for pages in measure_columns(file, metadata, group)
    ]


def write(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["zstd", "snappy", "none", "gzip"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_what_pages_unpack_to_is_what_an_honest_footer_says(
    version: str, codec: str, dictionary: bool
) -> None:
    rows = {
        "text": [f"row {n} " * 40 for n in range(3_000)],
        "said": [[{"role": "user", "content": "x" * (n % 7)}] * (n % 3) for n in range(3_000)],
        "n": list(range(3_000)),
        "same": ["always"] * 3_000,
    }
    data = write(
        pa.table(rows),
        compression=codec,
        data_page_version=version,
        use_dictionary=dictionary,
        row_group_size=1_000,
        data_page_size=4_096,
    )
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    file = io.BytesIO(data)
    for group in range(metadata.num_row_groups):
        for number, pages in enumerate(measure_columns(file, metadata, group)):
            column = metadata.row_group(group).column(number)
            assert pages.unpacked <= column.total_uncompressed_size
            assert pages.unpacked > column.total_uncompressed_size - 100_000
            assert pages.values == column.num_values
            assert (pages.dictionary > 0) == column.has_dictionary_page


def test_a_row_group_without_rows_unpacks_to_nothing() -> None:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, pa.schema([("a", pa.string())]), use_dictionary=False) as writer:
        writer.write_table(pa.table({"a": pa.array([], pa.string())}))
    assert [row[1:] for row in measure(sink.getvalue())] in ([], [(0, 0, 0)])


def make_bomb(rows: int, value_bytes: int) -> bytes:
    """One value in every row, by a dictionary: a kilobyte or so, whatever it unpacks to."""
    value = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * value_bytes]))
    return write(pa.table({"text": value}), compression="zstd", write_statistics=False, store_schema=False)


def test_a_value_that_stands_in_every_row_is_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    path.write_bytes(make_bomb(rows=40, value_bytes=64 * 1024**2))
    assert path.stat().st_size < 20_000
    rows = read_records(path)
    place, row = next(rows)
    assert (place, len(row["text"])) == ("row 1", 64 * 1024**2)  # type: ignore[index]  # a record


def test_a_file_that_unfolds_to_far_more_than_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    path.write_bytes(make_bomb(rows=300, value_bytes=1024**2))
    with pytest.raises(InputError, match=r"bomb\.parquet unpacks to far more than its size"):
        for _ in read_records(path):
            pass


def test_values_that_stand_in_every_row_of_many_columns_are_added_up(tmp_path: Path) -> None:
    value = pa.DictionaryArray.from_arrays(pa.array([0] * 40, pa.int32()), pa.array(["x" * 1024**2]))
    columns = {f"column_{n}": value for n in range(40)}
    file = io.BytesIO(
        write(pa.table(columns), compression="zstd", write_statistics=False, store_schema=False)
    )
    assert _bound_batch(file, pq.read_metadata(file), 0, tmp_path) == 6


def test_a_page_that_unpacks_to_more_than_is_read_at_once_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    path.write_bytes(make_bomb(rows=2, value_bytes=600 * 1024**2))
    with pytest.raises(InputError, match="column text unpacks to more than is read at once"):
        next(iter(read_records(path)))


SOUND = write(pa.table({"a": ["x", "y"] * 50, "b": list(range(100))}))


@settings(max_examples=examples(150))
@given(st.data())
def test_a_damaged_file_is_measured_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(4, len(damaged) - 9))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError, OSError, pa.ArrowException):
        measure(bytes(damaged))
