"""Whether an answer uses what tools gave back: by the values of results, and by the numbers of the answer.

A value counts only where the result brought it: what stood in the call's arguments shows nothing. Words are
compared without case and punctuation, numbers by their worth, rounded as the answer rounds them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import combinations
from typing import Any

from synth_stack.gates.tool_use.traces import MadeCall, ToolTrace

MIN_SHARED = 0.4
"""Of the words of a text, so many have to stand in the answer. At a half one of 206 results of glaive_tools
that an answer told in its own words was missed, at this none (benchmarks/tool_traces.py)."""
MAX_LEAVES = 2_000
"""Of one result; what comes after them is not looked at."""
MAX_PAIRED = 40
"""Numbers of which each two are added, subtracted, multiplied and divided: 780 pairs."""

_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|[-+\u2212]?\d+(?:\.\d+)?")
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve".split()
_SAYS_NOTHING = frozenset(
    "ok okay success successful successfully succeeded done true false yes no none null status".split()
)
"""What a result says when there is nothing to tell: an answer may leave it out."""
_SMALL = Decimal(12)


@dataclass(frozen=True, slots=True)
class Use:
    """How many results have values that an answer could use, how many were used, and the tool of the first
    that was not.
    """

    results: int = 0
    used: int = 0
    unused: str | None = None


def measure_use(trace: ToolTrace) -> Use:
    """Which results stand in the answer to them or in the arguments of a later call."""
    results, used, unused = 0, 0, None
    for place, call in enumerate(trace.calls):
        told = [answer.text for answer in trace.answers if place in answer.calls]
        values = list_new_values(call) if told else []
        if not values:
            continue
        results += 1
        told += [json.dumps(dict(after.arguments), ensure_ascii=False) for after in trace.calls[place + 1 :]]
        if stands_in(values, "\n".join(told)) or _is_reckoned_with(values, place, trace):
            used += 1
        elif unused is None:
            unused = call.name
    return Use(results, used, unused)


def list_new_values(call: MadeCall) -> list[Any]:
    """The numbers and texts of a result that say something and did not stand in the arguments."""
    result = _parse(call.result)
    if _is_error(result):
        return []
    known = {_fold(value) for value in list_leaves(dict(call.arguments))}
    return [value for value in list_leaves(result) if _fold(value) not in known and _says_something(value)]


def list_leaves(value: Any) -> list[Any]:
    """The numbers and texts in a JSON value, in order; an empty list of things counts as none of them, 0."""
    return list(_walk(value, [MAX_LEAVES]))


def stands_in(values: Iterable[Any], text: str) -> bool:
    """Whether one of the values stands in a text."""
    words = set(_list_words(text))
    numbers = read_numbers(text)
    return any(_stands(value, words, numbers) for value in values)


def read_numbers(text: str) -> list[Decimal]:
    """The numbers in a text, those written as words up to twelve among them."""
    found = [_as_number(match[0]) for match in _NUMBER.finditer(text)]
    found += [Decimal(_COUNTED.index(word)) for word in _list_words(text) if word in _COUNTED]
    return [number for number in found if number is not None]


def find_unsupported(trace: ToolTrace) -> Decimal | None:
    """The first number of an answer that nothing before it bears out, or None.

    It may have been said, or stand in arguments or results, be the length of a list there, be rounded, a
    share as a percentage, or come of two of these by one sum, difference, product or quotient. Numbers up
    to twelve are let be: they count sentences, days and things.
    """
    for answer in trace.answers:
        asked = [number for number in read_numbers(answer.text) if abs(number) > _SMALL]
        known = set(read_numbers("\n".join(answer.before)))
        known |= {
            Decimal(n)
            for call in trace.calls[: answer.calls.stop]
            for n in _list_lengths(_parse(call.result))
        }
        missing = [number for number in asked if not _is_among(number, known)]
        derived = _derive(sorted(known)[:MAX_PAIRED]) if missing else set()
        found = next((number for number in missing if not _is_among(number, derived)), None)
        if found is not None:
            return found
    return None


def _is_reckoned_with(values: Sequence[Any], place: int, trace: ToolTrace) -> bool:
    """Whether a number of the answer comes of one of the values and another number that stood before it."""
    own = [number for value in values if (number := _as_number(repr(value))) is not None]
    for answer in trace.answers if own else ():
        if place not in answer.calls:
            continue
        others = read_numbers("\n".join(answer.before))
        asked = [n for n in read_numbers(answer.text) if abs(n) > _SMALL and not _is_among(n, others)]
        derived = {made for a in own[:MAX_PAIRED] for b in others[:MAX_PAIRED] for made in _combine(a, b)}
        if any(_is_among(number, derived) for number in asked):
            return True
    return False


def _combine(a: Decimal, b: Decimal) -> Iterator[Decimal]:
    yield from (a + b, a - b, b - a, a * b)
    if b:
        yield a / b
    if a:
        yield b / a


def _derive(numbers: Sequence[Decimal]) -> set[Decimal]:
    made = {number * 100 for number in numbers} | {number / 100 for number in numbers}
    made.add(sum(numbers, Decimal(0)))
    for a, b in combinations(numbers, 2):
        made.update(_combine(a, b))
    return made


def _is_among(number: Decimal, known: Iterable[Decimal]) -> bool:
    """Whether one of the numbers is this one, rounded to as many places as it has."""
    places = max(-int(number.as_tuple().exponent), 0)
    half = Decimal(1).scaleb(-places) / 2
    return any(abs(abs(number) - abs(other)) <= half for other in known)


def _stands(value: Any, words: set[str], numbers: Sequence[Decimal]) -> bool:
    if not isinstance(value, str):
        number = _as_number(repr(value))
        return number is not None and any(_is_rounded(number, other) for other in numbers)
    own = _list_words(value)
    held = sum(word in words for word in own)
    return bool(own) and held >= MIN_SHARED * len(own)


def _is_rounded(number: Decimal, said: Decimal) -> bool:
    """Whether a number of an answer is this one, or this one rounded to fewer places; 75 may tell 0.75."""
    return _is_among(said, (number, number * 100))


def _walk(value: Any, budget: list[int]) -> Iterator[Any]:
    budget[0] -= 1
    if budget[0] < 0 or value is None or isinstance(value, bool):
        return
    if isinstance(value, str | int | float):
        yield value
        return
    inside = list(value.values()) if isinstance(value, dict) else value
    if not inside and isinstance(value, list):
        return
    for item in inside:
        yield from _walk(item, budget)


def _list_lengths(value: Any, depth: int = 0) -> Iterator[int]:
    if isinstance(value, list):
        yield len(value)
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inside if depth < 4 else ():
        yield from _list_lengths(item, depth + 1)


def _says_something(value: Any) -> bool:
    return not isinstance(value, str) or bool(set(_list_words(value)) - _SAYS_NOTHING)


def _is_error(value: Any) -> bool:
    return isinstance(value, Mapping) and any(str(key).lower() in {"error", "errors"} for key in value)


def _parse(result: str | None) -> Any:
    """The JSON of a result, or the text itself where it is none."""
    try:
        return json.loads(result or "null")
    except (ValueError, RecursionError):
        return result


def _fold(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(_list_words(value))
    number = _as_number(repr(value))
    return repr(value) if number is None else str(number.normalize())


def _list_words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_HUMP.sub(" ", text))]


def _as_number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.replace(",", "").replace("\u2212", "-"))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 40 else None
