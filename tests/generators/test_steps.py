"""The steps of our generators: what they ask, what they take, and how a failure goes through them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distilabel.pipeline import Pipeline

from synth_stack.generators.steps import Ask, ToCandidates, draw_items, note_prompt, settle
from synth_stack.generators.template import load_template, read_template
from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.schemas import build_candidates
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.prompt import Prompt
from tests.openai_server import MODEL, complete, serve
from tests.shop import make_plan

Row = dict[str, Any]
CALL = {"failure": None, "cut": False, "input_tokens": 3, "output_tokens": 2, "seed": 1}


@pytest.fixture(autouse=True)
def _a_pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Steps want to be made inside of one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Pipeline(name="steps"):
        yield


def items(count: int = 3) -> list[Row]:
    return next(make_plan(count).batches(count))


def process(step: Any, rows: list[Row]) -> list[Row]:
    step.load()
    try:
        return [row for batch in step.process(rows) for row in batch]
    finally:
        step.unload()


def settled(text: str | None, *, single_line: bool = True, **call: Any) -> Row:
    row = {"instruction": text, "llm_instruction_call": json.dumps({**CALL, **call})}
    return settle(row, "instruction", "instruction", "t@1", single_line=single_line)


def test_a_whole_answer_is_cleaned_counted_and_named() -> None:
    assert settled('1. "my parcel"') == {
        "instruction": "my parcel",
        "failure": None,
        "tokens": {"instruction": [3, 2]},
        "template_ids": ["t@1"],
        "finishes": {"my parcel": "stop"},
        "spent": {"writer": [3, 2, 0]},
    }


def test_how_an_answer_ended_is_noted_beside_what_is_kept_of_it() -> None:
    cut = settled("It is here. It may", cut=True, on_cut="trim")

    assert (cut["instruction"], cut["finishes"]) == ("It is here.", {"It is here.": "length"})


def test_an_answer_of_several_lines_keeps_them_where_it_may() -> None:
    assert settled(" Hello.\n\n1. Wait. ", single_line=False)["instruction"] == "Hello.\n\n1. Wait."


@pytest.mark.parametrize(
    ("text", "call", "failure"),
    [
        (None, {"failure": "teacher error: answers HTTP 500"}, "teacher error: answers HTTP 500"),
        (None, {}, "empty answer: the teacher wrote nothing"),
        ("", {}, "empty answer: the teacher wrote nothing"),
        ("1.", {}, "empty answer: nothing but numbering or quotes"),
        ("no end", {"cut": True, "on_cut": "trim"}, "cut off: no sentence ended within the token limit"),
        ("It ends. But", {"cut": True, "on_cut": "retry"}, "cut off: it ends at the token limit"),
        ("It ends. But", {"cut": True}, "cut off: it ends at the token limit"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_that_names_its_column(
    text: str | None, call: Row, failure: str
) -> None:
    assert settled(text, **call)["failure"] == f"instruction: {failure}"


def test_a_cut_answer_keeps_its_whole_sentences_where_it_may_be_trimmed_and_the_row_says_so() -> None:
    row = settled("It is late. I want my mo", cut=True, on_cut="trim")
    assert (row["instruction"], row["failure"]) == ("It is late.", None)
    assert row["cut"] == {"instruction": {"kept_chars": 11, "of_chars": 24}}


def test_what_was_thought_stands_beside_the_text_that_followed_it() -> None:
    row = settled("Where is it?", reasoning="They miss a parcel.")
    assert row["thoughts"] == {"Where is it?": "They miss a parcel."}


def test_an_answer_of_a_foreign_teacher_needs_no_record_of_its_call() -> None:
    row = settle({"answer": "Fine."}, "answer", "answer", "t@1", single_line=False)
    assert (row["failure"], row["tokens"]) == (None, {"answer": [0, 0]})


def test_prompts_are_shown_in_the_order_in_which_they_were_asked() -> None:
    row = note_prompt(note_prompt({}, "a", Prompt([{"role": "user", "content": "x"}])), "b", Prompt([]))
    assert row["prompts"] == [{"column": "a", "text": "[user] x"}, {"column": "b", "text": ""}]


def test_items_are_drawn_from_the_plan_from_any_offset() -> None:
    step = draw_items(make_plan(7), 3)
    whole = list(step.process())
    assert [len(batch) for batch, _ in whole] == [3, 3, 1]
    assert [last for _, last in whole] == [False, False, True]
    assert list(step.process(offset=3)) == whole[1:]
    assert list(step.process(offset=7)) == []


def test_an_empty_plan_draws_nothing() -> None:
    assert list(draw_items(make_plan(0), 3).process()) == []


def test_the_plan_is_not_in_the_dump() -> None:
    dump = json.dumps(draw_items(make_plan(3), 3).dump())
    assert "Late parcels" not in dump


def test_each_row_is_asked_with_a_seed_of_its_own_that_names_the_step() -> None:
    rows = [{**item, "instruction": "Where is it?"} for item in items()]
    with serve() as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL, concurrency=1)
        process(Ask(name="answer", llm=llm, template="answer", column="answer"), rows)
    assert [body["seed"] for body in server.bodies()] == [
        derive_seed(row["rng_seed"], "answer") for row in rows
    ]
    form = load_template("answer").form
    for body in server.bodies():
        assert body["stop"] == form.stop
        assert body["max_tokens"] == form.max_tokens
        assert body["temperature"] == form.sampling["temperature"]


def test_a_template_of_another_author_is_filled_in_with_the_row_and_with_values(tmp_path: Path) -> None:
    (tmp_path / "hurry.yaml").write_text(
        "max_tokens: 7\nchat:\n  - {role: user, content: '{{ seed }} in {{ max_words }} words'}\n"
    )
    template = read_template(tmp_path / "hurry.yaml")
    with serve(complete("Now.")) as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL)
        step = Ask(name="i", llm=llm, template=template, column="instruction", values={"max_words": 3})
        (row,) = process(step, items(1))
        dumped = json.dumps(step.dump())
    (body,) = server.bodies()
    assert body["messages"] == [{"role": "user", "content": f"{items(1)[0]['seed']} in 3 words"}]
    assert body["max_tokens"] == 7
    assert (row["instruction"], row["template_ids"]) == ("Now.", [template.template_id])
    assert template.template_id in dumped  # so that another text is another pipeline


def test_a_failed_row_goes_through_untouched_and_its_neighbours_are_asked() -> None:
    rows = [{**item, "instruction": "Where is it?"} for item in items()]
    rows[1] = {
        **rows[1],
        "failure": "instruction: cut off",
        "instruction": "",
        "tokens": {"instruction": [1, 1]},
    }
    before = json.dumps(rows[1])
    with serve(complete("First."), complete("Third.")) as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL, concurrency=1)
        out = process(Ask(name="answer", llm=llm, template="answer", column="answer"), rows)
    assert len(server.asked) == 2
    assert json.dumps(out[1]) == before
    assert [row.get("answer") for row in out] == ["First.", None, "Third."]
    assert [row["draw"] for row in out] == [0, 1, 2]


def test_when_every_row_has_failed_no_one_is_asked() -> None:
    rows = [{**item, "failure": "why"} for item in items()]
    with serve() as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL)
        step = Ask(name="answer", llm=llm, template="answer", column="answer")
        assert process(step, rows) == rows
        assert process(step, []) == []
    assert server.asked == []


def to_candidates(**fields: Any) -> ToCandidates:
    return ToCandidates(
        **{
            "name": "candidates",
            "method": "m",
            "version": "1",
            "params": {"examples": 2},
            "teacher": "t",
            "teacher_digest": None,
            "replayable": True,
            **fields,
        }
    )


def test_a_finished_item_is_a_candidate_with_its_origin() -> None:
    item = {
        **items(1)[0],
        "instruction": "Where?",
        "answer": "There.",
        "example_ids": ["orders-late-1"],
        "template_ids": ["a@1", "b@2"],
        "tokens": {"answer": [1, 2]},
    }
    (row,) = process(to_candidates(), [item])
    (built,) = build_candidates([row]).to_pylist()
    told = [(message["role"], message["content"]) for message in built["messages"]]
    assert told == [("user", "Where?"), ("assistant", "There.")]
    assert built["text"] == "Where?\n\nThere."
    assert built["seed_id"] == item["seed_id"]
    assert built["rng_seed"] == item["rng_seed"]
    assert built["template_id"] == "a@1 b@2"
    assert json.loads(built["params"]) == {"examples": 2, "example_ids": ["orders-late-1"]}
    assert json.loads(built["extra"]) == {"title": item["title"], "tokens": {"answer": [1, 2]}}


def test_a_failed_item_is_a_candidate_with_what_it_has() -> None:
    (row,) = process(to_candidates(), [{**items(1)[0], "instruction": "Where?", "failure": "answer: why"}])
    (built,) = build_candidates([row]).to_pylist()
    assert built["failure"] == "answer: why"
    [message] = built["messages"]
    assert (message["role"], message["content"]) == ("user", "Where?")
    assert built["template_id"] is None


def test_hostile_text_stays_what_it_is_all_the_way() -> None:
    hostile = "{{ 7 * 7 }} {% raw %} <script> \x00 \u202e ' \" \\"
    rows = [{**items(1)[0], "seed": hostile, "examples": [hostile], "instruction": hostile}]
    with serve(complete("Fine.")) as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL)
        (row,) = process(Ask(name="answer", llm=llm, template="answer", column="answer"), rows)
    assert server.bodies()[0]["messages"][-1]["content"] == hostile
    (candidate,) = process(to_candidates(), [row])
    assert build_candidates([candidate]).to_pylist()[0]["messages"][0]["content"] == hostile
