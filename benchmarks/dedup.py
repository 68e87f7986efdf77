"""Times the dedup gate beside rensa's own recipe, datasketch and datatrove, on rows with planted copies.

    python benchmarks/dedup.py --rows 50000                 side by side, and against the exact truth
    python benchmarks/dedup.py --rows 500000 --gate-only    the gate alone, from Parquet shards

Each contestant reads the same Parquet shards in a process of its own, so that its time and peak memory are
its own; of datatrove, whose workers are no children of that process, only the time is known. The truth is the
exact all-pairs join of all rows, by prefix filtering, with code that the gate does not share. "recall" is the
share of the pairs above the threshold of which not both rows are kept; "precision" the share of rejected rows
that are in any such pair. The sequential rule (a row is rejected if a kept row before it is above the
threshold) rejects as many rows as the first line shows. With --python the others run under another
interpreter, where they are installed.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

THRESHOLD = 0.85
NGRAM = 3
HASHES = 128
WORDS = 20_000
SHARD_ROWS = 10_000
RECENT_ROWS = 5_000
COPIED = 0.3
Rejects = list[int]
"""The numbers of the rejected rows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--gate-only", action="store_true", help="no others and no truth")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the others")
    parser.add_argument("--only", choices=[*STEPS, *CONTESTANTS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only in STEPS:
        print(json.dumps(STEPS[args.only](args.folder, args.rows, args.seed)))
    elif args.only:
        print(json.dumps(measure(args.only, args.folder)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), args)


def compare(folder: Path, args: argparse.Namespace) -> None:
    def run(step: str, python: str = sys.executable) -> Any:
        command = [python, __file__, "--rows", str(args.rows), "--seed", str(args.seed)]
        command += ["--only", step, "--folder", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{step} failed:\n{done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    made = run("make")
    print(f"{args.rows} rows, {made['mb']:.0f} MB of text")
    truth = None if args.gate_only else run("truth")
    if truth:
        print(f"{len(truth['pairs'])} pairs above {THRESHOLD}; the rule rejects {truth['rejected']} rows")
    base: dict[str, Any] = {}
    for name in ["synth_stack"] if args.gate_only else CONTESTANTS:
        result = run(name, sys.executable if name == "synth_stack" else args.python)
        if "missing" in result:
            print(f"{name:12} not installed ({result['missing']})")
            continue
        base = base or result
        print(describe(name, result, base, truth, args.rows), flush=True)


def describe(name: str, result: dict[str, Any], base: dict[str, Any], truth: Any, rows: int) -> str:
    seconds, cpu_s = result["seconds"], result["cpu_s"]
    line = f"{name:12} {seconds:7.1f} s {seconds / base['seconds']:5.1f}x {rows / seconds:9,.0f} rows/s"
    if name != "datatrove":
        line += f" {cpu_s:7.1f} CPU s {cpu_s / base['cpu_s']:5.1f}x {result['peak_mb']:6.0f} MB"
    rejected = set(result["rejected"])
    line += f"  rejects {len(rejected)}"
    if truth:
        missed = sum(i not in rejected and j not in rejected for i, j in truth["pairs"])
        paired = {row for pair in truth["pairs"] for row in pair}
        right = len(rejected & paired) / max(len(rejected), 1)
        line += f"  recall {1 - missed / len(truth['pairs']):.4f}  precision {right:.4f}"
    return line


def make_shards(folder: Path, rows: int, seed: int) -> dict[str, float]:
    """Candidates of 40 to 110 words of a Zipf-like vocabulary; three in ten copy a recent row, up to six of
    its words exchanged."""
    from synth_stack.rows.schemas import CANDIDATE_SCHEMA

    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = pa.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 9, WORDS)])
    weights = np.cumsum(1 / (np.arange(WORDS) + 10))
    recent: list[Any] = []
    size = 0
    for first in range(0, rows, SHARD_ROWS):
        count = min(SHARD_ROWS, rows - first)
        tokens: list[Any] = []
        for block in range(0, count, 1_000):
            drawn = [
                draw_words(rng, weights, length)
                for length in rng.integers(40, 111, min(1_000, count - block))
            ]
            copied = np.flatnonzero(rng.random(len(drawn)) < COPIED) if recent else []
            for row in copied:
                drawn[row] = recent[rng.integers(len(recent))].copy()
                edits = rng.integers(0, 7)
                drawn[row][rng.integers(0, len(drawn[row]), edits)] = draw_words(rng, weights, edits)
            recent = [*recent, *drawn][-RECENT_ROWS:]
            tokens += drawn
        offsets = np.concatenate([[0], np.cumsum([len(t) for t in tokens])]).astype(np.int32)
        text = pc.binary_join(
            pa.ListArray.from_arrays(offsets, words.take(pa.array(np.concatenate(tokens)))), " "
        )
        size += text.nbytes
        columns = {
            "row_id": [f"{first + k:032x}" for k in range(count)],
            "kind": ["foreign"] * count,
            "messages": [[]] * count,
            "text": text,
            "attachments": [[]] * count,
            "generator": ["foreign"] * count,
            "generator_version": ["1"] * count,
            "draw": np.arange(first, first + count),
            "replayable": [False] * count,
        }
        blank = {f.name: pa.nulls(count, f.type) for f in CANDIDATE_SCHEMA if f.name not in columns}
        shard = pa.table(
            {f.name: (columns | blank)[f.name] for f in CANDIDATE_SCHEMA}, schema=CANDIDATE_SCHEMA
        )
        pq.write_table(shard, folder / f"part-{first // SHARD_ROWS:05d}.parquet", compression="zstd")
    return {"mb": size / 1e6}


def draw_words(rng: Any, weights: Any, count: int) -> Any:
    return np.searchsorted(weights, rng.random(count) * weights[-1]).clip(0, WORDS - 1)


def find_truth(folder: Path, _rows: int, _seed: int) -> dict[str, Any]:
    """The exact join: two sets with a Jaccard above t share one of their |A| - ceil(t |A|) + 1 rarest
    shingles (Chaudhuri et al. 2006; Bayardo et al. 2007)."""
    sets = [set(list_grams(text)) for text in read_texts(folder)]
    count: defaultdict[str, int] = defaultdict(int)
    for grams in sets:
        for gram in grams:
            count[gram] += 1
    index: defaultdict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    rejected: set[int] = set()
    for row, mine in enumerate(sets):
        size = len(mine) - int(np.ceil(THRESHOLD * len(mine) - 1e-9)) + 1
        prefix = sorted(mine, key=lambda gram: (count[gram], gram))[:size]
        mates = {mate for gram in prefix for mate in index[gram]}
        above = [m for m in mates if len(mine & sets[m]) > THRESHOLD * len(mine | sets[m])]
        pairs += [(row, mate) for mate in above]
        if any(mate not in rejected for mate in above):
            rejected.add(row)
        for gram in prefix:
            index[gram].append(row)
    return {"pairs": pairs, "rejected": len(rejected)}


def read_texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("part-*.parquet")):
        yield from pq.read_table(path, columns=["text"])["text"].to_pylist()


def list_grams(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[k : k + NGRAM]) for k in range(max(len(words) - NGRAM + 1, 1))]


def measure(name: str, folder: Path) -> dict[str, Any]:
    try:
        for module in IMPORTS[name]:
            importlib.import_module(module)
    except ModuleNotFoundError as exc:
        return {"missing": str(exc)}
    started, spent = time.perf_counter(), time.process_time()
    rejected = CONTESTANTS[name](folder)
    seconds = time.perf_counter() - started
    cpu_s = time.process_time() - spent
    # the kernel's high-water mark of this program alone: ru_maxrss would count what started it
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peak_mb": int(status["VmHWM"].split()[0]) / 1024,
        "rejected": rejected,
    }


def run_gate(folder: Path) -> Rejects:
    """The gate in this process: each shard is sketched in each round, then judged."""
    from synth_stack.gates.dedup.gate import dedup

    judge = dedup(threshold=THRESHOLD, ngram=NGRAM)
    state: dict[str, pa.Table] = {}
    for step in judge.rounds:
        sketches = deque(step.sketch(table, state) for table in read_shards(folder))
        # each sketch is let go as it is merged, as an engine that reads them from files does
        state |= step.merge((sketches.popleft() for _ in range(len(sketches))), state)
    rejected: Rejects = []
    row = 0
    for table in read_shards(folder):
        outcomes = judge.judge(table, state)["outcome"]
        rejected += (row + np.flatnonzero(pc.equal(outcomes, "reject").to_numpy())).tolist()
        row += len(outcomes)
    return rejected


def read_shards(folder: Path) -> Iterator[pa.Table]:
    """The candidates of each shard, the next one read while one is worked on."""
    from synth_stack.rows.schemas import CANDIDATE_SCHEMA
    from synth_stack.runs.folder import list_shards

    with ThreadPoolExecutor(1) as reader:
        coming: deque[Future[pa.Table]] = deque()
        for shard in list_shards(folder):
            coming.append(reader.submit(shard.read, CANDIDATE_SCHEMA))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def run_rensa(folder: Path) -> Rejects:
    """rensa's recipe for inline deduplication: signatures, LSH, and a verdict on the estimate."""
    from rensa import RMinHash, RMinHashDeduplicator

    seen = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=HASHES, use_lsh=True, num_bands=16, seed=42)
    texts = list(read_texts(folder))
    rejected: Rejects = []
    for first in range(0, len(texts), SHARD_ROWS):
        sets = [list_grams(text) for text in texts[first : first + SHARD_ROWS]]
        for offset, sketch in enumerate(RMinHash.from_token_sets(sets, HASHES, 42)):
            if not seen.add(str(first + offset), sketch):
                rejected.append(first + offset)
    return rejected


def run_datasketch(folder: Path) -> Rejects:
    """datasketch's recipe: query the LSH index, insert what found no neighbour."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=HASHES)
    rejected: Rejects = []
    grams = ([gram.encode() for gram in list_grams(text)] for text in read_texts(folder))
    for row, sketch in enumerate(MinHash.generator(grams, num_perm=HASHES)):
        if index.query(sketch):
            rejected.append(row)
        else:
            index.insert(row, sketch)
    return rejected


def run_datatrove(folder: Path) -> Rejects:
    """datatrove's four stages on two workers: signatures, buckets, clusters, filter; 14 bands of 8."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    config = MinhashConfig(
        hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=NGRAM
    )
    reader = ParquetReader(str(folder), glob_pattern="part-*.parquet", text_key="text", id_key="row_id")
    with tempfile.TemporaryDirectory() as work:
        stages = [
            ([reader, MinhashDedupSignature(f"{work}/signatures", config=config)], 2),
            ([MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)], 14),
            ([MinhashDedupCluster(f"{work}/buckets", f"{work}/removed", config=config)], 1),
            (
                [
                    reader,
                    MinhashDedupFilter(f"{work}/removed"),
                    JsonlWriter(f"{work}/kept", compression=None),
                ],
                2,
            ),
        ]
        for pipeline, tasks in stages:
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, skip_completed=False).run()
        kept = {
            int(json.loads(line)["id"], 16)
            for path in Path(work, "kept").glob("*.jsonl")
            for line in path.read_text().splitlines()
        }
    rows = sum(pq.read_metadata(path).num_rows for path in folder.glob("part-*.parquet"))
    return [row for row in range(rows) if row not in kept]


STEPS: dict[str, Callable[[Path, int, int], dict[str, Any]]] = {"make": make_shards, "truth": find_truth}
CONTESTANTS: dict[str, Callable[[Path], Rejects]] = {
    "synth_stack": run_gate,
    "rensa": run_rensa,
    "datasketch": run_datasketch,
    "datatrove": run_datatrove,
}
IMPORTS = {
    "synth_stack": ["polars", "synth_stack.gates.dedup.gate", "synth_stack.files"],
    "rensa": ["rensa"],
    "datasketch": ["datasketch"],
    # its word tokenizer needs spacy and says so late
    "datatrove": ["spacy", "datatrove.executor", "datatrove.pipeline.dedup", "datatrove.pipeline.readers"],
}
"""What each contestant loads before the clock starts."""

if __name__ == "__main__":
    main()
