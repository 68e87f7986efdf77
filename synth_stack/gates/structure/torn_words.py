"""Whether the last word of a text is the beginning of one: by the words of its batch and of the text
itself.
"""

import re

from synth_stack.gates.structure.batch_habits import Habits
from synth_stack.gates.structure.unfinished import FUNCTION_WORDS, WORD_END, is_finished, split_sentences

_BEFORE = frozenset({"", " ", "\t", "“", '"', "(", "-", "*", "/", "'", "‘"})
"""What stands before a word that is one."""
_MIN_LINE = 5
"""Words of a line at whose end a letter alone is a torn word."""
_MANY = 2
"""Finished sentences or lines before the one that breaks off in its first letters."""
_MAX_LETTERS = 3
_OPTIONS = frozenset("ABCDEFIXYZ")
"""Letters that stand for an answer, a person or an unknown."""
_NAMED_LETTER = re.compile(
    r"(?i)\b(?:letters?|options?|answers?|variables?|types?|class|vitamin|grade|plan|points?|parts?|section"
    r"|step|choice|values?|sides?|units?|axis|is|are|equals?|be|by|and|or) \w$"
)
"""What stands before a letter that is a name."""
_ITEM = re.compile(r"^[ \t>]*(?:[0-9]{1,3}[.)]|[-*•·+])[ \t]*")
_FORMULA = re.compile(r"[=<>+*/^\\{}\[\]|_]|\w\(|\d\s*[-(]")


def is_torn_end(tail: str, content: str, habits: Habits, *, is_alone: bool) -> bool:
    """Whether a text ends inside a word; `tail` is its end; `is_alone`: it is the only answer of its row."""
    before, _, line = tail.rpartition("\n")
    line = line.strip()
    found = WORD_END.search(line)
    if found is None or (line == content.strip() and len(line.split()) < 3):
        return False
    word = found[0]
    if line[: found.start()][-1:] not in _BEFORE:
        return False
    if len(word) == 1:
        return _is_torn_letter(word, line, before, content, is_alone=is_alone)
    if word.islower():
        return habits.is_torn(word)
    return word[1:].islower() and _is_torn_name(word, line, before, content, habits)


def asks_for_letter(answer: str, prompt: str) -> bool:
    """Whether an answer ends with a letter that stands alone in its prompt: an unknown, or an option."""
    last = answer.split()[-1:]
    return bool(last) and len(last[0]) == 1 and re.search(rf"\b{re.escape(last[0])}\b", prompt) is not None


def _is_torn_letter(word: str, line: str, before: str, content: str, *, is_alone: bool) -> bool:
    """Whether a letter alone is the beginning of a word: after words of prose, where it stands alone
    nowhere else; or a capital where the next of several sentences or lines begins.
    """
    if len(re.findall(rf"(?<![\w'’]){word}(?![\w'’])", content)) > 1 or not word.isascii():
        return word == "a" and _follows_function_word(line)
    if word.islower():
        prose = line[-200:]
        is_prose = not _FORMULA.search(prose) and not _NAMED_LETTER.search(prose)
        return len(line.split()) >= _MIN_LINE and is_prose and word not in "aio"
    return is_alone and word not in _OPTIONS and _begins(line, before, least_words=3)


def _follows_function_word(line: str) -> bool:
    words = line.split()
    return len(words) >= _MIN_LINE and words[-2] in FUNCTION_WORDS - {"to", "as", "and", "or"}


def _is_torn_name(word: str, line: str, before: str, content: str, habits: Habits) -> bool:
    """Whether a word with a capital is the beginning of one that the text itself has; or of any, where it
    is the first of a sentence after several, and no name is as short.
    """
    longer = re.search(rf"(?<!\w){re.escape(word)}[^\W\d_]{{1,20}}", content)
    if longer is not None and len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", content)) == 1:
        own = re.search(
            rf"(?<!\w){re.escape(word)}(?:s|es|['’]s)?(?!\w)", content[: content.rstrip().rfind(word)]
        )
        return own is None and (habits.is_torn(word.lower()) or _starts_lines(word, content))
    return len(word) <= _MAX_LETTERS and _begins(line, before, least_words=1) and habits.is_torn(word.lower())


def _starts_lines(word: str, content: str) -> bool:
    """Whether two lines begin with one longer word that this one begins ("Day 1", "Day 2", "Da")."""
    begun = re.findall(rf"(?m:^\W*({re.escape(word)}[^\W\d_]{{1,20}}))", content)
    return len(begun) >= _MANY and len(set(begun)) == 1


def _begins(line: str, before: str, *, least_words: int) -> bool:
    """Whether the last word of a line is the first of its sentence, after _MANY sentences; or of the
    text's last line, after _MANY lines of so many words.
    """
    *whole, last = split_sentences(_ITEM.sub("", line))
    if len(last.split()) != 1:
        return False
    if whole:
        return len(whole) >= _MANY
    lines = [other for other in before.split("\n") if len(other.split()) >= least_words]
    return len(lines) >= _MANY and (least_words > 1 or all(is_finished(other) for other in lines[-_MANY:]))
