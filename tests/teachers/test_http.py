"""The http teacher: its parameters as a recipe names them, and the server that they reach."""

import json
from typing import Any

import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError, TeacherError
from synth_stack.registry import bind
from synth_stack.teachers.chat_formats import load_presets
from tests.openai_server import MODEL, find_closed_url, serve

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def make(**params: Any) -> Any:
    return bind("teacher", "http", {"model": MODEL, "retries": 0, **params}, where="recipe r: teacher").make()


def test_sampling_and_model_of_the_recipe_arrive_at_the_server() -> None:
    with serve() as server:
        llm = make(base_url=f"{server.base_url}/", temperature=0.25, top_p=0.5, reasoning_tokens=0)
        llm.load()
        llm.generate([HELLO])
        llm.unload()
    assert server.asked[0].path == "/v1/chat/completions"
    assert server.bodies() == [{"model": MODEL, "messages": HELLO, "temperature": 0.25, "top_p": 0.5}]


def test_a_server_elsewhere_is_not_replayable_and_prefers_what_the_recipe_says() -> None:
    assert not make(base_url="http://127.0.0.1/v1").replayable
    assert not make(base_url="http://127.0.0.1/v1").prefers_raw
    assert make(base_url="http://127.0.0.1/v1", prompts="raw").prefers_raw


@pytest.mark.parametrize("chat_format", ["qwen2", "llama3"])
def test_only_a_known_chat_format_makes_it_a_teacher_for_magpie(chat_format: str) -> None:
    assert not make(base_url="http://127.0.0.1/v1").use_magpie_template
    llm = make(base_url="http://127.0.0.1/v1", chat_format=chat_format)
    assert llm.use_magpie_template
    assert llm.magpie_pre_query_template == load_presets()[chat_format].open_turn()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "base_url is missing"),
        ({"base_url": "127.0.0.1:8000/v1"}, "base_url is not usable"),
        ({"base_url": "http://user:secret@127.0.0.1/v1"}, "base_url is not usable"),
        ({"base_url": "http://127.0.0.1/v1 "}, "base_url is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "model": ""}, "model is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "temperature": "0.7"}, "temperature is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "top_p": 0.0}, "top_p is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "retries": -1}, "retries is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "concurrency": 0}, "concurrency is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "chat_format": "chatml"}, "chat_format is not usable"),
        ({"base_url": "http://127.0.0.1/v1", "api_key": "sk-1"}, "api_key is not a known key"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make(**params)


def test_check_tells_an_unknown_model_from_a_server_that_is_not_there() -> None:
    with serve(models=["other"]) as server, pytest.raises(ConfigError) as unknown:
        make(base_url=server.base_url).check()
    with pytest.raises(TeacherError) as unreachable:
        make(base_url=find_closed_url()).check()
    assert (unknown.value.exit_code, unreachable.value.exit_code) == (2, 1)
    assert server.asked == []


def test_its_dump_holds_the_name_of_the_key_s_variable_and_not_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", "sk-loopback-0123456789")
    dump = json.dumps(make(base_url="http://127.0.0.1/v1", api_key_env="LOOPBACK_KEY").dump())
    assert "LOOPBACK_KEY" in dump
    assert "sk-loopback" not in dump
