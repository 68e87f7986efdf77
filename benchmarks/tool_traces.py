"""What tool_traces and the gate tool_use find: `python benchmarks/tool_traces.py ../shared/data`.

First, faults that scripted models make in every row of a run, on the tools of the shipped recipe; the truth
about each row is known, so it shows that each check works. Second, the gate on conversations of strangers
(glaive_tools): as they are, with the answer of another row, and with a number of the answer changed. The one
threshold that was fitted, was fitted there on the conversations as they are.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

import synth_stack
from synth_stack.gates.tool_use.gate import tool_use
from synth_stack.inputs.foreign import open_dataset, read_candidates
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import read_parts

FOLDER = Path(__file__).parents[1] / "pipelines" / "tool_traces"
ROWS = 20
ASK, NEXT, ANSWER, CHECK = (
    "Write one request",
    "What do you do next",
    "Write the assistant's answer",
    "Judge the assistant",
)


def write_calls(*cities: str, name: str = "find_zone") -> str:
    return json.dumps([{"name": name, "arguments": {"city": city}} for city in cities])


SOUND = {
    ASK: "Which zone is Lyon in?",
    NEXT: write_calls("Lyon"),
    ANSWER: "Lyon is in zone 2.",
    CHECK: "YES",
}
FAULTS: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "two calls": ("single", "calls_1: 2 calls", {NEXT: write_calls("Lyon", "Oslo")}),
    "words instead of a call": ("single", "calls_1: no call", {NEXT: "It is in zone 2."}),
    "unknown tool": ("single", "calls_1: there is no tool", {NEXT: write_calls("Lyon", name="zone_of")}),
    "arguments that do not fit": ("single", "calls_1: the arguments", {NEXT: '[{"name": "find_zone"}]'}),
    "no JSON": ("single", "calls_1: no JSON", {NEXT: '[{"name": "find_zone", '}),
    "a call that fails": ("single", "results_1: find_zone: KeyError", {NEXT: write_calls("Atlantis")}),
    "a call as the answer": ("single", "answer: a call", {ANSWER: write_calls("Lyon")}),
    "one call of several": ("parallel", "calls_1: one call", {}),
    "the same call twice": ("parallel", "calls_1: the same", {NEXT: write_calls("Lyon", "Lyon")}),
    "one step of several": ("multi_step", "calls_2: the same", {}),
    "a guessed argument": ("missing_argument", "clarify: a call", {}),
    "nothing asked back": ("missing_argument", "clarify: nothing", {NEXT: "I cannot know that."}),
    "a call where none fits": ("no_tool", "calls_1: 1 calls", {}),
    "what the judge turns down": ("single", "check: the judge", {CHECK: "NO: another city was meant."}),
}


def run(folder: Path, shape: str, changed: Mapping[str, str]) -> list[str | None]:
    """The failure of each row of a run."""
    rules = [{"match": f"(?s){asked}", "replies": [reply]} for asked, reply in {**SOUND, **changed}.items()]
    recipe = load_recipe(
        FOLDER / "recipe.yaml",
        {
            "teacher": {"use": "scripted", "rules": rules},
            "models": {},
            "generate.candidates": ROWS,
            "generate.methods": [
                {
                    "use": "tool_traces",
                    "tools": {"path": str(FOLDER / "tools.py")},
                    "shapes": [shape],
                    "offered": 5,
                }
            ],
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
        found = 0
        for number, (fault, (shape, reason, changed)) in enumerate(FAULTS.items()):
            failures = run(Path(name) / str(number), shape, changed)
            seen = sum(str(failure).startswith(reason) for failure in failures)
            found += seen
            print(f"{fault}: {seen} of {ROWS}")
        print(f"faults in all: {found} of {ROWS * len(FAULTS)}")
        whole = run(Path(name) / "sound", "single", {}).count(None)
        print(f"sound: {whole} of {ROWS} without a failure")


def read_corpus(folder: Path) -> list[dict[str, Any]]:
    """The conversations of glaive_tools whose last word is an answer to results."""
    dataset = open_dataset(folder / "ordinary" / "glaive_tools.jsonl")
    rows = [row for table in read_candidates(dataset) for row in table.to_pylist()]
    return [row for row in rows if find_answer(row) is not None]


def find_answer(row: Mapping[str, Any]) -> int | None:
    """Where the last answer to results stands: a message of the assistant right after one of a tool."""
    roles = [said["role"] for said in row["messages"]]
    places = [k for k in range(1, len(roles)) if roles[k - 1 : k + 1] == ["tool", "assistant"]]
    return places[-1] if places and row["messages"][places[-1]]["content"] else None


def change_answers(
    rows: list[dict[str, Any]], change: Callable[[int, str], str | None]
) -> Iterator[dict[str, Any]]:
    """The rows with their answers changed, and what came after these left out; None leaves a row out."""
    for k, row in enumerate(rows):
        place = find_answer(row) or 0
        text = change(k, row["messages"][place]["content"])
        if text is not None:
            messages = [*row["messages"][:place], {"role": "assistant", "content": text}]
            yield {**row, "messages": messages}


def count(rows: Iterator[dict[str, Any]]) -> str:
    table = build_candidates(rows)
    said: pa.Table = tool_use().judge(table, {})
    outcomes = said["outcome"].to_pylist()
    stopped = sum(outcome in {"reject", "hold"} for outcome in outcomes)
    return f"{stopped} of {len(outcomes)} rejected or held"


def change_number(_: int, text: str) -> str | None:
    """The answer with its first number above 12 made 37 more."""
    for found in re.finditer(r"\d+(?:\.\d+)?", text):
        if float(found[0]) > 12:
            changed = f"{float(found[0]) + 37:g}"
            return text[: found.start()] + changed + text[found.end() :]
    return None


def judge_corpus(folder: Path) -> None:
    rows = read_corpus(folder)
    answers = [row["messages"][find_answer(row) or 0]["content"] for row in rows]
    print(f"glaive_tools, as they are: {count(change_answers(rows, lambda _, text: text))}")
    swapped = change_answers(rows, lambda k, _: answers[(k + len(rows) // 2) % len(rows)])
    print(f"glaive_tools, with the answer of another row: {count(swapped)}")
    print(f"glaive_tools, with a number changed: {count(change_answers(rows, change_number))}")


if __name__ == "__main__":
    plant_in_replies()
    judge_corpus(Path(sys.argv[1]))
