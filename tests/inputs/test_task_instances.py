"""Tasks with several instances in one record, read as a row an instance."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from synth_stack.inputs.foreign import open_dataset, open_records, read_candidates
from synth_stack.inputs.task_instances import MAX_INSTANCES, unfold_instances

INSTANCES = [{"input": "day", "output": "night"}, {"input": "", "output": "It depends on the word."}]
TASK = {
    "id": "seed_task_7",
    "name": "opposites",
    "instruction": "What is the opposite?",
    "instances": INSTANCES,
    "is_classification": False,
}


def read_rows(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (table,) = read_candidates(open_records(records, "tasks"))
    return list(table.to_pylist())


def test_each_instance_is_a_row_with_its_input_under_the_instruction(tmp_path: Path) -> None:
    first, second = read_rows([TASK])
    assert [message["content"] for message in first["messages"]] == ["What is the opposite?\n\nday", "night"]
    assert [message["content"] for message in second["messages"]] == [
        "What is the opposite?",
        "It depends on the word.",
    ]
    assert [row["source_id"] for row in (first, second)] == ["seed_task_7-1", "seed_task_7-2"]
    assert orjson.loads(first["extra"]) == {"name": "opposites", "is_classification": False}
    file = tmp_path / "seed_tasks.jsonl"
    file.write_bytes(orjson.dumps({**TASK, "instances": INSTANCES[:1]}) + b"\n" + b'{"a"')
    (table,) = read_candidates(open_dataset(file))
    alone, broken = table.to_pylist()
    assert (alone["source_id"], alone["failure"]) == ("seed_task_7", None)
    assert "line 2" in broken["failure"]


@pytest.mark.parametrize(
    "instances",
    [[], "text", None, [{"input": "day"}], ["night"], [{"output": "a", "score": 1}]],
)
def test_what_is_no_list_of_instances_stays_one_record(instances: Any) -> None:
    record = {**TASK, "instances": instances}
    assert list(unfold_instances(record, "line 1")) == [("line 1", record)]
    assert len(read_rows([record])) == 1


def test_a_record_does_not_unfold_without_bound() -> None:
    record = {**TASK, "instances": [{"output": "a"}] * (MAX_INSTANCES + 1)}
    assert len(list(unfold_instances(record, "line 1"))) == 1
