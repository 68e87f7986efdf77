"""What document_qa and the gate factuality find of planted faults: `python benchmarks/document_qa.py`.

Scripted models make one fault in every reply of a run, on made-up documents; so the truth about each row is
known. It shows that each check works, not how often a model errs.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import synth_stack
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts

RECIPE = Path(__file__).parents[1] / "pipelines" / "document_qa" / "recipe.yaml"
ROWS = 40
PLACE = "It is kept behind the library, in the shed with the green door."
THINGS = "ladder saw drill press tent canoe trailer mixer".split()

ASK, OPEN, ANSWER, READ = "that this passage answers", "does NOT answer", "Write two lines", "or NONE, and"

FAULTS: Mapping[str, tuple[str, dict[str, str], float]] = {
    "points at the passage": (
        "instruction: it speaks",
        {ASK: "What does the passage say of the {thing}?"},
        0,
    ),
    "reply of another form": ("answer: no line", {ANSWER: "It costs {price} pounds."}, 0),
    "changed quotation": (
        "answer: its quotation",
        {ANSWER: "ANSWER: Yes.\nQUOTE: A {thing} is {price} pounds"},
        0,
    ),
    "not answered there": ("reading: a second reading finds no", {READ: "NONE"}, 0),
    "other words found": ("reading: a second reading quotes", {READ: "nobody knows at all"}, 0),
    "answered after all": ("reading: a second reading finds an", {READ: "costs {price} pounds a day"}, 1),
}
WRONG = {ANSWER: "ANSWER: A {thing} costs 9{price} pounds a day.\nQUOTE: costs {price} pounds a day"}


def script(changed: Mapping[str, str]) -> dict[str, Any]:
    """A model that answers rightly but for what is `changed`."""
    said = {
        ASK: "What does a {thing} cost a day?",
        OPEN: "What does a {thing} cost a month?",
        ANSWER: "ANSWER: A {thing} costs {price} pounds a day.\nQUOTE: costs {price} pounds a day",
        READ: "costs {price} pounds a day",
        **changed,
    }
    rules = []
    for price, thing in enumerate(THINGS, 3):
        rules += [
            {"match": f"(?s)A {thing} costs.*{asked}", "replies": [reply.format(thing=thing, price=price)]}
            for asked, reply in said.items()
        ]
    return {"use": "scripted", "rules": rules}


def run(folder: Path, changed: Mapping[str, str], unanswerable: float) -> tuple[Counter[str], Counter[str]]:
    """How often each failure and each decision came."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    for price, thing in enumerate(THINGS, 3):
        text = f"# {thing}\n\nA {thing} costs {price} pounds a day. {PLACE}\n"
        (documents / f"{thing}.md").write_text(text, encoding="utf-8")
    (folder / "gates.yaml").write_text(
        "version: 1\ngates: [{use: structure, canaries: 0}, {use: factuality, canaries: 0, sources: []}]\n"
    )
    recipe = load_recipe(
        RECIPE,
        {
            "seeds.path": str(documents),
            "gates": str(folder / "gates.yaml"),
            "teacher": script(changed),
            "models": {},
            "generate.candidates": ROWS,
            "generate.methods": [{"use": "document_qa", "unanswerable": unanswerable}],
        },
    )
    out = synth_stack.generate(recipe, folder / "run")
    failures = Counter(
        str(failure)
        for table in read_parts(out / "candidates", CANDIDATE_SCHEMA)
        for failure in table["failure"].to_pylist()
    )
    if failures["None"] == 0:
        return failures, Counter()
    synth_stack.run(recipe, out)
    return failures, Counter(pq.read_table(out / "decisions.parquet")["decision"].to_pylist())


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        found = 0
        for number, (fault, (reason, changed, unanswerable)) in enumerate(FAULTS.items()):
            failures, _ = run(Path(name) / str(number), changed, unanswerable)
            seen = sum(n for failure, n in failures.items() if failure.startswith(reason))
            found += seen
            print(f"{fault}: {seen} of {ROWS}")
        print(f"faults in all: {found} of {ROWS * len(FAULTS)}")
        _, decisions = run(Path(name) / "wrong", WRONG, 0)
        print(f"another number than the passage, not accepted: {ROWS - decisions['accepted']} of {ROWS}")
        _, decisions = run(Path(name) / "sound", {}, 0)
        print(f"sound, accepted: {decisions['accepted']} of {ROWS}")


if __name__ == "__main__":
    main()
