"""Short pieces of long items that stand alone in a row: a sentence that both took from elsewhere.

"A prime number is a natural number greater than 1 that ..." stands in a task of HumanEval's and in an
encyclopedia. A row that repeats an item has more of it than one sentence: a larger part, or of the rest the
words that few texts have.
"""

from functools import cache

from synth_stack.gates.contamination.likelihood import RARE_NATS, Lexicon, read_words
from synth_stack.gates.contamination.ngram_overlap import Overlap, WordIndex
from synth_stack.gates.word_lists import read_neutral

_SMALL = 0.2
_REST = 0.2
"""A piece below a fifth of an item counts where a fifth of the rare words of the rest are in the row too. The
passages of rc_en that define primes have 13 of the 159 words of an item and a tenth of those; GSM8K's items
are so short that each piece that is found counts."""


def is_quotation(index: WordIndex, overlap: Overlap, content: str) -> bool:
    """Whether a text shares a short piece of an item and next to nothing else of it.

    Never so where the rest of the item has no rare words to look for, as in scripts that have none of a to z.
    """
    if not overlap.weak or overlap.shared_words >= _SMALL * overlap.words:
        return False
    piece = read_words(content[overlap.start : overlap.end])
    rest = read_words(index.read(overlap.part) or "") - piece
    lexicon = _read_lexicon()
    rare = {word for word in rest if not word[0].isdigit() and lexicon.weigh([word]) >= RARE_NATS}
    return bool(rare) and len(rare & read_words(content)) < _REST * len(rare)


@cache
def _read_lexicon() -> Lexicon:
    return Lexicon(read_neutral())
