"""When words that a row shares with an evaluation item are proof, by the conventions of the papers.

    run              the row shares a run of n words with the item's prompt or answer; one of fewer words
                     occurs whole in the row. Held and not rejected: less than 18 words that are less than
                     half of the part; 40 words of a passage
    gpt3-13gram      the same with n = 13. Brown et al. 2020, appendix C: filtering took 13-grams, "for
                     analysis" n was each set's 5th percentile of lengths, 8 at least, 13 at most
    tulu3-8gram-50   more than half of the words of the prompt or answer stand in 8-grams that one row holds.
                     Lambert et al. 2024 (Tulu 3), section 3.2, there for prompts
    palm-8gram-70    one row holds at least 70% of the 8-grams of the prompt or answer. Chowdhery et al. 2022
                     (PaLM), section 8, there looked for in all training data together

Each paper asks which items a corpus spoils; a gate asks which rows do it. So the unit here is a text of a
row (row_texts.py), and a pair of text and item is compared by itself.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from synth_stack.errors import ConfigError
from synth_stack.gates.contamination.ngram_table import Flags
from synth_stack.text.ragged import Counts
from synth_stack.text.words import WORD

Convention = Literal["run", "gpt3-13gram", "tulu3-8gram-50", "palm-8gram-70"]

Pieces = Literal["hold", "ignore"]
"""What becomes of a row that has a short piece of a longer item and nothing else of it."""

NGRAM = 12
MIN_ITEM_WORDS = 8

PIECE_WORDS = 18
"""So many words of an item in a row are proof, however long it is; 12 that are less than half of it are not:
"a prime number is a natural number greater than 1 that" stands in HumanEval and in Wikipedia."""

PASSAGE_WORDS = 40
"""So many words of a passage are its use and no quotation of it; a paragraph of SQuAD has 120."""

_WHOLE = 0.9


@dataclass(frozen=True, slots=True)
class OverlapRule:
    """A convention with its numbers: n, and the fewest words of a part that proves something."""

    convention: Convention
    n: int
    min_words: int

    @property
    def is_run(self) -> bool:
        """Whether a single shared run is proof."""
        return self.convention in ("run", "gpt3-13gram")

    def holds(self, shares: "Shares") -> Flags:
        """Which pairs are proof, or worth a look where they are weak or share a passage."""
        if self.convention == "tulu3-8gram-50":
            return 2 * shares.covered > shares.words
        if self.convention == "palm-8gram-70":
            return 10 * shares.shared >= 7 * np.maximum(shares.grams, 1)
        own = (shares.novel >= self.min_words * WORD) | (shares.found == shares.grams)
        passage = shares.covered >= np.minimum(PASSAGE_WORDS * WORD, _WHOLE * shares.words)
        holds: Flags = np.where(shares.passage, passage, own)
        return holds


@dataclass(frozen=True, slots=True)
class Shares:
    """What p pairs of a text and a part of an item have in common, (p,) each.

    Of the part's `grams` so many are `found` in the text, and so many `shared`: found, and the part's own;
    its `words`, those `covered` by shared n-grams, and of these the `novel` ones, which stand in no n-gram
    that is common in the set, in 60ths of a word. `passage`: the part is what items are asked of.
    """

    shared: Counts
    found: Counts
    grams: Counts
    covered: Counts
    novel: Counts
    words: Counts
    passage: Flags

    @property
    def weak(self) -> Flags:
        """Short pieces of longer parts, (p,): a definition that both quote looks the same."""
        short: Flags = (2 * self.covered < self.words) & (self.covered < PIECE_WORDS * WORD)
        return short


def choose_rule(
    convention: Convention, ngram: int = NGRAM, min_item_words: int = MIN_ITEM_WORDS
) -> OverlapRule:
    """The convention's numbers; those of `run` are the caller's own.

    Raises ConfigError for numbers that the convention does not leave open or that exclude each other.
    """
    if convention != "run" and (ngram, min_item_words) != (NGRAM, MIN_ITEM_WORDS):
        raise ConfigError(
            f"contamination: {convention} fixes its own numbers",
            seen=f"ngram {ngram}, min_item_words {min_item_words}",
            mend="Leave ngram and min_item_words out, or take `convention: run`.",
        )
    if min_item_words > ngram:
        raise ConfigError(
            "contamination: min_item_words is above ngram", seen=min_item_words, allowed=str(ngram)
        )
    n = {"run": ngram, "gpt3-13gram": 13}.get(convention, 8)
    return OverlapRule(convention, n, min_item_words)
