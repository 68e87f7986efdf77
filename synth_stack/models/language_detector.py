"""Which language a short text is in: ELDC's n-grams, and for languages that it does not know py3langid
beside it.

`load_detector` gives a Detector of a set of languages: `look` is for every text, `measure` for those that
look strange.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from synth_stack.models.files import need_module
from synth_stack.models.languages import load_language_scorer

UNKNOWN = "und"
"""The code of a text that is in no language that can be told."""

_OTHER_CODES = {
    "nb": "no",
    "nn": "no",
    "id": "ms",
    "bs": "hr",
    "fil": "tl",
    "iw": "he",
    "in": "ms",
    "ji": "he",
}
"""Codes that ELDC knows under another one: of the same language, or of one that it does not tell apart."""
_ALIKE = ({"hr", "sr"}, {"no", "da"}, {"ms"})
"""Languages that a sentence can be in at once."""


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """The likeliest language of a text, and how surely it is in none of those asked for: 0 to 1, None where
    nothing can be told.
    """

    language: str
    strangeness: float | None


@dataclass(frozen=True, slots=True)
class Detector:
    """Whether texts are in one of `known`, ELDC's codes of the languages asked for."""

    known: frozenset[str]
    _detect: Callable[[str], str]
    _detail: Callable[[str], Any]
    _others: Callable[[Sequence[str]], tuple[Any, list[str]]] | None

    def look(self, texts: Sequence[str]) -> list[str]:
        """The likeliest language of each text, at 200,000 texts of 500 characters a second; UNKNOWN for
        some.
        """
        return [self._detect(text) for text in texts]

    def measure(self, texts: Sequence[str], known: frozenset[str] | None = None) -> list[LanguageGuess]:
        """What is told of each text; `known` are the languages asked for, where it is fewer than all.

        Strangeness is s / (s + k), s the score of the likeliest language and k the best score of those asked
        for: 1/2 and less for a text in one of these. Null where ELDC calls its own answer unreliable.
        """
        wanted = self.known if known is None else known
        told = [self._measure(text, wanted) for text in texts]
        if self._others is None or known is not None:
            return told
        outside, _ = self._others(texts)
        return [
            one
            if one.strangeness is None
            else LanguageGuess(one.language, min(one.strangeness, float(other)))
            for one, other in zip(told, outside, strict=True)
        ]

    def _measure(self, text: str, wanted: frozenset[str]) -> LanguageGuess:
        result = self._detail(text)
        scores = result.scores
        best = max((scores.get(code, 0.0) for code in wanted), default=0.0)
        # which of two languages of one script it is may be in doubt, but not that it is none of another
        is_told = result.reliable or (best == 0.0 and _is_of_other_letters(text))
        if result.language == UNKNOWN or not is_told:
            return LanguageGuess(result.language, None)
        top = max((score for code, score in scores.items() if code not in wanted), default=0.0)
        return LanguageGuess(result.language, top / (top + best) if top + best else None)


def _is_of_other_letters(text: str) -> bool:
    """Whether most letters of a text are not of the Latin alphabet."""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter > "\u024f" for letter in letters) * 2 > len(letters)


def fold_code(code: str) -> str:
    """The code under which ELDC knows a language; the code as it is, where it does not know it."""
    return _OTHER_CODES.get(code, code)


def load_detector(languages: Sequence[str]) -> Detector:
    """The detector of these languages. Raises ModelError for a code that neither model knows,
    MissingExtra.
    """
    detect, detail, codes = _load_eldc()
    folded = {fold_code(code) for code in languages}
    for alike in _ALIKE:
        if folded & alike:
            folded |= alike
    strange = [code for code in languages if fold_code(code) not in codes]
    others = load_language_scorer(languages) if strange else None
    return Detector(frozenset(folded & codes), detect, detail, others)


@cache
def _load_eldc() -> tuple[Callable[[str], str], Callable[[str], Any], frozenset[str]]:
    eldc = need_module("eldc")
    eldc.init()
    detector = eldc.instance()
    detector.set_scores(20)
    return detector.detect, detector.detect_details, frozenset(eldc.LANGUAGES)
