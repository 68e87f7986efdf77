"""Descriptions of APIs and packages as sources: read, and never run."""

import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.gates.factuality.library import open_library
from synth_stack.gates.factuality.openapi import index_specs, read_spec
from synth_stack.inputs.source_files import SourceFile

SPEC: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Lamps", "description": "Requests are limited to 60 a minute."},
    "servers": [{"url": "https://api.lamps.example/v1"}],
    "paths": {
        "/lamps": {"get": {"summary": "Lists lamps.", "parameters": [{"name": "limit", "in": "query"}]}},
        "/lamps/{id}": {"get": {}, "delete": {"deprecated": True}},
    },
}


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("Call GET /lamps?limit=3 first.", ["known"]),
        ("Call GET /v1/lamps/7.", ["known"]),
        ("Call `POST /lamps`.", ["invented_name"]),
        ("Call GET /bulbs.", ["invented_name"]),
        ("Call GET /lamps?size=3.", ["invented_parameter", "known"]),
        ("DELETE /lamps/:id removes it.", ["deprecated_name"]),
        ("curl https://api.lamps.example/v1/bulbs", ["invented_name"]),
        ("curl https://other.example/v1/bulbs", []),
        ("We GET back to you.", []),
    ],
)
def test_requests_are_held_against_an_openapi_file(tmp_path: Path, text: str, sorts: list[str]) -> None:
    (tmp_path / "api.json").write_text(json.dumps(SPEC))
    library = open_library([str(tmp_path / "api.json")], None)
    assert [finding.sort for finding in library.check_code(text)] == sorts
    assert library.index is not None
    assert library.index.shelf.sentences[0].said.text == "Requests are limited to 60 a minute."


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.yaml", "a: &x [1]\nb: [*x, *x]\n", "not readable: YAMLError"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "not readable: ConstructorError"),
        ("a.yaml", "a: [", "not readable: ParserError"),
        ("a.json", "[" * 100_000, "not readable: RecursionError"),
        ("a.json", "{}", "no OpenAPI description"),
        ("a.json", '{"openapi": "3.0.0", "paths": []}', "an OpenAPI description without paths"),
    ],
)
def test_a_hostile_or_foreign_description_is_left_out(tmp_path: Path, name: str, text: str, why: str) -> None:
    assert read_spec(SourceFile(name, tmp_path / name, text.encode())) == why


def test_broken_parts_of_a_description_are_passed_over() -> None:
    spec = {
        "openapi": "3",
        "paths": {"/a": None, "/b": {"get": None, "put": {"parameters": [{"$ref": "#/no/where"}, 3]}}},
    }
    [operation] = index_specs([("a.json", spec)]).operations
    assert (operation.method, operation.path, operation.query) == ("put", "/b", frozenset())
