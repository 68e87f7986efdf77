"""What cannot be read at all is one refusal before any work, with the line that mends it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.dataset_check import check_dataset
from synth_stack.inputs.foreign import open_dataset, open_records
from tests.foreign_rows import list_lines, read, turns, write_lines


@pytest.mark.parametrize(
    ("rows", "named", "message"),
    [
        (
            [{"id": 1, "customer_message": "a", "agent_reply": "b"}],
            {},
            "memory: no column says what the text is; seen: id, customer_message, agent_reply; allowed: messages, "
            "conversations, conversation, instruction, prompt, question, query, inputs, text. Name them: "
            "--map prompt=customer_message,answer=agent_reply",
        ),
        (
            [{"version": "1", "data": [{"question": "q"}]}],
            {},
            "memory: no column says what the text is; seen: version, data; allowed: messages, conversations, "
            "conversation, instruction, prompt, question, query, inputs, text. Are the rows in 'data'? Write that list to a "
            "file of its own.",
        ),
        (
            [{"prompt": "p", "reply": "a"}] * 3,
            {"prompt": "question", "answer": "reply"},
            "memory: the map names a column that is not there; seen: question; allowed: prompt, reply",
        ),
        (
            [{"prompt": "p", "reply": "a"}] * 3,
            {"answer": "replies"},
            "memory: the map names a column that is not there; seen: replies; allowed: prompt, reply",
        ),
        (
            [{"messages": ["Hi"]}] * 3,
            {},
            "memory: none of its 3 rows can be read; seen: row 1: column 'messages' is not a list of turns. See "
            "docs/curate.md for what is read.",
        ),
        (
            [{"\x1b[31m" + "c" * 500: "a"}],
            {},
            f"memory: no column says what the text is; seen: \N{REPLACEMENT CHARACTER}[31m{'c' * 55}; allowed: messages",
        ),
        ([{}], {}, "memory: no column says what the text is; seen: no columns; allowed: messages"),
        ([{"body": None}], {}, "memory: no column says what the text is; seen: body; allowed: messages"),
        ([{f"c{n}": 1 for n in range(50)}], {}, "memory: no column says what the text is; seen: c0, c1, c2"),
    ],
)
def test_a_dataset_of_which_no_row_can_be_read_is_refused(
    rows: list[Any], named: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_dataset(open_records(rows, "memory", named=named))

    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


def test_a_mapped_column_may_be_left_out_of_rows_and_of_whole_files(tmp_path: Path) -> None:
    check_dataset(
        open_records(
            [{"prompt": "p"}] * 500 + [{"prompt": "p", "reply": "a"}], "m", named={"answer": "reply"}
        )
    )
    write_lines(tmp_path / "a.jsonl", [{"prompt": "p"}])
    write_lines(tmp_path / "b.jsonl", [{"prompt": "p", "reply": "a"}])
    check_dataset(open_dataset(tmp_path, named={"answer": "reply"}))
    with pytest.raises(InputError, match="the map names a column that is not there; seen: rest"):
        check_dataset(open_dataset(tmp_path, named={"answer": "rest"}))


def test_each_file_of_a_folder_is_looked_at(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "x"}])
    write_lines(tmp_path / "b.jsonl", [{"body": "x"}, {"body": "y"}])
    (tmp_path / "c.jsonl").touch()
    with pytest.raises(InputError) as caught:
        check_dataset(open_dataset(tmp_path))
    assert str(caught.value).startswith(
        f"{tmp_path.name}: b.jsonl: no column says what the text is; seen: body; "
    )

    dataset = check_dataset(open_dataset(tmp_path, skip_broken=True))
    one, other = read(dataset)
    assert one["text"] == "x"
    assert other["failure"].startswith(
        "broken record: b.jsonl: broken shard, all of it is skipped: "
        f"{tmp_path.name}: b.jsonl: no column says what the text is; seen: body; "
    )
    assert list_lines(dataset) == ["skipped c.jsonl: holds no rows: 1 file"]


def test_where_nothing_can_be_read_skipping_does_not_help(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"body": "x"}])
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(InputError, match="no column says what the text is"):
        check_dataset(open_dataset(tmp_path, skip_broken=True))
    with pytest.raises(InputError, match=r"b\.json is neither one list of objects nor one object a line"):
        check_dataset(open_dataset(tmp_path / "b.json"))
    for name in ("a.jsonl", "b.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(InputError, match="holds no rows"):
        check_dataset(open_dataset(tmp_path))


def test_a_file_is_looked_at_up_to_its_first_row_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    data = gzip.compress(
        b"".join(json.dumps({"text": f"{n} {n * 7919}"}).encode() + b"\n" for n in range(300_000))
    )
    path.write_bytes(data[:-9])  # it breaks off, far behind the row that is looked for

    assert check_dataset(open_dataset(path)).parts


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: pq.write_table(pa.table([["a"], ["b"]], ["text", "text"]), p), "has two columns of one name; seen: text"),
        (lambda p: p.write_bytes(b"PAR1 and nothing"), "is not a readable Parquet file"),
    ],
)  # fmt: skip
def test_a_parquet_file_that_cannot_be_read_whole_is_refused(
    write: Any, message: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        check_dataset(open_dataset(tmp_path / "a.parquet"))


def test_the_conversation_columns_of_a_file_are_no_list_of_rows() -> None:
    with pytest.raises(InputError, match="--map messages=dialog"):
        check_dataset(open_records([{"dialog": turns("a", "b")}], "memory"))


def test_a_table_without_a_header_is_told_to_have_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("How do I clean the lamp in the hall?,With a dry cloth.\nAnd the chair?,With water.\n")
    with pytest.raises(InputError, match="The first line seems to be a row: put a line above it"):
        check_dataset(open_dataset(path))
