"""Eval items in rows of the batch's own shape, as the contamination gate plants them: a kind for each check.

What is copied has to be found by words, choices by choices, what is reworded by its meaning, and a solution
by its behaviour. A rewording is taken where its likeness is neither slight nor plain (0.6 to 0.985), whatever
the bar in force. Rules are crude: they show a gate that is blind, not one
that sees everything.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary
from synth_stack.gates.contamination.eval_sets import EvalItems
from synth_stack.gates.contamination.rewording import read_task, rename_program, say_otherwise
from synth_stack.gates.contamination.selected_rewordings import Rewording, select_rewordings
from synth_stack.gates.contamination.short_list import ContaminationStages
from synth_stack.gates.contamination.verdicts import (
    ALIKE,
    LLM_JUDGE,
    MAY_SOLVE,
    NOT_DECIDED,
    PIECE,
    REPHRASED,
    SHARED_CHOICES,
    SHARED_NGRAM,
    SHARED_PASSAGE,
    SOLVES_ITEM,
)
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.text.spans import locate_words
from synth_stack.text.words import WORD, normalise, normalise_text, weigh_words

BARS: Mapping[str, float] = {
    "copied": 0.9,
    "in_other_formatting": 0.9,
    "excerpt": 0.9,
    "piece": 0.9,
    "excerpt_without_spaces": 0.9,
    "short_item": 0.9,
    "passage_copied": 0.9,
    "choices_copied": 0.9,
    "reworded": 0.7,
    "reworded_after_a_passage": 0.6,
    "reworded_program": 0.6,
    "solved_under_its_name": 0.8,
    "solved_with_other_names": 0.6,
}
"""The kinds, and the share of each that has to be caught: of words next to all are; of what is reworded or
solved some stand where a budget, a sandbox or an embedder may miss them."""

CAUGHT_AS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("copied", "in_other_formatting", "excerpt", "excerpt_without_spaces"), (SHARED_NGRAM,)),
    "short_item": (SHARED_NGRAM, REPHRASED, ALIKE),
    "piece": (PIECE, SHARED_NGRAM),
    "passage_copied": (SHARED_PASSAGE, SHARED_NGRAM),
    "choices_copied": (SHARED_CHOICES, SHARED_NGRAM),
    **{kind: (REPHRASED, ALIKE, LLM_JUDGE, NOT_DECIDED) for kind in BARS if kind.startswith("reworded")},
    **{kind: (SOLVES_ITEM, MAY_SOLVE) for kind in BARS if kind.startswith("solved")},
}
"""The reason classes that catch each kind: of what is reworded those of likeness, of what is solved those of
tests. A piece may be all of a short answer, and so may a long choice: either is told first. A short item with
fewer words than prove something is found by its likeness.
"""

_MOST_CHARS = 4_000  # of an item: a canary is a row like others
_TRIED_ITEMS = 2_000  # of a set, for each kind
_EXCERPT_WORDS = 18  # shorter pieces of long items are a quotation
_PIECE_WORDS = 13  # one more than is looked for as a rule; GPT-3's paper has as many
_PIECE_OF = (2 * _PIECE_WORDS + 2, 5 * _PIECE_WORDS - 5)
_UNSPACED_WORDS = 20
_WHOLE_WORDS = (8, 11)  # of an item that has to occur whole
_PASSAGE_WORDS = 60
_FEW_ITEMS = 3  # that share an excerpt: then it is none of them
_LEADS = ("Something to work on:", "Please help with this one.", "Another exercise.")
_SOLVED = "Here is what I have so far, does it look fine to you?"
_LABELS = "PQRSTUVWXYZ"
_WORDS = re.compile(r"\w\S*")

Pair = tuple[str, str | None]
"""A prompt, and an answer where the kind makes one."""

Rule = Callable[[EvalItems, int, np.random.Generator], Pair | None]


@dataclass(frozen=True, slots=True)
class PlantedItem:
    """A canary to be: what is said, and what is wrong with it."""

    pair: Pair
    wrong: str


def plant_items(stages: ContaminationStages, sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` rows of each kind in the shape of those in `sample`, each an item of a named set.

    `extra` names the set. An item that a rule does not fit is passed over, so sets of short items, say, give
    fewer rows of a kind, or none.
    """
    if not len(sample):
        return CANDIDATE_SCHEMA.empty_table()
    shapes = sample.select(["kind", "messages", "text"])
    rows: list[dict[str, Any]] = []
    for number, (kind, planted) in enumerate(_list_kinds(stages, n, seed)):
        for k, made in enumerate(islice(planted, n)):
            shape = shapes.slice((number + k) % len(sample), 1).to_pylist()[0]
            rows.append(_shape(shape, made, kind, draw=len(rows)))
    return build_candidates(rows) if rows else CANDIDATE_SCHEMA.empty_table()


def list_off(stages: ContaminationStages, *, behaviour: bool) -> tuple[str, ...]:
    """The kinds that the parameters of the gate switch off."""
    off = [] if stages.words.rule.is_run else ["excerpt", "excerpt_without_spaces"]
    off += [] if _takes_pieces(stages) else ["piece"]
    if stages.meanings is None:
        off += [kind for kind in BARS if kind.startswith("reworded")]
    if any(s.testable for s in stages.words.sets):
        off += [] if behaviour else ["solved_under_its_name"]
        off += [] if behaviour and stages.meanings is not None else ["solved_with_other_names"]
    return tuple(off)


def _list_kinds(
    stages: ContaminationStages, n: int, seed: int
) -> Iterator[tuple[str, Iterator[PlantedItem]]]:
    sets = stages.words.sets
    rules: list[tuple[str, Rule]] = [("copied", _copy), ("in_other_formatting", _reformat)]
    if stages.words.rule.is_run:
        rules += [("excerpt", _cut_out), ("excerpt_without_spaces", _cut_unspaced)]
    rules += [("piece", _cut_piece)] if _takes_pieces(stages) else []
    rules += [("short_item", _copy_short), ("passage_copied", _copy_passage), ("choices_copied", _offer)]
    if stages.can_run:
        rules += [("solved_under_its_name", partial(_solve, renamed=False))]
    if stages.can_run and stages.meanings is not None:
        rules += [("solved_with_other_names", partial(_solve, renamed=True))]
    for number, (kind, rule) in enumerate(rules):
        yield kind, _apply(rule, sets, np.random.default_rng([seed, number]))
    if stages.meanings is None:
        return
    reworded = select_rewordings(stages, n, np.random.default_rng([seed, len(rules)]))
    for kind in (kind for kind in BARS if kind.startswith("reworded")):
        yield kind, (_plant_rewording(one) for one in reworded.get(kind, []))


def _plant_rewording(one: Rewording) -> PlantedItem:
    return PlantedItem((one.prompt, one.answer), f"an item of {one.eval_set}, in other words")


def _apply(rule: Rule, sets: Sequence[EvalItems], rng: np.random.Generator) -> Iterator[PlantedItem]:
    """What the rule makes of the items, a set after the other in turn."""
    orders = [(s, rng.permutation(len(s.ids))[:_TRIED_ITEMS].tolist()) for s in sets]
    for turn in range(max((len(order) for _, order in orders), default=0)):
        for eval_set, order in orders:
            if turn < len(order) and len(eval_set.prompts[order[turn]]) <= _MOST_CHARS:
                pair = rule(eval_set, order[turn], rng)
                if pair is not None:
                    yield PlantedItem(pair, f"an item of {eval_set.name}")


def _shape(shape: dict[str, Any], made: PlantedItem, kind: str, *, draw: int) -> dict[str, Any]:
    prompt, answer = made.pair
    if not shape["messages"]:
        content = prompt if answer is None else f"{prompt}\n\n{answer}"
        return build_canary(
            shape["kind"], [{"role": "text", "content": content}], made.wrong, draw, kind=kind
        )
    answer = answer or shape["messages"][-1]["content"] or "Certainly."
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return build_canary(shape["kind"], messages, made.wrong, draw, kind=kind)


def _is_own(eval_set: EvalItems, *pieces: str) -> bool:
    """Whether none of the pieces of an item is what several items of its set have."""
    return all(sum(piece in prompt for prompt in eval_set.prompts) < _FEW_ITEMS for piece in pieces)


def _copy(eval_set: EvalItems, item: int, rng: np.random.Generator) -> Pair | None:
    prompt = eval_set.prompts[item]
    if len(_WORDS.findall(prompt)) <= _WHOLE_WORDS[1] or not _is_own(eval_set, prompt):
        return None
    lead = _LEADS[rng.integers(len(_LEADS))]
    return f"{lead}\n\n{prompt}\n\nThank you.", None


def _copy_short(eval_set: EvalItems, item: int, rng: np.random.Generator) -> Pair | None:
    fewest, most = _WHOLE_WORDS
    prompt = eval_set.prompts[item]
    if not fewest <= len(_WORDS.findall(prompt)) <= most:
        return None
    return _copy_any(eval_set, prompt, rng)


def _copy_any(eval_set: EvalItems, prompt: str, rng: np.random.Generator) -> Pair | None:
    lead = _LEADS[rng.integers(len(_LEADS))]
    return (f"{lead} {prompt} Thank you.", None) if _is_own(eval_set, prompt) else None


def _reformat(eval_set: EvalItems, item: int, _: np.random.Generator) -> Pair | None:
    prompt = eval_set.prompts[item]
    words = _WORDS.findall(prompt)
    if len(words) <= _WHOLE_WORDS[1] or not _is_own(eval_set, prompt):
        return None
    lines = [" ".join(words[k : k + 7]) for k in range(0, len(words), 7)]
    return "\n".join(f"> **{line.upper()}**" for line in lines), None


def _cut_out(eval_set: EvalItems, item: int, rng: np.random.Generator) -> Pair | None:
    piece = _draw_words(eval_set, item, _EXCERPT_WORDS, rng)
    return None if piece is None else (f"Go on from here: {piece}", None)


def _cut_piece(eval_set: EvalItems, item: int, rng: np.random.Generator) -> Pair | None:
    """A piece that is less than half of its item, and more than the fifth below which it is a quotation."""
    fewest, most = _PIECE_OF
    if not fewest <= _count_words(eval_set.prompts[item]) <= most:
        return None
    piece = _draw_words(eval_set, item, _PIECE_WORDS, rng)
    if piece is None or _count_words(piece) > _PIECE_WORDS:
        return None
    return f"Go on from here: {piece}", None


def _draw_words(eval_set: EvalItems, item: int, words: int, rng: np.random.Generator) -> str | None:
    """So many words of an item in a row; None where it is shorter, or where other items have them too."""
    prompt = eval_set.prompts[item]
    spoken = list(_WORDS.finditer(prompt))
    if len(spoken) <= words:
        return None
    start = int(rng.integers(len(spoken) - words))
    said = spoken[start : start + words]
    # each run of 12 words holds a whole third, so none of them is what several items have
    thirds = (said[k : k + words // 3] for k in range(0, words - words // 3 + 1, words // 3))
    own = _is_own(eval_set, *(prompt[some[0].start() : some[-1].end()] for some in thirds))
    return prompt[said[0].start() : said[-1].end()] if own else None


def _count_words(text: str) -> int:
    return len(normalise_text(text, punctuation=False).split())


def _takes_pieces(stages: ContaminationStages) -> bool:
    """Whether a piece of so few words is looked for."""
    rule = stages.words.rule
    return stages.holds_pieces and rule.is_run and rule.n <= _PIECE_WORDS


def _cut_unspaced(eval_set: EvalItems, item: int, rng: np.random.Generator) -> Pair | None:
    """A piece that weighs 20 words, of a prompt in a script without spaces."""
    import polars as pl

    prompt = eval_set.prompts[item]
    if prompt.isascii():
        return None
    text = pl.Series([prompt])
    weights = weigh_words(normalise(text, punctuation=False))
    if weights is None or (weights < WORD).mean() < 0.5 or weights.sum() <= _UNSPACED_WORDS * WORD:
        return None
    places = locate_words(text, punctuation=False)
    after = np.cumsum(weights[::-1])[::-1]
    start = int(rng.integers(np.count_nonzero(after >= _UNSPACED_WORDS * WORD)))
    stop = start + int(np.searchsorted(np.cumsum(weights[start:]), _UNSPACED_WORDS * WORD))
    piece = prompt[places["start"][start] : places["end"][min(stop, len(places) - 1)]]
    third = len(piece) // 3 + 1
    thirds = (piece[k : k + third] for k in range(0, len(piece), third))
    return (f"{piece}……", None) if _is_own(eval_set, *thirds) else None


def _copy_passage(eval_set: EvalItems, item: int, _: np.random.Generator) -> Pair | None:
    passage = eval_set.passages[item]
    if passage is None or not len(_WORDS.findall(passage)) >= _PASSAGE_WORDS or len(passage) > _MOST_CHARS:
        return None
    return f"Sum this up in a sentence.\n\n{passage}", None


def _offer(eval_set: EvalItems, item: int, rng: np.random.Generator) -> Pair | None:
    """The choices of an item, in another order and with other letters, after another question."""
    choices = list(dict.fromkeys(eval_set.choices[item]))
    words = sum(len(_WORDS.findall(choice)) for choice in choices)
    if not 3 <= len(choices) <= len(_LABELS) or words < 3 * len(choices) or words < 2 * _WHOLE_WORDS[0]:
        return None
    every = [c for offered in eval_set.choices for c in dict.fromkeys(offered)]
    if any(every.count(choice) >= _FEW_ITEMS for choice in choices):
        return None
    order = rng.permutation(len(choices)).tolist()
    lines = [f"- {choices[k]}" for k in order]
    return "Put what is said here into your own words, one after the other.\n" + "\n".join(lines), None


def _solve(eval_set: EvalItems, item: int, _: np.random.Generator, *, renamed: bool) -> Pair | None:
    """The item's own solution with other names, its own aside or not; None where it is no Python."""
    entry_point, answer = eval_set.entry_points[item], eval_set.answers[item]
    if not entry_point or not eval_set.tests[item] or not answer or len(answer) > _MOST_CHARS:
        return None
    prompt = eval_set.prompts[item]
    source = answer if f"def {entry_point}" in answer else prompt + answer
    code = rename_program(source, keep=None if renamed else entry_point)
    if code is None:
        return None
    if not renamed:
        return _SOLVED, f"```python\n{code}\n```"
    task = read_task(source, entry_point) or (prompt if source == answer else None)
    return None if task is None else (f"{say_otherwise(task)} Use Python.", f"```python\n{code}\n```")
