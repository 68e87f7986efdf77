"""What is measured of each text: its length, feeling, form, language, words and meaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.models.embedders import Embedder
from synth_stack.models.languages import load_language_scorer
from synth_stack.models.sentiment import load_sentiment
from synth_stack.stats.divergence import Numbers
from synth_stack.text.ragged import Ragged
from synth_stack.text.words import hash_words, normalise

if TYPE_CHECKING:
    import polars as pl

Vectors = NDArray[np.float32]
Names = NDArray[Any]

_QUESTION_MARKS = "[?\uff1f\u061f\u037e]"
_INFORMAL = (
    r"^\p{Ll}",  # no capital at the start
    r"[\p{L}\p{N}]$",  # no mark at the end
    r"(?i)\b\p{L}+['\u{2019}](?:s|t|re|ll|m|ve|d)\b",
    r"[!?]{2,}|\.{3,}|\u{2026}",
    r"(?i)\b(?:u|ur|pls|plz|thx|lol|omg|gonna|wanna|gotta|dont|cant|im|idk|btw|asap|yeah|hey|hi|ok)\b",
    r"\p{Emoji_Presentation}",
)
"""Marks of informal writing that can be seen without a parser; formality as Heylighen and Dewaele (1999)
count it needs parts of speech. A text has none to six of them."""


@dataclass(frozen=True, slots=True)
class RowFeatures:
    """Of n texts: `row_ids`; numbers `length` (log of words), `sentiment` (-1 to 1) and `informal` (0 to
    6), all (n,); `vectors` (n, d); names of `language` and `opening` (the first word, with "?" in a
    question); `words`.
    """

    row_ids: Names
    length: Numbers
    sentiment: Numbers
    informal: Numbers
    vectors: Vectors
    language: Names
    opening: Names
    words: Ragged

    def __len__(self) -> int:
        return len(self.row_ids)

    def take(self, rows: NDArray[np.int64]) -> "RowFeatures":
        """The named rows."""
        return RowFeatures(
            self.row_ids[rows],
            self.length[rows],
            self.sentiment[rows],
            self.informal[rows],
            self.vectors[rows],
            self.language[rows],
            self.opening[rows],
            self.words.take(rows),
        )


FeatureReader = Callable[["pl.Series", Sequence[str]], RowFeatures]


def load_features(embedder: Embedder) -> FeatureReader:
    """A function from texts without nulls, and their row_ids, to their features.

    Raises MissingExtra and ModelError where the language or sentiment model is not there.
    """
    find_language, feel = load_language_scorer([]), load_sentiment()

    def read(texts: "pl.Series", row_ids: Sequence[str]) -> RowFeatures:
        words = hash_words(normalise(texts, punctuation=False))
        listed = texts.to_list()
        return RowFeatures(
            row_ids=np.array(row_ids, dtype=object),
            length=np.log1p(words.lengths.astype(np.float64)),
            sentiment=feel(listed),
            informal=_count_informal(texts),
            vectors=embedder.embed(listed),
            language=np.array(find_language(listed)[1], dtype=object),
            opening=_read_openings(texts),
            words=words,
        )

    return read


def _count_informal(texts: "pl.Series") -> Numbers:
    marks = sum(texts.str.contains(pattern).cast(int).to_numpy() for pattern in _INFORMAL)
    return np.asarray(marks, dtype=np.float64)


def _read_openings(texts: "pl.Series") -> Names:
    first = texts.str.to_lowercase().str.extract(r"([\p{L}\p{N}]+)").fill_null("")
    asks = texts.str.contains(_QUESTION_MARKS)
    marked = (first.str.slice(0, 40) + asks.cast(int).replace_strict({0: "", 1: "?"})).to_list()
    return np.array(marked, dtype=object)
