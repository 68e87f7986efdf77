"""Weights from a hub on the loopback: downloaded once, held to their digest, and one sentence where it fails."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError, ModelError
from synth_stack.models.hub import HUB_MODELS, HubModel, fetch_model
from synth_stack.registry import bind
from synth_stack.rows.canonical import Digest

DATA = b"GGUF, or so it says"
QWEN = HUB_MODELS["qwen2.5-1.5b-instruct"]
OURS = replace(QWEN, sha256=Digest(hashlib.sha256(DATA).hexdigest()))


class Server(ThreadingHTTPServer):
    """A hub that holds one file of one repository at one commit."""

    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append(f"{self.command} {self.path}")
        if self.path != f"/{QWEN.repository}/resolve/{QWEN.revision}/{QWEN.file}":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(DATA).hexdigest()}"')
        self.send_header("X-Repo-Commit", QWEN.revision)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(DATA)

    do_HEAD = do_GET  # noqa: N815  (the name that http.server looks for)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A hub that the client may reach, and an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_model_is_downloaded_at_its_commit_and_only_once(hub: Server) -> None:
    found = fetch_model(OURS)
    assert found.path.read_bytes() == DATA
    assert found.sha256 == OURS.sha256
    assert found.path.name == QWEN.file
    asked = len(hub.asked)
    assert fetch_model(OURS).path == found.path
    assert len(hub.asked) == asked


def test_other_bytes_than_those_pinned_are_refused_with_both_digests(hub: Server) -> None:
    with pytest.raises(ModelError) as caught:
        fetch_model(QWEN)
    assert QWEN.sha256 in str(caught.value)
    assert OURS.sha256 in str(caught.value)


@pytest.mark.parametrize(
    "wanted", [replace(OURS, file="no.gguf"), replace(OURS, repository="nobody/nothing")]
)
def test_a_file_that_the_hub_does_not_have_is_named(hub: Server, wanted: HubModel) -> None:
    with pytest.raises(ModelError, match=wanted.file):
        fetch_model(wanted)


def test_a_hub_that_does_not_answer_is_one_sentence_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # its waits between tries
    with pytest.raises(ModelError) as caught:
        make(model="qwen2.5-1.5b-instruct")
    assert caught.value.exit_code == 2
    assert "the Hub gave no qwen2.5-1.5b-instruct-q4_k_m.gguf" in str(caught.value)
    assert "hf download Qwen/Qwen2.5-1.5B-Instruct-GGUF" in str(caught.value)


def test_one_line_of_a_recipe_names_the_model_and_its_way_of_being_asked(
    hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub.asked == []
    monkeypatch.setattr("synth_stack.models.hub.HUB_MODELS", {"qwen2.5-1.5b-instruct": OURS})
    llm = make(model="qwen2.5-1.5b-instruct")
    assert llm.digest == OURS.sha256
    assert llm.model_name == QWEN.file
    assert not llm.prefers_raw
    assert llm.replayable
    assert make(model="qwen2.5-1.5b-instruct", prompts="raw").prefers_raw


@pytest.mark.parametrize("beside", [{"weights": "m.gguf"}, {"sha256": "0" * 64}])
def test_a_model_beside_weights_or_a_digest_is_refused(beside: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="a model or weights, not both"):
        make(model="qwen2.5-1.5b-instruct", **beside)


def test_a_model_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"qwen2\.5-1\.5b-instruct"):
        make(model="qwen9")


def make(**params: str) -> Any:
    return bind("teacher", "embedded", params, where="recipe r: teacher").make()
