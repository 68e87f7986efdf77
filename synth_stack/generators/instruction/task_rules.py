"""Self-Instruct's rules: how tasks and their instances are read from replies, and which of them are dropped.

Wang et al. 2023 (arXiv:2212.10560), sections 2.2 and 2.3, and the code that they published. Nothing here
asks a teacher.
"""

import re
import string
from collections.abc import Sequence
from typing import Literal, NamedTuple

Filter = Literal["too_short", "too_long", "keyword", "program", "punctuation", "not_english"]
FILTERS: tuple[Filter, ...] = ("too_short", "too_long", "keyword", "program", "punctuation", "not_english")
"""The rules on the text of an instruction, in the order of the published code."""

MIN_WORDS, MAX_WORDS = 4, 150
"""Of an instruction: the published code drops those of 3 words and fewer, and those of more than 150."""

_KEYWORDS = re.compile(
    r"(?i)\b(image|images|graph|graphs|picture|pictures|file|files|map|maps|draw|plot|go to)\b"
)
"""What a model of texts can do nothing with, as the published code lists it."""

_NUMBER = re.compile(r"(?m)^[ \t]*(?:Task[ \t]+)?(\d{1,3})[ \t]?[.):][ \t]*")
_EXAMPLE = re.compile(r"(?m)^[ \t]*Example[ \t]*\d*[ \t]*[.:]?[ \t]*")
_OUTPUT = re.compile(r"Output[ \t]*\d*[ \t]*:")
_INPUT = re.compile(r"Input[ \t]*\d*[ \t]*:")
_LABEL = re.compile(r"(?m)^[ \t]*Class label[ \t]*:")


class Instance(NamedTuple):
    """One input of a task with its output; the input is empty where the task needs none."""

    input: str
    output: str


def read_tasks(reply: str, first: int, *, continued: bool) -> list[str]:
    """The tasks of a numbered list, in order, without what was said before it.

    One that is `continued` begins with its first task, whose number `first` the prompt ended in; another one
    begins with that number, with 1, or with the one that it opens with, and a reply without any is one task.
    Only the number that follows begins the next task, for a task may hold a list of its own.
    """
    found = [(int(match[1]), match.span()) for match in _NUMBER.finditer(reply)]
    opening = [number for number, span in found[:1] if not reply[: span[0]].strip()]
    begins = [number for number in (first, 1, *opening) if any(number == each for each, _ in found)]
    if continued or not begins:
        starts, following = [(0, 0)], first + 1
    else:
        starts, following = [], begins[0]
    for number, span in found:
        if number == following:
            starts.append(span)
            following += 1
    ends = [*(begin for begin, _ in starts[1:]), len(reply)]
    texts = [reply[end:stop].strip() for (_, end), stop in zip(starts, ends, strict=True)]
    return [text for text in texts if text]


def find_filter(instruction: str, filters: Sequence[Filter]) -> str | None:
    """The rule that drops an instruction by its text, with what it saw, or None."""
    words = instruction.split()
    keyword = _KEYWORDS.search(instruction)
    seen: dict[Filter, str | None] = {
        "too_short": f"{len(words)} words" if len(words) < MIN_WORDS else None,
        "too_long": f"{len(words)} words" if len(words) > MAX_WORDS else None,
        "keyword": keyword and keyword[1].lower(),
        "program": "write a program" if instruction.lower().startswith("write a program") else None,
        "punctuation": instruction[:1] if instruction[:1] in {*string.punctuation} else None,
        "not_english": instruction[:1] if instruction[:1] and not instruction[0].isascii() else None,
    }
    return next((f"{name} ({seen[name]})" for name in FILTERS if name in filters and seen[name]), None)


def read_kind(reply: str) -> bool:
    """Whether a reply says that a task is a classification; whatever is no yes is a no, as published."""
    return reply.strip(" \t\r\n\"'*.").lower().startswith("yes")


def read_instances(reply: str) -> list[Instance]:
    """The instances of a task that is no classification: its input first, then the output."""
    if _EXAMPLE.search(reply):
        parts = [part for part in _EXAMPLE.split(reply) if part.strip()]
    elif _OUTPUT.search(reply):
        parts = [reply]
    else:
        return []
    return [_read_pair(part) for part in parts]


def read_labelled(reply: str) -> list[Instance]:
    """The instances of a classification: the class label first, then an input that belongs to it."""
    found = []
    for part in _LABEL.split(reply)[1:]:
        label, _, text = part.strip().partition("\n")
        found.append(Instance(text.strip(), label.strip()))
    return found


def drop_invalid(instances: Sequence[Instance]) -> list[Instance]:
    """The instances of use, each once and in order (section 2.3 and the published code).

    Dropped are those whose output is empty or repeats the input, and those that end in a colon; all are,
    where one input has two outputs.
    """
    kept = [
        each
        for each in instances
        if each.output and each.input != each.output and not each.input.endswith(":")
        if not each.output.endswith(":")
    ]
    distinct = list(dict.fromkeys(kept))
    inputs = [each.input for each in distinct if each.input]
    return [] if len(set(inputs)) < len(inputs) else distinct


def _read_pair(part: str) -> Instance:
    before, *outputs = _OUTPUT.split(part)
    if not outputs:
        return Instance("", part.strip())
    label = _INPUT.match(before.strip())
    text = before.strip()[label.end() :] if label else before
    # a second pair in one example has no number of its own
    return Instance(text.strip(), _INPUT.split(outputs[0])[0].strip())
