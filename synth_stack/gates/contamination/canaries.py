"""Eval items reworded by rule: the rows that the contamination gate plants to see whether it finds them.

The rules are the crudest of rewriting: an item copied into other text, a piece of it, other formatting, other
words in another order, a program with other names. A gate that misses these is blind; one that finds them may
still miss a careful paraphrase.
"""

import ast
import builtins
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates

_MOST_CHARS = 4_000  # of an item: a canary is a row like others
_TRIED_ITEMS = 2_000  # of a set, for each rule
_MORE_WORDS = 6  # of an excerpt than the shortest that is proof
_FEWEST_WORDS = 12  # of a prompt that still says the same in other words
_RUN_WORDS = 8  # left standing in a row by a rule that is for the other stages to see through
_FILLER = "indeed"
_LEADS = ("Something to work on:", "Please help with this one.", "Another exercise.")

_OTHER_WORDS = {
    "altogether": "in all",
    "because": "since",
    "begin": "start",
    "big": "large",
    "bought": "purchased",
    "buys": "purchases",
    "calculate": "work out",
    "check": "test",
    "children": "kids",
    "contains": "holds",
    "describes": "characterises",
    "every day": "daily",
    "find": "determine",
    "friends": "pals",
    "function": "routine",
    "gave": "handed",
    "given": "supplied",
    "gives": "hands",
    "half": "one half of",
    "house": "home",
    "how many": "what number of",
    "how much": "what amount of",
    "large": "big",
    "list": "sequence",
    "made": "produced",
    "makes": "produces",
    "needs": "requires",
    "only": "solely",
    "return": "give back",
    "sells": "offers",
    "small": "little",
    "sold": "disposed of",
    "string": "text",
    "twice": "two times",
    "wants": "would like",
    "which of the following": "which one of these",
    "write": "create",
}
_OTHER = re.compile(
    r"\b(" + "|".join(sorted(_OTHER_WORDS, key=lambda word: (-len(word), word))) + r")\b", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?<=[.!?]) +")
_WORDS = re.compile(r"\w\S*")

Pair = tuple[str, str | None]
"""A prompt, and an answer where the rule makes one."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the gate can see, so what is planted: runs of so many words, whole items, meaning, behaviour."""

    run_words: int | None
    whole_words: int
    meaning: bool
    behaviour: bool


def plant_items(sets: Sequence[EvalItems], sight: Sight, sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` rows in the shape of those in `sample`, each an item reworded by one rule; the rules in turn.

    `extra` names set and rule. An item that a rule does not fit is passed over, so sets of short items, or of
    items in scripts without spaces, give fewer rows, or none.
    """
    shapes = sample.select(["kind", "messages", "text"])
    sources = [
        _reword_items(name, rule, sets, np.random.default_rng([seed, k]))
        for k, (name, rule) in enumerate(_rules(sight))
    ]
    rows: list[dict[str, Any]] = []
    while len(rows) < n and sources and len(sample):
        source = sources.pop(0)
        planted = next(source, None)
        if planted is not None:
            sources.append(source)
            shape = shapes.slice(len(rows) % len(sample), 1).to_pylist()[0]
            rows.append(_shape(shape, *planted, draw=len(rows)))
    return build_candidates(rows) if rows else CANDIDATE_SCHEMA.empty_table()


_Rule = Callable[[EvalItems, int, np.random.Generator], Pair | None]


def _rules(sight: Sight) -> Iterator[tuple[str, _Rule]]:
    yield "copied into other text", lambda s, k, rng: _copy(s, k, sight.whole_words, rng)
    yield "in other formatting", lambda s, k, _: _reformat(s, k, sight.whole_words)
    if sight.run_words is not None:
        run_words = sight.run_words + _MORE_WORDS
        yield "an excerpt", lambda s, k, rng: _cut_out(s, k, run_words, rng)
    if sight.meaning:
        yield "in other words", lambda s, k, _: _reword(s, k)
    if sight.behaviour:
        yield "solved with other names", lambda s, k, _: _rename(s, k)


def _reword_items(
    name: str, rule: _Rule, sets: Sequence[EvalItems], rng: np.random.Generator
) -> Iterator[tuple[Pair, str]]:
    """What the rule makes of the items, a set after the other in turn, and what is wrong with it."""
    orders = [(s, rng.permutation(len(s.ids))[:_TRIED_ITEMS].tolist()) for s in sets]
    for turn in range(max((len(order) for _, order in orders), default=0)):
        for eval_set, order in orders:
            if turn < len(order) and len(eval_set.prompts[order[turn]]) <= _MOST_CHARS:
                pair = rule(eval_set, order[turn], rng)
                if pair is not None:
                    yield pair, f"an item of {eval_set.name}, {name}"


def _shape(shape: dict[str, Any], pair: Pair, wrong: str, *, draw: int) -> dict[str, Any]:
    prompt, answer = pair
    if not shape["messages"]:
        content = prompt if answer is None else f"{prompt}\n\n{answer}"
        return build_canary(shape["kind"], [{"role": "text", "content": content}], wrong, draw)
    answer = answer or shape["messages"][-1]["content"] or "Certainly."
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return build_canary(shape["kind"], messages, wrong, draw)


def _copy(eval_set: EvalItems, item: int, fewest: int, rng: np.random.Generator) -> Pair | None:
    prompt = eval_set.prompts[item]
    if len(_WORDS.findall(prompt)) < fewest:
        return None
    lead = _LEADS[rng.integers(len(_LEADS))]
    return f"{lead}\n\n{prompt}\n\nThank you.", None


def _reformat(eval_set: EvalItems, item: int, fewest: int) -> Pair | None:
    words = _WORDS.findall(eval_set.prompts[item])
    if len(words) < fewest:
        return None
    lines = [" ".join(words[k : k + 7]) for k in range(0, len(words), 7)]
    return "\n".join(f"> **{line.upper()}**" for line in lines), None


def _cut_out(eval_set: EvalItems, item: int, words: int, rng: np.random.Generator) -> Pair | None:
    spoken = _WORDS.findall(eval_set.prompts[item])
    if len(spoken) <= words:
        return None
    start = int(rng.integers(len(spoken) - words))
    return f"Go on from here: {' '.join(spoken[start : start + words])}", None


def _reword(eval_set: EvalItems, item: int) -> Pair | None:
    """The last sentence first, other words where the table has some, and a filler that breaks long runs.

    Code is left to `_rename`.
    """
    prompt = eval_set.prompts[item]
    if eval_set.tests[item] or len(_WORDS.findall(prompt)) < _FEWEST_WORDS:
        return None
    return _say_otherwise(prompt), None


def _say_otherwise(text: str) -> str:
    sentences = _SENTENCES.split(_OTHER.sub(lambda match: _OTHER_WORDS[match[0].lower()], text))
    words = " ".join([sentences[-1], *sentences[:-1]]).split()
    runs = [" ".join(words[k : k + _RUN_WORDS]) for k in range(0, len(words), _RUN_WORDS)]
    return f" {_FILLER} ".join(runs)


def _rename(eval_set: EvalItems, item: int) -> Pair | None:
    """The item's own solution with other names, asked for in other words; None where it is no Python."""
    entry_point, answer = eval_set.entry_points[item], eval_set.answers[item]
    if not entry_point or not eval_set.tests[item] or not answer or len(answer) > _MOST_CHARS:
        return None
    try:
        tree = ast.parse(eval_set.prompts[item] + answer)
        function = next(f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == entry_point)
        task = (ast.get_docstring(function) or "").partition(">>>")[0]
        if not task.strip():
            return None
        code = ast.unparse(_Renamer(tree).visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError, StopIteration):
        return None
    return f"{_say_otherwise(' '.join(task.split()))} Use Python.", f"```python\n{code}\n```"


class _Renamer(ast.NodeTransformer):
    """Every function, argument and variable that the program defines gets another name; docstrings go."""

    def __init__(self, tree: ast.Module) -> None:
        defined = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        defined += [n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)]
        defined += [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        names = dict.fromkeys(name for name in defined if not hasattr(builtins, name))
        self.names = {name: f"{name[0]}{k}_" for k, name in enumerate(names)}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.names.get(node.name, node.name)
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            node.body = node.body[1:]
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.get(node.arg, node.arg)
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        if node.arg in self.names:
            node.arg = self.names[node.arg]
        self.generic_visit(node)
        return node
