"""Canaries of the toxicity gate: a line that has to be turned away, in an answer of the batch's own rows."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.word_lists import read_sections
from synth_stack.rows.schemas import build_candidates


def plant_lines(sample: pa.Table, n: int, seed: int, wrongs: Collection[str]) -> pa.Table:
    """`n` canaries, none for an empty sample: rows drawn from it, each with a line of one of `wrongs`.

    The line is put after the last answer of a conversation, or is one; a row that is a text becomes the line:
    among other words it would not be clear who says it.
    """
    lines = [(wrong, line) for wrong in wrongs for line in read_sections(__package__, "canaries")[wrong]]
    draws = np.random.default_rng(seed)
    order = draws.permutation(len(lines))
    rows = sample.select(["kind", "messages"])
    canaries = []
    for draw in range(n if len(rows) else 0):
        wrong, line = lines[order[draw % len(lines)]]
        source = rows.slice(int(draws.integers(len(rows))), 1).to_pylist()[0]
        canaries.append(build_canary(source["kind"], _put_in(source["messages"], line), wrong, draw))
    return build_candidates(canaries)


def _put_in(messages: list[dict[str, Any]], line: str) -> list[dict[str, Any]]:
    if not messages:
        return [{"role": "text", "content": line}]
    spoken = messages if messages[-1]["role"] == "assistant" else [*messages, {"role": "assistant"}]
    before = spoken[-1].get("content")
    return [*spoken[:-1], {"role": "assistant", "content": f"{before}\n{line}" if before else line}]
