"""Characters that no writer typed: control and replacement characters, and text that was decoded wrongly."""

import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import Fault, list_faults, of_messages, place_of
from synth_stack.gates.structure.misread import HINTS, find_misread
from synth_stack.gates.structure.prose import drop_code
from synth_stack.gates.structure.reading import Rows, Rules, read_prompts
from synth_stack.models.files import need_module

if TYPE_CHECKING:
    import polars as pl

_LOST = "[\\x00\ufffd]"
_CONTROLS = r"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\x{fffe}\x{ffff}]"
"""Without tab, line and page breaks, and ESC, which logs of terminals hold."""
_SUSPECT = r"[\x{80}-\x{9f}ÂÃ锟烫]|[\x{a0}-\x{24f}\x{391}-\x{3a9}\x{410}-\x{44f}√≈‚×āœŒ][^\x00-\x7f]|â€"
"""Every text in which ftfy sees something has one of these; most texts of any language have none."""
_WINDOW_CHARS = 40
_READ_CHARS = 20_000
_MAX_WINDOWS = 50
"""So much of a message is read, and so many places of it looked at closely."""
_CHINESE = re.compile("(?:锟斤拷|烫烫烫|屯屯屯|锘\ufeff?锛)")
"""Replacement characters and a byte order mark read as GBK, and memory that was never filled."""
_ABOUT = re.compile(
    r"(?i)mojibake|encod|utf-?8|unicode|charset|garbled|latin-?1|code ?page|cp-?125|character set"
)


def asks_about_encoding(prompt: str) -> bool:
    """Whether a prompt is about encodings, and mojibake its topic."""
    return bool(_ABOUT.search(prompt))


def find_broken(seen: Rows, _: Rules) -> "pl.DataFrame":
    """Messages and reasoning with NUL, the replacement character or another control character."""
    import polars as pl

    what = "broken_characters"
    lost = "broken characters: message {} holds NUL or the replacement character U+FFFD"
    control = "broken characters: message {} holds control characters"
    reasoning = seen.told.reasoning.rename({"reasoning": "content"})
    return pl.concat(
        [
            of_messages(
                place.filter(pl.col("content").str.contains(pattern)), what, pl.format(reason, "position")
            )
            for pattern, reason in ((_LOST, lost), (_CONTROLS, control))
            for place in (seen.messages, reasoning)
        ]
    )


def find_mojibake(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Messages that were decoded by another encoding than they were written in, unless that is their
    topic.
    """
    import polars as pl

    suspect = seen.messages.filter(pl.col("content").str.contains(f"{_SUSPECT}|{HINTS}")).select(
        "row", "side", "position", text=drop_code(pl.col("content").str.slice(0, _READ_CHARS))
    )
    if not (rules.outcomes.get("mojibake") and suspect.height):
        return list_faults([])
    find = _load_finder()
    shown = [(row, place_of(side, at), find(text)) for row, side, at, text in suspect.iter_rows()]
    hits = [(row, place, part) for row, place, part in shown if part is not None]
    prompts = read_prompts(seen, [row for row, _, _ in hits])
    reason = "mojibake: message {} was decoded wrongly"
    return list_faults(
        [
            (row, Fault("mojibake", reason.format(place["message"]), place))
            for row, place, _ in hits
            if not asks_about_encoding(prompts.get(row, ""))
        ]
    )


def _load_finder() -> Callable[[str], str | None]:
    """A function that gives the part of a text that is mojibake: ftfy sees it, and its repair changes it,
    or it was decoded by an encoding of another script.

    ftfy looks at windows of _WINDOW_CHARS around what it finds, so that a long text takes linear time.
    """
    seen: re.Pattern[str] = need_module("ftfy.badness").BADNESS_RE
    repair: Callable[[str], str] = need_module("ftfy").fix_encoding

    def find(text: str) -> str | None:
        chinese = _CHINESE.search(text)
        if chinese is not None:
            return chinese[0]
        for hit in itertools.islice(seen.finditer(text), _MAX_WINDOWS):
            part = text[max(0, hit.start() - _WINDOW_CHARS) : hit.end() + _WINDOW_CHARS]
            for piece in (part, _cut_words(text, hit.start(), hit.end())):
                if repair(piece) != piece:
                    return hit[0]
        return find_misread(text)

    return find


def _cut_words(text: str, start: int, end: int) -> str:
    """The word or words that something stands in: other characters beside it may hide it from a repair."""
    first = max(text.rfind(" ", max(0, start - _WINDOW_CHARS), start), text.rfind("\n", 0, start)) + 1
    last = text.find(" ", end)
    return text[first : min(last if last >= 0 else len(text), end + _WINDOW_CHARS)]
