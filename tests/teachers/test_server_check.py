"""Which names a server answers to."""

from typing import Any

import orjson
import pytest

from synth_stack.errors import ConfigError
from synth_stack.teachers.endpoints import Endpoint
from synth_stack.teachers.server_check import check_server
from tests.openai_server import serve


def check(model: str, *listed: dict[str, Any]) -> None:
    with serve() as server:
        server.list_body = orjson.dumps({"object": "list", "data": listed})
        check_server(Endpoint(server.base_url, model, 5.0, 0, trust_env=False))


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("m", [{"id": "m"}]),
        ("gpt-4o", [{"id": "/models/q.gguf", "owned_by": "llamacpp"}]),
        ("small", [{"id": "big", "aliases": ["small"]}, {"id": "other"}]),
        ("openai/gpt-x", [{"id": "openai/*"}]),
        ("llama3.1", [{"id": "llama3.1:latest"}]),
        ("gemini-9", [{"id": "models/gemini-9"}]),
    ],
)
def test_a_name_that_a_server_answers_to_passes(model: str, listed: list[dict[str, Any]]) -> None:
    check(model, *listed)


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("m", [{"id": "n"}]),
        ("m", [{"id": "a", "owned_by": "llamacpp"}, {"id": "b", "owned_by": "llamacpp"}]),
        ("llama3.1", [{"id": "llama3.1:8b"}]),
        ("azure/gpt", [{"id": "openai/*"}]),
    ],
)
def test_another_one_is_refused_with_the_names_that_there_are(
    model: str, listed: list[dict[str, Any]]
) -> None:
    with pytest.raises(ConfigError, match="has no such model"):
        check(model, *listed)
