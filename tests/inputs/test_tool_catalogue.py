"""Tools are read from every form that they come in, and files that are none are refused in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.tool_catalogue import Catalogue, ToolFile, read_catalogue

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
BARE = {"name": "weather", "description": "The weather.", "parameters": PARAMETERS}
MCP = {
    "name": "weather",
    "description": "The weather.",
    "inputSchema": PARAMETERS,
    "outputSchema": {"type": "object"},
}


def read(folder: Path, said: Any, name: str = "tools.json", only: list[str] | None = None) -> Catalogue:
    (folder / name).write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return read_catalogue(ToolFile(path=str(folder / name), only=only))


@pytest.mark.parametrize(
    "said",
    [
        [BARE],
        {"tools": [{"type": "function", "function": BARE}]},
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [MCP]}},
        [{"name": "weather", "description": "The weather.", "input_schema": PARAMETERS}],
    ],
)
def test_every_form_of_a_schema_gives_the_same_tool(said: Any, tmp_path: Path) -> None:
    catalogue = read(tmp_path, said)
    [tool] = catalogue.tools
    assert tool.as_function() == {"type": "function", "function": BARE}
    assert tool.required == ("city",)
    assert catalogue.program is None


def test_yaml_openapi_and_python_are_read(tmp_path: Path) -> None:
    yaml = "openapi: 3.1.0\npaths:\n  /t:\n    get:\n      operationId: t\n      responses: {200: {description: d}}\n"
    assert [tool.name for tool in read(tmp_path, yaml, "api.yaml").tools] == ["t"]
    text = "def a(x: int) -> int: ...\ndef b() -> str: ...\n"
    catalogue = read(tmp_path, text, "tools.py", only=["b"])
    assert [tool.name for tool in catalogue.tools] == ["b"]
    assert catalogue.program == text


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, [BARE]).digest != read(tmp_path, [{**BARE, "description": "Other."}]).digest


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("[", "no JSON"),
        ([], "there is no tool in it"),
        ({}, "neither a list"),
        ({"swagger": "2.0"}, "OpenAPI 2 document"),
        ([{"description": "x"}], "a tool without a name"),
        ([{**BARE, "name": "two words"}], "a name that no server takes"),
        ([{**BARE, "description": 7}], "name and description of a tool are texts"),
        ([BARE, BARE], "2 tools have the name weather"),
        ([{**BARE, "parameters": {"type": "array"}}], "are no object"),
        ([{**BARE, "parameters": []}], "parameters of weather is no JSON schema"),
        ([{**BARE, "parameters": {"$ref": "https://x.example/a"}}], "are no JSON schema"),
        ([{**BARE, "parameters": {"description": "x" * 70_000}}], "at most 65536 are read"),
        ("[" * 100_000, "tools.json is no list of tools"),
    ],
)
def test_a_file_that_is_no_list_of_tools_is_refused(said: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, said)
    assert reason in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_name_that_no_tool_has_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'weather'"):
        read(tmp_path, [BARE], only=["wether"])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("tools: &a [*a]", "aliases"),
        ("- {name: t, parameters: {minimum: .inf}}", "a number that JSON has not"),
    ],
)
def test_yaml_keeps_to_its_bounds(said: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        read(tmp_path, said, "tools.yaml")
