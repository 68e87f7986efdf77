"""What the semantic_dedup gate plants: rows of the batch said again, and rows mixed from two of them.

No offline tool writes paraphrases that could be trusted, so a canary is a copy, or a copy with a word less.
"""

from typing import Any, Literal

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, mix_halves, read_turns
from synth_stack.models.embedders import Embedder
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_field

COPY, WORD_LESS = "copy", "word_less"
_MIN_WORDS = 8
"""Of what loses a word."""
_MAX_COSINE = 0.75
"""Of a mixed row to any row of the sample: nobody would call two such texts the same."""
_SOURCE = ["row_id", "kind", "messages", "text"]


def plant_copies(sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` copies of rows with other white space, and as many with one word of each message left out."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for draw, source in enumerate(sample.select(_SOURCE).slice(0, n).to_pylist()):
        turns = read_turns(source)
        spaced = [{**turn, "content": f" {turn['content'] or ''} "} for turn in turns]
        rows.append(build_canary(source["kind"], spaced, f"copy: of {source['row_id']}", draw, kind=COPY))
        if min(len((turn["content"] or "").split()) for turn in turns) >= _MIN_WORDS:
            shorter = [{**turn, "content": _leave_out(turn["content"], rng)} for turn in turns]
            said = f"a word less: of {source['row_id']}"
            rows.append(build_canary(source["kind"], shorter, said, draw, kind=WORD_LESS))
    return build_candidates(rows)


def mix_rows(
    sample: pa.Table,
    n: int,
    seed: int,
    *,
    embedder: Embedder,
    field: Literal["text", "prompt", "answer"],
) -> pa.Table:
    """Up to `n` rows whose texts are one half of a row's and one half of another's, none near to any row."""
    mixed = mix_halves(sample, 2 * n, seed)
    if not len(mixed):
        return mixed
    near, own = (
        embedder.embed(read_field(table, field).fill_null("").str.strip_chars().to_list())
        for table in (sample, mixed)
    )
    apart = own.any(axis=1) & ((own @ near.T).max(axis=1) < _MAX_COSINE)
    return mixed.filter(pa.array(apart)).slice(0, n)


def _leave_out(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    del words[int(rng.integers(len(words)))]
    return " ".join(words)
