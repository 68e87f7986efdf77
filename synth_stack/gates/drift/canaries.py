"""Canaries of the drift gate: small batches that have moved in one way each; and controls, which are real
rows.

Each kind is a statistic and a slice of its own, which the gate compares with the whole baseline.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.canaries import build_canary, build_control
from synth_stack.gates.drift.outcome import CONTROL, MIN_PLANTED, PLANTED
from synth_stack.gates.drift.probes import CENTRE_SEED
from synth_stack.gates.drift.sampling import Field, read_rows, sample_baseline
from synth_stack.gates.word_lists import read_sections
from synth_stack.inputs.real_rows import RealRows
from synth_stack.models.embedders import Embedder
from synth_stack.models.languages import load_language_scorer
from synth_stack.models.sentiment import load_sentiment
from synth_stack.rows.schemas import build_candidates
from synth_stack.stats.spherical_kmeans import find_nearest, fit_centres

if TYPE_CHECKING:
    import polars as pl

_LEAST = {"topic_thinned": 20}
"""Rows that a planted group needs where that is more than MIN_PLANTED: of half of all meanings none of 15 is
what one in a thousand looks finds by chance."""

_JOINED = 3
_GOOD = " This is wonderful, I love it so much!"
_BAD = " This is terrible, I hate it so much!"
_PERSONA = "As a retired lighthouse keeper who grows prize tomatoes in Cornwall with his brother, "
_OPENING = "Henceforth "
_CASUAL = " pls thx!!"

Texts = Sequence[str]


def plant_shifts(
    sample: pa.Table,
    n: int,
    seed: int,
    *,
    field: Field,
    statistics: Collection[str],
    baseline: RealRows | None,
    embedder: Embedder,
    min_rows: int,
) -> pa.Table:
    """Up to `n` rows that have moved for each of `statistics`; none where drift cannot be measured."""
    texts = read_rows(sample, field)["text"].drop_nulls().to_list()
    if baseline is None or len(texts) < MIN_PLANTED:
        return build_candidates([])
    real = sample_baseline(baseline, field).rows.filter("whole")["text"]
    if len(real) < min_rows:
        return build_candidates([])
    drawn = np.random.default_rng(seed).permutation(len(texts))
    some = [texts[k] for k in drawn[:n]]
    rows: list[dict[str, Any]] = []
    for statistic in statistics:
        made = _KINDS[statistic](some, texts, real, embedder)[:n]
        if len(made) < _LEAST.get(statistic, MIN_PLANTED):
            continue
        for draw, text in enumerate(made):
            row = build_canary(
                "instruction", _turn(text, field), f"moved in {statistic}", draw, kind=statistic
            )
            rows.append({**row, "slice": PLANTED + statistic})
    return build_candidates(rows)


def plant_real(
    _: pa.Table, n: int, seed: int, *, field: Field, baseline: RealRows | None, min_rows: int
) -> pa.Table:
    """Up to `n` rows of the baseline, drawn from its sample: a small batch that has not moved."""
    if baseline is None:
        return build_candidates([])
    real = sample_baseline(baseline, field).rows.filter("whole")["text"]
    if len(real) < min_rows or n < MIN_PLANTED:
        return build_candidates([])
    drawn = np.random.default_rng(seed).permutation(len(real))[:n]
    rows = [
        {
            **build_control("instruction", _turn(real[int(k)], field), "a real row", draw, kind="real_rows"),
            "slice": CONTROL,
        }
        for draw, k in enumerate(drawn)
    ]
    return build_candidates(rows)


def _turn(text: str, field: Field) -> list[dict[str, Any]]:
    return [{"role": {"prompt": "user", "answer": "assistant", "text": "text"}[field], "content": text}]


def _join(some: Texts, texts: Texts, _: "pl.Series", __: Embedder) -> list[str]:
    """Three rows as one."""
    return [
        " ".join((text, *(texts[(k + j) % len(texts)] for j in range(1, _JOINED))))
        for k, text in enumerate(some)
    ]


def _gather(some: Texts, texts: Texts, real: "pl.Series", embedder: Embedder) -> list[str]:
    """Of all rows those that are furthest into the smaller half of the baseline's meanings."""
    vectors = embedder.embed(real.to_list())
    centres = fit_centres(vectors, 2, CENTRE_SEED)
    if len(centres) < 2:
        return []
    nearest, _ = find_nearest(vectors, centres)
    small = int(np.bincount(nearest, minlength=2).argmin())
    cosines = embedder.embed(texts) @ centres.T
    order = np.argsort(-(cosines[:, small] - cosines[:, 1 - small]), kind="stable")
    return [texts[k] for k in order[: len(some)]]


def _feel(some: Texts, _: Texts, real: "pl.Series", __: Embedder) -> list[str]:
    """Rows that say what few real rows feel."""
    add = _GOOD if float(load_sentiment()(real.to_list()).mean()) < 0.3 else _BAD
    return [text + add for text in some]


def _translate(some: Texts, _: Texts, real: "pl.Series", __: Embedder) -> list[str]:
    """Sentences of the language that the fewest real rows are in."""
    names = load_language_scorer([])(real.head(200).to_list())[1]
    sections = read_sections(__package__, "canaries")
    language = min(sections, key=lambda code: (names.count(code), code))
    lines = sections[language]
    return [lines[k % len(lines)] for k in range(len(some))]


def _prefix(words: str) -> Callable[[Texts, Texts, "pl.Series", Embedder], list[str]]:
    return lambda some, _, __, ___: [words + text for text in some]


def _adopt(some: Texts, _: Texts, __: "pl.Series", ___: Embedder) -> list[str]:
    """Rows that keep one word in four, in the words of one and the same person."""
    return [_PERSONA + " ".join(text.split()[::4]) for text in some]


def _relax(some: Texts, _: Texts, __: "pl.Series", ___: Embedder) -> list[str]:
    """Rows in lower case, in a hurry."""
    return [text.lower().rstrip(".!?") + _CASUAL for text in some]


_KINDS: dict[str, Callable[[Texts, Texts, "pl.Series", Embedder], list[str]]] = {
    "length_ks": _join,
    "length_wasserstein": _join,
    "topic_psi": _gather,
    "topic_lost": _gather,
    "topic_thinned": _gather,
    "sentiment_ks": _feel,
    "locale_variation": _translate,
    "question_psi": _prefix(_OPENING),
    "formality_ks": _relax,
    "vocabulary_js": _adopt,
    "density_ks": _prefix(_PERSONA),
    "mmd": _prefix(_PERSONA),
    "auc": _prefix(_PERSONA),
}
