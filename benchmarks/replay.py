"""Times `synth-stack replay` of a big run: the whole process, from its start to the last table.

    python benchmarks/replay.py --rows 500000

A small batch of made-up support rows with planted copies, insults and a leaked exam is judged for real by
four gates. Its rows and verdicts are then written again and again under new ids, in shards of 10,000, until
there are enough: replay reads what a run of that size would have left, evidence included. Another gate file
moves the threshold of each gate that can decide again. Prints seconds, CPU seconds and peak memory of the
process that shows tables, and of the one that prints JSON.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from synth_stack import curate
from synth_stack.files import SHARD_ROWS, read_table, write_table
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import list_parts

BATCH_ROWS = 5_000
GATES: list[dict[str, Any]] = [
    {"use": "structure", "languages": ["en"]},
    {"use": "dedup", "threshold": 0.85},
    {"use": "toxicity", "scorer": "hate-ngrams", "threshold": 0.55},
    {"use": "contamination", "against": [{"name": "exam", "path": "exam.jsonl"}], "embedding": None},
]
CHANGES: dict[str, dict[str, Any]] = {
    "structure": {"min_confidence": 0.9},
    "dedup": {"threshold": 0.9},
    "toxicity": {"threshold": 0.7},
}
INSULT = "You are an idiot and this is a fucking stupid question."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="replay-"))
    try:
        run = folder / "run"
        write_gates(folder / "old.yaml", GATES)
        write_gates(folder / "new.yaml", [{**gate, **CHANGES.get(gate["use"], {})} for gate in GATES])
        rows = make_rows(random.Random(args.seed), folder / "exam.jsonl")
        curate(rows, folder / "old.yaml", folder / "small")
        repeat_run(folder / "small", run, args.rows, args.seed)
        for options in ([], ["--json"]):
            measure([str(run), "--gates", str(folder / "new.yaml"), *options], args.rows)
    finally:
        shutil.rmtree(folder)


def write_gates(path: Path, gates: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({"version": 1, "gates": gates}), encoding="utf-8")  # JSON is YAML


def make_rows(rng: random.Random, exam: Path) -> list[dict[str, Any]]:
    """Questions and answers: one in ten a near-copy, one in a hundred insulting, one in a hundred leaked."""
    words = [f"{a}{b}" for a in ("re", "un", "dis", "over", "in") for b in ("pay", "turn", "ship", "order")]
    words += "the a of to for your parcel refund lamp and account please today help with we will".split()
    item = " ".join(rng.choices(words, k=30))
    exam.write_text(json.dumps({"id": "e1", "prompt": item, "answer": "forty-two"}) + "\n", encoding="utf-8")
    rows: list[dict[str, Any]] = []
    for k in range(BATCH_ROWS):
        answer = " ".join(rng.choices(words, k=60))
        if k % 10 == 9:
            spoken = rows[rng.randrange(len(rows))]["output"].split()
            spoken[rng.randrange(len(spoken))] = "instead"
            answer = " ".join(spoken)
        elif k % 100 == 1:
            answer = f"{INSULT} {answer}"
        elif k % 100 == 2:
            answer = f"{answer} {item}"
        slice_ = f"topic/{k % 20}"
        rows.append({"instruction": f"Please help me with order {k}.", "output": answer, "slice": slice_})
    return rows


def repeat_run(small: Path, run: Path, n: int, seed: int) -> None:
    """The judged folder `small` as a folder of `n` rows with ids of their own: same verdicts, same locks."""
    candidates = pl.DataFrame(read_all(small / "candidates", CANDIDATE_SCHEMA))
    decisions = pl.DataFrame(read_table(small / "decisions.parquet", DECISION_SCHEMA))
    said = {
        path.name: pl.DataFrame(read_all(path, VERDICT_SCHEMA)) for path in (small / "verdicts").iterdir()
    }
    ids = np.random.default_rng(seed).bytes(16 * n).hex()
    settled = []
    for number, first in enumerate(range(0, n, SHARD_ROWS)):
        take = np.arange(first, min(first + SHARD_ROWS, n))
        names = pl.DataFrame(
            {
                "row_id": candidates["row_id"].gather(take % len(candidates)),
                "copy": take // len(candidates),
                "new": [ids[32 * k : 32 * (k + 1)] for k in take.tolist()],
            }
        )
        name = f"part-{number:05d}.parquet"
        save(run / "candidates" / name, rename(candidates, names), CANDIDATE_SCHEMA)
        for gate, verdicts in said.items():
            save(run / "verdicts" / gate / name, rename(verdicts, names), VERDICT_SCHEMA)
        settled.append(rename(decisions, names))
    save(run / "decisions.parquet", pl.concat(settled), DECISION_SCHEMA)
    for path in (*small.glob("*.lock.yaml"), *small.glob("canaries/*.parquet")):
        (run / path.relative_to(small)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, run / path.relative_to(small))


def rename(table: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The rows of `names` as `table` has them, in that order, under their new ids."""
    joined = names.join(table, on="row_id", how="inner", maintain_order="left_right")
    return joined.drop("row_id", "copy").rename({"new": "row_id"})


def read_all(folder: Path, schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([read_table(path, schema) for path in list_parts(folder)])


def save(path: Path, frame: pl.DataFrame, schema: pa.Schema) -> None:
    write_table(path, frame.select(schema.names).to_arrow().cast(schema))


def measure(arguments: list[str], n: int) -> None:
    """Run the command line and print what it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "synth_stack.cli.main", "replay", *arguments]
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(process.pid, 0)  # of this process alone, not of all that have ended
        printed = out.tell()
    wall = time.monotonic() - began
    if status:
        sys.exit(f"replay failed: {os.waitstatus_to_exitcode(status)}")
    peak = used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    shown = "JSON" if "--json" in arguments else "tables"
    print(
        f"{n:,} rows, {shown:6}: {wall:5.1f} s, {used.ru_utime + used.ru_stime:5.1f} CPU s, "
        f"at most {peak:,.0f} MB, {printed / 1e6:,.1f} MB of output"
    )


if __name__ == "__main__":
    main()
