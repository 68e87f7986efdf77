"""Text that was decoded by an encoding of another script, which ftfy does not look for: UTF-8 read as
GBK, Big5, Shift-JIS, KOI8-R or a code page of DOS, and the bytes of Cyrillic, Greek, Arabic or East
Asian encodings read as Latin-1.
"""

import re
from collections.abc import Mapping

_PART_CHARS = 400
_MIN_DECODED = 4
_MAX_LOST = 0.25
"""Of what UTF-8 makes of the bytes, so much may be lost: whoever misread the text dropped some. Of texts that
were written in those encodings more than half is lost."""

_AS_UTF8: Mapping[str, str] = {
    "gbk": "[銆锛鐨涓鏄鍦鍙鎴澶瀹紝鐢鍥佸庢]{1}[^\x00-\x7f]",
    "big5": "[嚗銝蝡隞撠]{1}[^\x00-\x7f]",
    "shift_jis": "[縺繧繝]{1}[^\x00-\x7f]",
    "koi8-r": "[пя][\u2500-\u25a0\u2320\u2321\u2219\u221a\u2248\u2264\u2265°²·÷©ёЁ╒]",
    "cp866": "[╨╤][^\x00-\x7f\u2550-\u256c]",
    "cp437": "[├┬Γ][^\x00-\x7f─-╬]",
    "cp850": "[├┬Ô][^\x00-\x7f─-╬]",
}
"""By encoding, what the first bytes of the commonest characters look like when UTF-8 is read as it."""

_FOREIGN_WORD = r"(?<![A-Za-z])[\xa8\xb8\xc0-\xd6\xd8-\xf6\xf8-\xff]{4,}(?![A-Za-z])"
"""No language writes words of four letters and more with accented letters of Latin-1 alone."""
_SWAPPED_WORD = re.compile(r"\b[а-яё][А-ЯЁ]{3,}\b")
_LARGE, _CYRILLIC = re.compile("[А-ЯЁ]"), re.compile("[а-яёА-ЯЁ]")
_MIN_LARGE = 0.8
"""KOI8-R read as Windows-1251: small letters are large ones there, and large ones small."""
_LOST_QUOTE = (
    r"(?i)\b(?:(?:do|ca|wo|is|does|did|was|are|could|would|should|have|has)n\?t"
    r"|(?:it|that|he|she|what|there|let)\?s|i\?m)\b"
)
"""An apostrophe that the encoding did not have."""
_MIN_WORDS = 3

HINTS = "|".join(
    [
        *_AS_UTF8.values(),
        r"[\xa8\xb8\xc0-\xd6\xd8-\xf6\xf8-\xff]{4}",
        r"[а-яё][А-ЯЁ]{3}",
        r"[ntTN]\?[tsTSmM]\b|[teT]\?s\b|[iI]\?m\b",
    ]
)
"""One of these is in every text that `find_misread` finds something in; for Rust's `regex` as for `re`."""

_FIRST = {encoding: re.compile(pattern) for encoding, pattern in _AS_UTF8.items()}
_WORD = re.compile(_FOREIGN_WORD)
_QUOTE = re.compile(_LOST_QUOTE)


def find_misread(text: str) -> str | None:
    """The part of a text that was decoded by an encoding of another script, or None."""
    for encoding, first in _FIRST.items():
        hit = first.search(text)
        if hit is not None and _is_utf8(text[hit.start() : hit.start() + _PART_CHARS], encoding):
            return hit[0]
    words = {found[0] for found in _WORD.finditer(text) if len(set(found[0])) >= _MIN_WORDS}
    if len(words) >= _MIN_WORDS:
        return min(words)
    swapped = _SWAPPED_WORD.search(text)
    if swapped is not None and len(_LARGE.findall(text)) >= _MIN_LARGE * len(_CYRILLIC.findall(text)):
        return swapped[0]
    lost = _QUOTE.search(text)
    return None if lost is None else lost[0]


def _is_utf8(part: str, encoding: str) -> bool:
    """Whether the foreign characters of a text are UTF-8 that was read as this encoding."""
    kept = "".join(char for char in part if not char.isascii())
    decoded = kept.encode(encoding, errors="ignore").decode("utf-8", errors="replace")
    lost = decoded.count("\ufffd")
    return len(decoded) - lost >= _MIN_DECODED and lost <= _MAX_LOST * len(decoded)
