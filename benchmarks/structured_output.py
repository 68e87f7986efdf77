"""What structured_output and the gate json_answer find.

    python benchmarks/structured_output.py ../shared/data --embedded

First, replies that scripted models make in every row of a run. Second, how far the values stand in the text
that others read them from: the arguments of calls in glaive_tools (which has no schemas), with their own text
and with that of another row. Third, with `--embedded`, the embedded teacher, which is sent the schema.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import synth_stack
from synth_stack.gates.json_answer.gate import json_answer
from synth_stack.inputs.foreign import open_dataset, read_candidates
from synth_stack.inputs.recipe import load_recipe
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import read_parts

FOLDER = Path(__file__).parents[1] / "pipelines" / "structured_output"
ROWS = 20
READ = "Write the JSON that fits the schema"
SOUND = {"name": "Tom", "guests": 2, "day": "tomorrow", "meal": "breakfast", "wishes": []}
REPLIES: Mapping[str, tuple[str, str | None]] = {
    "sound": (json.dumps(SOUND), None),
    "sound, in a fence": (f"```json\n{json.dumps(SOUND, indent=1)}\n```", None),
    "words": ("Tom wants breakfast.", "answer: no JSON"),
    "words around it": (f"Here: {json.dumps(SOUND)}", "answer: no JSON"),
    "cut off": (json.dumps(SOUND)[:-9], "answer: no JSON"),
    "a member twice": ('{"name": "Tom", "name": "Tim"}', "answer: a member is named twice"),
    "a member missing": ('{"name": "Tom"}', "answer: it does not fit the schema"),
    "a wrong type": (json.dumps({**SOUND, "guests": "2"}), "answer: it does not fit the schema"),
    "a value not offered": (json.dumps({**SOUND, "meal": "tea"}), "answer: it does not fit the schema"),
    "a member too many": (json.dumps({**SOUND, "age": 3}), "answer: it does not fit the schema"),
}


def run(folder: Path, teacher: Mapping[str, Any], candidates: int) -> list[str | None]:
    """The failure of each row of a run that reads the seeds into bookings."""
    folder.mkdir(parents=True)
    schemas = json.loads((FOLDER / "schemas.json").read_text(encoding="utf-8"))
    (folder / "booking.json").write_text(json.dumps({"booking": schemas["booking"]}))
    method = {"use": "structured_output", "schemas": {"path": str(folder / "booking.json")}}
    recipe = load_recipe(
        FOLDER / "recipe.yaml",
        {"teacher": dict(teacher), "generate.candidates": candidates, "generate.methods": [method]},
    )
    out = synth_stack.generate(recipe, folder / "run")
    return [
        failure
        for table in read_parts(out / "candidates", CANDIDATE_SCHEMA)
        for failure in table["failure"].to_pylist()
    ]


def plant_in_replies(folder: Path) -> None:
    for number, (what, (reply, reason)) in enumerate(REPLIES.items()):
        rules = [{"match": READ, "replies": [reply]}]
        failures = run(folder / str(number), {"use": "scripted", "rules": rules}, ROWS)
        seen = sum(
            failure is None if reason is None else str(failure).startswith(reason) for failure in failures
        )
        print(f"{what}: {seen} of {ROWS} {'fit' if reason is None else 'fail by their reason'}")


def list_calls(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what the user said before, the arguments) of every call with arguments."""
    dataset = open_dataset(folder / "ordinary" / "glaive_tools.jsonl")
    for table in read_candidates(dataset):
        for row in table.to_pylist():
            said: list[str] = []
            for message in row["messages"]:
                for call in message["tool_calls"] or ():
                    arguments = json.loads(call["arguments"] or "{}")
                    if arguments:
                        yield "\n".join(said), arguments
                said += [message["content"]] if message["role"] == "user" else []


def count(what: str, rows: list[tuple[str, dict[str, Any]]]) -> None:
    table = build_candidates(
        {
            "kind": "instruction",
            "messages": [
                {"role": "user", "content": said or "?"},
                {"role": "assistant", "content": json.dumps(arguments, ensure_ascii=False)},
            ],
            "attachments": [],
            "generator": "benchmark",
            "generator_version": "1",
            "draw": draw,
            "replayable": False,
            "extra": canonical_text({"json_answer": {"schema": {"type": "object"}}}),
        }
        for draw, (said, arguments) in enumerate(rows)
    )
    outcomes = json_answer().judge(table, {})["outcome"].to_pylist()
    print(f"{what}: {outcomes.count('hold')} of {len(outcomes)} held, {outcomes.count('reject')} rejected")


def judge_corpus(folder: Path) -> None:
    rows = list(list_calls(folder))
    count("arguments with their own text", rows)
    moved = [(rows[(k + len(rows) // 2) % len(rows)][0], arguments) for k, (_, arguments) in enumerate(rows)]
    count("arguments with the text of another row", moved)


def try_embedded(folder: Path) -> None:
    whole = run(folder / "embedded", {"use": "embedded", "prompts": "chat"}, 12)
    print(f"embedded teacher, sent the schema: {whole.count(None)} of 12 fit")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        plant_in_replies(Path(name))
        judge_corpus(Path(sys.argv[1]))
        if "--embedded" in sys.argv:
            try_embedded(Path(name))
