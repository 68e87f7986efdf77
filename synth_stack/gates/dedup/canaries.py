"""Copies of a batch's rows that dedup has to find, kind by kind, and rows beside them that are none.

All are made from the rows of a sample, by code that the gate does not compare with, and how hard they are
does not depend on its parameters. An edit exchanges one word in 60 of the row (a Jaccard similarity of 0.9)
or fewer. Rows share a text here where three questions of the sample begin with the same 34 words.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.dedup.row_parts import Field
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

BARS: Mapping[str, float] = {
    "exact_copy": 0.9,
    "light_edit": 0.6,
    "answer_edited": 0.6,
    "dialogue_edited": 0.6,
    "question_edited_beside_shared_text": 0.6,
    "shared_text_edited": 0.6,
}
"""At least 0.89 of each kind are found on rc_en, cls_template, glaive_tools, alpaca_demo and gpteacher, which
with twenty of a kind comes below 0.6 once in 10,000 batches; none is where its check is off."""

SHARED_KINDS = ("question_edited_beside_shared_text", "shared_text_edited")

_OFTEN_EDITED = 11
"""One word in so many is exchanged in a row that is another one: half of its 3-grams are its own."""
_LIKENESS = (0.5, 0.62)
_OTHER_QUESTION, _OTHER_ANSWER = "other_question_beside_shared_text", "other_answer"
_EDITED_WORDS = 60
"""One word in so many is exchanged."""
_SHARED_PIECES = 68
_SHARED_ROWS = 3
_FELLOWS = 30
_OTHER = 0.5
"""Below this share of common words two questions, or two answers, are others."""
_EDITED = 0.88
"""An edited copy is at least as similar as that to its row, by 3-grams of words; a row that repeats itself
may lose more to one edit."""
_MOSTLY = 8
"""What is common to two rows has to be eight times as long as what is not, to make them alike by the
whole."""
_TRIED = 20
_MIN_SLOT = 8
"""Of fewer words than seven, all have to be the same."""
_PIECES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]"
    "|[^\\s\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+|\\s+"
)
"""Words, characters of scripts written without spaces, and white space."""

_AROUND = " \t\r\n.,;:!?\"'()[]。，、？！"
"""What is not counted as a difference of words."""

_Message = dict[str, Any]
_Row = dict[str, Any]
_Made = tuple[list[_Message], str] | None
"""The messages of a planted row and what there is to say of it; None for a row that gives none."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A row of the sample: its messages (one in the role "text" for a row without), where its question stands
    among them where it has one alone, how many pieces of the question other rows of the sample share (0:
    none), and the words of what follows that in those rows.
    """

    row: _Row
    messages: list[_Message]
    question: int | None
    shared: int = 0
    fellows: tuple[frozenset[str], ...] = ()

    @property
    def beginning(self) -> tuple[str, ...]:
        """The pieces that the question begins with, none of a short one."""
        pieces = self.split(self.question)
        return tuple(pieces[:_SHARED_PIECES]) if len(pieces) > _SHARED_PIECES else ()

    @property
    def answer(self) -> int | None:
        """Where the last answer stands."""
        found = [k for k, said in enumerate(self.messages) if said["role"] == "assistant" and said["content"]]
        return found[-1] if found else None

    def split(self, number: int | None) -> list[str]:
        """The pieces of a message."""
        return [] if number is None else _PIECES.findall(self.messages[number]["content"] or "")

    def put(self, contents: Mapping[int, str]) -> list[_Message]:
        """The messages with some of their contents exchanged."""
        return [said | {"content": contents.get(k, said["content"])} for k, said in enumerate(self.messages)]


def plant_duplicates(sample: pa.Table, n: int, seed: int, *, field: Field, apart: bool) -> pa.Table:
    """Up to `n` canaries of each kind that the rows of the sample give; `apart`: shared text is set apart."""
    kinds = {
        "text": tuple(BARS),
        "prompt": ("exact_copy", "light_edit", *SHARED_KINDS),
        "answer": ("exact_copy", "answer_edited"),
    }[field]
    left_out = () if apart else SHARED_KINDS
    makers = {kind: _CANARIES[kind] for kind in kinds if kind not in left_out}
    return _make(sample, n, seed, makers, build_canary)


def plant_controls(sample: pa.Table, n: int, seed: int, *, field: Field, apart: bool) -> pa.Table:
    """Up to `n` innocent rows of each kind that the rows of the sample give."""
    kinds = {"text": tuple(_CONTROLS), "prompt": (_OTHER_QUESTION,), "answer": ()}[field]
    left_out = () if apart else (_OTHER_QUESTION, _OTHER_ANSWER)
    makers = {kind: _CONTROLS[kind] for kind in kinds if kind not in left_out}
    return _make(sample, n, seed, makers, build_control)


def _make(
    sample: pa.Table,
    n: int,
    seed: int,
    makers: Mapping[str, "_Maker"],
    build: Callable[..., _Row],
) -> pa.Table:
    sources = _read_sources(sample)
    there = {_list_said(source.messages) for source in sources}
    rows = []
    for number, (kind, make) in enumerate(makers.items()):
        rng = np.random.default_rng([seed, number])
        made = 0
        for place in rng.permutation(len(sources)):
            found = make(sources[place], sources, rng) if made < n else None
            if found is None:
                continue
            if kind in _CONTROLS:  # of few rows the same may come twice, or be there: that is no innocent row
                fits = _list_said(found[0]) not in there
                there.add(_list_said(found[0]))
            else:
                fits = _is_near(sources[place], found[0])
            if fits:
                rows.append(_shape(build, sources[place].row, found, kind, made))
                made += 1
    return build_candidates(rows)


def _list_said(messages: list[_Message]) -> tuple[str, ...]:
    return tuple(message["content"] or "" for message in messages)


def _is_near(source: _Source, messages: list[_Message]) -> bool:
    one, other = (_list_grams(some) for some in (source.messages, messages))
    return len(one & other) >= _EDITED * len(one | other)


def _list_grams(messages: list[_Message]) -> set[tuple[str, ...]]:
    text = " ".join(message["content"] or "" for message in messages).lower()
    words = [piece for piece in _PIECES.findall(text) if piece.strip()]
    return {tuple(words[k : k + 3]) for k in range(max(len(words) - 2, 1))}


def _shape(
    build: Callable[..., _Row], source: _Row, found: tuple[list[_Message], str], kind: str, draw: int
) -> _Row:
    messages, said = found
    planted = build(source["kind"], messages, f"{said} {source['row_id']}", draw, kind=kind)
    if messages[0]["role"] == "text":
        return planted
    kept = {name: source[name] for name in ("slice", "locale", "tools", "alternatives", "documents")}
    return planted | kept | {"text": join_text(messages, source["alternatives"])}


def _read_sources(sample: pa.Table) -> list[_Source]:
    """The rows of the sample that say something, each with the text that its question shares with others."""
    found, begun = [], defaultdict(set)
    for row in sample.to_pylist():
        if not (row["text"] or "").strip():
            continue
        # what is not what the messages say cannot be made anew from them
        parted = row["messages"] and join_text(row["messages"], row["alternatives"]) == row["text"]
        messages = row["messages"] if parted else [{"role": "text", "content": row["text"]}]
        asked = [k for k, said in enumerate(messages) if said["role"] in ("user", "text") and said["content"]]
        source = _Source(row, messages, asked[0] if len(asked) == 1 else None)
        found.append(source)
        begun[source.beginning].add(tuple(source.split(source.question)))
    return [_find_fellows(source, begun[source.beginning]) for source in found]


def _find_fellows(source: _Source, alike: set[tuple[str, ...]]) -> _Source:
    """The source, with what its question shares with those that begin alike, if the rest of it is its own."""
    mine = tuple(source.split(source.question))
    others = sorted(alike - {mine})[:_FELLOWS]
    if not source.beginning or len(others) + 1 < _SHARED_ROWS:
        return source
    shared = max(_count_same(mine, other) for other in others)
    fellows = tuple(_list_words(other[shared:]) for other in others)
    rest = _list_words(mine[shared:])
    own = all(_compare(rest, fellow) < _OTHER for fellow in fellows)
    return replace(source, shared=shared, fellows=fellows) if own and rest else source


def _count_same(one: Sequence[str], other: Sequence[str]) -> int:
    """How many pieces two begin with alike."""
    return next(
        (k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _list_words(pieces: Sequence[str]) -> frozenset[str]:
    return frozenset(bare for piece in pieces if (bare := piece.lower().strip(_AROUND)))


def _compare(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / max(len(one) + len(other), 1)


def _count_words(pieces: Sequence[str]) -> int:
    return sum(not piece.isspace() for piece in pieces)


def _exchange(pieces: list[str], first: int, edits: int, rng: np.random.Generator) -> str | None:
    """The text with so many words from piece `first` on exchanged for others of it; None where there are
    none.
    """
    words = sorted({piece for piece in pieces if piece.strip()})
    places = [k for k in range(first, len(pieces)) if pieces[k].strip()]
    if len(words) < 2 or len(places) < edits:
        return None
    changed = list(pieces)
    for k in rng.choice(places, edits, replace=False):
        changed[k] = next(word for word in rng.permutation(words) if word.lower() != pieces[k].lower())
    return "".join(changed)


def _edit(source: _Source, number: int | None, said: str, rng: np.random.Generator) -> _Made:
    """The row with a word in 60 exchanged in one message, where that is no more than one in 20 of it."""
    pieces = source.split(number)
    whole = _count_words(_PIECES.findall(source.row["text"]))
    edits = min(whole // _EDITED_WORDS, _count_words(pieces) // 20)
    content = _exchange(pieces, 0, edits, rng) if edits and number is not None else None
    return None if content is None or number is None else (source.put({number: content}), said)


def _copy(source: _Source, _: Sequence[_Source], __: np.random.Generator) -> _Made:
    spaced = {k: f" {said['content']} " for k, said in enumerate(source.messages) if said["content"]}
    return source.put(spaced), "copy of"


def _edit_lightly(source: _Source, _: Sequence[_Source], rng: np.random.Generator) -> _Made:
    if source.shared:
        return None
    longest = max(range(len(source.messages)), key=lambda k: len(source.split(k)))
    return _edit(source, longest, "copy with a word in 60 exchanged, of", rng)


def _edit_answer(source: _Source, _: Sequence[_Source], rng: np.random.Generator) -> _Made:
    return _edit(source, source.answer, "copy with some words of the answer exchanged, of", rng)


def _edit_dialogue(source: _Source, _: Sequence[_Source], rng: np.random.Generator) -> _Made:
    asked = [k for k, said in enumerate(source.messages) if said["role"] == "user"]
    if len(asked) < 2:
        return None
    longest = max(asked, key=lambda k: len(source.split(k)))
    return _edit(source, longest, "copy with some words of a user exchanged, of", rng)


def _edit_slot(source: _Source, _: Sequence[_Source], rng: np.random.Generator) -> _Made:
    pieces = source.split(source.question)
    whole = _count_words(_PIECES.findall(source.row["text"]))
    if not source.shared or whole < _EDITED_WORDS or len(_list_words(pieces[source.shared :])) < _MIN_SLOT:
        return None
    return _put_question(
        source, _exchange(pieces, source.shared, 1, rng), "its own question, a word exchanged, of"
    )


def _edit_shared(source: _Source, _: Sequence[_Source], rng: np.random.Generator) -> _Made:
    pieces = source.split(source.question)
    if not source.shared or _count_words(_PIECES.findall(source.row["text"])) < _EDITED_WORDS:
        return None
    content = _exchange(pieces[: source.shared], 0, 1, rng)
    rest = "".join(pieces[source.shared :])
    return _put_question(
        source, None if content is None else content + rest, "a word of its shared text exchanged, of"
    )


def _put_question(source: _Source, content: str | None, said: str) -> _Made:
    return (
        None if content is None or source.question is None else (source.put({source.question: content}), said)
    )


def _ask_other(source: _Source, sources: Sequence[_Source], rng: np.random.Generator) -> _Made:
    """The same shared text and the same answer, and a third of the words of the question from other rows."""
    pieces = source.split(source.question)
    places = [k for k in range(source.shared, len(pieces)) if _list_words(pieces[k : k + 1])]
    if not source.shared or len(places) < _MIN_SLOT:
        return None
    others = [sources[k].split(sources[k].question) for k in rng.permutation(len(sources))[:_TRIED]]
    held = _list_words(pieces)
    fresh = sorted({word for other in others for word in _list_words(other)} - held)
    exchanged = np.sort(rng.choice(places, len(places) // 3 + 1, replace=False))
    if len(fresh) < len(exchanged):
        return None
    for place, word in zip(exchanged, rng.choice(fresh, len(exchanged), replace=False), strict=True):
        pieces[place] = str(word)
    words = _list_words(pieces[source.shared :])
    if any(_compare(words, fellow) >= _OTHER for fellow in source.fellows):
        return None
    return _put_question(source, "".join(pieces), "another question beside the shared text of")


def _answer_other(source: _Source, sources: Sequence[_Source], rng: np.random.Generator) -> _Made:
    """The same question, most of the row, and the answer of another row."""
    answer = source.answer
    asked, answered = len(source.split(source.question)), source.split(answer)
    if answer is None or asked < _MOSTLY * len(answered):
        return None
    for place in rng.permutation(len(sources))[:_TRIED]:
        other = sources[place].split(sources[place].answer)
        if (
            len(other) <= 2 * len(answered)
            and _compare(_list_words(answered), _list_words(other)) < _OTHER
            and other
        ):
            return source.put({answer: "".join(other)}), "the question with another answer, of"
    return None


def _ask_else(source: _Source, sources: Sequence[_Source], rng: np.random.Generator) -> _Made:
    """The same answer, most of the row, to the question of another row."""
    answer = source.answer
    asked, answered = source.split(source.question), len(source.split(answer))
    if answer is None or source.question is None or answered < _MOSTLY * len(asked):
        return None
    for place in rng.permutation(len(sources))[:_TRIED]:
        other = sources[place]
        pieces = other.split(other.question)
        questions = _compare(_list_words(asked), _list_words(pieces))
        answers = _compare(_list_words(other.split(other.answer)), _list_words(source.split(answer)))
        if pieces and max(questions, answers) < _OTHER:
            return _put_question(source, "".join(pieces), "its answer to another question, of")
    return None


def _talk_else(source: _Source, sources: Sequence[_Source], rng: np.random.Generator) -> _Made:
    """The same system prompt, and another dialogue: the user of one other row, the assistant of a second."""
    if source.messages[0]["role"] != "system" or not source.messages[0]["content"]:
        return None
    said: list[_Message] = [source.messages[0]]
    for role, place in zip(("user", "assistant"), rng.permutation(len(sources)), strict=False):
        said += [
            message for message in sources[place].messages if message["role"] == role and message["content"]
        ][:1]
    mine = _list_words(_PIECES.findall(" ".join(m["content"] or "" for m in source.messages[1:])))
    other = _list_words(_PIECES.findall(" ".join(m["content"] or "" for m in said[1:])))
    if len(said) < 3 or source.row["alternatives"] or _compare(mine, other) >= _OTHER:
        return None
    return said, "another dialogue under the system prompt of"


def _say_otherwise(source: _Source, sources: Sequence[_Source], rng: np.random.Generator) -> _Made:
    """A row in which one word in eleven is of another row, and more than half of the 3-grams are the same."""
    if source.shared or source.row["alternatives"]:
        return None
    other = sources[int(rng.integers(len(sources)))]
    fresh = sorted(
        _list_words(_PIECES.findall(other.row["text"])) - _list_words(_PIECES.findall(source.row["text"]))
    )
    contents = {}
    for number in range(len(source.messages)):
        pieces = source.split(number)
        places = [k for k, piece in enumerate(pieces) if _list_words([piece])]
        for place in places[_OFTEN_EDITED // 2 :: _OFTEN_EDITED] if fresh else ():
            pieces[place] = str(rng.choice(fresh))
        contents[number] = "".join(pieces)
    made = source.put(contents)
    one, another = _list_grams(source.messages), _list_grams(made)
    least, most = _LIKENESS
    if not least < len(one & another) / len(one | another) < most:
        return None
    return made, "one word in eleven is another than in"


_Maker = Callable[[_Source, Sequence[_Source], np.random.Generator], _Made]
_CANARIES: Mapping[str, _Maker] = {
    "exact_copy": _copy,
    "light_edit": _edit_lightly,
    "answer_edited": _edit_answer,
    "dialogue_edited": _edit_dialogue,
    "question_edited_beside_shared_text": _edit_slot,
    "shared_text_edited": _edit_shared,
}
_CONTROLS: Mapping[str, _Maker] = {
    _OTHER_QUESTION: _ask_other,
    _OTHER_ANSWER: _answer_other,
    "answer_to_other_question": _ask_else,
    "other_dialogue_under_system_prompt": _talk_else,
    "one_word_in_eleven": _say_otherwise,
}
