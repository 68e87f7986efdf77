"""Records of files that somebody else wrote: each one is read or is a Broken with its place."""

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import InputError
from synth_stack.inputs import records
from synth_stack.inputs.records import (
    Broken,
    kind_of,
    read_records,
    read_strictly,
    require_text,
)
from tests.examples import examples

KINDS = ".jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow; packed as .gz, .zst or .bz2"
ROWS = [{"id": 1, "text": 'one, "two"\nthree'}, {"id": 2, "text": "é\u2028€😀"}]


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def read(path: Path, **options: Any) -> list[tuple[str, dict[str, Any] | str]]:
    """Place and record, or place and reason."""
    return [
        (place, record.reason if isinstance(record, Broken) else record)
        for place, record in read_records(path, **options)
    ]


def test_the_same_rows_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")

    assert read(write(tmp_path, "a.jsonl", lines)) == [("line 1", ROWS[0]), ("line 2", ROWS[1])]
    assert read(write(tmp_path, "a.NDJSON", lines)) == [("line 1", ROWS[0]), ("line 2", ROWS[1])]
    assert read(write(tmp_path, "a.json", json.dumps(ROWS))) == [("item 1", ROWS[0]), ("item 2", ROWS[1])]
    assert read(tmp_path / "a.parquet") == [("row 1", ROWS[0]), ("row 2", ROWS[1])]
    assert read(write(tmp_path, "a.csv", 'id,text\n1,"one, ""two""\nthree"\n2,é\u2028€😀\n')) == [
        ("line 3", {**ROWS[0], "id": "1"}),
        ("line 4", {**ROWS[1], "id": "2"}),
    ]


@settings(max_examples=examples(50))
@given(
    rows=st.lists(
        st.dictionaries(
            st.text(st.characters(codec="utf-8")),
            st.none() | st.text(st.characters(codec="utf-8")) | st.integers(-(2**63), 2**63 - 1),
        )
    )
)
def test_what_was_written_as_json_is_read_back(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("json")
    lines = write(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    whole = write(folder, "a.json", json.dumps(rows, ensure_ascii=False))

    assert [record for _, record in read(lines)] == rows
    assert [record for _, record in read(whole)] == rows


def test_empty_files_hold_no_records(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.jsonl", "")) == []
    assert read(write(tmp_path, "b.jsonl", "\n  \n\r\n")) == []
    assert read(write(tmp_path, "a.json", "[]")) == []
    assert read(write(tmp_path, "a.csv", "")) == []
    assert read(write(tmp_path, "b.csv", "id,text\n")) == []


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"

    assert read(write(tmp_path, "a.jsonl", mark + b'{"text": "x"}\n')) == [("line 1", {"text": "x"})]
    assert read(write(tmp_path, "a.json", mark + b'[{"text": "x"}]')) == [("item 1", {"text": "x"})]
    assert read(write(tmp_path, "a.csv", mark + b"text\nx\n")) == [("line 2", {"text": "x"})]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "x"', "not JSON: unexpected end of data at character 14"),
        (b"[1, 2]", "not an object but list"),
        (b"null", "not an object but null"),
        (b'"text"', "not an object but str"),
        (b'{"text": "\xff"}', "not UTF-8: byte 10 is 0xff"),
        (b'{"text": "a\0b"}', "holds a NUL byte"),
    ],
)
def test_a_broken_line_is_named_and_the_lines_around_it_are_read(
    line: bytes, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.jsonl", b'{"n": 1}\n\n' + line + b'\n{"n": 4}')

    assert read(path) == [("line 1", {"n": 1}), ("line 3", reason), ("line 4", {"n": 4})]


@pytest.mark.parametrize("line", [b'{"text": nan}', b'{"text": "\\ud800"}', b"\0", b"{" * 5000, b"[" * 5000])
def test_what_json_does_not_allow_is_broken(line: bytes, tmp_path: Path) -> None:
    [(place, reason)] = read(write(tmp_path, "a.jsonl", line))

    assert place == "line 1"
    assert str(reason).startswith(("not JSON: ", "holds a NUL byte"))


def test_a_line_that_is_too_long_is_skipped_and_its_length_is_told(tmp_path: Path) -> None:
    long = b'{"text": "' + b"x" * 10_000_000 + b'"}'
    path = write(tmp_path, "a.jsonl", b'{"n": 1}\n' + long + b'\n{"n": 3}\n' + long)
    reason = f"too long: {len(long) + 1} bytes; allowed: at most 1000"

    assert read(path, max_bytes=1000) == [
        ("line 1", {"n": 1}),
        ("line 2", reason),
        ("line 3", {"n": 3}),
        ("line 4", f"too long: {len(long)} bytes; allowed: at most 1000"),
    ]
    assert len(str(read(path)[1][1])) > 10_000_000


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_of_exactly_the_allowed_length_is_read_and_one_byte_more_is_not(
    end: bytes, tmp_path: Path
) -> None:
    line = b'{"text": "' + b"x" * 88 + b'"}'

    assert read(write(tmp_path, "a.jsonl", line + end), max_bytes=100) == [("line 1", {"text": "x" * 88})]
    assert read(write(tmp_path, "b.jsonl", line + end), max_bytes=99) == [
        ("line 1", f"too long: {100 + len(end)} bytes; allowed: at most 99")
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is neither one list of objects nor one object a line: not JSON: "),
        (b"[1", "is neither one list of objects nor one object a line: not JSON: "),
        (b"[1]\xff", "is neither one list of objects nor one object a line: not UTF-8: byte 3 is 0xff"),
        (b'{"a": 1,\n', "is neither one list of objects nor one object a line: not JSON: "),
        (b'"text"', "is not a list of objects; seen: str"),
        (b"3", "is not a list of objects; seen: int"),
    ],
)
def test_a_json_file_that_is_no_list_cannot_be_read_as_a_whole(
    data: bytes, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.json", data)
    with pytest.raises(InputError) as caught:
        read(path)

    assert str(caught.value).startswith(f"{path} {message}")


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_lines_and_lists_are_told_apart_by_what_they_hold(name: str, tmp_path: Path) -> None:
    lines = "\ufeff\r\n" + "".join(json.dumps(row) + "\r\n" for row in ROWS)
    assert read(write(tmp_path, name, lines)) == [("line 2", ROWS[0]), ("line 3", ROWS[1])]
    for text in (json.dumps(ROWS), json.dumps(ROWS, indent=2), "\ufeff\n\n " + json.dumps(ROWS)):
        assert read(write(tmp_path, name, text)) == [("item 1", ROWS[0]), ("item 2", ROWS[1])]
    assert read(write(tmp_path, name, json.dumps(ROWS[0]))) == [("line 1", ROWS[0])]


def test_one_object_over_several_lines_is_one_record(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.json", json.dumps(ROWS[0], indent=1))) == [("item 1", ROWS[0])]


def test_a_broken_line_of_json_lines_in_a_json_file_is_broken_alone(tmp_path: Path) -> None:
    assert read(
        write(tmp_path, "a.json", '{"n": 1}\n{"n": \n[]\n{"n": NaN, "id": 1e3}\n{"n": 1, "n": 2}\n{"n": 5}')
    ) == [
        ("line 1", {"n": 1}),
        ("line 2", "not JSON: unexpected end of data at character 8"),
        ("line 3", "not an object but list"),
        ("line 4", {"n": pytest.approx(float("nan"), nan_ok=True), "id": 1000.0}),
        ("line 5", "the key 'n' stands twice in one object"),
        ("line 6", {"n": 5}),
    ]


def test_an_item_of_a_json_list_that_is_no_object_is_broken(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '[{"n": 1}, 2, {"n": 3}]')

    assert read(path) == [("item 1", {"n": 1}), ("item 2", "not an object but int"), ("item 3", {"n": 3})]


def test_a_json_file_that_memory_would_not_hold_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "a.json", "[" + " " * 4_000)
    monkeypatch.setattr(records, "MAX_JSON_BYTES", 4_000)
    with pytest.raises(InputError, match="is too large to be read as one JSON value; seen: 4001 bytes"):
        read(path)


def test_the_unnamed_index_column_that_pandas_writes_is_a_column(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a.csv", ",text\n0,hello\n")) == [("line 2", {"": "0", "text": "hello"})]


def test_csv_rows_that_do_not_fit_the_header_are_broken_and_the_others_are_read(tmp_path: Path) -> None:
    data = b"id,text\n1\n2,a,b\n\n3,\xff\n4,a\0b\n5,ok\n"

    assert read(write(tmp_path, "a.csv", data)) == [
        ("line 2", "has fewer fields than the header names"),
        ("line 3", "has more fields than the header names"),
        ("line 5", "not UTF-8: save it as such (in Excel as CSV UTF-8), or convert it with iconv"),
        ("line 6", "holds a NUL byte"),
        ("line 7", {"id": "5", "text": "ok"}),
    ]


def test_a_header_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has a header that is not UTF-8: save it as such"):
        read(write(tmp_path, "a.csv", b"Fl\xe4che,text\n1,a\n"))


def test_a_csv_field_that_is_too_long_does_not_end_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", f"id,text\n1,{'x' * 101}\n2,{'x' * 100}\n3,{'x' * 101}\n")

    assert read(path, max_bytes=100) == [
        ("line 2", "not CSV: field larger than field limit (100)"),
        ("line 3", {"id": "2", "text": "x" * 100}),
        ("line 4", "not CSV: field larger than field limit (100)"),
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tsv", "id\ttext, of mine\n1\ta;b\n"),
        (
            "a.csv",
            "id;text, of mine\n1;a;b\n".replace("text, of mine", "text of mine").replace("a;b", '"a;b"'),
        ),
        ("a.csv", "id\ttext of mine\n1\ta;b\n"),
        ("a.CSV", '\ufeffid,"text of mine"\r\n1,a;b\r\n'),
    ],
)
def test_a_table_is_read_with_the_mark_that_parts_its_header(name: str, data: str, tmp_path: Path) -> None:
    [(place, row)] = read(write(tmp_path, name, data))

    assert place == "line 2"
    assert isinstance(row, dict)
    assert list(row.values()) == ["1", "a;b"]


@pytest.mark.parametrize(
    ("name", "data", "first"),
    [
        ("a.csv", "id|text\n1|a, b\n", {"id": "1", "text": "a, b"}),
        ("a.csv", "text, of mine;id\na, b;1\nc, d;2\n", {"text, of mine": "a, b", "id": "1"}),
        ("a.csv", 'id;"text, of; mine"\n1;a\n2;b\n', {"id": "1", "text, of; mine": "a"}),
        ("a.csv", "id,a|b\n1,x\n2,y\n", {"id": "1", "a|b": "x"}),
        ("a.tsv", "id,text\n1,a\n", {"id": "1", "text": "a"}),
        ("a.tsv", "id,no\ttext\n1\ta\n", {"id,no": "1", "text": "a"}),
        ("a.csv", "id,text\n1,a,b\n2,a,b\n", "has more fields than the header names"),
    ],
)
def test_the_mark_between_fields_is_that_by_which_rows_fit_the_header(
    tmp_path: Path, name: str, data: str, first: dict[str, str] | str
) -> None:
    assert read(write(tmp_path, name, data))[0] == ("line 2", first)


@pytest.mark.parametrize("line", ["sep=;\n", "\ufeffsep=;\r\n", '"sep=;"\n'])
def test_a_line_by_which_excel_names_the_mark_is_no_row(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, "a.csv", f"{line}id;text\n1;a, b\n")
    assert read(path) == [("line 3", {"id": "1", "text": "a, b"})]


def test_a_mark_is_found_where_the_first_rows_are_long(tmp_path: Path) -> None:
    long = "word, " * 20_000
    path = write(tmp_path, "a.csv", "id;text, mine\n" + "".join(f"{n};{long}\n" for n in range(3)))
    assert [row for _, row in read(path)] == [{"id": str(n), "text, mine": long} for n in range(3)]


def test_a_csv_row_without_end_is_broken_and_the_next_one_read(tmp_path: Path) -> None:
    wide = ",".join(["x" * 90] * 6)
    header = ",".join("abcdef")
    path = write(tmp_path, "a.csv", f"{header}\n{wide}\n1,2,3,4,5,6\n{wide}")

    assert read(path, max_bytes=100) == [
        ("line 2", "not CSV: row larger than 400 characters"),
        ("line 3", dict(zip("abcdef", "123456", strict=True))),
        ("line 4", "not CSV: row larger than 400 characters"),
    ]


def test_a_csv_header_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,id,text\na,1,b\n")
    with pytest.raises(InputError) as caught:
        read(path)

    assert (
        str(caught.value)
        == f"{path} has two columns of one name; seen: text. Rename one of them in its header."
    )


def test_a_csv_header_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has a header that is not CSV: field larger than field limit"):
        read(write(tmp_path, "a.csv", f"id,{'x' * 101}\n1,2\n"), max_bytes=100)


def test_parquet_rows_that_python_cannot_hold_are_broken_and_the_others_are_read(tmp_path: Path) -> None:
    binary = pa.array([b"one", b"\xff", "drei €".encode(), b"\xed\xa0\x80", b"five"])
    far = pa.array([1, 2, 3, 4, 10**9], pa.int32()).view(pa.date32())
    table = pa.table({"text": binary.cast(pa.binary()).view(pa.string()), "day": far})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")

    assert [place for place, _ in found] == [f"row {n}" for n in range(1, 6)]
    assert found[0][1] == {"text": "one", "day": datetime.date(1970, 1, 2)}
    assert found[2][1] == {"text": "drei €", "day": datetime.date(1970, 1, 4)}
    for position in (1, 3, 4):
        assert str(found[position][1]).startswith("not readable: ")


def test_texts_that_a_parquet_file_stores_as_bytes_or_a_dictionary_are_texts(tmp_path: Path) -> None:
    texts = ["one", "zwei €", None]
    data = [text and text.encode() for text in texts]
    table = pa.table(
        {
            "a": pa.array(data, pa.binary()),
            "b": pa.array(data, pa.large_binary()),
            "c": pa.array(texts).dictionary_encode(),
            "d": pa.array(data, pa.binary()).dictionary_encode(),
            "e": pa.array(texts, pa.large_string()),
            "f": pa.array([b"\xff", b"b", None], pa.binary()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")

    assert [row for _, row in read(tmp_path / "a.parquet")] == [
        {**dict.fromkeys("abcde", text), "f": raw}
        for text, raw in zip(texts, [b"\xff", b"b", None], strict=True)
    ]


def test_a_parquet_map_is_an_object_and_one_with_a_key_twice_is_broken(tmp_path: Path) -> None:
    maps = pa.array([[("a", 1)], [("a", 1), ("a", 2)], None], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({"m": maps}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")

    assert (found[0], found[2]) == (("row 1", {"m": {"a": 1}}), ("row 3", {"m": None}))
    assert str(found[1][1]).startswith("not readable: ")


def test_a_parquet_file_of_many_rows_is_read_whole_and_in_order(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(10_000)}), tmp_path / "a.parquet", row_group_size=3_000)

    assert [row["n"] for _, row in read(tmp_path / "a.parquet") if isinstance(row, dict)] == list(
        range(10_000)
    )


def test_a_parquet_file_cut_or_altered_anywhere_is_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b", "c"] * 20, "n": range(60)}), path, compression="zstd")
    data = path.read_bytes()
    refused: list[str] = []
    altered = [data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :] for i in range(0, len(data), 3)]
    for version in [data[:size] for size in range(0, len(data), 11)] + altered:
        path.write_bytes(version)
        try:
            read(path)
        except InputError as exc:
            refused.append(str(exc))
    assert len(refused) > 100
    assert all(message.isprintable() and "None" not in message for message in refused)


def test_a_file_that_is_not_there_is_a_folder_or_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, problem in {
        "nowhere.jsonl": "cannot be read: No such file or directory. Check the path.",
        "folder.csv": "cannot be read: it is a folder. Check the path.",
        "a.txt": f"is of a kind that is not read; seen: .txt; allowed: {KINDS}",
        "a": f"is of a kind that is not read; seen: no suffix; allowed: {KINDS}",
        "a.txt.gz": f"is of a kind that is not read; seen: .gz; allowed: {KINDS}",
        "a.gz": f"is of a kind that is not read; seen: .gz; allowed: {KINDS}",
        "a.parquet.gz": "is Parquet, which is packed inside. Unpack the file.",
        "a.arrow.zst": "is Arrow, which is read by its batches. Unpack the file.",
    }.items():
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name} {problem}"
        assert caught.value.exit_code == 2


def test_the_kind_is_the_suffix_in_lower_case() -> None:
    assert kind_of(Path("a.b/C.JSONL")) == ".jsonl"


def test_a_file_that_must_be_whole_is_refused_at_its_first_broken_record(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"n": 1}\nnull\n{"n": 3}\n[]\n')
    records = read_strictly(path, max_bytes=1000)

    assert next(records) == ("line 1", {"n": 1})
    with pytest.raises(InputError) as caught:
        next(records)
    assert str(caught.value) == f"{path}: line 2: not an object but null"


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"body": "x", "id": 1}, "there is no column 'text'; allowed: body, id"),
        ({}, "there is no column 'text'; allowed: no columns"),
        ({"text": None}, "column 'text' is not text"),
        ({"text": 5}, "column 'text' is not text; seen: 5"),
        ({"text": ["x"]}, "column 'text' is not text; seen: ['x']"),
        ({"text": "a\0b"}, "column 'text' holds a NUL character; seen: a�b"),
        ({"text": ""}, "column 'text' is empty"),
        ({"text": " \n\t "}, "column 'text' is empty"),
    ],
)
def test_a_column_without_text_is_refused(record: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        require_text(record, "text", where="line 7")

    assert str(caught.value) == f"line 7: {problem}"


def test_text_is_given_back_as_it_stands() -> None:
    assert require_text({"text": "  x\n"}, "text", where="line 7") == "  x\n"


def test_an_item_of_a_list_that_is_longer_than_any_record_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"a": ["x" * 3_000]}, {"a": "y"}]), encoding="utf-8")
    (_, long), (_, short) = read_records(path, max_bytes=1_000)
    assert isinstance(long, Broken)
    assert long.reason == "too long: 3001 characters; allowed: at most 1000 bytes"
    assert short == {"a": "y"}
