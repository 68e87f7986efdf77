"""What math_reasoning and the gate final_answer find: `python benchmarks/math_reasoning.py ../shared/data`.

First, what scripted models do to a run whose truth is known. Second, the gate on GSM8K (train): final answers
in other forms and changed ones, sums as they stand (those of strangers: a row that is held was read by hand)
and with a result changed. The rules for which sums are looked at were fitted on the train side; the test side
was not looked at before.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import synth_stack
from synth_stack.gates.final_answer.gate import final_answer
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import read_parts
from synth_stack.text.final_answers import find_marked_answer

RECIPE = Path(__file__).parents[1] / "pipelines" / "math_reasoning" / "recipe.yaml"
ROWS = 20
ASK = "Write another problem"
SOLVE = "Solve the problem"
RUNS: Mapping[str, tuple[str, list[str], str | None]] = {
    "all agree": ("written", ["#### 72", r"So \boxed{72.0}.", "The answer is 144/2."], None),
    "nobody marks an answer": ("written", ["It is 72."], "vote: no solution"),
    "no answer has a majority": ("written", [f"#### {n}" for n in range(100, 160)], "vote: "),
    "nobody has the truth": ("seeds", ["#### 123456"], "vote: none of 8"),
}


def run(folder: Path, problems: str, replies: list[str]) -> list[str | None]:
    """The failure of each row of a run."""
    rules = [{"match": ASK, "replies": ["Ann has 3 boxes of 24 pens. How many pens has she?"]}]
    recipe = load_recipe(
        RECIPE,
        {
            "teacher": {"use": "scripted", "rules": [*rules, {"match": SOLVE, "replies": replies}]},
            "generate.candidates": ROWS,
            "generate.methods": [{"use": "math_reasoning", "problems": problems}],
        },
    )
    out = synth_stack.generate(recipe, folder)
    return [
        failure
        for table in read_parts(out / "candidates", CANDIDATE_SCHEMA)
        for failure in table["failure"].to_pylist()
    ]


def plant_in_replies() -> None:
    with tempfile.TemporaryDirectory() as name:
        for number, (what, (problems, replies, reason)) in enumerate(RUNS.items()):
            failures = run(Path(name) / str(number), problems, replies)
            seen = sum(
                failure is None if reason is None else str(failure).startswith(reason) for failure in failures
            )
            print(f"{what}: {seen} of {ROWS} {'are kept' if reason is None else 'fail by their reason'}")


def count(what: str, rows: Iterable[tuple[str, str | None]]) -> None:
    """Prints what the gate says of solutions, each with the truth of its row."""
    table = build_candidates(
        {
            "kind": "instruction",
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}],
            "attachments": [],
            "generator": "benchmark",
            "generator_version": "1",
            "draw": draw,
            "replayable": False,
            "extra": None if truth is None else canonical_text({"final_answer": {"truth": truth}}),
        }
        for draw, (text, truth) in enumerate(rows)
    )
    outcomes = final_answer().judge(table, {})["outcome"].to_pylist()
    stopped = sum(outcome in {"reject", "hold"} for outcome in outcomes)
    print(f"{what}: {stopped} of {len(outcomes)} rejected or held")


def write_otherwise(answer: str, k: int) -> str:
    """A whole number in another form."""
    number = int(answer.replace(",", ""))
    forms = (f"{number}.0", f"{number:,}", f"\\frac{{{3 * number}}}{{3}}", f"{number} things", f"${number}$")
    return f"So it is \\boxed{{{forms[k % len(forms)]}}}."


def change_sum(text: str) -> str | None:
    """The solution with the result of its first written sum made 7 more."""
    plain = re.sub(r"<<[^<>]*>>", "", text)
    found = re.search(r"(?m)(?<![\w/*+.-])\d+ ?[*+] ?\d+ ?= ?\$?(\d+)(?![\d.,/*+-])", plain)
    return None if found is None else plain[: found.start(1)] + str(int(found[1]) + 7) + plain[found.end(1) :]


def judge_corpus(folder: Path) -> None:
    for side in ("train", "test"):
        lines = (folder / "gsm8k" / f"{side}.jsonl").read_text(encoding="utf-8").splitlines()
        answers: list[str] = [json.loads(line)["answer"] for line in lines]
        truths: list[Any] = [find_marked_answer(answer) for answer in answers]
        count(f"GSM8K {side}, sums as they stand", [(answer, None) for answer in answers])
        changed = [text for answer in answers if (text := change_sum(answer)) is not None]
        count(f"GSM8K {side}, a sum changed", [(text, None) for text in changed])
        others = [(write_otherwise(truth, k), truth) for k, truth in enumerate(truths)]
        count(f"GSM8K {side}, the answer in another form", others)
        wrong = [(f"#### {int(truth.replace(',', '')) + 1}", truth) for truth in truths]
        count(f"GSM8K {side}, the answer one more", wrong)


if __name__ == "__main__":
    plant_in_replies()
    judge_corpus(Path(sys.argv[1]))
