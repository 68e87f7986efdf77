"""What a value stands in: prose, code, a log, JSON or a table of numbers.

Outside prose a run of digits is seldom anybody's, and a placeholder in its place breaks the row. So evidence
has to be stronger there, and a row is held rather than rewritten.
"""

import re
from bisect import bisect_left
from functools import cached_property
from typing import Literal

Setting = Literal["prose", "code", "log", "data"]

_LINE_CHARS = 400
"""How much of a line is read on each side of a value: a log line of a megabyte is one as soon as it
begins.
"""

_FENCE = re.compile(r"^[ >]{0,6}(?:```|~~~)", re.MULTILINE)
_CLOCK = r"\d{1,2}:\d{2}:\d{2}"
_LOG = re.compile(
    # A date or day and the time of day to the second, at the beginning: ISO 8601, RFC 3164, Apache, logcat,
    # Hadoop.
    rf"^\W{{0,3}}(?:\w{{1,10}} )?(?:\d{{2,4}}[-/.]\d{{2}}(?:[-/.]\d{{2,4}})?[T ,:-]{{1,2}}{_CLOCK}"
    rf"|(?:[A-Z][a-z]{{2}},? )?[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}},? (?:\d{{4}} )?{_CLOCK}"
    rf"|\d{{8}}-{_CLOCK}|\d{{1,2}}/[A-Z][a-z]{{2}}/\d{{4}}:{_CLOCK}|\[?{_CLOCK}[.,:\]]"
    r"|\d{6} \d{6} \d|(?:\S{1,60} ){0,5}1[0-9]{9}(?:[.,]\d+)?\s)"
    # A process and its number, a level beside a source, or fields: sshd[4711]:, [ERROR] dfs.DataNode:, uid=0
    # euid=0
    r"|\b[\w./-]{2,40}\[\d{1,7}\]:|(?:^|[\s\[])(?:INFO|WARN(?:ING)?|ERROR|DEBUG|FATAL|TRACE|NOTICE"
    r"|SEVERE)[\]:]? +[\w.$\[-]+"
    r"|(?<![\w?&])[\w.-]{1,40}=[^\s=]{0,80}[ ,;]{1,2}(?:[\w.-]{1,40}=[^\s=]{0,80}[ ,;]{0,2}){1,3}"
    r'|"(?:GET|POST|PUT|HEAD|DELETE) /',
)
_CODE = re.compile(
    r"^\s{0,40}(?:def |class \w+[(:{ ]|import [\w{*]|from \S+ import |#include|using \w|public |private "
    r"|protected |static |"
    r"func(?:tion)? |const |let |var |return\b.*[;()]|(?:if|for|while|switch) ?\(|elif |else[:{ ]|try[:{ ]"
    r"|print\w*\(|echo |"
    r"(?:SELECT|INSERT|UPDATE|DELETE|CREATE) [\w*(]|</?\w[^>]{0,100}>|\$ |>>> |(?:sudo|pip|npm|git|curl|ssh"
    r"|scp"
    r"|docker) "
    r"|@\w+[.(]|[\w.\[\]'\"]{1,60} ?(?:=|\+=|:=) ?[^\s=])"
    r"|==|!=|=>|->|::|&&|\|\||\+\+|</\w|/>|\w\(\)|\w\[[\w:]{0,9}\]|\w\((?!(?:e?s|e|n|in)\))(?:\w+"
    r"|['\"][^'\"]*['\"])(?:, ?[^()]*)?\)|[{}]\s*$|[)\]'\"];\s*$"
)
_KEY = re.compile(r"[\"'][\w .$-]{1,40}[\"']\s{0,3}:\s{0,3}[\[{]?\s{0,3}(?:[\"'][^\"']*)?$")
_NUMBER = re.compile(r"^[^\w\s]{0,2}\d[\d.,:/%+-]*[^\w\s]{0,2}$", re.ASCII)
_MIN_NUMBERS, _MIN_SHARE = 5, 0.7
"""Words that are numbers, and their share of a line besides the value, from which it is a row of numbers."""


class Surroundings:
    """Tells of each place in one `text` what it stands in; its fences are looked for once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _fences(self) -> list[int]:
        return [match.start() for match in _FENCE.finditer(self.text)]

    @cached_property
    def _is_json(self) -> bool:
        stripped = self.text.strip()
        return stripped[:1] in ("{", "[") and stripped[-1:] in ("}", "]") and ":" in stripped

    def tell(self, start: int, end: int) -> Setting:
        """The setting of text[start:end]; a line of a log goes before code, and code before JSON and
        numbers.
        """
        if bisect_left(self._fences, start) % 2:
            return "code"
        before, after = self.read_line(start, end)
        line = f"{before}\0{after}"  # the value itself says nothing of what it stands in
        if _LOG.search(line) or self._is_between_log_lines(start, end):
            return "log"
        if before.count("`") % 2 and "`" in after:
            return "code"
        if self._is_json or _KEY.search(before):
            return "data"
        if _CODE.search(line):
            return "code"
        words = [word for word in line.replace("|", " ").replace("\0", " ").split() if word not in {",", ";"}]
        numbers = sum(_NUMBER.match(word) is not None for word in words)
        return "data" if numbers >= _MIN_NUMBERS and numbers >= _MIN_SHARE * len(words) else "prose"

    def read_line(self, start: int, end: int) -> tuple[str, str]:
        """What stands before and after a place in its own line."""
        before = self.text[max(start - _LINE_CHARS, 0) : start]
        after = self.text[end : end + _LINE_CHARS]
        cut = "…" if start > _LINE_CHARS and "\n" not in before else ""  # what follows begins no line
        return cut + before[before.rfind("\n") + 1 :], after.partition("\n")[0]

    def read_header(self, start: int) -> str:
        """The head of the column that a cell of a table stands in; nothing for what is in no table with a
        head.

        Cells are apart by a bar or a tab, as in Markdown and pasted sheets; the head is the table's first
        line, in which no digit stands.
        """
        before, _ = self.read_line(start, start)
        before = before.lstrip()
        bar = next((bar for bar in "|\t" if bar in before), None)
        if bar is None:
            return ""
        above = self.text[max(start - 20 * _LINE_CHARS, 0) : start].split("\n")[:-1]
        head = ""
        for line in reversed(above):
            if bar not in line:
                break
            head = line
        cells = head.lstrip().split(bar)
        column = before.count(bar)
        named = column < len(cells) and not any(c.isdigit() for c in head)
        return cells[column].strip() if named else ""

    def _is_between_log_lines(self, start: int, end: int) -> bool:
        """Whether the line before it is of a log: a stack trace belongs to the entry above it."""
        before = self.text[max(start - 2 * _LINE_CHARS, 0) : start].split("\n")
        return len(before) > 1 and _LOG.search(before[-2]) is not None
