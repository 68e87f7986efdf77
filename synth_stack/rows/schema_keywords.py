"""What each keyword of a JSON Schema asks of a value; json_schema.py reads the schemas."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from synth_stack.rows.json_values import MAX_DEPTH, Node, count_values, freeze, is_type

MAX_STEPS = 50_000
"""Keywords and values that are looked at for one value, some 50 ms: a call with ten arguments takes about a
hundred."""
MAX_NAME_CHARS = 60

Place = tuple[Node, Any, str]
"""A schema, the value that has to fit it, and where the value stands."""


def find_misfit(root: Node, parts: Mapping[str, Node], value: Any) -> str | None:
    """Where and by which keyword a value does not fit, or None; `parts` has what references name.

    Raises ValueError for a value that is nested too deep or takes too long to check.
    """
    return _Check(parts, count_values(value)).find_misfit(root, value, "$", 0)


class _Check:
    """A value under check, and the steps that it has taken."""

    def __init__(self, parts: Mapping[str, Node], steps: int) -> None:
        self._parts = parts
        self._steps = steps

    def find_misfit(self, node: Node, value: Any, path: str, depth: int) -> str | None:
        """The first keyword of a schema that the value breaks, with its place."""
        if isinstance(node, bool):
            self.spend(1, depth)
            return None if node else f"{path}: false"
        for keyword, said in node.items():
            self.spend(1, depth)
            found = None
            if keyword in _HOLDS:
                found = None if _HOLDS[keyword](said, value) else f"{path}: {keyword}"
            elif keyword in _JOINED:
                found = None if _JOINED[keyword](self, said, value, node, depth) else f"{path}: {keyword}"
            elif keyword in _PLACES:
                found = self._find_first(_PLACES[keyword](said, value, node, path), depth)
            elif keyword == "$ref":
                found = self.find_misfit(self._parts[said], value, path, depth + 1)
            if found is not None:
                return found
        return None

    def fits(self, node: Node, value: Any, depth: int) -> bool:
        """Whether a value fits a schema."""
        return self.find_misfit(node, value, "", depth + 1) is None

    def spend(self, steps: int, depth: int) -> None:
        """Count steps. Raises ValueError where they are too many."""
        self._steps += steps
        if self._steps > MAX_STEPS or depth > 2 * MAX_DEPTH:
            raise ValueError(f"it takes more than {MAX_STEPS} steps or {2 * MAX_DEPTH} levels to check")

    def _find_first(self, places: Iterable[Place], depth: int) -> str | None:
        for node, value, path in places:
            self.spend(1, depth)
            found = self.find_misfit(node, value, path, depth + 1)
            if found is not None:
                return found
        return None


def _step(path: str, name: str) -> str:
    """The place of a property; no more of a stranger's name than a line takes."""
    return f"{path}.{name[:MAX_NAME_CHARS]}"


def _within(size: Callable[[Any], float | None], fits: Callable[[float, float], bool]) -> Callable[..., bool]:
    """Whether the size of a value is within a bound; a value that has no such size is."""

    def holds(said: float, value: Any) -> bool:
        found = size(value)
        return found is None or fits(found, said)

    return holds


def _size(kind: type[str] | type[list[Any]] | type[dict[str, Any]]) -> Callable[[Any], float | None]:
    def size(value: Any) -> float | None:
        return len(value) if isinstance(value, kind) else None

    return size


def _number(value: Any) -> float | None:
    return value if is_type(value, "number") else None


def _is_multiple(value: Any, step: Any) -> bool:
    """As the package jsonschema divides: exactly where both are whole, else as floats do."""
    if not isinstance(step, float):
        return bool(value % step == 0)
    quotient = value / step
    return math.isfinite(quotient) and int(quotient) == quotient


def _has(said: Iterable[str], value: Any) -> bool:
    return not isinstance(value, dict) or all(name in value for name in said)


_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": lambda said, value: any(is_type(value, name) for name in said),
    "required": _has,
    "dependentRequired": lambda said, value: (
        not isinstance(value, dict) or all(_has(said[name], value) for name in said if name in value)
    ),
    "pattern": lambda said, value: said is None or not isinstance(value, str) or said(value),
    "minimum": _within(_number, lambda found, said: found >= said),
    "maximum": _within(_number, lambda found, said: found <= said),
    "exclusiveMinimum": _within(_number, lambda found, said: found > said),
    "exclusiveMaximum": _within(_number, lambda found, said: found < said),
    "multipleOf": _within(_number, _is_multiple),
    "minLength": _within(_size(str), lambda found, said: found >= said),
    "maxLength": _within(_size(str), lambda found, said: found <= said),
    "minItems": _within(_size(list), lambda found, said: found >= said),
    "maxItems": _within(_size(list), lambda found, said: found <= said),
    "minProperties": _within(_size(dict), lambda found, said: found >= said),
    "maxProperties": _within(_size(dict), lambda found, said: found <= said),
}
"""Keywords that look at a value alone."""


def _list_properties(said: Any, value: Any, _: Any, path: str) -> Iterator[Place]:
    for name, item in value.items() if isinstance(value, dict) else ():
        if name in said:
            yield said[name], item, _step(path, name)


def _list_matched(said: Any, value: Any, _: Any, path: str) -> Iterator[Place]:
    for name, item in value.items() if isinstance(value, dict) else ():
        for holds, node in said:
            if holds is not None and holds(name):
                yield node, item, _step(path, name)


def _list_others(said: Any, value: Any, node: Any, path: str) -> Iterator[Place]:
    patterns = [holds for holds, _ in node.get("patternProperties", ())]
    if isinstance(value, dict) and None not in patterns:  # else it is not known of which it speaks
        for name, item in value.items():
            if name not in node.get("properties", {}) and not any(holds(name) for holds in patterns):
                yield said, item, _step(path, name)


def _list_items(said: Any, value: Any, node: Any, path: str) -> Iterator[Place]:
    start = len(node.get("prefixItems", ()))
    for k, item in enumerate(value[start:], start) if isinstance(value, list) else ():
        yield said, item, f"{path}[{k}]"


def _list_first_items(said: Any, value: Any, _: Any, path: str) -> Iterator[Place]:
    for k, (node, item) in enumerate(zip(said, value, strict=False)) if isinstance(value, list) else ():
        yield node, item, f"{path}[{k}]"


_PLACES: Mapping[str, Callable[[Any, Any, Any, str], Iterable[Place]]] = {
    "properties": _list_properties,
    "patternProperties": _list_matched,
    "additionalProperties": _list_others,
    "propertyNames": lambda said, value, _, path: (
        (said, name, _step(path, name)) for name in (value if isinstance(value, dict) else ())
    ),
    "dependentSchemas": lambda said, value, _, path: (
        (node, value, path) for name, node in said.items() if isinstance(value, dict) and name in value
    ),
    "prefixItems": _list_first_items,
    "items": _list_items,
    "allOf": lambda said, value, _, path: ((node, value, path) for node in said),
}
"""Keywords that ask something of each of several values."""


def _is_one_of(check: _Check, said: Any, value: Any, _: Any, depth: int) -> bool:
    check.spend(count_values(value), depth)
    return freeze(value) in said


def _has_no_equal_items(check: _Check, said: Any, value: Any, _: Any, depth: int) -> bool:
    if not said or not isinstance(value, list):
        return True
    check.spend(count_values(value), depth)
    return len(set(map(freeze, value))) == len(value)


def _contains(check: _Check, said: Any, value: Any, node: Any, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    found = sum(check.fits(said, item, depth) for item in value)
    return bool(node.get("minContains", 1) <= found <= node.get("maxContains", len(value)))


def _fits_branch(check: _Check, said: Any, value: Any, node: Any, depth: int) -> bool:
    branch = "then" if check.fits(said, value, depth) else "else"
    return check.fits(node.get(branch, True), value, depth)


_JOINED: Mapping[str, Callable[[_Check, Any, Any, Any, int], bool]] = {
    "enum": _is_one_of,
    "const": _is_one_of,
    "uniqueItems": _has_no_equal_items,
    "contains": _contains,
    "if": _fits_branch,
    "anyOf": lambda check, said, value, _, depth: any(check.fits(node, value, depth) for node in said),
    "oneOf": lambda check, said, value, _, depth: sum(check.fits(node, value, depth) for node in said) == 1,
    "not": lambda check, said, value, _, depth: not check.fits(said, value, depth),
}
"""Keywords that need one answer for several schemas, or work that has to be counted."""
