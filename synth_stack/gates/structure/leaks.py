"""What a chat template, a tokenizer or a reasoning model left in what is said."""

import re
from typing import TYPE_CHECKING

from synth_stack.gates.structure.faults import Fault, list_faults, place_of
from synth_stack.gates.structure.prose import FENCED, INLINE, is_code
from synth_stack.gates.structure.reading import Rows, Rules, read_prompts
from synth_stack.text import chat_tokens as tokens

if TYPE_CHECKING:
    import polars as pl

_TAIL_CHARS = 80
_SEEN_CHARS = 60
_CODE = re.compile(f"{FENCED}|{INLINE}")
_FORMAT = re.compile(tokens.FORMAT_TOKENS)
_SENTENCE = re.compile(tokens.SENTENCE_TOKENS)
_LABELS = re.compile(f"{tokens.OWN_LABELS}|{tokens.OTHER_LABELS}")
_ANSWER = re.compile(r"\n(?:ASSISTANT|Assistant|AI):[ \n]")
_END = re.compile(tokens.END_MARKERS)
_REASONING = re.compile(tokens.REASONING)
_OF_ANSWERS = f"{tokens.TOOL_TAGS}|{tokens.UNJOINED}|{tokens.OPENING_TAGS}|{tokens.THOUGHTS}"
_QUOTES = "\"'“”‘’«»"
_HTML = re.compile(r"</?(?:p|b|i|u|del|ins|div|span|body|html|li|em|strong|h[1-6])\b")
_ABOUT = re.compile(
    r"(?i)\b(?:special tokens?|chat ?ml|chat templates?|prompt (?:templates?|formats?)|tokeni[sz](?:er"
    r"|ation)s?"
    r"|end[- ]of[- ](?:text|sequence|turn|sentence)|delimiters?|markers?|stop (?:token|sequence|word)s?)\b"
)
"""What a prompt speaks of when its row is about such tokens."""
_TALK = re.compile(
    r"(?i)\b(?:dialogues?|dialogs?|conversations?|chat\w*|scripts?|interviews?|transcripts?|role-?play\w*"
    r"|scenes?"
    r"|q&a|q and a)\b"
)
"""What a prompt speaks of when an answer may quote who speaks."""
_PROGRAMS = re.compile(
    r"(?i)\b(?:shell|bash|sh|zsh|power ?shell|batch|python|perl|php|ruby|lua|node(?:\.js)?|sql|awk|unix"
    r"|linux|c#|r)[- ]scripts?\b"
)
_TAG = re.compile(r"</?\w+>")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n")
_ABOUT_TAGS = re.compile(
    r"(?i)\b(?:xml|html|tags?|markup|elements?|soap|rss|svg|users?|thoughts?|think\w*)\b"
)
"""What a prompt speaks of when an answer may begin with a tag, or with what a user does."""
_QUESTIONS = re.compile(r"\nQ(?:uestion)?:[ \t][^\n]+\n+A(?:nswer)?:[ \t]")
_ASKS_QUESTIONS = re.compile(
    r"(?i)\b(?:faqs?|q ?& ?a|questions?|quiz\w*|trivia|riddles?|flash ?cards?|jokes?|interviews?|exams?"
    r"|tests?)\b"
)
"""What a prompt speaks of when an answer may ask and answer questions by itself."""


def asks_about_tags(prompt: str) -> bool:
    """Whether a prompt is about XML, about users, or about what somebody thinks."""
    return bool(_ABOUT_TAGS.search(prompt))


def asks_about_tokens(prompt: str) -> bool:
    """Whether a prompt is about the tokens of chat formats, holds some, or is about who speaks."""
    spoken = (_ABOUT, _FORMAT, _END, _REASONING)
    return _asks_for_talk(prompt) or any(pattern.search(prompt) for pattern in spoken)


def find_leaks(seen: Rows, rules: Rules) -> "pl.DataFrame":
    """Messages that hold tokens of a chat format, a marker of the end of text, or a block of reasoning."""
    import polars as pl

    text = pl.col("content")
    tail = text.str.strip_chars_end().str.tail(_TAIL_CHARS)
    hinted = seen.messages.filter(
        text.str.contains_any(list(tokens.HINTS), ascii_case_insensitive=True)
        | tail.str.contains(tokens.END_MARKERS)
        | (
            (pl.col("role") == "assistant")
            & text.str.contains(f"{_LABELS.pattern}|{_OF_ANSWERS}|{_QUESTIONS.pattern}")
        )
    ).filter(pl.col("role") != "tool")
    prompts = read_prompts(seen, hinted["row"])
    found = []
    for line in hinted.select("row", "side", "position", "role", "content").iter_rows():
        fault = _find_leak(line[3], line[4], prompts.get(line[0], ""), place_of(line[1], line[2]))
        if fault is not None and rules.outcomes.get(fault.what):
            found.append((line[0], fault))
    return list_faults(found)


def _find_leak(role: str, content: str, prompt: str, place: dict[str, int]) -> Fault | None:
    uncoded = _CODE.sub("\n", content.strip())
    spoken = uncoded.strip()
    asks = role in {"user", "system"}
    for what, pattern, said in _LEAKS:
        for leak in pattern.finditer(spoken):
            token = leak[0].strip()
            if asks:
                innocent = _is_spoken_of(spoken, leak)
            else:
                innocent = _names(prompt, token) or bool(_ABOUT.search(prompt))
            if not innocent and not _is_quoted(spoken, leak):
                at = f"message {place['message']} holds {_show(token)}"
                return Fault(what, f"{said}: {at}", place)
    return _find_in_answer(uncoded, prompt, place) if role == "assistant" else None


def _find_in_answer(uncoded: str, prompt: str, place: dict[str, int]) -> Fault | None:
    """What stands in no answer, though a message of another role may well hold it.

    In the place of code there is an empty line: a label behind it begins a line.
    """
    spoken = uncoded.strip()
    for what, pattern, innocent, said in _ANSWER_LEAKS:
        leak = pattern.search(spoken)
        if leak is None or innocent.search(prompt) or _names(prompt, leak[0].strip()):
            continue
        if what == "reasoning_block" and is_code(_read_first(spoken, leak)):
            continue
        at = f"message {place['message']} holds {_show(leak[0].strip())}"
        return Fault(what, f"{said}: {at}", place)
    is_talk = _asks_for_talk(prompt)
    label = None if is_talk else _LABELS.search(uncoded)
    if label is None and not (is_talk or spoken.startswith("Q") or _ASKS_QUESTIONS.search(prompt)):
        label = _QUESTIONS.search(uncoded)
    if label is not None and (not is_code(spoken) or _follows_code(uncoded, label)):
        at = f"message {place['message']} speaks for the other side at {_show(label[0].strip())}"
        return Fault("chat_tokens", f"chat tokens: {at}", place)
    return None


def _read_first(spoken: str, leak: re.Match[str]) -> str:
    """What says whether an answer is code that only looks like reasoning: all of it without its tags where a
    tag or a label begins it, and of an answer that begins with a sentence that sentence.
    """
    if leak[0].endswith((">", ":")):
        return _TAG.sub(" ", spoken)
    return _SENTENCE_END.split(spoken, maxsplit=1)[0]


def _asks_for_talk(prompt: str) -> bool:
    """Whether a prompt speaks of who speaks; a script that a shell runs says nothing of it."""
    return bool(_TALK.search(_PROGRAMS.sub(" ", prompt)))


def _follows_code(spoken: str, label: re.Match[str]) -> bool:
    """Whether after code the label of the other side and that of the assistant follow each other."""
    return (
        _ANSWER.search(spoken, max(0, label.end() - 1)) is not None or _QUESTIONS.match(label[0]) is not None
    )


def _is_spoken_of(text: str, leak: re.Match[str]) -> bool:
    """Whether a message of the user that is about tokens has one within a line of its own words."""
    before, after = text[: leak.start()].rpartition("\n")[2], text[leak.end() :].partition("\n")[0]
    within = bool(before.strip()) and bool(after.strip())
    return bool(_ABOUT.search(text)) or (within and len(set(_FORMAT.findall(text))) <= 1)


def _names(prompt: str, token: str) -> bool:
    """Whether a prompt has the token as a part of what it says, and not as a leak at one of its ends."""
    plain = prompt.strip()
    return (
        (token in plain or token.replace("/", "", 1) in plain)
        and not plain.startswith(token)
        and not plain.endswith(token)
    )


def _is_quoted(text: str, leak: re.Match[str]) -> bool:
    """Whether quotation marks stand around it, or it strikes out a word in HTML."""
    start, end = leak.start(), leak.end()
    if leak[0].strip() in {"<s>", "</s>"} and _HTML.search(text):
        return True
    return (
        text[start - 1 : start] in _QUOTES
        and text[end : end + 1] in _QUOTES
        and start > 0
        and end < len(text)
    )


def _show(token: str) -> str:
    return re.sub(r"[^\w<>|\[\]/#:. -]", "?", token)[:_SEEN_CHARS]


_ANSWER_LEAKS = (
    ("chat_tokens", re.compile(tokens.TOOL_TAGS), _ABOUT, "chat tokens"),
    ("chat_tokens", re.compile(tokens.UNJOINED), _ABOUT, "chat tokens"),
    ("reasoning_block", re.compile(tokens.OPENING_TAGS), _ABOUT_TAGS, "reasoning block"),
    ("reasoning_block", re.compile(tokens.THOUGHTS), _ABOUT_TAGS, "reasoning block"),
)
_LEAKS = (
    ("reasoning_block", _REASONING, "reasoning block"),
    ("chat_tokens", _FORMAT, "chat tokens"),
    ("end_marker", _SENTENCE, "end marker"),
    ("end_marker", _END, "end marker"),
)
