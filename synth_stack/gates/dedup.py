"""Near-duplicates: exact Jaccard over word n-grams, candidates by MinHash LSH, the earlier row wins.

A row is compared with rows that were kept, never with rejected ones, so there are no chains: a row far
from everything kept stays, whatever lies between. The verdict on a row depends on the rows before it and
on nothing else; how a batch is cut into shards does not show.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from synth_stack import text
from synth_stack.gates.judge import Judge
from synth_stack.gates.lsh import Buckets, Growing, choose_bands, growing, sign_bands
from synth_stack.registry import gate
from synth_stack.rows import build_verdicts, canonical_text
from synth_stack.text import Counts, Hashes, Ragged

if TYPE_CHECKING:
    import polars as pl

_BLOCK_ROWS = 4096
"""Rows read, shingled and signed at a time: their arrays fit in the cache."""

_STEP_ROWS = 256
"""Rows compared with one another at a time. Only within a step do copies meet copies, so a cluster of any
size costs at most 32,640 pairs beyond one per row."""

_Found = tuple[NDArray[np.float64], Counts]
"""Of each row: the highest similarity to a kept row, (n,), and that row's number, (n,)."""

_NO_TWIN = np.iinfo(np.int64).max


@gate("dedup", version="1")
def dedup(
    *,
    threshold: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.85,
    ngram: Annotated[int, Field(ge=1, le=20)] = 3,
    field: Literal["text", "prompt", "answer"] = "text",
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42,
) -> Judge:
    """A judge that rejects a row whose Jaccard similarity to an earlier kept row is above `threshold`.

    Exactly at the threshold a row is accepted. The score is the highest similarity to any kept row that
    LSH proposed, 0.0 where it proposed none. Evidence of a reject: the twin's row_id, the similarity, and
    the longest run of words that both share (`span`, with its character offsets in the row's own field):
    what to look for in the twin. A row with nothing to read is abstained on.

    Defaults: word 3-grams, which every edited word changes three of; 0.85, above which two texts of
    support length differ by a name or a number only. `field` is what gates read ("text"), or only the
    user's ("prompt") or the assistant's messages ("answer"). `seed` draws the MinHash permutations.
    """
    bands, rows = choose_bands(threshold)
    kept = _Kept(threshold, ngram)

    def judge(table: pa.Table) -> pa.Table:
        texts = text.read_field(table, field)
        ids = table.column("row_id").combine_chunks()
        verdicts = [build_verdicts(ids[:0], "dedup", [], threshold=threshold)]
        for first in range(0, len(ids), _BLOCK_ROWS):
            block = texts[first : first + _BLOCK_ROWS]
            block_ids = ids[first : first + _BLOCK_ROWS]
            every = text.shingle(text.normalise(block), ngram)
            readable = np.flatnonzero(every.lengths)
            sets = every.take(readable)
            keys = sign_bands(sets, bands, rows, seed)
            found = _match(kept, sets, keys, block_ids.take(readable))
            verdicts.append(_state(kept, block_ids, block, readable, found))
        return pa.concat_tables(verdicts)

    facts = {"bands": bands, "rows": rows, "text": text.SCHEME, "reject_when": "score > threshold"}
    return Judge(judge=judge, facts=facts)


@dataclass(slots=True)
class _Kept:
    """The rows kept so far, numbered in their order: shingles, buckets and ids."""

    threshold: float
    ngram: int
    buckets: Buckets = field(default_factory=Buckets)
    shingles: Growing = field(default_factory=lambda: growing(np.uint64))
    offsets: Growing = field(default_factory=lambda: Growing(np.zeros(1, dtype=np.int64), 1))
    ids: list[pa.Array] = field(default_factory=list)
    first_of: list[int] = field(default_factory=list)

    def sets(self) -> Ragged:
        """Their shingles, a row each."""
        return Ragged(self.shingles.filled, self.offsets.filled)

    @property
    def count(self) -> int:
        """How many they are."""
        return self.offsets.size - 1

    def add(self, sets: Ragged, keys: Hashes, ids: pa.Array) -> None:
        """Keep these rows too, in this order."""
        self.buckets.add(keys, self.count + np.arange(len(ids)))
        self.ids.append(ids)
        self.first_of.append(self.count)
        self.offsets.extend(self.shingles.size + sets.offsets[1:])
        self.shingles.extend(sets.values)

    def id_of(self, number: int) -> str:
        """The row_id of a kept row."""
        k = bisect_right(self.first_of, number) - 1
        return str(self.ids[k][number - self.first_of[k]].as_py())


def _match(kept: _Kept, sets: Ragged, keys: Hashes, ids: pa.Array) -> _Found:
    """Highest similarity of each row to a row kept before it, and that row's number; new rows are kept."""
    steps = [np.arange(k, min(k + _STEP_ROWS, len(ids))) for k in range(0, len(ids), _STEP_ROWS)]
    found = [_match_step(kept, sets.take(rows), keys[rows], ids.take(rows)) for rows in steps]
    best = np.concatenate([np.zeros(0), *[step[0] for step in found]])
    twin = np.concatenate([np.zeros(0, dtype=np.int64), *[step[1] for step in found]])
    return best, twin


def _match_step(kept: _Kept, sets: Ragged, keys: Hashes, ids: pa.Array) -> _Found:
    """As `_match`, for rows that are all compared with one another.

    Only the first of equal sets can be kept: a later one equals it, or shares the twin it fell to.
    """
    best = np.zeros(len(ids))
    twin = np.full(len(ids), _NO_TWIN)
    known = kept.sets()
    for i, j in kept.buckets.meet(keys):
        _improve(best, twin, i, j, text.measure_jaccard(sets, i, known, j))
    hopeful = (best <= kept.threshold) & _is_first_of_equals(sets)
    within = Buckets()
    within.add(keys[hopeful], np.flatnonzero(hopeful))
    pairs = [(i[j < i], j[j < i]) for i, j in within.meet(keys)]
    i = np.concatenate([pair[0] for pair in pairs])
    j = np.concatenate([pair[1] for pair in pairs])
    similar = text.measure_jaccard(sets, i, sets, j)
    close = similar > kept.threshold
    stays = _settle(hopeful, i[close], j[close])
    number = kept.count + np.cumsum(stays) - 1
    among = stays[j]
    _improve(best, twin, i[among], number[j[among]], similar[among])
    rows = np.flatnonzero(stays)
    kept.add(sets.take(rows), keys[rows], ids.take(rows))
    return best, twin


def _improve(
    best: NDArray[np.float64], twin: Counts, i: Counts, j: Counts, similar: NDArray[np.float64]
) -> None:
    """Raise `best[i]` to the highest `similar`, the earliest row `j` first among equals."""
    order = np.lexsort((j, -similar, i))
    rows, first = np.unique(i[order], return_index=True)
    top, mate = similar[order][first], j[order][first]
    better = (top > best[rows]) | ((top == best[rows]) & (top > 0) & (mate < twin[rows]))
    best[rows[better]], twin[rows[better]] = top[better], mate[better]


def _is_first_of_equals(sets: Ragged) -> NDArray[np.bool_]:
    first = np.zeros(len(sets.lengths), dtype=bool)
    if len(first):
        sums = np.add.reduceat(text.mix(sets.values), sets.offsets[:-1])
        first[np.unique(sums, return_index=True)[1]] = True
    return first


def _settle(hopeful: NDArray[np.bool_], i: Counts, j: Counts) -> NDArray[np.bool_]:
    """Who stays, in order: a hopeful row `i` unless a row `j` before it that stays is too similar."""
    stays = hopeful.copy()
    order = np.lexsort((j, i))
    rows, first = np.unique(i[order], return_index=True)
    for row, mates in zip(rows, np.split(j[order], first[1:]), strict=False):
        stays[row] &= not stays[mates].any()
    return stays


def _state(kept: _Kept, ids: pa.Array, texts: "pl.Series", readable: Counts, found: _Found) -> pa.Table:
    """The verdicts on one block, in order."""
    best, twin = found
    outcomes = ["abstain"] * len(ids)
    scores: list[float | None] = [None] * len(ids)
    reasons: list[str | None] = ["nothing to read: the field is empty or missing"] * len(ids)
    evidence: list[str | None] = [None] * len(ids)
    for row, score in zip(readable.tolist(), best.tolist(), strict=True):
        outcomes[row], scores[row], reasons[row] = "accept", score, None
    lost = np.flatnonzero(best > kept.threshold)
    spans = _show_shared(kept, texts.gather(readable[lost]), twin[lost])
    for k, span in zip(lost.tolist(), spans, strict=True):
        row, score, name = int(readable[k]), float(best[k]), kept.id_of(int(twin[k]))
        outcomes[row] = "reject"
        reasons[row] = f"near-duplicate: of {name}, Jaccard {score:.3f}"
        evidence[row] = canonical_text({"twin": name, "jaccard": score, **span})
    return build_verdicts(
        ids, "dedup", outcomes, scores=scores, threshold=kept.threshold, reasons=reasons, evidence=evidence
    )


def _show_shared(kept: _Kept, texts: "pl.Series", twins: Counts) -> list[dict[str, object]]:
    """The longest run of words that each text shares with its twin."""
    grams = text.hash_ngrams(text.hash_words(text.normalise(texts)), kept.ngram)
    shared = text.find_shared(grams, np.arange(len(twins)), kept.sets(), twins)
    return text.find_longest_spans(texts, shared, grams, kept.ngram).to_dicts()
