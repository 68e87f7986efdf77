"""Times the whole of `synth-stack curate`: reading, every gate of a file, decisions, piles and report.

    python benchmarks/curate.py --rows 500000 --corpora CORPORA
    python benchmarks/curate.py --rows 50000,500000,5000000 --corpora CORPORA

The rows are made, not found: questions and answers of about 75 words, chained from the word pairs of the
support recipe's seeds and policies; one in twenty is a near-copy, one in a thousand is toxic, one in a
thousand holds an e-mail address. The eval
sets are GSM8K's test set and HumanEval where CORPORA (a folder with gsm8k/ and humaneval/) is named, else a
made-up one of 1,000 items. Prints seconds and rows per second of each stage as its progress reports them,
what passes between them (reading models, planting, merging, judging what was planted, decisions, piles and
the report), and of the whole, from the first row read to the manifest: seconds, seconds of CPU and the most
memory of all its processes together, beside the targets for 500,000 rows on two cores. CPU time is what to
compare on a machine that does other work too. With several sizes, how both times grow from each to the next,
as the exponent of a power of the rows, and the memory that each further row took. Needs /proc.
"""

import argparse
import json
import math
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from processes import measure_command

SHARD_ROWS = 50_000
TARGET_ROWS, TARGET_S, TARGET_CORES, TARGET_MB = 500_000, 180, 2, 3_000
STANDARD = Path(__file__).parents[1] / "curator_configs" / "standard.yaml"
SUPPORT = Path(__file__).parents[1] / "pipelines" / "support_intents"
VERBS = ("cancel", "change", "track", "return", "update", "pause", "renew", "pair", "reset", "move")


JUDGE = """
import json, sys, time
from synth_stack import curate
from synth_stack.inputs.gate_file import NamedEvalSet

class Clock:
    # a listener that notes how long each stage took, from its beginning to its last row, and its rows
    def __init__(self):
        self.stages = {}

    def begin(self, stage, total, done=0):
        began = time.monotonic()
        self.stages[stage] = (0.0, 0)

        def advance(n):
            self.stages[stage] = (time.monotonic() - began, self.stages[stage][1] + n)

        return advance

job, clock = json.loads(sys.argv[1]), Clock()
exams = [NamedEvalSet(name=name, path=path) for name, path in job["eval_sets"].items()]
began = time.monotonic()
batch = curate(job["folder"] + "/in", job["gates"], job["folder"] + "/out", eval_sets=exams, progress=clock)
seconds = time.monotonic() - began
print(json.dumps({"seconds": seconds, "stages": clock.stages, "counts": batch.figures.counts()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="50000", help="one size or several, divided by commas")
    parser.add_argument("--gates", type=Path, default=STANDARD)
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    sizes = [int(each) for each in args.rows.split(",")]
    taken = [measure_size(rows, args.gates, args.corpora, args.seed) for rows in sizes]
    for before, after in pairwise(taken):
        show_growth(before, after)


@dataclass(frozen=True)
class Taken:
    """What a batch of so many rows took."""

    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float


def measure_size(rows: int, gates: Path, corpora: Path | None, seed: int) -> Taken:
    """Writes a batch and judges it in a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="curate-"))
    try:
        write_rows(folder / "in", rows, seed)
        exams = "contamination" in gates.read_text(encoding="utf-8")
        eval_sets = find_eval_sets(corpora, folder) if exams else {}
        job = {"folder": str(folder), "gates": str(gates.resolve()), "eval_sets": eval_sets}
        used = measure_command([sys.executable, "-c", JUDGE, json.dumps(job)], Path(__file__).parents[1])
    finally:
        shutil.rmtree(folder)
    if used.code:
        sys.exit(f"{rows:,} rows could not be judged")
    said = json.loads(used.said.splitlines()[-1])
    taken = Taken(rows, said["seconds"], used.cpu_s, used.peak_mb)
    show(taken, said["stages"])
    print(json.dumps(said["counts"]), flush=True)
    return taken


def show(taken: Taken, stages: dict[str, tuple[float, int]]) -> None:
    rows, seconds, cpu_s = taken.rows, taken.seconds, taken.cpu_s
    for stage, (took, done) in stages.items():
        print(f"{stage:22} {took:8.1f} s {done / max(took, 1e-9):10,.0f} rows/s")
    print(f"{'between them':22} {seconds - sum(took for took, _ in stages.values()):8.1f} s")
    wanted, wanted_cpu = TARGET_ROWS / TARGET_S, TARGET_ROWS / TARGET_S / TARGET_CORES
    print(
        f"{rows:,} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s (target {wanted:,.0f} on two cores)"
    )
    print(f"{cpu_s:.1f} CPU s: {rows / cpu_s:,.0f} rows a CPU second (target {wanted_cpu:,.0f})")
    print(f"peak memory {taken.peak_mb:,.0f} MB (target {TARGET_MB:,} MB)")


def show_growth(before: Taken, after: Taken) -> None:
    grown = math.log(after.rows / before.rows)
    seconds = math.log(after.seconds / before.seconds) / grown
    cpu = math.log(after.cpu_s / before.cpu_s) / grown
    each = (after.peak_mb - before.peak_mb) * 1024**2 / (after.rows - before.rows)
    print(
        f"{before.rows:,} to {after.rows:,} rows: exponents {seconds:.2f} (seconds), {cpu:.2f} (of CPU); "
        f"{each:,.0f} bytes of memory a further row"
    )


def write_rows(folder: Path, rows: int, seed: int) -> None:
    """Parquet shards of instruction rows with id, instruction, output and slice."""
    folder.mkdir()
    rng = random.Random(seed)
    prose = Prose(rng)
    recent: list[dict[str, str]] = []
    for first in range(0, rows, SHARD_ROWS):
        table = []
        for k in range(first, min(first + SHARD_ROWS, rows)):
            row = make_row(rng, prose, recent)
            recent = [*recent[-500:], row]
            table.append({"id": f"row-{k}", **row})
        pq.write_table(pa.Table.from_pylist(table), folder / f"shard-{first:08d}.parquet")


class Prose:
    """Endless English from a chain of word pairs over the policies and seeds of the support recipe."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._next: dict[tuple[str, str], list[str]] = {}
        policies = [path.read_text(encoding="utf-8").replace("#", " ") for path in SUPPORT.rglob("*.md")]
        seeds = (SUPPORT / "seeds.jsonl").read_text(encoding="utf-8").splitlines()
        for text in [*sorted(policies), *(json.loads(line)["text"] for line in seeds)]:
            words = text.split()
            for a, b, c in zip(words, words[1:], words[2:], strict=False):
                self._next.setdefault((a, b), []).append(c)
        self._pairs = list(self._next)

    def write(self, count: int) -> str:
        """`count` words; every sixth starts somewhere else, so that no two texts follow one path."""
        words: list[str] = []
        while len(words) < count:
            pair = self._rng.choice(self._pairs)
            words += pair
            for _ in range(4):
                if pair not in self._next:
                    break
                pair = (pair[1], self._rng.choice(self._next[pair]))
                words.append(pair[1])
        return " ".join(words[:count])


def make_row(rng: random.Random, prose: Prose, recent: list[dict[str, str]]) -> dict[str, str]:
    if recent and rng.random() < 0.05:
        twin = rng.choice(recent)
        return {**twin, "output": twin["output"].replace(" the ", " this ", 1)}
    answer = prose.write(rng.randint(30, 80)).rstrip(".,;:!?") + "."
    if rng.random() < 0.001:
        answer += " You stupid fucking idiot."
    if rng.random() < 0.001:
        answer += f" Write to {prose.write(1).lower().strip('.,;:')}.smith@northmail.net."
    return {"instruction": prose.write(rng.randint(8, 30)), "output": answer, "slice": rng.choice(VERBS)}


def find_eval_sets(corpora: Path | None, folder: Path) -> dict[str, str]:
    """The path of each, by its name."""
    if corpora is not None:
        paths = {"gsm8k": "gsm8k/test.jsonl", "humaneval": "humaneval/HumanEval.jsonl"}
        return {name: str((corpora / path).resolve()) for name, path in paths.items()}
    rng = random.Random(1)
    prose = Prose(rng)
    path = folder / "exam.jsonl"
    lines = [json.dumps({"id": str(k), "question": prose.write(40)}) for k in range(1_000)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"exam": str(path)}


if __name__ == "__main__":
    main()
