"""Fits the offline scorer of the toxicity gate and writes its weights, hate_ngrams.parquet, into the package.

    python benchmarks/toxicity_fit.py ../shared/data              the weights, their digest
    python benchmarks/toxicity_fit.py ../shared/data --search     how each penalty does on what was left out

Fitted on toxicity/train.jsonl.gz (Davidson et al., EDOS, Hatemoji, Vicomtech) and, as innocent text, on the
develop corpora of ordinary_corpora.py and on toxicity_mentions.txt. The bars are set on the develop corpora,
each half scored by a model that was fitted without it. HateCheck and the judge corpora are not read. Three
minutes on one core.
"""

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ordinary_corpora import read_corpora
from scipy import sparse
from scipy.optimize import minimize

from synth_stack.gates.toxicity.pieces import read_scored
from synth_stack.gates.toxicity.windows import cut_sentences
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.models.hate_ngrams import (
    ADDED_TOKENS,
    LABELS,
    PARTS,
    SCHEMA,
    cut_hashes,
    hash_letters,
    hash_pairs,
    list_tokens,
    read_weights,
)
from synth_stack.models.toxicity import SENTENCE_CHARS
from synth_stack.text.ragged import spread
from synth_stack.text.words import hash_texts

TARGET = Path(str(files("synth_stack.models"))) / "hate_ngrams.parquet"
SEED = 0

INNOCENT = ("ordinary", "mentions")

SOURCES = {
    "hate": ("davidson", "edos", "hatemoji", "vicomtech", *INNOCENT),
    "offence": ("davidson", *INNOCENT),
}
"""Only Davidson et al. labelled what is offensive and no hate: elsewhere swear words stand among the rest."""

PENALTY = 30.0
"""The largest of PENALTIES whose mean AUC on a source left out is within 0.005 of the best (--search): of
models that do as well the simplest (Hastie, Tibshirani and Friedman 2009, section 7.10)."""

PENALTIES = (10.0, 30.0, 100.0)
PARTS_READ = {"hate": PARTS, "offence": PARTS[:2]}
"""A swear word is a whole word: by its letters "horseshoe" and "Bitcoin" were swear words too."""

PRUNED = {"hate": 0.0, "offence": 0.1}
"""What part of the largest a weight has to be. Swear words are few; all else that Davidson's tweets have in
common is how tweets are written."""

SOURCE_WEIGHT = 5_000.0
"""What a source weighs, however many texts it has: as much as so many."""

LEAST_TEXTS = {"word": 3, "pair": 3, "letters": 5}
"""A feature of fewer texts gets no weight."""

PART_SCALE = {"word": 1.0, "pair": 1.0, "letters": 0.6}
"""How large a feature is before the penalty: letters repeat what words say."""

ORDINARY_ROWS = 1_500
"""Of each develop corpus, so that none rules the others."""

HELD_SHARE = 0.0003
"""The share of ordinary rows that each label may hold wrongly: with both, under one in a thousand."""

TAIL = 0.01
"""The share of the highest rows from which the bars are drawn: the last few rows alone are single cases."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Design:
    """Texts as features: `matrix` (n, d), and the `hashes` of the columns part by part."""

    matrix: sparse.csr_matrix
    hashes: dict[str, NDArray[np.uint32]]
    scale: Floats


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--search", action="store_true")
    options = parser.parse_args()
    told = pl.read_ndjson(options.corpora / "toxicity" / "train.jsonl.gz")
    ordinary = read_ordinary(options.corpora)
    distinct = ordinary["content"].unique(maintain_order=True)
    mentions = read_mentions()
    design = build_design(pl.concat([told["text"], mentions, distinct]))
    innocent = np.repeat(["mentions", "ordinary"], [len(mentions), len(distinct)])
    source = np.concatenate([told["src"].to_numpy(), innocent])
    columns = zip(LABELS, ("hate", "toxic"), strict=True)
    labels = {name: pad(told[column], len(source)) for name, column in columns}
    print(f"{len(source)} texts, {design.matrix.shape[1]} features")
    if options.search:
        measure_held_out(design, labels, source)
        search(design, labels, source)
        return
    excess, bars = set_bars(design, labels, source, ordinary, distinct)
    everything = np.ones(len(source), dtype=bool)
    fits = [fit_label(name, design, labels, source, everything) for name in LABELS]
    data = write_weights(design, fits, bars, excess)
    read_weights(data, TARGET.name)
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


def read_ordinary(corpora: Path) -> pl.DataFrame:
    """The sentences of the develop corpora: `corpus, row, content`, rows numbered through."""
    found, _ = read_corpora(corpora, ORDINARY_ROWS, SEED)
    cut = []
    for corpus in (c for c in found if c.side == "develop"):
        table = pa.concat_tables(read_candidates(open_records(corpus.records, corpus.name))).combine_chunks()
        sentences = cut_sentences(read_scored(table), SENTENCE_CHARS).filter(
            pl.col("content").str.contains(r"\S")
        )
        cut.append(sentences.select(pl.lit(corpus.name).alias("corpus"), "row", "content"))
    return pl.concat(cut).with_columns(row=pl.struct("corpus", "row").rank("dense").cast(pl.Int64) - 1)


def read_mentions() -> pl.Series:
    """Every template of toxicity_mentions.txt with every name of its kind."""
    sections: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("toxicity_mentions.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("# "):
            section.append(line)
    kinds = [kind for kind in sections if f"{kind} templates" in sections]
    return pl.Series(
        [t.format(name) for kind in kinds for t in sections[f"{kind} templates"] for name in sections[kind]]
    )


def build_design(texts: pl.Series) -> Design:
    ordered = list_tokens(texts, emoji=True)
    pairs, where = hash_pairs(ordered)
    tokens = ordered.once()
    letters = hash_letters(tokens.distinct)
    lengths = letters.lengths[tokens.codes]
    found = {
        "word": (cut_hashes(hash_texts(tokens.distinct))[tokens.codes], tokens.rows),
        "pair": (pairs, where),
        "letters": (
            cut_hashes(letters.values[spread(letters.offsets[:-1][tokens.codes], lengths)]),
            np.repeat(tokens.rows, lengths),
        ),
    }
    blocks, hashes, scales = [], {}, []
    for part in PARTS:
        hashed, rows = found[part]
        known, which = np.unique(hashed, return_inverse=True)
        counts = sparse.csr_matrix(
            (np.ones(len(rows), dtype=np.float32), (rows, which)), shape=(len(texts), len(known))
        )
        in_texts = np.bincount(counts.indices, minlength=len(known))
        kept = np.flatnonzero(in_texts >= LEAST_TEXTS[part])
        idf = 1 + np.log((1 + len(texts)) / (1 + in_texts[kept]))
        scales.append(PART_SCALE[part] * idf)
        hashes[part] = known[kept]
        blocks.append(counts[:, kept] @ sparse.diags(scales[-1].astype(np.float32)))
    shrink = sparse.diags((1 / np.sqrt(tokens.per_text + ADDED_TOKENS)).astype(np.float32))
    return Design((shrink @ sparse.hstack(blocks)).tocsr(), hashes, np.concatenate(scales))


def fit(matrix: sparse.csr_matrix, bad: Floats, weights: Floats, penalty: float) -> Floats:
    """The weights of a logistic regression with a squared penalty, (d + 1,), the bias last, unpenalised."""
    turned = matrix.T.tocsr()

    def loss(v: Floats) -> tuple[float, Floats]:
        z = (matrix @ v[:-1].astype(np.float32)).astype(np.float64) + v[-1]
        gap = weights * (1 / (1 + np.exp(-z)) - bad)
        total = (weights * (np.logaddexp(0, z) - bad * z)).sum() + penalty / 2 * (v[:-1] ** 2).sum()
        return float(total), np.append(turned @ gap.astype(np.float32) + penalty * v[:-1], gap.sum())

    start = np.zeros(matrix.shape[1] + 1)
    options = {"maxiter": 150, "ftol": 1e-7, "gtol": 1e-3}
    found: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return found


def fit_label(
    name: str,
    design: Design,
    labels: dict[str, Floats],
    source: NDArray[np.str_],
    kept: NDArray[np.bool_],
) -> Floats:
    """The weights of a label from the texts `kept` of its sources; the small ones are zero (PRUNED)."""
    mine = np.flatnonzero(kept & np.isin(source, SOURCES[name]))
    weights = weigh(source, kept & np.isin(source, SOURCES[name]))[mine]
    read = sum(len(design.hashes[part]) for part in PARTS_READ[name])
    kept_columns = fit(design.matrix[mine][:, :read], labels[name][mine], weights, PENALTY)
    found = np.zeros(design.matrix.shape[1] + 1)
    found[:read], found[-1] = kept_columns[:-1], kept_columns[-1]
    added = np.abs(found[:-1] * design.scale)
    found[:-1][added < PRUNED[name] * added.max()] = 0
    return found


def weigh(source: NDArray[np.str_], kept: NDArray[np.bool_]) -> Floats:
    weights = np.zeros(len(source))
    for name in np.unique(source[kept]):
        mine = kept & (source == name)
        weights[mine] = SOURCE_WEIGHT / mine.sum()
    return weights


def measure_held_out(design: Design, labels: dict[str, Floats], source: NDArray[np.str_]) -> None:
    """The AUC on every tenth text of each source of a fit on the others."""
    left_out = np.arange(len(source)) % 10 == 0
    found = fit_label("hate", design, labels, source, ~left_out)
    for name in (n for n in SOURCES["hate"] if n not in INNOCENT):
        mine = left_out & (source == name)
        auc = measure_auc(design.matrix[mine] @ found[:-1], labels["hate"][mine] > 0)
        print(f"penalty {PENALTY:5.0f}: {name:10} AUC {auc:.3f} on a tenth left out", flush=True)


def search(design: Design, labels: dict[str, Floats], source: NDArray[np.str_]) -> None:
    """The AUC on each source of a fit on the others, over hateful texts and those that are not even rude."""
    hate, told = labels["hate"] > 0, labels["offence"] == 0
    for penalty in PENALTIES:
        aucs = []
        for name in (n for n in np.unique(source) if n not in INNOCENT):
            mine = source == name
            rest = np.flatnonzero(~mine)
            found = fit(design.matrix[rest], labels["hate"][rest], weigh(source, ~mine)[rest], penalty)
            seen = mine & (hate | told)
            aucs.append(measure_auc(design.matrix[seen] @ found[:-1], hate[seen]))
            print(f"penalty {penalty:5.0f}: {name:10} AUC {aucs[-1]:.3f}", flush=True)
        print(f"penalty {penalty:5.0f}: mean       AUC {np.mean(aucs):.3f}")


def write_weights(design: Design, fits: Sequence[Floats], bars: Sequence[float], excess: float) -> bytes:
    """The file of the model: what a feature adds, in 127 steps a part; what adds nothing is left out."""
    added = np.stack([found[:-1] * design.scale for found in fits], axis=1)
    steps, tables, start = [], [], 0
    for number, part in enumerate(PARTS):
        block = added[start : start + len(design.hashes[part])]
        start += len(block)
        step = np.maximum(np.abs(block).max(axis=0) / 127, np.finfo(np.float32).tiny)
        cut = np.round(block / step).astype(np.int8)
        kept = cut.any(axis=1) | (part == "word")  # a word that says nothing is known all the same
        columns = {label: cut[kept, k] for k, label in enumerate(LABELS)}
        places = np.full(int(kept.sum()), number, dtype=np.uint8)
        tables.append(pa.table({"part": places, "hash": design.hashes[part][kept], **columns}, schema=SCHEMA))
        steps.extend(step.tolist())
    told = {
        "step": steps,
        "bias": [found[-1] - bar for found, bar in zip(fits, bars, strict=True)],
        "excess": [excess],
    }
    metadata = {name: ",".join(f"{number:.6g}" for number in numbers) for name, numbers in told.items()}
    file = BytesIO()
    pq.write_table(
        pa.concat_tables(tables).replace_schema_metadata(metadata),
        file,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
    )
    return file.getvalue()


def set_bars(
    design: Design,
    labels: dict[str, Floats],
    source: NDArray[np.str_],
    ordinary: pl.DataFrame,
    distinct: pl.Series,
) -> tuple[float, list[float]]:
    """By how much the highest of ordinary sentences grows with their number; and the bar of each label.

    The tail of the scores of ordinary sentences falls like an exponential whose mean excess over a high
    quantile is `excess`, so the highest of n lies some excess * ln(n) higher than one alone.
    """
    corpora = ordinary["corpus"].unique(maintain_order=True).to_list()
    first = pl.DataFrame({"content": distinct}).with_row_index("at")
    at = ordinary.join(first, on="content", how="left", maintain_order="left")["at"].to_numpy() + (
        len(source) - len(distinct)
    )
    scores = np.zeros((len(at), len(LABELS)))
    for half in (0, 1):
        left_out = ordinary["corpus"].is_in(corpora[half::2]).to_numpy()
        kept = np.ones(len(source), dtype=bool)
        kept[at[left_out]] = False
        for k, name in enumerate(LABELS):
            found = fit_label(name, design, labels, source, kept)
            scores[left_out, k] = design.matrix[at[left_out]] @ found[:-1] + found[-1]
    hate = scores[:, LABELS.index("hate")]
    high = np.quantile(hate, 1 - TAIL)
    excess = float((hate[hate > high] - high).mean())
    owner = ordinary["row"].to_numpy()
    lengths = np.log(np.bincount(owner))
    bars = []
    for z in scores.T:
        best = np.full(len(lengths), -np.inf)
        np.maximum.at(best, owner, z)
        rows = best - excess * lengths
        high = np.quantile(rows, 1 - TAIL)
        # past the tail's beginning by as much as an exponential tail needs to fall to the share
        bars.append(float(high + (rows[rows > high] - high).mean() * np.log(TAIL / HELD_SHARE)))
    print(f"{len(lengths)} ordinary rows set the bars: excess {excess:.3f}, bars {bars}")
    return excess, bars


def measure_auc(scores: Floats, bad: NDArray[np.bool_]) -> float:
    """The share of (bad, other) pairs in which the bad one scores higher; a tie counts half."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    n = bad.sum()
    return float((ranks[bad].sum() - n * (n + 1) / 2) / (n * (~bad).sum()))


def pad(told: pl.Series, n: int) -> Floats:
    return np.concatenate([told.to_numpy().astype(np.float64), np.zeros(n - len(told))])


if __name__ == "__main__":
    main()
