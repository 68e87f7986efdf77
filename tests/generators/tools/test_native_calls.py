"""A teacher that takes tools is sent the conversation and the tools as such, and its tool_calls are the row's."""

import json
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.errors import ConfigError
from synth_stack.packs.verify.verify import verify_pack
from tests.generators.tools.test_methods import SHIPPED, load, make, read_rows, script, shape_of
from tests.openai_server import MODEL, Reply, complete, serve

Row = dict[str, Any]

FIND = {"id": "xyz", "type": "function", "function": {"name": "find_zone", "arguments": '{"city": "Lyon"}'}}


def call(*calls: Row, content: str | None = None, finish: str = "tool_calls", **said: Any) -> Reply:
    message = {"role": "assistant", "content": content, "tool_calls": list(calls), **said}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    usage = {"prompt_tokens": 11, "completion_tokens": 7}
    return Reply(body=json.dumps({"model": MODEL, "choices": [choice], "usage": usage}).encode())


def check_strictly(body: Row) -> None:
    """What OpenAI's API says of messages and tools: every call is answered once, right after its turn."""
    assert all(set(tool) == {"type", "function"} and tool["type"] == "function" for tool in body["tools"])
    assert all({"name", "parameters"} <= set(tool["function"]) for tool in body["tools"])
    open_calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            assert set(message) == {"role", "tool_call_id", "content"}
            open_calls.remove(message["tool_call_id"])
            continue
        assert open_calls == []
        for made in message.get("tool_calls", ()):
            assert set(made) == {"id", "type", "function"}
            assert isinstance(json.loads(made["function"]["arguments"]), dict)
            open_calls.append(made["id"])
    assert open_calls == []


def assist(body: Row, raw: bool) -> Reply:
    """A server with tools: it calls one for a city, answers from its result, and writes what else is asked."""
    if "tools" not in body:
        asked = body["messages"][-1]["content"]
        said = "YES" if "Judge the assistant" in asked else "Which zone is Lyon in?"
        return complete(said)(body, raw)
    check_strictly(body)
    last = body["messages"][-1]
    if last["role"] == "tool":
        return complete(f"Lyon is in zone {json.loads(last['content'])['zone']}.")(body, raw)
    return call(FIND, reasoning_content="Lyon is a city.")


def serve_rows(folder: Path, behaviour: Any, **said: Any) -> tuple[list[Row], list[Row]]:
    with serve(always=behaviour) as server:
        teacher = {
            "use": "http",
            "base_url": server.base_url,
            "model": MODEL,
            "reasoning_tokens": 0,
            "takes_tools": True,
            "chat_format": "qwen2",  # Magpie's: a turn after a result is the assistant's all the same
        }
        method = {"shapes": ["single"], **said}
        rows = make(folder, teacher, candidates=3, changes={"models": {}}, **method)
        return rows, server.bodies()


def test_calls_come_as_tool_calls_and_results_go_back_under_their_ids(tmp_path: Path) -> None:
    rows, bodies = serve_rows(tmp_path, assist)
    for row in rows:
        assert row["failure"] is None
        user, calling, result, final = row["messages"]
        assert user["content"] == "Which zone is Lyon in?"
        assert [(made["name"], made["arguments"]) for made in calling["tool_calls"]] == [
            ("find_zone", '{"city": "Lyon"}')
        ]
        assert (calling["finish"], calling["reasoning"]) == ("tool_calls", "Lyon is a city.")
        assert result["tool_call_id"] == calling["tool_calls"][0]["id"]
        assert (final["content"], final["finish"]) == ("Lyon is in zone 2.", "stop")
        assert json.loads(row["extra"])["tool_traces"]["calls"] == "native"
    assert sum("tools" in body for body in bodies) == 6
    assert {len(body["tools"]) for body in bodies if "tools" in body} == {5}


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (call({**FIND, "function": {"name": "find_zone", "arguments": '{"city": "Ly'}}), "no JSON"),
        (call({**FIND, "function": {"name": "find_planet", "arguments": "{}"}}), "there is no tool"),
        (call(FIND, FIND), "2 calls, one was to be made"),
        (
            call({**FIND, "function": {"name": "find_zone", "arguments": '{"city": "L'}}, finish="length"),
            "cut off",
        ),
    ],
)
def test_a_call_that_no_tool_takes_or_that_was_cut_fails_its_row(
    reply: Reply, failure: str, tmp_path: Path
) -> None:
    def answer_wrongly(body: Row, raw: bool) -> Reply:
        return reply if "tools" in body else assist(body, raw)

    rows, _ = serve_rows(tmp_path, answer_wrongly)
    assert {row["failure"] is not None and failure in row["failure"] for row in rows} == {True}


def test_a_scripted_teacher_calls_natively_from_recipe_to_pack_and_a_recipe_may_keep_to_text(
    tmp_path: Path,
) -> None:
    zone = json.dumps([{"name": "find_zone", "arguments": {"city": "Lyon"}}])
    rules = [
        ("Write one request by another person", "Which zone is Lyon in?"),
        ("Judge the assistant", "YES"),
        (r"(?s)<\|im_start\|>tool", "Lyon is in zone 2."),
        ("What do you do next", zone),
        ("You are an assistant with tools", zone),
        ("Write the assistant's answer", "Lyon is in zone 2."),
    ]
    teacher = {**script(), "rules": [{"match": m, "replies": [r]} for m, r in rules], "takes_tools": True}
    gates = {"gates": str(SHIPPED / "gates.yaml")}
    recipe = load(teacher, candidates=8, changes={**gates, "models": {}}, shapes=["single"])
    result = synth_stack.run(recipe, tmp_path / "run")
    verify_pack(result.pack.path)
    native = read_rows(result.folder)
    assert {(shape_of(row), row["failure"]) for row in native} == {("single", None)}
    text = make(
        tmp_path / "text", teacher, candidates=8, changes={"models": {}}, shapes=["single"], calls="text"
    )
    told = [{json.loads(row["extra"])["tool_traces"]["calls"] for row in rows} for rows in (native, text)]
    assert told == [{"native"}, {"text"}]
    assert [row["messages"] for row in native] == [row["messages"] for row in text]


def test_native_calls_of_a_teacher_that_takes_no_tools_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs a teacher that takes tools.*takes_tools: true"):
        make(tmp_path, calls="native")
