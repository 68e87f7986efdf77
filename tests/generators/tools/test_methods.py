"""Conversations with tools go from a recipe to a verified pack, and a reply of the wrong shape fails its row."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import disable_progress_bars, load_dataset

import synth_stack
from synth_stack.errors import ConfigError, InputError
from synth_stack.generators.tools.replies import ToolCall, find_misfit, read_calls, read_results
from synth_stack.generators.tools.shapes import find_disorder
from synth_stack.inputs.recipe import load_recipe
from synth_stack.inputs.tool_catalogue import Tool, ToolFile, read_catalogue
from synth_stack.packs.export import export_pack
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.workflows.generate import preview

Row = dict[str, Any]
SHIPPED = Path(__file__).parents[3] / "pipelines" / "tool_traces"

ASK = r"Write one request by another person"
NEXT, ANSWER, DETAIL, PLAY, CHECK = (
    "What do you do next",
    "Write the assistant's answer",
    "Write the user's next message",
    "You play the tools",
    "Judge the assistant",
)


def calls(*made: tuple[str, dict[str, Any]]) -> str:
    return json.dumps([{"name": name, "arguments": arguments} for name, arguments in made])


ZONE = calls(("find_zone", {"city": "Lyon"}))
PRICE = calls(("quote_price", {"weight_kg": 2.5, "zone": 2}))
BOTH = calls(("find_zone", {"city": "Lyon"}), ("find_zone", {"city": "Oslo"}))
ZONE_JSON = r'RESULT OF find_zone: \{"city": "Lyon", "zone": 2\}'
PRICE_JSON = r'RESULT OF quote_price: \{"euros": 8\.0, "days": 3\}'

RULES: list[tuple[str, str]] = [
    (f"(?s)called once, and gives.*{ASK}|{ASK}(?s:.)*called once, and gives", "Which zone is Lyon in?"),
    (f"{ASK}(?s:.)*two or three calls at once", "In which zones are Lyon and Oslo?"),
    (f"{ASK}(?s:.)*one after the other", "What does a box of 2.5 kg to Lyon cost?"),
    (f"{ASK}(?s:.)*leaves out one thing", "Which zone is my sister's city in?"),
    (f"{ASK}(?s:.)*none of them, nor several together", "Please send a courier to my house."),
    (f"(?s)my sister's city.*ASSISTANT: .*{DETAIL}", "She lives in Lyon."),
    (f"(?s)send a courier.*{NEXT}", "I cannot send a courier. I can tell you where our parcel shops are."),
    (f"(?s)USER: She lives in Lyon.*{NEXT}", ZONE),
    (f"(?s)my sister's city.*{NEXT}", "Which city does she live in?"),
    (f"(?s)zones are Lyon and Oslo.*{NEXT}", BOTH),
    (f"(?s){PRICE_JSON}.*{NEXT}", "It costs 8 euros and takes 3 days."),
    (f"(?s)box of 2.5 kg.*{ZONE_JSON}.*{NEXT}", f"```json\n{PRICE}\n```"),
    (f"(?s)box of 2.5 kg.*{NEXT}", f"<tool_call>\n{ZONE[1:-1]}\n</tool_call>"),
    (f"(?s)zone is Lyon.*{NEXT}", ZONE),
    (f"(?s)Lyon and Oslo.*{ANSWER}", "Lyon is in zone 2, Oslo in zone 4."),
    (f"(?s){ANSWER}", "Lyon is in zone 2."),
    (f"(?s){CHECK}", "YES"),
]


def script(model: str = "writer", **changed: str) -> Row:
    """A scripted model that knows the conversations; what it says to a prompt that matches may be changed."""
    rules = [*changed.items(), *RULES]
    return {
        "use": "scripted",
        "model": model,
        "rules": [{"match": match, "replies": [reply]} for match, reply in rules],
    }


def load(
    teacher: Row | None = None, *, candidates: int = 20, changes: Row | None = None, **method: Any
) -> Any:
    given: Row = {
        "teacher": teacher or script(),
        "models": {"judge": script("judge")},
        "generate.candidates": candidates,
        "generate.methods": [
            {"use": "tool_traces", "tools": {"path": str(SHIPPED / "tools.py")}, "offered": 5, **method}
        ],
    }
    return load_recipe(SHIPPED / "recipe.yaml", {**given, **(changes or {})})


def read_rows(folder: Path) -> list[Row]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


def make(folder: Path, teacher: Row | None = None, **said: Any) -> list[Row]:
    return read_rows(synth_stack.generate(load(teacher, **said), folder / "run"))


def shape_of(row: Row) -> str:
    return str(json.loads(row["extra"])["tool_traces"]["shape"])


def test_conversations_of_every_shape_are_packed_verified_loaded_and_exported(tmp_path: Path) -> None:
    recipe = load(candidates=24, changes={"gates": str(SHIPPED / "gates.yaml")})
    result = synth_stack.run(recipe, tmp_path / "run")
    verify_pack(result.pack.path)
    made = read_rows(result.folder)
    assert {row["failure"] for row in made} == {None}
    assert {shape_of(row) for row in made} == {
        "single",
        "parallel",
        "multi_step",
        "missing_argument",
        "no_tool",
    }
    disable_progress_bars()
    rows = list(load_dataset(str(result.pack.path), split="train", cache_dir=str(tmp_path / "cache")))
    assert {shape_of(row) for row in rows} == {shape_of(row) for row in made}
    for row in rows:
        roles = [said["role"] for said in row["messages"]]
        assert (
            roles
            == {
                "single": ["user", "assistant", "tool", "assistant"],
                "parallel": ["user", "assistant", "tool", "tool", "assistant"],
                "multi_step": ["user", "assistant", "tool", "assistant", "tool", "assistant"],
                "missing_argument": ["user", "assistant", "user", "assistant", "tool", "assistant"],
                "no_tool": ["user", "assistant"],
            }[shape_of(row)]
        )
        assert len(json.loads(row["tools"])) == 5
        assert {model["part"] for model in row["models"]} == {"writer", "judge"}
    export_pack(result.pack.path, tmp_path / "out.jsonl", format="messages")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    called = [
        said["tool_calls"][0]["function"]["name"]
        for line in lines
        for said in line["messages"]
        if said.get("tool_calls")
    ]
    assert "quote_price" in called


def test_results_are_what_the_functions_return(tmp_path: Path) -> None:
    rows = make(tmp_path, shapes=["multi_step"], candidates=4)
    results = [said["content"] for said in rows[0]["messages"] if said["role"] == "tool"]
    assert results == ['{"city": "Lyon", "zone": 2}', '{"euros": 8.0, "days": 3}']
    assert {said["finish"] for said in rows[0]["messages"] if said["tool_calls"]} == {"tool_calls"}
    ids = [call["id"] for said in rows[0]["messages"] for call in said["tool_calls"] or ()]
    assert ids == ["call_1", "call_2"]


def test_a_model_may_play_the_tools(tmp_path: Path) -> None:
    played = script(**{f"(?s){PLAY}": '[{"city": "Lyon", "zone": 2}]'})
    [row, *_] = make(tmp_path, played, shapes=["single"], results="simulated", candidates=4)
    assert row["failure"] is None
    assert json.loads(row["extra"])["tool_traces"]["results"] == "simulated"
    assert row["messages"][2]["content"] == '{"city": "Lyon", "zone": 2}'


@pytest.mark.parametrize(
    ("shape", "asked", "reply", "reason"),
    [
        ("single", NEXT, '[{"name": "find_zone", "argum', "calls_1: no JSON that can be read"),
        ("single", NEXT, calls(("find_zone", {"city": "Atlantis"})), "results_1: find_zone: KeyError: 'atlantis'"),
        ("single", ANSWER, ZONE, "answer: a call in the place of an answer"),
        ("multi_step", f"{ZONE_JSON}(?s:.)*{NEXT}", "Zone 2.", "calls_2: no call in step 2"),
        ("missing_argument", NEXT, ZONE, "clarify: a call, and an argument of it was not given"),
        ("missing_argument", NEXT, "I do not know.", "clarify: nothing is asked"),
        ("no_tool", CHECK, "NO: a shop would do.", "check: the judge says no: a shop would do."),
        ("no_tool", CHECK, "Well, perhaps.", "check: neither YES nor NO"),
    ],
)  # fmt: skip
def test_a_reply_that_does_not_belong_to_its_shape_fails_the_row(
    shape: str, asked: str, reply: str, reason: str, tmp_path: Path
) -> None:
    teacher = script(**{f"(?s){asked}": reply})
    recipe = load(teacher, shapes=[shape], candidates=2, changes={"models": {}})
    failures = {row["failure"] for row in read_rows(synth_stack.generate(recipe, tmp_path / "run"))}
    assert len(failures) == 1
    assert re.match(re.escape(reason), str(failures.pop()))


@pytest.mark.parametrize(
    ("shape", "step", "reply", "reason"),
    [
        ("single", 1, BOTH, "2 calls, one was to be made"),
        ("single", 1, "Zone 2, I think.", "no call in step 1"),
        ("parallel", 1, ZONE, "one call, two or more were to be made at once"),
        ("parallel", 1, calls(*[("find_zone", {"city": "Lyon"})] * 2), "the same call twice"),
        ("parallel", 1, calls(*[("find_zone", {"city": f"C{k}"}) for k in range(9)]), "9 calls at once, at most 8 are taken"),
        ("multi_step", 2, ZONE, "the same call twice"),
        ("multi_step", 3, "It costs 8 euros.", None),
        ("no_tool", 1, ZONE, "1 calls where no tool fits"),
    ],
)  # fmt: skip
def test_calls_are_of_the_shape_that_was_drawn(shape: str, step: int, reply: str, reason: str | None) -> None:
    before = [{"name": "find_zone", "arguments": '{"city": "Lyon"}'}] if step > 1 else []
    assert find_disorder(shape, step, read_calls(reply), before) == reason


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("[]", "an empty list of calls"),
        ('{"name": "find_zone", "arguments": {"city": NaN}}', "no JSON that can be read"),
        ('[{"arguments": {}}]', "a call without a name"),
        ('[{"name": "a", "arguments": [1]}]', "the arguments of a are no object"),
        ('[{"name": "a", "arguments": "{"}]', "no JSON"),
        ("[" * 100_000, "no JSON that can be read"),
        ('[{"name": "a", "arguments": {"x": "\\ud800"}}]', "no JSON that can be read"),
    ],
)
def test_what_begins_like_calls_and_is_none_is_refused(reply: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_calls(reply)


def test_no_tool_takes_a_call_of_another_name_or_with_other_arguments() -> None:
    tools = {tool.name: tool for tool in read_catalogue(ToolFile(path=str(SHIPPED / "tools.py"))).tools}
    assert find_misfit(ToolCall("find_zone", {"city": "Lyon"}), tools) is None
    assert find_misfit(ToolCall("send_courier", {}), tools) == "there is no tool send_courier"
    assert find_misfit(ToolCall("find_zone", {"town": "Lyon"}), tools) == (
        "the arguments of find_zone do not fit its schema: $: required"
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Zone 2.", "no JSON that can be read"),
        ("{}", "no list for 1 calls"),
        ("[1, 2]", "2 results for 1 calls"),
        ('["2"]', r"the result of zone does not fit its schema: \$: type"),
    ],
)
def test_played_results_have_to_be_one_for_each_call_and_fit(reply: str, reason: str) -> None:
    tools = {"zone": Tool("zone", "", {"type": "object"}, returns={"type": "integer"})}
    with pytest.raises(ValueError, match=reason):
        read_results(reply, [ToolCall("zone", {})], tools)


def test_tools_and_settings_that_cannot_work_are_refused_before_the_first_prompt(tmp_path: Path) -> None:
    schemas = tmp_path / "tools.json"
    schemas.write_text('[{"name": "now"}]')
    with pytest.raises(ConfigError, match="only the functions of a Python file can be executed"):
        make(tmp_path, tools={"path": str(schemas)}, results="executed", shapes=["single"])
    with pytest.raises(ConfigError, match="no tool has an argument that it needs"):
        make(tmp_path, tools={"path": str(schemas)})
    schemas.write_text("{}")
    with pytest.raises(InputError, match=r"tools\.json is no list of tools"):
        make(tmp_path, tools={"path": str(schemas)})


def test_other_tools_are_another_run(tmp_path: Path) -> None:
    copy = tmp_path / "tools.py"
    copy.write_bytes((SHIPPED / "tools.py").read_bytes())
    method: Row = {"tools": {"path": str(copy)}, "shapes": ["single"], "candidates": 2}
    make(tmp_path, **method)
    copy.write_text(copy.read_text(encoding="utf-8") + "\n# another price\n", encoding="utf-8")
    with pytest.raises(synth_stack.errors.SynthStackError, match="different"):
        make(tmp_path, **method)


def test_a_preview_shows_what_is_asked_and_tools_cannot_close_their_fence() -> None:
    line = "=" * 20
    for row in preview(load(shapes=["single"]), 2):
        assert {prompt["column"] for prompt in row["prompts"]} >= {"instruction", "calls_1", "answer"}
        assert line not in row["prompts"][0]["text"]


def test_thoughts_before_a_call_stand_on_it(tmp_path: Path) -> None:
    thinking = script(**{f"(?s){NEXT}": f"<think>Only the zone is asked for.</think>{ZONE}"})
    [row, *_] = make(tmp_path, thinking, shapes=["single"], candidates=2)
    assert row["messages"][1]["reasoning"] == "Only the zone is asked for."
