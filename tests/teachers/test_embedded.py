"""llama.cpp in this process on the weights of a real package, a few tokens at a time."""

import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError, ModelError
from synth_stack.models.files import PINS, TEACHER
from synth_stack.registry import bind
from synth_stack.teachers.chat_formats import load_presets
from synth_stack.teachers.prompt import Prompt

WRONG = "0" * 64
PROMPTS = [
    Prompt([{"role": "user", "content": "Customer 1: my parcel"}], seed=11, max_tokens=6, raw=True),
    Prompt([{"role": "user", "content": "Say hello."}], seed=12, max_tokens=6),
    Prompt([{"role": "system", "content": "You sell lamps."}], seed=13, max_tokens=6, stop=["\n"]),
]


def make(**params: Any) -> Any:
    return bind("teacher", "embedded", {"threads": 1, **params}, where="recipe r: teacher").make()


def generate(llm: Any, prompts: list[Prompt]) -> list[str]:
    llm.load()
    try:
        return [output["generations"][0] for output in llm.generate(prompts)]
    finally:
        llm.unload()


def test_weights_of_another_digest_are_refused_with_both_digests_before_they_are_loaded() -> None:
    with pytest.raises(ModelError) as caught:
        make(sha256=WRONG)
    assert caught.value.exit_code == 2
    assert WRONG in str(caught.value)
    assert PINS[TEACHER] in str(caught.value)


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        make(weights=str(tmp_path / "model.gguf"))


@pytest.mark.parametrize(
    "data", [b"", b"GGUF", b"not a model at all" * 1000, b"GGUF\x03\x00\x00\x00" + b"\xff" * 10_000]
)
def test_a_file_that_is_no_model_is_a_model_error_and_not_the_end_of_the_process(
    data: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    llm = make(weights=str(path), sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ModelError, match="cannot load"):
        llm.load()


@pytest.mark.parametrize(
    "params", [{"slots": 0}, {"context_tokens": 10}, {"sha256": "A" * 64}, {"min_p": 2.0}]
)
def test_a_parameter_out_of_range_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is not usable"):
        make(**params)


@pytest.mark.slow
def test_one_slot_gives_each_seed_its_text_in_any_order_and_in_another_server() -> None:
    llm = make()
    first = generate(llm, PROMPTS)
    assert all(first)
    assert generate(llm, PROMPTS[::-1])[::-1] == first
    assert generate(make(), PROMPTS[1:]) == first[1:]


def test_it_listens_on_loopback_alone_and_stops_when_it_is_unloaded() -> None:
    llm = make()
    llm.load()
    addresses = llm.addresses
    assert len(addresses) == llm.servers
    for address in addresses:
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(f"{address}/v1/models", trust_env=False).status_code == 200
    llm.unload()
    assert llm.addresses == []
    for address in addresses:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/v1/models", trust_env=False)


def test_no_proxy_of_the_environment_sees_its_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert generate(make(), PROMPTS[:1])[0]


def test_one_slot_is_replayable_and_several_are_not() -> None:
    assert make().replayable
    assert not make(slots=2).replayable
    assert not make().sampling["cache_prompt"]


def test_it_names_its_weights_by_digest_and_file() -> None:
    llm = make()
    assert llm.digest == PINS[TEACHER]
    assert llm.model_name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert llm.magpie_pre_query_template == load_presets()["qwen2"].open_turn()
