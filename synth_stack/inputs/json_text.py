"""JSON as Python and others write it: NaN, integers of any length, and no key that hides another."""

import ast
import json
import re
from collections import Counter
from typing import Any

import orjson

MAX_DIGITS = 4_000
"""Digits of an integer; Python itself refuses more than 4,300, which take it quadratic time."""
MAX_OBJECTS = 8_000_000
"""Lists and objects in one JSON text: an empty one takes 3 bytes there and 64 or more in memory."""
MAX_LITERAL_CHARS = 1024 * 1024
"""A Python literal longer than this is not parsed: its syntax tree takes a hundred times its length."""

_EXACT = 2.0**63
"""orjson reads integers within 64 bits exactly and makes a float of any other."""
_LISTED_BYTES = 1024 * 1024
_QUOTE_COLON = re.compile(rb'"[ \t\r\n]*:')
_ESCAPED_COLON = re.compile(rb'\\"[ \t\r\n]*:')
_KEY_END = re.compile(rb'(?<!\\)(?:\\\\)*"[ \t\r\n]*:')


def parse_json(data: bytes) -> Any:
    """The value that UTF-8 bytes hold as JSON, or as what `json.dumps` of Python writes instead of JSON.

    Raises ValueError with the reason: no UTF-8, no JSON, more lists and objects than MAX_OBJECTS, or a key
    that stands twice in one object.
    """
    if len(data) > MAX_OBJECTS and data.count(b"[") + data.count(b"{") > MAX_OBJECTS:
        raise ValueError(f"more than {MAX_OBJECTS} lists and objects")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        return _parse_refused(data, "infinity" in exc.msg)
    return _parse_carefully(data.decode("utf-8")) if _is_doubtful(data, value) else value


def parse_text(text: str) -> Any:
    """`parse_json` of a text that stands in a column. Raises ValueError."""
    try:
        return parse_json(text.encode("utf-8"))
    except UnicodeEncodeError as exc:
        raise ValueError("a lone surrogate") from exc


def parse_list(text: str) -> list[Any] | None:
    """The list that a text holds as JSON, or as `str` of a list writes it; None for any other text."""
    stripped = text.strip()
    if not stripped.startswith("["):
        return None
    try:
        value = parse_text(stripped)
    except ValueError:
        value = _parse_literal(stripped)
    return value if isinstance(value, list) else None


def _is_doubtful(data: bytes, value: Any) -> bool:
    """Whether orjson may have lost something: a key that stood twice, or digits of a long integer.

    Outside of texts a quote and a colon stand after each key and nowhere else; inside, the quote is escaped.
    """
    keys = 0
    pending: list[Any] = [[value]]
    while pending:
        holder = pending.pop()
        if type(holder) is dict:
            keys += len(holder)
        for item in holder.values() if type(holder) is dict else holder:
            kind = type(item)
            if kind is dict or kind is list:
                pending.append(item)
            elif kind is float and not -_EXACT < item < _EXACT:
                return True
    # as many colons as keys: none of them stands in a text, and none belongs to a key that is gone
    return data.count(b":") != keys and _count_keys(data) != keys


def _count_keys(data: bytes) -> int:
    if b"\\\\" in data:  # an escaped backslash may stand before a quote that is not escaped
        return _count(_KEY_END, data)
    return _count(_QUOTE_COLON, data) - (_count(_ESCAPED_COLON, data) if b'\\"' in data else 0)


def _count(pattern: re.Pattern[bytes], data: bytes) -> int:
    """How often a pattern stands there: at once where the list of matches is small, else one by one."""
    return (
        len(pattern.findall(data)) if len(data) <= _LISTED_BYTES else sum(1 for _ in pattern.finditer(data))
    )


def _parse_refused(data: bytes, too_large: bool) -> Any:
    """What orjson does not take: NaN, say, or a number `too_large` for a float.

    Raises ValueError with the reason, in characters of the text.
    """
    if b"\0" in data:
        raise ValueError("holds a NUL byte")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ValueError(f"not UTF-8: byte {exc.start} is {data[exc.start]:#04x}") from exc
    if too_large or "NaN" in text or "Infinity" in text:
        return _parse_carefully(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc.msg} at character {exc.pos + 1}") from exc


def _parse_carefully(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_build_object, parse_int=_read_integer)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc.msg} at character {exc.pos + 1}") from exc
    except UnicodeEncodeError as exc:
        raise ValueError("not JSON: a lone surrogate") from exc
    except RecursionError as exc:
        raise ValueError("not JSON: nested too deep") from exc
    return value


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return built


def _read_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits; allowed: at most {MAX_DIGITS}")
    return int(digits)


def _parse_literal(text: str) -> Any:
    """What Python's own notation says; None for what is none or too long."""
    if len(text) > MAX_LITERAL_CHARS:
        return None
    try:
        tree = ast.parse(text, mode="eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                names = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                if len(set(names)) != len(node.keys):
                    return None
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
