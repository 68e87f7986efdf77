"""Weighs thresholds of the semantic_dedup gate: rephrased questions found, against distinct ones rejected.

    python benchmarks/semantic_dedup.py ../shared/data

The folder holds public corpora. "found" is the share of rephrased GSM8K questions whose cosine to their
original is above the threshold; "rejected" the share of rows of a corpus that the gate rejects at it.
"""

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synth_stack.gates.semantic_dedup.gate import semantic_dedup
from synth_stack.models.embedders import load_embedder

THRESHOLDS = (0.8, 0.85, 0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=["wordllama", "minilm"], default="wordllama")
    parser.add_argument("--rows", type=int, default=3_000)
    args = parser.parse_args()
    print(f"{args.model:28}" + "".join(f"{threshold:>8}" for threshold in THRESHOLDS))
    embed = load_embedder(args.model).embed
    originals, rephrased = read_rephrased(args.folder)
    cosines = (embed(originals[: args.rows]) * embed(rephrased[: args.rows])).sum(axis=1)
    show("found of rephrased GSM8K", [float((cosines > t).mean()) for t in THRESHOLDS])
    for name, texts in read_corpora(args.folder).items():
        started = time.process_time()
        shares = [reject(texts[: args.rows], args.model, threshold) for threshold in THRESHOLDS]
        per_row_ms = (time.process_time() - started) / len(THRESHOLDS) / min(len(texts), args.rows) * 1e3
        show(f"rejected of {name}", shares, f"   {per_row_ms:.2f} CPU ms a row")


def show(name: str, shares: list[float], note: str = "") -> None:
    print(f"{name:28}" + "".join(f"{share:8.3f}" for share in shares) + note)


def reject(texts: list[str], model: Any, threshold: float) -> float:
    judge = semantic_dedup(threshold=threshold, model=model, field="text")
    table = pa.table({"row_id": [f"{k:032x}" for k in range(len(texts))], "text": texts})
    (vectors,) = judge.rounds
    state = vectors.merge([vectors.sketch(table, {})], {})
    outcomes = judge.judge(table, state)["outcome"].to_pylist()
    return float(np.mean([outcome == "reject" for outcome in outcomes]))


def read_rephrased(folder: Path) -> tuple[list[str], list[str]]:
    lines = (folder / "rephrased" / "rephrase_gsm8k.jsonl").read_text(encoding="utf-8").splitlines()
    originals = read_questions(folder / "gsm8k" / "test.jsonl")
    texts = [json.loads(line)["text"] for line in lines]
    questions = [text.partition("Question:")[2].partition("\nAnswer:")[0].strip() for text in texts]
    pairs = [(o, q) for o, q in zip(originals, questions, strict=True) if q]
    return [o for o, _ in pairs], [q for _, q in pairs]


def read_questions(path: Path) -> list[str]:
    return [json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()]


def read_corpora(folder: Path) -> dict[str, list[str]]:
    with (folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        queries = [row["text"] for row in csv.DictReader(file)]
    code = json.loads((folder / "code_alpaca" / "code_alpaca_2k.json").read_text(encoding="utf-8"))
    return {
        "GSM8K train": read_questions(folder / "gsm8k" / "train.jsonl"),
        "code_alpaca": [row["instruction"] for row in code],
        "banking77": queries,
    }


if __name__ == "__main__":
    main()
