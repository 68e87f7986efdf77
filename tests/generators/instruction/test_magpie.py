"""Magpie: what opens each user's turn, what stands before it, and where a conversation ends."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from distilabel.pipeline import Pipeline

from synth_stack.errors import TeacherError
from synth_stack.generation.driver import drive
from synth_stack.generators.instruction.magpie import AskMagpie
from synth_stack.generators.instruction.methods import magpie
from synth_stack.generators.template import load_template
from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.schemas import build_candidates
from synth_stack.teachers.chat_formats import load_presets
from synth_stack.teachers.openai_llm import TeacherLLM
from tests.openai_server import MODEL, complete, fail, serve
from tests.shop import make_plan

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Steps want to be made inside of a pipeline."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Pipeline(name="steps"):
        yield


def make_llm(base_url: str, chat_format: str = "qwen2") -> TeacherLLM:
    return TeacherLLM(
        base_url=base_url,
        model=MODEL,
        concurrency=1,
        retries=0,
        chat_format=chat_format,
        use_magpie_template=True,
        magpie_pre_query_template=load_presets()[chat_format].open_turn(),
    )


def process(step: Any, rows: list[Row]) -> list[Row]:
    step.load()
    try:
        return [row for batch in step.process(rows) for row in batch]
    finally:
        step.unload()


def converse(*behaviours: Any, turns: int, count: int = 1) -> tuple[list[Row], list[Row]]:
    """The candidates of some draws, with `extra` read, and what was asked of the server."""
    made: list[Row] = []
    with serve(*behaviours) as server:
        pipeline = magpie(make_llm(server.base_url), make_plan(count, method="magpie"), count, turns=turns)
        drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, rows: made.extend(rows))
        rows = [{**row, "extra": json.loads(row["extra"])} for row in build_candidates(made).to_pylist()]
        return rows, server.bodies()


@pytest.mark.parametrize("chat_format", ["qwen2", "llama3"])
def test_magpie_lets_the_model_write_the_user_s_turn_of_each_topic(chat_format: str) -> None:
    rows = next(make_plan(3).batches(3))
    with serve(complete("my parcel is late"), fail(500), complete("")) as server:
        llm = make_llm(server.base_url, chat_format)
        out = process(AskMagpie(name="instruction", llm=llm, only_instruction=True), rows)
    for row, body in zip(rows, server.bodies(), strict=True):
        system, opening = body["prompt"].split(row["title"])
        assert row["about"] in system
        assert opening.endswith(load_presets()[chat_format].open_turn())
        assert body["seed"] == derive_seed(row["rng_seed"], "instruction")
        assert body["stop"] == load_template("magpie").form.stop
    assert out[0]["instruction"] == "my parcel is late"
    assert [row["failure"] for row in out] == [
        None,
        "instruction: teacher error: answers HTTP 500",
        "instruction: empty answer: the teacher wrote nothing",
    ]


def test_each_turn_is_written_after_the_conversation_so_far() -> None:
    said = ["Where is it?", "On its way.", "When?", "Today.", "Thanks, who brings it?", "A driver."]
    rows, asked = converse(*map(complete, said), turns=3)
    (row,) = rows
    assert [message["content"] for message in row["messages"]] == said
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * 3
    assert row["text"] == "\n\n".join(said)
    assert row["kind"] == "dialogue"
    assert row["extra"]["turns"] == {"wanted": 3, "made": 3, "ended": None}
    for turn in range(3):
        before = "".join(
            f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
            for message in row["messages"][: 2 * turn]
        )
        assert asked[2 * turn]["prompt"].endswith(before + load_presets()["qwen2"].open_turn())
        system, *messages = asked[2 * turn + 1]["messages"]
        assert system["role"] == "system"
        assert [message["content"] for message in messages] == said[: 2 * turn + 1]


def test_several_turns_are_announced_and_one_is_not() -> None:
    assert "multi-round" in converse(turns=2)[1][0]["prompt"]
    rows, asked = converse(turns=1)
    assert "multi-round" not in asked[0]["prompt"]
    assert (rows[0]["kind"], "turns" in rows[0]["extra"]) == ("instruction", False)


def test_each_turn_has_a_seed_a_bound_and_tokens_of_its_own() -> None:
    rows, asked = converse(turns=2)
    names = ["instruction", "answer", "instruction_2", "answer_2"]
    assert [body["seed"] for body in asked] == [derive_seed(rows[0]["rng_seed"], name) for name in names]
    assert asked[0]["max_tokens"] == asked[2]["max_tokens"] == load_template("magpie_turns").form.max_tokens
    assert rows[0]["extra"]["tokens"] == {name: [11, 7] for name in names}
    assert [id_.partition("@")[0] for id_ in rows[0]["template_id"].split()] == ["magpie_turns", "answer"] * 2


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        ([fail(500)], "instruction_2: teacher error: answers HTTP 500"),
        ([complete("")], "instruction_2: empty answer: the teacher wrote nothing"),
        ([complete("When?"), fail(500)], "answer_2: teacher error: answers HTTP 500"),
        ([complete("When?"), complete("")], "answer_2: empty answer: the teacher wrote nothing"),
    ],
)
def test_a_turn_that_fails_ends_the_conversation_before_it(last: list[Any], ended: str) -> None:
    (row,), asked = converse(complete("Where is it?"), complete("On its way."), *last, turns=3)
    assert row["failure"] is None
    assert [message["content"] for message in row["messages"]] == ["Where is it?", "On its way."]
    assert row["kind"] == "instruction"
    assert row["extra"]["turns"] == {"wanted": 3, "made": 1, "ended": ended}
    assert len(asked) == 2 + len(last)


def test_two_whole_turns_of_three_are_a_dialogue() -> None:
    said = [complete(text) for text in ("Where is it?", "On its way.", "When?", "Today.")]
    (row,), _ = converse(*said, fail(500), turns=3)
    assert (row["kind"], len(row["messages"])) == ("dialogue", 4)
    assert row["extra"]["turns"]["made"] == 2


def test_without_a_first_turn_the_row_fails() -> None:
    (row,), asked = converse(complete("Where is it?"), fail(500), turns=3)
    assert row["failure"].endswith("teacher error: answers HTTP 500")
    assert len(asked) == 2
    assert "turns" not in row["extra"]


def test_a_server_that_answers_nothing_leaves_no_row() -> None:
    with pytest.raises(TeacherError, match="gave no text to any prompt; seen: answers HTTP 500"):
        converse(fail(500), turns=3)


def test_one_conversation_ends_and_its_neighbours_go_on() -> None:
    rows, asked = converse(
        *[complete(text) for text in ("A?", "B?", "A.", "B.")], fail(500), turns=2, count=2
    )
    assert [row["extra"]["turns"]["made"] for row in rows] == [1, 2]
    assert len(asked) == 7
