"""Code pairs with something wrong in them, made from a batch's own pairs."""

import ast
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.chosen_answers import append_chosen
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.code_pairs import CodePair, fence, parse_source, read_pairs
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates

_Defect = tuple[str, Callable[[CodePair], CodePair]]


def plant_pairs(sample: pa.Table, n: int, _: int) -> pa.Table:
    """`n` pairs of the sample in turn, each spoilt in one way in turn; none where the sample has no pair."""
    pairs = list(read_pairs(append_chosen(sample)).values())
    if not pairs:
        return CANDIDATE_SCHEMA.empty_table()
    return build_candidates(_spoil(pairs, draw) for draw in range(n))


def _spoil(pairs: Sequence[CodePair], draw: int) -> dict[str, object]:
    wrong, spoil = _DEFECTS[draw % len(_DEFECTS)]
    pair = spoil(pairs[draw % len(pairs)])
    messages = [
        {"role": "user", "content": "Write a function that passes its tests."},
        {"role": "assistant", "content": fence(pair.solution)},
    ]
    row = build_canary("code", messages, wrong, draw)
    extra = {**json.loads(row["extra"]), "code": pair.as_extra()}
    return {**row, "extra": canonical_text(extra)}


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
