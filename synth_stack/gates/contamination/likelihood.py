"""How likely a passage says an eval item in other words: a sum of figures that evidence can show.

    likeness = 1 / (1 + exp(-(sum - bar) / 0.05))

    sum = cosine                 of passage and item
        - a * item_density       mean cosine of the item and its 3 nearest neighbours: neutral texts, and the
                                 other items of its set
        - b * row_density        cosine of the passage and the nearest neutral text
        + c * covered            share of the item's words, weighed by rarity, that the passage has too
        + d * covered * nats     ... times how much these words tell, in units of 20 nats
        + e * literals           share of the item's strings and numbers, weighed by rarity, in the row's code
        - f * lost               share of the item's numbers that the passage lacks
        - g * uncoded            1 where a task of code is asked and the row has no code at all, else 0

The first three terms are the correction for hubness of CSLS (Conneau et al. 2018, section 2.3) with weights
of their own: a generic item (is_prime) is near everything, and a plain task is near every item. CSLS takes
both densities from the two sets that are matched; here they come from neutral texts, so that neither the
batch, which may be contaminated through and through, nor another eval set has a say in a row's verdict.
Words that are shared weigh their self-information, -ln of the share of neutral texts that have them (the
idf of Sparck Jones 1972): what two texts share by chance is common. Numbers are what tells a rephrased word
problem from its innocent neighbour, which asks the same of other numbers.

The terms, weights and bars were chosen by hand and by random search, for the recall at 1% false positives
on rephrased GSM8K and MMLU, on our own rewrites of 40 HumanEval items, and on rows of GSM8K's training set,
banking77 and code_alpaca; some neutral texts were written after a look at what was wrongly rejected there.
`python benchmarks/rephrased.py CORPORA` prints the figures: for these rows they say how well the rule fits,
and only for the corpora marked there how it does elsewhere.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Figures = NDArray[np.float64]

Kind = Literal["prose", "code", "answer"]
"""What is compared: prompts in prose, prompts of code, answers. Each is alike in its own way."""

Model = Literal["wordllama", "minilm"]

_WIDTH = 0.05
_NATS = 20.0
RARE_NATS = 4.0
"""A word is rare that at most one neutral text in 55 has."""
_LITERAL_NATS = 3.0  # what an item with a single common literal lacks for a full share
_MAX_WORD = 40
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
}
_ENDINGS = ("ing", "edly", "ed", "es", "ly", "s")
_SEEN = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_LITERAL = re.compile(r'"[^"\n]{1,40}"|\'[^\'\n]{1,40}\'|\d+(?:\.\d+)?')


@dataclass(frozen=True, slots=True)
class LikenessRule:
    """The weights of one sum, by the names of the module's docstring."""

    item_density: float
    row_density: float
    covered: float
    told: float
    literals: float
    lost: float
    uncoded: float
    bar: float


RULES: Mapping[tuple[Model, Kind], LikenessRule] = {
    ("minilm", "prose"): LikenessRule(0.6, 0.35, 0.1, 0.0, 0.0, 0.2, 0.0, bar=0.205),
    ("minilm", "code"): LikenessRule(0.5, 0.85, 0.0, 0.2, 0.1, 0.0, 0.1, bar=-0.06),
    ("minilm", "answer"): LikenessRule(0.6, 0.35, 0.1, 0.0, 0.0, 0.2, 0.0, bar=0.27),
    ("wordllama", "prose"): LikenessRule(0.7, 0.25, 0.55, 0.0, 0.0, 0.5, 0.0, bar=0.315),
    ("wordllama", "code"): LikenessRule(0.35, 0.8, 0.0, 0.3, 0.1, 0.0, 0.1, bar=0.16),
    ("wordllama", "answer"): LikenessRule(0.7, 0.25, 0.55, 0.0, 0.0, 0.5, 0.0, bar=0.41),
}
"""wordllama draws up the short list, and decides where MiniLM does not."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of p pairs of a passage and an item, each (p,) float64, and of the words they share.

    `echoed` is the share of the passage's words, weighed by rarity, that the item has too, and `rare` what
    those of the shared words tell that are rare in neutral texts, numbers among them, in nats. `differ` is
    the share of the numbers of both that only one of them has, 0 where either has none.
    """

    cosine: Figures
    item_density: Figures
    row_density: Figures
    covered: Figures
    nats: Figures
    literals: Figures
    lost: Figures
    uncoded: Figures
    echoed: Figures
    rare: Figures
    differ: Figures


def rate(rule: LikenessRule, measured: Measured) -> Figures:
    """The likeness of each pair, (p,), between 0 and 1, to six decimals."""
    total = (
        measured.cosine
        - rule.item_density * measured.item_density
        - rule.row_density * measured.row_density
        + rule.covered * measured.covered
        + rule.told * measured.covered * measured.nats / _NATS
        + rule.literals * measured.literals
        - rule.lost * measured.lost
        - rule.uncoded * measured.uncoded
    )
    rated: Figures = np.round(1 / (1 + np.exp(-np.clip((total - rule.bar) / _WIDTH, -30, 30))), 6)
    return rated


STRAY_NUMBER = "1"
"""A number that says nothing of a text: "one" mostly stands for a pronoun or an article."""

_MIN_COVERED: Mapping[Kind, float] = {"prose": 0.15, "code": 0.2, "answer": 0.15}
_MIN_ECHOED = 0.15
_MINRARE_NATS = 4.0
_MIN_COSINE: Mapping[Model, float] = {"minilm": 0.6, "wordllama": 0.0}
_FAR: Mapping[Model, float] = {"minilm": 0.5, "wordllama": 0.0}
_MUCH_COVERED = 0.5
_LITTLE_ECHOED = 0.1
_MAX_DIFFER: Mapping[Kind, float] = {"prose": 0.5, "code": 0.99, "answer": 0.5}
_SAME_WORDS = 0.75
_CLOSE: Mapping[Model, float] = {"minilm": 0.65, "wordllama": 0.0}
"""What a pair needs to be alike at all, whatever its sum. Fitted on rephrased GSM8K and sociology, rewritten
HumanEval, alpaca_demo, rc_en, glaive_tools, gpteacher, cls_template and code_alpaca_2k: 97 in 100 right pairs
have it, and few wrong ones above the bar, which are long passages and texts on an item's topic.

What gives mostly other numbers is another problem of the same kind, unless the words are nearly the same;
fitted on these, on banking77 and on 500 rows of GSM8K's training set. The numbers of a program's task are
often examples, so there only having none in common counts.
"""

_AGREED_COSINE = 0.7
_AGREED_COVERED = 0.4
_AGREED_ECHOED = 0.25
_MOST_RARE = 0.7
_AGREED_RARE = 5
_SOME_RARE = 0.4
_AGREED_NUMBERS = 3
_FEW_DIFFER = 0.25
"""When likeness is agreed with: by seven tenths of the item's rare words, five at least, its numbers not
being others; or by three numbers or more, next to all that either has, and two fifths of the rare words.
Fitted on the same rows: no wrong pair of theirs has it, two thirds of the rephrasings of GSM8K have. A
short generic task ("is it a prime?") has fewer rare words, and nothing can agree."""


def find_alike(model: Model, kind: Kind, measured: Measured) -> NDArray[np.bool_]:
    """Which pairs share enough of what each says for their likeness to mean something, (p,)."""
    same_words = np.minimum(measured.covered, measured.echoed) >= _SAME_WORDS
    alike: NDArray[np.bool_] = (
        (measured.covered >= _MIN_COVERED[kind])
        & ((measured.differ <= _MAX_DIFFER[kind]) | same_words)
        & (measured.echoed >= np.where(measured.cosine >= _CLOSE[model], _LITTLE_ECHOED, _MIN_ECHOED))
        & (measured.rare >= _MINRARE_NATS)
        & (measured.cosine >= np.where(measured.covered >= _MUCH_COVERED, _FAR[model], _MIN_COSINE[model]))
    )
    return alike


class Lexicon:
    """How much a word tells, in nats: -ln of the share of neutral texts that have it."""

    def __init__(self, neutral: Iterable[str]) -> None:
        texts = [read_words(text) for text in neutral]
        counts = Counter(word for words in texts for word in words)
        self.weights = {word: math.log((len(texts) + 1) / (n + 1)) for word, n in counts.items()}
        self.unseen = math.log(len(texts) + 1)

    def weigh(self, words: Iterable[str]) -> float:
        """What words tell together; the sum is exact, so it is the same in every order."""
        return math.fsum(self.weights.get(word, self.unseen) for word in words)

    def rarest(self, words: Iterable[str], n: int) -> list[str]:
        """The n words that tell most, most telling first."""
        return sorted(words, key=lambda word: (-self.weigh([word]), word))[:n]


def can_agree(figures: Mapping[str, float] | Mapping[str, Figures]) -> NDArray[np.bool_]:
    """Whether so much of both texts is shared that rare words or numbers may prove likeness: of one pair,
    (), or of p pairs, (p,).
    """
    few = np.maximum(figures["differ"], figures["lost"]) <= _FEW_DIFFER
    agree: NDArray[np.bool_] = (
        few & (figures["covered"] >= _AGREED_COVERED) & (figures["echoed"] >= _AGREED_ECHOED)
    )
    return agree


def list_agreeing(
    lexicon: Lexicon, figures: Mapping[str, float], item: frozenset[str], shared: frozenset[str]
) -> list[str]:
    """What but likeness proves that a passage is an item: most of its rare words, or its numbers.

    `figures` are those of `Measured`, of one pair; `item` are the item's words and `shared` those that the
    passage has too. Numbers that one lacks speak against both: another item of the same kind. So does a
    cosine that words alone have lifted over the bar.
    """
    if figures["cosine"] < _AGREED_COSINE or not can_agree(figures):
        return []
    rare = {word for word in item if not word[0].isdigit() and lexicon.weigh([word]) >= RARE_NATS}
    kept = len(rare & shared)
    numbers = sum(word[0].isdigit() and word != STRAY_NUMBER for word in shared)
    most_words = kept >= max(_AGREED_RARE, _MOST_RARE * len(rare))
    numbers_agree = numbers >= _AGREED_NUMBERS and kept >= _SOME_RARE * len(rare)
    return ["rare words agree"] * most_words + ["numbers agree"] * numbers_agree


class Literals:
    """The strings and numbers in the code of eval items, weighed by how few of their set have them."""

    def __init__(self, codes: Iterable[Sequence[str | None]]) -> None:
        self._items: list[tuple[frozenset[str], Mapping[str, float]]] = []
        for each in codes:
            read = [read_literals(code or "") for code in each]
            counts = Counter(literal for one in read for literal in one)
            weights = {literal: math.log((len(read) + 1) / n) for literal, n in counts.items()}
            self._items += [(one, weights) for one in read]

    def share(self, mine: frozenset[str], item: int) -> float:
        """The share of an item's literals that `mine` has; `item` counts over all sets."""
        literals, weights = self._items[item]
        whole = math.fsum(weights[x] for x in literals)
        return math.fsum(weights[x] for x in literals & mine) / (_LITERAL_NATS + whole)


def read_words(text: str) -> frozenset[str]:
    """The words of a text: identifiers parted, lower case, without endings; number words as digits."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text).lower()
    return frozenset(_stem(word[:_MAX_WORD]) for word in _SEEN.findall(parted))


def read_literals(code: str) -> frozenset[str]:
    """The strings of up to 40 characters, quotes aside, and the numbers of a program in any language."""
    return frozenset(literal.strip("\"'") for literal in _LITERAL.findall(code))


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    """The word without one common English ending; at least three letters stay."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return _NUMBERS.get(word, word)
