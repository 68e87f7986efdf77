"""Prints the measurements behind the gates' thresholds, from a folder of public corpora.

    python benchmarks/thresholds.py ../shared/data

The folder holds banking77, clinc150, gsm8k, code_alpaca, gpteacher and self_instruct. About a minute on two
cores. Those of the contamination gate come from benchmarks/rephrased.py, those of toxicity from
benchmarks/toxicity.py.
"""

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import polars as pl

from synth_stack.gates.structure.gate import structure
from synth_stack.inputs.foreign import open_records, read_candidates

BENIGN_ROWS = 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    folder = parser.parse_args().corpora
    measure_structure(folder)


def measure_structure(folder: Path) -> None:
    print("\nstructure: rejected share of real texts, each corpus (all reasons, then by class)")
    judge = structure().judge
    for name, texts in sorted(read_benign(folder).items()):
        rows = open_records([{"text": text} for text in texts[:BENIGN_ROWS]], name)
        verdicts = pl.concat([pl.DataFrame(judge(table)) for table in read_candidates(rows)])
        faults = Counter(str(reason).partition(":")[0] for reason in verdicts["reason"].drop_nulls())
        print(f"  {name:16} {len(verdicts):5} rows  {faults.total() / len(verdicts):.4f}  {dict(faults)}")


def read_benign(folder: Path) -> dict[str, list[str]]:
    code = json.loads((folder / "code_alpaca" / "new_codealpaca.json").read_text(encoding="utf-8"))
    tools = json.loads((folder / "gpteacher" / "toolformer.json").read_text(encoding="utf-8"))
    clinc = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    maths = read_jsonl(folder / "gsm8k" / "train.jsonl")
    banking = [row for part in ("train", "test") for row in read_csv(folder / "banking77" / f"{part}.csv")]
    seeds = read_jsonl(folder / "self_instruct" / "seed_tasks.jsonl")
    return {
        "banking77": [row["text"] for row in banking],
        "clinc150": [text for part in clinc.values() for text, _ in part],
        "gsm8k questions": [row["question"] for row in maths],
        "gsm8k answers": [row["answer"] for row in maths],
        "code tasks": [row["instruction"] for row in code],
        "code answers": [row["output"] for row in code],
        "tool tasks": [row["instruction"] for row in tools],
        "tool answers": [row["output"] for row in tools],
        "self-instruct": [row["instruction"] for row in seeds],
    }


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
