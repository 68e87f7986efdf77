"""Prints the measurements behind the gates' thresholds, from a folder of public corpora.

    python benchmarks/thresholds.py ../shared/data

The folder holds banking77, clinc150, gsm8k, code_alpaca, gpteacher, self_instruct, hatecheck and rephrased
(Yang et al. 2023). About two minutes on two cores.
"""

import argparse
import csv
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.contamination import Embedding, contamination
from synth_stack.gates.evalsets import NamedSet
from synth_stack.gates.structure import structure
from synth_stack.gates.toxicity import toxicity
from synth_stack.rows import build_candidates

BENIGN_ROWS = 3000
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)
COSINES = (0.75, 0.78, 0.80, 0.81, 0.82, 0.84, 0.86)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    folder = parser.parse_args().corpora
    measure_structure(folder)
    measure_toxicity(folder)
    measure_contamination(folder)


def measure_structure(folder: Path) -> None:
    print("\nstructure: rejected share of real texts, each corpus (all reasons, then by class)")
    judge = structure().judge
    for name, texts in sorted(read_benign(folder).items()):
        verdicts = pl.DataFrame(judge(build_rows(texts[:BENIGN_ROWS])))
        faults = Counter(str(reason).partition(":")[0] for reason in verdicts["reason"].drop_nulls())
        print(f"  {name:16} {len(verdicts):5} rows  {faults.total() / len(verdicts):.4f}  {dict(faults)}")


def measure_toxicity(folder: Path) -> None:
    judge = toxicity(scorer="linear-svm").judge
    cases = read_csv(folder / "hatecheck" / "cases.csv")
    hateful = np.array([case["label_gold"] == "hateful" for case in cases])
    crude = np.array(["slur" in c["functionality"] or "profan" in c["functionality"] for c in cases])
    scores = read_scores(judge(build_rows([case["test_case"] for case in cases])))
    benign = {name: read_scores(judge(build_rows(texts))) for name, texts in read_benign(folder).items()}
    print(f"\ntoxicity: linear-svm on {hateful.sum()} hateful and {(~hateful).sum()} other HateCheck cases")
    for bar in SHARES:
        hit = scores >= bar
        worst = {name: f"{(s >= bar).mean():.5f}" for name, s in benign.items()}
        print(
            f"  {bar}: recall {hit[hateful].mean():.3f} (slur or profanity {hit[hateful & crude].mean():.3f})"
            f"  precision {hateful[hit].mean():.3f}  benign rejected {worst}"
        )


def measure_contamination(folder: Path) -> None:
    originals = {
        "gsm8k": [row["question"] for row in read_jsonl(folder / "gsm8k" / "test.jsonl")],
        "sociology": read_column(folder / "rephrased" / "sociology_test.csv"),
        "algebra": read_column(folder / "rephrased" / "abstract_algebra_test.csv"),
    }
    rephrased = {
        "gsm8k": "rephrase_gsm8k.jsonl",
        "sociology": "sociology_test_rephrase_english_filtered_question.jsonl",
        "algebra": "abstract_algebra_test_rephrase_english_filtered_question.jsonl",
    }
    texts = {
        f"rephrased {name}": [bare_question(row["text"]) for row in read_jsonl(folder / "rephrased" / file)]
        for name, file in rephrased.items()
    }
    texts["gsm8k train"] = [row["question"] for row in read_jsonl(folder / "gsm8k" / "train.jsonl")][:3000]
    texts["banking77"] = [row["text"] for row in read_csv(folder / "banking77" / "test.csv")]
    with tempfile.TemporaryDirectory(prefix="eval-sets-") as scratch:
        against = list(write_sets(originals, Path(scratch)))
        measure_cosines(texts, against)


def measure_cosines(texts: dict[str, list[str]], against: list[NamedSet]) -> None:
    for settings in (Embedding(), Embedding(threshold=0.01, confirm=None)):
        judge = contamination(against=against, embedding=settings, ngram=50, min_item_words=50).judge
        print(f"\ncontamination: share at or above a cosine; {settings!r}")
        for name, rows in texts.items():
            verdicts = judge(build_rows([text for text in rows if text.strip()]))
            scores = read_scores(verdicts)
            shares = "  ".join(f"{bar}: {(scores >= bar).mean():.4f}" for bar in COSINES)
            print(f"  {name:20} {len(scores):5} rows  short-listed {(scores > 0).mean():.3f}  {shares}")


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


def read_scores(verdicts: pa.Table) -> NDArray[np.float64]:
    return np.nan_to_num(np.array(verdicts["score"].to_pylist(), dtype=np.float64))


def build_rows(texts: Sequence[str]) -> pa.Table:
    return build_candidates(
        {
            "kind": "foreign",
            "messages": [],
            "text": text,
            "attachments": [],
            "generator": "foreign",
            "generator_version": "1",
            "draw": position,
            "replayable": False,
        }
        for position, text in enumerate(texts)
    )


def bare_question(text: str) -> str:
    return re.sub(r"\nAnswer:[\s\S]*", "", text.removeprefix("Question: ")).strip()


def write_sets(originals: dict[str, list[str]], folder: Path) -> Iterator[NamedSet]:
    for name, prompts in originals.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps([{"prompt": prompt} for prompt in prompts]), encoding="utf-8")
        yield NamedSet(name=name, path=str(path))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_column(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[0] for row in csv.reader(file)]


def read_jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


if __name__ == "__main__":
    main()
