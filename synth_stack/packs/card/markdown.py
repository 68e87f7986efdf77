"""Markdown in which a value stays text: nothing that a row, a recipe or a template says becomes markup.

For GitHub-flavoured Markdown, which the Hub renders: CommonMark 0.31 and its tables.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that reorder what stands around them (UAX 9): a name could pass for another."""

_INLINE = re.compile(r"([\\`*_\[\]~$])")
_BLOCK = re.compile(r"^(\d{1,9}(?=[.)])|(?=[#+=:|-]))")
"""What opens a heading, a list, a rule or a table at the start of a line (CommonMark, chapter 4)."""


def prose(value: str) -> str:
    """`value` as one line of running text."""
    text = _INLINE.sub(r"\\\1", html.escape(_one_line(value), quote=False))
    return _BLOCK.sub(r"\1\\", text)


def code(value: str, max_chars: int = 200) -> str:
    """`value` as a code span on one line, cut after `max_chars` characters."""
    text = _one_line(value)
    text = text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"
    if not text:
        return "(empty)"
    ticks = "`" * (_longest_run(text) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def fence(value: str, language: str = "") -> str:
    """`value` as a fenced block: its fence is longer than any run of backticks in it."""
    ticks = "`" * max(3, _longest_run(value) + 1)
    return f"{ticks}{language}\n{_visible(value).rstrip()}\n{ticks}"


def fold(summary: str, body: str) -> str:
    """`body` (Markdown) folded away under a line of plain text."""
    return f"<details>\n<summary>{html.escape(_one_line(summary))}</summary>\n\n{body}\n\n</details>"


def share(part: int, whole: int) -> str:
    """A percentage with one decimal; a dash where there is nothing to have a share of."""
    return f"{100 * part / whole:.1f}%" if whole else "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; columns whose name ends with '#' are numbers."""
    rule = ["---:" if name.endswith("#") else "---" for name in header]
    lines = [[name.rstrip("# ") for name in header], rule, *[[_cell(c) for c in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """A list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def _cell(markdown: str) -> str:
    # A table is cut at its pipes before anything else is read, code spans too (GFM, 4.10).
    return markdown.replace("|", "\\|")


def _one_line(value: str) -> str:
    return _visible(" ".join(value.split()))


def _visible(value: str) -> str:
    def shown(char: str) -> str:
        if char in "\n\t":
            return char
        hidden = char in _BIDI or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        return "\N{REPLACEMENT CHARACTER}" if hidden else char

    return "".join(map(shown, value.replace("\r\n", "\n")))


def _longest_run(value: str) -> int:
    return max((len(run) for run in re.findall("`+", value)), default=0)
