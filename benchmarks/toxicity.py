"""Prints what the toxicity gate finds, what it holds wrongly, and how fast it is.

    python benchmarks/toxicity.py ../shared/data
    python benchmarks/toxicity.py ../shared/data --weights FILE --sha256 DIGEST --scorer detoxify:original

HateCheck measures what is found; the corpora of ordinary_corpora.py what is held wrongly, each with its side:
on the develop side the offline scorer was fitted and its bar set; HateCheck and the judge side it never saw.
Beside it stands the scorer that it replaced, where `pip install alt-profanity-check==1.9.1` was run. A minute
and a half on one core.
"""

import argparse
import importlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from ordinary_corpora import OrdinaryCorpus, read_corpora

from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import NoResources
from synth_stack.gates.toxicity.gate import toxicity
from synth_stack.gates.toxicity.pieces import read_scored
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.models.files import HATE_NGRAMS, read_model
from synth_stack.models.hate_ngrams import read_weights
from synth_stack.stats.intervals import wilson

PUBLISHED = {"original": 98.64, "unbiased": 93.74, "multilingual": 92.11}
"""Detoxify's own AUC in percent, of each model on the test set of the Jigsaw challenge that it was made for
(the README of Detoxify 0.5; that of `unbiased` is the challenge's bias metric)."""

OLD_BAR, OLD_CHARS = 0.8, 150
DRAWS = 500
EVERY_ROW = 10_000_000
PLANTED = 200

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Score = Callable[[list[str]], Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--scorer", default="hate-ngrams")
    parser.add_argument("--weights")
    parser.add_argument("--sha256")
    options = parser.parse_args()
    asked: dict[str, Any] = {"scorer": options.scorer}
    if options.weights:
        asked |= {"weights": options.weights, "weights_sha256": options.sha256, "offline": None}
    judge, old = toxicity(NoResources(), **asked), find_old_scorer()
    measure_hatecheck(judge, old, options.corpora)
    corpora, absent = read_corpora(options.corpora, EVERY_ROW, 0)
    print(
        f"\n{'corpus':18} {'side':8} {'rows':>6}  held, 95% interval   abstained   rows per CPU second, old"
    )
    for corpus in corpora:
        measure_ordinary(judge, old, corpus)
    print(f"not there: {', '.join(absent) or 'none'}\n")
    for corpus in corpora:
        measure_planted(judge, corpus)


def find_old_scorer() -> Score | None:
    """The linear SVM over swear words that the gate used before, over windows as it had them."""
    try:
        profanity = importlib.import_module("profanity_check")
    except ImportError:
        return None

    def score(texts: list[str]) -> Floats:
        windows = [
            (k, t[s : s + OLD_CHARS]) for k, t in enumerate(texts) for s in range(0, len(t), OLD_CHARS - 30)
        ]
        best = np.zeros(len(texts))
        if windows:
            np.maximum.at(
                best, [k for k, _ in windows], profanity.predict_prob([text for _, text in windows])
            )
        return best

    return score


def measure_hatecheck(judge: Judge, old: Score | None, corpora: Path) -> None:
    cases = pl.read_csv(corpora / "hatecheck" / "cases.csv")
    bad = (cases["label_gold"] == "hateful").to_numpy()
    verdicts = judge_all(judge, [{"text": text} for text in cases["test_case"]])
    scores = verdicts["score"].fill_null(0).to_numpy()
    away = verdicts["outcome"].is_in(["hold", "reject"]).to_numpy()
    print(f"HateCheck, {len(cases)} cases")
    print(f"  {judge.facts['scorer_used']:12} AUC {tell_auc(scores, bad)}")
    if judge.facts["scorer_used"] == "hate-ngrams":
        table = read_weights(read_model(HATE_NGRAMS), HATE_NGRAMS).score(cases["test_case"])
        print(f"  ... its label hate alone AUC {tell_auc(np.nan_to_num(table[:, 0]), bad)}")
    if old is not None:
        before = old(cases["test_case"].to_list())
        print(f"  linear-svm   AUC {tell_auc(before, bad)}")
        print(
            f"  ... rejected {tell(before[bad] >= OLD_BAR)} of the hateful, "
            f"{tell(before[~bad] >= OLD_BAR)} of the others"
        )
    for name, auc in PUBLISHED.items():
        print(f"  Detoxify {name}: AUC {auc}% on its own test set, as published; not measured here")
    print(f"  turned away {tell(away[bad])} of the hateful, {tell(away[~bad])} of the others")
    kinds = cases["functionality"].to_numpy()
    for kind in sorted(set(kinds)):
        mine = kinds == kind
        print(f"    {kind:20} {mine.sum():4}  {away[mine].mean():.2f}")


def measure_ordinary(judge: Judge, old: Score | None, corpus: OrdinaryCorpus) -> None:
    tables = read_tables(corpus.records, corpus.name)
    started = time.process_time()
    outcomes = np.concatenate([np.array(judge.judge(table, {})["outcome"].to_pylist()) for table in tables])
    used = time.process_time() - started
    away = np.isin(outcomes, ["hold", "reject"])
    before = "" if old is None else f"{count_old(old, tables):5}"
    print(
        f"{corpus.name:18} {corpus.side:8} {len(away):6}  {away.sum():4} {tell(away)}  "
        f"{(outcomes == 'abstain').sum():6}  {len(away) / used:10,.0f}  {before}"
    )


def count_old(old: Score, tables: list[pa.Table]) -> int:
    """How many rows the scorer before rejected."""
    rejected = 0
    for table in tables:
        pieces = read_scored(table)
        hit = pieces["row"].to_numpy()[old(pieces["content"].to_list()) >= OLD_BAR]
        rejected += len(np.unique(hit))
    return rejected


def measure_planted(judge: Judge, corpus: OrdinaryCorpus) -> None:
    assert judge.plant is not None
    assert judge.control is not None
    (sample, *_) = read_tables(corpus.records[:1000], corpus.name)
    said = []
    for name, planted in (
        ("canaries", judge.plant(sample, PLANTED, 0)),
        ("controls", judge.control(sample, PLANTED, 0)),
    ):
        verdicts = judge.judge(planted, {})
        kinds = pl.Series(planted["extra"].to_pylist(), dtype=pl.String).str.json_path_match("$.kind")
        away = pl.Series(verdicts["outcome"].to_pylist(), dtype=pl.String).is_in(["hold", "reject"])
        shares = pl.DataFrame({"kind": kinds, "away": away}).group_by("kind", maintain_order=True).mean()
        said.append(
            f"{name} {', '.join(f'{kind} {share:.2f}' for kind, share in shares.iter_rows()) or 'none'}"
        )
    print(f"{corpus.name:18} turned away of {'; of '.join(said)}")


def judge_all(judge: Judge, records: list[Mapping[str, Any]]) -> pl.DataFrame:
    verdicts = pa.concat_tables([judge.judge(table, {}) for table in read_tables(records, "cases")])
    return pl.DataFrame(verdicts.select(["outcome", "score"]))


def read_tables(records: Any, name: str) -> list[pa.Table]:
    return list(read_candidates(open_records(records, name)))


def tell(hits: Booleans) -> str:
    low, high = wilson(int(hits.sum()), len(hits))
    return f"{hits.mean():.4f} ({low:.4f} to {high:.4f})"


def tell_auc(scores: Floats, bad: Booleans) -> str:
    """The AUC and its 95% interval over resampled cases (Efron's percentile bootstrap)."""
    rng = np.random.default_rng(0)
    drawn = [
        measure_auc(scores[k], bad[k]) for k in (rng.integers(len(bad), size=len(bad)) for _ in range(DRAWS))
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{measure_auc(scores, bad):.3f} ({low:.3f} to {high:.3f})"


def measure_auc(scores: Floats, bad: Booleans) -> float:
    """The share of (bad, other) pairs in which the bad one scores higher; a tie counts half."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    n = bad.sum()
    return float((ranks[bad].sum() - n * (n + 1) / 2) / (n * (~bad).sum()))


if __name__ == "__main__":
    main()
