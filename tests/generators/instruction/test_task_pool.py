"""The pool of Self-Instruct takes in what is new, in the order of draws, however it is learnt."""

import itertools
from typing import Any

from synth_stack.generators.instruction.task_pool import TaskPool
from synth_stack.rows.canonical import canonical_text
from synth_stack.rows.schemas import build_candidates

SEEDS = {"s1": "name the longest river of France", "s2": "sort these words by their length"}
NEW = "write a toast for two rowers who marry"
LIKE_NEW = "write a toast for two rowers who marry soon"
OTHER = "say how many days lie between these dates"


def build(draw: int, said: str, *, instance: int = 0, failure: str | None = None, parents: Any = ()) -> Any:
    row = {
        "kind": "instruction",
        "slice": "tasks",
        "messages": [{"role": "user", "content": said}],
        "text": said,
        "failure": failure,
        "attachments": [],
        "replayable": True,
        "rng_seed": 1,
        "generator": "test",
        "generator_version": "1",
        "draw": draw,
        "params": canonical_text({"parents": list(parents)}),
        "extra": canonical_text({"task": {"instruction": said, "instance": instance}}),
    }
    return build_candidates([row])


def list_texts(pool: TaskPool, before: int) -> list[str]:
    return [task.instruction for task in pool.list_own("tasks", before)]


def test_what_is_like_a_seed_or_an_earlier_task_stays_out_in_any_order() -> None:
    tables = [build(0, NEW), build(1, LIKE_NEW), build(2, OTHER), build(3, SEEDS["s1"] + " please")]
    for order in itertools.permutations(tables):
        pool = TaskPool(SEEDS, 0.7)
        assert all(map(pool.learn, order))
        assert list_texts(pool, 4) == [NEW, OTHER]


def test_tasks_of_later_draws_are_not_shown_before_their_time() -> None:
    pool = TaskPool(SEEDS, 0.7)
    pool.learn(build(5, OTHER))
    pool.learn(build(1, NEW))
    assert list_texts(pool, 4) == [NEW]
    assert list_texts(pool, 6) == [NEW, OTHER]
    assert list_texts(pool, 1) == []


def test_failed_rows_and_further_instances_are_no_tasks_of_their_own() -> None:
    pool = TaskPool(SEEDS, 0.7)
    pool.learn(build(0, NEW, failure="instances: none"))
    pool.learn(build(1, OTHER, instance=1))
    assert list_texts(pool, 9) == []


def test_rows_whose_parents_are_not_there_are_refused_and_change_nothing() -> None:
    pool = TaskPool(SEEDS, 0.7)
    first = build(0, NEW)
    (parent,) = first["row_id"].to_pylist()
    assert not pool.learn(build(4, OTHER, parents=[parent]))
    assert list_texts(pool, 9) == []
    assert pool.learn(first)
    assert pool.learn(build(4, OTHER, parents=[parent]))
    assert list_texts(pool, 9) == [NEW, OTHER]


def test_the_nearest_text_is_named_whether_seed_or_row() -> None:
    pool = TaskPool(SEEDS, 0.7)
    first = build(0, NEW)
    pool.learn(first)
    near_seed, near_row, nothing = pool.find_nearest([SEEDS["s2"], LIKE_NEW, "???"], 1)
    assert (near_seed.name, near_seed.rouge_l) == ("s2", 1.0)
    assert near_row.name == first["row_id"][0].as_py()
    assert near_row.rouge_l > 0.9
    assert (nothing.name, nothing.rouge_l) == ("", 0.0)
    assert pool.find_nearest([], 1) == []
