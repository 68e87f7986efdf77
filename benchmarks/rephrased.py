"""Prints how many rephrased eval items the contamination gate turns away, and how many innocent rows.

    python benchmarks/rephrased.py ../shared/data [--plain] [--only WORD]

The folder holds gsm8k, humaneval, banking77, clinc150, code_alpaca, rephrased (Yang et al. 2023) and
ordinary. HumanEval is rephrased in benchmarks/rewrites: 40 items in three languages, as pairs of instruction
and answer. "after a passage" are rephrased items at the end of a paragraph of XQuAD's. Four sets are named at
once, those of MMLU as its archive publishes them. A row that solves an item's tests is turned away too, and
sets no bar. Floors, and what agrees with likeness, were chosen on the groups marked "fitted on"; weights and
bars on GSM8K's training set, code_alpaca and all rephrased items too. `--plain` adds MiniLM's cosine alone;
`--only` judges the groups whose name has the word. Twenty minutes on two cores.
"""

import argparse
import csv
import json
import re
import sys
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
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.models.embedders import Embedder, Vectors, load_embedder
from synth_stack.rows.schemas import build_candidates

REWRITES = Path(__file__).parent / "rewrites"
JOINTS = ("\n\n", " ", "\nQuestion: ")
DONE = "Here you are."
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
    how: list[tuple[str, str] | None]
    listed: int
    plain: NDArray[np.float64]
    places: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--plain", action="store_true", help="measure MiniLM's cosine alone as well")
    parser.add_argument("--rows", type=int, default=1000, help="innocent rows of each corpus")
    parser.add_argument("--only", default="", metavar="WORD", help="the groups whose name has the word")
    chosen = parser.parse_args()
    groups = [group for group in read_groups(chosen.corpora, chosen.rows) if chosen.only in group.name]
    found = judge_groups(groups, name_sets(chosen.corpora), plain=chosen.plain)
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
            (v["outcome"], v["reason_class"]) if v["outcome"] in ("reject", "hold") else None
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
    print("\nat the default threshold: share turned away, rejected and held, and the classes")
    for group, what in zip(groups, found, strict=True):
        n = len(group.table)
        said = [how for how in what.how if how is not None]
        rejected = sum(outcome == "reject" for outcome, _ in said)
        classes = Counter(name.removeprefix("contamination.") for _, name in said)
        alone, without = ((x >= Embedding().threshold).mean() for x in (what.likeness, what.unconfirmed))
        places = {k: sum(p < k for p in what.places) / n for k in (5, 20) if any(p < 20 for p in what.places)}
        print(
            f"  {group.name:42} {n:5} rows  away {len(said) / n:.4f}  rejected {rejected / n:.4f}"
            f"  held {(len(said) - rejected) / n:.4f} {dict(classes)}"
            f"  likeness alone {alone:.4f}, without MiniLM {without:.4f}  short list {what.listed / n:.3f}"
            f"{f'  item among the first to try {places}' if places else ''}"
        )


def print_recall(groups: list[Group], found: list[Found], *, plain: bool) -> None:
    print("\nrecall at 0.5% false positives, by the innocent rows that set the bar")
    for innocent, what in zip(groups, found, strict=True):
        if innocent.rephrases is not None:
            continue
        kept = np.array([how is None or not how[1].endswith("solves_item") for how in what.how])
        print(f"  {innocent.name} ({kept.sum()} rows)")
        print_recall_at(groups, found, {"meaning": np.quantile(what.likeness[kept], 0.995)})
        if plain:
            print_recall_at(groups, found, {"MiniLM's cosine": np.quantile(what.plain[kept], 0.995)})


def print_recall_at(groups: list[Group], found: list[Found], bar: dict[str, Any]) -> None:
    ((measure, lowest),) = bar.items()
    shares = []
    for group, what in zip(groups, found, strict=True):
        if group.rephrases is None:
            continue
        scores = what.likeness if measure == "meaning" else what.plain
        shares.append(f"{group.name} {(scores > lowest).mean():.3f}")
    print(f"    {measure}, above {lowest:.3f}: {'  '.join(shares)}")


FITTED = ("alpaca_demo", "rc_en", "glaive_tools", "cls_template")
UNSEEN = ("dolly", "flask_chatgpt_500", "sgd_200", "xquad_es", "xquad_zh")


def read_groups(folder: Path, rows: int) -> list[Group]:
    train = read_jsonl(folder / "gsm8k" / "train.jsonl")[:rows]
    groups = [
        Group("gsm8k train, pairs", build_pairs([(r["question"], r["answer"]) for r in train]), None),
        Group("banking77 (fitted on)", build_texts(read_banking(folder)[:rows]), None),
        Group("clinc150", build_texts(read_clinc(folder)[:rows]), None),
        Group("code_alpaca_2k (fitted on)", build_pairs(read_alpaca(folder, "code_alpaca_2k")[:rows]), None),
        Group("new_codealpaca", build_pairs(read_alpaca(folder, "new_codealpaca")[:rows]), None),
    ]
    for name in (*FITTED, *UNSEEN):
        path = folder / "ordinary" / f"{name}.jsonl"
        table = pa.concat_tables(read_candidates(open_records(read_jsonl(path)[:rows], name)))
        groups.append(Group(f"{name}{' (fitted on)' * (name in FITTED)}", table.combine_chunks(), None))
    return groups + read_rephrased(folder)


def read_rephrased(folder: Path) -> list[Group]:
    rephrased = {
        "gsm8k": "rephrase_gsm8k.jsonl",
        "sociology": "sociology_test_rephrase_english_filtered_question.jsonl",
        "algebra": "abstract_algebra_test_rephrase_english_filtered_question.jsonl",
    }
    passages = read_passages_of(folder)
    groups = []
    for name, file in rephrased.items():
        every = [row["text"] for row in read_jsonl(folder / "rephrased" / file)]
        texts = [bare for text in every if (bare := strip_labels(text))]
        long = [f"{passages[k % len(passages)]}{JOINTS[k % 3]}{text}" for k, text in enumerate(texts[:300])]
        seen = "" if name == "algebra" else " (fitted on)"
        groups.append(Group(f"rephrased {name}{seen}", build_pairs([(t, DONE) for t in texts]), name))
        groups.append(
            Group(f"rephrased {name} after a passage", build_pairs([(t, DONE) for t in long]), name)
        )
    for language, spelt in LANGUAGES.items():
        rewrites = read_jsonl(REWRITES / f"{language}.jsonl")
        programs, items = [row["text"] for row in rewrites], [row["item"] for row in rewrites]
        asked = [(ask(spelt, program, k), program) for k, program in enumerate(programs)]
        groups.append(Group(f"humaneval in {spelt} (fitted on)", build_pairs(asked), "humaneval", items))
    return groups


def strip_labels(text: str) -> str:
    """A rephrased item without "Question:" and the answer that stands after it."""
    bare = text.partition("\nAnswer:")[0].strip()
    return bare.removeprefix("Question:").removeprefix("Answer:").strip()


def read_passages_of(folder: Path) -> list[str]:
    rows = read_jsonl(folder / "ordinary" / "rc_en.jsonl")
    parts = [row["instruction"].partition("Passage: ")[2].partition("\n\nQuestion")[0] for row in rows]
    return sorted({part for part in parts if part})


def ask(language: str, program: str, k: int) -> str:
    """A request for the program in the words of its own notes."""
    noted = split_rows(build_texts([program])).filter(side="noted")["text"].to_list()
    return REQUESTS[k % len(REQUESTS)].format(language, noted[0] if noted else "")


def name_sets(folder: Path) -> list[NamedEvalSet]:
    files = {
        "gsm8k": "gsm8k/test.jsonl",
        "humaneval": "humaneval/HumanEval.jsonl",
        "sociology": "rephrased/sociology_test.csv",
        "algebra": "rephrased/abstract_algebra_test.csv",
    }
    return [NamedEvalSet(name=name, path=str(folder / file)) for name, file in files.items()]


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
