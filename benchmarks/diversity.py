"""Weighs the diversity gate: 5,000 rewordings of one intent, alone and among real rows, and real rows alone.

    python benchmarks/diversity.py ../shared/data [--rows 5000]

The folder holds public corpora. The rewordings are put together from rewordings.json: of the first two
intents the bars were fitted on, the others were written before they were run. "caught" is the share that
is rejected or held.
"""

import argparse
import csv
import itertools
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from synth_stack.gates.diversity.gate import diversity
from synth_stack.rows.schemas import build_candidates
from synth_stack.text.ragged import measure_jaccard
from synth_stack.text.words import normalise, shingle


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=5_000)
    args = parser.parse_args()
    intents = json.loads((Path(__file__).parent / "rewordings.json").read_text(encoding="utf-8"))
    corpora = read_corpora(args.folder)
    real = corpora["banking77"]
    for name, parts in intents.items():
        texts = reword(parts, args.rows)
        alone = judge(texts)
        among = judge([*real, *texts])
        print(
            f"{name}: nearest pair {measure_nearest(texts):.2f}; alone {share(alone):.3f} caught, "
            f"among {len(real)} of banking77 {share(among[len(real) :]):.3f}, "
            f"and of these {share(among[: len(real)]):.4f}",
            flush=True,
        )
    for name, texts in corpora.items():
        started = time.process_time()
        said = judge(texts)
        seconds = time.process_time() - started
        print(
            f"{name}: {share(said):.4f} of {len(texts)} caught {dict(Counter(said))} {seconds:.0f} CPU s",
            flush=True,
        )


def reword(parts: Sequence[str], rows: int) -> list[str]:
    """So many ways to say one thing, drawn from all, none over .85 to another by words."""
    ways = list(itertools.product(*(part.split("|") for part in parts)))
    order = np.random.default_rng(1).permutation(len(ways))[: 2 * rows]
    texts = [" ".join(word for word in ways[k] if word) for k in order]
    return texts[:rows]


def measure_nearest(texts: Sequence[str]) -> float:
    """The greatest Jaccard similarity of 20,000 pairs drawn at random."""
    sets = shingle(normalise(pl.Series(texts)), 3)
    i, j = np.random.default_rng(2).integers(0, len(texts), (2, 20_000))
    keep = i != j
    return float(measure_jaccard(sets, i[keep], sets, j[keep]).max())


def judge(texts: Sequence[str]) -> list[str]:
    """What the gate says of each text."""
    gate = diversity()
    table = make_table(texts)
    state: dict[str, pa.Table] = {}
    for step in gate.rounds:
        state |= step.merge(iter([step.sketch(table, state)]), state)
    verdicts = gate.judge(table, state)
    return [str(said) for said in verdicts["outcome"].to_pylist()]


def make_table(texts: Sequence[str]) -> pa.Table:
    base = {
        "kind": "instruction",
        "attachments": [],
        "generator": "benchmark",
        "generator_version": "1",
        "replayable": True,
    }
    return build_candidates(
        {**base, "messages": [{"role": "user", "content": text}], "text": text, "draw": k}
        for k, text in enumerate(texts)
    )


def share(said: Sequence[str]) -> float:
    return float(np.mean([outcome in {"reject", "hold"} for outcome in said]))


def read_corpora(folder: Path) -> dict[str, list[str]]:
    """Real rows: the first two the bars were fitted on."""
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        queries = [row["text"] for row in csv.DictReader(file)]
    code = json.loads((folder / "code_alpaca" / "code_alpaca_2k.json").read_text(encoding="utf-8"))
    intents = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    lines = (folder / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    xquad = (folder / "ordinary" / "xquad_es.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "banking77": queries,
        "code_alpaca_2k": [row["instruction"] for row in code],
        "clinc150 (unseen)": [text for text, _ in intents["train"]],
        "gsm8k (unseen)": [json.loads(line)["question"] for line in lines],
        "xquad_es (unseen)": [str(json.loads(line)["instruction"]) for line in xquad],
    }


if __name__ == "__main__":
    main()
