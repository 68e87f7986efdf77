"""Contamination: rows that repeat an evaluation item, word for word or in other words.

Two stages, cheap before dear. A shared run of 12 words rejects at once. For the rest, the user's prompt is
compared with the items' prompts, like with like: a static embedder draws up a short list, a better one
decides. Rewritten code passes both: its words and its meaning are everybody's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synth_stack import text
from synth_stack.errors import ConfigError
from synth_stack.gates.evalsets import EvalSet, NamedSet, load_eval_set
from synth_stack.gates.judge import Judge
from synth_stack.models import Embedder, Vectors, load_embedder
from synth_stack.registry import gate
from synth_stack.rows import build_verdicts, canonical_text
from synth_stack.text import Counts, Hashes, Ragged

if TYPE_CHECKING:
    import polars as pl

Cosine = Annotated[float, Field(gt=0, lt=1)]

_NEAREST = 5
_CHUNK_ROWS = 1024
_SHOWN_CHARS = 500
_ID_CHARS = 80


class Embedding(BaseModel):
    """The embedder that compares meanings, and the one that confirms what it finds.

    `threshold` is the lowest cosine that `model` puts on the short list; with `confirm` null it decides by
    itself. From `confirm_threshold` on the confirming embedder rejects.

    Measured on rephrased GSM8K, MMLU sociology and abstract algebra against 3,000 rows of GSM8K's training
    set and banking77 (benchmarks/thresholds.py makes these figures): 0.81 rejects 0.9% of GSM8K's training
    rows, the nearest innocent neighbours of its test set, and none of banking77, and finds 0.97, 0.77 and
    0.83 of the rephrased items. A short list from 0.5 on spares MiniLM 96% of banking77. wordllama alone
    at 0.82 rejects 1.1% and finds 0.73, 0.44 and 0.76.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    model: Literal["wordllama", "minilm"] = "wordllama"
    threshold: Cosine = 0.5
    confirm: Literal["minilm"] | None = "minilm"
    confirm_threshold: Cosine = 0.81

    @property
    def bar(self) -> float:
        """The cosine that decides."""
        return self.threshold if self.confirm is None else self.confirm_threshold


_AGAINST: list[NamedSet] = []
_EMBEDDING = Embedding()


@gate("contamination", version="1")
def contamination(
    *,
    against: list[NamedSet] = _AGAINST,
    ngram: Annotated[int, Field(ge=5, le=50)] = 12,
    min_item_words: Annotated[int, Field(ge=3, le=50)] = 8,
    embedding: Embedding | None = _EMBEDDING,
) -> Judge:
    """A judge that rejects a row that repeats an item of the eval sets `against`.

    Words are compared without case and punctuation. A row that shares a run of `ngram` words with an
    item's prompt or answer is rejected with score 1; a prompt or answer of fewer words has to occur whole,
    and one of fewer than `min_item_words` proves nothing and is skipped (an item with nothing left is
    counted in facts as not checkable by words). Otherwise the score is the highest cosine of a user
    message (of the text, where there are none) to the prompt of an item on the short list, 0 where none is
    on it. Rejected from the threshold on. Evidence names eval set, item, its text, and the longest shared
    span with its character offsets in the row's text, or the message and its cosine.

    Without an eval set every row is abstained on, as is a row with nothing to read.

    Defaults: Brown et al. 2020, appendix C, look for 8- to 13-grams, never shorter "due to spurious
    collisions"; 12 words of support or school prose do not repeat by chance.

    Raises ConfigError, InputError for the eval sets, MissingExtra and ModelError for the embedders.
    """
    names = [named.name for named in against]
    if len(set(names)) < len(names):
        raise ConfigError("contamination: two eval sets have one name", seen=", ".join(names))
    if min_item_words > ngram:
        raise ConfigError(
            "contamination: min_item_words is above ngram", seen=min_item_words, allowed=str(ngram)
        )
    sets = [load_eval_set(named) for named in against]
    words = _index_words(sets, ngram, min_item_words)
    meanings = _index_meanings(sets, embedding) if sets and embedding else None

    def judge(table: pa.Table) -> pa.Table:
        if not sets:
            return _abstain(table)
        texts = text.read_texts(table.column("text"))
        spoken = text.hash_words(text.normalise(texts, punctuation=False))
        found = dict(_find_shared(words, texts, spoken))
        scores = np.zeros(len(table))
        scores[list(found)] = 1.0
        if meanings is not None:
            for row, (cosine, fault) in _find_alike(meanings, table, found).items():
                scores[row] = cosine
                if cosine >= meanings.settings.bar:
                    found[row] = fault
        readable = (spoken.lengths > 0) | (scores > 0)
        return _state(table, readable, scores, found, meanings.settings.bar if meanings else 1.0)

    facts = {
        "against": [
            {"name": s.name, "sha256": s.sha256, "items": len(s.ids), "not_checkable": words.skipped[k]}
            for k, s in enumerate(sets)
        ],
        "embedders": dict(meanings.files) if meanings else None,
        "text": text.SCHEME,
        "reject_when": "score >= threshold",
    }
    return Judge(judge=judge, facts=facts)


_Fault = tuple[str, dict[str, Any]]
"""Reason and evidence."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The eval items' prompts and answers as word n-grams; part k belongs to `items[k]`."""

    items: list[tuple[EvalSet, int, str]]
    by_length: dict[int, tuple[Ragged, Hashes, Counts]]
    skipped: list[int]


def _index_words(sets: list[EvalSet], ngram: int, min_words: int) -> _Parts:
    """Every n-gram of every part and whose it is; short parts as one n-gram of their own length."""
    import polars as pl

    items = [(s, k, part) for s in sets for k in range(len(s.ids)) for part in ("prompt", "answer")]
    contents = pl.Series([_part_of(item) for item in items], dtype=pl.String)
    words = text.hash_words(text.normalise(contents, punctuation=False))
    size = np.minimum(words.lengths, ngram)
    by_length = {}
    for n in sorted(set(size[size >= min_words].tolist())):
        mine = np.flatnonzero(size == n)
        grams = text.hash_ngrams(words.take(mine), n)
        owners = np.repeat(mine, grams.lengths)
        by_sets = text.sort_rows(grams.values, owners, len(items))
        order = np.argsort(by_sets.values, kind="stable")
        owner = np.repeat(np.arange(len(items)), by_sets.lengths)[order]
        by_length[n] = (by_sets, by_sets.values[order], owner)
    checkable = (size >= min_words).reshape(-1, 2).any(axis=1)
    ends = np.cumsum([len(s.ids) for s in sets], dtype=np.int64)
    skipped = [int((~part).sum()) for part in np.split(checkable, ends[:-1])] if sets else []
    return _Parts(items, by_length, skipped)


def _part_of(item: tuple[EvalSet, int, str]) -> str | None:
    eval_set, k, part = item
    return eval_set.prompts[k] if part == "prompt" else eval_set.answers[k]


def _find_shared(parts: _Parts, texts: "pl.Series", words: Ragged) -> Iterator[tuple[int, _Fault]]:
    """Each row that shares a long enough run of words with a part, and the part it shares most with."""
    for n, (sets, values, owner) in parts.by_length.items():
        grams = text.hash_ngrams(words, n)
        first, last = np.searchsorted(values, grams.values), np.searchsorted(values, grams.values, "right")
        hits = np.flatnonzero(last > first)
        if not len(hits):
            continue
        rows, best = _find_best(grams, hits, owner, first[hits], last[hits])
        shared = text.find_shared(grams.take(rows), np.arange(len(rows)), sets, best)
        spans = text.find_longest_spans(
            texts.gather(rows), shared, grams.take(rows), n, punctuation=False
        ).to_dicts()
        for row, part, span in zip(rows.tolist(), best.tolist(), spans, strict=True):
            eval_set, item, kind = parts.items[part]
            shown = {"part": kind, **_show(eval_set, item, _part_of(parts.items[part])), **span}
            yield row, (f"shared n-gram: with the {kind} of {_name(eval_set, item)}", shown)


def _find_best(
    grams: Ragged, hits: Counts, owner: Counts, first: Counts, last: Counts
) -> tuple[Counts, Counts]:
    """Rows with a hit, and the part with which each shares most n-grams, the first among equals."""
    rows = np.searchsorted(grams.offsets, hits, side="right") - 1
    count = last - first
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    parts = owner[starts + np.arange(len(starts))]
    pairs, times = np.unique(np.repeat(rows, count) << 32 | parts, return_counts=True)
    order = np.lexsort((pairs, -times, pairs >> 32))
    hit_rows, at = np.unique(pairs[order] >> 32, return_index=True)
    return hit_rows, pairs[order][at] & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Meanings:
    """The items' prompts as vectors (m, d) of the first embedder; the confirming one's when asked for."""

    settings: Embedding
    items: list[tuple[EvalSet, int]]
    vectors: Vectors
    first: Embedder
    confirm: Embedder | None
    confirmed: dict[int, NDArray[np.float32]]

    @property
    def files(self) -> Mapping[str, str]:
        """The embedders' files by digest."""
        return {**self.first.facts, **(self.confirm.facts if self.confirm else {})}


def _index_meanings(sets: list[EvalSet], settings: Embedding) -> _Meanings:
    first = load_embedder(settings.model)
    confirm = load_embedder(settings.confirm) if settings.confirm else None
    items = [(s, k) for s in sets for k in range(len(s.ids))]
    vectors = first.embed([s.prompts[k] for s, k in items])
    return _Meanings(settings, items, vectors, first, confirm, {})


def _find_alike(
    index: _Meanings, table: pa.Table, done: Mapping[int, _Fault]
) -> dict[int, tuple[float, _Fault]]:
    """The highest cosine of each row that comes near an item, and what to say about it."""
    import polars as pl

    asked = text.read_messages(table).filter(
        pl.col("role").is_in(["user", "text"]),
        ~pl.col("row").is_in(list(done)),
        pl.col("content").str.strip_chars() != "",
    )
    best: dict[int, tuple[float, _Fault]] = {}
    for first in range(0, len(asked), _CHUNK_ROWS):
        chunk = asked[first : first + _CHUNK_ROWS]
        which, item = _list_nearest(index, chunk["content"].to_list())
        cosines = _measure(index, chunk["content"].to_list(), which, item)
        for k, i, cosine in zip(which.tolist(), item.tolist(), cosines.tolist(), strict=True):
            row, position = chunk["row"][k], chunk["position"][k]
            if cosine > best.get(row, (0.0, None))[0]:
                eval_set, number = index.items[i]
                shown = {"part": "prompt", **_show(eval_set, number, eval_set.prompts[number])}
                evidence = {**shown, "message": position, "cosine": cosine}
                best[row] = (
                    cosine,
                    (f"rephrased item: like {_name(eval_set, number)}, cosine {cosine:.3f}", evidence),
                )
    return best


def _list_nearest(index: _Meanings, prompts: list[str]) -> tuple[Counts, Counts]:
    """Pairs (prompt, item) on the short list: the five nearest items of each, from the threshold on."""
    cosines = index.first.embed(prompts) @ index.vectors.T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEAREST]
    close = np.take_along_axis(cosines, nearest, axis=1) >= index.settings.threshold
    which, place = np.nonzero(close)
    return which, nearest[which, place]


def _measure(index: _Meanings, prompts: list[str], which: Counts, item: Counts) -> NDArray[np.float64]:
    """The deciding cosine of each pair, (p,), to six decimals: the last bits depend on the batch."""
    embedder = index.confirm or index.first
    wanted = np.unique(which)
    mine = embedder.embed([prompts[k] for k in wanted])
    new = [i for i in np.unique(item).tolist() if i not in index.confirmed]
    fresh = embedder.embed([index.items[i][0].prompts[index.items[i][1]] for i in new])
    index.confirmed.update(zip(new, fresh, strict=True))
    theirs = np.array([index.confirmed[i] for i in item.tolist()]).reshape(len(item), mine.shape[1])
    cosines = (mine[np.searchsorted(wanted, which)] * theirs).sum(axis=1, dtype=np.float64)
    rounded: NDArray[np.float64] = np.round(np.clip(cosines, 0, 1), 6)
    return rounded


def _show(eval_set: EvalSet, item: int, content: str | None) -> dict[str, Any]:
    return {
        "eval_set": eval_set.name,
        "item": eval_set.ids[item],
        "item_text": (content or "")[:_SHOWN_CHARS],
    }


def _name(eval_set: EvalSet, item: int) -> str:
    return f"{eval_set.name}/{eval_set.ids[item][:_ID_CHARS]}"


def _abstain(table: pa.Table) -> pa.Table:
    n = len(table)
    reasons = ["no eval set named: nothing to compare with"] * n
    return build_verdicts(table.column("row_id"), "contamination", ["abstain"] * n, reasons=reasons)


def _state(
    table: pa.Table,
    readable: NDArray[np.bool_],
    scores: NDArray[np.float64],
    found: Mapping[int, _Fault],
    threshold: float,
) -> pa.Table:
    outcomes = np.where(readable, "accept", "abstain").tolist()
    reasons: list[str | None] = [
        None if r else "nothing to read: the text is empty or missing" for r in readable
    ]
    evidence: list[str | None] = [None] * len(table)
    for row, (reason, shown) in found.items():
        outcomes[row], reasons[row], evidence[row] = "reject", reason, canonical_text(shown)
    return build_verdicts(
        table.column("row_id"),
        "contamination",
        outcomes,
        scores=[score if r else None for score, r in zip(scores.tolist(), readable, strict=True)],
        threshold=threshold,
        reasons=reasons,
        evidence=evidence,
    )
