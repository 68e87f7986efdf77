"""Canaries of the diversity gate: groups of rows that lack diversity in one way each, made from rows of
the batch.

Each kind is a slice of its own, which the gate measures as a group beside the batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.diversity.sampling import Field, read_groups, read_said
from synth_stack.gates.diversity.wording import MIN_ROWS
from synth_stack.models.embedders import Embedder
from synth_stack.rows.schemas import build_candidates

_PARTS = 3
_SOURCES = 4
_MIN_WORDS = 9
"""Words of a row that can be cut in three parts of three words, so that each has a run of its own."""
_CANDIDATES = 300
_ONE_PIECE = 0.5
"""Cosines between the rows of a batch that has nothing far apart to offer; of 20 rows chosen from
banking77 a quarter are above 0.15, from one of its intents above 0.5."""

Make = Callable[[Sequence[str], int, np.random.Generator], list[str]]


def plant_groups(sample: pa.Table, n: int, seed: int, *, field: Field, kinds: Sequence[str]) -> pa.Table:
    """Up to `n` rows of each of `kinds`, each kind a slice; none where the sample has too few long enough
    rows.
    """
    texts, seeds = _read_sources(sample, field)
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        wrong, make = _KINDS[kind]
        if kind == "one_seed":
            named = [(text, each) for text, each in zip(texts, seeds, strict=True) if each is not None]
            if len({each for _, each in named}) < MIN_ROWS:
                continue
            made, of = [text for text, _ in named][:n], named[0][1]
        else:
            made, of = make([text for text in texts if len(text.split()) >= _MIN_WORDS], n, rng), None
        if len(made) < MIN_ROWS:
            continue
        for draw, text in enumerate(made):
            row = build_canary("instruction", _turn(text, field), wrong, draw, kind=kind)
            rows.append({**row, "slice": f"planted/{kind}", "seed_id": of})
    return build_candidates(rows)


def plant_far_apart(sample: pa.Table, n: int, _: int, *, field: Field, embedder: Embedder) -> pa.Table:
    """Up to `n` texts of the sample, each as far as can be in meaning from those before it, as one group.

    None where the sample has too few texts to choose from: it may itself be of one piece.
    """
    texts = sorted(set(_read_sources(sample, field)[0]))[:_CANDIDATES]
    if len(texts) < 3 * MIN_ROWS:
        return build_candidates([])
    vectors = embedder.embed(texts)
    known = np.any(vectors, axis=1)
    chosen = [int(known.argmax())]
    nearest = np.where(known, vectors @ vectors[chosen[0]], np.inf)
    while len(chosen) < min(n, len(texts) // 3):
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
        nearest[chosen] = np.inf
    if float(np.quantile(vectors[chosen] @ vectors[chosen].T, 0.75)) > _ONE_PIECE:
        return build_candidates([])
    rows = [
        {
            **build_control("instruction", _turn(texts[k], field), "rows far apart", draw, kind="far_apart"),
            "slice": "planted/far_apart",
        }
        for draw, k in enumerate(chosen)
    ]
    return build_candidates(rows)


def _turn(text: str, field: Field) -> list[dict[str, Any]]:
    return [{"role": {"prompt": "user", "answer": "assistant", "text": "text"}[field], "content": text}]


def _read_sources(sample: pa.Table, field: Field) -> tuple[list[str], list[str | None]]:
    texts = read_said(sample, field)
    seeds = read_groups(sample)["seed"]
    pairs = [(t, s) for t, s in zip(texts.to_list(), seeds.to_list(), strict=True) if t is not None]
    return [t for t, _ in pairs], [s for _, s in pairs]


def _reword(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """Four rows, each cut in three, put together anew: beginning, middle and end each of one of them."""
    if len(texts) < _SOURCES:
        return []
    drawn = [texts[k].split() for k in rng.choice(len(texts), _SOURCES, replace=False)]
    parts = [[" ".join(part) for part in np.array_split(np.array(words[:24]), _PARTS)] for words in drawn]
    ways = [(a, b, c) for a in range(_SOURCES) for b in range(_SOURCES) for c in range(_SOURCES)]
    picked = [ways[k] for k in rng.permutation(len(ways))[:n]]
    return [" ".join(parts[source][place] for place, source in enumerate(way)) for way in picked]


def _narrow(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """The words of one row in other orders: one meaning, in ever new runs of words."""
    if not texts:
        return []
    words = max(texts[:50], key=lambda text: len(set(text.split()))).split()[:40]
    return [" ".join(words[k] for k in rng.permutation(len(words))) for _ in range(n)]


_KINDS: dict[str, tuple[str, Make]] = {
    "reworded": ("a few sentences put together again and again", _reword),
    "narrow": ("one meaning in many orders of words", _narrow),
    "one_seed": ("every row of one seed", lambda texts, n, _: list(texts)[:n]),
}
