"""An answer that is JSON: read strictly, and how much of it stands in a text."""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_CHARS = 256 * 1024
MAX_LEAVES = 5_000

_FENCE = re.compile(r"(?s)\A\s*```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```\s*\Z")
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def strip_fence(text: str) -> str:
    """The text without a fence of code around the whole of it."""
    found = _FENCE.match(text)
    return found[1] if found else text


def parse_answer(text: str) -> Any:
    """The JSON value that a text is, and nothing else beside it.

    Raises ValueError for a text that is none (RFC 8259: no NaN, no comment), that names a member twice, or is
    too long or nested too deep.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"more than {MAX_CHARS} characters")
    try:
        value = json.loads(text, object_pairs_hook=_refuse_twice, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as exc:
        raise ValueError(f"no JSON: {exc.msg} at character {exc.pos}") from exc
    except UnicodeEncodeError as exc:
        raise ValueError("no JSON: a lone surrogate is not valid Unicode") from exc
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    return value


def list_leaves(value: Any) -> Iterator[Any]:
    """The texts, numbers and truth values in a JSON value, in order, MAX_LEAVES at most; no nulls."""
    left = [value]
    count = 0
    while left and count < MAX_LEAVES:
        item = left.pop()
        if isinstance(item, dict):
            left += reversed(list(item.values()))
        elif isinstance(item, list):
            left += reversed(item)
        elif item is not None:
            count += 1
            yield item


def measure_grounding(value: Any, text: str, fixed: frozenset[str]) -> tuple[int, int, Any]:
    """(how many leaves stand in a text, of how many, the first that does not).

    Texts stand there when all of their words do, in any order and case; numbers when their digits do. Truth
    values and the texts in `fixed` (those that a schema offers) say nothing of a text.
    """
    words = {word.lower() for word in _WORD.findall(text)}
    numbers = {_plain(found) for found in _NUMBER.findall(text)}
    found, total, first = 0, 0, None
    for leaf in list_leaves(value):
        if isinstance(leaf, bool) or (isinstance(leaf, str) and (leaf in fixed or not _WORD.search(leaf))):
            continue
        total += 1
        if isinstance(leaf, str):
            held = all(word.lower() in words for word in _WORD.findall(leaf))
        else:
            held = _plain(f"{leaf:g}" if isinstance(leaf, float) else str(leaf).lstrip("-")) in numbers
        found += held
        first = leaf if first is None and not held else first
    return found, total, first


def _plain(number: str) -> str:
    """A number without the marks between its thousands, and without zeros after its point."""
    bare = re.sub(r"[,.](?=\d{3}(?:\D|\Z))", "", number).replace(",", ".").lstrip("-")
    return bare.rstrip("0").rstrip(".") if "." in bare else bare


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a member is named twice")
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"no JSON: {name}")
