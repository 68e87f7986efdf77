"""Texts that loop: the same words or characters again and again, one right after the other.

What comes back after something else (a refrain, the keys of a JSON list, the cells of a table) is no loop.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.structure.faults import Fault, list_faults, place_of
from synth_stack.gates.structure.prose import FENCED, is_code
from synth_stack.gates.structure.reading import Rows, Rules, read_prompts
from synth_stack.text.ragged import Counts, Ragged, sort_rows
from synth_stack.text.words import hash_words

if TYPE_CHECKING:
    import polars as pl

_LAGS = range(1, 25)
_LONG_LAGS = range(25, 161)
"""Loops of up to so many words are found; the longer ones only in texts of _LONG_WORDS with few distinct
words."""
_LONG_WORDS = 125
_MAX_DISTINCT = 0.34
_PHRASE_WORDS = 6
"""From so many words on each repeat of a unit counts twice."""
_ASKED_FACTOR = 3
_STRUCTURED_FACTOR = 3
"""What a user pastes may repeat so many times more, and so may tables, lists of values and code, and what
was asked for."""
_RUN_CHARS = 60
_MAX_TOKEN_CHARS = 2_000
_READ_CHARS = 40_000
_ITEM_NUMBER = r"(?m:^[ \t>*-]*[0-9]{1,4}[.):])"
_MIN_ITEMS = 4
_BETWEEN = r"[\x00-/:-@\[-`{-\x7f]+"
"""What ASCII has between words: a class of bytes takes half the time of one of Unicode."""
_TOKEN = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
"""A word, or a character of a script without spaces."""
_MIN_NUMBERS = 20
"""A number or sign alone, between spaces, repeats so many times before it is a loop, and so does a line
of them."""
_MIN_PAIRS = 12
"""So often a phrase of numbers alone repeats before it is a loop."""
_SIGNS = r"(?:[!-@\[-`{-~]{1,8}\s{1,4}){20}"
"""A run of numbers or signs of ASCII, which `hash_words` takes for spaces."""
_RULE_SIGNS = frozenset("-=_*~#+.|:·•—–─═")
"""What a line that parts a text consists of, or the dots of a table of contents."""
_END_RUN_CHARS = 120
"""So many of one character end no text: it is a loop of a token that a limit ended."""
_BLANK_CHARS = 40
"""So much white space stands at the end of no text, nor so many empty lines in it."""
_EMPTY_LINES = re.compile(rf"(?:\n[ \t]*){{{_BLANK_CHARS},}}")
_ASKED_REPEATS = 60
"""What was asked for again and again may stand so often."""
_PHRASES = range(3, _PHRASE_WORDS)
"""Phrases of so many words of which each repeat in code or tables counts by half more: less is a value that
columns of them hold, and longer ones count twice everywhere."""

_SAY = (
    r"\b(?:repeat|say|writ(?:e|ing)|print|typ(?:e|ing)|output|copy|paste|echo|show|display|log"
    r"|generat(?:e|ing)|chant|sing|recite"
    r"|hello|loop\w*|run)\b"
)
_TIMES = (
    r"\b(\d{1,4}|five|six|seven|eight|nine|ten|twelve|twenty|thirty|fifty|hundred|thousand|million) times\b"
)
_WANTED = re.compile(
    rf"(?i)\b(?:repeat(?:ed(?:ly)?|ing|s)?|chant\w*|mantra|over and over|again and again|ascii|binary|zeros?"
    rf"|patterns?)\b|重复|繰り返|{_SAY}[^.?!\n]{{0,80}}{_TIMES}|{_TIMES}[^.?!\n]{{0,40}}{_SAY}"
)
"""What a prompt says that asks for the same again; "he ran it five times" does not."""
_HOW_OFTEN = re.compile(
    rf"(?i){_TIMES}|\b(\d{{1,4}}) (?:\w+ ){{0,2}}(?:times|copies|lines|characters|zeros|rows)\b"
)


def asks_for_repeats(prompt: str) -> bool:
    """Whether a prompt asks for the same again and again."""
    return bool(_WANTED.search(prompt))


def find_loops(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Messages in which a unit stands more than `max_repeats` times in a row, with how many times as
    score.
    """
    import polars as pl

    if rules.max_repeats is None:
        return list_faults([])
    written = seen.messages.filter(
        (pl.col("role") != "tool")
        & pl.col("good")
        & (pl.col("content").str.len_bytes() > 2 * rules.max_repeats)
    )
    text = pl.col("content")
    words = hash_words(written.select(_keep_words(text)).to_series())
    repeats = _count_repeats(words)
    odd = text.str.contains(rf"\S{{{_RUN_CHARS}}}|{_SIGNS}|\s{{{_BLANK_CHARS}}}")
    dense = written.select(odd).to_series().to_numpy()
    looked = (repeats > rules.max_repeats) | dense
    suspects = written.filter(pl.Series(looked)).with_columns(repeats=pl.Series(repeats[looked]))
    prompts = read_prompts(seen, suspects["row"])
    columns = ("row", "side", "position", "role", "content", "repeats")
    found = []
    for row, side, position, role, content, counted in suspects.select(columns).iter_rows():
        is_free = not _is_structured(content)
        times = _count_phrases(content, is_free=is_free) if counted > rules.max_repeats else 0
        if role != "user":
            times = max(times, _count_tokens(content), _count_characters(content), _count_end(content))
        if times <= rules.max_repeats:
            continue
        asked = "" if role == "text" else prompts.get(row, "")
        if times > _allow(role, content, asked, rules.max_repeats):
            reason = f"runaway repetition: message {position} says the same {times} times in a row"
            found.append(
                (row, Fault("repetition", reason, place_of(side, position), {"repeats": float(times)}))
            )
    return list_faults(found)


def _allow(role: str, content: str, asked: str, max_repeats: int) -> float:
    """How many times a unit may stand in a row in this message."""
    most = float(max_repeats) * (1 if role in {"assistant", "text"} else _ASKED_FACTOR)
    if _is_structured(content):
        most *= _STRUCTURED_FACTOR
    if role == "assistant" and asks_for_repeats(asked):
        numbers = [int(number) for found in _HOW_OFTEN.findall(asked) for number in found if number.isdigit()]
        most = max([2.0 * number + 2 for number in numbers] + [most * _STRUCTURED_FACTOR, _ASKED_REPEATS])
    return most


def _is_structured(content: str) -> bool:
    """Whether a message is code or full of the signs of tables and lists of values."""
    if "```" in content and len(re.sub(FENCED, "", content)) * 2 < len(content):
        return True
    signs = sum(content.count(sign) for sign in "[]{}|\"',:;=<>")
    return signs * 6 > len(content) or is_code(content)


def _count_repeats(words: Ragged) -> Counts:
    """How many times a unit of words stands in a row in each text, at most, (n,); phrases count twice."""
    most = _count_at(words, _LAGS)
    long = np.flatnonzero(words.lengths >= _LONG_WORDS)
    if len(long):
        few = words.take(long)
        owner = np.repeat(np.arange(len(long)), few.lengths)
        distinct = sort_rows(few.values, owner, len(long)).lengths
        dull = np.flatnonzero(distinct < _MAX_DISTINCT * few.lengths)
        if len(dull):
            most[long[dull]] = np.maximum(most[long[dull]], _count_at(few.take(dull), _LONG_LAGS))
    return most


def _keep_words(text: "pl.Expr") -> "pl.Expr":
    """The words and numbers of texts, without the numbers of the items of long lists."""
    import polars as pl

    is_listed = text.str.count_matches("\n", literal=True) > _MIN_ITEMS
    unlisted = pl.when(is_listed).then(text).str.replace_all(_ITEM_NUMBER, "")
    return pl.when(is_listed).then(unlisted).otherwise(text).str.replace_all(_BETWEEN, " ")


def _count_phrases(content: str, *, is_free: bool) -> int:
    """How many times a unit stands in a row in one text, counted as by `_count_repeats`. One of numbers alone
    counts from _MIN_PAIRS on, and in what is not `is_free`, code or tables, one of _PHRASES by half more.
    """
    plain = re.sub(_ITEM_NUMBER, "", content[:_READ_CHARS])
    words = re.findall(_TOKEN, plain)
    numbers = {word: at for at, word in enumerate(dict.fromkeys(words))}
    codes: NDArray[np.int64] = np.array([numbers[word] for word in words], dtype=np.int64)
    owner = np.zeros(len(codes), dtype=np.int64)
    most = 0
    for lag in range(1, min(_LONG_LAGS.stop, len(codes))):
        same = np.flatnonzero(codes[lag:] == codes[:-lag])
        starts, lengths = _find_runs(same, owner)
        counts = (lengths // lag + 1) * (1 + (lag >= _PHRASE_WORDS))
        more = np.flatnonzero(counts > max(most, 2))
        for start, times in zip(starts[more].tolist(), counts[more].tolist(), strict=True):
            unit = words[int(same[start]) : int(same[start]) + lag]
            if (
                is_free
                and lag > 1
                and len(set(unit)) > 1
                and times >= _MIN_PAIRS * (1 + (lag >= _PHRASE_WORDS))
            ):
                most = max(most, times)
            elif any(not word[0].isdigit() and (len(word) > 1 or not word.isascii()) for word in unit):
                most = max(most, times * 3 // 2 if not is_free and lag in _PHRASES else times)
    return most


def _count_at(words: Ragged, lags: range) -> Counts:
    owner = np.repeat(np.arange(len(words.lengths)), words.lengths)
    most = np.zeros(len(words.lengths), dtype=np.int64)
    for lag in lags:
        if lag >= len(owner):
            break
        same = np.flatnonzero(words.values[lag:] == words.values[:-lag])
        same = same[owner[same] == owner[same + lag]]
        starts, lengths = _find_runs(same, owner)
        times = lengths // lag + 1
        kept = times > 2
        np.maximum.at(most, owner[same[starts[kept]]], times[kept] * (1 + (lag >= _PHRASE_WORDS)))
    return most


def _find_runs(places: Counts, owner: Counts) -> tuple[Counts, Counts]:
    """Where runs of successive places of one text begin among the sorted `places`, and how long they are."""
    if not len(places):
        return places, places
    breaks = (np.diff(places) != 1) | (owner[places[1:]] != owner[places[:-1]])
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    return starts, np.diff(np.concatenate([starts, [len(places)]]))


def _count_tokens(content: str) -> int:
    """How many times a number or sign stands in a row between spaces of one line, or a line of one alone;
    0 under _MIN_NUMBERS. A line of signs alone parts a text, but at its end.
    """
    lines = [line.strip() for line in content[:_READ_CHARS].split("\n")]
    most = max((run for run, line in _list_runs(lines) if line and line[-1] not in ",|"), default=0)
    for at, line in enumerate(lines):
        tokens = line.split()
        for run, token in _list_runs(tokens):
            is_rule = run == len(tokens) and at + 1 < len(lines) and set(token) <= _RULE_SIGNS
            if run > most and token[-1] not in ",|" and not is_rule:
                most = run
    return most if most >= _MIN_NUMBERS else 0


def _list_runs(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The tokens that follow each other unchanged, with how often they do."""
    return ((sum(1 for _ in run), token) for token, run in itertools.groupby(tokens))


def _count_end(content: str) -> int:
    """How many white spaces, or how many of one other character, end a text, or how many lines in it are
    empty; 0 where that is ordinary: a line of signs, and fewer than _END_RUN_CHARS.
    """
    whole = content.rstrip()
    empty = _EMPTY_LINES.search(whole)
    blank = max(len(content) - len(whole), empty[0].count("\n") if empty else 0)
    if blank >= _BLANK_CHARS:
        return blank
    run = len(whole) - len(whole.rstrip(whole[-1:]))
    is_rule = whole[-1:] in _RULE_SIGNS and whole[: len(whole) - run][-1:] in {"", "\n"}
    return run if run >= _END_RUN_CHARS and not is_rule else 0


def _count_characters(content: str) -> int:
    """How many times a unit of up to 24 characters stands in a row in a word that consists of it by half."""
    most = 0
    for word in re.findall(rf"\S{{{_RUN_CHARS},}}", content)[:8]:
        codes: NDArray[np.int32] = np.array([ord(c) for c in word[:_MAX_TOKEN_CHARS]], dtype=np.int32)
        for lag in range(1, min(25, len(codes))):
            same = np.flatnonzero(codes[lag:] == codes[:-lag])
            starts, lengths = _find_runs(same, np.zeros(len(codes), dtype=np.int64))
            if not len(starts):
                continue
            best = int(lengths.argmax())
            first = int(same[starts[best]])
            unit = word[first : first + lag]
            says = any(map(str.isalpha, unit)) or set(unit) <= set("!?！？")
            if says and (lengths[best] + lag) * 2 >= len(codes) and lengths[best] + lag >= _RUN_CHARS // 2:
                most = max(most, int(lengths[best]) // lag + 1)
    return most
