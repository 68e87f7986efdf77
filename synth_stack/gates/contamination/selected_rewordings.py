"""Rewordings of eval items that are neither slight nor plain, as the gate's own embedders rate them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.contamination.likelihood import Figures, read_words
from synth_stack.gates.contamination.ngram_overlap import find_overlaps
from synth_stack.gates.contamination.paraphrase import ItemMeanings, list_pairs, read_pairs, read_passages
from synth_stack.gates.contamination.reranking import describe_likest, rerank_pairs
from synth_stack.gates.contamination.rewording import read_task, say_in_note_form, say_otherwise
from synth_stack.gates.contamination.short_list import ContaminationStages
from synth_stack.gates.word_lists import read_neutral
from synth_stack.rows.schemas import build_candidates

SLIGHT, PLAIN = 0.6, 0.985
"""Likeness between which a rewording is taken: the gate's own bar finds it, and one set absurdly does not."""

_MOST = 12
"""Rewordings of a kind: MiniLM rates each of them, and what is near its item, at 60 texts a second."""

_TRIED_ITEMS = 16
_FEWEST_WORDS = 12  # of a prompt that still says the same in other words
_MOST_CHARS = 1_000
_PASSAGE_CHARS = 900
_TELLS_NATS = (2.5, 4.0)
"""What a word tells that stays in note form: each wording is further from its item."""

_STUB = "```c\nint f(void) {\n    return 0;\n}\n```"


@dataclass(frozen=True, slots=True)
class Rewording:
    """An item of a set in other words, and an answer where the kind needs one."""

    eval_set: str
    prompt: str
    answer: str | None = None


def select_rewordings(
    stages: ContaminationStages, n: int, rng: np.random.Generator
) -> dict[str, list[Rewording]]:
    """Up to `n` rewordings of each kind that meaning has to see, and at most 12, by kind."""
    assert stages.meanings is not None
    most = min(n, _MOST)
    kinds = {
        code: _select(stages, stages.meanings, _reword(stages, stages.meanings, code=code, rng=rng), most)
        for code in (False, True)
    }
    passage = _write_passage(rng)
    after = [replace(one, prompt=f"{passage} {one.prompt}") for one in kinds[False]]
    return {
        "reworded": kinds[False],
        "reworded_after_a_passage": after,
        "reworded_program": kinds[True],
    }


def _select(
    stages: ContaminationStages, meanings: ItemMeanings, wordings: list[list[Rewording]], most: int
) -> list[Rewording]:
    """Of each item the wording that is likest to it without being plain; no more are rated than it takes."""
    chosen: list[Rewording] = []
    while wordings and len(chosen) < most:
        lacking = most - len(chosen)
        chosen += _choose(stages, meanings, wordings[:lacking])
        wordings = wordings[lacking:]
    return chosen


def _choose(
    stages: ContaminationStages, meanings: ItemMeanings, wordings: list[list[Rewording]]
) -> list[Rewording]:
    every = [one for of_item in wordings for one in of_item]
    owner = [k for k, of_item in enumerate(wordings) for _ in of_item]
    likeness = _rate(stages, meanings, build_candidates(_build_row(k, one) for k, one in enumerate(every)))
    copied, _ = find_overlaps(stages.words, _read_prompts(every))
    chosen: dict[int, int] = {}
    for k in np.argsort(-likeness, kind="stable").tolist():
        if SLIGHT <= likeness[k] <= PLAIN and k not in copied:
            chosen.setdefault(owner[k], k)
    return [every[chosen[item]] for item in sorted(chosen)]


def _reword(
    stages: ContaminationStages, meanings: ItemMeanings, *, code: bool, rng: np.random.Generator
) -> list[list[Rewording]]:
    """Wordings of items of each set in turn, one further than the other; of programs what they are to do."""
    weigh = meanings.lexicon.weigh
    tried: list[list[Rewording]] = []
    orders = [(s, rng.permutation(len(s.ids)).tolist()) for s in stages.words.sets]
    for turn in range(max((len(order) for _, order in orders), default=0)):
        for eval_set, order in orders:
            if turn < len(order) and len(tried) < _TRIED_ITEMS:
                prompt, entry = eval_set.prompts[order[turn]], eval_set.entry_points[order[turn]]
                task = read_task(prompt, entry) if entry else prompt
                fits = task is not None and len(task) <= _MOST_CHARS and bool(entry) == code
                if task is None or not fits or len(task.split()) < _FEWEST_WORDS:
                    continue
                noted = (say_in_note_form(task, partial(_tells, weigh, least)) for least in _TELLS_NATS)
                said = [say_otherwise(task), *noted]
                if code:
                    said = [f"I need a function in C. {words}" for words in said]
                tried.append([Rewording(eval_set.name, words, _STUB if code else None) for words in said])
    return tried


def _tells(weigh: Callable[[Iterable[str]], float], least: float, word: str) -> bool:
    return any(weigh([each]) >= least for each in read_words(word))


def _rate(stages: ContaminationStages, meanings: ItemMeanings, table: pa.Table) -> Figures:
    """The likeness of each row by the best embedder that the gate has, (n,); 0 where nothing agrees and
    likeness alone turns no row away.
    """
    said = read_passages(meanings, table, [])
    pairs = list_pairs(meanings, said, None if stages.lists_all else [])
    pairs = read_pairs(pairs.group_by("row", maintain_order=True).head(1), table)
    if stages.confirmer is not None:
        pairs = rerank_pairs(meanings, stages.confirmer, pairs)
    likeness = np.zeros(len(table))
    for row, likest in describe_likest(meanings, pairs, "canaries").items():
        if likest.agrees or stages.holds_alone:
            likeness[row] = likest.likeness
    return likeness


def _build_row(draw: int, one: Rewording) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": one.prompt},
        {"role": "assistant", "content": one.answer or "Yes."},
    ]
    return {
        "kind": "foreign",
        "messages": messages,
        "text": "\n\n".join(message["content"] for message in messages),
        "attachments": [],
        "generator": "canary",
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }


def _read_prompts(tried: Sequence[Rewording]) -> Any:
    import polars as pl

    return pl.Series([one.prompt for one in tried], dtype=pl.String)


def _write_passage(rng: np.random.Generator) -> str:
    """Innocent sentences of everyday matters, some 900 characters of them."""
    neutral = read_neutral()
    passage = ""
    for k in rng.permutation(len(neutral)).tolist():
        if len(passage) >= _PASSAGE_CHARS:
            break
        passage += f"{neutral[k]} "
    return passage.strip()
