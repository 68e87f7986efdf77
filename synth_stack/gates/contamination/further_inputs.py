"""Inputs beside those that the tests of an item have, made from them: what the tests are too weak to tell.

Type-aware mutation as in EvalPlus (Liu et al. 2023, section 2.1): a number, a text or a list becomes another
of its kind, and what is in a list too. Numbers and lengths stay near those of the tests, since a solution may
take exponential time in them.
"""

import ast
import random
from collections.abc import Collection, Sequence
from typing import Any

Arguments = tuple[Any, ...]

INPUTS = 120
"""Inputs of an item. EvalPlus takes 764; of 60 a function that drops vowels differs from one that joins
strings on two, of 120 on twenty."""

_TRIES = 6  # for each input that is wanted: many mutants are equal to an earlier one
_FROM_MADE = 0.5  # how often a mutant is mutated again
_ALSO = 0.3  # how often an argument changes beside another
_STEP = 3
MAX_CHARS = 400
"""Of arguments, and of an answer, as they are written."""
_MAX_ITEMS = 24
_MAX_LETTERS = 60
_MAX_DEPTH = 4
_LETTERS = "abeiouxyzAEOZ 0159.,!-()"


def read_inputs(test: ast.Module, called: Collection[str]) -> list[Arguments]:
    """The arguments of the calls in a test that name a function of `called`, where they are literals."""
    found: dict[str, Arguments] = {}
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in called and not node.keywords:
            try:
                arguments = tuple(ast.literal_eval(a) for a in node.args)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            shown = repr(arguments)
            if arguments and len(shown) <= MAX_CHARS:
                found.setdefault(shown, arguments)
    return list(found.values())


def make_inputs(seen: Sequence[Arguments], n: int = INPUTS) -> list[Arguments]:
    """Up to `n` different arguments like those `seen`, and none of these; the same for the same."""
    rng = random.Random(0)  # noqa: S311  (inputs of a test, the same in each run)
    known = {repr(arguments) for arguments in seen}
    made: list[Arguments] = []
    for _ in range(n * _TRIES if seen else 0):
        base = rng.choice(made if made and rng.random() < _FROM_MADE else seen)
        other = rng.choice(seen)
        changed = rng.randrange(len(base))
        mutant = tuple(
            _mutate(value, other[k] if k < len(other) else None, rng, _MAX_DEPTH)
            if k == changed or rng.random() < _ALSO
            else value
            for k, value in enumerate(base)
        )
        shown = repr(mutant)
        if shown not in known and len(shown) <= MAX_CHARS:
            known.add(shown)
            made.append(mutant)
            if len(made) == n:
                break
    return made


def _mutate(value: Any, other: Any, rng: random.Random, depth: int) -> Any:
    """Another value of the same kind; `other` is one that stood in its place."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        near = value + rng.randint(-_STEP, _STEP)
        return rng.choice([near, near, -value, value * 0, other if type(other) is type(value) else near])
    if isinstance(value, str):
        return _mutate_text(value, other if isinstance(other, str) else "", rng)
    if isinstance(value, list | tuple) and depth:
        return type(value)(_mutate_items(list(value), other, rng, depth - 1))
    if isinstance(value, dict) and depth:
        return {key: _mutate(held, None, rng, depth - 1) for key, held in value.items()}
    return value


def _mutate_text(text: str, other: str, rng: random.Random) -> str:
    """A text with letters set in, exchanged, dropped, turned round or in another case."""
    if len(text) > _MAX_LETTERS:
        return text[: rng.randrange(len(text))]
    letters = list(text)
    at = rng.randrange(len(letters) + 1)
    step = rng.randrange(9)
    if step < 2 or not letters:
        letters[at:at] = rng.choices(_LETTERS, k=rng.randint(1, 8))
    elif step < 4:
        letters[min(at, len(letters) - 1)] = rng.choice(_LETTERS)
    elif step == 8:
        letters[at:at] = rng.choices(letters, k=rng.randint(1, 4))
    elif step == 4:
        letters[at : at + 1] = []
    elif step == 5:
        letters.reverse()
    elif step == 6:
        letters = list(text.swapcase())
    else:
        letters += [" ", *other[: len(text) + 4]]
    return "".join(letters)


def _mutate_items(items: list[Any], other: Any, rng: random.Random, depth: int) -> list[Any]:
    """A list with an item doubled, dropped, moved or changed, or with all changed or continued."""
    if not items:
        return list(other) if isinstance(other, list | tuple) else []
    at, step = rng.randrange(len(items)), rng.randrange(7)
    if step == 0 and len(items) < _MAX_ITEMS:
        items.insert(rng.randrange(len(items) + 1), items[at])
    elif step == 6 and len(items) < _MAX_ITEMS:
        items += [_mutate(item, items[at], rng, depth) for item in items]
    elif step == 1:
        items.pop(at)
    elif step == 2:
        rng.shuffle(items)
    elif step == 3:
        items = [_mutate(item, items[at], rng, depth) for item in items]
    elif step == 4 and all(isinstance(item, int | float) for item in items):
        items = [-item for item in items]
    else:
        items[at] = _mutate(items[at], rng.choice(items), rng, depth)
    return items
