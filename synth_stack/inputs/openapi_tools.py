"""The operations of an OpenAPI 3 document as tools: one object of parameters and body for each.

References between schemas stay references, to `$defs` of the operation, so a schema may speak of itself and a
short document cannot grow. What refers out of the document is refused, and nothing is fetched.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 100
"""Of the values in a document: the deepest of public services have half of it."""
MAX_HOPS = 20
"""References that lead to a reference; one is what people write."""
MAX_NAME_CHARS = 64
"""Of a tool, as chat servers take it."""

_METHODS = ("get", "put", "post", "delete", "patch")
_SUCCESS = ("200", "201", "202", "default")
"""The answers in which the result of an operation is looked for, the first that is there."""


def read_operations(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Each operation, {"name", "description", "parameters", "returns"}, in the order of the document.

    The name is its `operationId`, or its method and path, with `_` for what no server takes. Raises
    ValueError with the operation that cannot be read, and why.
    """
    taken: set[str] = set()
    for route, item in _members(document.get("paths"), "paths").items():
        shared = _members(_resolve(document, item), route)
        for method in _METHODS:
            if method not in shared:
                continue
            try:
                tool = _read_operation(document, f"{method} {route}", shared, _members(shared[method], route))
            except (ValueError, RecursionError) as exc:
                said = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
                raise ValueError(f"{method} {route[:60]}: {said}") from exc
            name = _number(tool["name"], taken)
            taken.add(name)
            yield {**tool, "name": name}


def _number(name: str, taken: set[str]) -> str:
    """The name, or where another operation has it, with a number after it."""
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{name[: MAX_NAME_CHARS - len(str(number)) - 1]}_{number}"
    return made


@dataclass(slots=True)
class _Definitions:
    """The schemas that those of one operation refer to, by the name that they have there."""

    document: Mapping[str, Any]
    found: dict[str, Any] = field(default_factory=dict)

    def take(self, value: Any, depth: int = 0) -> Any:
        """A schema with its references to the document turned into references to these definitions."""
        if depth > MAX_DEPTH:
            raise ValueError("a schema is nested too deeply")
        if isinstance(value, list):
            return [self.take(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        made = {
            key: self.take(item, depth + 1) for key, item in value.items() if key not in {"$ref", "nullable"}
        }
        pointer = value.get("$ref")
        if isinstance(pointer, str):
            made = {"$ref": f"#/$defs/{self._define(pointer)}", **made}
        return _allow_null(made) if value.get("nullable") is True else made

    def _define(self, pointer: str) -> str:
        name = re.sub(r"[^A-Za-z0-9]+", "_", pointer.removeprefix("#/components/schemas/")).strip("_")
        if name not in self.found:
            self.found[name] = True  # before it is read: it may refer to itself
            self.found[name] = self.take(_follow(self.document, pointer))
        return name

    def close(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with those definitions that it needs."""
        return {**schema, "$defs": self.found} if self.found else schema


def _allow_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 calls `nullable`, as JSON Schema says it."""
    return {"anyOf": [schema, {"type": "null"}]}


def _read_operation(
    document: Mapping[str, Any], where: str, shared: Mapping[str, Any], operation: Mapping[str, Any]
) -> dict[str, Any]:
    said = operation.get("operationId")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", said if isinstance(said, str) and said else where).strip("_")
    about = operation.get("summary") or operation.get("description")
    return {
        "name": name[:MAX_NAME_CHARS],
        "description": about if isinstance(about, str) else "",
        "parameters": _read_parameters(document, shared, operation),
        "returns": _read_result(document, operation),
    }


def _read_parameters(
    document: Mapping[str, Any], shared: Mapping[str, Any], operation: Mapping[str, Any]
) -> dict[str, Any]:
    definitions = _Definitions(document)
    properties: dict[str, Any] = {}
    required: set[str] = set()
    for said in [*_items(shared, "parameters"), *_items(operation, "parameters")]:
        parameter = _members(_resolve(document, said), "a parameter")
        name = parameter.get("name")
        if not isinstance(name, str):
            raise ValueError("a parameter has no name")
        schema = _members(definitions.take(parameter.get("schema", {})), name)
        about = parameter.get("description")
        properties[name] = {**schema, "description": about} if isinstance(about, str) else schema
        (required.add if parameter.get("required") is True else required.discard)(name)
    body = _members(_resolve(document, operation.get("requestBody", {})), "requestBody")
    schema = _find_json(body)
    if schema is not None:
        _add_body(definitions, schema, properties, required, is_required=body.get("required") is True)
    made = {"type": "object", "properties": properties, "required": sorted(required)}
    return definitions.close(made)


def _add_body(
    definitions: _Definitions,
    schema: Any,
    properties: dict[str, Any],
    required: set[str],
    *,
    is_required: bool,
) -> None:
    """The members of a JSON body beside the parameters; a body that is no plain object is one member."""
    plain = _resolve(definitions.document, schema)
    members = plain.get("properties") if isinstance(plain, dict) else None
    clash = isinstance(members, dict) and members.keys() & properties.keys()
    if (
        not isinstance(members, dict)
        or clash
        or not is_required
        or plain.keys() & {"allOf", "anyOf", "oneOf"}
    ):
        name = "body" if "body" not in properties else "request_body"
        properties[name] = definitions.take(schema)
        required.update({name} if is_required else ())
        return
    properties.update(definitions.take(members))
    required.update(name for name in _items(plain, "required") if isinstance(name, str))


def _read_result(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of what the operation gives back, or None where it says nothing of it."""
    responses = {
        str(code): item for code, item in _members(operation.get("responses", {}), "responses").items()
    }
    found = next((responses[code] for code in _SUCCESS if code in responses), None)
    schema = None if found is None else _find_json(_members(_resolve(document, found), "a response"))
    if schema is None:
        return None
    definitions = _Definitions(document)
    taken = definitions.take(schema)
    return definitions.close(taken) if isinstance(taken, dict) else None


def _find_json(body: Mapping[str, Any]) -> Any:
    """The schema of the JSON form of a body, or None."""
    for kind, content in _members(body.get("content", {}), "content").items():
        if re.fullmatch(r"application/(?:[\w.+-]*\+)?json", kind.partition(";")[0].strip()):
            return _members(content, kind).get("schema")
    return None


def _resolve(document: Mapping[str, Any], value: Any) -> Any:
    """The value itself, or what its reference leads to."""
    for _ in range(MAX_HOPS):
        pointer = value.get("$ref") if isinstance(value, dict) else None
        if not isinstance(pointer, str):
            return value
        value = _follow(document, pointer)
    raise ValueError("a reference leads to itself")


def _follow(document: Any, pointer: str) -> Any:
    if not pointer.startswith("#/"):
        raise ValueError(f"it refers to something outside of it: {pointer[:60]!r}")
    for part in pointer[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and key.isdecimal() and int(key[:9]) < len(document):
            document = document[int(key[:9])]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        else:
            raise ValueError(f"it refers to {pointer[:60]!r}, and there is no such part")
    return document


def _items(value: Mapping[str, Any], name: str) -> list[Any]:
    said = value.get(name, [])
    if not isinstance(said, list):
        raise ValueError(f"{name} is no list")
    return said


def _members(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where[:60]} is no object")
    return value
