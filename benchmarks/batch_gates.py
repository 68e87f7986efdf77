"""What topic, drift and diversity cost together: CPU seconds and memory of each step, over shards of
10,000 rows.

    python benchmarks/batch_gates.py ../shared/data [--rows 100000]

The folder holds public corpora. Rows are messages of banking77, two joined in one, under the intent of the
first, with an answer. What a gate does per shard grows with the rows; what it does once does not, and
500,000 rows are reckoned from both. Shards run side by side on as many cores as there are; what is done
once is done on one.
"""

import argparse
import csv
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from synth_stack.gates.diversity.gate import diversity
from synth_stack.gates.drift.gate import drift
from synth_stack.gates.gate import Judge
from synth_stack.gates.on_topic.gate import on_topic
from synth_stack.rows.schemas import build_candidates

SHARD_ROWS = 10_000
WANTED_ROWS = 500_000
CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    args = parser.parse_args()
    with (args.folder / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        real = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    seeds, columns = str(args.folder / "banking77" / "test.csv"), {"slice": "category"}
    gates: dict[str, Callable[[], Judge]] = {
        "on_topic": lambda: on_topic(seeds=seeds, columns=columns),
        "drift": lambda: drift(baseline=seeds, columns=columns),
        "diversity": lambda: diversity(seeds=seeds, columns=columns),
    }
    with tempfile.TemporaryDirectory() as folder:
        shards = list(write_shards(real, args.rows, Path(folder)))
        walls = [show_gate(name, make, shards, args.rows) for name, make in gates.items()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"together {sum(walls):.0f} s on {CORES} cores for {WANTED_ROWS:,} rows; peak here {peak:.2f} GB")


def show_gate(name: str, make: Callable[[], Judge], shards: list[Path], rows: int) -> float:
    """The seconds that so many rows would take; prints the CPU seconds of each part."""
    gate, spent = make(), {"shards": 0.0, "once": 0.0}
    state: dict[str, pa.Table] = {}

    def take(part: str, started: float) -> None:
        spent[part] += time.process_time() - started

    for step in gate.rounds:
        sketches = []
        for shard in shards:
            table = read(shard)
            started = time.process_time()
            sketches.append(step.sketch(table, state))
            take("shards", started)
        started = time.process_time()
        state |= step.merge(iter(sketches), state)
        take("once", started)
    for shard in shards:
        table = read(shard)
        started = time.process_time()
        gate.judge(table, state)
        take("shards", started)
    wall = spent["shards"] / rows * WANTED_ROWS / CORES + spent["once"]
    print(
        f"{name}: {spent['shards']:.1f} CPU s on {rows:,} rows, {spent['once']:.1f} once; {wall:.0f} s for "
        f"{WANTED_ROWS:,} rows on {CORES} cores",
        flush=True,
    )
    return wall


def write_shards(real: list[tuple[str, str]], rows: int, folder: Path) -> Iterator[Path]:
    rng = np.random.default_rng(0)
    for first in range(0, rows, SHARD_ROWS):
        pairs = rng.integers(0, len(real), (min(SHARD_ROWS, rows - first), 2))
        table = build_candidates(
            make_row(first + k, *(real[j] for j in pair)) for k, pair in enumerate(pairs)
        )
        path = folder / f"{first}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        yield path


def make_row(draw: int, first: tuple[str, str], second: tuple[str, str]) -> dict[str, object]:
    question, answer = f"{first[0]} {second[0]}", f"You ask about this: {first[0]} We will look into it."
    return {
        "kind": "instruction",
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        "text": f"{question}\n\n{answer}",
        "slice": first[1],
        "attachments": [],
        "seed_id": f"seed-{draw % 997}",
        "generator": "benchmark",
        "generator_version": "1",
        "draw": draw,
        "replayable": True,
    }


def read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


if __name__ == "__main__":
    main()
