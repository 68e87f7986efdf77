"""The vllm teacher: what of its own parameters arrives at a server, and what is refused before."""

import importlib.util
from typing import Any

import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError, MissingExtra
from synth_stack.registry import bind
from synth_stack.teachers.chat_formats import load_presets
from synth_stack.teachers.perimeter import confine
from synth_stack.teachers.prompt import Prompt
from tests.openai_server import MODEL, serve

HELLO = [{"role": "user", "content": "hello"}]
HERE = "http://127.0.0.1/v1"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def make(**params: Any) -> Any:
    return bind("teacher", "vllm", {"model": MODEL, **params}, where="recipe r: teacher").make()


def test_its_own_sampling_and_what_goes_into_every_request_arrive_beside_the_row_s() -> None:
    with serve() as server:
        llm = make(
            base_url=server.base_url,
            temperature=0.5,
            top_k=20,
            min_p=0.05,
            repetition_penalty=1.1,
            chat_template_kwargs={"enable_thinking": False},
            extra_body={"structured_outputs": {"choice": ["yes", "no"]}},
            reasoning_tokens=0,
        )
        llm.load()
        llm.generate([Prompt(HELLO, seed=3, max_tokens=8, stop=["\n"], sampling={"temperature": 0.1})])
        llm.unload()
    assert server.bodies() == [
        {
            "model": MODEL,
            "messages": HELLO,
            "seed": 3,
            "max_tokens": 8,
            "stop": ["\n"],
            "temperature": 0.1,
            "top_p": 0.95,
            "top_k": 20,
            "min_p": 0.05,
            "repetition_penalty": 1.1,
            "chat_template_kwargs": {"enable_thinking": False},
            "structured_outputs": {"choice": ["yes", "no"]},
        }
    ]


def test_what_was_not_given_is_not_sent() -> None:
    assert make(base_url=HERE).sampling == {"temperature": 0.8, "top_p": 0.95}


def test_magpie_needs_its_chat_format_and_it_is_not_replayable() -> None:
    plain, known = make(base_url=HERE), make(base_url=HERE, chat_format="llama3", prompts="raw")
    assert (plain.use_magpie_template, plain.replayable, plain.prefers_raw) == (False, False, False)
    assert known.magpie_pre_query_template == load_presets()["llama3"].open_turn()
    assert known.prefers_raw


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"base_url": HERE, "top_k": 0}, "top_k is not usable"),
        ({"base_url": HERE, "min_p": 1.5}, "min_p is not usable"),
        ({"base_url": "http://user:secret@127.0.0.1/v1"}, "base_url is not usable"),
        ({"base_url": HERE, "extra_body": {"seed": 1, "stop": "x"}}, "says for itself; seen: seed, stop"),
        ({"base_url": HERE, "extra_body": {"logit_bias": object()}}, "extra_body"),
        ({"base_url": HERE, "engine": {"dtype": "auto"}}, "teacher.engine needs no base_url"),
        ({"extra_body": {"a": 1}}, "teacher.extra_body needs base_url"),
        ({"base_url": HERE, "requests_per_minute": 0}, "requests_per_minute is not usable"),
        ({"base_url": HERE, "tokens_per_minute": 0}, "tokens_per_minute is not usable"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        make(**params)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_an_address_and_without_vllm_it_says_what_to_install() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'vllm==0\.32\.\*'") as caught:
        make()
    assert caught.value.exit_code == 2


def test_the_engine_stays_within_the_perimeter_only_with_weights_that_are_here(tmp_path: Any) -> None:
    from synth_stack.teachers.vllm_engine import EngineLLM

    confine(EngineLLM(model=str(tmp_path)), "local", [])
    with pytest.raises(ConfigError, match="weights that are not on this machine; seen: Qwen/Qwen3-8B"):
        confine(EngineLLM(model="Qwen/Qwen3-8B"), "local", [])
