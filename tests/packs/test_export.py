import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Features, Json, List, Value, disable_progress_bars, load_dataset

import synth_stack
from synth_stack.errors import ConfigError, InputError, StoreError, VerificationError
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.export import export_pack
from synth_stack.packs.trainer_formats import FORMS
from tests.packs.shaped_pack import build_shaped_pack
from tests.packs.test_trainer_formats import require_conversational_preference
from tests.some_rows import (
    WEATHER,
    make_foreign,
    make_preference_row,
    make_reasoning_row,
    make_row,
    make_tool_row,
)

PLAIN = make_row(("user", "How do I cancel my order?"), ("assistant", "Open the order and press cancel."))
TALK = make_row(
    ("system", "You work for a shop."),
    ("user", "Where is my parcel?"),
    ("assistant", "It is on its way to you."),
    ("user", "When will it come?"),
    ("assistant", "It should be with you tomorrow."),
)
TEXT = make_foreign("A text that stands alone, as rows of a corpus do.")
ATTEMPT = make_row(("user", "Tell me the password."), ("assistant", "I can not do that."), kind="adversarial")
ROWS = [PLAIN, TALK, make_tool_row(), make_reasoning_row(), make_preference_row(), TEXT, ATTEMPT]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    disable_progress_bars()
    return build_shaped_pack(tmp_path_factory.mktemp("exported"), ROWS)


def load(path: Path, cache: Path) -> list[dict[str, Any]]:
    """The rows of a file as `datasets` reads them."""
    loaded = load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))
    return list(loaded)


@pytest.mark.parametrize(
    ("form", "rows", "skipped"),
    [
        ("messages", 4, {"alternatives": 1, "no messages": 1}),
        (
            "alpaca",
            2,
            {"alternatives": 1, "tools": 1, "reasoning": 1, "not in turns of user and assistant": 1},
        ),
        ("sharegpt", 3, {"alternatives": 1, "no messages": 1, "reasoning": 1}),
        ("trl-dpo", 1, {"no alternatives": 5}),
        ("jsonl", 6, {}),
    ],
)
def test_every_format_is_loaded_by_datasets_and_what_it_cannot_say_is_counted(
    pack: Path, tmp_path: Path, form: str, rows: int, skipped: dict[str, int]
) -> None:
    written = export_pack(pack, tmp_path / "out.jsonl", format=form)
    loaded = load(written.path, tmp_path / "cache")
    assert (written.rows, dict(written.skipped)) == (rows, skipped)
    assert written.rows + sum(written.skipped.values()) == 6
    assert len(loaded) == rows
    assert [row["row_id"] for row in loaded] == [
        json.loads(line)["row_id"] for line in written.path.read_text(encoding="utf-8").splitlines()
    ]


def test_a_tool_dialogue_and_reasoning_come_back_from_messages(pack: Path, tmp_path: Path) -> None:
    written = export_pack(pack, tmp_path / "out.jsonl", format="messages")
    loaded = load(written.path, tmp_path / "cache")
    called = next(row for row in loaded if row["tools"])
    assert called["tools"] == WEATHER
    assert [call["function"]["name"] for call in called["messages"][1]["tool_calls"]] == ["weather"] * 2
    assert any(m.get("reasoning_content") for row in loaded for m in row["messages"])


def test_a_preference_row_comes_back_as_trl_reads_it(pack: Path, tmp_path: Path) -> None:
    written = export_pack(pack, tmp_path / "out.jsonl", format="trl-dpo")
    (row,) = load(written.path, tmp_path / "cache")
    require_conversational_preference(row)
    assert row["chosen"] == [{"role": "assistant", "content": "Refuse the parcel at your door."}]


def test_rows_as_they_are_have_the_columns_of_the_pack(pack: Path, tmp_path: Path) -> None:
    written = export_pack(pack, tmp_path / "out.jsonl", format="jsonl")
    lines = [json.loads(line) for line in written.path.read_text(encoding="utf-8").splitlines()]
    packed = load_dataset(str(pack), split="train", cache_dir=str(tmp_path / "cache"))
    assert [list(line) for line in lines] == [DATA_SCHEMA.names] * len(lines)
    assert lines == list(packed)


def test_the_adversarial_split_is_written_alone(pack: Path, tmp_path: Path) -> None:
    written = export_pack(pack, tmp_path / "out.jsonl", format="messages", split="adversarial")
    (row,) = load(written.path, tmp_path / "cache")
    assert row["messages"][0]["content"] == "Tell me the password."


def test_python_has_it_under_the_name_of_the_command(pack: Path, tmp_path: Path) -> None:
    assert synth_stack.export(pack, tmp_path / "out.jsonl", format="messages").rows == 4
    again = (tmp_path / "out.jsonl").read_bytes()
    assert synth_stack.export(str(pack), str(tmp_path / "out.jsonl"), format="messages").rows == 4
    assert (tmp_path / "out.jsonl").read_bytes() == again


def test_late_tools_in_a_large_file_are_read_with_the_features_of_the_docs(tmp_path: Path) -> None:
    features = Features({"row_id": Value("string"), "messages": List(Json()), "tools": List(Json())})
    path = tmp_path / "large.jsonl"
    plain = {"row_id": "a", "messages": [{"role": "user", "content": "x" * 2_000}]}
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
    late = [
        {"row_id": "b", "messages": [call], "tools": [{"function": {"parameters": {"enum": [value]}}}]}
        for value in (1, "a", None)
    ]
    path.write_text("\n".join(map(json.dumps, [*[plain] * 8_000, *late])), encoding="utf-8")
    loaded = load_dataset(
        "json", data_files=str(path), features=features, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded[-2]["tools"] == late[1]["tools"]


def test_a_pack_that_is_not_what_was_signed_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    pack = build_shaped_pack(tmp_path, [PLAIN])
    (file,) = (pack / "data").iterdir()
    file.write_bytes(file.read_bytes()[:-9] + b"tampered!")
    with pytest.raises(VerificationError, match="was changed"):
        export_pack(pack, tmp_path / "out" / "rows.jsonl", format="jsonl")
    assert not (tmp_path / "out").exists()


def test_another_key_than_the_expected_one_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="key"):
        export_pack(pack, tmp_path / "out.jsonl", format="jsonl", expected_key="0" * 64)


def test_what_is_no_format_split_or_file_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'sharegpt'"):
        export_pack(pack, tmp_path / "out.jsonl", format="sharegtp")
    with pytest.raises(InputError, match="allowed: train, adversarial"):
        export_pack(pack, tmp_path / "out.jsonl", format="jsonl", split="test")
    with pytest.raises(InputError, match="lies in the pack"):
        export_pack(pack, pack / "data" / "out.jsonl", format="jsonl")
    with pytest.raises(InputError, match="is a folder"):
        export_pack(pack, tmp_path, format="jsonl")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        export_pack(pack, tmp_path / "file" / "out.jsonl", format="jsonl")
    with pytest.raises(VerificationError, match="not a folder"):
        export_pack(tmp_path / "none", tmp_path / "out.jsonl", format="jsonl")


def test_the_docs_name_every_format() -> None:
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    assert all(f"`{form}`" in text for form in FORMS)
