"""ROUGE-L of two texts: the F-measure of their longest common subsequence of words (Lin 2004, section 3.1).

A word is a run of letters and digits in lower case. For text in ASCII that is what the rouge_score package
takes for one without stemming, which Self-Instruct's own code uses. That sees no letters but a to z; here
those of every script count, and where words are written without spaces each character is one (text/words.py).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.text.ragged import Ragged, spread
from synth_stack.text.words import hash_words, normalise

if TYPE_CHECKING:
    import polars as pl

MAX_WORDS = 1_000
"""Words of a text that are compared: more than six times what Self-Instruct lets an instruction have."""

SCHEME = "synth_stack/rouge-l/v1"
"""Changes whenever two texts would get another ROUGE-L."""

_BETWEEN_WORDS = r"[^\p{L}\p{M}\p{N}]+"

Numbers = NDArray[Any]
"""Words as hashes or as numbers of any integer type, in order."""


def read_words(texts: "pl.Series") -> Ragged:
    """One hash per word of each text, in order, at most MAX_WORDS of them; a null text has no words."""
    apart = normalise(texts).str.replace_all(_BETWEEN_WORDS, " ").str.strip_chars()
    words = hash_words(apart)
    lengths = np.minimum(words.lengths, MAX_WORDS)
    kept = words.values[spread(words.offsets[:-1], lengths)]
    return Ragged(kept, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def measure_rouge_l(one: Numbers, other: Numbers) -> float:
    """2 LCS / (m + n), of words as hashes or numbers (m,) and (n,); 0 for a text without words."""
    if not len(one) or not len(other):
        return 0.0
    common = count_common(mark_places(one), len(one), other.tolist())
    return 2 * common / (len(one) + len(other))


def mark_places(words: Numbers) -> dict[int, int]:
    """The places of each word, as a number with one bit a place."""
    places: dict[int, int] = {}
    for place, word in enumerate(words.tolist()):
        places[word] = places.get(word, 0) | 1 << place
    return places


def count_common(places: dict[int, int], length: int, other: list[int]) -> int:
    """The length of the longest common subsequence of a text, by its `places`, and `other`.

    Bit-parallel (Hyyro 2004): one addition for each word that both have, whatever the length of the text.
    """
    full = (1 << length) - 1
    rest = full
    for word in other:
        here = places.get(word)
        if here is not None:
            matched = rest & here
            rest = ((rest + matched) | (rest - matched)) & full
    return length - rest.bit_count()
