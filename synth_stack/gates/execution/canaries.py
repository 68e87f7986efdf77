"""Code pairs with something wrong in them, made from a batch's own pairs, and sound ones."""

import ast
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.gates.execution.javascript_pairs import DEFECTS, MOST_EACH, SOUND, build_sound_pair
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import PYTHON, CodePair, fence, parse_source, read_pairs
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates

_Defect = tuple[str, Callable[[CodePair], CodePair]]


def plant_pairs(
    sample: pa.Table, n: int, _: int, *, languages: frozenset[str] = frozenset({PYTHON})
) -> pa.Table:
    """`n` pairs of the sample in turn for each way to spoil one; none where it has no pair of `languages`.

    Each language that it has pairs of has its own; `languages` are those that can be run here.
    """
    made: list[dict[str, object]] = []
    for language, pairs in _group(sample, languages).items():
        defects, each = (_DEFECTS, n) if language == PYTHON else (DEFECTS, min(n, MOST_EACH))
        made += [_spoil(pairs, defects, draw, len(made)) for draw in range(each * len(defects))]
    return build_candidates(made) if made else CANDIDATE_SCHEMA.empty_table()


def _group(sample: pa.Table, languages: frozenset[str]) -> dict[str, list[CodePair]]:
    """The pairs of a sample by language, of those languages that can be run."""
    grouped: dict[str, list[CodePair]] = {}
    for pair in read_pairs(append_chosen(sample)).values():
        if pair.language in languages:
            grouped.setdefault(pair.language, []).append(pair)
    return dict(sorted(grouped.items(), reverse=True))


def _spoil(
    pairs: Sequence[CodePair], defects: Sequence[_Defect], draw: int, number: int
) -> dict[str, object]:
    wrong, spoil = defects[draw % len(defects)]
    pair = spoil(pairs[draw // len(defects) % len(pairs)])
    row = build_canary("code", _ask(pair), wrong, number)
    extra = {**json.loads(row["extra"]), "code": pair.as_extra()}
    return {**row, "extra": canonical_text(extra)}


def _ask(pair: CodePair) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": "Write a function that passes its tests."},
        {"role": "assistant", "content": fence(pair.solution, pair.language)},
    ]


def _return_nothing(pair: CodePair) -> CodePair:
    """Every function of the solution with an empty body; a solution that does not parse is wrong as it is."""
    try:
        tree = parse_source(pair.solution)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = [ast.Pass()]
        return replace(pair, solution=ast.unparse(tree))
    except (SyntaxError, RecursionError, ValueError):
        return replace(pair, solution="def solve(:")


_DEFECTS: tuple[_Defect, ...] = (
    ("the solution returns nothing", _return_nothing),
    ("the solution does not parse", lambda pair: replace(pair, solution=f"def solve(:\n{pair.solution}")),
    ("it has no tests", lambda pair: replace(pair, tests="")),
    ("its tests look at nothing", lambda pair: replace(pair, tests="assert len('ab') == 2\n")),
    ("the solution leaves before its tests", lambda pair: replace(pair, solution="raise SystemExit(0)")),
)


_SOUND = (
    (
        "it prints beside its result",
        "def count_vowels(text):\n    print('counting')\n    return sum(c in 'aeiou' for c in text)\n",
        "assert count_vowels('banana') == 3\nassert count_vowels('') == 0\nassert count_vowels('xyz') == 0\n",
    ),
    (
        "it keeps state in a class",
        "class Counter:\n    def __init__(self):\n        self.total = 0\n\n    def add(self, n):\n"
        "        self.total = self.total + n\n        return self.total\n",
        "c = Counter()\nassert c.add(2) == 2\nassert c.add(3) == 5\nassert Counter().total == 0\n",
    ),
    (
        "it raises where its tests ask for it",
        "def halve(n):\n    if n % 2 != 0:\n        raise ValueError('odd')\n    return n // 2\n",
        "assert halve(8) == 4\nassert halve(0) == 0\ntry:\n    halve(3)\n    raised = False\n"
        "except ValueError:\n    raised = True\nassert raised\n",
    ),
    (
        "it imports of the standard library",
        "import math\n\n\ndef area(radius):\n    return math.pi * radius * radius\n",
        "assert abs(area(1) - 3.14159265) < 1e-6\nassert abs(area(2) - 12.5663706) < 1e-6\n",
    ),
)
"""Sound pairs of sorts that a careless runner takes for broken ones."""


def make_sound_pairs(
    sample: pa.Table, n: int, _: int, *, languages: frozenset[str] = frozenset({PYTHON})
) -> pa.Table:
    """`n` sound pairs of each sort, of the languages of the sample that can be run."""
    made: list[dict[str, object]] = []
    for language in _group(sample, languages):
        sound, each = (_SOUND, n) if language == PYTHON else (SOUND, min(n, MOST_EACH))
        for draw in range(each * len(sound)):
            innocent, solution, tests = sound[draw % len(sound)]
            if language == PYTHON:
                pair = CodePair(task=innocent, solution=f"# {draw}\n{solution}", tests=tests)
            else:
                pair = build_sound_pair(innocent, solution, tests, draw)
            row = build_control("code", _ask(pair), innocent, len(made))
            extra = {**json.loads(row["extra"]), "code": pair.as_extra()}
            made.append({**row, "extra": canonical_text(extra)})
    return build_candidates(made) if made else CANDIDATE_SCHEMA.empty_table()
