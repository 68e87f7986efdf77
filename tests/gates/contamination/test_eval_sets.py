import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.gates.contamination.eval_forms import MAX_FIELD_CHARS
from synth_stack.gates.contamination.eval_sets import EvalItems, load_eval_set, name_item, show_item
from synth_stack.inputs.foreign import Dataset, open_records
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.registry import config_error
from tests.gates.contamination.exams import Reachable

ITEMS: list[dict[str, Any]] = [
    {"task_id": "A/0", "question": "How many?", "answer": "Four."},
    {"task_id": "A/1", "question": "Quelle heure, “café” ?", "answer": None},
]
CHECK = "def check(candidate):\n    assert candidate(2) == 4\n"


def load(path: Path, **columns: str) -> EvalItems:
    return load_eval_set(NamedEvalSet(name="set", path=str(path), **columns))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_every_format_gives_the_same_items(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ITEMS), tmp_path / "x.parquet")
    files = [
        write(tmp_path / "x.jsonl", "\n".join(json.dumps(i) for i in ITEMS) + "\n\n"),
        write(tmp_path / "x.json", json.dumps(ITEMS, ensure_ascii=False)),
        write(tmp_path / "bom.JSON", b"\xef\xbb\xbf" + json.dumps(ITEMS).encode()),
        tmp_path / "x.parquet",
    ]
    for file in files:
        loaded = load(file)
        assert loaded.ids == ["A/0", "A/1"]
        assert loaded.prompts == ["How many?", "Quelle heure, “café” ?"]
        assert loaded.answers == ["Four.", None]
        assert loaded.entry_points == loaded.tests == [None, None]
        assert loaded.testable == 0
        assert loaded.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_csv_keeps_quoted_newlines_and_calls_items_by_position(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.csv", 'instruction,output\n"a, ""b""\nc",1\nd,\n'))
    assert (loaded.ids, loaded.prompts, loaded.answers) == (["0", "1"], ['a, "b"\nc', "d"], ["1", ""])


def test_unicode_line_separators_do_not_end_a_json_line(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.jsonl", json.dumps({"prompt": "a\u2028b\u0085c"}, ensure_ascii=False)))
    assert loaded.prompts == ["a\u2028b\u0085c"]


def test_named_columns_override_the_usual_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", json.dumps([{"prompt": "no", "q": "yes", "gold": 7, "n": 3}]))
    loaded = load(path, prompt="q", answer="gold", id="n")
    assert (loaded.prompts, loaded.answers, loaded.ids) == (["yes"], ["7"], ["3"])


@pytest.mark.parametrize(
    "columns", [("prompt", "response"), ("question", "canonical_solution"), ("instruction", "output")]
)
def test_usual_columns_are_understood(tmp_path: Path, columns: tuple[str, str]) -> None:
    loaded = load(write(tmp_path / "x.json", json.dumps([dict(zip(columns, ("p", "a"), strict=True))])))
    assert (loaded.prompts, loaded.answers) == (["p"], ["a"])


def test_entry_points_and_tests_are_kept_where_an_item_has_them(tmp_path: Path) -> None:
    items = [{"prompt": "Double x.", "entry_point": "double", "test": CHECK}, {"prompt": "Rest."}]
    loaded = load(write(tmp_path / "x.json", json.dumps(items)))
    assert (loaded.entry_points, loaded.tests) == (["double", None], [CHECK, None])
    assert loaded.testable == 1


def test_entry_points_and_tests_may_stand_in_other_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", json.dumps([{"prompt": "Double x.", "f": "double", "t": CHECK}]))
    assert load(path, entry_point="f", test="t").testable == 1
    with pytest.raises(ConfigError, match="an entry point and its test go together"):
        load(path, entry_point="f")
    with pytest.raises(ConfigError, match="test names a column that is not there; seen: u"):
        load(path, entry_point="f", test="u")


def test_a_column_called_test_alone_is_not_read(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.json", json.dumps([{"prompt": "a", "test": [True]}])))
    assert loaded.tests == [None]


def test_an_item_is_named_and_shown_cut(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "x.json", json.dumps([{"id": "i" * 100, "prompt": "p" * 900}])))
    assert name_item(loaded, 0) == "set/" + "i" * 80
    shown = show_item(loaded, 0, loaded.prompts[0])
    assert shown == {"eval_set": "set", "item": "i" * 100, "item_text": "p" * 500}
    assert show_item(loaded, 0, None)["item_text"] == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", "", "has no items"),
        ("x.jsonl", " \n\n", "has no items"),
        ("x.json", "[]", "has no items"),
        ("x.csv", "prompt,answer\n", "has no items"),
        ("x.jsonl", b'{"prompt": "caf\xe9"}', "line 1: not UTF-8"),
        ("x.csv", b"prompt\ncaf\xe9\n", "line 2: not UTF-8"),
        ("x.jsonl", '{"prompt": "a"}\n{"prompt"', "line 2: not JSON"),
        ("x.jsonl", '{"prompt": ' + "[" * 100_000, "line 1: not JSON"),
        ("x.json", '"a"', "is not a list of objects; seen: str"),
        ("x.json", '["a"]', "item 1: not an object but str"),
        ("x.parquet", "PAR1", "is not a readable Parquet file"),
        ("x.csv", 'prompt\n"open', "line 2: not CSV: unexpected end of data"),
        ("x.csv", "prompt,answer\na,b,c\n", "has more fields than the header names"),
        ("x.csv", b"caf\xe9?,a,b,c,d,A\n", "has a header that is not UTF-8"),
        ("x.csv", "prompt\na\n".encode("utf-16-be"), "is UTF-16 without a byte order mark"),
        ("x.txt", "a", "is of a kind that is not read"),
        (
            "x.jsonl",
            '{"prompt": "a"}\n{"foo": "b"}',
            "line 2 has no prompt column; seen: foo",
        ),
        (
            "x.json",
            '[{"prompt": " ", "answer": "9"}, {"prompt": null}]',
            "has no item with a prompt, a passage",
        ),
        ("x.json", '[{"prompt": [1]}]', "item 1: prompt is not text"),
        ("x.json", '[{"prompt": "a", "answer": {"b": 1}}]', "item 1: answer is not text"),
        ("x.json", '[{"prompt": "a", "id": {"b": 1}}]', "item 1: id is not text"),
        (
            "x.json",
            '[{"prompt": "a", "test": "b", "entry_point": 1.5e3}, {"entry_point": "f", "test": true}]',
            "item 2: test is",
        ),
        ("x.json", json.dumps([{"prompt": "a" * (MAX_FIELD_CHARS + 1)}]), "item 1: prompt is too long"),
        ("x.json", json.dumps([{"prompt": "a", "id": "b" * 201}]), "item 1: id is no name; seen: 201 char"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(write(tmp_path / name, content))
    assert str(caught.value).startswith("eval set set")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"eval set set: .*gone\.jsonl cannot be read"):
        load(tmp_path / "gone.jsonl")


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", json.dumps([{"prompt": "a", "extra": 1}]))
    with pytest.raises(
        ConfigError, match="answer names a column that is not there; seen: gold; allowed: prompt, extra"
    ):
        load(path, answer="gold")
    with pytest.raises(ConfigError, match="has no prompt column; seen: b"):
        load(write(tmp_path / "y.json", '[{"b": "a"}]'))


def test_a_set_from_the_hub_is_read_by_whoever_may_reach_it() -> None:
    asked: list[tuple[str | None, ...]] = []

    def open_hub(*named: str | None) -> Dataset:
        asked.append(named)
        return open_records(ITEMS, str(named[0]))

    named = NamedEvalSet(name="set", hub="owner/name", config="main", revision="abc")
    loaded = load_eval_set(named, Reachable(hub=open_hub))
    assert asked == [("owner/name", "main", "test", "abc")]
    assert (loaded.ids, loaded.version) == (["A/0", "A/1"], "abc")
    assert loaded.sha256 == open_records(ITEMS, "any").sha256
    with pytest.raises(ConfigError, match="is on the Hub, and nothing here reads it from there; seen: owner"):
        load_eval_set(named)


def test_a_record_from_the_hub_that_is_none_is_refused() -> None:
    named = NamedEvalSet(name="set", hub="owner/name")
    with pytest.raises(InputError, match="eval set set: row 2: not an object but list"):
        load_eval_set(named, Reachable(hub=lambda *_: open_records([ITEMS[0], ["b"]], "x")))


def test_the_version_that_the_user_states_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", json.dumps(ITEMS))
    assert load(path).version is None
    assert load(path, version="1.2").version == "1.2"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either a file"),
        ({"path": "a.json", "hub": "a/b"}, "either a file"),
        ({"path": "a.json", "split": "test"}, "belong to a dataset of the Hub"),
        ({"hub": "not-a-name"}, "hub is not usable"),
        ({"hub": "../../etc/passwd"}, "hub is not usable"),
        ({"path": "a.json", "test": 1}, "test is not usable"),
    ],
)
def test_a_set_that_is_named_wrongly_is_refused(fields: dict[str, Any], message: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as caught:
        NamedEvalSet(name="set", **fields)
    assert message in str(config_error(caught.value, where="gates.yaml", model=NamedEvalSet))


def test_two_items_of_one_id_are_refused_unless_they_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "exam.jsonl"
    same, other = {"id": "q1", "prompt": "What is a prime?"}, {"id": "q1", "prompt": "What is a square?"}
    path.write_text("\n".join(json.dumps(item) for item in (same, same, {"id": "q2", "prompt": "Why?"})))
    assert len(load_eval_set(NamedEvalSet(name="exam", path=str(path))).ids) == 3
    path.write_text("\n".join(json.dumps(item) for item in (same, {"id": "q2", "prompt": "Why?"}, other)))
    with pytest.raises(InputError, match="exam: items 1 and 3 have one id and are not the same; seen: q1"):
        load_eval_set(NamedEvalSet(name="exam", path=str(path)))
