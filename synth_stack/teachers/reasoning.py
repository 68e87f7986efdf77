"""What a model thought, told apart from what it said.

<think> ... </think>     Qwen3, DeepSeek-R1 and their kin; also <thinking>, <thought>, <reasoning> and
                         Mistral's [THINK]. The opening tag is often a part of the prompt, so that only the
                         closing one is there; and where the token limit or a stop string came first, only
                         the opening one.
<|channel|>analysis ...  gpt-oss (the harmony format): the answer is the `final` channel. A server that
                         drops special tokens leaves "analysis...assistantfinal...".
"""

import re
from typing import NamedTuple

_TAGS = r"think|thinking|thought|reasoning|seed:think"
_OPEN = re.compile(rf"<(?:{_TAGS})>|\[THINK\]", re.IGNORECASE)
_CLOSE = re.compile(rf"</(?:{_TAGS})>|\[/THINK\]", re.IGNORECASE)
_FENCE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
_BARE_CHANNEL = re.compile(r"analysis(.*?)assistantfinal(.*)", re.DOTALL)
_BARE_ANALYSIS = re.compile(r"analysis(?=[A-Z])(?!.*assistantfinal)(.*)", re.DOTALL)
_LAST = re.compile(
    r"(?:\s*(?:<\|im_end\|>|<\|eot_id\|>|<\|end\|>|<\|return\|>|<\|endoftext\|>|<\|end_of_text\|>"
    r"|<end_of_turn>|</s>))+\s*\Z"
)
"""Tokens that end a turn and that some servers leave at its end."""


class Utterance(NamedTuple):
    """What was said and what was thought before; `open` where the text ends before the thought does."""

    content: str
    reasoning: str | None = None
    open: bool = False


def split_reasoning(text: str) -> Utterance:
    """The parts of what a model wrote. Tags within code are text, and so is a tag that is only spoken of."""
    text = _LAST.sub("", text)
    if "<|channel|>" in text:
        return _split_channels(text)
    if bare := _BARE_CHANNEL.fullmatch(text):
        return Utterance(bare[2].strip(), bare[1].strip() or None)
    if bare := _BARE_ANALYSIS.fullmatch(text):
        return Utterance("", bare[1].strip() or None, open=True)
    return _split_tags(text)


def join_reasoning(*parts: str | None) -> str | None:
    """The thoughts that there are, one after the other."""
    return "\n\n".join(part.strip() for part in parts if part and part.strip()) or None


def _split_channels(text: str) -> Utterance:
    said: list[str] = []
    thought: list[str] = []
    for channel, body in _CHANNEL.findall(text):
        (said if channel == "final" else thought).append(body.strip())
    return Utterance("\n\n".join(said).strip(), join_reasoning(*thought), open=not said)


def _split_tags(text: str) -> Utterance:
    thoughts: list[str] = []
    rest = text
    while opened := _find_open(rest):
        closed = _CLOSE.search(rest, opened.end())
        thoughts.append(rest[opened.end() : closed.start() if closed else None])
        if closed is None:
            return Utterance(rest[: opened.start()].strip(), join_reasoning(*thoughts), open=True)
        rest = rest[: opened.start()] + rest[closed.end() :]
    orphan = _find_orphan(rest)
    if orphan is not None:
        thoughts.append(rest[: orphan.start()])
        rest = rest[orphan.end() :]
    return Utterance(rest.strip(), join_reasoning(*thoughts)) if thoughts or orphan else Utterance(rest)


def _find_open(text: str) -> re.Match[str] | None:
    """A tag that opens a thought: at the start of the text or of a line, outside code."""
    code = [match.span() for match in _FENCE.finditer(text)]
    for match in _OPEN.finditer(text):
        begins = not text[: match.start()].rpartition("\n")[2].strip()
        if begins and not _is_within(match.start(), code):
            return match
    return None


def _find_orphan(text: str) -> re.Match[str] | None:
    """The last closing tag that nothing opened, outside code; all before it was thought.

    A tag that is spoken of is no end of a thought: that stands at the start or the end of a line.
    """
    code = [match.span() for match in _FENCE.finditer(text)]
    opened = list(_OPEN.finditer(text))
    for match in reversed(list(_CLOSE.finditer(text))):
        if any(each.end() <= match.start() for each in opened):
            continue
        before = text[: match.start()].rpartition("\n")[2].strip()
        after = text[match.end() :].partition("\n")[0].strip()
        alone = not before and not after
        if alone or ((not before or not after) and not _is_within(match.start(), code)):
            return match
    return None


def _is_within(place: int, spans: list[tuple[int, int]]) -> bool:
    return any(start <= place < end for start, end in spans)
