"""When words that a row shares with an evaluation item are proof, by the conventions of the papers.

    run              the row shares a run of n words with the item's prompt or answer; one of fewer words
                     occurs whole in the row
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

Convention = Literal["run", "gpt3-13gram", "tulu3-8gram-50", "palm-8gram-70"]

NGRAM = 12
MIN_ITEM_WORDS = 8


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

    def holds(self, covered: Counts, words: Counts, shared: Counts, grams: Counts) -> Flags:
        """Which pairs are proof: of a part's `words` and n-`grams` so many are `covered` and `shared`."""
        if self.convention == "tulu3-8gram-50":
            return 2 * covered > words
        if self.convention == "palm-8gram-70":
            return 10 * shared >= 7 * np.maximum(grams, 1)
        return shared > 0


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
