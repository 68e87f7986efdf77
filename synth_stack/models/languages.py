"""Which language a text is in: py3langid's model, scored for many texts at once."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.errors import ModelError
from synth_stack.models.files import LANGUAGES, check_model, need_module

_BLOCK_TEXTS = 2_048
"""Texts scored at once: their counts and probabilities take about 30 MB."""

LanguageScorer = Callable[[Sequence[str]], tuple[NDArray[np.float64], list[str]]]


def load_language_scorer(languages: Sequence[str]) -> LanguageScorer:
    """A function of n texts: how probably each is in none of `languages`, (n,), and its likeliest language.

    py3langid's naive Bayes over byte n-grams (Lui and Baldwin 2012), probabilities tempered by length. Its
    own class walks its automaton byte by byte in Python; here all texts take their next step together, and
    the result is the same but for the last bits of a float32. Raises ModelError for a language code that it
    does not know.
    """
    model = _load_identifier()
    unknown = sorted(set(languages) - set(model.labels))
    if unknown:
        raise ModelError(
            "py3langid does not know the language",
            seen=", ".join(unknown),
            allowed=", ".join(sorted(model.labels)),
        )
    steps = _Steps(model)

    def score(texts: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
        blocks = [
            steps.rank(texts[first : first + _BLOCK_TEXTS]) for first in range(0, len(texts), _BLOCK_TEXTS)
        ]
        chances = np.concatenate([np.zeros((0, len(model.labels))), *blocks])
        inside = chances[:, [model.labels.index(code) for code in dict.fromkeys(languages)]].sum(axis=1)
        likeliest = [model.labels[k] for k in chances.argmax(axis=1)]
        return np.clip(1.0 - inside, 0.0, 1.0), likeliest

    return score


class _Steps:
    """The automaton and the Bayes table of the model as arrays."""

    def __init__(self, model: Any) -> None:
        self._sparse = need_module("scipy.sparse")
        self._next = np.asarray(model.tk_nextmove, dtype=np.int32)
        self._row = np.asarray(model.tk_row, dtype=np.int64) << 8
        self._feature = np.asarray(model.tk_output, dtype=np.int32)
        self._table = np.asarray(model.nb_ptc, dtype=np.float32)
        self._prior = np.asarray(model.nb_pc, dtype=np.float32)
        self._column = np.array([model.labels.index(code) for code in model.nb_classes])
        self._labels = len(model.labels)

    def rank(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The probability of each label, (n, labels). A text without any feature gets equal shares."""
        coded = [_encode(text) for text in texts]
        counts = self._count(coded)
        scores = counts @ self._table + self._prior
        scores[np.diff(counts.indptr) == 0] = 0.0
        scores /= np.sqrt([max(len(text), 1) for text in coded], dtype=np.float32)[:, None]
        chances = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf), dtype=np.float64)
        chances /= chances.sum(axis=1, keepdims=True)
        folded = np.zeros((len(texts), self._labels))
        np.add.at(folded.T, self._column, chances.T)  # some labels have two columns, one per script
        return folded

    def _count(self, coded: list[bytes]) -> Any:
        """log(1 + times that each feature occurs), a sparse matrix (n, features)."""
        lengths = np.array([len(text) for text in coded], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        data = np.frombuffer(b"".join(coded), dtype=np.uint8)
        starts = (np.cumsum(lengths) - lengths)[order]
        running = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
        state = np.zeros(len(coded), dtype=np.int32)
        rows, features = [], []
        for position, live in enumerate(running.tolist()):
            state = self._next[self._row[state[:live]] + data[starts[:live] + position]]
            found = self._feature[state]
            hit = np.flatnonzero(found >= 0)
            rows.append(order[hit])
            features.append(found[hit])
        nothing = np.zeros(0, dtype=np.int64)
        where = (np.concatenate([nothing, *rows]), np.concatenate([nothing, *features]))
        shape = (len(coded), len(self._table))
        counts = self._sparse.coo_matrix(
            (np.ones(len(where[0]), dtype=np.float32), where), shape=shape
        ).tocsr()
        counts.data = np.log1p(counts.data)
        return counts


def _encode(text: str) -> bytes:
    """As py3langid reads a text: NFC, a text all in capitals in small letters, UTF-8."""
    plain = text.lower() if text.isupper() else text
    return unicodedata.normalize("NFC", plain).encode("utf-8", errors="surrogatepass")


@cache
def _load_identifier() -> Any:
    """py3langid with all its languages; unpacking the model takes most of a second."""
    langid = need_module("py3langid.langid")
    return langid.LanguageIdentifier.from_model_file(check_model(LANGUAGES).path, norm_probs=True)
