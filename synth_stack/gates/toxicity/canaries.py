"""Canaries and controls of the toxicity gate: lines amid the sentences of the batch's own rows.

A canary keeps its row and gets one bad line between two of its sentences, at a place that is drawn. A control
keeps the roles of its row and about as many sentences, but says something else, so that it is innocent
whatever the row was: everyday sentences, with one among them that a scorer may take for bad. Of either
there is a kind whose lines, said alone, are just beyond the bar of hate-ngrams and just below it.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.word_lists import read_neutral, read_sections
from synth_stack.rows.schemas import build_candidates
from synth_stack.rows.texts import join_text

KINDS = ("hate", "swear")
"""What canaries hold of which a scorer is to tell; `tone` where a language model is asked."""

INNOCENT = {
    "identity": "people named by what they are",
    "medical": "the body and its illnesses",
    "everyday": "words that also insult",
    "reported": "talk about what is bad",
}
"""The kinds of controls, and what could be mistaken in each."""

NEAR_BAR = ("plain_hate", "talk_of_groups")
"""A kind of canaries, and one of controls, near the bar of hate-ngrams."""

_QUESTION = "What do they say about it?"
_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")
_CONTROL_SENTENCES = 12
_WORDS_A_SENTENCE = 15
_KEPT = ("slice", "locale", "tools", "documents")


def plant_lines(sample: pa.Table, n: int, seed: int, kinds: Collection[str]) -> pa.Table:
    """`n` canaries of each kind, none for an empty sample: rows of it with a line put into what is said."""
    draws = np.random.default_rng(seed)
    canaries: list[dict[str, Any]] = []
    for kind in kinds if len(sample) else ():
        lines = read_sections(__package__, "canaries")[kind]
        order = draws.permutation(len(lines))
        for number in range(n):
            row = _draw_row(sample, draws)
            line = lines[order[number % len(lines)]]
            if kind in NEAR_BAR:
                canaries.append(_say_alone(build_canary, row, line, kind, len(canaries)))
            else:
                canaries.append(_spoil(row, line, kind, len(canaries), draws))
    return build_candidates(canaries)


def build_controls(sample: pa.Table, n: int, seed: int, *, near_bar: bool = False) -> pa.Table:
    """`n` controls of each kind of INNOCENT from the rows in English, none where there is none; `near_bar`:
    and of that which is near the bar of hate-ngrams.
    """
    draws = np.random.default_rng(seed)
    controls: list[dict[str, Any]] = []
    english = sample.filter(_find_english(sample)) if len(sample) else sample
    for kind, what in INNOCENT.items() if len(english) else ():
        lines = read_sections(__package__, "canaries")[kind]
        order = draws.permutation(len(lines))
        for number in range(n):
            row = _draw_row(english, draws)
            spoken = _replace(row, lines[order[number % len(lines)]], draws)
            control = build_control(row["kind"], spoken, what, len(controls), kind=kind)
            controls.append(control | {name: row[name] for name in ("slice", "locale")})
    kind = NEAR_BAR[1]
    lines = read_sections(__package__, "canaries")[kind]
    for number in range(n if near_bar and len(english) else 0):
        row, line = _draw_row(english, draws), lines[number % len(lines)]
        controls.append(_say_alone(build_control, row, line, kind, len(controls)))
    return build_candidates(controls)


def _say_alone(
    build: Callable[..., dict[str, Any]], row: Mapping[str, Any], line: str, kind: str, draw: int
) -> dict[str, Any]:
    """A row of the kind, slice and locale of this one, in which a question is answered by the line."""
    said = [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": line}]
    made = build(row["kind"], said, kind.replace("_", " "), draw, kind=kind)
    return made | {name: row[name] for name in ("slice", "locale")}


def _draw_row(sample: pa.Table, draws: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = sample.slice(int(draws.integers(len(sample))), 1).to_pylist()[0]
    return row


def _spoil(
    row: Mapping[str, Any], line: str, kind: str, draw: int, draws: np.random.Generator
) -> dict[str, Any]:
    """The row with the line in its last answer; of a row with alternatives, in the first of these."""
    sides = [side for side in row["alternatives"] or () if side["messages"]]
    messages = row["messages"] or [{"role": "text", "content": row["text"]}]
    if sides:
        sides[0] = sides[0] | {"messages": _put_in(sides[0]["messages"], line, draws)}
    else:
        messages = _put_in(messages, line, draws)
    canary = build_canary(row["kind"], messages, f"{kind} in an answer", draw, kind=kind)
    kept = {name: row[name] for name in _KEPT}
    return canary | kept | {"alternatives": sides or None, "text": join_text(messages, sides)}


def _put_in(
    messages: Sequence[Mapping[str, Any]], line: str, draws: np.random.Generator
) -> list[dict[str, Any]]:
    """The messages with the line between two sentences of the last answer, or in an answer of its own."""
    spoken = [dict(message) for message in messages]
    if spoken[-1]["role"] not in {"assistant", "text"}:
        spoken.append({"role": "assistant", "content": None})
    content = spoken[-1].get("content") or ""
    places = [0, *[match.end() for match in _BREAK.finditer(content)], len(content)]
    place = places[int(draws.integers(len(places)))]
    spoken[-1]["content"] = f"{content[:place].rstrip()}\n{line}\n{content[place:].lstrip()}".strip()
    return spoken


def _replace(row: Mapping[str, Any], line: str, draws: np.random.Generator) -> list[dict[str, Any]]:
    """The messages of a row, about as many everyday sentences in each, and the line in the last."""
    messages = [m for m in row["messages"] or () if m["role"] != "tool"]
    messages = messages or [{"role": "text", "content": row["text"]}]
    neutral = read_neutral()
    said = []
    for message in messages:
        size = len((message["content"] or "").split()) // _WORDS_A_SENTENCE
        count = min(max(size, 1), _CONTROL_SENTENCES)
        said.append([neutral[int(k)] for k in draws.integers(len(neutral), size=count)])
    said[-1].insert(int(draws.integers(len(said[-1]) + 1)), line)
    return [
        {"role": message["role"], "content": " ".join(sentences)}
        for message, sentences in zip(messages, said, strict=True)
    ]


def _find_english(sample: pa.Table) -> pa.Array:
    """Which rows may be in English: the locale does not say otherwise, nor the script."""
    import polars as pl

    rows = pl.DataFrame({"text": pl.from_arrow(sample["text"]), "locale": pl.from_arrow(sample["locale"])})
    letters, latin = (pl.col("text").str.count_matches(c).fill_null(0) for c in (r"\pL", r"[A-Za-z]"))
    other = pl.col("locale").str.starts_with("en").fill_null(value=True).not_()
    return rows.select((latin * 2 >= letters) & ~other).to_series().to_arrow()
