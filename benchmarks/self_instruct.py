"""What Self-Instruct's rules find of planted faults: `python benchmarks/self_instruct.py`.

A script answers the calls of `self_instruct_tasks`: sound tasks, and tasks and instances with one known fault
each, 40 of a kind. Each has to end as its fault says, and the sound ones whole.
"""

import random
from collections import Counter
from typing import Any

import pyarrow as pa

from synth_stack.generation.draws import Plan
from synth_stack.generation.driver import drive
from synth_stack.generators.instruction.methods import self_instruct_tasks
from synth_stack.inputs.seeds import SEED_SCHEMA, Corpus, Topic
from synth_stack.rows.canonical import derive_seed
from synth_stack.teachers.scripted_llm import ScriptedLLM

EACH = 40
VERBS = "weigh carve praise rescue measure borrow inspect decorate translate forget polish insure".split()
THINGS = "lantern orchard violin harbour ladder teapot glacier compass beehive tram cellar quilt".split()
SEEDS = [f"Say how a {thing} is mended when it is old and nobody has time" for thing in THINGS]

FAULTS = {
    "sound": "{}",
    "too_short": "Weigh it {number}",
    "too_long": "{} " + "and again " * 80,
    "keyword": "{} and show the picture",
    "program": "Write a program that does this: {}",
    "punctuation": "- {}",
    "not_english": "Über Nacht: {}",
    "not_new": "{seed} now",
    "no_instance": "{} (without an instance)",
    "two_outputs": "{} (with two outputs)",
    "same_text": "{} (with its input again)",
    "colon": "{} (that ends too early)",
}
OF_INSTANCES = {"no_instance", "two_outputs", "same_text", "colon"}


def write_task(kind: str, number: int) -> str:
    """A task of a kind, unlike all others but where that is its fault."""
    lots = random.Random(derive_seed(20261130, kind, number))
    words = [f"{lots.choice(VERBS)} {lots.choice(THINGS)} {lots.randrange(10**6)}" for _ in range(4)]
    return FAULTS[kind].format(", ".join(words), number=number, seed=SEEDS[number % len(SEEDS)])


def build_plan(count: int) -> Plan:
    rows = [
        {"seed_id": f"s{k}", "slice": "tasks", "locale": None, "text": said} for k, said in enumerate(SEEDS)
    ]
    topics = {"tasks": Topic(slice="tasks", title="Tasks", description="Tasks of all kinds.")}
    corpus = Corpus(pa.Table.from_pylist(rows, schema=SEED_SCHEMA), topics, {})
    return Plan(corpus, "anybody", 20261130, "self_instruct_tasks", 0, count)


def read_end(row: dict[str, Any]) -> str:
    """How a row ended, in the words of the faults."""
    failure = row["failure"]
    if failure is None:
        return "sound"
    if failure.startswith("instances: none of its"):
        return "of instances"
    return str(failure.removeprefix("instruction: filtered: ").split(" (")[0])


def make_row(rules: list[tuple[str, list[str]]]) -> dict[str, Any]:
    """The one row of a run that answers by the rules."""
    made: list[dict[str, Any]] = []

    def commit(_number: int, _items: Any, rows: list[dict[str, Any]]) -> None:
        made.extend(rows)

    pipeline = self_instruct_tasks(ScriptedLLM(rules=rules), build_plan(1), 1, tasks=1)
    drive(pipeline, is_done=lambda *_: False, commit=commit)
    return made[0]


def main() -> None:
    """Print what was found of each kind."""
    rules = [
        ("(?s)regarded as a classification", ["No"]),
        ("(?s)Come up with examples.*without an instance", ["As you wish."]),
        (
            "(?s)Come up with examples.*with two outputs",
            ["Example 1\nInput: a\nOutput: b\nExample 2\nInput: a\nOutput: c"],
        ),
        ("(?s)Come up with examples.*its input again", ["Example 1\nInput: a\nOutput: a"]),
        ("(?s)Come up with examples.*too early", ["Example 1\nInput: a\nOutput: these are:"]),
        ("(?s)Come up with examples", ["Example 1\nInput: a boat\nOutput: weighed"]),
    ]
    print(f"{EACH} tasks of each kind; found are those that end for their own fault")
    for kind in FAULTS:
        ends: Counter[str] = Counter()
        for number in range(EACH):
            said = [("Write the numbered list alone", [f"9. {write_task(kind, number)}"])]
            ends[read_end(make_row([*said, *rules]))] += 1
        wanted = "of instances" if kind in OF_INSTANCES else kind
        print(f"{kind:12} {ends[wanted]:3} of {EACH}" + (f"   {dict(ends)}" if ends[wanted] < EACH else ""))


if __name__ == "__main__":
    main()
