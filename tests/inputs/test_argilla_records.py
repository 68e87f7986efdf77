"""Records as Argilla exports them: fields and metadata become columns, and nothing is lost."""

import json
from pathlib import Path
from typing import Any

from synth_stack.inputs.argilla_records import unfold_record
from synth_stack.inputs.dataset_check import check_dataset
from synth_stack.inputs.foreign import open_dataset
from tests.foreign_rows import read


def make_record(**changes: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "fields": {"prompt": "What is a kettle?", "response": "A pot for water."},
        "metadata": {"source": "vendor a"},
        "suggestions": {"quality": {"value": "good", "score": 0.9, "agent": "m"}},
        "responses": {"quality": [{"value": "good", "user_id": "u"}]},
        "vectors": {},
        "status": "completed",
        "_server_id": None,
        **changes,
    }


def test_an_export_is_read_by_its_fields(tmp_path: Path) -> None:
    (tmp_path / ".argilla").mkdir()
    (tmp_path / ".argilla" / "settings.json").write_text("{}")
    chat = {"conversation": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}
    records = [make_record(), make_record(id="r2", fields=chat)]
    (tmp_path / "records.json").write_text(json.dumps(records))
    plain, talked = read(check_dataset(open_dataset(tmp_path)))
    assert plain["text"] == "What is a kettle?\n\nA pot for water."
    assert (plain["source_id"], json.loads(plain["extra"])["source"]) == ("r1", "vendor a")
    assert [message["content"] for message in talked["messages"]] == ["Hello", "Hi"]
    assert json.loads(talked["extra"])["responses"] == {"quality": [{"value": "good", "user_id": "u"}]}


def test_metadata_named_like_a_field_takes_nothing_away() -> None:
    unfolded = unfold_record(make_record(metadata={"prompt": "other", "id": "x", "source": "b"}))
    assert (unfolded["prompt"], unfolded["id"], unfolded["source"]) == ("What is a kettle?", "r1", "b")
    assert unfolded["metadata"] == {"prompt": "other", "id": "x"}


def test_a_field_named_like_a_part_of_the_record_is_the_text() -> None:
    assert unfold_record(make_record(fields={"status": "the text"}))["status"] == "the text"


def test_other_records_with_a_column_fields_stay_as_they_are() -> None:
    for record in (
        {"fields": {"a": 1}, "text": "x"},
        {"fields": "a, b", "metadata": {}, "status": 1, "responses": 2},
    ):
        assert unfold_record(dict(record)) == record
