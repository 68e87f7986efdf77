from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import InputError, VerificationError
from synth_stack.files import ROW_GROUP_ROWS
from synth_stack.packs import shards
from synth_stack.packs.shards import find_row, read_shard, write_shards
from synth_stack.runs.folder import list_files

SCHEMA = pa.schema([pa.field("row_id", pa.string(), nullable=False), pa.field("text", pa.string())])


def make(n: int, text: str = "x") -> pa.Table:
    return pa.table({"row_id": [str(i) for i in range(n)], "text": [text] * n}, schema=SCHEMA)


def name(number: int) -> str:
    return f"part-{number}.parquet"


def write(folder: Path, *tables: pa.Table, shard_rows: int = shards.SHARD_ROWS) -> list[str]:
    with write_shards(folder, name, SCHEMA, shard_rows=shard_rows) as append:
        for table in tables:
            append(table)
    return list_files(folder)


def read(folder: Path, names: list[str]) -> pa.Table:
    return pa.concat_tables(
        [SCHEMA.empty_table()] + [t for n in names for t in read_shard(folder, n, SCHEMA)]
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], [0]), ([0], [0]), ([4], [4]), ([3, 4], [4, 3]), ([9], [4, 4, 1]), ([8], [4, 4])],
)
def test_rows_fill_one_file_after_the_other(tmp_path: Path, sizes: list[int], expected: list[int]) -> None:
    tables = [make(n) for n in sizes]
    names = write(tmp_path, *tables, shard_rows=4)
    assert [pq.read_metadata(tmp_path / n).num_rows for n in names] == expected
    assert read(tmp_path, names).equals(pa.concat_tables([SCHEMA.empty_table(), *tables]))


def test_a_row_group_is_bounded_in_rows_and_in_bytes(tmp_path: Path) -> None:
    names = write(tmp_path / "rows", make(ROW_GROUP_ROWS * 2 + 1))
    metadata = pq.read_metadata(tmp_path / "rows" / names[0])
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) <= ROW_GROUP_ROWS
    names = write(tmp_path / "bytes", make(5, "y" * (shards.GROUP_BYTES // 2)))
    metadata = pq.read_metadata(tmp_path / "bytes" / names[0])
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1, 1, 1, 1, 1]


def test_a_row_that_is_too_large_is_refused_by_its_id(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 0 is too large"):
        write(tmp_path, make(1, "z" * (shards.MAX_ROW_BYTES + 1)))


@pytest.mark.parametrize("index", [0, 3, 4, 8])
def test_a_row_is_found_by_its_place_over_all_files(tmp_path: Path, index: int) -> None:
    names = write(tmp_path, make(9), shard_rows=4)
    assert find_row(tmp_path, names, SCHEMA, index)["row_id"] == str(index)


def test_a_row_behind_the_last_one_is_refused(tmp_path: Path) -> None:
    names = write(tmp_path, make(9), shard_rows=4)
    with pytest.raises(VerificationError, match="end before row 9"):
        find_row(tmp_path, names, SCHEMA, 9)


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    bomb = pa.table({"row_id": ["a"] * 1_000, "text": ["\0" * 600_000] * 1_000}, schema=SCHEMA)
    pq.write_table(bomb, tmp_path / "bomb.parquet", compression="zstd", use_dictionary=False)
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
    with pytest.raises(VerificationError, match=r"bomb.parquet: row group 0 is larger than any of a pack"):
        list(read_shard(tmp_path, "bomb.parquet", SCHEMA))


def test_a_dictionary_that_repeats_a_large_value_is_refused_unread(tmp_path: Path) -> None:
    rows, value = shards.BATCH_ROWS, "\0" * (shards.MAX_BATCH_BYTES // shards.BATCH_ROWS + 1)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [value])
    ids = pa.array(["a"] * rows, pa.string())
    bomb = pa.table([ids, text], schema=pa.schema([SCHEMA.field(0), pa.field("text", text.type)]))
    options = {"compression": "zstd", "store_schema": False, "use_dictionary": ["text"]}
    pq.write_table(bomb, tmp_path / "bomb.parquet", **options)
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    with pytest.raises(VerificationError, match=r"^bomb.parquet: column text is not encoded as packs are"):
        list(read_shard(tmp_path, "bomb.parquet", SCHEMA))


def test_a_page_of_zeros_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    value = pa.array(["a", "\0" * (shards.MAX_GROUP_BYTES + 1)], pa.string())
    bomb = pa.table({"row_id": pa.array(["a", "b"], pa.string()), "text": value}, schema=SCHEMA)
    pq.write_table(
        bomb, tmp_path / "bomb.parquet", compression="zstd", use_dictionary=False, write_statistics=False
    )
    data = (tmp_path / "bomb.parquet").read_bytes()
    assert len(data) < 100_000
    with pytest.raises(
        VerificationError, match=r"^bomb.parquet: (row group 0 is larger|column text of row group 0)"
    ):
        list(read_shard(tmp_path, "bomb.parquet", SCHEMA))


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    table = pa.table(
        {"row_id": ["a"], "text": pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())}, schema=SCHEMA
    )
    pq.write_table(table, tmp_path / "bad.parquet", use_dictionary=False)
    with pytest.raises(VerificationError, match=r"^bad.parquet is not a readable Parquet file"):
        list(read_shard(tmp_path, "bad.parquet", SCHEMA))


def test_a_null_where_none_may_be_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"row_id": pa.array([None], pa.string()), "text": ["x"]}), tmp_path / "n.parquet")
    with pytest.raises(VerificationError, match=r"^n.parquet"):
        list(read_shard(tmp_path, "n.parquet", SCHEMA))


@pytest.mark.parametrize("data", [b"", b"x" * 11, b"PAR1" * 3, b"PAR1" + b"\xff" * 4 + b"PAR1"])
def test_what_is_no_parquet_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(VerificationError, match=r"^x.parquet"):
        list(read_shard(tmp_path, "x.parquet", SCHEMA))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"^x.parquet is missing"):
        list(read_shard(tmp_path, "x.parquet", SCHEMA))


def test_a_changed_byte_gives_rows_or_a_sentence_and_never_a_traceback(tmp_path: Path) -> None:
    names = write(tmp_path, make(5))
    path = tmp_path / names[0]
    sound = path.read_bytes()
    refused = []
    for offset in range(len(sound)):
        data = bytearray(sound)
        data[offset] ^= 0x55
        path.write_bytes(data)
        try:
            read(tmp_path, names)
        except VerificationError as exc:
            refused.append(str(exc))
    assert len(refused) > len(sound) // 4
    assert all(sentence.startswith(names[0]) for sentence in refused)
