"""Prints how many rephrased eval items the contamination gate finds, and how many innocent rows it rejects.

    python benchmarks/rephrased.py ../shared/data [--plain]

The folder holds gsm8k, humaneval, banking77, clinc150, code_alpaca and rephrased (Yang et al. 2023).
HumanEval is rephrased in benchmarks/rewrites: 40 items in three languages, as they stand and as pairs of
instruction and answer. All sets are named at once. A code_alpaca row that solves an item is no innocent row
and is left out of the bars. Weights, bars and neutral texts were chosen on all these rows but those marked
"not fitted on". `--plain` adds what MiniLM's cosine alone would find. Ten minutes on two cores.
"""

import argparse
import csv
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from contamination import judge_batch  # the script beside this one
from numpy.typing import NDArray

from synth_stack.gates.contamination.eval_sets import load_eval_set
from synth_stack.gates.contamination.gate import contamination
from synth_stack.gates.contamination.paraphrase import (
    Embedding,
    ItemMeanings,
    index_meanings,
    list_near,
    list_pairs,
    read_pairs,
    read_passages,
)
from synth_stack.gates.contamination.passages import split_rows
from synth_stack.gates.contamination.reranking import Confirmer, rerank_pairs
from synth_stack.gates.resources import NoResources
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import Embedder, Vectors, load_embedder
from synth_stack.rows.schemas import build_candidates

REWRITES = Path(__file__).parent / "rewrites"
LANGUAGES = {"python": "Python", "c": "C", "javascript": "JavaScript"}
REQUESTS = (
    "Write a {} function that does the following. {}",
    "Complete this in {}: {}",
    "I need a function in {}. {}",
)


@dataclass(frozen=True)
class Group:
    """Rows of one origin, the eval set that they rephrase (null for innocent rows), and programs' items."""

    name: str
    table: pa.Table
    rephrases: str | None
    items: Sequence[str] = ()


@dataclass(frozen=True)
class Found:
    """By row: likeness by meaning alone, with MiniLM and without, how the whole gate decided, MiniLM's cosine
    alone, and at which place a program's item comes among those to try it on.
    """

    likeness: NDArray[np.float64]
    unconfirmed: NDArray[np.float64]
    how: list[str | None]
    listed: int
    plain: NDArray[np.float64]
    places: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--plain", action="store_true", help="measure MiniLM's cosine alone as well")
    parser.add_argument("--rows", type=int, default=2000, help="innocent rows of each corpus")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eval-sets-") as scratch:
        against = name_sets(chosen.corpora, Path(scratch))
        groups = read_groups(chosen.corpora, chosen.rows)
        found = judge_groups(groups, against, plain=chosen.plain)
    print_groups(groups, found)
    print_recall(groups, found, plain=chosen.plain)


def judge_groups(groups: list[Group], against: list[NamedEvalSet], *, plain: bool) -> list[Found]:
    gate = contamination(NoResources(), against=against)
    sets = [load_eval_set(named) for named in against]
    meanings = index_meanings(sets, Embedding())
    embedder = load_embedder("minilm")
    confirmer = Confirmer(embedder, meanings.neutral_texts, meanings.neutral)
    prompts = embedder.embed([prompt for s in sets for prompt in s.prompts] if plain else [])
    judged = []
    for group in groups:
        print(f"judging {group.name}", file=sys.stderr)
        said = read_passages(meanings, group.table, [])
        first = list_pairs(meanings, said)
        alike = rerank_pairs(meanings, confirmer, read_pairs(first, group.table))
        near = list_near(meanings, said, [])
        how = [
            json.loads(v["evidence"])["how"] if v["outcome"] == "reject" else None
            for v in judge_batch(gate, group.table).to_pylist()
        ]
        cosines = measure_plain(group.table, embedder, prompts) if plain else np.zeros(len(group.table))
        judged.append(
            Found(
                likeness=read_likeness(alike, len(group.table)),
                unconfirmed=read_likeness(first, len(group.table)),
                how=how,
                listed=first["row"].n_unique(),
                plain=cosines,
                places=[find_place(meanings, near, row, item) for row, item in enumerate(group.items)],
            )
        )
    return judged


def read_likeness(pairs: pl.DataFrame, rows: int) -> NDArray[np.float64]:
    likeness = np.zeros(rows)
    np.maximum.at(likeness, pairs["row"].to_numpy(), pairs["likeness"].to_numpy())
    return likeness


def find_place(meanings: ItemMeanings, near: pl.DataFrame, row: int, item: str) -> int:
    """The place of an item among those near a row, from 0; far after the last where it is not there."""
    named = [meanings.items[k] for k in near.filter(row=row)["item"]]
    ids = [eval_set.ids[k] for eval_set, k in named]
    return ids.index(item) if item in ids else 1000


def measure_plain(table: pa.Table, embedder: Embedder, prompts: Vectors) -> NDArray[np.float64]:
    """The highest MiniLM cosine of each row's prompt, or text, to any item's prompt."""
    asked = [
        next((m["content"] for m in row["messages"] if m["role"] == "user"), row["text"])
        for row in table.select(["messages", "text"]).to_pylist()
    ]
    nearest: NDArray[np.float64] = (embedder.embed(asked) @ prompts.T).max(axis=1)
    return nearest


def print_groups(groups: list[Group], found: list[Found]) -> None:
    print("\nat the default threshold: share rejected, by the stage that decided")
    for group, what in zip(groups, found, strict=True):
        n = len(group.table)
        rejected = sum(how is not None for how in what.how)
        alone, without = ((x >= Embedding().threshold).mean() for x in (what.likeness, what.unconfirmed))
        places = {
            k: sum(p < k for p in what.places) / n for k in (5, 8, 20) if any(p < 20 for p in what.places)
        }
        print(
            f"  {group.name:26} {n:5} rows  rejected {rejected / n:.4f} {dict(Counter(what.how))}"
            f"  meaning alone {alone:.4f}, without MiniLM {without:.4f}  short list {what.listed / n:.3f}"
            f"{f'  item among the first to try {places}' if places else ''}"
        )


def print_recall(groups: list[Group], found: list[Found], *, plain: bool) -> None:
    print("\nrecall at 1% false positives, by the innocent rows that set the bar")
    for innocent, what in zip(groups, found, strict=True):
        if innocent.rephrases is not None:
            continue
        kept = np.array([how != "tests" for how in what.how])
        print(f"  {innocent.name} ({kept.sum()} rows)")
        print_recall_at(groups, found, {"meaning": np.quantile(what.likeness[kept], 0.99)})
        if plain:
            print_recall_at(groups, found, {"MiniLM's cosine": np.quantile(what.plain[kept], 0.99)})


def print_recall_at(groups: list[Group], found: list[Found], bar: dict[str, Any]) -> None:
    ((measure, lowest),) = bar.items()
    shares = []
    for group, what in zip(groups, found, strict=True):
        if group.rephrases is None:
            continue
        scores = what.likeness if measure == "meaning" else what.plain
        shares.append(f"{group.name} {(scores > lowest).mean():.3f}")
    print(f"    {measure}, above {lowest:.3f}: {'  '.join(shares)}")


def read_groups(folder: Path, rows: int) -> list[Group]:
    train = read_jsonl(folder / "gsm8k" / "train.jsonl")[:rows]
    groups = [
        Group("gsm8k train, questions", build_texts([row["question"] for row in train]), None),
        Group("gsm8k train, pairs", build_pairs([(r["question"], r["answer"]) for r in train]), None),
        Group("banking77", build_texts(read_banking(folder)[:rows]), None),
        Group("clinc150 (not fitted on)", build_texts(read_clinc(folder)[:rows]), None),
        Group(
            "code_alpaca_2k (not fitted on)", build_pairs(read_alpaca(folder, "code_alpaca_2k")[:rows]), None
        ),
        Group("code_alpaca", build_pairs(read_alpaca(folder, "new_codealpaca")[:rows]), None),
    ]
    rephrased = {
        "gsm8k": "rephrase_gsm8k.jsonl",
        "sociology": "sociology_test_rephrase_english_filtered_question.jsonl",
        "algebra": "abstract_algebra_test_rephrase_english_filtered_question.jsonl",
    }
    for name, file in rephrased.items():
        texts = [row["text"] for row in read_jsonl(folder / "rephrased" / file) if row["text"].strip()]
        groups.append(Group(f"rephrased {name}", build_texts(texts), name))
    for language, spelt in LANGUAGES.items():
        rewrites = read_jsonl(REWRITES / f"{language}.jsonl")
        programs, items = [row["text"] for row in rewrites], [row["item"] for row in rewrites]
        asked = [(ask(spelt, program, k), program) for k, program in enumerate(programs)]
        groups.append(Group(f"humaneval in {spelt}, text", build_texts(programs), "humaneval", items))
        groups.append(Group(f"humaneval in {spelt}, pairs", build_pairs(asked), "humaneval", items))
    return groups


def ask(language: str, program: str, k: int) -> str:
    """A request for the program in the words of its own notes."""
    noted = split_rows(build_texts([program])).filter(side="noted")["text"].to_list()
    return REQUESTS[k % len(REQUESTS)].format(language, noted[0] if noted else "")


def name_sets(folder: Path, scratch: Path) -> list[NamedEvalSet]:
    named = [
        NamedEvalSet(name="gsm8k", path=str(folder / "gsm8k" / "test.jsonl")),
        NamedEvalSet(name="humaneval", path=str(folder / "humaneval" / "HumanEval.jsonl")),
    ]
    for name, file in (("sociology", "sociology_test.csv"), ("algebra", "abstract_algebra_test.csv")):
        with (folder / "rephrased" / file).open(encoding="utf-8", newline="") as opened:
            questions = [row[0] for row in csv.reader(opened)]
        path = scratch / f"{name}.json"
        path.write_text(json.dumps([{"prompt": question} for question in questions]), encoding="utf-8")
        named.append(NamedEvalSet(name=name, path=str(path)))
    return named


def join(row: dict[str, str]) -> str:
    return f"{row['instruction']}\n{row['input']}" if row["input"] else row["instruction"]


def read_alpaca(folder: Path, name: str) -> list[tuple[str, str]]:
    rows = json.loads((folder / "code_alpaca" / f"{name}.json").read_text(encoding="utf-8"))
    return [(join(row), row["output"]) for row in rows]


def read_clinc(folder: Path) -> list[str]:
    parts = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    return [text for part in parts.values() for text, _ in part]


def read_banking(folder: Path) -> list[str]:
    with (folder / "banking77" / "test.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def read_jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def build_texts(texts: Sequence[str]) -> pa.Table:
    return build_candidates(build_row(k, text, []) for k, text in enumerate(texts))


def build_pairs(pairs: Sequence[tuple[str, str]]) -> pa.Table:
    return build_candidates(
        build_row(
            k,
            f"{asked}\n\n{answer}",
            [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}],
        )
        for k, (asked, answer) in enumerate(pairs)
    )


def build_row(draw: int, text: str, messages: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "kind": "foreign",
        "messages": messages,
        "text": re.sub(r"\n{3,}", "\n\n", text),
        "attachments": [],
        "generator": "foreign",
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }


if __name__ == "__main__":
    main()
