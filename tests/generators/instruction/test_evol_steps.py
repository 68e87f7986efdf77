"""Evol-Instruct against a teacher with known answers: each operator's prompt, each rule, and the chain of rounds."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from synth_stack.generation.draws import Plan
from synth_stack.generation.driver import drive
from synth_stack.generators.instruction.evol_rules import IN_BREADTH, IN_DEPTH, OPERATORS, draw_operator
from synth_stack.generators.instruction.methods import evol_instruct
from synth_stack.generators.steps import name_column
from synth_stack.generators.template import load_template
from synth_stack.rows.canonical import derive_seed
from synth_stack.rows.schemas import build_candidates
from synth_stack.teachers.openai_llm import TeacherLLM
from synth_stack.teachers.scripted_llm import ScriptedLLM
from tests.openai_server import MODEL, fail, serve
from tests.shop import make_corpus, make_plan

Row = dict[str, Any]
Rules = list[tuple[str, list[str]]]

METHODS = {
    "evol_constraint": "add one more constraint or requirement",
    "evol_deepen": "increase the depth and breadth of the inquiry",
    "evol_concretize": "replace general concepts with more specific ones",
    "evol_reasoning": "explicitly request multiple-step reasoning",
    "evol_complicate": "put input data into it",
    "evol_breadth": "act as a Prompt Creator",
}
"""What each operator's prompt says and no other's does."""
ANSWER = "Answer the customer"
JUDGE = "do you think they are equal"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def evolve(rules: Rules, plan: Plan | None = None, **params: Any) -> list[Row]:
    """The candidate rows, with `extra` and `params` read."""
    plan = plan or make_plan(1, method="evol_instruct")
    made: list[Row] = []
    pipeline = evol_instruct(ScriptedLLM(rules=rules), plan, 8, **params)
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, rows: made.extend(rows))
    prompts = [row.get("prompts", []) for row in made]
    rows = build_candidates(made).to_pylist()
    return [
        {**row, "extra": json.loads(row["extra"]), "params": json.loads(row["params"]), "prompts": asked}
        for row, asked in zip(rows, prompts, strict=True)
    ]


def plan_for(operators: Sequence[str]) -> Plan:
    """A plan of one draw whose rounds draw these operators."""
    for first in range(50_000):
        seed = derive_seed(20261122, "evol_instruct", first)
        if all(draw_operator(seed, k) == name for k, name in enumerate(operators, 1)):
            return make_plan(1, method="evol_instruct", first=first)
    raise AssertionError("no draw has these operators")


def rules_for(
    operators: Sequence[str], *replies: str, answers: Sequence[str] = ("Lisbon is fine.",)
) -> Rules:
    """Each operator answers with its reply; every answer is one of `answers`."""
    asked = [(METHODS[name], [reply]) for name, reply in zip(operators, replies, strict=True)]
    return [*asked, (ANSWER, list(answers))]


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_prompt_of_each_operator_reaches_the_teacher_with_the_seed(operator: str) -> None:
    with serve() as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL)
        drive(evol_instruct(llm, plan_for([operator]), 1), is_done=lambda *_: False, commit=lambda *_: None)
    asked, answered = server.bodies()
    (message,) = asked["messages"]
    assert METHODS[operator] in message["content"]
    assert not [name for name in OPERATORS if name != operator and METHODS[name] in message["content"]]
    assert "the support desk of a small shop" in message["content"]
    assert any(seed in message["content"] for seed in make_corpus().seeds["text"].to_pylist())
    assert asked["max_tokens"] == load_template(operator).form.max_tokens
    assert ANSWER in answered["messages"][0]["content"]


def test_a_row_is_the_evolved_instruction_with_its_answer_and_its_step() -> None:
    operator = ["evol_deepen"]
    (row,) = evolve(rules_for(operator, "Why is it late, and who pays?"), plan_for(operator))
    assert [message["content"] for message in row["messages"]] == [
        "Why is it late, and who pays?",
        "Lisbon is fine.",
    ]
    assert (row["failure"], row["generator_version"]) == (None, "3")
    assert row["params"]["operators"] == operator
    assert row["extra"]["evolution"] == {
        "depth": 1,
        "origin": "seed",
        "rounds": [
            {"operator": "evol_deepen", "instruction": "Why is it late, and who pays?", "outcome": "kept"}
        ],
    }


def test_each_round_evolves_what_the_round_before_it_made() -> None:
    operators = ["evol_constraint", "evol_deepen", "evol_concretize", "evol_reasoning"]
    (row,) = evolve(
        rules_for(operators, "One?", "One, two?", "One, two, three?", "One, two, three, four?"),
        plan_for(operators),
        rounds=4,
    )
    shown = {prompt["column"]: prompt["text"] for prompt in row["prompts"]}
    for k, origin in enumerate(["One?", "One, two?", "One, two, three?"], 2):
        assert f"\n{origin}\n" in shown[f"instruction_{k}"]
    assert row["messages"][0]["content"] == "One, two, three, four?"
    assert row["extra"]["evolution"]["depth"] == 4
    assert row["params"]["operators"] == operators
    assert set(row["extra"]["tokens"]) == {
        name_column(what, k) for what in ("instruction", "answer") for k in range(1, 5)
    }


def test_in_breadth_starts_a_new_chain_at_depth_0() -> None:
    operators = ["evol_constraint", "evol_breadth", "evol_deepen"]
    for rounds, depth, origin in ((1, 1, "seed"), (2, 0, "evol_breadth"), (3, 1, "evol_breadth")):
        (row,) = evolve(rules_for(operators, "One?", "Two?", "Three?"), plan_for(operators), rounds=rounds)
        evolution = row["extra"]["evolution"]
        assert (evolution["depth"], evolution["origin"]) == (depth, origin)


@pytest.mark.parametrize(
    ("reply", "answer", "rule"),
    [
        ("{seed}", "Lisbon is fine.", "same_text"),
        ("The rewritten prompt: why?", "Lisbon is fine.", "prompt_copied"),
        ("Why is it late?", "Sorry, I can't say.", "sorry"),
        ("Why is it late?", "It is.", "nothing_said"),
    ],
)
def test_an_instruction_that_a_rule_eliminates_fails_with_the_name_of_the_rule(
    reply: str, answer: str, rule: str
) -> None:
    operator = ["evol_constraint"]
    plan = plan_for(operator)
    reply = reply.format(seed=plan.item(0)["seed"])
    (row,) = evolve(rules_for(operator, reply, answers=[answer]), plan)
    assert row["failure"] == f"eliminated: {rule}"
    assert row["messages"][0]["content"] == reply
    (trial,) = row["extra"]["evolution"]["rounds"]
    assert (trial["operator"], trial["outcome"]) == ("evol_constraint", f"eliminated: {rule}")
    assert row["extra"]["evolution"]["depth"] == 0


def test_a_desk_that_says_sorry_as_it_answers_may_turn_that_rule_off() -> None:
    operator = ["evol_constraint"]
    rules = rules_for(operator, "Why is it late?", answers=["Sorry, it left today."])
    (row,) = evolve(rules, plan_for(operator), sorry_words=0)
    assert row["failure"] is None
    assert row["params"]["sorry_words"] == 0


@pytest.mark.parametrize("reply", ["{seed}", "The rewritten prompt: why?"])
def test_what_the_text_alone_eliminates_is_not_answered(reply: str) -> None:
    operator = ["evol_constraint"]
    plan = plan_for(operator)
    (row,) = evolve(rules_for(operator, reply.format(seed=plan.item(0)["seed"])), plan, judge_gain=True)
    assert list(row["extra"]["tokens"]) == ["instruction"]
    assert len(row["template_id"].split()) == 1


@pytest.mark.parametrize(
    ("judged", "failure", "gain"),
    [
        ("Equal", "eliminated: no_gain", "equal"),
        ("Not Equal", None, "not equal"),
        ("Hard to say.", None, "unclear"),
    ],
)
def test_the_teacher_is_asked_whether_anything_was_gained(
    judged: str, failure: str | None, gain: str
) -> None:
    operator = ["evol_deepen"]
    plan = plan_for(operator)
    (row,) = evolve([(JUDGE, [judged]), *rules_for(operator, "Why is it late?")], plan, judge_gain=True)
    assert row["failure"] == failure
    assert row["extra"]["evolution"]["rounds"][0]["gain"] == gain
    question = next(prompt["text"] for prompt in row["prompts"] if prompt["column"] == "gain")
    assert f"The First Prompt: {plan.item(0)['seed']}" in question
    assert "The Second Prompt: Why is it late?" in question


def test_without_judge_gain_the_teacher_is_not_asked() -> None:
    (row,) = evolve([(JUDGE, ["Equal"])])
    assert row["failure"] is None
    assert set(row["extra"]["tokens"]) == {"instruction", "answer"}


def test_the_chain_goes_on_from_the_last_instruction_that_was_kept() -> None:
    operators = ["evol_constraint", "evol_deepen", "evol_concretize"]
    (row,) = evolve(
        rules_for(operators, "One?", "The rewritten prompt.", "One, two?"), plan_for(operators), rounds=3
    )
    shown = {prompt["column"]: prompt["text"] for prompt in row["prompts"]}
    assert "\nOne?\n" in shown["instruction_3"]
    assert row["extra"]["evolution"]["depth"] == 2
    assert [trial["outcome"] for trial in row["extra"]["evolution"]["rounds"]] == [
        "kept",
        "eliminated: prompt_copied",
        "kept",
    ]


def test_a_row_whose_last_round_was_eliminated_keeps_the_round_before_with_its_answer() -> None:
    operators = ["evol_constraint", "evol_deepen"]
    rules = [
        *rules_for(operators, "One?", "One, two?")[:2],
        ("One, two", ["Sorry, no."]),
        (ANSWER, ["In May."]),
    ]
    (row,) = evolve(rules, plan_for(operators), rounds=2)
    assert row["failure"] is None
    assert [message["content"] for message in row["messages"]] == ["One?", "In May."]
    assert row["extra"]["evolution"]["depth"] == 1
    assert row["extra"]["evolution"]["rounds"][1]["outcome"] == "eliminated: sorry"


def test_a_row_that_kept_no_round_starts_each_from_its_seed_and_shows_its_last_trial() -> None:
    operators = ["evol_constraint", "evol_deepen"]
    plan = plan_for(operators)
    (row,) = evolve(rules_for(operators, "The given prompt.", "Two?", answers=["Sorry."]), plan, rounds=2)
    shown = {prompt["column"]: prompt["text"] for prompt in row["prompts"]}
    assert f"\n{plan.item(0)['seed']}\n" in shown["instruction_2"]
    assert row["failure"] == "eliminated: sorry"
    assert [message["content"] for message in row["messages"]] == ["Two?", "Sorry."]


def test_a_teacher_that_fails_in_a_round_costs_that_round_alone() -> None:
    operators = ["evol_constraint", "evol_deepen"]
    rules = [(METHODS["evol_deepen"], [""]), *rules_for(operators[:1], "One?")]
    (row,) = evolve(rules, plan_for(operators), rounds=2)
    assert row["failure"] is None
    assert row["extra"]["evolution"]["rounds"][1] == {
        "operator": "evol_deepen",
        "instruction": None,
        "outcome": "instruction_2: empty answer: the teacher wrote nothing",
    }


def test_every_call_is_counted_on_its_row() -> None:
    with serve(fail(500)) as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL, retries=0, concurrency=1)
        made: list[Row] = []
        pipeline = evol_instruct(llm, make_plan(5, method="evol_instruct"), 5, rounds=2, judge_gain=True)
        drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _i, rows: made.extend(rows))
    calls = [call for row in made for call in json.loads(row["extra"])["tokens"].values()]
    assert sum(map(sum, calls)) == 18 * (len(server.asked) - 1)
    assert len(calls) == len(server.asked)
    assert made[0]["failure"] is None


def test_a_seed_of_a_row_and_its_round_goes_with_each_call() -> None:
    with serve() as server:
        llm = TeacherLLM(base_url=server.base_url, model=MODEL, concurrency=1)
        plan = make_plan(1, method="evol_instruct")
        drive(evol_instruct(llm, plan, 1, rounds=2), is_done=lambda *_: False, commit=lambda *_: None)
    seed = plan.item(0)["rng_seed"]
    names = ["instruction", "answer", "instruction_2", "answer_2"]
    assert [body["seed"] for body in server.bodies()] == [derive_seed(seed, name) for name in names]


def test_over_many_rows_every_operator_evolves_some_and_depth_counts_what_was_kept() -> None:
    rows = evolve([], make_plan(60, method="evol_instruct"), rounds=2)
    assert {name for row in rows for name in row["params"]["operators"]} == set(OPERATORS)
    for row in rows:
        kept = [t["operator"] for t in row["extra"]["evolution"]["rounds"] if t["outcome"] == "kept"]
        since = kept[len(kept) - kept[::-1].index(IN_BREADTH) :] if IN_BREADTH in kept else kept
        assert row["extra"]["evolution"]["depth"] == len(since)
        assert set(since) <= set(IN_DEPTH)


TABLE = "Which month was best?\n\n| month | sold |\n|---|---|\n| May | 12 |\n\n```python\nprint(1)\n```"


def test_code_and_tables_of_several_lines_survive() -> None:
    (row,) = evolve([("#Rewritten Prompt#:|#Created Prompt#:", [TABLE]), ("", [ANSWERED])])
    assert row["messages"][0]["content"] == TABLE
    assert "\n" not in TABLE.split("\n", maxsplit=1)[0]


ANSWERED = "May was the best month, with twelve that were sold to people from the town."


def test_every_round_that_was_kept_may_be_a_row() -> None:
    texts = ["How deep is the lake?", "How deep is the lake, and why is it cold?"]
    rules = [
        (f"(?s){texts[0][:-1]}.*#Rewritten Prompt#:", [texts[1]]),
        ("#Rewritten Prompt#:|#Created Prompt#:", [texts[0]]),
        ("", [ANSWERED]),
    ]
    plan = plan_for(["evol_deepen", "evol_constraint"])
    (last,) = evolve(rules, plan, rounds=2)
    first, second = evolve(rules, plan, rounds=2, keep="all")
    assert [row["messages"][0]["content"] for row in (first, second)] == texts
    assert last["messages"] == second["messages"]
    assert [len(row["extra"]["evolution"]["rounds"]) for row in (first, second)] == [1, 2]
    assert [row["extra"]["evolution"]["depth"] for row in (first, second)] == [1, 2]
    assert [row["params"]["operators"] for row in (first, second)] == [
        ["evol_deepen"],
        ["evol_deepen", "evol_constraint"],
    ]
    assert first["extra"]["tokens"] == {}  # the tokens of a chain stand on its last row
    assert second["extra"]["tokens"]
    assert first["row_id"] != second["row_id"]


def test_code_is_evolved_by_the_heuristics_of_wizardcoder() -> None:
    from synth_stack.generators.instruction.evol_rules import CODE_HEURISTICS

    rules = [
        ("Answer with the new task alone", ["Write a function that adds two numbers of any base."]),
        ("", [ANSWERED]),
    ]
    rows = evolve(rules, make_plan(60, method="evol_instruct"), domain="code")
    drawn = [row["params"]["operators"][0] for row in rows]
    assert set(drawn) == set(CODE_HEURISTICS)
    assert drawn.count("code_complexity") < max(drawn.count(name) for name in CODE_HEURISTICS)
    for row, name in zip(rows, drawn, strict=True):
        assert CODE_HEURISTICS[name] in row["prompts"][0]["text"]
        assert row["template_id"].startswith("evol_code@")


def test_a_seed_of_several_lines_is_asked_about_as_a_chat_even_of_a_small_model() -> None:
    from synth_stack.generators.instruction.evol_steps import Evolve

    step = Evolve(name="e", llm=ScriptedLLM(prefers_raw=True), column="e", round=1)
    item = next(make_plan(1, method="evol_instruct").batches(1))[0]
    short, long = step.format_input(item), step.format_input({**item, "seed": TABLE})
    assert (short.raw, short.stop, short.max_tokens) == (True, ("\n",), 192)
    assert (long.raw, long.stop, long.max_tokens) == (False, (), 2048)
    assert TABLE in long[0]["content"]
