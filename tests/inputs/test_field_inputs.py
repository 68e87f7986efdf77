"""Small inputs of the kinds that people bring, each with every row that should come out of it.

Those in `shared/data/field` beside the checkout are read too, where they are there.
"""

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.inputs.dataset_check import check_dataset
from synth_stack.inputs.foreign import open_dataset
from tests.foreign_rows import list_lines, read, turns, write_lines

FIELD = Path(__file__).parents[3] / "shared" / "data" / "field"
needs_field = pytest.mark.skipif(not FIELD.exists(), reason="no field inputs beside the checkout")

LAMP = "Which lamp is the brightest one here?"
ANSWER = "The one over the door."
CHAT = turns(LAMP, ANSWER)


def read_whole(path: Path) -> list[dict[str, Any]]:
    """The rows of an input, none of which may be broken."""
    rows = read(check_dataset(open_dataset(path)))
    assert [row["failure"] for row in rows] == [None] * len(rows)
    return rows


def test_chats_of_every_shape_in_one_file(tmp_path: Path) -> None:
    bad = {"role": "assistant", "content": "The one under the bed."}
    path = write_lines(
        tmp_path / "in.jsonl",
        [
            {"id": "1", "messages": [{"role": t["role"], "content": [{"type": "text", "text": t["content"]}]} for t in CHAT]},
            {"id": "2", "messages": [{"role": t["role"].title(), "content": t["content"]} for t in CHAT]},
            {"id": "3", "conversations": [{"from": "human", "value": LAMP}, {"from": "chatgpt", "value": ANSWER}]},
            {"id": "4", "messages": json.dumps(CHAT)},
            {"id": "5", "prompt": CHAT[:1], "completion": CHAT[1:]},
            {"id": "6", "prompt": LAMP, "chosen": CHAT, "rejected": [CHAT[0], bad]},
            {"id": "7", "prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": [bad]},
        ],
    )  # fmt: skip
    rows = read_whole(path)

    assert [row["source_id"] for row in rows] == list("1234567")
    assert [row["messages"] for row in rows[:5]] == [CHAT] * 5
    for row in rows[5:]:
        assert row["messages"] == CHAT[:1]
        assert row["alternatives"] == [
            {"label": "chosen", "messages": CHAT[1:]},
            {"label": "rejected", "messages": [bad]},
        ]
    assert list_lines(open_dataset(path)) == []


def test_ids_that_are_long_or_empty(tmp_path: Path) -> None:
    first = 10**38
    lines = [f'{{"id": {first + n}, "prompt": "{LAMP}", "answer": "{n}"}}\r\n' for n in range(3)]
    (tmp_path / "long.jsonl").write_text("".join(lines), newline="")
    (tmp_path / "empty.csv").write_text("ID,Prompt,Answer\n" + f",{LAMP},{ANSWER}\n" * 3)

    assert [row["source_id"] for row in read_whole(tmp_path / "long.jsonl")] == [
        str(first + n) for n in range(3)
    ]
    assert [row["source_id"] for row in read_whole(tmp_path / "empty.csv")] == [None] * 3


def test_a_folder_as_it_comes_from_elsewhere(tmp_path: Path) -> None:
    record = {"instruction": LAMP, "output": ANSWER}
    line = json.dumps(record).encode() + b"\n"
    for name, data in {
        "part-0.jsonl": line,
        "part-1.jsonl.gz": gzip.compress(line),
        "part-2.json": line * 2,
        "nested/part-3.json.bz2": bz2.compress(b"[" + line + b"]"),
        "._part-0.jsonl": b"\x00\x05\x16\x07",
        "dataset_infos.json": b'{"default": {"splits": {}}}',
        ".ipynb_checkpoints/part-0-checkpoint.jsonl": line,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "part-4.parquet")

    assert [row["messages"] for row in read_whole(tmp_path)] == [CHAT] * 6
    assert set(list_lines(open_dataset(tmp_path))) == {
        "skipped .ipynb_checkpoints: hidden: 1 file",
        "skipped ._part-0.jsonl: hidden: 1 file",
        "skipped dataset_infos.json: describes data and holds none: 1 file",
    }


def test_nulls_before_the_column_that_holds_something(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"instruction": LAMP, "output": None, "response": ANSWER},
        {"instruction": None, "output": None, "prompt": LAMP, "completion": ANSWER},
        {"instruction": "", "prompt": LAMP, "output": ANSWER},
        {"messages": [], "instruction": LAMP, "output": ANSWER},
        {"messages": [{"role": None, "content": None, "from": "human", "value": LAMP},
                      {"role": None, "content": None, "from": "gpt", "value": ANSWER}]},
    ]  # fmt: skip
    write_lines(tmp_path / "in.jsonl", rows)
    names = sorted({name for row in rows for name in row})
    union = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])
    pq.write_table(union, tmp_path / "union.parquet")

    for name in ("in.jsonl", "union.parquet"):
        found = read_whole(tmp_path / name)
        assert [row["messages"] for row in found] == [CHAT] * 5
        assert [row["extra"] for row in found] == [None] * 5


def test_what_a_turn_holds_besides_its_text(tmp_path: Path) -> None:
    call = {"name": "set_lamp", "arguments": '{"on":true}'}
    path = write_lines(
        tmp_path / "in.jsonl",
        [
            {"messages": [CHAT[0], {**CHAT[1], "tool_calls": [{"id": "c", "type": "function", "function": call}]}], "tools": [{"name": "set_lamp"}]},
            {"messages": [CHAT[0], {**CHAT[1], "reasoning_content": "It is bright there."}]},
            {"messages": [CHAT[0], {**CHAT[1], "weight": 0}]},
            {"messages": [{**CHAT[0], "name": "Ada"}, {**CHAT[1], "function_call": call}]},
        ],
    )  # fmt: skip
    called, reasoned, weighed, named = read_whole(path)

    assert called["messages"][1] == {**CHAT[1], "tool_calls": [{"id": "c", **call}]}
    assert called["tools"] == '[{"name":"set_lamp"}]'
    assert reasoned["messages"][1]["reasoning"] == "It is bright there."
    assert weighed["extra"] == '{"messages":{"1":{"weight":0}}}'
    assert named["messages"] == [{**CHAT[0], "name": "Ada"}, {**CHAT[1], "tool_calls": [call]}]
    assert list_lines(open_dataset(path)) == ["kept turn key 'weight': in extra: 1 turn"]


def test_metadata_as_python_writes_it(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(
        f'{{"prompt": "{LAMP}", "answer": "{ANSWER}", "score": NaN, "of": {10**30}}}\n'
    )

    assert [row["extra"] for row in read_whole(tmp_path / "in.jsonl")] == [
        f'{{"of":"{10**30}","score":"NaN"}}'
    ]


@needs_field
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("chat-shapes/in.jsonl", 7),
        ("ids/big_ids.jsonl", 3),
        ("ids/empty_ids.csv", 3),
        ("folder-of-shards/half", 2),
        ("folder-of-shards/hf", 2),
        ("folder-of-shards/mac", 2),
        ("folder-of-shards/lines.json", 2),
        ("null-hides-column/in.jsonl", 5),
        ("null-hides-column/union.parquet", 4),
        ("turn-keys-lost/in.jsonl", 4),
    ],
)
def test_an_input_from_the_field_is_read_whole(name: str, rows: int) -> None:
    found = read_whole(FIELD / name)

    assert len(found) == rows
    assert all(row["messages"] for row in found)
