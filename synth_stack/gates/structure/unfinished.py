"""Where the end of a text shows that it goes on: open brackets, lists and tables, and half a sentence."""

import re

_MARKUP = "*_ \t\"'”’»)]}>`~"
_FINAL_SIGNS = ".!?…。！？؟।॥։።。」』】"
_ITEM = re.compile(r"^[ \t>]*(?:[0-9]{1,3}[.)]|[-*•+])(?:[ \t]+|$)")
_SENTENCE_END = re.compile(
    r"""(?<=[^\W\d_A-Z][\w)"'”’%\]])(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bvs)(?<!\bMrs)(?<!\bRev)(?<!\bInc)"""
    r"""(?<!\bGen)(?<!\bSen)(?<!\bGov)(?<!\bProf)(?<!\bCapt)[.!?]["'”’»)\]*_]*\s+(?=["'“‘«(*_]*[^\W\d_a-z])"""
    r"""|[。！？](?=\w)"""
)
WORD_END = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*$")
FUNCTION_WORDS = frozenset(
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
_CLOSED = re.compile(r"„[^“]*“$|‚[^‘]*‘$|»[^«]*«$")
"""Signs that open a quotation in English or French, and close it in German, Danish or Czech."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_QUESTION = re.compile(r"(?i)\b(?:what|which|who|whom|where|how|whose)\b")
_CODE_SIGNS = re.compile(r"[{}=;<>|]|\w\(")
_MIN_SENTENCE, _MIN_WORDS = 5, 2
"""After a finished sentence so many words are another one; fewer are a greeting, a name or a remark, but in
an answer of _MANY_SENTENCES that stands alone."""
_MANY_SENTENCES = 3
_OPENING = re.compile(
    r"(?:The|This|These|Those|It|In|But|And|However|As|When|If|For|To|With|By|He|She|They|We|There|A|An"
    r"|Because|Although|While"
    r"|On|At|From|Its|Their|His|Her|Our|Additionally|Moreover|Furthermore|Also),? (?!end\b)[^\n]*[ ,][a-z]+$"
)
"""How a sentence begins that is no remark: so few words of one are its beginning."""


def find_open_prose(text: str, *, is_alone: bool) -> tuple[str | None, bool]:
    """Where prose breaks off, if it does, and whether no task can ask for such an end.

    `is_alone`: it is the only answer of its row, and no turn of a chat, where full stops are often left out.
    """
    before, _, last = text.rpartition("\n")
    last = last.strip()
    lines = [line.strip() for line in before.split("\n") if line.strip()]
    item = _ITEM.match(last)
    if lines and lines[-1].startswith("|") and "|" in last:
        return ("inside a row of a table", True) if _is_torn_row(last, lines) else (None, True)
    is_short = len(last.split()) + 4 * len(lines) < 4
    sure = {
        "at an empty item of a list": item is not None and item.end() == len(last) and _follows_item(lines),
        "with a colon": last.rstrip("*_ ").endswith((":", "：")) and not is_short,
    }
    unsure = {
        "in the middle of a sentence": _OPEN_SIGNS.search(last) is not None
        and len(last) > 3
        and not _CLOSED.search(last),
        "inside a bracket": not is_finished(last) and last.rfind("(") > last.rfind(")"),
        "inside a quotation": not is_finished(last) and last.count('"') % 2 == 1 and len(last.split()) >= 4,
    }
    for ends, is_sure in ((sure, True), (unsure, False)):
        for why, is_open in ends.items():
            if is_open:
                return why, is_sure
    if is_finished(last) or last[-1:] in "\"”’'»`":
        return None, True
    line = last[item.end() :] if item else last
    return _find_half_sentence(line, lines, is_item=bool(item), is_alone=is_alone), False


def _follows_item(lines: list[str]) -> bool:
    return bool(lines) and _ITEM.match(lines[-1]) is not None


def _is_torn_row(last: str, lines: list[str]) -> bool:
    """Whether the last row of a table is not closed, or has fewer cells than the first."""
    rows = [line for line in lines if line.startswith("|")]
    return bool(rows) and (not last.endswith("|") or last.count("|") < rows[0].count("|"))


def _find_half_sentence(line: str, lines: list[str], *, is_item: bool, is_alone: bool) -> str | None:
    found = WORD_END.search(line)
    if found is None:
        return None
    *whole, last = split_sentences(line)
    is_rare = found[0] in _RARE
    if found[0] in FUNCTION_WORDS and len(line.split()) >= (8 if is_rare else 4):
        return None if is_rare and _QUESTION.search(last) else f"with {found[0]!r}"
    if whole:
        is_long_answer = len(whole) + len(lines) >= _MANY_SENTENCES or _OPENING.match(last) is not None
        least = _MIN_WORDS if is_alone and is_long_answer else _MIN_SENTENCE
        return "in the middle of a sentence" if _is_sentence(last, least) else None
    if not _CODE_SIGNS.search(line) and _is_alone_unfinished(line, lines, is_item):
        return "without the full stop of its other lines"
    return None


def _is_sentence(text: str, least: int) -> bool:
    """Whether a text of so many words is the beginning of a sentence, and no label, signature or name."""
    words = text.split()
    is_label = _LABEL.match(text) is not None or text.startswith(("-", "–", "—", "#", "@", "~"))
    is_name = len(words) < _MIN_SENTENCE and all(
        word[:1].isupper() or not word[0].isalpha() for word in words
    )
    is_address = words[-1].startswith(("#", "@", "http", "www."))
    unspaced = (
        len(_UNSPACED.findall(text)) * 2 // 3
    )  # in scripts without spaces a word is one or two characters
    return max(len(words), unspaced) >= least and not (is_label or is_name or is_address)


def _is_alone_unfinished(line: str, lines: list[str], is_item: bool) -> bool:
    """Whether all but a few of the other lines of its sort end with a full stop, and there are some."""
    fellows = [
        other
        for other in lines
        if (not is_item or _ITEM.match(other)) and len(other.split()) >= _MIN_SENTENCE
    ]
    finished = sum(is_finished(other) for other in fellows)
    words = line.split()
    is_low = sum(word[:1].islower() for word in words) * 2 >= len(words)
    is_text = (is_item and len(words) >= _MIN_WORDS) or (is_low and len(words) >= 4)
    return is_text and finished >= 2 and finished * 5 >= len(fellows) * 4


def split_sentences(line: str) -> list[str]:
    """The sentences of a line, the line alone where there is one."""
    return [piece for piece in _SENTENCE_END.split(line) if piece.strip()] or [line]


def is_finished(line: str) -> bool:
    """Whether a line ends with a sign that ends a sentence, or with a colon."""
    return line.rstrip(_MARKUP)[-1:] in _FINAL_SIGNS or line[-1:] == ":"
