"""Copies of a batch's rows with a word of the instruction exchanged: what the novelty gate has to find."""

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.novelty.instructions import read_instructions
from synth_stack.gates.novelty.rouge_l import measure_rouge_l, read_words
from synth_stack.rows.schemas import build_candidates

_COPIES = 4
"""One canary in so many is an exact copy."""


def plant_repeats(sample: pa.Table, n: int, seed: int, threshold: float) -> pa.Table:
    """`n` copies of rows of the sample, one word of each instruction exchanged for another of its own.

    One in four is exact, and so is a copy that would fall below `threshold` of its row, as a short one does.
    """
    import polars as pl

    instructions = read_instructions(sample)
    readable = np.flatnonzero(read_words(instructions).lengths)
    rng = np.random.default_rng(seed)
    rows = []
    for draw in range(n if len(readable) else 0):
        row = int(readable[draw % len(readable)])
        said = str(instructions[row])
        changed = said if draw % _COPIES == 0 else _exchange(said, rng)
        words = read_words(pl.Series([said, changed]))
        parts = [words.values[words.offsets[k] : words.offsets[k + 1]] for k in (0, 1)]
        similar = measure_rouge_l(*parts)
        if similar < threshold:
            changed, similar = said, 1.0
        source = sample.slice(row, 1).select(["row_id", "kind", "messages"]).to_pylist()[0]
        wrong = f"repeated instruction: of {source['row_id']}, ROUGE-L {similar:.3f}"
        rows.append(
            build_canary(source["kind"], _replace_instruction(source["messages"], changed), wrong, draw)
        )
    return build_candidates(rows)


def _exchange(said: str, rng: np.random.Generator) -> str:
    words = said.split()
    words[rng.integers(len(words))] = words[rng.integers(len(words))]
    return " ".join(words)


def _replace_instruction(messages: list[dict[str, str]], instruction: str) -> list[dict[str, str]]:
    """The messages with `instruction` in place of the user's first one."""
    first = next(k for k, message in enumerate(messages) if message["role"] == "user")
    return [*messages[:first], {"role": "user", "content": instruction}, *messages[first + 1 :]]
