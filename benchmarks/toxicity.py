"""Prints what the toxicity gate finds, what it loses, and how fast it is.

    python benchmarks/toxicity.py ../shared/data
    python benchmarks/toxicity.py ../shared/data --weights FILE --sha256 DIGEST --scorer detoxify:original

The folder holds hatecheck, banking77, clinc150, gsm8k, self_instruct, code_alpaca and gpteacher. The support
desk's messages are in benchmarks: tone by meaning was developed on support_tone.txt and not on the other.
Two minutes on two cores; half a minute with --no-embedding.
"""

import argparse
import csv
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from synth_stack.gates.gate import Judge, State
from synth_stack.gates.toxicity.gate import toxicity
from synth_stack.gates.toxicity.verdicts import ToneRule
from synth_stack.gates.word_lists import read_sections
from synth_stack.inputs.foreign import open_records, read_candidates
from synth_stack.models.toxicity import load_linear_scorer
from synth_stack.stats.intervals import wilson

SUPPORT = ("support_tone.txt", "support_tone_2.txt")
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LINEAR_BAR = 0.8
SPEED_ROWS = 10_000
EMBEDDED_ROWS = 500
REPEATS = 3

Booleans = NDArray[np.bool_]
Turns = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Said:
    """Texts with a class each, and which of them should be turned away."""

    texts: list[str]
    classes: NDArray[np.str_]
    bad: Booleans


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--scorer", default="detoxify:original")
    parser.add_argument("--weights")
    parser.add_argument("--sha256")
    parser.add_argument("--no-embedding", action="store_true")
    options = parser.parse_args()
    judges = list_judges(options)
    cases = read_cases(options.corpora)
    measure_words(cases)
    for name, judge in judges.items():
        measure_classes(f"{name}, HateCheck, said by the user", judge, cases, "user")
    for file, (name, judge) in product(SUPPORT, judges.items()):
        measure_classes(f"{name}, {file}", judge, read_support(file), "assistant")
    benign = read_benign(options.corpora)
    for name, judge in judges.items():
        slow = name == options.scorer or "minilm" in name
        few = {corpus: thin(turns) if slow else turns for corpus, turns in benign.items()}
        measure_benign(name, judge, few)
        measure_speed(name, judge, few["GSM8K, question and answer"], EMBEDDED_ROWS if slow else SPEED_ROWS)
        measure_canaries(name, judge, few)


def list_judges(options: argparse.Namespace) -> dict[str, Judge]:
    judges = {
        "linear-svm": toxicity(scorer="linear-svm", tone=None),
        "linear-svm and tone": toxicity(scorer="linear-svm", tone=ToneRule(embedding=None)),
    }
    if not options.no_embedding:
        everything = ToneRule(confirm_rows=10_000_000)
        judges["linear-svm and tone by minilm"] = toxicity(scorer="linear-svm", tone=everything)
    if options.weights:
        asked: dict[str, Any] = {"scorer": options.scorer, "weights": options.weights}
        judges[options.scorer] = toxicity(**asked, weights_sha256=options.sha256, tone=None, offline=None)
    return judges


def measure_words(cases: Said) -> None:
    """linear-svm alone, before and after mentions are masked."""
    masked = {
        w
        for lines in read_sections("synth_stack.gates.toxicity", "mentions").values()
        for line in lines
        for w in line.split()
    }
    texts = pl.Series(cases.texts)
    for name, words in (("as it comes", set()), (f"{len(masked)} mentions masked", masked)):
        scores, _ = load_linear_scorer(words).score(texts)
        hit = scores >= LINEAR_BAR
        print(
            f"\nlinear-svm {name}, HateCheck: AUC {measure_auc(scores, cases.bad):.3f}, at {LINEAR_BAR} "
            f"recall {hit[cases.bad].mean():.3f}, false positives {hit[~cases.bad].mean():.3f}, "
            f"precision {cases.bad[hit].mean():.3f}"
        )
        for kind in (
            "ident_neutral_nh",
            "ident_pos_nh",
            "counter_quote_nh",
            "slur_reclaimed_nh",
            "profanity_h",
        ):
            print(f"  {kind:20} {hit[cases.classes == kind].mean():.3f}")
        for low, high in pairwise(BINS):
            inside = (scores >= low) & ((scores < high) | (high == BINS[-1]))
            share = cases.bad[inside].mean() if inside.any() else float("nan")
            print(f"  score {low:.1f} to {high:.1f}: {inside.sum():5} cases, {share:.2f} of them hateful")


def measure_classes(title: str, judge: Judge, said: Said, role: str) -> None:
    roles = ["user" if kind == "kept/customers" else role for kind in said.classes]
    turns = [[(who, content)] for who, content in zip(roles, said.texts, strict=True)]
    outcomes = read_outcomes(judge, build_rows(turns))
    away = outcomes != "accept"
    print(f"\n{title}: turned away {tell(away[said.bad])} of the bad, {tell(away[~said.bad])} of the others")
    for kind in dict.fromkeys(said.classes.tolist()):
        mine = said.classes == kind
        rejected = (outcomes[mine] == "reject").mean()
        print(
            f"  {kind:32} {mine.sum():4}  rejected {rejected:.2f}  rejected or held {away[mine].mean():.2f}"
        )


def measure_benign(name: str, judge: Judge, benign: dict[str, list[Turns]]) -> None:
    print(f"\n{name}: innocent texts, rejected and held")
    for corpus, turns in benign.items():
        outcomes = read_outcomes(judge, build_rows(turns))
        shares = [f"{(outcomes == outcome).mean():.5f}" for outcome in ("reject", "hold")]
        print(f"  {corpus:34} {len(turns):6} rows  {'  '.join(shares)}")


def thin(turns: list[Turns]) -> list[Turns]:
    """Of more rows EMBEDDED_ROWS, evenly taken."""
    return turns[:: max(1, len(turns) // EMBEDDED_ROWS)][:EMBEDDED_ROWS]


def measure_speed(name: str, judge: Judge, turns: list[Turns], rows: int) -> None:
    table = build_rows((turns * (rows // len(turns) + 1))[:rows])
    size = sum(len(content) for row in turns for _, content in row) / len(turns)
    best = min(
        (time_once(lambda: read_outcomes(judge, table)) for _ in range(REPEATS)), key=lambda used: used[1]
    )
    print(
        f"\n{name}: {rows} rows of {size:.0f} characters in {best[0]:.2f} s, {rows / best[0]:,.0f} rows/s; "
        f"{best[1]:.2f} CPU seconds, {rows / best[1]:,.0f} rows per CPU second"
    )


def measure_canaries(name: str, judge: Judge, benign: dict[str, list[Turns]]) -> None:
    assert judge.plant is not None
    for corpus, turns in benign.items():
        planted = judge.plant(build_rows(turns[:1000]), 300, 0)
        caught = read_outcomes(judge, planted) != "accept"
        print(f"{name}: canaries in {corpus}: {tell(caught)}, bar {judge.min_recall}")


def time_once(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def tell(hits: Booleans) -> str:
    low, high = wilson(int(hits.sum()), len(hits))
    return f"{hits.mean():.3f} ({low:.3f} to {high:.3f}, n = {len(hits)})"


def measure_auc(scores: NDArray[np.float64], bad: Booleans) -> float:
    """The share of (bad, other) pairs in which the bad one scores higher; a tie counts half."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    n = bad.sum()
    return float((ranks[bad].sum() - n * (n + 1) / 2) / (n * (~bad).sum()))


def read_outcomes(judge: Judge, table: pa.Table) -> NDArray[np.str_]:
    """What the judge says of a batch of one table."""
    state: State = {}
    for step in judge.rounds:
        state = {**state, **step.merge(iter([step.sketch(table, state)]), state)}
    return np.array(judge.judge(table, state)["outcome"].to_pylist())


def build_rows(rows: Sequence[Turns]) -> pa.Table:
    """Conversations; a single turn in the role "text" is a text without a speaker."""
    records = [
        {"text": turns[0][1]}
        if turns[0][0] == "text"
        else {"messages": [{"role": role, "content": content} for role, content in turns]}
        for turns in rows
    ]
    return pa.concat_tables(read_candidates(open_records(records, "rows"))).combine_chunks()


def read_cases(folder: Path) -> Said:
    cases = read_csv(folder / "hatecheck" / "cases.csv")
    return Said(
        [case["test_case"] for case in cases],
        np.array([case["functionality"] for case in cases]),
        np.array([case["label_gold"] == "hateful" for case in cases]),
    )


def read_support(file: str) -> Said:
    told: list[tuple[str, str]] = []
    for line in (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line[1:-1]
        elif line and not line.startswith("#"):
            told.append((line, name))
    classes = np.array([name for _, name in told])
    return Said([text for text, _ in told], classes, np.char.startswith(classes, "turned away"))


def read_benign(folder: Path) -> dict[str, list[Turns]]:
    code = json.loads((folder / "code_alpaca" / "new_codealpaca.json").read_text(encoding="utf-8"))
    tools = json.loads((folder / "gpteacher" / "toolformer.json").read_text(encoding="utf-8"))
    clinc = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    lines = (folder / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    maths = [json.loads(line) for line in lines if line.strip()]
    written = (folder / "self_instruct" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    tasks = [json.loads(line) for line in written if line.strip()]
    banking = [row for part in ("train", "test") for row in read_csv(folder / "banking77" / f"{part}.csv")]
    return {
        "banking77, said by the user": [[("user", row["text"])] for row in banking],
        "banking77, a text of nobody": [[("text", row["text"])] for row in banking],
        "banking77, as if said by an agent": [[("assistant", row["text"])] for row in banking],
        "clinc150, as if said by an agent": [[("assistant", t)] for part in clinc.values() for t, _ in part],
        "self_instruct, task and answer": [
            [("user", task["instruction"]), ("assistant", task["instances"][0]["output"])] for task in tasks
        ],
        "clinc150, said by the user": [[("user", text)] for part in clinc.values() for text, _ in part],
        "GSM8K, question and answer": [
            [("user", row["question"]), ("assistant", row["answer"])] for row in maths
        ],
        "code_alpaca, task and answer": [
            [("user", row["instruction"]), ("assistant", row["output"])] for row in code
        ],
        "gpteacher, task and answer": [
            [("user", row["instruction"]), ("assistant", row["output"])] for row in tools
        ],
    }


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
