"""Values of foreign records: which of them hold something, what is text, and how JSON can say the rest."""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from synth_stack.errors import name_type
from synth_stack.rows.canonical import canonical_text

MAX_DEPTH = 100
"""Nesting of a record beyond this is no data set's; Python's own stack ends at about 300 levels of JSON."""
MAX_WHOLE = 2**53
"""Integers from here on become text: a JSON number beyond is read as another one by every JavaScript."""


def is_empty(value: Any) -> bool:
    """Whether a value is there without holding anything: null, NaN, a blank text, an empty list or object."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    value = to_python(value)
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, list | tuple | bytes | Mapping) and len(value) == 0


def read_text(value: Any, column: str) -> str:
    """A text, or bytes that are one. Raises ValueError for anything else and for a lone surrogate."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise ValueError(f"column {column!r} holds bytes that are no UTF-8") from exc
    if not isinstance(value, str):
        raise ValueError(f"column {column!r} holds {name_type(value)}, not text")
    return check_unicode(value, column)


def check_unicode(value: str, column: str) -> str:
    """The text itself. Raises ValueError for one with a lone surrogate."""
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ValueError(f"column {column!r} is not valid Unicode: a lone surrogate") from exc
    return value


def clean_text(value: str) -> str:
    """The text with a question mark in the place of each lone surrogate."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def to_python(value: Any) -> Any:
    """NumPy's arrays and numbers as Python's; everything else as it is."""
    return value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value


def to_plain(value: Any, depth: int = 0) -> Any:
    """A JSON value that is written one way only: numbers that are not small integers become text.

    NaN and the infinities are "NaN", "Infinity" and "-Infinity"; an integer from MAX_WHOLE on is written
    digit by digit; bytes that are UTF-8 are their text. Raises ValueError beyond MAX_DEPTH levels.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if value is None or kind is bool or (kind is int and -MAX_WHOLE < value < MAX_WHOLE):
        return value
    value = to_python(value)
    if isinstance(value, Mapping):
        return merge_names((str(k), to_plain(v, depth + 1)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return [to_plain(v, depth + 1) for v in value]
    return clean_text(_write_scalar(value))


def _write_scalar(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return str(value)
    return str(value)


def merge_names(pairs: Any) -> dict[str, Any]:
    """The pairs as one object; a name that would hide another (3 and "3") gets a mark after it."""
    merged: dict[str, Any] = {}
    for name, value in pairs:
        key = clean_text(name)
        while key in merged:
            key += "_"
        merged[key] = value
    return merged


def write_schemas(value: Any) -> str:
    """Canonical JSON of schemas: numbers stay numbers. Raises ValueError beyond MAX_DEPTH levels."""
    return canonical_text(_keep_floats(value))


def write_arguments(value: Any) -> str:
    """JSON of the arguments of a call, keys in their own order. Raises ValueError beyond MAX_DEPTH levels."""
    return orjson.dumps(_keep_floats(value)).decode("utf-8")


def _keep_floats(value: Any, depth: int = 0) -> Any:
    """`to_plain` but for finite floats, which stay what they are."""
    value = to_python(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth <= MAX_DEPTH and isinstance(value, Mapping):
        return merge_names((str(k), _keep_floats(v, depth + 1)) for k, v in value.items())
    if depth <= MAX_DEPTH and isinstance(value, list | tuple):
        return [_keep_floats(v, depth + 1) for v in value]
    return to_plain(value, depth)
