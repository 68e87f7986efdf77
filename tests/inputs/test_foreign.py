"""Somebody else's rows: every record becomes one row, in order, whole or with the reason why not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import InputError, name_type
from synth_stack.inputs import foreign
from synth_stack.inputs.dataset_check import check_dataset
from synth_stack.inputs.foreign import SHARD_ROWS, open_dataset, open_records, read_candidates
from synth_stack.inputs.foreign_rows import read_messages
from synth_stack.inputs.plain_values import MAX_DEPTH
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, recompute_row_ids
from tests.examples import examples
from tests.foreign_rows import read, read_one, turns, write_lines
from tests.packs.hub.hub_loopback import Repository, run_hub

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "code_alpaca" / "code_alpaca_2k.json"

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "id",
        "ID",
        "text",
        "instruction",
        "input",
        "output",
        "messages",
        "slice",
        "role",
        "n",
        "chosen",
        "rejected",
        "tools",
        "context",
        "system",
        "history",
        "chosen_rating",
    ]
)
chats = st.lists(
    st.dictionaries(
        st.sampled_from(
            ["role", "from", "content", "value", "tool_calls", "function_call", "weight", "parts"]
        ),
        st.sampled_from(["user", "Assistant", "tool", "function_call", '{"name": "f"}']) | values,
        max_size=4,
    ),
    max_size=3,
)
records = st.lists(
    st.dictionaries(keys | st.text(max_size=3), values | chats, max_size=6) | values, max_size=6
)


@pytest.mark.parametrize(
    ("record", "messages"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, turns("Add.\n\n1, 2", "3")),
        ({"instruction": "Add.", "input": " ", "output": "3"}, turns("Add.", "3")),
        ({"instruction": "Add.", "input": None, "output": "3"}, turns("Add.", "3")),
        ({"instruction": "Add.", "output": "3"}, turns("Add.", "3")),
        ({"prompt": "Hi", "completion": "Hello"}, turns("Hi", "Hello")),
        ({"question": "Why?", "answer": "So."}, turns("Why?", "So.")),
        ({"question": "Why?", "answer": None}, turns("Why?")),
        ({"query": "Why?", "response": "So."}, turns("Why?", "So.")),
        ({"messages": turns("Hi", "Hello", "Bye")}, turns("Hi", "Hello", "Bye")),
        (
            {"messages": [{"role": "system", "content": "Be brief."}, *turns("Hi", "Hello")]},
            [{"role": "system", "content": "Be brief."}, *turns("Hi", "Hello")],
        ),
        (
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
            turns("Hi", "Hello"),
        ),
        ({"messages": None, "prompt": "Hi", "response": "Hello"}, turns("Hi", "Hello")),
        ({"messages": turns("Hi"), "prompt": 5}, turns("Hi")),
    ],
)
def test_a_conversation_is_found_under_the_names_that_datasets_use(
    record: dict[str, Any], messages: list[dict[str, str]]
) -> None:
    row = read_one(record)

    assert read_messages(record) == row["messages"] == messages
    assert row["text"] == "\n\n".join(message["content"] for message in messages)
    assert row["failure"] is None


def test_a_text_without_a_conversation_is_a_row_without_messages() -> None:
    row = read_one({"text": "Just prose."})

    assert (row["messages"], row["text"], row["failure"]) == ([], "Just prose.", None)
    assert read_one({"text": "x", "messages": []})["text"] == "x"


def test_a_row_names_where_it_comes_from(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "a.jsonl", [{"text": "x"}, {"text": "y", "id": 7, "slice": "a/b", "locale": "de"}]
    )
    dataset = open_dataset(path)
    first, second = read(dataset)

    assert dataset.name == "a.jsonl"
    assert {first["seed_id"], second["seed_id"]} == {f"sha256:{dataset.sha256}"}
    assert [row["draw"] for row in (first, second)] == [0, 1]
    assert [row["source_id"] for row in (first, second)] == [None, "7"]
    assert (second["slice"], second["locale"], second["kind"]) == ("a/b", "de", "foreign")
    assert not second["replayable"]


@pytest.mark.parametrize(
    ("record", "rest"),
    [
        ({"text": "x", "stars": 5, "tags": ["a", None]}, {"stars": 5, "tags": ["a", None]}),
        ({"text": "x", "score": 0.5, "big": 2**70, "raw": b"\xff", "name": b"\xc3\xa9"}, {
            "score": "0.5", "big": str(2**70), "raw": "b'\\xff'", "name": "é",
        }),
        ({"question": "q", "input": "ctx", "output": "o", "answer": "a"}, {"input": "ctx", "answer": "a"}),
        ({"messages": turns("Hi"), "text": "t", "prompt": "p"}, {"text": "t", "prompt": "p"}),
        ({"text": "x", "a\ud800": "b\ud800"}, {"a?": "b?"}),
        ({"text": "x", 3: "three"}, {"3": "three"}),
        ({"text": "x", None: "none"}, {"None": "none"}),
        ({"prompt": "x", "answer": "y", None: "none"}, {"None": "none"}),
        ({"text": "x", 3: "three", "3": "text"}, {"3": "three", "3_": "text"}),
    ],
)  # fmt: skip
def test_a_column_that_is_no_field_of_ours_is_kept(record: dict[Any, Any], rest: dict[str, Any]) -> None:
    row = read_one(record)

    assert row["failure"] is None
    assert json.loads(row["extra"]) == rest


def test_a_record_that_the_fields_hold_whole_has_nothing_extra() -> None:
    assert read_one({"id": 1, "instruction": "a", "input": "b", "output": "c", "slice": "s"})["extra"] is None


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"text": None}, "column 'text' is null"),
        ({"text": 5}, "column 'text' holds int, not text"),
        ({"text": ["a"]}, "column 'text' holds list, not text"),
        ({"text": "\ud800"}, "column 'text' is not valid Unicode: a lone surrogate"),
        ({"instruction": None, "output": "x"}, "column 'instruction' is null"),
        ({"instruction": "a", "input": 3, "output": "x"}, "column 'input' holds int, not text"),
        ({"instruction": "a", "output": {"b": 1}}, "column 'output' holds dict, not text"),
        ({"messages": "Hi"}, "column 'messages' is not a list of turns"),
        ({"messages": ["Hi"]}, "column 'messages' is not a list of turns"),
        ({"messages": [{"role": "user"}]}, "column 'messages' has a turn without role or text"),
        ({"messages": [{"content": "Hi"}]}, "column 'messages' has a turn without role or text"),
        ({"messages": [{"role": 1, "content": "Hi"}]}, "column 'messages' has a turn without role or text"),
        (
            {"messages": [{"role": "user", "content": "\udfff"}]},
            "column 'messages' is not valid Unicode: a lone surrogate",
        ),
        ({"messages": []}, "column 'messages' is empty"),
        ({"prompt": [], "completion": "x"}, "column 'prompt' is empty"),
        ({"body": "x"}, "column 'text' is missing"),
        ({}, "column 'text' is missing"),
        ({"text": "x", "slice": 3}, "column 'slice' holds int, not text"),
        ({"text": "x", "locale": ["de"]}, "column 'locale' holds list, not text"),
        ({"text": "x", "id": {"a": 1}}, "column 'id' holds dict, not a name"),
    ],
)
def test_a_record_that_cannot_be_read_is_a_row_with_the_reason_and_keeps_what_it_held(
    record: dict[str, Any], reason: str
) -> None:
    row = read_one(record)

    assert row["failure"] == f"broken record: row 1: {reason}"
    assert (row["messages"], row["text"]) == ([], None)
    assert set(json.loads(row["extra"] or "{}")) == set(record)


@pytest.mark.parametrize("record", [5, "text", None, ["text"]])
def test_what_is_no_record_is_a_row_with_the_reason(record: object) -> None:
    assert read_one(record)["failure"] == (f"broken record: row 1: not an object but {name_type(record)}")


def test_a_record_that_is_nested_too_deep_is_a_row_with_the_reason(tmp_path: Path) -> None:
    def nest(depth: int) -> str:
        return '{"text": "x", "m": ' + "[" * depth + "]" * depth + "}\n"

    path = tmp_path / "a.jsonl"
    path.write_text(
        nest(MAX_DEPTH)
        + nest(MAX_DEPTH + 2)
        + nest(900)
        + '{"text": "x", "id": '
        + "[" * 900
        + "]" * 900
        + "}"
    )
    rows = read(open_dataset(path))

    deep = f"nested deeper than {MAX_DEPTH} levels"
    assert [row["failure"] for row in rows] == [
        None,
        f"broken record: line 2: {deep}",
        f"broken record: line 3: {deep}",
        "broken record: line 4: column 'id' holds list, not a name",
    ]


def test_a_second_row_of_one_id_is_kept_with_the_reason() -> None:
    rows = read(
        open_records([{"id": i, "text": f"t{n}"} for n, i in enumerate([1, "1", None, None, 2])], "m")
    )

    assert [row["failure"] for row in rows] == [
        None,
        "duplicate id: '1' stands in an earlier row",
        None,
        None,
        None,
    ]
    assert [row["text"] for row in rows] == ["t0", "t1", "t2", "t3", "t4"]


def test_equal_records_are_two_rows_with_two_ids() -> None:
    rows = read(open_records([{"text": "same"}, {"text": "same"}], "memory"))

    assert rows[0]["row_id"] != rows[1]["row_id"]


def test_a_text_of_10_mb_is_a_row_like_any_other(tmp_path: Path) -> None:
    rows = read(open_dataset(write_lines(tmp_path / "a.jsonl", [{"text": "x" * 10_000_000}, {"text": "y"}])))

    assert [len(row["text"]) for row in rows] == [10_000_000, 1]


def test_broken_lines_keep_their_place_between_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n{"text": \n{"text": "\xff"}\n[]\n{"text": "five"}\n')
    rows = read(open_dataset(path))

    assert [row["text"] for row in rows] == ["one", None, None, None, "five"]
    assert [row["draw"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[1]["failure"].startswith("broken record: line 2: not JSON: ")
    assert rows[2]["failure"] == "broken record: line 3: not UTF-8: byte 10 is 0xff"
    assert rows[3]["failure"] == "broken record: line 4: not an object but list"


@settings(max_examples=examples(60))
@given(drawn=records)
def test_any_records_in_memory_become_as_many_rows_that_carry_their_own_ids(drawn: list[Any]) -> None:
    dataset = open_records(drawn, "memory")
    table = pa.concat_tables([CANDIDATE_SCHEMA.empty_table(), *read_candidates(dataset)])

    assert table["draw"].to_pylist() == list(range(len(drawn)))
    assert table["row_id"].to_pylist() == recompute_row_ids(table)
    assert all(
        (row["text"] is None) == (row["failure"] or "").startswith("broken") for row in table.to_pylist()
    )


@settings(max_examples=examples(100))
@given(
    drawn=st.dictionaries(
        keys | st.text(max_size=3), st.text() | st.sampled_from(["[", "{}", "NaN"]), max_size=6
    )
)
def test_a_text_of_a_record_that_was_read_is_somewhere_in_its_row(drawn: dict[str, str]) -> None:
    row = read_one(drawn)
    held = json.dumps([row, json.loads(row["extra"] or "{}")], ensure_ascii=False)

    for text in drawn.values():
        if text.strip() and row["failure"] is None:
            clean = text.encode("utf-8", "replace").decode()
            assert json.dumps(clean, ensure_ascii=False)[1:-1] in held


def test_rows_come_in_shards_in_order_and_none_is_lost() -> None:
    tables = list(read_candidates(open_records([{"text": str(i)} for i in range(SHARD_ROWS + 1)], "memory")))

    assert [table.num_rows for table in tables] == [SHARD_ROWS, 1]
    texts = [text for table in tables for text in table["text"].to_pylist()]
    assert texts == [str(i) for i in range(SHARD_ROWS + 1)]


def test_a_shard_of_long_rows_has_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "SHARD_CHARS", 1_000)
    records = open_records([{"text": "x" * 400} for _ in range(8)], "memory")
    assert [table.num_rows for table in read_candidates(records)] == [3, 3, 2]


def test_the_same_rows_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    rows = [{"id": str(i), "question": f'q{i}, "x"', "answer": f"a{i}\nb"} for i in range(3)]
    write_lines(tmp_path / "a.jsonl", rows)
    (tmp_path / "a.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    quoted = "".join(f'{r["id"]},"q{i}, ""x""","a{i}\nb"\n' for i, r in enumerate(rows))
    (tmp_path / "a.csv").write_text(f"id,question,answer\n{quoted}")

    expected = [turns(row["question"], row["answer"]) for row in rows]
    for name in ("a.jsonl", "a.json", "a.parquet", "a.csv"):
        found = read(open_dataset(tmp_path / name))
        assert [row["messages"] for row in found] == expected
        assert [row["source_id"] for row in found] == ["0", "1", "2"]


def test_a_folder_is_its_shards_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    write_lines(tmp_path / "b" / "2.jsonl", [{"text": "three"}])
    write_lines(tmp_path / "a.jsonl", [{"text": "one"}, {"text": 2}])
    (tmp_path / "README.md").write_text("no shard")
    dataset = open_dataset(tmp_path)
    rows = read(dataset)

    assert dataset.name == tmp_path.name
    assert [row["text"] for row in rows] == ["one", None, "three"]
    assert rows[1]["failure"] == "broken record: a.jsonl, line 2: column 'text' holds int, not text"


def test_the_digest_is_that_of_the_bytes_and_of_the_order(tmp_path: Path) -> None:
    one = open_dataset(write_lines(tmp_path / "a.jsonl", [{"text": "x"}]))
    twin = open_dataset(write_lines(tmp_path / "b.jsonl", [{"text": "x"}]))
    other = open_dataset(write_lines(tmp_path / "c.jsonl", [{"text": "y"}]))
    folder = open_dataset(tmp_path)

    assert one.sha256 == twin.sha256 == "3d321bc5b361aa83fb8eaf842d9cde8f228a3e142d9b103276141268bb3a9f74"
    assert len({one.sha256, other.sha256, folder.sha256}) == 3
    (tmp_path / "c.jsonl").rename(tmp_path / "0.jsonl")
    assert open_dataset(tmp_path).sha256 != folder.sha256


def test_the_digest_of_records_in_memory_is_the_same_in_another_process() -> None:
    rows = [{"b": 1.5, "a": "é"}, {"text": "\ud800"}, {"n": 2**70, "text": "x"}, {1: [None, True]}]
    script = (
        f"from synth_stack.inputs.foreign import open_records\nprint(open_records({rows!a}, 'memory').sha256)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    digest = open_records(rows, "memory").sha256
    assert done.stdout.strip() == digest
    assert open_records([{"a": "é", "b": 1.5}, *rows[1:]], "memory").sha256 == digest
    assert open_records(rows[::-1], "memory").sha256 != digest
    assert open_records([*rows, rows[0]], "memory").sha256 != digest


def test_a_dataset_of_the_datasets_library_reads_like_a_list_of_its_rows() -> None:
    import datasets

    rows = [{"id": str(i), "instruction": f"i{i}", "input": None, "output": "o"} for i in range(5)]
    rows[3]["output"] = None
    loaded = open_records(datasets.Dataset.from_list(rows), "memory")

    assert loaded.sha256 == open_records(rows, "memory").sha256
    assert read(loaded) == read(open_records(rows, "memory"))
    assert [len(row["messages"]) for row in read(loaded)] == [2, 2, 2, 1, 2]


@pytest.mark.parametrize("source", [5, None, iter([{"text": "x"}]), (row for row in [{"text": "x"}])])
def test_what_cannot_be_read_more_than_once_is_refused(source: object) -> None:
    with pytest.raises(InputError) as caught:
        open_records(source, "records in memory")

    assert str(caught.value) == (
        f"records in memory cannot be read more than once; seen: {name_type(source)}; "
        "allowed: a list of mappings or a datasets.Dataset"
    )


def test_a_record_that_nothing_can_write_down_is_refused() -> None:
    with pytest.raises(InputError, match="a record in memory cannot be written down: Exceeds the limit"):
        open_records([{"text": "x", "n": 10**5000}], "memory")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "memory holds no rows"),
        (
            [5, {"body": "x", "stars": 3}],
            "memory: no column says what the text is; seen: body, stars; allowed: messages, conversations, "
            "conversation, instruction, prompt, question, query, inputs, text. Name them: --map text=body",
        ),
        (
            [5, 6],
            "memory: none of its 2 rows can be read; seen: row 1: not an object but int. See docs/curate.md",
        ),
        (
            [{"text": 5}],
            "memory: its one row cannot be read; seen: row 1: column 'text' holds int, not text.",
        ),
        ([{}], "memory: no column says what the text is; seen: no columns; allowed: messages, conversations"),
    ],
)
def test_a_dataset_without_rows_or_without_a_known_column_is_refused(rows: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_dataset(open_records(rows, "memory"))

    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


def test_a_dataset_with_one_row_that_can_be_read_is_read_whatever_stands_before_it() -> None:
    dataset = check_dataset(open_records([5, {"body": "x"}, {"text": "y"}], "memory"))

    assert [row["text"] for row in read(dataset)] == [None, None, "y"]


def test_what_is_not_there_or_of_an_unknown_kind_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for name, message in {
        "nowhere.jsonl": "does not exist. Check the path.",
        "empty": "holds no shard; allowed: .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow; "
        "packed as .gz, .gzip, .zst, .zstd, .bz2",
        "notes.txt": "is of a kind that is not read; seen: .txt; "
        "allowed: .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow; packed as .gz, .zst or .bz2",
    }.items():
        with pytest.raises(InputError) as caught:
            open_dataset(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name} {message}"


def test_a_shard_that_is_a_link_to_nothing_is_not_passed_over(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "x"}])
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"b\.jsonl does not exist. Check the path."):
        open_dataset(tmp_path)


def test_a_name_that_is_neither_here_nor_on_the_hub_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError) as caught:
        open_dataset("nobody-of-that-name/no-such-set")

    message = str(caught.value)
    assert message.startswith(
        "nobody-of-that-name/no-such-set is neither a file or folder here nor a dataset that the Hub gives: "
    )
    assert message.endswith(
        ". Check the path, or the Hub name (owner/name, owner/name:CONFIG:SPLIT) and your network."
    )
    assert message.isprintable()


@pytest.mark.corpora
@pytest.mark.skipif(not CORPUS.exists(), reason="no public corpora beside the checkout")
def test_code_alpaca_is_read_whole_and_in_order() -> None:
    source = json.loads(CORPUS.read_text(encoding="utf-8"))
    rows = read(open_dataset(CORPUS))

    assert len(rows) == len(source) > 2000
    assert all(row["failure"] is None for row in rows)
    assert [row["messages"][1]["content"] for row in rows] == [record["output"] for record in source]
    assert sum("\n\n" in row["messages"][0]["content"] for row in rows) >= sum(
        bool(record["input"].strip()) for record in source
    )


HUB_READER = """
import json, sys
from synth_stack.inputs.foreign import open_dataset
for name in sys.argv[1:]:
    try:
        found = open_dataset(name)
        print(json.dumps({part.name: len(list(part.read())) for part in found.parts}))
    except Exception as exc:
        print(json.dumps(str(exc)))
"""


def test_all_splits_of_a_hub_dataset_are_read_or_those_that_its_name_says(tmp_path: Path) -> None:
    rows = {"train": 3, "test": 2}
    shard = {name: b'{"prompt": "Hello", "answer": "Hi"}\n' * count for name, count in rows.items()}
    configs = "".join(f"- config_name: {n}\n  data_files: {n}/data.jsonl\n" for n in ("a", "b"))
    with run_hub() as hub:
        one, two = Repository(private=False), Repository(private=False)
        one.add({f"data/{name}.jsonl": data for name, data in shard.items()})
        two.add(
            {
                "a/data.jsonl": shard["train"],
                "b/data.jsonl": shard["test"],
                "README.md": f"---\nconfigs:\n{configs}---\n".encode(),
            }
        )
        hub.repositories |= {"shop/faq": one, "shop/two": two}
        told = subprocess.run(
            [sys.executable, "-c", HUB_READER, "shop/faq", "shop/faq::test", "shop/two", "shop/two:b"],
            env={
                **os.environ,
                "HF_ENDPOINT": hub.endpoint,
                "HF_HOME": str(tmp_path),
                "HF_HUB_OFFLINE": "0",
                "HF_DATASETS_OFFLINE": "0",
            },
            capture_output=True,
            text=True,
            check=True,
        )
    both, test, unsaid, second = [json.loads(line) for line in told.stdout.splitlines()]
    assert both == rows
    assert test == {"shop/faq::test": 2}
    assert "Please pick one among the available configs: ['a', 'b']. Check" in unsaid
    assert second == {"shop/two:b": 2}


@pytest.mark.parametrize("name", ["no/such.xlsx", "../no/such/folder", "a/b/c", "no such file", "a/b:c:d:e"])
def test_a_path_that_is_no_name_of_the_hub_is_not_asked_for_there(name: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(name)} does not exist. Check the path.$"):
        open_dataset(name)
