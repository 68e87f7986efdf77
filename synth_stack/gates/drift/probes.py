"""Effects of a group of rows against real rows, each with its interval and the rows at both of its ends."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth_stack.gates.drift.envelope import STATISTICS
from synth_stack.gates.drift.features import Names, RowFeatures
from synth_stack.stats.divergence import (
    Codes,
    EffectSize,
    Numbers,
    Weights,
    draw_weights,
    map_fourier,
    measure_auc,
    measure_bandwidth,
    measure_interval,
    measure_jensen_shannon,
    measure_ks,
    measure_lost,
    measure_mmd,
    measure_psi,
    measure_variation,
    measure_wasserstein,
    score_two_samples,
)
from synth_stack.stats.scan import scan_thinned
from synth_stack.stats.spherical_kmeans import find_nearest, fit_centres

DRAWS = 100
"""Bootstrap draws of a group: enough for the ends of a 95% interval to a tenth of its length."""
LEVEL = 0.95

CENTRE_SEED = 0
CLUSTER_ROWS = 60
MAX_CLUSTERS = 80
LEAST_EXPECTED = 10
"""Rows that a class must lead to expect before it can be lost: none of two when ten are due comes by
chance once in 2,000 times."""
_PLACES = 200
"""Real rows that regions are looked for around: some twenty of them stand in a tenth that is left out."""
_SCAN_SHARE = 0.2
"""Of the chance of error of an interval, what the scan of regions has: its lower end stands for the one of a
thousand that is highest, and of 100 halves of one corpus one may be held by all statistics together."""
COUNTED_LOOKS = frozenset({"topic_thinned"})
"""Statistics whose interval is wide enough for all that was looked at: 99 in 100 halves of one corpus have a
lower end of 0."""
_OPENINGS = 30
_WORDS = 2_000
_LEAST_WORDS = 50
"""A word for each row of the smaller side: with more, two halves of one corpus differ by chance."""
_FOLDS = 5
_TAIL = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """A group of rows `x` and the real rows `y` that it is compared with, with their weights in each draw;
    `level` is that of the intervals.
    """

    x: RowFeatures
    y: RowFeatures
    wx: Weights
    wy: Weights
    seed: int
    level: float = LEVEL


@dataclass(frozen=True, slots=True)
class ProbeEffect:
    """An effect, or why there is none; `tails` are row_ids of x at its low and high end; `more` is JSON."""

    effect: EffectSize | None
    lacks: str | None = None
    tails: tuple[list[str], list[str]] = ((), ())  # type: ignore[assignment]  # two empty lists
    more: Mapping[str, Any] = field(default_factory=dict)


def pair_rows(x: RowFeatures, y: RowFeatures, seed: int, draws: int = DRAWS, level: float = LEVEL) -> Pair:
    """Two groups with their bootstrap draws."""
    return Pair(x, y, draw_weights(len(x), draws, seed), draw_weights(len(y), draws, seed + 1), seed, level)


def measure_effects(pair: Pair, wanted: Collection[str]) -> dict[str, ProbeEffect]:
    """The effects of the `wanted` statistics."""
    found: dict[str, ProbeEffect] = {}
    for probe in dict.fromkeys(STATISTICS[name] for name in wanted):
        found |= {name: effect for name, effect in _PROBES[probe](pair).items() if name in wanted}
    return found


def _measure_length(pair: Pair) -> dict[str, ProbeEffect]:
    return {
        "length_ks": _compare_numbers(pair, pair.x.length, pair.y.length, measure_ks),
        "length_wasserstein": _compare_numbers(pair, pair.x.length, pair.y.length, measure_wasserstein),
    }


def _measure_sentiment(pair: Pair) -> dict[str, ProbeEffect]:
    return {"sentiment_ks": _compare_numbers(pair, pair.x.sentiment, pair.y.sentiment, measure_ks)}


def _measure_formality(pair: Pair) -> dict[str, ProbeEffect]:
    return {"formality_ks": _compare_numbers(pair, pair.x.informal, pair.y.informal, measure_ks)}


def _measure_density(pair: Pair) -> dict[str, ProbeEffect]:
    """How near rows lie to the nearest of one half of the real rows, against the other half."""
    half = np.random.default_rng(pair.seed).permutation(len(pair.y)) % 2 == 0
    near, rest = pair.y.vectors[half], pair.y.vectors[~half]
    x, y = (find_nearest(vectors, near)[1].astype(np.float64) for vectors in (pair.x.vectors, rest))
    drawn = draw_weights(len(rest), len(pair.wy) - 1, pair.seed + 2)
    other = replace(pair, wy=drawn)
    return {"density_ks": _compare_numbers(other, x, y, measure_ks)}


def place_topics(x: RowFeatures, y: RowFeatures) -> tuple[Codes, Codes, int]:
    """The cluster of each row of x and of y, (n,) each, and how many there are; they are fitted on y."""
    count = min(MAX_CLUSTERS, max(2, min(len(x), len(y)) // CLUSTER_ROWS))
    centres = fit_centres(y.vectors, count, CENTRE_SEED)
    return find_nearest(x.vectors, centres)[0], find_nearest(y.vectors, centres)[0], count


def _measure_topic(pair: Pair) -> dict[str, ProbeEffect]:
    x, y, count = place_topics(pair.x, pair.y)
    shares = [np.bincount(codes, minlength=count) / len(codes) for codes in (x, y)]
    gain = shares[0] - shares[1]
    order = np.argsort(-gain[x], kind="stable")
    tails = _name_tails(pair.x, order)
    lost = measure_lost(x, y, shares[1] * len(x) >= LEAST_EXPECTED, pair.wx, pair.wy)
    more = {"clusters": count, "most_missing_share": round(float(max(0.0, -gain.min())), 4)}
    index = measure_psi(x, y, count, pair.wx, pair.wy)
    return {
        "topic_thinned": _find_thinned(pair),
        "topic_psi": ProbeEffect(measure_interval(index, pair.level), tails=tails, more=more),
        "topic_lost": ProbeEffect(measure_interval(lost, pair.level), tails=tails, more=more),
    }


def _find_thinned(pair: Pair) -> ProbeEffect:
    """What the batch lacks of the region of meanings that it lacks most of, around one of the real rows."""
    places = np.sort(np.random.default_rng(pair.seed).permutation(len(pair.y))[:_PLACES])
    level = 1 - (1 - pair.level) * _SCAN_SHARE
    region = scan_thinned(pair.x.vectors, pair.y.vectors, places, level, pair.seed)
    order = np.argsort(-(pair.x.vectors @ pair.y.vectors[places[region.place]]), kind="stable")
    more = {"share_there": round(region.share, 4), "share_there_real": round(region.share_of_y, 4)}
    return ProbeEffect(region.effect, tails=_name_tails(pair.x, order), more=more)


def _measure_locale(pair: Pair) -> dict[str, ProbeEffect]:
    return {"locale_variation": _compare_names(pair, pair.x.language, pair.y.language, measure_variation)}


def _measure_question(pair: Pair) -> dict[str, ProbeEffect]:
    """First words with a question mark or without, the most frequent ones of the real rows."""
    names, counts = np.unique(pair.y.opening.astype(str), return_counts=True)
    kept = set(names[np.argsort(-counts, kind="stable")[:_OPENINGS]])
    x, y = (
        np.array(
            [name if name in kept else (name[-1:] == "?" and "other?") or "other" for name in rows.opening]
        )
        for rows in (pair.x, pair.y)
    )
    return {"question_psi": _compare_names(pair, x, y, measure_psi)}


def _measure_vocabulary(pair: Pair) -> dict[str, ProbeEffect]:
    """The most frequent words of both, by the number of texts that they stand in."""
    values = np.concatenate([pair.x.words.values, pair.y.words.values])
    words, counts = np.unique(values, return_counts=True)
    most = min(_WORDS, max(_LEAST_WORDS, min(len(pair.x), len(pair.y))))
    kept = np.sort(words[np.argsort(-counts, kind="stable")[:most]])
    if not len(kept):
        return {"vocabulary_js": ProbeEffect(None, "no text has a word")}
    (x, of_x), (y, of_y) = (_count_words(rows, kept) for rows in (pair.x, pair.y))
    divergence = measure_jensen_shannon((of_x.T @ pair.wx.T).T, (of_y.T @ pair.wy.T).T)
    lean = np.log((x + 0.5) / (x.sum() + 1)) - np.log((y + 0.5) / (y.sum() + 1))
    order = np.argsort(-np.asarray(of_x @ lean).ravel(), kind="stable")
    return {
        "vocabulary_js": ProbeEffect(
            measure_interval(divergence, pair.level), tails=_name_tails(pair.x, order)
        )
    }


def _measure_meaning(pair: Pair) -> dict[str, ProbeEffect]:
    if not (np.any(pair.x.vectors) and np.any(pair.y.vectors)):
        lacking = ProbeEffect(None, "the model knows no word of one side")
        return {"mmd": lacking, "auc": lacking}
    bandwidth = measure_bandwidth(pair.y.vectors)
    mapped = [map_fourier(rows.vectors, bandwidth, pair.seed) for rows in (pair.x, pair.y)]
    x, y = score_two_samples(pair.x.vectors, pair.y.vectors, _FOLDS, pair.seed)
    tails = _name_tails(pair.x, np.argsort(-x, kind="stable"))
    mmd = measure_interval(measure_mmd(mapped[0], mapped[1], pair.wx, pair.wy), pair.level)
    auc = measure_interval(measure_auc(x, y, pair.wx, pair.wy), pair.level)
    return {"mmd": ProbeEffect(mmd, tails=tails), "auc": ProbeEffect(auc, tails=tails)}


_PROBES: Mapping[str, Callable[[Pair], dict[str, ProbeEffect]]] = {
    "length": _measure_length,
    "topic": _measure_topic,
    "sentiment": _measure_sentiment,
    "locale": _measure_locale,
    "question": _measure_question,
    "formality": _measure_formality,
    "vocabulary": _measure_vocabulary,
    "density": _measure_density,
    "meaning": _measure_meaning,
}


def _compare_numbers(
    pair: Pair, x: Numbers, y: Numbers, measure: Callable[[Numbers, Numbers, Weights, Weights], Numbers]
) -> ProbeEffect:
    if np.ptp(np.concatenate([x, y])) == 0:
        return ProbeEffect(None, "it is the same number in every row of both sides")
    values = measure(x, y, pair.wx, pair.wy)
    if not np.isfinite(values).all():
        return ProbeEffect(None, "it is the same number in every real row")
    more = {"median": round(float(np.median(x)), 4), "median_real": round(float(np.median(y)), 4)}
    tails = _name_tails(pair.x, np.argsort(-x, kind="stable"))
    return ProbeEffect(measure_interval(values, pair.level), tails=tails, more=more)


def _compare_names(
    pair: Pair,
    x: Names,
    y: Names,
    measure: Callable[[Codes, Codes, int, Weights, Weights], Numbers],
) -> ProbeEffect:
    names, codes = np.unique(np.concatenate([x, y]).astype(str), return_inverse=True)
    left, right = codes[: len(x)], codes[len(x) :]
    shares = [np.bincount(each, minlength=len(names)) / len(each) for each in (left, right)]
    gain = shares[0] - shares[1]
    values = measure(left, right, len(names), pair.wx, pair.wy)
    most, least = int(gain.argmax()), int(gain.argmin())
    more = {
        "most_gained": {"name": str(names[most]), "share": round(float(shares[0][most]), 4)},
        "most_lost": {"name": str(names[least]), "share_real": round(float(shares[1][least]), 4)},
    }
    order = np.argsort(-gain[left], kind="stable")
    return ProbeEffect(measure_interval(values, pair.level), tails=_name_tails(pair.x, order), more=more)


def _name_tails(rows: RowFeatures, falling: NDArray[np.int64]) -> tuple[list[str], list[str]]:
    """The row_ids at the low and the high end of rows in falling order."""
    names = rows.row_ids[falling]
    return [str(name) for name in names[::-1][:_TAIL]], [str(name) for name in names[:_TAIL]]


def _count_words(rows: RowFeatures, kept: NDArray[np.uint64]) -> tuple[Numbers, Any]:
    """Of each kept word the number of texts with it, and which texts have which, sparse (n, v)."""
    from scipy import sparse

    place = np.minimum(np.searchsorted(kept, rows.words.values), len(kept) - 1)
    owner = np.repeat(np.arange(len(rows)), rows.words.lengths)
    known = kept[place] == rows.words.values
    ones = np.ones(int(known.sum()))
    matrix = sparse.csr_matrix((ones, (owner[known], place[known])), shape=(len(rows), len(kept)))
    matrix.data[:] = 1
    return np.asarray(matrix.sum(axis=0)).ravel(), matrix
