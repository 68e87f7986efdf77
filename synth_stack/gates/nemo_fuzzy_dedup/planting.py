"""What the gate plants: copies of rows, long ones without their last word, and rows mixed from two."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_field

COPY, END_LESS, MIXED = "copy", "last_word_less", "mixed_from_two"
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
        turns = _read_turns(source)
        rows.append(build_canary(source["kind"], turns, f"copy: of {source['row_id']}", draw, kind=COPY))
        if len(turns[-1]["content"] or "") >= _MIN_CHARACTERS:
            shorter = [*turns[:-1], {**turns[-1], "content": _cut(turns[-1]["content"])}]
            said = f"the last word less: of {source['row_id']}"
            rows.append(build_canary(source["kind"], shorter, said, draw, kind=END_LESS))
    return build_candidates(rows)


def mix_rows(sample: pa.Table, n: int, seed: int, *, field: Field, width: int) -> pa.Table:
    """Up to `n` rows of one half of a row and one half of another, far from every row of the sample."""
    mixed = build_candidates(_mix_all(sample.select(_SOURCE), 2 * n, seed))
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


def _mix_all(sources: pa.Table, n: int, seed: int) -> Iterator[dict[str, Any]]:
    order = np.random.default_rng(seed).permutation(len(sources))
    for draw, (here, there) in enumerate(zip(order[:n], np.roll(order, 1)[:n], strict=True)):
        first, second = (sources.slice(int(k), 1).to_pylist()[0] for k in (here, there))
        turns, others = _read_turns(first), _read_turns(second)
        if len(turns) == len(others) and here != there:
            mixed = [
                {**turn, "content": _mix(turn["content"] or "", other["content"] or "")}
                for turn, other in zip(turns, others, strict=True)
            ]
            yield build_control(first["kind"], mixed, "halves of two rows", draw, kind=MIXED)


def _read_turns(source: dict[str, Any]) -> list[dict[str, Any]]:
    return source["messages"] or [{"role": "text", "content": source["text"]}]


def _cut(text: str) -> str:
    return text.rsplit(maxsplit=1)[0] if len(text.split()) > 1 else text


def _mix(first: str, second: str) -> str:
    one, other = first.split(), second.split()
    return " ".join([*one[: (len(one) + 1) // 2], *other[len(other) // 2 :]])
