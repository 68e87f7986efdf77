"""Tone by meaning: how near a sentence comes to combative and hostile examples, with no phrase to tell it.

Kernel ridge regression over the sentences of examples.txt and of neutral.txt. A sentence is its
MiniLM vector, its wordllama vector and the marks of cues and signs in it. MiniLM takes milliseconds a
sentence, so the fitted examples come with the package, fitted.parquet, which
`python benchmarks/toxicity_fit.py` makes again from the texts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synth_stack.models.embedders import Embedder, load_embedder
from synth_stack.rows.canonical import digest_bytes

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
Mark = Callable[["pl.Series"], Floats]

_SCALE = 400.0
"""MiniLM's components lie within 0.3 of zero: in steps of 1/400 they fit eight bits."""

_WORD_WEIGHT = 0.5
_MARK_WEIGHT = 0.1
_WIDTH = 0.8
"""exp(-width * squared distance) of MiniLM's unit vectors, wordllama's at half their length, and the marks.

Chosen on benchmarks/support_tone.txt, where widths of 0.6 to 1 do as well.
"""

RIDGE = 0.4
_CUT = 0.2
"""What the regression says (1 bad, -1 civil) at a score of one half: below it lie 95% of the civil messages
of benchmarks/support_tone.txt (benchmarks/toxicity.py)."""

_STEEPNESS = 5.0
"""So that a regression of one, which is as bad as the examples, scores 0.98."""

_SCORE_DECIMALS = 3
"""Beyond these the arithmetic of two machines may differ."""

_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Meaning:
    """Fitted examples: features (m, d), coefficients (m,), and their classes, null for a civil one."""

    minilm: Embedder
    wordllama: Embedder
    mark: Mark
    features: Floats
    coefficients: Floats
    classes: Sequence[str | None]
    facts: Mapping[str, Any]

    def score(self, sentences: "pl.Series") -> tuple[Floats, list[str | None]]:
        """The score of each sentence, (n,) in [0, 1], and the class of the nearest bad example."""
        bad = np.flatnonzero([kind is not None for kind in self.classes])
        scores, nearest = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
        for first in range(0, len(sentences), _AT_ONCE):
            part = sentences[first : first + _AT_ONCE]
            vectors = _to_steps(self.minilm.embed(part.to_list()))
            near = compare(_join(vectors, part, self.wordllama, self.mark), self.features)
            scores.append(1 / (1 + np.exp(-_STEEPNESS * (near @ self.coefficients - _CUT))))
            nearest.append(bad[near[:, bad].argmax(axis=1)])
        rounded: Floats = np.concatenate(scores).round(_SCORE_DECIMALS)
        return rounded, [self.classes[k] for k in np.concatenate(nearest)]


def load_meaning(mark: Mark) -> Meaning:
    """The regression over the fitted examples of the package. Raises MissingExtra, ModelError."""
    import polars as pl

    minilm, wordllama = load_embedder("minilm"), load_embedder("wordllama")
    stored = (files(__package__) / "fitted.parquet").read_bytes()
    fitted = pq.read_table(BytesIO(stored))
    sentences = pl.Series(fitted["sentence"].to_pylist(), dtype=pl.String)
    width = fitted["vector"].type.list_size
    steps = fitted["vector"].combine_chunks().flatten().to_numpy().reshape(-1, width)
    return Meaning(
        minilm=minilm,
        wordllama=wordllama,
        mark=mark,
        features=_join(steps, sentences, wordllama, mark),
        coefficients=fitted["coefficient"].to_numpy(),
        classes=fitted["class"].to_pylist(),
        facts={**minilm.facts, **wordllama.facts, "fitted": digest_bytes(stored), "sentences": len(fitted)},
    )


def fit_meaning(sentences: "pl.Series", classes: Sequence[str | None], mark: Mark) -> pa.Table:
    """The fitted examples, one row each: `sentence, class, vector, coefficient`.

    The coefficients are those of kernel ridge regression (Rasmussen and Williams 2006, equation 2.25).
    """
    steps = _to_steps(load_embedder("minilm").embed(sentences.to_list()))
    features = _join(steps, sentences, load_embedder("wordllama"), mark)
    targets = np.array([-1.0 if kind is None else 1.0 for kind in classes])
    kernel = compare(features, features) + RIDGE * np.eye(len(targets))
    vector = pa.FixedSizeListArray.from_arrays(pa.array(steps.ravel()), steps.shape[1])
    return pa.table(
        {
            "sentence": sentences.to_list(),
            "class": pa.array(classes, pa.string()),
            "vector": vector,
            "coefficient": np.linalg.solve(kernel, targets),
        }
    )


def _to_steps(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Vectors in eight bits: as the examples are stored, and so as sentences are compared with them."""
    return np.clip(np.round(vectors * _SCALE), -127, 127).astype(np.int8)


def _join(steps: NDArray[np.int8], sentences: "pl.Series", wordllama: Embedder, mark: Mark) -> Floats:
    words = wordllama.embed(sentences.to_list())
    return np.hstack([steps / _SCALE, words * _WORD_WEIGHT, mark(sentences) * _MARK_WEIGHT])


def compare(left: Floats, right: Floats) -> Floats:
    """The Gaussian kernel of n and m vectors, (n, m)."""
    distances = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None] - 2 * left @ right.T
    kernel: Floats = np.exp(-_WIDTH * np.maximum(distances, 0))
    return kernel
