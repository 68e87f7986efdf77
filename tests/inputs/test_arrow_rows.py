"""Rows of Arrow files: those that `datasets` saves, and every lie in their bytes."""

from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.records import Broken, read_records

TABLE = pa.table(
    {
        "prompt": ["one", "two, in ünïcode", None],
        "turns": [[{"role": "user", "content": "a"}], [], None],
        "raw": pa.array([b"text", None, b"\xff\xfe"]),
    }
)


def write(path: Path, table: pa.Table, *, as_file: bool = False, compression: str | None = None) -> Path:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_file if as_file else pa.ipc.new_stream
    with path.open("wb") as file, make(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


def read(path: Path) -> list[object]:
    return [record.reason if isinstance(record, Broken) else record for _, record in read_records(path)]


@pytest.mark.parametrize("as_file", [False, True])
def test_rows_of_streams_and_files_come_in_order(tmp_path: Path, as_file: bool) -> None:
    first, second, third = read(write(tmp_path / "a.arrow", TABLE, as_file=as_file))
    assert first == {"prompt": "one", "turns": [{"role": "user", "content": "a"}], "raw": "text"}
    assert isinstance(second, dict)
    assert (second["prompt"], second["raw"]) == ("two, in ünïcode", None)
    assert third == {"prompt": None, "turns": None, "raw": b"\xff\xfe"}


def test_what_datasets_saves_is_read(tmp_path: Path) -> None:
    import datasets

    rows = [{"prompt": f"question {n}", "answer": f"answer {n}"} for n in range(5)]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    assert read(next((tmp_path / "saved").glob("*.arrow"))) == rows


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_packed_batches_are_refused_before_they_are_unpacked(tmp_path: Path, codec: str) -> None:
    bomb = pa.table({"text": ["a" * 10_000_000] * 4})
    with pytest.raises(InputError, match="holds packed batches"):
        read(write(tmp_path / "a.arrow", bomb, compression=codec))


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["a", "b"], pa.string_view()),
        pa.array([[1], [2]], pa.list_view(pa.int64())),
        pa.array([{"x": "a"}], pa.struct([("x", pa.string_view())])),
    ],
    ids=lambda column: str(column.type)[:12],
)
def test_a_value_that_many_rows_may_share_is_refused(tmp_path: Path, column: pa.Array) -> None:
    with pytest.raises(InputError, match="column text is stored in a way that is not read"):
        read(write(tmp_path / "a.arrow", pa.table({"text": column})))


def test_offsets_that_lead_out_of_a_column_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", pa.table({"text": ["abcd", "efgh"]}))
    data = path.read_bytes()
    offsets = (0).to_bytes(4, "little") + (4).to_bytes(4, "little") + (8).to_bytes(4, "little")
    assert data.count(offsets) == 1
    path.write_bytes(data.replace(offsets, offsets[:8] + (2**30).to_bytes(4, "little")))
    with pytest.raises(InputError, match="not a readable Arrow file"):
        read(path)


@pytest.mark.parametrize("data", [b"", b"ARROW1\0\0", b"{}\n", b"\xff\xff\xff\xff\xff\xff\xff\x7f" * 4])
def test_what_is_no_arrow_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.arrow").write_bytes(data)
    with pytest.raises(InputError, match="not a readable Arrow file"):
        read(tmp_path / "a.arrow")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pytest.raises(InputError, match="two columns of one name"):
        read(write(tmp_path / "a.arrow", twice))
