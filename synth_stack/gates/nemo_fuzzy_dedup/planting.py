"""What the gate plants: copies of rows, long ones without their last word, and rows mixed from two."""

from typing import Any, Literal

import pyarrow as pa

from synth_stack.gates.canaries import build_canary, mix_halves, read_turns
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_field

COPY, END_LESS = "copy", "last_word_less"
_MIN_CHARACTERS = 400
"""Of what loses its last word: that is 5% of its runs of characters at most, so that hashes meet."""
_MAX_ALIKE = 0.3
"""Of the runs of characters of a mixed row and of any row of the sample: by 20 bands of 13 the hashes of one
such pair in 300,000 meet."""
_SOURCE = ["row_id", "kind", "messages", "text"]

Field = Literal["text", "prompt", "answer"]


def plant_copies(sample: pa.Table, n: int, seed: int, *, field: Field, width: int) -> pa.Table:
    """Up to `n` copies of rows, and as many whose last message, a long one, lacks its last word.

    Rows whose field has fewer than `width` characters are passed over. Nothing is drawn: `seed` is not used.
    """
    long = read_field(sample, field).fill_null("").str.len_chars() >= width
    sample = sample.filter(pa.array(long.to_list(), pa.bool_()))
    rows: list[dict[str, Any]] = []
    for draw, source in enumerate(sample.select(_SOURCE).slice(0, n).to_pylist()):
        turns = read_turns(source)
        rows.append(build_canary(source["kind"], turns, f"copy: of {source['row_id']}", draw, kind=COPY))
        if len(turns[-1]["content"] or "") >= _MIN_CHARACTERS:
            shorter = [*turns[:-1], {**turns[-1], "content": _cut(turns[-1]["content"])}]
            said = f"the last word less: of {source['row_id']}"
            rows.append(build_canary(source["kind"], shorter, said, draw, kind=END_LESS))
    return build_candidates(rows)


def mix_rows(sample: pa.Table, n: int, seed: int, *, field: Field, width: int) -> pa.Table:
    """Up to `n` rows of one half of a row and one half of another, far from every row of the sample."""
    mixed = mix_halves(sample, 2 * n, seed)
    if not len(mixed):
        return mixed
    own, others = (
        [_cut_runs(text, width) for text in read_field(table, field).fill_null("").to_list()]
        for table in (mixed, sample)
    )
    apart = [all(_measure(runs, other) < _MAX_ALIKE for other in others) for runs in own]
    return mixed.filter(pa.array(apart)).slice(0, n)


def _cut_runs(text: str, width: int) -> frozenset[str]:
    return frozenset(text[k : k + width] for k in range(len(text) - width + 1))


def _measure(runs: frozenset[str], others: frozenset[str]) -> float:
    return len(runs & others) / max(len(runs | others), 1)


def _cut(text: str) -> str:
    return text.rsplit(maxsplit=1)[0] if len(text.split()) > 1 else text
