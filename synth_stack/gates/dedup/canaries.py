"""Copies of a batch's rows with some words exchanged: what the dedup gate has to find."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.dedup.signatures import Reading, shingle_rows
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text
from synth_stack.text.fields import read_messages
from synth_stack.text.ragged import Ragged, measure_jaccard
from synth_stack.text.spans import locate_words

if TYPE_CHECKING:
    import polars as pl

_COPIES = 4
"""One canary in so many is an exact copy: the commonest duplicate of all."""

_LAST_WORD = -1
"""Instead of a number of edits: the last word alone."""

_Message = dict[str, Any]


def plant_duplicates(sample: pa.Table, n: int, seed: int, reading: Reading, threshold: float) -> pa.Table:
    """`n` copies of rows of the sample, each more similar to its row than `threshold`, as measured.

    One in four is exact; the similarities of the others are spread from the threshold to 1, as far as their
    lengths allow. In a short row only the last word is exchanged, which takes one shingle away instead of
    `ngram`; where that is too much as well, the copy is exact.
    """
    sets = shingle_rows(sample, reading)
    readable = np.flatnonzero(sets.lengths)
    if not len(readable):
        return build_candidates([])
    rng = np.random.default_rng(seed)
    chosen = readable[np.arange(n) % len(readable)]
    wanted = rng.uniform(threshold, 1, n)
    edits = np.ceil(sets.lengths[chosen] * (1 - wanted) / (1 + wanted) / reading.ngram).astype(np.int64)
    edits[::_COPIES] = 0
    copies = sample.take(pa.array(chosen))
    messages: list[list[_Message]] = [[] for _ in range(n)]
    similar = np.zeros(n)
    for attempt in (edits, np.minimum(edits, _LAST_WORD), np.zeros(n, dtype=np.int64)):
        rest = np.flatnonzero(similar <= threshold)
        these = copies.take(pa.array(rest))
        edited = _edit(these, attempt[rest], reading, rng)
        similar[rest] = _measure(_build(these, edited), reading, sets, chosen[rest])
        for row, said in zip(rest, edited, strict=True):
            messages[row] = said
    return _build(copies, messages, similar)


def _edit(
    rows: pa.Table, edits: NDArray[np.int64], reading: Reading, rng: np.random.Generator
) -> list[list[_Message]]:
    """The messages of each row, `edits` words of its field (or the last) exchanged for others of the row."""
    import polars as pl

    spoken = read_messages(rows)
    role = {"text": None, "prompt": "user", "answer": "assistant"}[reading.field]
    words = locate_words(spoken["content"]).rename({"row": "message"})
    words = words.with_columns(spoken.select("row", "role")[words["message"]])
    if role is not None:
        words = words.filter(pl.col("role").is_in([role, "text"]))
    first = np.searchsorted(words["row"].to_numpy(), np.arange(len(rows) + 1))
    contents = spoken["content"].to_list()
    for row, count in enumerate(edits.tolist()):
        mine = words[int(first[row]) : int(first[row + 1])]
        places = (
            rng.choice(len(mine), min(count, len(mine)), replace=False) if count >= 0 else [len(mine) - 1]
        )
        _exchange(contents, mine, np.sort(places)[::-1], rng)
    messages: list[list[_Message]] = [[] for _ in range(len(rows))]
    for row, who, content in zip(spoken["row"], spoken["role"], contents, strict=True):
        messages[row].append({"role": who, "content": content})
    return messages


def _exchange(
    contents: list[str | None], words: "pl.DataFrame", places: NDArray[np.int64], rng: np.random.Generator
) -> None:
    """Put another word of the row in each of the places, the last first, so that offsets stay valid."""
    found = list(zip(words["message"], words["start"], words["end"], strict=True))
    said = [(contents[message] or "")[start:end] for message, start, end in found]
    for place in places:
        message, start, end = found[place]
        whole = contents[message] or ""
        contents[message] = whole[:start] + said[rng.integers(len(said))] + whole[end:]


def _build(
    copies: pa.Table, messages: list[list[_Message]], similar: NDArray[np.float64] | None = None
) -> pa.Table:
    rows = []
    columns = ["row_id", "kind", "messages", "tools", "alternatives"]
    for draw, (source, said) in enumerate(zip(copies.select(columns).to_pylist(), messages, strict=True)):
        wrong = f"near-duplicate: of {source['row_id']}"
        if similar is not None:
            wrong += f", Jaccard {similar[draw]:.3f}"
        rows.append(_keep_shape(build_canary(source["kind"], said, wrong, draw), source))
    return build_candidates(rows)


def _keep_shape(canary: _Message, source: _Message) -> _Message:
    """The canary with the calls and alternatives of its row: these are part of what is compared."""
    called = any(message["tool_calls"] for message in source["messages"])
    if not called and not source["alternatives"]:
        return canary
    pairs = zip(source["messages"], canary["messages"], strict=True)
    messages = [{**message, "content": said["content"]} for message, said in pairs]
    kept = {"tools": source["tools"], "alternatives": source["alternatives"]}
    return {**canary, **kept, "messages": messages, "text": join_text(messages, source["alternatives"])}


def _measure(
    rows: pa.Table, reading: Reading, sets: Ragged, originals: NDArray[np.int64]
) -> NDArray[np.float64]:
    return measure_jaccard(shingle_rows(rows, reading), np.arange(len(rows)), sets, originals)
