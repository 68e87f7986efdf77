"""Where the end of code or JSON shows that it goes on: open brackets, strings and tags, half a statement."""

import re

_READ_CHARS = 20_000
_CODE_OPEN = re.compile(
    r"(?:[\w)\]][ \t][=+*/&|^<-]|[(\[{]|\b(?:def|class|import|from|and|or|not|elif|new|const|SELECT|FROM"
    r"|WHERE|SET"
    r"|VALUES|JOIN|AND|OR|BY)|\bfor\b[^\n]*\bin|^[ \t]*(?:async )?(?:def|class|for|while|if|elif|else|try"
    r"|except|with)\b[^\n]*:"
    r"|^(?![ \t]*print)[^\n]*,)$"
)
_STRINGS = re.compile(
    r"(?s:\"\"\".*?(?:\"\"\"|$)|\'\'\'.*?(?:\'\'\'|$)|/\*.*?(?:\*/|$))|\"(?:\\.|[^\"\\\n])*(?:\"|$|(?=\n))"
    r"|(?<=[ \t]-[A-Za-z])'[^'\n]*(?:'|(?=\n|$))"
    r"|(?<![A-Za-z])[rbfuRBFU]{0,2}'(?:\\.|[^'\\\n])*(?:'|$|(?=\n))"
    r"|(?m:(?:^|(?<=\s))(?://[ \t]*[A-Za-z]|#[ !])[^\n]*|^[ \t]*-- [^\n]*)"
)
"""Strings and comments of the usual languages, closed or not; that of a shell's option right after its
letter (sort -t',')."""
_COMMENT = re.compile(r"[ \t]*(?:#(?!include|define)|//|--)")
"""A line that says something in words: a name of the code may be the beginning of another one there."""
_KEYWORDS = frozenset(
    """return print else elif range False True None append continue import function console document length
    while break class const string public static void SELECT FROM WHERE ORDER GROUP true false null
    undefined echo in is if for fi done esac end then do""".split()
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_TAGS = ("html", "body", "table", "script", "style", "svg", "ul", "form")


def find_open_code(text: str) -> str | None:
    """How a text that is code or JSON breaks off; None where it does not, and for a very long one."""
    if len(text) > _READ_CHARS:
        return None
    bare = _STRINGS.sub('""', text)
    last = text.rstrip().rpartition("\n")[2]
    is_regular = _is_regular(text)
    ends = {
        "inside a bracket": is_regular and _count_open(bare) > _count_forgiven(text),
        "inside a string": is_regular and _is_open_string(last),
        "inside an element": _find_open_tag(bare.lower(), last),
        "inside an environment": text.count("\\begin{") > text.count("\\end{"),
        "inside a statement": bool(_CODE_OPEN.search(last)) or (_is_torn(bare) and not _COMMENT.match(last)),
    }
    return next((why for why, is_open in ends.items() if is_open), None)


def _is_regular(text: str) -> bool:
    """Whether strings end on their lines: where they do not, brackets cannot be counted."""
    torn = (found[0] for found in _STRINGS.finditer(text) if found.end() < len(text.rstrip()))
    return all(_is_closed(string) for string in torn)


def _count_forgiven(text: str) -> int:
    """One bracket that is missing where a statement is complete is an error of the code, but in JSON."""
    return int(text[:1] not in "{[" and text.rstrip()[-1:] in ";})]")


def _is_open_string(line: str) -> bool:
    at_end = (found[0] for found in _STRINGS.finditer(line) if found.end() == len(line))
    return not all(_is_closed(string) for string in at_end)


def _find_open_tag(lower: str, last: str) -> bool:
    """Whether an element of HTML is never closed, or the last line ends inside a tag."""
    if any(f"<{tag}" in lower and f"</{tag}" not in lower for tag in _TAGS):
        return True
    return "</" in lower and re.search(r"</?[A-Za-z][^<>\n]*$", last) is not None


def _is_closed(string: str) -> bool:
    """Whether a string of any prefix ends with the quote that opens it; a comment always does."""
    opened = string.lstrip("rbfuRBFU")
    return opened[:1] not in "\"'" or (len(opened) > 1 and opened[-1] == opened[0])


def _is_torn(code: str) -> bool:
    """Whether the last name of a code is the beginning of one that stands in it before, and none of its
    own.
    """
    *names, last = re.findall(r"[A-Za-z_]\w*", code) or [""]
    if len(last) < 2 or not code.rstrip().endswith(last) or last in names:
        return False
    return last not in _KEYWORDS and any(name.startswith(last) for name in (*names, *_KEYWORDS))


def _count_open(text: str) -> int:
    """How many brackets are open at the end of a text; 0 where they never fitted each other."""
    stack: list[str] = []
    for char in re.findall(r"[()\[\]{}]", text):
        if char in "([{":
            stack.append(char)
        elif not stack or stack.pop() != _PAIRS[char]:
            return 0
    return len(stack)
