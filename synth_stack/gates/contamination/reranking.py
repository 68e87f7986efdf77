"""The short list rated again, by the better and slower embedder, and what is said of the rows on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from synth_stack.gates.contamination.eval_sets import Fault, name_item, show_item
from synth_stack.gates.contamination.likelihood import Figures, list_agreeing, read_words
from synth_stack.gates.contamination.neighbours import (
    Block,
    average_neighbours,
    find_neutral,
    measure_cosines,
    propose_neighbours,
)
from synth_stack.gates.contamination.paraphrase import ItemMeanings, rate_pairs, sort_likest
from synth_stack.models.embedders import Embedder, Vectors
from synth_stack.text.ragged import Counts

if TYPE_CHECKING:
    import polars as pl

_PROPOSED = 5  # neutral texts near a passage, among which the better embedder finds the nearest
_SHOWN_CHARS = 500
_SHOWN_WORDS = 8
_SHOWN_FIGURES = ("likeness", "cosine", "item_density", "row_density", "covered", "echoed", "rare", "differ")


def rerank_pairs(index: ItemMeanings, confirmer: "Confirmer", pairs: "pl.DataFrame") -> "pl.DataFrame":
    """Pairs that were read (`read_pairs`), rated with MiniLM's cosines."""
    import polars as pl

    texts = pairs["text"].unique(maintain_order=True)
    numbers = pl.DataFrame(
        {"text": texts, "which": np.arange(len(texts))}, schema_overrides={"text": pl.String}
    )
    numbered = pairs.join(numbers, on="text", how="left", maintain_order="left")
    vectors = index.first.embed(texts.to_list())
    rated = [pairs.clear()]
    for number in pairs["block"].unique().sort():
        mine = numbered.filter(pl.col("block") == number)
        block = index.blocks[number]
        figures = confirmer.measure(
            texts.to_list(), vectors, mine["which"].to_numpy(), block, mine["at"].to_numpy()
        )
        named = dict(zip(("cosine", "item_density", "row_density"), figures, strict=True))
        rated.append(rate_pairs(mine.with_columns(**named), "minilm", block.kind).select(pairs.columns))
    return pl.concat(rated)


@dataclass(frozen=True, slots=True)
class Likest:
    """The likest pair of a row: the item's number over all sets, what to say, and what agrees with it."""

    item: int
    likeness: float
    fault: Fault
    agrees: Sequence[str]


def describe_likest(index: ItemMeanings, pairs: "pl.DataFrame", by: str) -> dict[int, Likest]:
    """The likest pair of each row of pairs that were read; `by` names the embedder."""
    best = sort_likest(pairs).unique("row", keep="first", maintain_order=True)
    return {pair["row"]: _describe(index, pair, by) for pair in best.to_dicts()}


def _describe(index: ItemMeanings, pair: Mapping[str, Any], by: str) -> Likest:
    block = index.blocks[pair["block"]]
    number = int(block.items[pair["at"]])
    eval_set, item = index.items[number]
    shared = read_words(pair["text"]) & read_words(block.texts[pair["at"]])
    agrees = list_agreeing(index.lexicon, pair, read_words(block.texts[pair["at"]]), shared)
    reason = f"rephrased item: like {name_item(eval_set, item)}, likeness {pair['likeness']:.3f}"
    evidence = {
        "part": block.part,
        **show_item(eval_set, item, block.texts[pair["at"]]),
        "message": pair["message"],
        "side": pair["side"],
        "passage": pair["text"][:_SHOWN_CHARS],
        **{name: round(pair[name], 6) for name in _SHOWN_FIGURES},
        "shared": index.lexicon.rarest(shared, _SHOWN_WORDS),
        "by": by,
    }
    return Likest(number, pair["likeness"], (reason, evidence), agrees)


class Confirmer:
    """MiniLM's vectors of items and neutral texts, each made when it is first needed, and kept."""

    def __init__(self, embedder: Embedder, neutral: list[str], neutral_vectors: Vectors) -> None:
        self.embedder = embedder
        self._neutral = neutral
        self._neutral_vectors = neutral_vectors
        self._known: dict[str, Vectors] = {}
        self._densities: dict[tuple[str, str, int], float] = {}

    def measure(
        self, texts: Sequence[str], vectors: Vectors, which: Counts, block: Block, at: Counts
    ) -> tuple[Figures, Figures, Figures]:
        """Cosine, item density and row density of p pairs (text `which`, passage `at` of the block).

        `texts` and their first `vectors` (n, d) are those of one table; each of the three is (p,).
        """
        wanted, place = np.unique(which, return_inverse=True)
        mine = self.embedder.embed([texts[k] for k in wanted])
        cosines = measure_cosines(mine[place], self._embed([block.texts[k] for k in at]))
        nearest = find_neutral(vectors[wanted], self._neutral_vectors, _PROPOSED)
        neutral = self._embed([self._neutral[k] for k in nearest.ravel()])
        around = measure_cosines(np.repeat(mine, nearest.shape[1], axis=0), neutral)
        row_density = around.reshape(nearest.shape).max(axis=1)[place]
        self._embed_neighbours(block, np.unique(at))
        item_density = np.array([self._density(block, int(k)) for k in at])
        return cosines, item_density, row_density

    def _density(self, block: Block, at: int) -> float:
        key = (block.kind, block.part, at)
        if key not in self._densities:
            texts = self._list_neighbours(block, at)
            mine = np.repeat(self._embed([block.texts[at]]), len(texts), axis=0)
            self._densities[key] = average_neighbours(measure_cosines(mine, self._embed(texts)))
        return self._densities[key]

    def _embed_neighbours(self, block: Block, at: Counts) -> None:
        """All in one go: a batch of many texts is embedded several times as fast as each alone."""
        new = [int(k) for k in at if (block.kind, block.part, int(k)) not in self._densities]
        self._embed([t for k in new for t in [block.texts[k], *self._list_neighbours(block, k)]])

    def _list_neighbours(self, block: Block, at: int) -> list[str]:
        own, neutral = propose_neighbours(block, at, self._neutral_vectors)
        return [block.texts[k] for k in own] + [self._neutral[k] for k in neutral]

    def _embed(self, texts: Sequence[str]) -> Vectors:
        new = [t for t in dict.fromkeys(texts) if t not in self._known]
        self._known.update(zip(new, self.embedder.embed(new), strict=True))
        return np.stack([self._known[t] for t in texts]) if texts else self.embedder.embed([])
