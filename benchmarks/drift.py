"""Weighs the envelope of the drift gate: halves of one corpus, and halves that have moved.

    python benchmarks/drift.py ../shared/data [--splits 200] [--rows 500]

The folder holds public corpora. "passed" is the share of random splits of a corpus whose halves stay
within the envelope in every statistic; below it, which statistics see a half that was changed.
"""

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from synth_stack.gates.drift.envelope import Envelope
from synth_stack.gates.drift.features import FeatureReader, RowFeatures, load_features
from synth_stack.gates.drift.probes import measure_effects, pair_rows
from synth_stack.models.embedders import load_embedder
from synth_stack.stats.intervals import wilson

POOL_ROWS = 4_000
"""Rows of a corpus that the halves are drawn from."""

Change = Callable[[list[str], FeatureReader], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500, help="rows of each half, at most")
    args = parser.parse_args()
    read = load_features(load_embedder("wordllama"))
    for name, every in read_corpora(args.folder):
        drawn = np.random.default_rng(0).permutation(len(every))[:POOL_ROWS]
        texts = [every[k] for k in np.sort(drawn)]
        features = read_texts(read, texts)
        show_splits(name, features, args.splits, args.rows)
        show_changes(texts, features, read)
        show_dropped(features)


def show_splits(name: str, features: RowFeatures, splits: int, rows: int) -> None:
    """How many splits pass, and what held the others."""
    held: Counter[str] = Counter()
    passed = 0
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(features))[: 2 * rows]
        x, y = (features.take(np.sort(half)) for half in np.array_split(order, 2))
        beyond = list_beyond(x, y, split)
        passed += not beyond
        held.update(beyond)
    low, high = wilson(passed, splits)
    print(
        f"{name}: {passed} of {splits} splits passed, 95% interval {low:.3f} to {high:.3f} {dict(held)}",
        flush=True,
    )


def show_changes(texts: list[str], features: RowFeatures, read: FeatureReader) -> None:
    """Which statistics see each change of one half, of 2,000 rows where there are so many."""
    order = np.random.default_rng(0).permutation(len(texts))
    mine, theirs = np.array_split(order, 2)
    real = features.take(np.sort(theirs))
    for what, change in CHANGES.items():
        changed = change([texts[k] for k in mine], read)
        beyond = list_beyond(read_texts(read, changed), real, 1)
        print(f"    {what:24} {'held by ' + ', '.join(beyond) if beyond else 'PASSED'}", flush=True)


def show_dropped(features: RowFeatures, rows: int = 20) -> None:
    """In how many of so many cases `topic_thinned` sees that the tenth nearest to a row is left out."""
    order = np.random.default_rng(0).permutation(len(features))
    mine, real = (features.take(np.sort(half)) for half in np.array_split(order, 2))
    bars = {"topic_thinned": Envelope().list_bars()["topic_thinned"]}
    seen = 0
    for row in range(rows):
        near = np.argsort(-(mine.vectors @ mine.vectors[row]))
        rest = mine.take(np.sort(near[len(mine) // 10 :]))
        found = measure_effects(pair_rows(rest, real, 1, draws=2), bars)["topic_thinned"].effect
        seen += found is not None and found.low > bars["topic_thinned"]
    print(f"    the tenth nearest to a row left out, seen by topic_thinned: {seen} of {rows}", flush=True)


def list_beyond(x: RowFeatures, y: RowFeatures, seed: int) -> list[str]:
    bars = Envelope().list_bars()
    effects = measure_effects(pair_rows(x, y, seed), bars)
    return [
        name for name, each in effects.items() if each.effect is not None and each.effect.low > bars[name]
    ]


def read_texts(read: FeatureReader, texts: list[str]) -> RowFeatures:
    return read(pl.Series(texts), [str(k) for k in range(len(texts))])


def double_length(texts: list[str], _: FeatureReader) -> list[str]:
    return [f"{text} {texts[(k + 1) % len(texts)]}" for k, text in enumerate(texts)]


def drop_topic(texts: list[str], read: FeatureReader) -> list[str]:
    """The rows but the tenth of them that is nearest to one row."""
    vectors = read_texts(read, texts).vectors
    near = np.argsort(-(vectors @ vectors[0]))[: len(texts) // 10]
    return [text for k, text in enumerate(texts) if k not in set(near.tolist())]


def flip_sentiment(texts: list[str], read: FeatureReader) -> list[str]:
    """Every row that feels bad says that it is glad, every other that it is angry."""
    feels = read_texts(read, texts).sentiment
    return [
        f"{text} {'I am so happy about it.' if feel < 0 else 'I am so angry about it.'}"
        for text, feel in zip(texts, feels, strict=True)
    ]


def speak_as_one(texts: list[str], _: FeatureReader) -> list[str]:
    return [f"As a retired teacher from Leeds I ask: {text}" for text in texts]


def change_locale(texts: list[str], _: FeatureReader) -> list[str]:
    """Sentences of another language, written for this benchmark, in the place of a third of the rows."""
    spanish = (
        "¿Cuándo llega mi pedido a casa?|No puedo entrar en mi cuenta desde ayer|Quiero cambiar la dirección|"
        "Me han cobrado dos veces la compra|Necesito una factura de este mes"
    ).split("|")
    return [spanish[k % 5] if k % 3 == 0 else text for k, text in enumerate(texts)]


CHANGES: dict[str, Change] = {
    "doubled length": double_length,
    "a topic dropped": drop_topic,
    "sentiment flipped": flip_sentiment,
    "one persona": speak_as_one,
    "a third in Spanish": change_locale,
}


def read_corpora(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The corpora that the envelope was fitted on, and then those that judge it."""
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        yield "banking77 (fitted on)", [row["text"] for row in csv.DictReader(file)]
    code = json.loads((folder / "code_alpaca" / "code_alpaca_2k.json").read_text(encoding="utf-8"))
    yield "code_alpaca_2k (fitted on)", [row["instruction"] for row in code]
    intents = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    yield "clinc150 (unseen)", [text for text, _ in intents["train"]]
    lines = (folder / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    yield "gsm8k (unseen)", [json.loads(line)["question"] for line in lines]


if __name__ == "__main__":
    main()
