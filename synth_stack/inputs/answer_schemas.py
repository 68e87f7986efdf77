"""The JSON schemas that answers have to fit, from a file: one, a list, or some by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from synth_stack.errors import ConfigError, InputError
from synth_stack.inputs.strict_yaml import parse_yaml, read_text
from synth_stack.registry import FilePath
from synth_stack.rows.canonical import canonical_text, digest_bytes
from synth_stack.rows.json_schema import read_schema

MAX_SCHEMAS = 200
MAX_SCHEMA_CHARS = 64 * 1024
"""Of one schema: what a model can read beside its work. Every row has its own whole."""

_WORDS = frozenset({"type", "properties", "$ref", "$defs", "anyOf", "oneOf", "allOf", "$schema", "enum"})
"""One of these stands at the top of every schema that says anything."""


class SchemaFile(BaseModel):
    """Where the schemas are, relative to the recipe."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    path: FilePath


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """A schema by its name: its key, its title, or the name of its file."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SchemaList:
    """Schemas in the order of their file, and the digest of that file."""

    schemas: tuple[AnswerSchema, ...]
    digest: str


def read_schemas(source: SchemaFile) -> SchemaList:
    """The schemas of a file. Raises InputError for a file that holds none, or one that is none."""
    path = Path(source.path)
    try:
        text = read_text(path)
        said = _parse(path, text)
        schemas = tuple(AnswerSchema(name, schema) for name, schema in _list_named(path, said))
        for each in schemas:
            _check(each)
    except (ValueError, RecursionError, ConfigError) as exc:
        reason = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        raise InputError(
            f"{path.name} holds no JSON schemas: {reason}",
            allowed="a JSON schema of an object, a list of such, or a mapping of names to them",
            mend="Mend it, or name another file. pydantic writes one with model_json_schema().",
        ) from exc
    return SchemaList(schemas, digest_bytes(text.encode()))


def _parse(path: Path, text: str) -> Any:
    if path.suffix != ".json":
        return parse_yaml(text, where=path.name)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"no JSON: {exc}") from exc


def _list_named(path: Path, said: Any) -> list[tuple[str, Any]]:
    if isinstance(said, dict) and said.keys() & _WORDS:
        return [(_name(said, path.stem), said)]
    if isinstance(said, dict):
        found = list(said.items())
    elif isinstance(said, list):
        found = [(_name(each, f"{path.stem}_{k}"), each) for k, each in enumerate(said, 1)]
    else:
        raise ValueError("it is neither a mapping nor a list")
    names = [str(name) for name, _ in found]
    if not found or len(found) > MAX_SCHEMAS or len(set(names)) < len(names):
        raise ValueError(f"it has {len(found)} schemas, 1 to {MAX_SCHEMAS} of different names are read")
    return [(str(name), schema) for name, schema in found]


def _name(schema: Any, otherwise: str) -> str:
    title = schema.get("title") if isinstance(schema, dict) else None
    name = re.sub(r"\W+", "_", title).strip("_") if isinstance(title, str) else ""
    return name[:64] or otherwise


def _check(each: AnswerSchema) -> None:
    if not isinstance(each.schema, dict):
        raise ValueError(f"{each.name[:60]} is no schema of an object")
    try:
        read_schema(each.schema)
        size = len(canonical_text(each.schema))
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"{each.name[:60]} is no JSON schema: {exc}") from exc
    if size > MAX_SCHEMA_CHARS:
        raise ValueError(f"{each.name[:60]} has {size} characters, at most {MAX_SCHEMA_CHARS} are read")
    if each.schema.get("type", "object") != "object":
        raise ValueError(f"{each.name[:60]} is no schema of an object")
