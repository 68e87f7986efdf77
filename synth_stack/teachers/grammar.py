"""What a teacher may write, where it chooses among wordings instead of writing freely.

A grammar is a text, a `Series` of grammars, or a `Choice` of one of several. It gives finitely many texts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Series:
    """One part after another."""

    parts: tuple["Grammar", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `options`; an empty text among them makes it optional."""

    options: tuple["Grammar", ...]


Grammar = str | Series | Choice


def write_gbnf(grammar: Grammar) -> str:
    """The grammar as llama.cpp reads it (GBNF), with the root rule alone."""
    return f"root ::= {_write(grammar)}\n"


def write_pattern(grammar: Grammar) -> str:
    """A regular expression that matches exactly the texts of the grammar."""
    if isinstance(grammar, str):
        return re.escape(grammar)
    if isinstance(grammar, Series):
        return "".join(map(write_pattern, grammar.parts))
    return f"(?:{'|'.join(map(write_pattern, grammar.options))})"


def draw_text(grammar: Grammar, rng: Random) -> str:
    """One text of the grammar, each option of a choice as likely as the others."""
    if isinstance(grammar, str):
        return grammar
    if isinstance(grammar, Series):
        return "".join(draw_text(part, rng) for part in grammar.parts)
    return draw_text(rng.choice(grammar.options), rng)


def list_texts(grammar: Grammar) -> Iterator[str]:
    """Every text of the grammar; a text that it gives in two ways comes twice."""
    if isinstance(grammar, str):
        yield grammar
    elif isinstance(grammar, Choice):
        for option in grammar.options:
            yield from list_texts(option)
    else:
        yield from _join(grammar.parts)


def _join(parts: tuple[Grammar, ...]) -> Iterator[str]:
    if not parts:
        yield ""
        return
    for first in list_texts(parts[0]):
        for rest in _join(parts[1:]):
            yield first + rest


def _write(grammar: Grammar) -> str:
    if isinstance(grammar, str):
        return f'"{"".join(_escape(char) for char in grammar)}"'
    if isinstance(grammar, Series):
        return " ".join(map(_write, grammar.parts)) or '""'
    return f"({' | '.join(map(_write, grammar.options))})"


def _escape(char: str) -> str:
    """A character of a GBNF string; what is not printable ASCII goes by its code point."""
    if char in {'"', "\\"}:
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
