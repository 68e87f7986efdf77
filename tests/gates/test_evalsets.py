import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.gates.evalsets import EvalSet, NamedSet, load_eval_set

ITEMS: list[dict[str, Any]] = [
    {"task_id": "A/0", "question": "How many?", "answer": "Four."},
    {"task_id": "A/1", "question": "Quelle heure, “café” ?", "answer": None},
]


def load(path: Path, **columns: str) -> EvalSet:
    return load_eval_set(NamedSet(name="set", path=str(path), **columns))


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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", "", "is empty"),
        ("x.jsonl", " \n\n", "is empty"),
        ("x.json", "[]", "has no items"),
        ("x.csv", "prompt,answer\n", "has no items"),
        ("x.jsonl", b'{"prompt": "caf\xe9"}', "is not UTF-8"),
        ("x.csv", b"prompt\ncaf\xe9\n", "is not UTF-8"),
        ("x.jsonl", '{"prompt": "a"}\n{"prompt"', "is not valid .jsonl"),
        ("x.json", '{"prompt": "a"}', "is not valid .json; seen: a JSON dict"),
        ("x.json", '["a"]', "item 0 is not an object"),
        ("x.parquet", "PAR1", "is not valid .parquet"),
        ("x.csv", 'prompt\n"open', "is not valid .csv"),
        ("x.txt", "a", "is of no known kind"),
        ("x.json", '[{"prompt": ["a"]}]', "item 0: prompt is not text"),
        ("x.json", '[{"prompt": "a", "answer": {"b": 1}}]', "item 0: answer is not text"),
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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read; seen: .*gone\.jsonl"):
        load(tmp_path / "gone.jsonl")


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", '[{"prompt": "a", "extra": 1}]')
    with pytest.raises(
        ConfigError, match="answer names a column that is not there; seen: gold; allowed: prompt, extra"
    ):
        load(path, answer="gold")
    with pytest.raises(ConfigError, match="has no prompt column; seen: b"):
        load(write(tmp_path / "y.json", '[{"b": "a"}]'))
