"""The schemas of the public functions in a Python text, which is parsed and never run."""

import ast
import re
from collections.abc import Mapping
from typing import Any

_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "dict": "object",
    "None": "null",
}
_ARGUMENT = re.compile(r"^\s*(\w+)(?:\s*\([^)]*\))?:\s+(\S.*)$")
"""A line under `Args:` of a docstring, as Google's style guide has it."""
_MAX_DEPTH = 20
"""Of an annotation: what people write has three levels."""


def read_functions(text: str) -> list[Mapping[str, Any]]:
    """The public functions of the top level, each {"name", "description", "parameters", "returns"}.

    The first paragraph of the docstring is the description, and what it says under `Args:` that of each
    parameter. Raises ValueError for a text that is no Python, and for a function that nobody can call by the
    names of its arguments alone.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as exc:
        raise ValueError(f"no Python: {exc}") from exc
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    return [_read_function(node) for node in public]


def _read_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Mapping[str, Any]:
    if isinstance(node, ast.AsyncFunctionDef):
        raise ValueError(f"the function {node.name} is asynchronous")  # a call of it gives no result
    said = ast.get_docstring(node) or ""
    return {
        "name": node.name,
        "description": " ".join(said.partition("\n\n")[0].split()),
        "parameters": _read_parameters(node, said),
        "returns": _read_type(node.returns) or None,
    }


def _read_parameters(node: ast.FunctionDef, docstring: str) -> Mapping[str, Any]:
    said = node.args
    if said.posonlyargs or said.vararg or said.kwarg:
        raise ValueError(f"the function {node.name} takes arguments that have no name")
    defaults = dict(zip([each.arg for each in reversed(said.args)], reversed(said.defaults), strict=False))
    for each, value in zip(said.kwonlyargs, said.kw_defaults, strict=True):
        if value is not None:
            defaults[each.arg] = value
    told = _read_descriptions(docstring)
    properties = {}
    for each in (*said.args, *said.kwonlyargs):
        schema = _read_type(each.annotation)
        if each.arg in told:
            schema.setdefault("description", told[each.arg])
        if isinstance(default := defaults.get(each.arg), ast.Constant) and _is_json(default.value):
            schema["default"] = default.value
        properties[each.arg] = schema
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in defaults],
        "additionalProperties": False,
    }


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


def _read_descriptions(docstring: str) -> dict[str, str]:
    """What the lines under `Args:` say, by the name of the parameter."""
    found: dict[str, str] = {}
    _, marker, rest = docstring.partition("Args:\n")
    for line in rest.splitlines() if marker else ():
        if not line.strip() or not line[0].isspace():
            break
        match = _ARGUMENT.match(line)
        if match:
            found.setdefault(match[1], match[2].strip())
    return found


def _read_type(node: ast.expr | None, depth: int = 0) -> dict[str, Any]:
    """The schema of an annotation; one that says nothing in JSON's terms allows anything."""
    if depth > _MAX_DEPTH:
        raise ValueError("an annotation is nested too deeply")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _read_quoted(node.value, depth)
    if isinstance(node, ast.Name | ast.Constant):
        name = node.id if isinstance(node, ast.Name) else str(node.value)
        return {"type": _TYPES[name]} if name in _TYPES else {}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _join([_read_type(side, depth + 1) for side in (node.left, node.right)])
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
        name = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
        return _read_generic(name, node.slice, depth + 1)
    return {}


def _read_quoted(text: str, depth: int) -> dict[str, Any]:
    try:
        return _read_type(ast.parse(text, mode="eval").body, depth + 1)
    except SyntaxError:
        return {}


def _read_generic(name: str, inner: ast.expr, depth: int) -> dict[str, Any]:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        return {"enum": values} if len(values) == len(parts) else {}
    if not parts:
        return {"type": _TYPES[name]} if name in _TYPES else {}
    if name == "Union":
        return _join([_read_type(part, depth) for part in parts])
    first, last = _read_type(parts[0], depth), _read_type(parts[-1], depth)
    if name == "Annotated":
        about = [part.value for part in parts[1:] if isinstance(part, ast.Constant)]
        said = next((value for value in about if isinstance(value, str)), None)
        return first if said is None else {**first, "description": said}
    forms: dict[str, dict[str, Any]] = {
        "list": {"type": "array", "items": first},
        "List": {"type": "array", "items": first},
        "Sequence": {"type": "array", "items": first},
        "tuple": {"type": "array"},
        "dict": {"type": "object", "additionalProperties": last},
        "Dict": {"type": "object", "additionalProperties": last},
        "Mapping": {"type": "object", "additionalProperties": last},
        "Optional": _join([first, {"type": "null"}]),
    }
    return forms.get(name, {})


def _join(sides: list[dict[str, Any]]) -> dict[str, Any]:
    """What fits one of the schemas; one that allows anything makes the whole do so."""
    return {"anyOf": sides} if all(sides) else {}
