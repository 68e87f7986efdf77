"""JSON read as text: without the letters that only its escapes have, each character where it stood."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FILLER = "\u200b"
"""Zero width space: five of them stand before a letter that was written as an escape of six characters."""

FILLED = 5

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_STRUCTURE = '"\\'


def blank_escapes(encoded: "pl.Series") -> "pl.Series":
    """JSON with spaces for its escapes (RFC 8259, section 7): no n is left before a word."""
    plain = encoded.str.replace_all("\\\\", "  ", literal=True)
    plain = plain.str.replace_all(r"\\u[0-9a-fA-F]{4}", " " * (FILLED + 1))
    return plain.str.replace_all(r"(?s)\\.", "  ")


def show_escaped(encoded: "pl.Series") -> "pl.Series":
    r"""`blank_escapes`, but that a letter written as \uXXXX is shown: five FILLERs and the letter.

    A quotation mark, a backslash, half of a surrogate pair and what cannot be seen are blank. Only texts with
    such an escape are looked at one by one.
    """
    import polars as pl

    places = encoded.str.contains(r"\\u[0-9a-fA-F]{4}").fill_null(value=False).arg_true()
    plain = blank_escapes(encoded)
    if not len(places):
        return plain
    shown = [_ESCAPE.sub(_show, text) for text in encoded.gather(places)]
    return plain.scatter(places, pl.Series(shown, dtype=pl.String))


def _show(escape: re.Match[str]) -> str:
    letter = chr(int(escape[1], 16)) if escape[1] else ""
    if not letter.isprintable() or letter in _STRUCTURE:
        return " " * len(escape[0])
    return FILLER * FILLED + letter
