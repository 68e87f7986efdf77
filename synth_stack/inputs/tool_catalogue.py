"""The tools that a model may call, from a file of their schemas or of Python functions, which is only read.

Forms: a JSON or YAML list of schemas (bare, or as {"type", "function"}), an answer of MCP's tools/list, an
OpenAPI 3 document, and a Python file, whose public functions are read by `ast` and never imported.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from synth_stack.errors import ConfigError, InputError
from synth_stack.inputs.openapi_tools import read_operations
from synth_stack.inputs.python_functions import read_functions
from synth_stack.inputs.strict_yaml import parse_yaml, read_text
from synth_stack.registry import FilePath, suggest
from synth_stack.rows.canonical import digest_bytes
from synth_stack.rows.json_schema import JsonSchema, read_schema

MAX_BYTES = 16 * 1024 * 1024
"""Of a catalogue: the largest OpenAPI documents of public services have 12 MB. A YAML file may hold 4 MiB, as
every other does."""
MAX_YAML_BYTES = 4 * 1024 * 1024
MAX_TOOL_CHARS = 64 * 1024
"""Of the schemas of one tool: what a model can read beside its work."""
MAX_DEPTH = 200

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What chat servers take as the name of a function."""
_PARAMETERS = ("parameters", "inputSchema", "input_schema")
_RETURNS = ("returns", "outputSchema", "output_schema")
"""What the schemas of arguments and result are called: by OpenAI and transformers, by MCP, by Anthropic."""
_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


class ToolFile(BaseModel):
    """Where the tools are, relative to the recipe, and which of them to take: all, without `only`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    path: FilePath
    only: Annotated[list[str], Field(min_length=1)] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name, what it is for, the schema of its arguments and, where it is known, of its result."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    returns: Mapping[str, Any] | None = None

    def as_function(self) -> dict[str, Any]:
        """The tool as chat servers, chat templates and rows have it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    @property
    def required(self) -> tuple[str, ...]:
        """The arguments without which it cannot be called."""
        said = self.parameters.get("required")
        return tuple(said) if isinstance(said, list) else ()

    def read_arguments(self) -> JsonSchema:
        """The schema of the arguments, to hold arguments against."""
        return read_schema(self.parameters)

    def read_result(self) -> JsonSchema | None:
        """The schema of the result, where there is one."""
        return None if self.returns is None else read_schema(self.returns)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tools in the order of their file, the digest of that file, and what was taken of it.

    `program` is the text of a Python file, for whoever runs its functions in the sandbox; None for schemas.
    """

    tools: tuple[Tool, ...]
    digest: str
    program: str | None = None


def read_catalogue(source: ToolFile) -> Catalogue:
    """The tools of a file.

    Raises InputError for a file that holds none or cannot be read as one, for a tool that no server would
    take, and for a name in `only` that no tool has.
    """
    path = Path(source.path)
    try:
        text = read_text(path, max_bytes=MAX_BYTES if path.suffix == ".json" else MAX_YAML_BYTES)
        tools, program = _read(path, text)
        _check_names(tools)
        chosen = _choose(tools, source.only)
        for tool in chosen:
            _check_schemas(tool)
    except (ValueError, RecursionError, ConfigError) as exc:
        said = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        raise InputError(
            f"{path.name} is no list of tools: {said}",
            allowed="a list of JSON schemas, an MCP tool list, an OpenAPI 3 document, a Python file",
            mend="Mend it, name another file in tools.path, or name the tools to take in tools.only.",
        ) from exc
    return Catalogue(tuple(chosen), digest_bytes(text.encode()), program)


def _read(path: Path, text: str) -> tuple[list[Tool], str | None]:
    if path.suffix == ".py":
        return [Tool(**said) for said in read_functions(text)], text
    if path.suffix == ".json":
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise ValueError(f"no JSON: {exc}") from exc
    else:
        said = _as_json(parse_yaml(text, where=path.name))
    return [_build(each) for each in _list_tools(said)], None


def _list_tools(said: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(said, dict) and "openapi" in said:
        yield from read_operations(said)
        return
    if isinstance(said, dict) and "swagger" in said:
        raise ValueError("it is an OpenAPI 2 document (swagger), and version 3 is read")
    if isinstance(said, dict) and isinstance(said.get("result"), dict):
        said = said["result"]  # the whole JSON-RPC answer
    listed = said.get("tools") if isinstance(said, dict) else said
    if not isinstance(listed, list):
        raise ValueError("it is neither a list, nor has it `tools` or `openapi`")
    for item in listed:
        function = item.get("function", item) if isinstance(item, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            raise ValueError("a tool without a name")
        yield {
            "name": function["name"],
            "description": function.get("description") or "",
            "parameters": _NOTHING if (said := _first(function, _PARAMETERS)) is None else said,
            "returns": _first(function, _RETURNS),
        }


def _first(function: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((function[name] for name in names if function.get(name) is not None), None)


def _build(said: Mapping[str, Any]) -> Tool:
    if not isinstance(said["name"], str) or not isinstance(said["description"], str):
        raise ValueError(f"name and description of a tool are texts: {str(said['name'])[:60]!r}")
    for what in ("parameters", "returns"):
        if not isinstance(said[what], dict | None):
            raise ValueError(f"{what} of {said['name'][:60]} is no JSON schema of an object")
    return Tool(**said)


def _check_names(tools: list[Tool]) -> None:
    if not tools:
        raise ValueError("there is no tool in it")
    for tool in tools:
        if not _NAME.fullmatch(tool.name):
            raise ValueError(f"a tool has a name that no server takes: {tool.name[:60]!r}")
    name, times = Counter(tool.name for tool in tools).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{times} tools have the name {name}")


def _choose(tools: list[Tool], only: list[str] | None) -> list[Tool]:
    if only is None:
        return tools
    known = {tool.name: tool for tool in tools}
    for name in only:
        if name not in known:
            raise ValueError(f"there is no tool {name[:60]!r} in it. {suggest(name, known) or ''}".strip())
    return [known[name] for name in dict.fromkeys(only)]


def _check_schemas(tool: Tool) -> None:
    """Raises ValueError for schemas that no argument could be held against."""
    size = len(orjson.dumps([tool.parameters, tool.returns]))
    if size > MAX_TOOL_CHARS:
        raise ValueError(f"the schemas of {tool.name} have {size} bytes, at most {MAX_TOOL_CHARS} are read")
    for what, read in (("parameters", tool.read_arguments), ("result", tool.read_result)):
        try:
            read()
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"the {what} of {tool.name} are no JSON schema: {exc}") from exc
    if tool.parameters.get("type", "object") != "object":
        raise ValueError(f"the parameters of {tool.name} are no object")


def _as_json(value: Any, depth: int = 0) -> Any:
    """A YAML value as the JSON that it stands for: its keys are texts (the 200 of a response, say)."""
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        return {str(key): _as_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item, depth + 1) for item in value]
    if isinstance(value, int | float) and not abs(value) < 2**63:
        raise ValueError("it holds a number that JSON has not")
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
