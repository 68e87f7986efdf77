"""Innocent rows that come near an eval item, as the contamination gate plants them to see whether they pass.

They have what an exam has in common with everything else: its instructions, its topics, a few of its words
in a row, answers to choose from. What they say is written here, whatever the row is that lends its shape.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_control
from synth_stack.gates.contamination.likelihood import read_words
from synth_stack.gates.contamination.ngram_overlap import WordIndex
from synth_stack.gates.contamination.ngram_table import roll_ngrams, weigh
from synth_stack.gates.contamination.short_list import ContaminationStages
from synth_stack.gates.word_lists import read_neutral
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.text.ragged import spread
from synth_stack.text.spans import find_longest_spans
from synth_stack.text.words import hash_words, normalise, weigh_words

_TRIED_ITEMS = 400  # of a set, for each kind
_QUOTED_WORDS = 7  # no item is so short, and no convention takes so few
_FEWEST_WORDS = 30  # of the item that a few words are quoted from
_MOST_FORM_CHARS = 400
_TOPIC_LETTERS = re.compile(r"[a-z]{5,}")
_WORDS = re.compile(r"\w\S*")
_INSTRUCTIONS = (
    "Answer the question below. Answer with A, B, C or D and nothing else.",
    "Think step by step, and put your final answer on the last line.",
    "Read the following passage and answer the question below it.",
    "Complete the function below so that it does what its docstring says.",
)
_CHOICES = "\nA. Yes\nB. No\nC. Both of the above\nD. None of the above"
_ANSWER = "Certainly, here is what I would say about it."


def control_items(stages: ContaminationStages, sample: pa.Table, n: int, seed: int) -> pa.Table:
    """Up to `n` rows of each kind in the shape of those in `sample`."""
    if not len(sample):
        return CANDIDATE_SCHEMA.empty_table()
    shapes = sample.select(["kind", "messages"])
    rows: list[dict[str, Any]] = []
    kinds = {
        "instructions_of_an_exam": _instruct(),
        "own_boilerplate": _repeat_form(stages.words, np.random.default_rng([seed, 1])),
        "same_topic": _name_topic(stages, np.random.default_rng([seed, 2])),
        "a_few_words": _quote(stages.words, np.random.default_rng([seed, 3])),
    }
    for number, (kind, prompts) in enumerate(kinds.items()):
        for k, prompt in enumerate(islice(prompts, n)):
            shape = shapes.slice((number + k) % len(sample), 1).to_pylist()[0]
            rows.append(_shape(shape, prompt, kind, draw=len(rows)))
    return build_candidates(rows) if rows else CANDIDATE_SCHEMA.empty_table()


def _shape(shape: dict[str, Any], prompt: str, kind: str, *, draw: int) -> dict[str, Any]:
    innocent = kind.replace("_", " ")
    if not shape["messages"]:
        said = [{"role": "text", "content": f"{prompt}\n\n{_ANSWER}"}]
        return build_control(shape["kind"], said, innocent, draw, kind=kind)
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": _ANSWER}]
    return build_control(shape["kind"], messages, innocent, draw, kind=kind)


def _instruct() -> Iterator[str]:
    """Everyday tasks with the instructions and the choices that many exams have."""
    for k, task in enumerate(read_neutral()):
        yield f"{_INSTRUCTIONS[k % len(_INSTRUCTIONS)]}\n\n{task}{_CHOICES}"


def _repeat_form(index: WordIndex, rng: np.random.Generator) -> Iterator[str]:
    """What many items of a set have in common, before an everyday task."""
    import polars as pl

    neutral = read_neutral()
    for number, (eval_set, stock) in enumerate((s, index.stock[0]) for s in index.sets):
        chosen = rng.permutation(len(eval_set.ids))[:_TRIED_ITEMS]
        prompts = pl.Series([eval_set.prompts[k] for k in chosen.tolist()], dtype=pl.String)
        normalised = normalise(prompts, punctuation=False)
        said = weigh(hash_words(normalised), weigh_words(normalised))
        grams, sizes = roll_ngrams(said, index.rule.n)
        owner = np.full(len(prompts), number)
        common = stock.holds(grams, owner, np.ones(len(prompts), dtype=bool))
        held = np.unique(np.repeat(np.arange(len(prompts)), grams.lengths)[common])
        if not len(held):
            continue
        mine = grams.take(held)
        at = spread(grams.offsets[held], mine.lengths)
        spans = find_longest_spans(prompts.gather(held), common[at], mine, sizes[at], punctuation=False)
        for k, (span, start, end) in enumerate(spans.iter_rows()):
            if end - start <= _MOST_FORM_CHARS:
                yield f"{span} {neutral[(number + k) % len(neutral)]}"


def _name_topic(stages: ContaminationStages, rng: np.random.Generator) -> Iterator[str]:
    """A word of an item in another question."""
    common = {word for task in read_neutral() for word in read_words(task)}
    for eval_set in stages.words.sets:
        for item in rng.permutation(len(eval_set.ids))[:_TRIED_ITEMS].tolist():
            words = _TOPIC_LETTERS.findall(eval_set.prompts[item].lower())
            rare = [word for word in words if not read_words(word) & common]
            if rare and len(words) >= _FEWEST_WORDS // 3:
                yield f"Give me three tips for a short talk at school in which the word {rare[0]} occurs."


def _quote(index: WordIndex, rng: np.random.Generator) -> Iterator[str]:
    """A few words of a long item, which anybody may write."""
    neutral = read_neutral()
    for eval_set in index.sets:
        for item in rng.permutation(len(eval_set.ids))[:_TRIED_ITEMS].tolist():
            spoken = _WORDS.findall(eval_set.prompts[item])
            if len(spoken) >= _FEWEST_WORDS:
                start = int(rng.integers(len(spoken) - _QUOTED_WORDS))
                quoted = " ".join(spoken[start : start + _QUOTED_WORDS])
                task = neutral[int(rng.integers(len(neutral)))]
                yield f"{task} Somebody wrote: {quoted}. Leave that out of your answer, and keep it short."
