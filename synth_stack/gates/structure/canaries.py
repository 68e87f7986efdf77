"""Canaries of the structure gate: rows of the batch, spoilt in ways in which training data really is.

Each check that a parameter can weaken has a kind of its own, whose difficulty does not depend on the
parameters. Where a task would make a defect innocent (a template was asked for, a translation), the row is
left alone.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.structure.batch_habits import FINAL, STIPULATED
from synth_stack.gates.structure.canary_classes import SWITCHES
from synth_stack.gates.structure.cut_off import asks_for_part
from synth_stack.gates.structure.encoding import asks_about_encoding
from synth_stack.gates.structure.language import asks_for_language
from synth_stack.gates.structure.leaks import asks_about_tags, asks_about_tokens
from synth_stack.gates.structure.placeholders import asks_for_form
from synth_stack.gates.structure.planted_phrases import (
    BARE_THOUGHTS,
    BLANKS,
    CUT_CODE,
    FOREIGN,
    LOST_CHINESE,
    MARKERS,
    MISREAD,
    REFUSALS,
    REFUSALS_ABROAD,
    SELVES,
    SPEAKERS,
    THOUGHTS,
    TURNS,
    UNFINISHED,
)
from synth_stack.gates.structure.reading import Length, Rules
from synth_stack.gates.structure.repetition import asks_for_repeats
from synth_stack.gates.structure.shape_canaries import break_shapes
from synth_stack.gates.structure.stock_answers import asks_for_stock
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

Message = dict[str, Any]
_Spoil = Callable[[str, random.Random], str]
_Fault = tuple[str, str, _Spoil]
"""The kind, what is wrong, and how an answer becomes so."""

_LONG_CHARS = 100_000
_LOOPS = 60
"""Repeats of a word, and half as many of a phrase: a loop that goes on to a limit of 100 tokens."""


def plant_faults(sample: pa.Table, n: int, seed: int, rules: Rules) -> pa.Table:
    """Up to `n` canaries of each kind, made of the rows of the sample in turn."""
    columns = ["kind", "slice", "locale", "messages", "tools", "alternatives", "text"]
    rows = [row for row in sample.select(columns).to_pylist() if _read_answer(row)]
    planted = break_shapes(sample, n)
    draws = random.Random(seed)  # noqa: S311
    for defect in _list_defects(rules):
        fit = [row for row in rows if _suits(defect[0], row)]
        made = [_spoil(fit[draw % len(fit)], defect, draws, draw) for draw in range(n if fit else 0)]
        planted += [row for row in made if defect[0] == "too_long" or _is_within(row, rules.answer)]
    return build_candidates(planted)


def _is_within(row: Mapping[str, Any], bounds: Length) -> bool:
    """Whether what is spoilt is surely within the bounds of the gate: else it would be turned away for them.
    Counted by spaces, and at the upper bound each character of a script without spaces for a word too.
    """
    answer = _read_answer(row) or ""
    most = len(answer.split()) + sum(char > "\u0e00" for char in answer)
    fits = bounds.min_chars <= len(answer) <= bounds.max_chars
    return fits and bounds.min_words <= len(answer.split()) and most <= bounds.max_words


def list_off(rules: Rules) -> tuple[str, ...]:
    """The kinds of checks that the parameters switch off."""
    off = [what for what in _SWITCHED if what not in rules.outcomes]
    off += ["repetition"] if rules.max_repeats is None else []
    off += ["no_final_punctuation"] if rules.min_punctuated is None else []
    return (*off, *([] if rules.languages else ["wrong_language"]))


def _read_answer(row: Mapping[str, Any]) -> str | None:
    """What is spoilt: the last answer, of a row of preferences the chosen one, or the text of a row without
    messages.
    """
    if not row["messages"]:
        return row["text"] or None
    said = _find_said(row)
    last = said[-1] if said else row["messages"][-1]
    is_answer = last["role"] == "assistant" and not last["tool_calls"]
    return (last["content"] or None) if is_answer else None


def _find_said(row: Mapping[str, Any]) -> list[Message] | None:
    """The messages of the alternative labelled chosen, in a row that has one; else those of the row."""
    if not row["alternatives"]:
        messages: list[Message] = row["messages"]
        return messages
    sides = (side["messages"] for side in row["alternatives"] if side["label"] == "chosen")
    return next((said for said in sides if said), None)


def _spoil(row: Mapping[str, Any], defect: _Fault, draws: random.Random, draw: int) -> dict[str, Any]:
    kind, wrong, spoil = defect
    answer = spoil(_read_answer(row) or "", draws)
    kept = {name: row[name] for name in ("slice", "locale", "tools")}
    kept["slice"] = STIPULATED if kind == "no_final_punctuation" else _ALONE
    if not row["messages"]:
        return build_canary(row["kind"], [{"role": "text", "content": answer}], wrong, draw, kind=kind) | kept
    said = _find_said(row) or []
    # what the row's own answer ended at is not what is wrong with the canary
    last = {**said[-1], "content": answer, "finish": "length" if kind == "finish" else None}
    messages, sides = [*said[:-1], last], None
    if row["alternatives"]:
        chosen = messages
        messages, sides = (
            row["messages"],
            [
                {**side, "messages": chosen} if side["messages"] is said else side
                for side in row["alternatives"]
            ],
        )
    made = build_canary(row["kind"], messages, wrong, draw, kind=kind)
    return made | kept | {"alternatives": sides, "text": join_text(messages, sides)}


def _suits(kind: str, row: Mapping[str, Any]) -> bool:
    """Whether the defect would be one in this row: its task, or what it is, may make it innocent."""
    if not row["messages"]:
        return kind in _OF_TEXTS
    prompt = "\n".join(m["content"] or "" for m in row["messages"] if m["role"] in {"user", "system"})
    if kind in {"refusal", "refusal_abroad", "self_reference"}:
        calls = row["tools"] or any(m["tool_calls"] or m["role"] == "tool" for m in row["messages"])
        innocent = asks_for_stock(prompt) or (kind == "refusal_abroad" and asks_for_language(prompt))
        return not (calls or row["kind"] == "adversarial" or innocent)
    if kind == "no_final_punctuation" and row["alternatives"]:
        return False  # fellows are the answers that stand in the messages of a row
    wanted = _INNOCENT.get(kind)
    return wanted is None or not wanted(prompt)


def _list_defects(rules: Rules) -> Iterator[_Fault]:
    """What can be wrong: kind, words, and how an answer becomes so. What is switched off is not planted."""
    off = list_off(rules)
    foreign = [text for code, texts in FOREIGN.items() if code not in rules.languages for text in texts]
    plain = _list_plain(rules)
    for kind, wrong, spoil in (
        ("cut_off", "its last sentence breaks off", _append(UNFINISHED)),
        ("open_fence", "its code fence is never closed", lambda text, _: f"{_end(text)}\n\n```\nx = [1, 2]"),
        ("cut_code", "its code breaks off", lambda _, draws: _say(draws, CUT_CODE)),
        ("finish", "its teacher ran into a limit", lambda text, _: _stop_short(text)),
        ("no_final_punctuation", "it has no full stop", lambda _, draws: _say(draws, plain).rstrip(".")),
        ("chat_tokens", "the next turn of a template follows", _append(TURNS)),
        ("other_speaker", "it speaks for the other side", _append(SPEAKERS)),
        ("end_marker", "a marker of the end of text follows", _append(MARKERS)),
        ("sentence_token", "Llama's end of text follows", lambda text, _: f"{_end(text)}</s>"),
        (
            "reasoning_block",
            "it begins with its reasoning",
            _say_before(THOUGHTS, glue=""),
        ),
        (
            "bare_reasoning",
            "it begins with reasoning that no tag marks",
            _say_before(BARE_THOUGHTS, glue=""),
        ),
        ("misread", "it was decoded by an encoding of another script", _append(MISREAD)),
        ("lost_chinese", "it holds what is left of lost characters", _append(LOST_CHINESE)),
        ("mojibake", "it was decoded by another encoding", _garble),
        ("broken_characters", "it holds a control or replacement character", _break),
        ("too_long", "it is too long", _lengthen),
        ("refusal", "it refuses", lambda _, draws: _say(draws, REFUSALS)),
        ("refusal_abroad", "it refuses in another language", lambda _, draws: _say(draws, REFUSALS_ABROAD)),
        ("self_reference", "it speaks of itself", _say_before(SELVES)),
        ("placeholder", "something was to be filled in", _append(BLANKS)),
        ("repetition", "it loops", _loop),
        (
            "sign_loop",
            "it loops in a sign",
            lambda text, draws: f"{_end(text)} {_say(draws, _LOOPED) * _LOOPS}",
        ),
        ("wrong_language", "it answers in another language", lambda _, draws: _say(draws, foreign)),
    ):
        has_text = {"wrong_language": foreign, "no_final_punctuation": plain}.get(kind, [wrong])
        if SWITCHES.get(kind, kind) not in off and has_text:
            yield kind, wrong, spoil


def _list_plain(rules: Rules) -> Sequence[str]:
    """Sentences in a wanted language, none where no such one is at hand."""
    if not rules.languages or "en" in rules.languages:
        return _PLAIN
    return [text for code in rules.languages if code in _PUNCTUATED for text in FOREIGN[code]]


def _say(draws: random.Random, phrases: Sequence[str]) -> str:
    return draws.choice(phrases)


def _end(text: str) -> str:
    """A text with a full stop at its end, so that only what is planted is wrong with it."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?", "。", "```")) else f"{text}."


def _stop_short(text: str) -> str:
    """A text without the marks at its end, which may stand within quotation marks and brackets."""
    text = text.rstrip()
    while found := _FINAL.search(text):
        text = text[: found.start()].rstrip()
    return text or "And"


def _say_before(phrases: Sequence[str], glue: str = " ") -> _Spoil:
    def spoil(text: str, draws: random.Random) -> str:
        said = _say(draws, phrases)
        if "```" in text:  # a fence opens a line of its own
            return f"{said.rstrip()}\n\n{_end(text)}"
        return f"{said}{glue}{_end(text)}"

    return spoil


def _append(phrases: Sequence[str]) -> _Spoil:
    def spoil(text: str, draws: random.Random) -> str:
        said = _say(draws, phrases)
        return f"{_end(text)}\n\n{said.lstrip()}" if "\n" in text or _CODE.search(text) else _end(text) + said

    return spoil


def _garble(text: str, draws: random.Random) -> str:
    """A sentence with quotes and accents at its end, read in one of two other encodings; the rest stays."""
    codec = draws.choice(["cp1252", "latin-1"])
    said = "It\u2019s the caf\u00e9\u2019s \u2014 and the na\u00efve clerk\u2019s \u2014 own."
    return f"{_end(text)} {said.encode().decode(codec, errors='ignore')}"


def _break(text: str, draws: random.Random) -> str:
    place = draws.randint(0, len(text))
    return text[:place] + draws.choice("\x00\ufffd\x07\x08") + text[place:]


def _lengthen(text: str, _: random.Random) -> str:
    """A text and then numbers in words of its own, so that nothing loops, up to _LONG_CHARS characters."""
    word = next((word for word in text.split() if word.isalpha()), "so")[:20]
    return _end(text) + " ".join(f"{word}{number}" for number in range(_LONG_CHARS // (len(word) + 5))) + "."


def _loop(text: str, draws: random.Random) -> str:
    """A word, or a phrase, of the text again and again after it."""
    words = [word for word in text.split() if word.isalpha() and len(word) > 1] or ["again"]
    size = draws.choice([1, 1, 2, 5, 9])
    start = draws.randrange(max(len(words) - size, 0) + 1)
    unit = " ".join(words[start : start + size])
    times = _LOOPS if size < 6 else _LOOPS // 2
    return f"{_end(text)} {' '.join([unit] * times)}."


_CODE = re.compile(r"[;{}=<>|]|\w\(")
_PLAIN = (
    "It is the first of the two that most people try before they look at the other one.",
    "You can find the same thing in the second part of the guide if you look closely.",
    "There are several ways to do this and the best one depends on what you need it for.",
)
_PUNCTUATED = ("de", "es", "fr", "ru")
_FINAL = re.compile(FINAL)
_LOOPED = ("= ", "> ", "+ ", "] ", "0; ", "! ")
_SWITCHED = (
    *("cut_off", "chat_tokens", "end_marker", "reasoning_block", "mojibake", "refusal", "self_reference"),
    "placeholder",
)
_ALONE = "structure/alone"
"""The slice of the other canaries: without fellows none of them is caught for its full stop."""
_OF_TEXTS = frozenset(
    """chat_tokens end_marker sentence_token reasoning_block mojibake misread lost_chinese broken_characters
    too_long repetition sign_loop wrong_language""".split()
)
"""What can be wrong with a row that is a text alone."""
_INNOCENT: Mapping[str, Callable[[str], bool]] = {
    "cut_off": asks_for_part,
    "no_final_punctuation": asks_for_part,
    "chat_tokens": asks_about_tokens,
    "end_marker": asks_about_tokens,
    "sentence_token": asks_about_tokens,
    "reasoning_block": asks_about_tokens,
    "other_speaker": asks_about_tokens,
    "bare_reasoning": asks_about_tags,
    "misread": asks_about_encoding,
    "lost_chinese": asks_about_encoding,
    "mojibake": asks_about_encoding,
    "cut_code": asks_for_part,
    "sign_loop": asks_for_repeats,
    "placeholder": asks_for_form,
    "repetition": asks_for_repeats,
    "wrong_language": asks_for_language,
}
"""What a prompt asks for that makes a kind of defect innocent."""

BARS: Mapping[str, float] = {
    "cut_off": 0.7,
    "placeholder": 0.7,
    "wrong_language": 0.7,
    "repetition": 0.7,
    "too_long": 0.8,
}
"""Bars of the kinds whose recall on real rows is less than all; of 20 canaries .7 is six missed."""
