"""A pipeline author's own distilabel Pipeline through `synth_stack.generate`."""

import json
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from distilabel.models import LLM
from distilabel.pipeline import Pipeline
from distilabel.steps import GroupColumns, LoadDataFromDicts, StepInput, step
from distilabel.steps.tasks import ChatGeneration, TextGeneration

import synth_stack
from synth_stack import files
from synth_stack.errors import ConfigError, RunMismatch, TeacherError
from synth_stack.generation import authored
from synth_stack.generation.authored import MAX_SILENT_ROWS
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import list_parts, read_parts
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.openai_server import MODEL, Behaviour, Reply, answer, complete, fail, find_closed_url, send, serve

Row = dict[str, Any]
QUESTIONS = [{"instruction": f"Question {i}?", "topic": "lamps"} for i in range(10)]


class FakeLLM(LLM):  # type: ignore[misc]  # distilabel has no types
    """Somebody else's LLM: to question n it says the n-th of what it was given to say, round and round."""

    says: list[str | None]

    @property
    def model_name(self) -> str:
        return "fake"

    def generate(self, inputs: list[Any], num_generations: int = 1) -> list[Any]:
        numbers = [int("".join(c for c in chat[-1]["content"] if c.isdigit())) for chat in inputs]
        counted = {"input_tokens": [1], "output_tokens": [1]}
        return [{"generations": [self.says[n % len(self.says)]], "statistics": counted} for n in numbers]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def build(llm: Any, data: Sequence[Row] = QUESTIONS, *, batch_size: int = 4, **params: Any) -> Any:
    with Pipeline(name="authored") as pipeline:
        root = LoadDataFromDicts(name="load", data=list(data), batch_size=batch_size)
        root >> TextGeneration(name="write", llm=llm, **params)
    return pipeline


def on_server(base_url: str, **fields: Any) -> TeacherLLM:
    return TeacherLLM(base_url=base_url, model=MODEL, retries=0, concurrency=1, **fields)


def read(folder: Path) -> list[Row]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def generate(pipeline: Any, folder: Path, columns: dict[str, str] | None = None) -> list[Row]:
    assert synth_stack.generate(pipeline, folder, columns=columns) == folder
    return read(folder)


def test_every_row_is_a_candidate_with_its_text_teacher_and_other_columns(tmp_path: Path) -> None:
    rows = generate(build(ScriptedLLM()), tmp_path)
    assert [row["draw"] for row in rows] == list(range(10))
    assert [row["messages"][0]["content"] for row in rows] == [q["instruction"] for q in QUESTIONS]
    assert all(row["messages"][1]["content"] for row in rows)
    assert {(row["generator"], row["teacher"], row["kind"]) for row in rows} == {
        ("authored", "scripted", "instruction")
    }
    assert all(json.loads(row["extra"])["topic"] == "lamps" for row in rows)
    assert not any(row["replayable"] for row in rows)
    assert not [row["failure"] for row in rows if row["failure"]]


def test_the_same_call_again_makes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    with serve() as server:
        rows = generate(build(on_server(server.base_url)), tmp_path)
        asked = len(server.asked)
        assert generate(build(on_server(server.base_url)), tmp_path) == rows
    assert asked == len(server.asked) == 10


@pytest.mark.parametrize("status", [401, 503])
def test_a_teacher_that_goes_down_stops_it_and_the_next_call_gives_the_undisturbed_rows(
    status: int, tmp_path: Path
) -> None:
    data = [{"instruction": f"Question {i}?"} for i in range(30)]
    with serve() as server:
        whole = generate(build(on_server(server.base_url), data), tmp_path / "whole")
    with (
        serve(*[answer] * 6, always=fail(status)) as server,
        pytest.raises(TeacherError, match="loopback-1 is down") as caught,
    ):
        generate(build(on_server(server.base_url), data), tmp_path / "broken")
    assert caught.value.exit_code == 1
    assert read(tmp_path / "broken") == whole[:4]
    assert not (tmp_path / "broken" / "candidates" / ".done").exists()
    with serve() as server:
        assert generate(build(on_server(server.base_url), data), tmp_path / "broken") == whole
    names = [[part.name for part in list_parts(tmp_path / f / "candidates")] for f in ("whole", "broken")]
    assert names[0] == names[1]


def test_the_same_pipeline_object_goes_on_after_its_teacher_is_mended(tmp_path: Path) -> None:
    with serve(*[answer] * 4, fail(401)) as server:
        pipeline = build(on_server(server.base_url))
        with pytest.raises(TeacherError):
            generate(pipeline, tmp_path)
        assert len(generate(pipeline, tmp_path)) == 10


def test_a_server_that_is_not_there_or_has_no_such_model_is_found_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    with pytest.raises(TeacherError, match="cannot be reached"):
        generate(build(on_server(find_closed_url())), tmp_path / "a")
    with serve(models=["other"]) as server, pytest.raises(ConfigError, match="no such model"):
        generate(build(on_server(server.base_url)), tmp_path / "b")
    assert server.asked == []


@pytest.mark.parametrize("batch_size", [1, 4, 50])
def test_a_dead_teacher_of_somebody_else_is_a_teacher_error_and_nothing_is_committed(
    batch_size: int, tmp_path: Path
) -> None:
    with pytest.raises(TeacherError, match=r"rows in a row have no text; is its teacher dead\?"):
        generate(build(FakeLLM(says=[None]), batch_size=batch_size), tmp_path)
    assert list_parts(tmp_path / "candidates") == []


def test_a_pipeline_too_small_to_tell_is_dead_when_no_row_at_all_has_a_text(tmp_path: Path) -> None:
    assert MAX_SILENT_ROWS > 2
    with pytest.raises(TeacherError, match="2 rows in a row"):
        generate(build(FakeLLM(says=[None]), QUESTIONS[:2]), tmp_path)
    assert list_parts(tmp_path / "candidates") == []


def test_a_teacher_that_dies_later_costs_no_row(tmp_path: Path) -> None:
    data = [{"instruction": f"Question {i}?"} for i in range(20)]
    dead = FakeLLM(says=["Yes."] * 4 + [None] * 16)
    with pytest.raises(TeacherError):
        generate(build(dead, data, batch_size=2), tmp_path)
    assert [row["draw"] for row in read(tmp_path)] == [0, 1, 2, 3]


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_single_rows_without_a_text_are_rows_with_their_reason(batch_size: int, tmp_path: Path) -> None:
    rows = generate(build(FakeLLM(says=["Yes.", None, "No."]), batch_size=batch_size), tmp_path)
    assert [row["draw"] for row in rows] == list(range(10))
    assert [row["failure"] for row in rows] == [
        "empty answer: the teacher gave no text" if i % 3 == 1 else None for i in range(10)
    ]


def test_a_last_batch_without_a_text_is_no_dead_teacher(tmp_path: Path) -> None:
    rows = generate(build(FakeLLM(says=["Yes."] * 9 + [None]), batch_size=3), tmp_path)
    assert [bool(row["failure"]) for row in rows] == [False] * 9 + [True]


def test_two_tasks_joined_by_group_columns_are_driven(tmp_path: Path) -> None:
    with serve() as server:
        with Pipeline(name="fan-out") as pipeline:
            load = LoadDataFromDicts(name="load", data=QUESTIONS[:6], batch_size=4)
            tasks = [
                TextGeneration(name="ours", llm=on_server(server.base_url)),
                TextGeneration(name="scripted", llm=ScriptedLLM()),
            ]
            names = ["generation", "model_name"]
            group = GroupColumns(name="group", columns=names, output_columns=["drafts", "writers"])
            choose = TextGeneration(
                name="merge",
                llm=on_server(server.base_url),
                template="Merge: {% for draft in drafts %}- {{ draft }}\n{% endfor %}",
                columns=["drafts"],
            )
            load >> tasks >> group >> choose
        rows = generate(pipeline, tmp_path)
    assert len(rows) == 6
    assert not [row["failure"] for row in rows if row["failure"]]
    assert [row["messages"][0]["content"] for row in rows] == [q["instruction"] for q in QUESTIONS[:6]]
    extra = json.loads(rows[0]["extra"])
    assert len(extra["drafts"]) == 2
    assert sorted(extra["writers"]) == [MODEL, "scripted"]
    assert rows[0]["teacher"] == MODEL


def test_what_distilabel_itself_refuses_is_one_sentence_before_anything_is_sent(tmp_path: Path) -> None:
    with serve() as server:
        pipeline = build(on_server(server.base_url), template="no column here")
        with pytest.raises(
            ConfigError, match=r"is not one that distilabel would run: .*'instruction'"
        ) as caught:
            generate(pipeline, tmp_path)
    assert "\n" not in str(caught.value)
    assert server.asked == []
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("teacher")] == []


def test_rows_whose_last_step_gives_no_answer_are_refused_with_the_columns_that_would_be_read(
    tmp_path: Path,
) -> None:
    with Pipeline(name="fan-out") as pipeline:
        load = LoadDataFromDicts(name="load", data=QUESTIONS)
        tasks = [TextGeneration(name=name, llm=ScriptedLLM()) for name in ("a", "b")]
        load >> tasks >> GroupColumns(name="group", columns=["generation"])
    with pytest.raises(ConfigError, match=r"seen: .*grouped_generation.*allowed: .*generation"):
        generate(pipeline, tmp_path)
    assert list_parts(tmp_path / "candidates") == []


def test_what_the_teacher_wrote_goes_before_the_answer_that_the_data_came_with(tmp_path: Path) -> None:
    data = [{"instruction": f"Question {i}?", "output": "old", "response": "older"} for i in range(3)]
    rows = generate(build(FakeLLM(says=["new", None]), data), tmp_path)
    assert [[m["content"] for m in row["messages"]] for row in rows] == [
        ["Question 0?", "new"],
        ["Question 1?"],
        ["Question 2?", "new"],
    ]
    assert [bool(row["failure"]) for row in rows] == [False, True, False]
    assert json.loads(rows[0]["extra"]) == {"output": "old", "response": "older"}


def test_a_chat_is_continued_by_what_the_teacher_wrote(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "Hi 1"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Question 2?"},
    ]
    with Pipeline(name="chat") as pipeline:
        load = LoadDataFromDicts(name="load", data=[{"messages": turns}])
        load >> ChatGeneration(name="write", llm=FakeLLM(says=["new"]))
    (row,) = generate(pipeline, tmp_path)
    told = [(message["role"], message["content"]) for message in row["messages"]]
    assert told == [*((turn["role"], turn["content"]) for turn in turns), ("assistant", "new")]
    assert row["kind"] == "dialogue"


def test_other_rows_or_other_batches_in_the_same_folder_are_refused_and_not_mixed(tmp_path: Path) -> None:
    rows = generate(build(ScriptedLLM()), tmp_path)
    with pytest.raises(RunMismatch, match="other rows") as caught:
        generate(build(ScriptedLLM(), QUESTIONS[::-1]), tmp_path)
    assert caught.value.exit_code == 2
    with pytest.raises(RunMismatch, match="other rows"):
        generate(build(ScriptedLLM(), [*QUESTIONS, {"instruction": "One more?"}]), tmp_path)
    with pytest.raises(RunMismatch, match="other rows"):
        generate(build(ScriptedLLM(), QUESTIONS[:8]), tmp_path)
    with pytest.raises(RunMismatch, match="different run"):
        generate(build(ScriptedLLM(), batch_size=5), tmp_path)
    with pytest.raises(RunMismatch, match="different run"):
        generate(build(ScriptedLLM(), system_prompt="Be brief."), tmp_path)
    assert read(tmp_path) == rows


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Question 1?", "slice": 7, "locale": ["en", "GB"], "score": 0.5},
        {"instruction": "Question 1?", "id": 2**70, "when": None, "nested": {1: [2.5, None]}},
        {"instruction": "Question 1? {{ 7 * 7 }} {% raw %} \x00 \u202e"},
        {"instruction": "Question 1?", "note": "half a smile \ud83d"},
    ],
)
def test_hostile_columns_are_kept_as_what_a_row_can_hold(row: Row, tmp_path: Path) -> None:
    (made,) = generate(build(FakeLLM(says=["Yes."]), [row]), tmp_path)
    assert made["failure"] is None
    assert made["messages"][0]["content"] == row["instruction"]


@pytest.mark.parametrize(
    "bad", [complete(""), complete("half \ud83d"), send(b"garbage"), fail(500), fail(400)]
)
def test_one_bad_answer_of_a_server_is_one_failed_row(bad: Behaviour, tmp_path: Path) -> None:
    with serve(answer, bad) as server:
        rows = generate(build(on_server(server.base_url)), tmp_path)
    assert [bool(row["failure"]) for row in rows] == [False, True] + [False] * 8


def test_no_secret_stands_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "sk-loopback-0123456789")
    with serve() as server:
        generate(build(on_server(server.base_url, api_key_env="LOOPBACK_KEY")), tmp_path)
        assert server.asked[0].headers["authorization"] == "Bearer sk-loopback-0123456789"
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"sk-loopback" not in path.read_bytes()
    assert "sk-loopback" not in json.dumps(read(tmp_path))


def answer_slowly(body: dict[str, Any], raw: bool) -> Reply:
    time.sleep(0.03)
    return answer(body, raw)


def build_drawing(base_url: str, concurrency: int) -> Any:
    """Two steps that ask, two generations each, and between them one that draws from the global generator."""

    @step(inputs=["generation"], outputs=["lot"])  # type: ignore[untyped-decorator]
    def draw(inputs: StepInput) -> Any:
        yield [{**row, "lot": random.random()} for row in inputs]

    llm = TeacherLLM(base_url=base_url, model=MODEL, retries=0, concurrency=concurrency)
    data = [{"instruction": f"Question {i}?"} for i in range(12)]
    with Pipeline(name="drawing") as pipeline:
        (
            LoadDataFromDicts(name="load", data=data, batch_size=2)
            >> TextGeneration(name="write", llm=llm, num_generations=2, input_batch_size=2)
            >> draw(name="draw")
            >> TextGeneration(
                name="judge",
                llm=llm,
                template="{{ generation }}",
                columns=["generation"],
                output_mappings={"generation": "verdict"},
            )
        )
    return pipeline


DRAWN = {"prompt": "instruction", "answer": "verdict"}  # the judge's task writes over the first `generation`


def test_batches_side_by_side_keep_the_teacher_busy_and_give_the_rows_of_one_after_the_other(
    tmp_path: Path,
) -> None:
    with serve(always=answer_slowly) as server:
        slow = generate(build_drawing(server.base_url, 1), tmp_path / "one", DRAWN)
        assert server.most_at_once == 1
        fast = generate(build_drawing(server.base_url, 12), tmp_path / "side", DRAWN)
        assert server.most_at_once > 2 * 2  # more than one batch with its generations
    assert fast == slow
    assert [row["failure"] for row in fast] == [None] * 24


def test_a_run_that_dies_with_batches_side_by_side_asks_again_only_for_what_was_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing catches it."""

    write, left = files.write_table, [0]

    def write_or_die(*args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        write(*args)

    monkeypatch.setattr(authored, "write_table", write_or_die)
    with serve(always=answer_slowly) as server:
        whole = generate(build_drawing(server.base_url, 6), tmp_path / "whole", DRAWN)
        paid, kills = len(server.asked), 0
        for moment in (1, 3, 2):
            left[0] = moment
            with pytest.raises(Killed):
                generate(build_drawing(server.base_url, 6), tmp_path / "broken", DRAWN)
            kills += 1
        assert generate(build_drawing(server.base_url, 6), tmp_path / "broken", DRAWN) == whole
        # in flight, and the answer whose writing died
        assert len(server.asked) - paid <= paid + kills * (6 + 1)
    assert not (tmp_path / "broken" / ".stages").exists()
