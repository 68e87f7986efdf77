"""Whether a JSON value fits a JSON Schema, where both come from strangers.

The validation and applicator keywords of draft 2020-12, and what older drafts say differently (`items` as a
list, `exclusiveMaximum` as a truth value); the tests compare it with the package jsonschema. That package
bounds nothing: here references stay within the schema, patterns are matched in linear time, and only so much
work is done for one value.

Not checked: `format`, `unevaluatedProperties`, `unevaluatedItems`, `$dynamicRef`, and patterns that go back
over what they have read (look-around, back-references).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synth_stack.errors import name_type
from synth_stack.rows.json_values import MAX_DEPTH, Node, compile_pattern, freeze, is_type
from synth_stack.rows.schema_keywords import find_misfit

TYPES = ("null", "boolean", "object", "array", "number", "integer", "string")


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """A schema that was read: its root, and by pointer every part of it that a `$ref` names."""

    root: Node
    parts: Mapping[str, Node]

    def find_misfit(self, value: Any) -> str | None:
        """Where and by which keyword a value does not fit ("$.days[0]: type"), or None.

        Raises ValueError for a value that is nested too deep or takes too long to check.
        """
        return find_misfit(self.root, self.parts, value)


def read_schema(value: Any) -> JsonSchema:
    """The schema in a JSON value. Raises ValueError with what keeps it from being one."""
    wanted: set[str] = set()
    root = _read(value, wanted, 0)
    parts: dict[str, Node] = {}
    while missing := wanted - parts.keys():
        pointer = min(missing)
        parts[pointer] = _read(_follow(value, pointer), wanted, 0)
    return JsonSchema(root, parts)


def _read(value: Any, wanted: set[str], depth: int) -> Node:
    """A schema with nothing in it but what is checked; its references are added to `wanted`."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{name_type(value)} stands where a schema should be")
    node = {}
    for keyword, said in _modernise(value).items():
        if keyword in _PLAIN:
            node[keyword] = _PLAIN[keyword](said, keyword)
        elif keyword in _WITHIN:
            node[keyword] = _read_within(keyword, said, wanted, depth + 1)
    if "$ref" in node:
        wanted.add(node["$ref"])
    return node


def _read_within(keyword: str, said: Any, wanted: set[str], depth: int) -> Any:
    """The schemas that a keyword holds: one, a list of them, or some by name or pattern."""
    kind = _WITHIN[keyword]
    if kind is None:
        return _read(said, wanted, depth)
    if kind is list:
        return [_read(item, wanted, depth) for item in _require(said, list, keyword)]
    named = {name: _read(item, wanted, depth) for name, item in _require(said, dict, keyword).items()}
    if keyword == "patternProperties":
        return [(compile_pattern(pattern), node) for pattern, node in named.items()]
    return named


def _modernise(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema in the words of draft 2020-12."""
    new = dict(schema)
    if isinstance(new.get("items"), list):
        new["prefixItems"] = new.pop("items")
        if "additionalItems" in new:
            new["items"] = new.pop("additionalItems")
    for name, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(new.get(name), bool) and new.pop(name) and bound in new:
            new[name] = new.pop(bound)
    return new


def _follow(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901, as a fragment) names in a value."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and len(name) < 9 and int(name) < len(value):
            value = value[int(name)]
        else:
            raise ValueError(f"it refers to {pointer[:60]!r}, and there is no such part")
    return value


def _require(said: Any, kind: type, keyword: str) -> Any:
    if not isinstance(said, kind):
        raise ValueError(f"its {keyword} is {name_type(said)}, not {kind.__name__}")
    return said


def _read_reference(said: Any, keyword: str) -> str:
    pointer = str(_require(said, str, keyword))
    if pointer != "#" and not pointer.startswith("#/"):
        raise ValueError(f"it refers to something outside of it: {pointer[:60]!r}")
    return pointer


def _read_types(said: Any, keyword: str) -> list[str]:
    types = said if isinstance(said, list) else [said]
    if not types or not all(isinstance(name, str) and name in TYPES for name in types):
        raise ValueError(f"its {keyword} is none that there is: {str(said)[:60]!r}")
    return types


def _read_names(said: Any, keyword: str) -> list[str]:
    if not all(isinstance(name, str) for name in _require(said, list, keyword)):
        raise ValueError(f"its {keyword} is no list of names")
    return list(said)


def _read_dependents(said: Any, keyword: str) -> dict[str, list[str]]:
    return {name: _read_names(needed, keyword) for name, needed in _require(said, dict, keyword).items()}


def _read_number(said: Any, keyword: str) -> Any:
    if not is_type(said, "number") or (keyword == "multipleOf" and said <= 0):
        raise ValueError(f"its {keyword} is no number that it can be: {str(said)[:60]!r}")
    return said


def _read_count(said: Any, keyword: str) -> int:
    if not is_type(said, "integer") or said < 0:
        raise ValueError(f"its {keyword} is no count: {str(said)[:60]!r}")
    return int(said)


_WITHIN: Mapping[str, type | None] = {
    **dict.fromkeys("items additionalProperties propertyNames contains not if then else".split()),
    **dict.fromkeys("allOf anyOf oneOf prefixItems".split(), list),
    **dict.fromkeys("properties patternProperties dependentSchemas".split(), dict),
}
"""Keywords that hold schemas, with what they hold them in."""

_COUNTS = "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains".split()
_NUMBERS = "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split()
_PLAIN: Mapping[str, Callable[[Any, str], Any]] = {
    "$ref": _read_reference,
    "type": _read_types,
    "enum": lambda said, keyword: frozenset(map(freeze, _require(said, list, keyword))),
    "const": lambda said, _: frozenset([freeze(said)]),
    "required": _read_names,
    "dependentRequired": _read_dependents,
    "pattern": lambda said, keyword: compile_pattern(_require(said, str, keyword)),
    "uniqueItems": lambda said, keyword: _require(said, bool, keyword),
    **dict.fromkeys(_COUNTS, _read_count),
    **dict.fromkeys(_NUMBERS, _read_number),
}
