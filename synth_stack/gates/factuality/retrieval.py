"""The sentences of the sources that may speak of what an answer says: BM25 and static vectors, fused."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.factuality.passages import Shelf, SourceSentence
from synth_stack.models.embedders import Embedder, Vectors

CANDIDATES = 6
"""Sentences that each way of searching proposes. On the developing half of benchmarks/grounding.py the
passage that a paraphrase was made from is always among them (86 of 86), and 3 or 12 give nearly the same
verdicts.
"""
_PROMPT_WEIGHT = 0.3
"""What the question adds to a sentence of its answer: "It lasts 60 days" speaks of what was asked about."""
_BLOCK_SCORES = 4_000_000
"""Scores held at a time, 16 MB."""


@dataclass(frozen=True, slots=True)
class SentenceIndex:
    """A shelf with a sparse matrix of BM25 scores (ideas by sentences) and, with an embedder, unit
    vectors.
    """

    shelf: Shelf
    scores: Any
    columns: Mapping[str, int]
    embedder: Embedder | None
    vectors: Vectors | None

    def find(self, queries: Sequence["Query"]) -> list[list[SourceSentence]]:
        """The candidates for each query, the best of each way first; fewer where there are no more."""
        if not self.shelf.sentences or not queries:
            return [[] for _ in queries]
        found: list[list[SourceSentence]] = []
        step = max(1, _BLOCK_SCORES // len(self.shelf.sentences))
        for first in range(0, len(queries), step):
            block = queries[first : first + step]
            ways = [_take_best(self._score(block), positive=True)]
            if self.embedder is not None and self.vectors is not None:
                mine = self.embedder.embed([query.text for query in block])
                ways.append(_take_best(mine @ self.vectors.T, positive=False))
            for k in range(len(block)):
                places = dict.fromkeys(int(p) for way in ways for p in way[k] if p >= 0)
                found.append([self.shelf.sentences[place] for place in places])
        return found

    def _score(self, queries: Sequence["Query"]) -> NDArray[np.float32]:
        from scipy.sparse import csr_array

        rows, columns, values = [], [], []
        for k, query in enumerate(queries):
            for idea in query.ideas | query.prompt:
                if (column := self.columns.get(idea)) is not None:
                    rows.append(k)
                    columns.append(column)
                    values.append(1.0 if idea in query.ideas else _PROMPT_WEIGHT)
        shape = (len(queries), self.scores.shape[0])
        asked = csr_array((np.array(values, dtype=np.float32), (rows, columns)), shape=shape)
        scored: NDArray[np.float32] = (asked @ self.scores).toarray()
        return scored


@dataclass(frozen=True, slots=True)
class Query:
    """A sentence to look for: its text, its ideas, and those of the question that it answers."""

    text: str
    ideas: frozenset[str]
    prompt: frozenset[str]


def index_sentences(shelf: Shelf, embedder: Embedder | None) -> SentenceIndex:
    """The index of a shelf. BM25 as in bm25s (Lu 2024, arXiv:2407.03618), with its defaults: the scores of
    every idea in every sentence are worked out here, once.
    """
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells of every step
    from scipy.sparse import csr_array

    reach = [sorted(sentence.reach) for sentence in shelf.sentences]
    columns = {idea: k for k, idea in enumerate(sorted({idea for ideas in reach for idea in ideas}))}
    if not columns:
        return SentenceIndex(shelf, None, columns, None, None)
    model = bm25s.BM25()
    ids = [[columns[idea] for idea in ideas] for ideas in reach]
    model.index((ids, columns), create_empty_token=False, show_progress=False)
    parts = (model.scores["data"], model.scores["indices"], model.scores["indptr"])
    scores = csr_array(parts, shape=(len(columns), len(reach)))
    vectors = None if embedder is None else embedder.embed([each.said.text for each in shelf.sentences])
    return SentenceIndex(shelf, scores, columns, embedder, vectors)


def _take_best(scores: NDArray[np.float32], *, positive: bool) -> NDArray[np.int64]:
    """The places of the highest scores of each row, the highest first, ties by place; -1 for those of 0."""
    n = min(CANDIDATES, scores.shape[1])
    # a stable sort of all would be exact in ties; so is a partition after the place broke them
    tied = scores.astype(np.float64) - np.arange(scores.shape[1]) * 1e-9
    part = np.argpartition(-tied, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(tied, part, axis=1), axis=1, kind="stable")
    best: NDArray[np.int64] = np.take_along_axis(part, order, axis=1)
    if positive:
        best = np.where(np.take_along_axis(scores, best, axis=1) > 0, best, -1)
    return best
