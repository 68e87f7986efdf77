"""How dense it is around eval items and passages, and the items whose programs are nearest.

Which items a passage is compared with, its words say (shared_words.py). Similarities are only used to choose
neighbours; every figure that is kept is computed for its pair alone, so it does not depend on what stood
beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.gates.contamination.likelihood import Figures, Kind
from synth_stack.gates.contamination.passages import split_items
from synth_stack.gates.contamination.shared_words import ItemWords, Vocabulary, index_item_words
from synth_stack.models.embedders import Embedder, Vectors
from synth_stack.text.ragged import Counts

NEIGHBOURS = 3
"""Neighbours whose mean cosine is an item's density. CSLS takes 10; 3 was chosen with the weights."""

PROGRAM_CHARS = 2_000
"""How much of a program is compared as a whole."""

_PROPOSED = 4  # neighbours of a kind that the first embedder proposes for the second to choose from
_SAME_ITEM = 0.98  # what a set holds twice is no neighbour of itself
_CELLS = 1 << 24  # similarities held at once


@dataclass(frozen=True, slots=True)
class Block:
    """m passages of items that are searched together, set after set.

    `items` (m,) are the items' numbers over all sets, `words` those of their texts, `vectors` (m, d) the
    first embedder's; passage k's own set stands at `bounds[k]`, (m, 2). `known` (m,) are the densities that
    were measured, NaN elsewhere.
    """

    kind: Kind
    part: str
    items: Counts
    texts: list[str]
    words: ItemWords
    vectors: Vectors
    bounds: Counts
    known: Figures

    def measure_density(self, at: Counts, neutral: Vectors) -> Figures:
        """The mean cosine of passages `at` and their nearest in their set and among neutral texts, (n,)."""
        new = np.unique(at[np.isnan(self.known[at])])
        if len(new):
            self.known[new] = _find_density(self, new, neutral)
        return self.known[at]


def build_blocks(sets: Sequence[EvalItems], embedder: Embedder, vocabulary: Vocabulary) -> list[Block]:
    """Prompts in prose, prompts of code, and answers, each a block; an empty one is left out."""
    parted = [split_items(eval_set) for eval_set in sets]
    starts = np.cumsum([0, *(len(eval_set.ids) for eval_set in sets)], dtype=np.int64)
    sides: list[tuple[str, Kind, str]] = [
        ("asked", "prose", "prompt"),
        ("noted", "code", "prompt"),
        ("answered", "answer", "answer"),
    ]
    blocks = []
    for side, kind, part in sides:
        mine = [passages.filter(passages["side"] == side) for passages in parted]
        ends = np.cumsum([len(m) for m in mine], dtype=np.int64)
        if not ends.any():
            continue
        texts = [t for m in mine for t in m["text"]]
        items = np.concatenate([m["item"].to_numpy() + s for m, s in zip(mine, starts[:-1], strict=True)])
        spans = np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)
        bounds = np.repeat(spans, spans[:, 1] - spans[:, 0], axis=0)
        vectors = embedder.embed(texts)
        words, known = index_item_words(vocabulary, texts), np.full(len(texts), np.nan)
        blocks.append(Block(kind, part, items.astype(np.int64), texts, words, vectors, bounds, known))
    return blocks


@dataclass(frozen=True, slots=True)
class Programs:
    """p items that have tests: `items` (p,) their numbers; (p, d) each, their whole programs, prompt and
    solution, and what they ask for (zero where nothing is said); `density` (p,) as in their block.
    """

    items: Counts
    programs: Vectors
    tasks: Vectors
    density: Figures


def build_programs(
    sets: Sequence[EvalItems], embedder: Embedder, blocks: Sequence[Block], neutral: Vectors
) -> Programs:
    """The items whose tests a program may be run against."""
    items, texts = [], []
    first = 0
    for s in sets:
        for k, (prompt, answer, test) in enumerate(zip(s.prompts, s.answers, s.tests, strict=True)):
            if test is not None:
                items.append(first + k)
                texts.append(f"{prompt}\n{answer or ''}"[:PROGRAM_CHARS])
        first += len(s.ids)
    vectors = embedder.embed(texts)
    tasks, density = np.zeros_like(vectors), np.zeros(len(items))
    place = {item: k for k, item in enumerate(items)}
    for block in blocks:
        if block.kind != "code":
            continue
        tested = np.flatnonzero(np.isin(block.items, items))
        at = [place[item] for item in block.items[tested].tolist()]
        tasks[at], density[at] = block.vectors[tested], block.measure_density(tested, neutral)
    return Programs(np.array(items, dtype=np.int64), vectors, tasks, density)


def rank_programs(
    index: Programs, programs: Vectors, tasks: Vectors, owner: Counts, *, penalty: float, n: int
) -> tuple[Counts, Counts, Figures]:
    """The `n` items nearest to each of q programs, (k,) each: program, item, nearness, best first.

    `programs` (q, d); `tasks` (t, d) are passages that say what they are for, that of program `owner[t]`.
    Nearness is the cosine of the programs and the highest of what is asked, less `penalty` times the density:
    of 40 rewritten programs, the first 5 hold the right item of 0.80, the first 20 of 0.98
    (benchmarks/rephrased.py).
    """
    near = programs @ index.programs.T
    if len(tasks):
        asked = np.zeros_like(near)
        np.maximum.at(asked, owner, tasks @ index.tasks.T - (penalty * index.density).astype(np.float32))
        near += asked
    best = _take_best(near, n) if near.size else np.zeros((len(programs), 0), dtype=np.int64)
    which: Counts = np.repeat(np.arange(len(programs), dtype=np.int64), best.shape[1])
    nearness: Figures = np.take_along_axis(near, best, axis=1).ravel().astype(np.float64).round(6)
    return which, index.items[best.ravel()], nearness


def propose_neighbours(block: Block, at: int, neutral: Vectors) -> tuple[Counts, Counts]:
    """Where the neighbours of passage `at` may be by the first embedder: in its block, and neutral."""
    first, last = block.bounds[at]
    own = block.vectors[first:last] @ block.vectors[at]
    own[(own >= _SAME_ITEM) | (block.items[first:last] == block.items[at])] = -1
    return first + _top(own, _PROPOSED), _top(neutral @ block.vectors[at], _PROPOSED)


def find_neutral(vectors: Vectors, neutral: Vectors, n: int = 1) -> Counts:
    """The neutral texts nearest to each of m vectors, (m, n), nearest first."""
    near = [_take_best(vectors[a:b] @ neutral.T, n) for a, b in _cut(len(vectors), len(neutral))]
    return np.concatenate(near) if near else np.zeros((0, n), dtype=np.int64)


def measure_cosines(left: Vectors, right: Vectors) -> Figures:
    """The cosine of each of n pairs of unit vectors, (n,), to six decimals."""
    cosines = (left.astype(np.float64) * right).sum(axis=1)
    rounded: Figures = np.round(np.clip(cosines, 0, 1), 6)
    return rounded


def average_neighbours(cosines: Figures) -> float:
    """The mean of the `NEIGHBOURS` highest."""
    return float(np.sort(cosines)[-NEIGHBOURS:].mean())


def _find_density(block: Block, at: Counts, neutral: Vectors) -> Figures:
    density = np.zeros(len(at))
    for start, stop in np.unique(block.bounds[at], axis=0):
        inside = np.flatnonzero((at >= start) & (at < stop))
        for first, last in _cut(len(inside), stop - start + len(neutral)):
            which = inside[first:last]
            mine = block.vectors[at[which]]
            among = mine @ block.vectors[start:stop].T
            among[(among >= _SAME_ITEM) | (block.items[at[which], None] == block.items[start:stop])] = -1
            near = np.concatenate([among, mine @ neutral.T], axis=1)
            best = np.partition(near, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
            density[which] = np.sort(best, axis=1).mean(axis=1)
    rounded: Figures = np.round(density, 6)
    return rounded


def _take_best(near: Vectors, n: int) -> Counts:
    """The columns of the n highest of each row, highest first."""
    if n == 1:
        highest: Counts = near.argmax(axis=1)[:, None].astype(np.int64)
        return highest
    n = min(n, near.shape[1])
    some = np.argpartition(-near, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(near, some, axis=1), axis=1, kind="stable")
    best: Counts = np.take_along_axis(some, order, axis=1).astype(np.int64)
    return best


def _top(near: Vectors, n: int) -> Counts:
    best = np.argsort(-near, kind="stable")[:n]
    kept: Counts = best[near[best] > 0]
    return kept


def _cut(rows: int, width: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CELLS // max(width, 1))
    for first in range(0, rows, step):
        yield first, min(first + step, rows)
