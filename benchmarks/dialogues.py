"""Prints what the gate `turns` finds of spoilt dialogues, what it says of sound ones, and its speed.

    python benchmarks/dialogues.py                            the turns of dialogue_faults.yaml
    python benchmarks/dialogues.py --corpora ../shared/data   and real texts as dialogues, none of them spoilt
    python benchmarks/dialogues.py --run runs/dialogues       and how alike the paths of its trees are

Real texts: instructions with their answers as single exchanges; and customers' queries of one intent
(Banking77) as what a customer asks one after the other, answered by sentences of the policies, with a persona
of the recipe.
"""

import argparse
import csv
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from synth_stack.gates.turns.gate import turns
from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import read_parts
from synth_stack.text.ragged import measure_jaccard
from synth_stack.text.words import normalise, shingle

HERE = Path(__file__).parent
PIPELINES = HERE.parent / "pipelines"
OPENING = ("user", "The light of my doorbell goes out again and again.")
BEFORE = (
    OPENING,
    ("assistant", "Please take out the battery, wait a minute and put it back in."),
    ("user", "It rings once and then the light goes out again."),
)
DIALOGUES = 4_000
Turn = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpora", type=Path, help="a folder of public corpora")
    parser.add_argument("--run", type=Path, help="a run folder with dialogues")
    options = parser.parse_args()
    show_faults()
    if options.corpora:
        for name, pairs in read_pairs(options.corpora):
            show(f"{name}, single exchanges", build([[("user", a), ("assistant", b)] for a, b in pairs]))
        show("Banking77 as dialogues", build(list_dialogues(options.corpora), kind="dialogue", personas=True))
    if options.run:
        show_likeness(options.run)


def show_faults() -> None:
    faults = parse_yaml((HERE / "dialogue_faults.yaml").read_text(encoding="utf-8"), where="faults")
    for fault, by_role in faults["spoilt"].items():
        lines = [(role, line) for role, said in by_role.items() for line in said]
        verdicts = judge_lines(lines, faults)
        missed = [line for (_, line), outcome in zip(lines, verdicts, strict=True) if outcome != "reject"]
        print(f"{fault}: {len(lines) - len(missed)} of {len(lines)} rejected; missed: {missed}")
    lines = [(role, line) for role, said in faults["sound"].items() for line in said]
    verdicts = judge_lines(lines, faults)
    wrong = [line for (_, line), outcome in zip(lines, verdicts, strict=True) if outcome != "accept"]
    print(f"sound: {len(wrong)} of {len(lines)} rejected: {wrong}")


def judge_lines(lines: list[Turn], faults: dict[str, Any]) -> list[str]:
    """The outcome of a dialogue for each line, which is the last or the last but one that is said in it."""
    rows = [
        write_row([*BEFORE, *end_with(*line)], "dialogue", faults["persona"], k)
        for k, line in enumerate(lines)
    ]
    others = [
        write_row([*BEFORE, ("assistant", "Then we send you another one.")], "dialogue", other, len(rows) + k)
        for k, other in enumerate(faults["others"])
    ]
    return list(judge(build_candidates([*rows, *others]))["outcome"].to_pylist()[: len(lines)])


def end_with(role: str, line: str) -> list[Turn]:
    if role == "assistant":
        return [(role, line)]
    return [("assistant", "Then it may be the button."), (role, line), ("assistant", "We look into that.")]


def judge(table: pa.Table) -> pa.Table:
    gate = turns()
    (personas,) = gate.rounds
    return gate.judge(table, personas.merge([personas.sketch(table, {})], {}))


def show(name: str, table: pa.Table) -> None:
    started = time.process_time()
    verdicts = judge(table)
    seconds = time.process_time() - started
    rejected = verdicts.filter(pc.equal(verdicts["outcome"], "reject"))
    classes = dict(Counter(rejected["reason_class"].to_pylist()))
    print(f"{name}: {len(table)} rows, {len(table) / seconds:,.0f} a second; rejected: {classes}")


def build(dialogues: Iterable[list[Turn]], *, kind: str = "foreign", personas: bool = False) -> pa.Table:
    known = parse_yaml(
        (PIPELINES / "dialogues" / "personas.yaml").read_text(encoding="utf-8"), where="personas"
    )
    return build_candidates(
        write_row(said, kind, known[k % len(known)] if personas else None, k)
        for k, said in enumerate(dialogues)
    )


def write_row(said: Iterable[Turn], kind: str, persona: dict[str, str] | None, draw: int) -> dict[str, Any]:
    messages = [{"role": role, "content": content} for role, content in said]
    return {
        "kind": kind,
        "messages": messages,
        "text": "\n\n".join(message["content"] for message in messages),
        "attachments": [],
        "extra": canonical_text({"dialogue": {"persona": persona}}) if persona else None,
        "generator": "benchmark",
        "generator_version": "1",
        "draw": draw,
        "replayable": False,
    }


def read_pairs(corpora: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Instructions with their answers."""
    for name in ("code_alpaca/new_codealpaca.json", "gpteacher/toolformer.json"):
        records = json.loads((corpora / name).read_text(encoding="utf-8"))
        yield (
            name,
            [(f"{r['instruction']}\n{r['input']}", r.get("output") or r.get("response")) for r in records],
        )
    lines = (corpora / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    yield "gsm8k/train.jsonl", [(r["question"], r["answer"]) for r in map(json.loads, lines)]
    lines = (corpora / "self_instruct" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    tasks = [(r["instruction"], i) for r in map(json.loads, lines) for i in r["instances"]]
    yield "self_instruct/seed_tasks.jsonl", [(f"{asked}\n{i['input']}", i["output"]) for asked, i in tasks]


def list_dialogues(corpora: Path) -> Iterator[list[Turn]]:
    with (corpora / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        records = list(csv.reader(file))[1:]
    intents: dict[str, list[str]] = {}
    for query, intent in records:
        intents.setdefault(intent, []).append(query)
    pages = sorted((PIPELINES / "support_intents" / "policies").glob("*.md"))
    prose = [
        line for page in pages for line in page.read_text(encoding="utf-8").splitlines() if line[:1] != "#"
    ]
    sentences = [s for line in prose for s in re.split(r"(?<=[.!?])\s+", line) if len(s) > 30]
    rng = random.Random(0)
    for _ in range(DIALOGUES):
        asked, answered = rng.sample(intents[rng.choice(sorted(intents))], 3), rng.sample(sentences, 3)
        yield [turn for q, a in zip(asked, answered, strict=True) for turn in (("user", q), ("assistant", a))]


def show_likeness(run: Path) -> None:
    """The Jaccard similarity of word 3-grams, as dedup measures it, between the whole paths of each tree."""
    table = pa.concat_tables(read_parts(run / "candidates", CANDIDATE_SCHEMA))
    rows = [row for row in table.to_pylist() if row["kind"] == "dialogue" and row["failure"] is None]
    shingles = shingle(normalise(pl.Series([row["text"] for row in rows])), 3)
    nodes = [json.loads(row["extra"])["dialogue"]["nodes"] for row in rows]
    by_shared: dict[int, list[float]] = {}
    for i, j in combinations(range(len(rows)), 2):
        shared = sum(a == b for a, b in zip(nodes[i], nodes[j], strict=True)) - 1
        if shared >= 0:
            pair = np.array([i]), np.array([j])
            [likeness] = measure_jaccard(shingles, pair[0], shingles, pair[1])
            by_shared.setdefault(shared, []).append(float(likeness))
    for shared, found in sorted(by_shared.items()):
        found.sort()
        print(
            f"paths that share {shared} exchanges: {len(found)} pairs, Jaccard median "
            f"{found[len(found) // 2]:.2f}, highest {found[-1]:.2f}, from 0.85 on "
            f"{sum(value >= 0.85 for value in found)}"
        )


if __name__ == "__main__":
    main()
