"""Self-Instruct's whole pipeline: tasks several a call, from a pool that grows, with instances, into a pack."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synth_stack
from synth_stack.generation.driver import drive
from synth_stack.generators.instruction.methods import self_instruct_tasks
from synth_stack.inputs.recipe import load_recipe
from synth_stack.packs.verify.verify import verify_pack
from synth_stack.progress import Silent
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from synth_stack.runs.folder import list_parts, read_parts
from synth_stack.teachers.scripted_llm import ScriptedLLM
from synth_stack.workflows.generate import make_rows
from synth_stack.workflows.prepare import prepare
from tests.kill_moments import pick_moments
from tests.shop import make_plan

Row = dict[str, Any]

SHIPPED = Path(__file__).parents[3] / "pipelines" / "self_instruct" / "recipe.yaml"
VERBS = "weigh carve praise rescue measure borrow inspect decorate translate forget polish insure".split()
THINGS = "lantern orchard violin harbour ladder teapot glacier compass beehive tram cellar quilt".split()
ADDED = "slowly|in rhyme|for a judge|by moonlight|without verbs|in two lines|for twins|in reverse".split("|")
LABELLED = "Sort the {} into old or new by the {} that is named"


def write_tasks(seed: int, count: int) -> list[str]:
    """Tasks of a script: every third is a classification."""
    lots = random.Random(seed)
    return [
        LABELLED.format(lots.choice(THINGS), lots.choice(THINGS))
        if k % 3 == 2
        else f"{lots.choice(VERBS).title()} the {lots.choice(THINGS)} {lots.choice(ADDED)} and "
        f"{lots.choice(VERBS)} the {lots.choice(THINGS)} {lots.choice(ADDED)}"
        for k in range(count)
    ]


def number(tasks: list[str], first: int) -> str:
    return "\n".join(f"{first + k}. {task}" for k, task in enumerate(tasks))


RULES = [
    ("Write the numbered list alone", [number(write_tasks(seed, 7), 9) for seed in range(60)]),
    (r"(?s)regarded as a classification.*Sort the", ["Yes"]),
    ("regarded as a classification", ["No"]),
    (
        "input that belongs to each",
        ["Class label: old\nThing: a clay pot\nyou know\nClass label: new\nThing: a drone"],
    ),
    (
        "Come up with examples",
        [
            "Example 1\nInput: a boat\n| a | b |\nOutput: done\n\nwith it\nExample 2\nInput: a cart\nOutput: too",
            "Output: it is done at once",
        ],
    ),
]


def ask(rules: Any = RULES, **params: Any) -> list[Row]:
    """The rows of a pipeline over the shop's plan of 36 draws."""
    rows: list[Row] = []
    llm = ScriptedLLM(rules=rules, concurrency=4)
    pipeline = self_instruct_tasks(
        llm, make_plan(36, method="self_instruct_tasks"), params.pop("size", 8), **params
    )
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    return rows


def load(**changes: Any) -> Any:
    rules = [{"match": match, "replies": replies} for match, replies in RULES]
    teacher = {"use": "scripted", "rules": rules}
    method = {"use": "self_instruct_tasks", "pool_every": 12}
    return load_recipe(SHIPPED, {"teacher": teacher, "generate.methods": [method], **changes})


def read_rows(folder: Path) -> list[Row]:
    return [row for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA) for row in table.to_pylist()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return synth_stack.run(load(), tmp_path_factory.mktemp("self_instruct") / "run")


def test_tasks_go_to_a_verified_pack_that_loads_and_exports(ran: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    verify_pack(ran.pack.path)
    assert ran.figures.accepted
    loaded = datasets.load_dataset(str(ran.pack.path), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == ran.figures.accepted
    synth_stack.export(ran.pack.path, tmp_path / "rows.jsonl", format="messages")
    assert len((tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == ran.figures.accepted


def test_instances_of_both_kinds_keep_their_inputs_of_several_lines(ran: Any) -> None:
    rows = [row for row in read_rows(ran.folder) if row["failure"] is None]
    tasks = [json.loads(row["extra"])["task"] for row in rows]
    assert {(task["form"], task["is_classification"]) for task in tasks} == {
        ("input_first", False),
        ("output_first", True),
    }
    for row, task in zip(rows, tasks, strict=True):
        asked = "\n\n".join(part for part in (task["instruction"], task["input"]) if part)
        assert row["messages"][0]["content"] == asked
        assert row["messages"][1]["finish"] == "stop"
    assert {said["content"] for row in rows for said in row["messages"] if said["role"] == "assistant"} == {
        *("old", "new", "done\n\nwith it", "too", "it is done at once")
    }
    assert max(task["instances"] for task in tasks) == 2


def test_later_tasks_are_shown_six_seeds_and_two_rows_that_are_there(ran: Any) -> None:
    rows = read_rows(ran.folder)
    by_id = {row["row_id"]: row for row in rows}
    shown = [(row, json.loads(row["params"])) for row in rows]
    assert {len(params["parents"]) for _, params in shown} == {0, 2}
    for row, params in shown:
        assert len(params["example_ids"]) + len(params["parents"]) == 8
        assert all(by_id[parent]["draw"] < row["draw"] // 12 * 12 for parent in params["parents"])
        assert all(by_id[parent]["failure"] is None for parent in params["parents"])
        assert bool(params["parents"]) is (row["draw"] >= 12)


def test_the_tokens_of_a_call_are_counted_once(ran: Any) -> None:
    counted: dict[int, int] = {}
    for row in read_rows(ran.folder):
        params, tokens = json.loads(row["params"]), json.loads(row["extra"])["tokens"]
        counts = tokens.get("instruction", [0, 0])
        counted[params["call"]] = counted.get(params["call"], 0) + bool(counts[0])
    assert set(counted.values()) == {1}


def test_the_rows_do_not_depend_on_the_size_of_a_batch() -> None:
    few, many = ask(size=3, pool_every=12), ask(size=64, pool_every=12)
    assert build_candidates(sorted(few, key=str)).equals(build_candidates(sorted(many, key=str)))
    assert len({json.loads(row["params"])["call"] for row in few}) == 9  # 3 slices, of 4 draws each, 3 times


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        ("9. Draw a picture of the harbour at night", "instruction: filtered: keyword (draw)"),
        ("9. Late again?", "instruction: filtered: too_short"),
        ("9. Where is, late parcels, case 1?", "instruction: filtered: not_new (ROUGE-L"),
    ],
)
def test_a_task_that_is_dropped_costs_no_further_call(reply: str, failure: str) -> None:
    rows = ask([("Write the numbered list alone", [reply]), *RULES[1:]], tasks=1)
    if "not_new" in failure:
        rows = [row for row in rows if row["slice"] == "orders/late"]
    assert all(row["failure"].startswith(failure) for row in rows)
    assert all("self_instruct_kind" not in row["template_id"] for row in rows)


def test_a_reply_with_too_few_tasks_fails_the_rows_that_it_does_not_reach() -> None:
    rows = ask([("Write the numbered list alone", [number(write_tasks(1, 2), 5)]), *RULES[1:]], tasks=4)
    ends = [row["failure"] for row in rows if json.loads(row["params"])["place"] >= 2]
    assert ends
    assert all("the reply ends before task" in end for end in ends)


def test_instances_of_no_use_fail_their_task() -> None:
    listed = [number(write_tasks(seed, 7), 5) for seed in range(60)]
    rules = [
        ("Write the numbered", listed),
        *RULES[1:3],
        ("input that belongs", ["Class label:"]),
        ("Come up with examples", ["as you wish"]),
    ]
    ends = {row["failure"] for row in ask(rules) if row["failure"] and "filtered" not in row["failure"]}
    assert ends == {
        "instances: none of its 1 instances is of use",
        "instances: none of its 0 instances is of use",
    }


def test_a_model_that_continues_texts_is_shown_the_list_of_the_paper() -> None:
    prompts: list[Any] = []

    class Listening(ScriptedLLM):
        async def agenerate(self, input: Any, num_generations: int = 1) -> dict[str, Any]:  # noqa: A002
            prompts.append(input)
            return await super().agenerate(input, num_generations)

    rules = [("a series of tasks", [number(write_tasks(3, 4), 5).removeprefix("5.")]), *RULES[1:]]
    llm = Listening(rules=rules, prefers_raw=True)
    rows: list[Row] = []
    pipeline = self_instruct_tasks(llm, make_plan(4, method="self_instruct_tasks"), 8, tasks=4)
    drive(pipeline, is_done=lambda *_: False, commit=lambda _n, _items, made: rows.extend(made))
    assert prompts[0].raw
    assert prompts[0][0]["content"].splitlines()[0] == "Come up with a series of tasks:"
    assert prompts[0][0]["content"].splitlines()[-1] == "5."
    assert prompts[0].stop[-1] in {"\n6.", "\n7.", "\n8.", "\n9."}


class Killed(Exception):
    """What ends a run in the middle of a test."""


def kill_after(parts: int) -> Callable[[str, int], Callable[[int], None]]:
    """A progress that ends the run once so many parts were committed."""
    left = [parts]

    def advance(_rows: int) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed

    return lambda _stage, _total: advance


def test_a_run_killed_after_any_part_ends_in_the_same_bytes(tmp_path: Path) -> None:
    job = prepare(load())
    make_rows(job, tmp_path / "whole", Silent())
    whole = {part.name: part.read_bytes() for part in list_parts(tmp_path / "whole" / "candidates")}
    moments = pick_moments(range(1, len(whole)), 3)
    for moment in moments:
        out = tmp_path / str(moment)
        killing: Any = type("Killing", (), {"begin": staticmethod(kill_after(moment))})
        with pytest.raises(Killed):
            make_rows(job, out, killing)
        assert len(list_parts(out / "candidates")) == moment
        make_rows(job, out, Silent())
        assert {part.name: part.read_bytes() for part in list_parts(out / "candidates")} == whole


def test_a_lost_part_is_made_again_and_the_others_stay(tmp_path: Path) -> None:
    job = prepare(load())
    make_rows(job, tmp_path, Silent())
    parts = list_parts(tmp_path / "candidates")
    whole = {part.name: part.read_bytes() for part in parts}
    parts[0].unlink()
    make_rows(job, tmp_path, Silent())
    assert {part.name: part.read_bytes() for part in list_parts(tmp_path / "candidates")} == whole
