"""Every line that docs/teachers.md gives for a server, sent to one that looks at paths, headers and fields."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from synth_stack.registry import bind
from synth_stack.teachers.prompt import Prompt

PAGE = (Path(__file__).parents[2] / "docs" / "teachers.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^\| ([\w .]+) \| `(\{use: (?:http|vllm).*?\})` \|", PAGE, re.MULTILINE))
PROMPT = Prompt(
    [{"role": "user", "content": "hello"}], seed=3, max_tokens=20, stop=["\n"], sampling={"temperature": 0.3}
)

TAKEN = {"model", "messages", "seed", "max_tokens", "stop", "temperature", "top_p"}
"""The keys that OpenAI's chat API has and that we send."""

FORMS: dict[str, dict[str, Any]] = {
    "llama.cpp": {"models": [{"id": "/m/q.gguf", "owned_by": "llamacpp"}]},
    "vLLM": {"models": [{"id": "Qwen/Qwen3-8B"}]},
    "SGLang": {"models": [{"id": "Qwen/Qwen3-8B"}], "more": {"separate_reasoning"}},
    "Ollama": {"models": [{"id": "llama3.1:latest"}]},
    "litellm": {"models": [{"id": "my-alias"}], "key": ("LITELLM_KEY", "authorization", "Bearer k-1")},
    "OpenAI": {
        "models": [{"id": "gpt-5-mini"}],
        "key": ("OPENAI_API_KEY", "authorization", "Bearer k-1"),
        "not": {"max_tokens", "stop", "temperature", "top_p"},
        "more": {"max_completion_tokens"},
    },
    "Azure OpenAI": {
        "models": None,
        "key": ("AZURE_KEY", "api-key", "k-1"),
        "prefix": "/openai/deployments/DEPLOYMENT",
        "query": "api-version=2024-10-21",
    },
}


class Strict:
    """What a server allows, and what it was sent that it does not."""

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form
        self.wrong: list[str] = []
        self.bodies: list[dict[str, Any]] = []

    def look(self, path: str, headers: dict[str, str], body: dict[str, Any] | None) -> tuple[int, Any]:
        at = urlsplit(path)
        prefix = self.form.get("prefix", "/v1")
        if at.query != self.form.get("query", ""):
            self.wrong.append(f"query {at.query!r}")
        if (key := self.form.get("key")) and headers.get(key[1]) != key[2]:
            self.wrong.append(f"key header {key[1]}")
        if body is None and at.path == f"{prefix}/models":
            return (404, {}) if self.form["models"] is None else (200, {"data": self.form["models"]})
        if at.path != f"{prefix}/chat/completions" or body is None:
            self.wrong.append(f"path {at.path}")
            return 404, {}
        self.bodies.append(body)
        allowed = (TAKEN - self.form.get("not", set())) | self.form.get("more", set())
        self.wrong += [f"field {name}" for name in body if name not in allowed]
        said = {"message": {"role": "assistant", "content": "Hello.\nBye."}, "finish_reason": "stop"}
        return 200, {"choices": [said], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}


@contextmanager
def serve(form: dict[str, Any]) -> Iterator[tuple[str, Strict]]:
    strict = Strict(form)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any] | None) -> None:
            status, said = strict.look(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", strict
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_server_of_the_page_is_tried() -> None:
    assert set(LINES) == set(FORMS)


@pytest.mark.parametrize("name", sorted(FORMS))
def test_the_line_for_a_server_sends_what_it_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    form, line = FORMS[name], yaml.safe_load(LINES[name])
    if "key" in form:
        monkeypatch.setenv(form["key"][0], "k-1")
    with serve(form) as (address, strict):
        path = urlsplit(line.pop("base_url")).path
        use = line.pop("use")
        teacher = bind("teacher", use, {**line, "base_url": address + path}, where="teacher").make()
        teacher.check()
        teacher.load()
        try:
            (output,) = teacher.generate([PROMPT])
        finally:
            teacher.unload()
    assert strict.wrong == []
    assert output["generations"] == ["Hello." if name == "OpenAI" else "Hello.\nBye."]
    assert len(strict.bodies) == 2  # whether it thinks, and the prompt
