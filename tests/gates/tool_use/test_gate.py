"""Which calls and answers are believed: by form, by being made once more, by what the answer uses."""

import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError
from synth_stack.gates.tool_use.gate import tool_use
from synth_stack.rows.schemas import build_candidates
from tests.gates.playing import play
from tests.some_rows import WEATHER, make_call, make_row, make_tool_row

PROGRAM = """
visits = []
def weather(city: str, day: str = "today") -> dict:
    if city == "Atlantis":
        raise KeyError(city)
    visits.append(city)
    return {"degrees": 7.5 + len(visits), "sky": "overcast"}
"""
TOOLS = json.dumps(WEATHER)
ASK: dict[str, Any] = {"role": "user", "content": "What is the weather in Oslo?"}


@pytest.fixture
def program(tmp_path: Path) -> str:
    (tmp_path / "tools.py").write_text(PROGRAM)
    return str(tmp_path / "tools.py")


def talk(*results: str, answer: str | None, cities: tuple[str, ...] = ("Oslo", "Oslo")) -> dict[str, Any]:
    """A row with one call for each result, made one after the other, and the answer."""
    messages = [ASK]
    for k, result in enumerate(results):
        call = make_call("weather", f"c{k}", city=cities[k])
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "content": result, "tool_call_id": f"c{k}", "name": "weather"})
    messages += [] if answer is None else [{"role": "assistant", "content": answer}]
    return make_row(kind="tool", messages=messages, tools=TOOLS)


def judge(row: dict[str, Any], *programs: str, **params: Any) -> tuple[str, str | None]:
    [[said]] = [
        table.to_pylist()
        for table in play(
            tool_use(programs=list(programs), **params), [build_candidates([row])], name="tool_use"
        )[0]
    ]
    return said["outcome"], said["reason_class"]


ACCEPT = ("accept", None)


def refuse(what: str, outcome: str = "reject") -> tuple[str, str]:
    return outcome, f"tool_use.{what}"


def test_a_row_without_calls_is_none_of_its_business() -> None:
    assert judge(make_row(("user", "Hi"), ("assistant", "Hello."))) == refuse("no_calls", "abstain")


def test_calls_in_a_row_are_made_again_in_one_process(program: str) -> None:
    first, second = '{"degrees": 8.5, "sky": "overcast"}', '{"sky": "overcast", "degrees": 9.5}'
    sound = talk(first, second, answer="It is overcast, at 8.5 and then 9.5 degrees.")
    assert judge(sound, program) == ACCEPT
    assert judge(talk(first, first, answer="It is 8.5 degrees."), program) == refuse("other_result")


@pytest.mark.parametrize(
    ("result", "answer", "city", "expected"),
    [
        ('{"degrees": 8.5, "sky": "overcast"}', "It is 8.5 degrees.", "Oslo", ACCEPT),
        ('{"degrees": 8.50000000001, "sky": "overcast"}', "It is overcast.", "Oslo", ACCEPT),
        ('{"degrees": 8.6, "sky": "overcast"}', "It is overcast.", "Oslo", refuse("other_result")),
        ('{"degrees": "8.5", "sky": "overcast"}', "It is overcast.", "Oslo", refuse("other_result")),
        ('{"degrees": 8.5}', "It is 8.5 degrees.", "Oslo", refuse("other_result")),
        ("[" * 50_000, "It is 8.5 degrees.", "Oslo", refuse("other_result")),
        ('{"degrees": 8.5, "sky": "overcast"}', "It is 8.5 degrees.", "Atlantis", refuse("call_fails")),
        ('{"error": "no such city"}', "There is no such city.", "Atlantis", ACCEPT),
        ('{"error": "no such city"}', "There is no such city.", "Oslo", refuse("other_result")),
    ],
)
def test_a_call_returns_what_its_row_says(
    result: str, answer: str, city: str, expected: tuple[str, str | None], program: str
) -> None:
    assert judge(talk(result, answer=answer, cities=(city,)), program) == expected


@pytest.mark.parametrize(
    ("result", "answer", "expected"),
    [
        ('{"degrees": 18.25}', "It is 18.25 degrees.", ACCEPT),
        ('{"degrees": 18.25}', "It is about 18.3 degrees.", ACCEPT),
        ('{"degrees": 18.25}', "It is warm in Oslo.", refuse("unused_result")),
        ('{"degrees": 18.25, "city": "Oslo"}', "It is warm in Oslo.", refuse("unused_result")),
        ('{"degrees": 18.25}', "It is 19 degrees.", refuse("unused_result")),
        ('{"degrees": 18.25, "wind": 30}', "It is 18.25 degrees, with wind at 45.", refuse("made_up_number", "hold")),
        ('{"degrees": 18.25, "wind": 30}', "It is 18.25 degrees; both add up to 48.25.", ACCEPT),
        ('{"sky": "PARTLY_CLOUDY"}', "It is partly cloudy.", ACCEPT),
        ('{"ok": true}', "It is done.", refuse("nothing_to_check", "abstain")),
        ('{"status": "success"}', "It is done.", refuse("nothing_to_check", "abstain")),
        ("", "It is done.", refuse("nothing_to_check", "abstain")),
        ("Light rain until noon", "Expect light rain until noon.", ACCEPT),
        ('{"degrees": 1e400}', "It is hot.", refuse("unused_result")),
    ],
)  # fmt: skip
def test_an_answer_uses_what_came_back_and_makes_no_number_up(
    result: str, answer: str, expected: tuple[str, str | None]
) -> None:
    assert judge(talk(result, answer=answer)) == expected


def test_a_result_may_be_used_by_the_next_call_and_every_answer_is_looked_at() -> None:
    calls = [make_call("weather", "a", city="Oslo"), make_call("weather", "b", city="Voss 4711")]
    given = [{"role": "tool", "tool_call_id": name, "name": "weather"} for name in "ab"]
    messages = [
        ASK,
        {"role": "assistant", "content": None, "tool_calls": calls[:1]},
        {**given[0], "content": '{"nearest": "Voss 4711"}'},
        {"role": "assistant", "content": None, "tool_calls": calls[1:]},
        {**given[1], "content": '{"sky": "foggy"}'},
        {"role": "assistant", "content": "It is foggy there."},
        {"role": "user", "content": "Thanks."},
        {"role": "assistant", "content": "You are welcome."},
    ]
    row = make_row(kind="tool", messages=messages, tools=TOOLS)
    assert judge(row, min_used=1.0) == ACCEPT
    messages[5]["content"] = "It is lovely there."
    assert judge({**row, "messages": messages}, min_used=1.0) == refuse("unused_result")


@pytest.mark.parametrize(
    "row",
    [
        make_tool_row(tools="{}"),
        talk("{}", answer="Fine.") | {"tools": json.dumps([{"name": "other"}])},
        make_row(kind="tool", tools=TOOLS, messages=[ASK, {"role": "assistant", "content": None, "tool_calls": [make_call(city=7)]}]),
        make_row(kind="tool", tools=TOOLS, messages=[ASK, {"role": "assistant", "content": None, "tool_calls": [make_call(city="Oslo")]}, {"role": "assistant", "content": "Fine."}]),
        make_row(kind="tool", tools=TOOLS, messages=[ASK, {"role": "assistant", "content": "So:", "tool_calls": [{"id": "c", "name": "weather", "arguments": "{"}]}]),
        make_row(kind="tool", messages=[ASK, {"role": "assistant", "content": None, "tool_calls": [make_call(city="Oslo", call_id=f"c{k}") for k in range(200)]}]),
    ],
)  # fmt: skip
def test_calls_of_bad_form_are_rejected(row: dict[str, Any]) -> None:
    assert judge(row) == refuse("bad_form")


def test_a_call_at_the_end_of_a_row_is_run_and_has_no_result_to_compare(program: str) -> None:
    row = talk(answer=None)
    called = {"role": "assistant", "content": None, "tool_calls": [make_call("weather", "c", city="Oslo")]}
    row["messages"].append(called)
    assert judge(row, program) == ACCEPT
    called["tool_calls"] = [make_call("weather", "c", city="Atlantis")]
    assert judge(row, program) == refuse("call_fails")


def test_the_chosen_side_of_a_comparison_is_judged() -> None:
    row = talk('{"degrees": 18.25}', answer=None)
    sides = [
        {"label": label, "messages": [{"role": "assistant", "content": text}]}
        for label, text in (("rejected", "It is 18.25 degrees."), ("chosen", "It is warm."))
    ]
    assert judge({**row, "kind": "preference", "alternatives": sides}) == refuse("unused_result")


def test_programs_that_are_none_are_refused(tmp_path: Path, program: str) -> None:
    (tmp_path / "empty.py").write_text("x = 1")
    with pytest.raises(InputError, match="it has no public function"):
        tool_use(programs=[str(tmp_path / "empty.py")])
    (tmp_path / "again.py").write_text("def weather(): ...")
    with pytest.raises(InputError, match="weather stands in another one too"):
        tool_use(programs=[program, str(tmp_path / "again.py")])
    with pytest.raises(InputError, match=r"gone\.py"):
        tool_use(programs=[str(tmp_path / "gone.py")])


def test_every_canary_is_found_and_every_control_passes(program: str) -> None:
    bound = tool_use(programs=[program])
    sample = build_candidates([talk('{"degrees": 8.5, "sky": "overcast"}', answer="It is overcast.")])
    assert bound.plant is not None
    assert bound.control is not None
    planted, controls = bound.plant(sample, 2, 0), bound.control(sample, 2, 0)
    kinds = {json.loads(extra)["kind"] for extra in planted["extra"].to_pylist()}
    assert kinds == {
        "unknown_tool", "misfit", "torn_arguments", "lost_result", "unused_result", "made_up_number", "other_result",
    }  # fmt: skip
    [found, passed], _ = play(bound, [planted, controls], name="tool_use")
    assert set(found["outcome"].to_pylist()) == {"reject", "hold"}
    assert "reject" not in passed["outcome"].to_pylist()
    assert "hold" not in passed["outcome"].to_pylist()
    nothing = build_candidates([make_row(("user", "Hi"), ("assistant", "Hello."))])
    assert len(bound.plant(nothing, 2, 0)) == len(bound.control(nothing, 2, 0)) == 0


def test_the_answers_of_a_public_corpus_use_what_their_tools_gave_back(corpora: Path) -> None:
    from synth_stack.inputs.foreign import open_dataset, read_candidates

    dataset = open_dataset(corpora / "ordinary" / "glaive_tools.jsonl")
    said = [
        row
        for table in read_candidates(dataset)
        for row in tool_use().judge(table, {}).to_pylist()
        if row["reason_class"] != "tool_use.no_calls"
    ]
    assert len(said) > 100
    assert sum(row["outcome"] in {"reject", "hold"} for row in said) <= 2
