"""How the batch and the real rows are spread, as the report draws it: counts and quantiles, and no row."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.drift.features import Names, RowFeatures
from synth_stack.gates.drift.probes import place_topics
from synth_stack.gates.gate import DISTRIBUTION_SCHEMA
from synth_stack.stats.divergence import Numbers

QUANTILES = np.linspace(0, 1, 21)
MOST_SHARES = 12
"""Labels of one distribution: those that differ most between the two sides."""


def describe_spread(batch: RowFeatures, real: RowFeatures) -> pa.Table:
    """The distributions of a batch beside those of the real rows, of the schema DISTRIBUTION_SCHEMA."""
    return pa.Table.from_pylist(list(_describe(batch, real)), schema=DISTRIBUTION_SCHEMA)


def _describe(batch: RowFeatures, real: RowFeatures) -> Iterator[dict[str, Any]]:
    yield _compare_numbers("words", np.expm1(batch.length), np.expm1(real.length))
    yield _compare_numbers("sentiment, -1 to 1", batch.sentiment, real.sentiment)
    yield _compare_numbers("marks of informal writing", batch.informal, real.informal)
    topics = place_topics(batch, real)[:2]
    yield _compare_names("topic, by cluster of the real rows", *(_name_topics(codes) for codes in topics))
    yield _compare_names("first word", batch.opening, real.opening)
    yield _compare_names("language", batch.language, real.language)


def _name_topics(codes: Names) -> Names:
    return np.array([f"cluster {code + 1}" for code in codes])


def _compare_numbers(what: str, batch: Numbers, real: Numbers) -> dict[str, Any]:
    sides = {"batch": batch, "other": real}
    quantiles = {side: np.quantile(values, QUANTILES).round(4).tolist() for side, values in sides.items()}
    return {"what": what, "form": "quantiles", **quantiles}


def _compare_names(what: str, batch: Names, real: Names) -> dict[str, Any]:
    names, codes = np.unique(np.concatenate([batch, real]).astype(str), return_inverse=True)
    sides = (codes[: len(batch)], codes[len(batch) :])
    x, y = (np.bincount(side, minlength=len(names)) / len(side) for side in sides)
    kept = np.argsort(-np.abs(x - y), kind="stable")[:MOST_SHARES]
    kept = kept[np.argsort(-y[kept], kind="stable")]
    return {
        "what": what,
        "form": "shares",
        "labels": [str(name) for name in names[kept]],
        "batch": x[kept].round(4).tolist(),
        "other": y[kept].round(4).tolist(),
    }
