"""Times the novelty gate on public instructions, and beside rouge_score's all pairs, as Self-Instruct did it.

    python benchmarks/novelty.py ../shared/data --rows 10000
    python benchmarks/novelty.py ../shared/data --pairs-rows 400 --python OTHER/bin/python

The folder holds public corpora. Of each, the first ROWS instructions in ASCII go through the gate without a
pool, and then all of them together; "rejected" is the share that it turns away. The same sequential filter by
the rouge_score package, one pair after the other, takes the first PAIRS_ROWS of each, under another
interpreter where that is installed; "differ" is by how much the highest ROUGE-L of a row does.
"""

import argparse
import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from synth_stack.gates.novelty.gate import novelty
from synth_stack.rows.schemas import build_candidates

THRESHOLD = 0.7
SHARD_ROWS = 10_000
ALL_PAIRS = """
import json, sys, time
from rouge_score import rouge_scorer
scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
started, pool, highest = time.process_time(), [], []
for said in json.load(sys.stdin):
    highest.append(max([scorer.score(said, other)["rougeL"].fmeasure for other in pool], default=0.0))
    if highest[-1] < THRESHOLD:
        pool.append(said)
print(json.dumps([time.process_time() - started, highest]))
"""
"""Apart, so that the other interpreter needs nothing of ours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pairs-rows", type=int, default=0, help="rows for rouge_score; 0: skip")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has rouge_score")
    args = parser.parse_args()
    every: list[str] = []
    for name, read in CORPORA.items():
        texts = [said for said in read(args.folder) if said.isascii()][: args.rows]
        every += texts
        show(name, texts)
        if args.pairs_rows:
            compare(texts[: args.pairs_rows], args.python)
    show("together", every)


def show(name: str, texts: list[str]) -> None:
    seconds, highest = filter_by_gate(texts)
    rejected = sum(score >= THRESHOLD for score in highest) / len(texts)
    print(
        f"{name:12} {len(texts):>7,} rows  {len(texts) / seconds:>8,.0f} rows per CPU second  "
        f"rejected {rejected:.3f}"
    )


def compare(texts: list[str], python: str) -> None:
    ours, highest = filter_by_gate(texts)
    theirs, expected = filter_by_pairs(texts, python)
    apart = max(abs(one - other) for one, other in zip(highest, expected, strict=True))
    print(
        f"  of {len(texts):,} rows: {ours:.2f} CPU s; rouge_score {theirs:.1f} CPU s, {theirs / ours:,.0f} "
        f"times as much; scores differ by at most {apart:.0e}"
    )


def filter_by_gate(texts: list[str]) -> tuple[float, list[float]]:
    """CPU seconds of the whole gate, and the highest ROUGE-L of each text."""
    rows = [make_row(said, draw) for draw, said in enumerate(texts)]
    shards = [build_candidates(rows[k : k + SHARD_ROWS]) for k in range(0, len(rows), SHARD_ROWS)]
    started = time.process_time()
    judge = novelty(threshold=THRESHOLD)
    (words,) = judge.rounds
    state = words.merge([words.sketch(shard, {}) for shard in shards], {})
    verdicts = pa.concat_tables([judge.judge(shard, state) for shard in shards])
    return time.process_time() - started, [score or 0.0 for score in verdicts["score"].to_pylist()]


def filter_by_pairs(texts: list[str], python: str) -> tuple[float, list[float]]:
    """The same by rouge_score, as Self-Instruct's code calls it."""
    script = ALL_PAIRS.replace("THRESHOLD", str(THRESHOLD))
    done = subprocess.run(
        [python, "-c", script], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    seconds, highest = json.loads(done.stdout)
    return seconds, highest


def make_row(said: str, draw: int) -> dict[str, object]:
    return {
        "kind": "instruction",
        "messages": [{"role": "user", "content": said}],
        "text": said,
        "attachments": [],
        "generator": "benchmark",
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }


def read_alpaca(folder: Path) -> list[str]:
    files = ("new_codealpaca.json", "code_alpaca_2k.json")
    rows = [row for name in files for row in json.loads((folder / "code_alpaca" / name).read_text("utf-8"))]
    return [row["instruction"] for row in rows]


def read_banking(folder: Path) -> list[str]:
    with (folder / "banking77" / "train.csv").open(encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


def read_gsm8k(folder: Path) -> list[str]:
    lines = (folder / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


def read_seed_tasks(folder: Path) -> list[str]:
    lines = (folder / "self_instruct" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["instruction"] for line in lines]


def read_clinc(folder: Path) -> list[str]:
    splits = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    return [said for said, _ in splits["train"]]


CORPORA: dict[str, Callable[[Path], list[str]]] = {
    "code_alpaca": read_alpaca,
    "banking77": read_banking,
    "clinc150": read_clinc,
    "gsm8k": read_gsm8k,
    "seed_tasks": read_seed_tasks,
}


if __name__ == "__main__":
    main()
