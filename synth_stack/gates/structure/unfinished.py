"""Where the end of a text shows that it goes on: open brackets, lists and tables, and half a sentence."""

import re

_READ_CHARS = 20_000
_MARKUP = "*_ \t\"'”’»)]}>`~"
_FINAL_SIGNS = ".!?…。！？؟।॥։።。」』】"
_ITEM = re.compile(r"^[ \t>]*(?:[0-9]{1,3}[.)]|[-*•+])(?:[ \t]+|$)")
_SENTENCE_END = re.compile(
    r"""(?<=[^\W\d_A-Z][\w)"'”’%\]])(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)(?<!\bMrs)(?<!\bRev)(?<!\bInc)"""
    r"""(?<!\bGen)(?<!\bSen)(?<!\bGov)(?<!\bProf)(?<!\bCapt)[.!?]["'”’»)\]*_]*\s+(?=["'“‘«(*_]*[^\W\d_a-z])"""
    r"""|[。！？](?=\w)"""
)
_WORD_END = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*$")
_FUNCTION_WORDS = frozenset(
    """the an and or but because although though unless whereas their its our my your his whose which than
    from into onto upon between among during without within including regarding via such as if while when
    where that this these those is are was were has have had will would can could should may might must
    of to for with by at in on be been being not very more most also each every any some""".split()
)
"""What an English sentence seldom ends with. Those of _RARE may end a short one ("what is it for")."""
_RARE = frozenset(
    "to for with by at in on of is are was were be been not that this more most any some".split()
)
_RARE |= frozenset(
    "these those have has had will would can could should may might must very also each if".split()
)
_LABEL = re.compile(r"^[\w '-]{1,40}:\s*\S+(?:\s\S+){0,5}$")
_OPEN_SIGNS = re.compile(r"[,(\[{“‘«]$|[\w)][ \t][-–—&+/=]$|[.!?][ \t]\d{1,2}[.)]$")
_CODE_OPEN = re.compile(
    r"(?:[\w)\]][ \t][=+*/&|^<-]|[(\[{]|\b(?:def|class|import|from|and|or|not|elif|new|const|SELECT|FROM|WHERE|SET"
    r"|VALUES|JOIN|AND|OR|BY)|\bfor\b[^\n]*\bin|^[ \t]*(?:async )?(?:def|class|for|while|if|elif|else|try|except|with)\b[^\n]*:"
    r"|^(?![ \t]*print)[^\n]*,)$"
)
_STRINGS = re.compile(
    r"(?s:\"\"\".*?(?:\"\"\"|$)|\'\'\'.*?(?:\'\'\'|$)|/\*.*?(?:\*/|$))|\"(?:\\.|[^\"\\\n])*(?:\"|$|(?=\n))"
    r"|(?<![A-Za-z])[rbfuRBFU]{0,2}'(?:\\.|[^'\\\n])*(?:'|$|(?=\n))"
    r"|(?m:(?:^|(?<=\s))(?://[ \t]*[A-Za-z]|#[ !]|-- )[^\n]*)"
)
"""Strings and comments of the usual languages, closed or not."""
_KEYWORDS = frozenset(
    """return print else elif range False True None append continue import function console document length while break
    class const string public static void SELECT FROM WHERE ORDER GROUP true false null undefined echo in is if for fi done
    esac end then do""".split()
)
_QUESTION = re.compile(r"(?i)\b(?:what|which|who|whom|where|how|whose)\b")
_CODE_SIGNS = re.compile(r"[{}=;<>|]|\w\(")
_MIN_SENTENCE = 5
"""After a finished sentence so many words are another one; fewer are a greeting, a name or a remark."""
_PAIRS = {")": "(", "]": "[", "}": "{"}
_TAGS = ("html", "body", "table", "script", "style", "svg", "ul", "form")


def find_open_code(text: str) -> str | None:
    """How a text that is code or JSON breaks off; None where it does not, and for a very long one."""
    if len(text) > _READ_CHARS:
        return None
    bare = _STRINGS.sub('""', text)
    torn = (found for found in _STRINGS.finditer(text) if found.end() < len(text.rstrip()))
    is_regular = all(found[0][:1] not in "\"'" or _is_closed(found[0]) for found in torn)
    if is_regular and _count_open(bare) > 0:
        return "inside a bracket"
    whole = text.rstrip()
    last = whole.rpartition("\n")[2]
    for found in _STRINGS.finditer(last):
        if found.end() == len(last) and found[0][:1] in "\"'" and not _is_closed(found[0]):
            return "inside a string"
    lower = bare.lower()
    for tag in _TAGS:
        if f"<{tag}" in lower and f"</{tag}" not in lower:
            return f"inside <{tag}>"
    if re.search(r"</?[A-Za-z][^<>\n]*$", last) and "</" in text:
        return "inside a tag"
    if text.count("\\begin{") > text.count("\\end{"):
        return "inside an environment"
    return "inside a statement" if _CODE_OPEN.search(last) or _is_torn(bare) else None


def _is_closed(string: str) -> bool:
    return len(string) > 1 and string[-1] == string[0]


def _is_torn(code: str) -> bool:
    """Whether the last name of a code is the beginning of one that stands in it before, and none of its own."""
    *names, last = re.findall(r"[A-Za-z_]\w*", code) or [""]
    if len(last) < 2 or not code.rstrip().endswith(last) or last in names:
        return False
    return last not in _KEYWORDS and any(name.startswith(last) for name in (*names, *_KEYWORDS))


def find_open_prose(text: str) -> tuple[str | None, bool]:
    """Where prose breaks off, if it does, and whether no task can ask for such an end."""
    before, _, last = text.rpartition("\n")
    last = last.strip()
    lines = [line.strip() for line in before.split("\n") if line.strip()]
    bare = _ITEM.match(last)
    if bare and bare.end() == len(last) and lines and _ITEM.match(lines[-1]):
        return "at an empty item of a list", True
    if last.startswith("|") or (lines and lines[-1].startswith("|") and "|" in last):
        rows = [line for line in lines if line.startswith("|")]
        torn = bool(rows) and (not last.endswith("|") or last.count("|") < rows[0].count("|"))
        return ("inside a row of a table", True) if torn else (None, True)
    if _OPEN_SIGNS.search(last) and len(last) > 3:
        return "in the middle of a sentence", False
    end = last.rstrip(_MARKUP)
    if last.rstrip("*_ ").endswith((":", "：")) and len(last.split()) + 4 * len(lines) >= 4:
        return "with a colon", True
    if not end or end[-1] in _FINAL_SIGNS or last[-1:] in "\"”’'»`":
        return None, True
    if last.rfind("(") > last.rfind(")"):
        return "inside a bracket", False
    if last.count('"') % 2 and len(last.split()) >= 4:
        return "inside a quotation", False
    return _find_half_sentence(last[bare.end() :] if bare else last, lines, bool(bare)), False


def read_last_words(text: str) -> tuple[str, str | None]:
    """The last line of a text and the word that ends it, in small letters; None where it does not end with one of
    at least two letters, and for a text of one or two words.
    """
    line = text.rpartition("\n")[2].strip()
    found = _WORD_END.search(line)
    if found is None or len(found[0]) < 2 or (line == text.strip() and len(line.split()) < 3):
        return line, None
    before = line[: found.start()][-1:]
    return line, found[0].lower() if before in {"", " ", "“", '"', "(", "-", "*"} else None


def _find_half_sentence(line: str, lines: list[str], is_item: bool) -> str | None:
    found = _WORD_END.search(line)
    if found is None:
        return None
    words = line.split()
    *_, last = _split(line)
    if found[0] in _FUNCTION_WORDS and len(words) >= (8 if found[0] in _RARE else 4):
        asks = found[0] in _RARE and _QUESTION.search(last) is not None
        return None if asks else f"with {found[0]!r}"
    if last != line:
        is_label = _LABEL.match(last) or last.startswith(("-", "–", "—", "#", "@", "~"))
        is_short = len(last.split()) < _MIN_SENTENCE
        if not is_label and not is_short and not last.split()[-1].startswith(("#", "@", "http", "www.")):
            return "in the middle of a sentence"
        return None
    if _CODE_SIGNS.search(line):
        return None
    fellows = [other for other in lines if (not is_item or _ITEM.match(other)) and len(other.split()) >= 5]
    finished = sum(_is_finished(other) for other in fellows)
    if finished >= 2 and finished * 5 >= len(fellows) * 4 and len(words) >= 2:
        is_low = sum(word[:1].islower() for word in words) * 2 >= len(words)
        if is_item or (is_low and len(words) >= 4):
            return "without the full stop of its other lines"
    return None


def _split(line: str) -> list[str]:
    return [piece for piece in _SENTENCE_END.split(line) if piece.strip()] or [line]


def _is_finished(line: str) -> bool:
    return line.rstrip(_MARKUP)[-1:] in _FINAL_SIGNS or line[-1:] in ":"


def _count_open(text: str) -> int:
    """How many brackets are open at the end of a text; 0 where they never fitted each other."""
    stack: list[str] = []
    for char in re.findall(r"[()\[\]{}]", text):
        if char in "([{":
            stack.append(char)
        elif not stack or stack.pop() != _PAIRS[char]:
            return 0
    return len(stack)
