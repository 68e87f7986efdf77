"""Words as they are compared: light stems, the idea behind a word with its side, and words that carry
none.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from synth_stack.gates.word_lists import read_sections


class Idea(NamedTuple):
    """What a word stands for: `name`, the same for words of one meaning, and `side`, -1 for the opposite."""

    name: str
    side: int


FUNCTION_WORDS = frozenset(
    """a an the this that these those there here it its it's he she they them their theirs his her hers him we
    us our ours you your yours i me my mine who whom whose which what when where why how is are was were be
    been being am do does did done doing has have had having will would shall should can could may might must
    ought of in on at by for from to into onto with within without about as than then and or but if unless
    while because so such though although until till since during per via not no nor none never neither
    either both yes please just only also too very quite rather even still yet already again ever any some
    each every all more most less least much many few own other another same up down out over under s t re ve
    ll d m don isn aren wasn weren doesn didn won wouldn can't couldn shouldn mustn hasn haven hadn let's
    that's there's he's she's you're we're they're i'm you'll we'll they'll it'll i'll you've we've they've
    i've however therefore thus hence otherwise instead except whether like well once upon simply etc e.g i.e
    eg ie being thing things way kind sort lot bit always cannot nothing nobody everyone everything anything
    anyone something someone somebody himself herself itself yourself yourselves themselves ourselves
    myself""".split()
)
"""They do not tell what a sentence is about. Negators and modals among them are read on their own."""

NEGATORS = frozenset(
    """not no never none nobody nothing neither nor cannot cant without unless hardly rarely seldom
    nowhere""".split()
)
_NOT = re.compile(r"n['’]t$")
_MODALS = frozenset("can could may might must shall should will would need allow permit able free".split())

_IRREGULAR = {
    "sent": "send", "bought": "buy", "got": "get", "gotten": "get", "kept": "keep", "left": "leave",
    "lost": "lose", "made": "make", "paid": "pay", "said": "say", "told": "tell", "took": "take",
    "taken": "take", "went": "go", "gone": "go", "came": "come", "gave": "give", "given": "give",
    "saw": "see", "seen": "see", "knew": "know", "known": "know", "wrote": "write", "written": "write",
    "began": "begin", "begun": "begin", "chose": "choose", "chosen": "choose", "broke": "break",
    "broken": "broken", "built": "build", "held": "hold", "won": "win", "led": "lead", "met": "meet",
    "ran": "run", "sold": "sell", "shown": "show", "spent": "spend", "stood": "stand", "taught": "teach",
    "thought": "think", "found": "find", "felt": "feel", "fell": "fall", "fallen": "fall", "rose": "rise",
    "children": "child", "men": "man", "women": "woman", "feet": "foot", "mice": "mouse", "lives": "life",
    "halves": "half", "people": "people", "better": "good", "best": "good", "worse": "bad", "worst": "bad",
    "stuck": "stick", "worn": "wear", "drawn": "draw", "drew": "draw", "grew": "grow", "grown": "grow",
    "lain": "lie", "lay": "lie", "read": "read", "hidden": "hidden", "frozen": "freeze",
}  # fmt: skip
_ENDINGS = (
    ("ically", "ic"), ("ations", "ate"), ("ation", "ate"), ("ments", ""), ("ment", ""), ("iest", "y"),
    ("ier", "y"), ("ies", "y"), ("ied", "y"), ("ing", ""), ("edly", ""), ("ed", ""), ("sses", "ss"),
    ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("ly", ""), ("es", "e"), ("s", ""),
)  # fmt: skip
_NOUN_ENDINGS = {"ery": "er", "val": "v", "wal": "w", "at": ""}
"""Of nouns made from verbs, after the ending is gone: "delivery", "arrival", "renewal", "confirmation"."""
_MIN_STEM = 3
_DOUBLED = frozenset("bb dd gg ll mm nn pp rr tt".split())


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A lower-case word without its inflection: "returned", "returns" and "returning" give the same text.

    Lighter than Porter's (1980): endings that change the meaning ("-less", "-er") stay.
    """
    word = re.sub(r"['’](s|d|ll|re|ve|m)?$", "", word)
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM:
            if ending == "s" and word[-2:] in {"ss", "us", "is"}:
                break
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > _MIN_STEM and word.endswith("e"):
        word = word[:-1]
    for ending, instead in _NOUN_ENDINGS.items():
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM + 2 * (ending == "at"):
            word = word[: len(word) - len(ending)] + instead
            break
    return word[:-1] if len(word) > _MIN_STEM and word[-2:] in _DOUBLED else word


@lru_cache(maxsize=100_000)
def read_idea(word: str) -> Idea | None:
    """The idea of a lower-case word; None for a function word."""
    if word in FUNCTION_WORDS or _NOT.search(word):
        return None
    root = stem(word)
    named = _IDEAS.get(root)
    if named is not None:
        return named
    for prefix in ("un", "non"):
        base = root.removeprefix(prefix)
        if base != root and len(base) > _MIN_STEM:
            inner = _IDEAS.get(base, Idea(base, 1))
            return Idea(inner.name, -inner.side)
    return Idea(root, 1)


def is_negator(word: str) -> bool:
    """Whether a lower-case word turns its clause into the opposite."""
    return word in NEGATORS or _NOT.search(word) is not None


def is_modal(word: str) -> bool:
    """Whether a lower-case word says what may, must or will be."""
    return word in _MODALS or _NOT.sub("", word) in _MODALS or word == "cannot"


def _read_lexicon() -> Iterator[tuple[str, Idea]]:
    sections = read_sections(__package__, "lexicon")
    for line in sections["same"]:
        words = line.split()
        yield from ((stem(word), Idea(stem(words[0]), 1)) for word in words)
    for line in sections["opposite"]:
        left, _, right = (side.split() for side in line.partition("|"))
        name = stem(left[0])
        yield from ((stem(word), Idea(name, 1)) for word in left)
        yield from ((stem(word), Idea(name, -1)) for word in right)


_IDEAS = dict(_read_lexicon())
"""Of a word in two lists the later one, that of opposites, counts."""
