"""JSON values of strangers as a schema sees them: types, equality, size, and patterns over texts."""

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_DEPTH = 40
"""Levels of a schema, and of a value: what people write has fewer than ten."""
MAX_REPEATS = 1_000
"""The largest product of the repetition counts in a pattern: beyond it a pattern takes long to compile."""

Node = bool | Mapping[str, Any]
"""A schema: true, false, or what it says by keyword."""

_PYTHON: Mapping[str, type] = {"object": dict, "array": list, "string": str}


def is_type(value: Any, name: str) -> bool:
    """Whether a JSON value is of the type of that name: 1.0 is an integer, and true is no number."""
    if isinstance(value, bool) or value is None:
        return name == ("null" if value is None else "boolean")
    if isinstance(value, int):
        return name in {"number", "integer"}
    if isinstance(value, float):
        return name == "number" or (name == "integer" and value.is_integer())
    return name in _PYTHON and isinstance(value, _PYTHON[name])


def freeze(value: Any, depth: int = 0) -> Any:
    """A form of a value that equals that of every equal one: 1 equals 1.0, and not true.

    Raises ValueError for one that is nested deeper than MAX_DEPTH.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return "object", frozenset((key, freeze(item, depth + 1)) for key, item in value.items())
    if isinstance(value, list):
        return "array", tuple(freeze(item, depth + 1) for item in value)
    return isinstance(value, bool), value


def count_values(value: Any, depth: int = 0) -> int:
    """How many values a value holds, itself among them. Raises ValueError as `freeze` does."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(count_values(item, depth + 1) for item in inside)


@functools.lru_cache(maxsize=4_096)
def compile_pattern(pattern: str) -> Callable[[str], bool] | None:
    """Whether a text holds what a pattern describes, in linear time; None for a pattern that cannot be."""
    counts = [int(n) for n in re.findall(r"\{[0-9]*,?([0-9]{1,9})", pattern)]
    if math.prod(max(count, 1) for count in counts) > MAX_REPEATS:
        return None
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError:
        return None

    def holds(text: str) -> bool:
        try:
            validator.validate_python(text)
        except ValidationError:
            return False
        return True

    return holds
