"""Times the dedup gate beside rensa's own recipe and datasketch, on rows with planted near-duplicates.

    python benchmarks/dedup.py --rows 50000

Each contestant runs in a process of its own, so that its peak memory is its own. "recall" is the share of
rows with an earlier row above the threshold (as planted, and as the exact all-pairs join of the first
--truth-rows rows says) that the contestant rejects; "wrong" counts rejects without any such row.
"""

import argparse
import importlib.util
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import pyarrow as pa

THRESHOLD = 0.85
NGRAM = 3
HASHES = 128
WORDS = 4000
Outcome = list[bool]
"""Per row: is it rejected?"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--truth-rows", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=sorted(CONTESTANTS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    texts = make_rows(args.rows, args.seed)
    if args.only:
        print(json.dumps(measure(CONTESTANTS[args.only], texts)))
        return
    truth = find_truth(texts[: args.truth_rows])
    print(f"{args.rows} rows; {sum(truth)} of the first {len(truth)} have an earlier one above {THRESHOLD}")
    base = 0.0
    for name in CONTESTANTS:
        if name == "datasketch" and importlib.util.find_spec("datasketch") is None:
            print("datasketch       not installed")
            continue
        command = [
            sys.executable,
            __file__,
            "--rows",
            str(args.rows),
            "--seed",
            str(args.seed),
            "--only",
            name,
        ]
        result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        base = base or result["seconds"]
        rejected = result["rejected"][: len(truth)]
        found = sum(r and t for r, t in zip(rejected, truth, strict=True))
        wrong = sum(r and not t for r, t in zip(rejected, truth, strict=True))
        print(
            f"{name:14} {result['seconds']:7.1f} s {args.rows / result['seconds']:9,.0f} rows/s"
            f"  {result['seconds'] / base:5.1f}x  {result['peak_mb']:6.0f} MB"
            f"  recall {found / max(sum(truth), 1):.4f}  wrong {wrong}  rejected {sum(result['rejected'])}"
        )


def make_rows(rows: int, seed: int) -> list[str]:
    """Texts of 20 to 80 words of a Zipf-like vocabulary; three in ten are edits of one before them."""
    rng = random.Random(seed)
    words = [f"w{k}" for k in range(WORDS)]
    weights = [1 / (k + 10) for k in range(WORDS)]
    texts: list[str] = []
    for _ in range(rows):
        if texts and rng.random() < 0.3:
            copy = rng.choice(texts[-5000:]).split()
            for _ in range(rng.randint(0, 4)):
                copy[rng.randrange(len(copy))] = rng.choice(words)
            texts.append(" ".join(copy))
        else:
            texts.append(" ".join(rng.choices(words, weights, k=rng.randint(20, 80))))
    return texts


def find_truth(texts: list[str]) -> Outcome:
    """The gate's own rule by brute force: an earlier kept row with an exact Jaccard above the threshold."""
    sets = [set(grams(text)) for text in texts]
    kept: list[int] = []
    rejected: Outcome = []
    for mine in sets:
        close = any(
            len(mine & sets[k]) > THRESHOLD * len(mine | sets[k])
            for k in kept
            if len(mine) * THRESHOLD < len(sets[k]) < len(mine) / THRESHOLD
        )
        rejected.append(close)
        if not close:
            kept.append(len(rejected) - 1)
    return rejected


def grams(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[k : k + NGRAM]) for k in range(max(len(words) - NGRAM + 1, 1))]


def measure(run: Callable[[list[str]], Outcome], texts: list[str]) -> dict[str, object]:
    started = time.perf_counter()
    rejected = run(texts)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak, "rejected": rejected}


def run_gate(texts: list[str]) -> Outcome:
    from synth_stack.gates.dedup import dedup

    judge = dedup(threshold=THRESHOLD, ngram=NGRAM).judge
    table = pa.table({"row_id": [f"{k:032x}" for k in range(len(texts))], "text": texts})
    tables = [judge(table.slice(first, 10_000)) for first in range(0, len(texts), 10_000)]
    return [outcome == "reject" for outcome in pa.concat_tables(tables)["outcome"].to_pylist()]


def run_rensa(texts: list[str]) -> Outcome:
    """rensa's recipe for inline deduplication: signatures, LSH, and a verdict on the estimate."""
    from rensa import RMinHash, RMinHashDeduplicator

    seen = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=HASHES, use_lsh=True, num_bands=16, seed=42)
    rejected: Outcome = []
    for first in range(0, len(texts), 10_000):
        sets = [grams(text) for text in texts[first : first + 10_000]]
        for offset, sketch in enumerate(RMinHash.from_token_sets(sets, HASHES, 42)):
            rejected.append(not seen.add(str(first + offset), sketch))
    return rejected


def run_datasketch(texts: list[str]) -> Outcome:
    """datasketch's recipe: query the LSH index, insert what found no neighbour."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=HASHES)
    rejected: Outcome = []
    for k, sketch in enumerate(
        MinHash.generator(([gram.encode() for gram in grams(text)] for text in texts), num_perm=HASHES)
    ):
        close = bool(index.query(sketch))
        rejected.append(close)
        if not close:
            index.insert(k, sketch)
    return rejected


CONTESTANTS: dict[str, Callable[[list[str]], Outcome]] = {
    "synth_stack": run_gate,
    "rensa": run_rensa,
    "datasketch": run_datasketch,
}

if __name__ == "__main__":
    main()
