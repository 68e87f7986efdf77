"""Canaries of the topic gate: rows under another slice, in no slice, with another row's answer; and
controls.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.on_topic.scoring import MIN_ANSWER_WORDS, read_question
from synth_stack.gates.on_topic.seeds import FIT_SEEDS, fit_seeds, read_seeds
from synth_stack.gates.word_lists import read_sections
from synth_stack.inputs.real_rows import RealRows
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.fields import read_field, read_texts

Row = dict[str, Any]


def plant_strangers(
    sample: pa.Table, n: int, seed: int, *, kinds: Collection[str], seeds: RealRows | None
) -> pa.Table:
    """Up to `n` rows of each kind; none of a kind for which the sample has no rows to make it from."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    if seeds is not None and "other_slice" in kinds:
        rows += _misplace(sample, n, rng, seeds)
    if seeds is not None and "nowhere" in kinds:
        rows += _banish(n, seeds)
    if "stray_answer" in kinds:
        rows += _swap(sample, n, rng)
    return build_candidates(rows)


def plant_own(sample: pa.Table, n: int, _: int, *, seeds: RealRows | None) -> pa.Table:
    """Up to `n` seeds under their own slice, and `n` rows whose answer takes up its question."""
    rows: list[Row] = []
    if seeds is not None:
        fitted = fit_seeds(seeds, "wordllama", FIT_SEEDS)
        for draw, (name, text) in enumerate(_list_seeds(seeds, fitted.names, n)):
            told = build_control("instruction", _ask(text), "a seed of the slice", draw, kind="own_slice")
            rows.append({**told, "slice": name})
    for draw, (question, answer) in enumerate(_list_pairs(sample)[:n]):
        said = [*_ask(question), {"role": "assistant", "content": f"You asked: {question} {answer[:80]}"}]
        rows.append(
            build_control(
                "instruction", said, "an answer that takes up its question", draw, kind="own_answer"
            )
        )
    return build_candidates(rows)


def _misplace(sample: pa.Table, n: int, rng: np.random.Generator, seeds: RealRows) -> list[Row]:
    """Rows of the sample under a slice that is no kin of theirs."""
    fitted = fit_seeds(seeds, "wordllama", FIT_SEEDS)
    codes = fitted.code(read_texts(sample["slice"]))
    texts = read_question(sample).to_list()
    rows: list[Row] = []
    for k in rng.permutation(len(texts)):
        others = np.flatnonzero(~fitted.model.kin[codes[k]] & (codes[k] >= 0))
        if len(rows) == n:
            break
        if texts[k] is not None and len(texts[k].split()) >= MIN_ANSWER_WORDS and len(others):
            wrong = fitted.names[int(rng.choice(others))]
            row = build_canary("instruction", _ask(texts[k]), f"under {wrong}", len(rows), kind="other_slice")
            rows.append({**row, "slice": wrong})
    return rows


def _banish(n: int, seeds: RealRows) -> list[Row]:
    names = fit_seeds(seeds, "wordllama", FIT_SEEDS).names
    lines = read_sections(__package__, "canaries")["nowhere"]
    return [
        {
            **build_canary("instruction", _ask(lines[k % len(lines)]), "of no slice", k, kind="nowhere"),
            "slice": names[k % len(names)],
        }
        for k in range(n)
    ]


def _swap(sample: pa.Table, n: int, rng: np.random.Generator) -> list[Row]:
    """Questions with the answer to another one."""
    pairs = _list_pairs(sample)
    if len(pairs) < 2 * n:
        return []
    order = rng.permutation(len(pairs))
    rows = []
    for draw in range(n):
        question, answer = pairs[order[2 * draw]][0], pairs[order[2 * draw + 1]][1]
        said = [*_ask(question), {"role": "assistant", "content": answer}]
        rows.append(
            build_canary("instruction", said, "the answer to another question", draw, kind="stray_answer")
        )
    return rows


def _list_pairs(sample: pa.Table) -> list[tuple[str, str]]:
    """The questions and answers of the sample, of at least five words each, each question once."""
    pairs = zip(read_question(sample).to_list(), read_field(sample, "answer").to_list(), strict=True)
    whole = {q: a for q, a in pairs if q and a and min(len(q.split()), len(a.split())) >= 5}
    return list(whole.items())


def _list_seeds(seeds: RealRows, names: Collection[str], n: int) -> list[tuple[str, str]]:
    """Seeds of at least five words, evenly over the slices."""
    rows = read_seeds(seeds, FIT_SEEDS).sort("slice", "id")
    own = [(s, t) for s, t in rows.select("slice", "text").iter_rows() if s in names and len(t.split()) >= 5]
    return [own[k * len(own) // n] for k in range(min(n, len(own)))]


def _ask(text: str) -> list[Row]:
    return [{"role": "user", "content": text}]
