"""The figures of a pair by the better and slower embedder."""

from collections.abc import Sequence

import numpy as np

from synth_stack.gates.contamination.likelihood import Figures
from synth_stack.gates.contamination.neighbours import (
    Block,
    average_neighbours,
    find_neutral,
    measure_cosines,
    propose_neighbours,
)
from synth_stack.models.embedders import Embedder, Vectors
from synth_stack.text.ragged import Counts

_PROPOSED = 5  # neutral texts near a passage, among which the better embedder finds the nearest


class Confirmer:
    """MiniLM's vectors of items and neutral texts, each made when it is first needed, and kept."""

    def __init__(self, embedder: Embedder, neutral: list[str], neutral_vectors: Vectors) -> None:
        self._embedder = embedder
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
        mine = self._embedder.embed([texts[k] for k in wanted])
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
        self._known.update(zip(new, self._embedder.embed(new), strict=True))
        return np.stack([self._known[t] for t in texts]) if texts else self._embedder.embed([])
