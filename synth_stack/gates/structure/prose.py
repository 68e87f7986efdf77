"""What of a message is prose, and whether its row is about the signs that a check looks for."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

FENCED = r"(?s:```.*?(?:```|$))"
INLINE = r"`[^`\n]{1,400}`"
CODE_LINE = (
    r"(?m:^(?:.*[{}<>=\\|_].*|.*;[ \t]*|.*[A-Za-z0-9_]\(.*|.*\[[^\]\n]*$"
    r"|\s*(?:#|//|--|\$|\.|@|from |import |def |class |return |print ).*)$)"
)
"""A line that looks like code, a table or a formula."""
_READ_CHARS, _READ_LINES = 20_000, 60
_URL = r"(?:https?://|www\.)\S+|\S+@\S+"


def drop_code(text: "pl.Expr") -> "pl.Expr":
    """The text without fenced and inline code."""
    return text.str.replace_all(FENCED, "\n").str.replace_all(INLINE, "")


def keep_prose(text: "pl.Expr") -> "pl.Expr":
    """The text without code of any kind, tables, formulae and addresses."""
    return drop_code(text).str.replace_all(CODE_LINE, "").str.replace_all(_URL, " ").str.strip_chars()


_CODE_HINT = re.compile(
    r"(?m:^[ \t]*(?:def |class |import |from \w+ import|public |private |function\b|var |let |const "
    r"|#include|<\?php"
    r"|SELECT\b|INSERT |UPDATE |CREATE |FROM |WHERE |(?:INNER |LEFT |RIGHT |OUTER )?JOIN |GROUP BY"
    r"|ORDER BY|LIMIT |package |using |return\b|(?:for|if|while|switch) ?\(|<!DOCTYPE|</?\w+[^>\n]*>"
    r"|(?:for|while|if|elif|else|try|except|with)\b[^\n]*:[ \t]*$|[\w.\[\]'\"]{1,40} [-+*/]?= \S|(?:print"
    r"|echo|console\.log)\b"
    r"|[\w.]{1,40}\([^\n]*\)[ \t]*$|//|# |\}|#!|if \[|(?:fi|done|esac)[ \t]*$|(?:find|sed|grep|awk|cat|rm"
    r"|mv|cp|cd|sudo|apt|pip|git|docker|curl) [^\n]*[-/.$'\"]))|(?m:[;{}][ \t]*$)|=>|:=|\)[ \t]*\{"
)
"""What a line of code has somewhere."""


def is_code(text: str) -> bool:
    """Whether a text without fences is code, wholly or mostly: two of its lines look so, or the only one."""
    lines = [line for line in text[:_READ_CHARS].split("\n") if line.strip()][:_READ_LINES]
    hits = sum(_CODE_HINT.search(line) is not None for line in lines)
    return hits >= min(2, len(lines)) and hits * 3 >= len(lines)
