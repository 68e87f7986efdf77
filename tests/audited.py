"""A small data set with known defects, its gate file and its audit, made once for all tests that look at one."""

import csv
from pathlib import Path
from typing import Any

import yaml

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'
EXAM = "A farmer has seventeen sheep and buys twelve more at the market, how many sheep does he have in all?"
THINGS = ("lamp", "chair", "table", "clock", "window", "garden", "bicycle", "kettle", "pencil", "ladder")
VERBS = ("clean", "repair", "move", "paint", "choose", "store", "measure", "sell", "carry", "describe")
ADVICE = ("with warm water", "on a dry day", "after breakfast", "in two steps", "with a friend nearby")


def good_row(number: int) -> dict[str, str]:
    thing, verb = THINGS[number % 10], VERBS[number // 10 % 10]
    how, more = ADVICE[number % 5], ADVICE[(number // 7) % 5]
    return {
        "instruction": f"How do I {verb} the {thing} of house {number * 37 + 11}?",
        "output": f"To {verb} a {thing} you begin {how}, and you look at it {more} before item {number * 91 + 5}.",
        "slice": "care" if number % 2 else "home",
        "source": "vendor a" if number % 3 else "vendor b",
    }


def list_rows() -> dict[str, list[dict[str, str]]]:
    """80 rows to train with, of which 4 have an empty answer, 3 repeat an exam and 2 are hostile; 20 to test
    with, of which 5 stand in the first too.
    """
    train = [good_row(number) for number in range(80)]
    for number in (3, 9, 15, 21):
        train[number]["output"] = ""
    for number in (4, 10, 16):
        train[number]["instruction"] = f"{EXAM} Answer number {number}."
    train[30] |= {"output": f"{HOSTILE} stands in the answer, {ADVICE[0]}.", "slice": HOSTILE}
    test = [good_row(number) for number in range(200, 215)] + [
        train[number] for number in (40, 41, 42, 43, 44)
    ]
    return {"train": train, "test": test}


def write_data(folder: Path) -> Path:
    """The data set as two CSV files."""
    data = folder / "data"
    data.mkdir(parents=True)
    for split, rows in list_rows().items():
        with (data / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    (folder / "exam.jsonl").write_text(f'{{"id": "e1", "question": "{EXAM}"}}\n', encoding="utf-8")
    return data


def write_gates(folder: Path, **structure: Any) -> Path:
    gates = [
        {"use": "structure", "canaries": 0, "languages": [], "min_punctuated": None, **structure},
        {"use": "dedup", "canaries": 0},
        {"use": "contamination", "canaries": 0, "embedding": None, "behaviour": None},
    ]
    path = folder / "gates.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "gates": gates}), encoding="utf-8")
    return path
