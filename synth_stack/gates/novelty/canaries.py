"""What the novelty gate plants: repeats of a batch's instructions, which it has to find, and new ones made of
their words, which it has to accept.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.novelty.instructions import read_instructions
from synth_stack.gates.novelty.rouge_l import read_words
from synth_stack.rows.schemas import build_candidates

if TYPE_CHECKING:
    import polars as pl

EXACT, EXCHANGED, REORDERED = "exact_repeat", "word_exchanged", "reordered_words"
_MIN_WORDS = 8
"""Of an instruction with a word exchanged: its ROUGE-L with the original is at least 0.75 then."""
_NEW_WORDS = 16
"""Of an instruction made of words in another order. The longest common subsequence of two random orders of n
words is near 2 sqrt(n) (Baik, Deift & Johansson 1999): a ROUGE-L of 0.5 here."""
_MAX_WORDS = 400


def plant_repeats(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """`n` exact repeats of instructions of the sample, and `n` with a word exchanged for another, where
    they are long enough for it.
    """
    instructions = read_instructions(sample)
    rng = np.random.default_rng(seed)
    lengths = read_words(instructions).lengths
    rows: list[dict[str, Any]] = []
    for kind, least in ((EXACT, 1), (EXCHANGED, _MIN_WORDS)):
        spaced = instructions.str.split(" ").list.len().fill_null(0).to_numpy()
        fit = np.flatnonzero((lengths >= least) & ((spaced >= least) | (kind == EXACT)))
        for draw in range(n if len(fit) else 0):
            row = int(fit[draw % len(fit)])
            said = str(instructions[row])
            changed = said if kind == EXACT else _exchange(said, rng)
            rows.append(_build_canary(sample, row, changed, kind, len(rows)))
    return build_candidates(rows)


def make_new_instructions(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` instructions of words of the sample's own, in an order of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for draw, (row, words) in zip(range(n), _gather_words(read_instructions(sample)), strict=False):
        said = " ".join(np.array(words, dtype=object)[rng.permutation(len(words))])
        source = sample.slice(row, 1).select(["kind", "messages"]).to_pylist()[0]
        messages = _replace_instruction(source["messages"], said)
        rows.append(build_control(source["kind"], messages, "words in another order", draw, kind=REORDERED))
    return build_candidates(rows)


def _gather_words(instructions: "pl.Series") -> Iterator[tuple[int, list[str]]]:
    """The words of distinct instructions, several together where they are short, and the row of the last."""
    words: list[str] = []
    distinct = instructions.is_first_distinct() & instructions.is_not_null()
    for row in distinct.arg_true():
        said = str(instructions[row])
        words += [word for word in dict.fromkeys(said.split()) if any(map(str.isalnum, word))]
        if len(words) >= _NEW_WORDS:
            yield row, list(dict.fromkeys(words))[:_MAX_WORDS]
            words = []


def _build_canary(sample: pa.Table, row: int, said: str, kind: str, draw: int) -> dict[str, Any]:
    source = sample.slice(row, 1).select(["row_id", "kind", "messages"]).to_pylist()[0]
    messages = _replace_instruction(source["messages"], said)
    return build_canary(source["kind"], messages, f"{kind}: of {source['row_id']}", draw, kind=kind)


def _exchange(said: str, rng: np.random.Generator) -> str:
    words = said.split(" ")
    words[rng.integers(len(words))] = words[rng.integers(len(words))]
    return " ".join(words)


def _replace_instruction(messages: list[dict[str, Any]], instruction: str) -> list[dict[str, Any]]:
    """The messages with `instruction` in place of the user's first one."""
    first = next(k for k, message in enumerate(messages) if message["role"] == "user")
    return [*messages[:first], {"role": "user", "content": instruction}, *messages[first + 1 :]]
