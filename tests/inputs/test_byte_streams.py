"""The bytes of a foreign file: unpacked within bounds, and always UTF-8 without a mark."""

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from synth_stack.errors import InputError
from synth_stack.inputs import byte_streams
from synth_stack.inputs.byte_streams import open_bytes, split_suffix
from synth_stack.inputs.records import Broken, read_records

LINES = b'{"text": "one"}\n{"text": "zwei \xe2\x82\xac"}\n'


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue().to_pybytes())


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstd}


def read(path: Path) -> list[object]:
    return [r.reason if isinstance(r, Broken) else r for _, r in read_records(path)]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("kind", [".jsonl", ".ndjson", ".json", ".csv", ".tsv"])
def test_a_packed_shard_reads_like_the_plain_one(suffix: str, kind: str, tmp_path: Path) -> None:
    data = {".csv": b"a,b\n1,2\n", ".tsv": b"a\tb\n1\t2\n"}.get(kind, LINES)
    (tmp_path / f"x{kind}").write_bytes(data)
    packed = tmp_path / f"y{kind}{suffix}".upper()
    packed.write_bytes(PACKERS[suffix](data))

    assert read(packed) == read(tmp_path / f"x{kind}") != []


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files_one_after_the_other_are_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(PACKERS[suffix](LINES) + PACKERS[suffix](LINES))

    assert len(read(path)) == 4


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_that_breaks_off_or_is_none_is_refused_in_one_sentence(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    data = PACKERS[suffix](LINES * 50)
    for broken in (data[:1], data[: len(data) // 2], data[:-3], b"no such thing" * 9, data + b"garbage"):
        path.write_bytes(broken)
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path} is not whole ")
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("suffix", [".bz2", ".zst"])
def test_a_bomb_is_refused_before_it_is_unpacked_whole(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_streams, "MIN_UNPACKED_BYTES", 1_000_000)
    path = tmp_path / f"a.jsonl{suffix}"
    line = json.dumps({"text": "a" * 1_000}).encode() + b"\n"
    path.write_bytes(PACKERS[suffix](line * 20_000))
    with pytest.raises(InputError, match="unpacks to far more than its size; allowed: at most 1000 times"):
        read(path)


def test_a_line_that_unpacks_without_end_is_skipped_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"{" + b" " * 5_000_000 + b"\n" + LINES))

    found = [r for _, r in read_records(path, max_bytes=1_000)]
    assert isinstance(found[0], Broken)
    assert found[0].reason == "too long: 5000002 bytes; allowed: at most 1000"
    assert found[1] == {"text": "one"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (".jsonl", LINES),
        (".json", b'[{"text": "zwei \xe2\x82\xac"}]'),
        (".csv", b"text\nzwei \xe2\x82\xac\n"),
    ],
)
def test_a_file_with_a_mark_is_read_whatever_its_encoding(
    kind: str, data: bytes, encoding: str, tmp_path: Path
) -> None:
    text = data.decode()
    mark = "" if encoding in {"utf-8-sig", "utf-16"} else "\ufeff"
    (tmp_path / f"a{kind}").write_bytes((mark + text.replace("\n", "\r\n")).encode(encoding))
    (tmp_path / f"b{kind}.gz").write_bytes(gzip.compress((mark + text).encode(encoding)))

    for path in (tmp_path / f"a{kind}", tmp_path / f"b{kind}.gz"):
        assert read(path)[-1] == {"text": "zwei €"}


def test_utf_16_that_is_none_and_utf_32_are_refused(tmp_path: Path) -> None:
    for data, message in {
        b"\xff\xfea\x00\x00\xd8b\x00": "begins as UTF-16 and is not valid UTF-16: ",
        b"\xff\xfe{\x00\x0a": "begins as UTF-16 and is not valid UTF-16: ",
        b"\xff\xfe\x00\x00{\x00\x00\x00": "is UTF-32. Save it as UTF-8.",
        b"PK\x03\x04\x14\x00": "is a ZIP file, as spreadsheets are, whatever its name says. Save the sheet as CSV UTF-8.",
        b"PAR1\x15\x04": "is Parquet, whatever its name says. Name it .parquet.",
        b"\x00{\x00}": "is UTF-16 without a byte order mark. Save it as UTF-8.",
        b"{\x00}\x00": "is UTF-16 without a byte order mark",
    }.items():
        path = tmp_path / "a.jsonl"
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read(path)


def test_the_kind_of_a_packed_file_stands_before_its_packing() -> None:
    assert split_suffix(Path("a.b/C.JSONL.GZ")) == (".jsonl", "gzip")
    assert split_suffix(Path("a.json.zstd")) == (".json", "zstd")
    assert split_suffix(Path("a.b.csv")) == (".csv", None)


def test_blocks_are_given_out_as_small_as_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes("\ufeffabcdef".encode("utf-16-le"))
    with open_bytes(tmp_path / "a.jsonl") as file:
        assert [file.read(4), file.read(4), file.read(4)] == [b"abcd", b"ef", b""]
