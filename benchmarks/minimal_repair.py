"""What minimal_repair finds of planted faults: `python benchmarks/minimal_repair.py`.

Scripted models make one fault in every repair of a run, so the truth about each row is known. It shows that
each check works, not how often a model errs.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import synth_stack
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts

RECIPE = Path(__file__).parents[1] / "pipelines" / "minimal_repair" / "recipe.yaml"
ROWS = 40
DRAFT = "Send the lamp back in its box, and some day we pay the whole price to your card."
MENDED = DRAFT.replace("some day", "by 9 May")

FAULTS: Mapping[str, tuple[str, str, int]] = {
    "no parts": ("answer_repair: no part", MENDED, 5),
    "nothing mended": ("answer_repair: nothing was mended", f"WHY: It is fine.\nANSWER: {DRAFT}", 5),
    "written anew": ("answer_repair: 1", "WHY: Bad.\nANSWER: You will get money for it, be patient.", 5),
    "rated worse": ("comparison: the answer is rated above", f"WHY: A day.\nANSWER: {MENDED}", 1),
}


def rate(mark: int) -> str:
    aspects = ("instruction_following", "truthfulness", "honesty", "helpfulness")
    return "\n".join(f"{aspect}: {mark}" for aspect in aspects)


def run(folder: Path, repair: str, mark: int) -> Counter[str]:
    """How often each failure came; `mark` is what the judge gives a mended answer."""
    judge = [
        {"match": "by 9 May(?s:.*)Rate the answer", "replies": [rate(mark)]},
        {"match": "Rate the answer", "replies": [rate(3)]},
    ]
    recipe = load_recipe(
        RECIPE,
        {
            "teacher": {"use": "scripted", "rules": [{"match": "Answer what was asked", "replies": [DRAFT]}]},
            "models": {
                "rewriter": {"use": "scripted", "rules": [{"match": "Mend what is", "replies": [repair]}]},
                "judge": {"use": "scripted", "rules": judge},
            },
            "generate.candidates": ROWS,
        },
    )
    out = synth_stack.generate(recipe, folder)
    rows = [row for table in read_parts(out / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]
    for row in rows:
        if row["failure"] is None:
            labels = {side["messages"][0]["content"]: side["label"] for side in row["alternatives"]}
            assert labels == {DRAFT: "rejected", MENDED: "chosen"}
            assert json.loads(row["extra"])["repair"]["changed"] == "0.158"
    return Counter(str(row["failure"]) for row in rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for number, (fault, (reason, repair, mark)) in enumerate(FAULTS.items()):
            failures = run(Path(name) / str(number), repair, mark)
            found = sum(n for failure, n in failures.items() if failure.startswith(reason))
            print(f"{fault}: {found} of {ROWS}")
        sound: Any = run(Path(name) / "sound", f"WHY: It named no day.\nANSWER: {MENDED}", 5)
        print(f"sound, kept: {sound['None']} of {ROWS}")


if __name__ == "__main__":
    main()
