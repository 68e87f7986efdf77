"""What a translation has to leave as it is: numbers, code, addresses, placeholders, named words."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_ADDRESS = re.compile(r"https?://[^\s<>\"')]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PLACEHOLDER = re.compile(r"\{\{?[\w .-]{1,40}\}?\}|<[\w-]{1,40}>|%\([\w]+\)[sd]|%[sd]\b")
_NUMBER = re.compile(r"\d+(?:[.,:'\u00a0\u202f]\d+| \d{3}(?!\d))*")
"""Digits with the separators of any language: 1,000.5 is 1.000,5 elsewhere, and 9.30 is 9:30."""


def find_lost(source: str, translation: str, keep: Sequence[str] = ()) -> list[str]:
    """What stands in the source and not, or less often, in its translation, in the order of kinds."""
    lost: list[str] = []
    for pattern in (_CODE, _ADDRESS, _PLACEHOLDER):
        lost += _miss(_find(pattern, source), _find(pattern, translation))
        source, translation = pattern.sub(" ", source), pattern.sub(" ", translation)
    lost += _miss(map(_digits, _find(_NUMBER, source)), map(_digits, _find(_NUMBER, translation)))
    return lost + [word for word in keep if word in source and word not in translation]


def _find(pattern: re.Pattern[str], text: str) -> list[str]:
    return [found.rstrip(".,;:!?") for found in pattern.findall(text)]


def _miss(before: Iterable[str], after: Iterable[str]) -> list[str]:
    return list((Counter(before) - Counter(after)).elements())


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
