"""What a gate is handed: a model that it may ask, and the Hub."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.files import read_table
from synth_stack.registry import teacher
from synth_stack.rows.schemas import DECISION_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.teachers.openai_llm import SharedLLM, collect_answers
from synth_stack.teachers.prompt import Answer, Prompt
from synth_stack.workflows.curate import curate
from synth_stack.workflows.judge import bind_gates
from synth_stack.workflows.resources import RunResources
from tests.recipes import write_jsonl

RULES = [{"match": "hens", "replies": ["Yes."]}, {"match": "ducks", "replies": ["no"]}]

ITEM = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her "
    "friends every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck "
    "egg. How much in dollars does she make every day at the farmers' market?"
)


REWORDED = (
    "Each day the hens of Janet give her 16 eggs. Three of them are her breakfast and four go into muffins that "
    "she bakes for friends. Whatever is left she sells at the market for $2 an egg. What does she earn there "
    "each day, in dollars?"
)


def test_a_teacher_answers_every_prompt_in_order() -> None:
    ask = RunResources().make_asker({"use": "scripted", "rules": RULES}, "gates.yaml")
    assert ask(["about ducks", "about hens", "about ducks"]) == ["no", "Yes.", "no"]
    assert ask([]) == []


def test_a_prompt_without_an_answer_has_none() -> None:
    ask = RunResources().make_asker({"use": "scripted", "empty_share": 1.0}, "gates.yaml")
    assert ask(["anything"]) == [None]


def test_a_teacher_that_is_down_stops_the_work() -> None:
    ask = RunResources().make_asker({"use": "scripted", "dies_after": 1}, "gates.yaml")
    with pytest.raises(TeacherError, match="the teacher scripted is down"):
        ask(["one", "two", "three"])


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"use": "nobody"}, "there is no teacher of that name"),
        ({}, "there is no teacher of that name"),
        ({"use": "scripted", "rulez": []}, "rulez is not a known key"),
    ],
)
def test_what_is_no_teacher_is_refused_when_the_gates_are_bound(
    tmp_path: Path, teacher: dict[str, object], message: str
) -> None:
    path = write_gates(tmp_path, teacher)
    with pytest.raises(ConfigError, match=message):
        bind_gates(path)


def test_a_row_near_the_bar_is_decided_by_the_model_that_the_gate_file_names(tmp_path: Path) -> None:
    rows = [
        {"id": "near", "instruction": REWORDED, "output": "It is 18."},
        {"id": "far", "instruction": "How do I reset the router that I have at home?", "output": "Hold it."},
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    gates = write_gates(tmp_path, {"use": "scripted", "rules": RULES}, threshold=0.999)
    batch = curate(tmp_path / "rows.jsonl", gates, tmp_path / "out")

    decisions = read_table(tmp_path / "out" / "decisions.parquet", DECISION_SCHEMA).to_pylist()
    assert [(row["source_id"], row["decision"]) for row in decisions] == [
        ("near", "rejected"),
        ("far", "accepted"),
    ]
    [verdicts] = read_parts(batch.folder / "verdicts" / "contamination", VERDICT_SCHEMA)
    assert json.loads(verdicts["evidence"][0].as_py())["how"] == "opinion"
    assert [run.alone is None for run in bind_gates(gates).runs] == [False]


def write_gates(folder: Path, teacher: dict[str, object], threshold: float = 0.5) -> Path:
    write_jsonl(folder / "exam.jsonl", [{"id": "ducks", "question": ITEM}])
    gate = {
        "use": "contamination",
        "against": [{"name": "exam", "path": "exam.jsonl"}],
        "embedding": {"threshold": threshold},
        "llm_judge": {"teacher": teacher, "band": 0.99},
        "canaries": 0,
    }
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": [gate]}))
    return path


def test_the_gates_that_judge_rows_of_a_local_run_keep_to_its_perimeter(tmp_path: Path) -> None:
    """The run's card says that prompts went nowhere else, so a gate that asks a model may not go further."""
    run = tmp_path / "run"
    (run / "candidates").mkdir(parents=True)
    (run / "candidates" / "part-00000.parquet").touch()
    (run / "recipe.lock.yaml").write_text("perimeter: {reach: local, allowed_hosts: 1}\n", encoding="utf-8")
    gates = write_gates(tmp_path, {"use": "http", "base_url": "https://models.example.org/v1", "model": "m"})
    with pytest.raises(ConfigError, match="perimeter: local refuses a teacher that is not on this machine"):
        curate(run, gates, tmp_path / "out")


def test_yes_or_no_is_rated_by_its_word_where_a_teacher_tells_no_probabilities() -> None:
    rules = [*RULES, {"match": "geese", "replies": ["I wonder"]}]
    rate = RunResources().make_rater({"use": "scripted", "rules": rules}, "gates.yaml")
    assert rate(["about ducks", "about hens", "about geese"]) == [0.0, 1.0, None]
    assert rate([]) == []


def test_yes_or_no_is_rated_by_the_probabilities_of_a_model() -> None:
    resources = RunResources(perimeter="local", gate="some")
    rate = resources.make_rater({"use": "embedded", "servers": 1}, "gates.yaml")
    rates = rate([f"Does 2 and 2 make {n}? Answer yes or no." for n in (4, 5)])
    assert all(each is not None and 0 < each < 1 for each in rates)
    assert rates[0] != rates[1]
    assert resources.calls == {"some": 2}


def test_a_text_that_is_cut_off_is_none_and_a_long_one_is_whole() -> None:
    long = " ".join(["word"] * 300)
    teacher = {"use": "scripted", "rules": [{"match": "lamp", "replies": [long]}]}
    assert RunResources().make_writer(teacher, "gates.yaml")(["a lamp"]) == [long]
    write = RunResources().make_writer({"use": "resources-test-chatterbox"}, "gates.yaml")
    assert write(["go on", "stop"]) == [None, "stop"]


class Chatterbox(SharedLLM):
    """Repeats what it is told; whoever tells it to go on sees the beginning alone, whatever the room."""

    @property
    def model_name(self) -> str:
        return "chatterbox"

    async def agenerate(self, input: list[dict[str, str]], num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
        prompt = input if isinstance(input, Prompt) else Prompt(input)
        assert prompt.on_cut == "retry"
        said = prompt[0]["content"]
        return collect_answers([Answer(said, cut=said == "go on")] * num_generations, prompt)


@teacher("resources-test-chatterbox", version="1")
def chatterbox() -> Chatterbox:
    return Chatterbox()
