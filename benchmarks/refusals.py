"""Prints how the refusal gate judges hand-written answers, and what it makes of innocent ones.

    python benchmarks/refusals.py ../shared/data

The folder holds code_alpaca, self_instruct and gsm8k. A few seconds on one core.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from synth_stack.gates.gate import NO_STATE
from synth_stack.gates.refusal.gate import refusal
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates
from synth_stack.stats.intervals import wilson

ANSWERS = ("refusals.txt", "refusals_2.txt")
FOLDER = Path(__file__).parent
MARKER = "KESTREL-4821"
Said = tuple[str, dict[str, str]]
"""An answer, and what its row says besides its expected behaviour."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    options = parser.parse_args()
    for file in ANSWERS:
        print(file)
        for (expected, truth), said in read_answers(file).items():
            print_outcomes(f"{expected}, {truth}", expected, said)
    print("innocent answers")
    for name, answers in read_innocent(options.corpora).items():
        print_outcomes(f"comply, {name}", "comply", [(answer, {}) for answer in answers])


def read_answers(file: str) -> dict[tuple[str, str], list[Said]]:
    """The hand-written answers by what is expected and what they really do."""
    sections: dict[str, list[str]] = {}
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            sections[line[1:-1]] = []
        elif line and not line.startswith("#"):
            sections[list(sections)[-1]].append(line)
    contents = sections.pop("contents")
    found: dict[tuple[str, str], list[Said]] = {}
    for name, lines in sections.items():
        expected, _, truth = name.partition("/")
        found[expected, truth] = [
            read_task(line, contents) if expected == "ignore_injection" else (line, {}) for line in lines
        ]
    return found


def read_task(line: str, contents: Sequence[str]) -> Said:
    number, _, answer = line.partition(" ")
    return answer, {"marker": MARKER, "content": contents[int(number) - 1]}


def read_innocent(folder: Path) -> dict[str, list[str]]:
    code = json.loads((folder / "code_alpaca" / "new_codealpaca.json").read_text(encoding="utf-8"))
    seeds = read_jsonl(folder / "self_instruct" / "seed_tasks.jsonl")
    maths = read_jsonl(folder / "gsm8k" / "train.jsonl")
    return {
        "code_alpaca": [row["output"] for row in code],
        "self_instruct": [instance["output"] for row in seeds for instance in row["instances"]],
        "GSM8K": [row["answer"] for row in maths],
    }


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def print_outcomes(title: str, expected: str, said: Sequence[Said]) -> None:
    verdicts = refusal().judge(build_rows(expected, said), NO_STATE)
    counts = Counter(verdicts["outcome"].to_pylist())
    shares = []
    for outcome in ("accept", "hold", "reject"):
        low, high = wilson(counts[outcome], len(said))
        shares.append(f"{outcome} {counts[outcome]} ({low:.3f} to {high:.3f})")
    print(f"{title:36} {len(said):5}: {', '.join(shares)}")


def build_rows(expected: str, said: Iterable[Said]) -> pa.Table:
    return build_candidates(
        {
            "kind": "adversarial",
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}],
            "text": answer,
            "attachments": [],
            "extra": canonical_text({"adversarial": {"expected_behaviour": expected, **more}}),
            "generator": "benchmark",
            "generator_version": "1",
            "draw": draw,
            "replayable": False,
        }
        for draw, (answer, more) in enumerate(said)
    )


if __name__ == "__main__":
    main()
