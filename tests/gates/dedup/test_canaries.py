from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from synth_stack.gates.dedup.gate import dedup
from synth_stack.gates.gate import Judge
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.gates.playing import play
from tests.some_rows import TextsTable, make_preference_row, make_row, make_tool_row

WORDS = [f"w{k}" for k in range(400)]


def texts(rows: int, seed: int = 1) -> list[str | None]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 90))) for _ in range(rows)]


def dialogues(rows: int) -> pa.Table:
    said = texts(2 * rows)
    return build_candidates(
        make_row(("user", said[2 * k]), ("assistant", said[2 * k + 1]), kind="dialogue", draw=k)
        for k in range(rows)
    )


def judge_with(judge: Judge, table: pa.Table, canaries: pa.Table) -> tuple[pa.Table, pa.Table]:
    [said], state = play(judge, [table], canaries, name="dedup")
    return said, judge.judge(canaries, state)


def plant(judge: Judge, sample: pa.Table, n: int, seed: int = 1) -> pa.Table:
    assert judge.plant is not None
    return judge.plant(sample, n, seed)


@pytest.mark.parametrize("params", [{}, {"threshold": 0.6}, {"ngram": 1}])
def test_planted_copies_are_caught_and_change_no_verdict_on_the_batch(
    texts_table: TextsTable, params: dict[str, Any]
) -> None:
    table, judge = texts_table(texts(300)), dedup(**params)
    canaries = plant(judge, table, 200)
    assert canaries.schema == CANDIDATE_SCHEMA
    said, caught = judge_with(judge, table, canaries)
    assert caught["outcome"].to_pylist().count("reject") / 200 >= judge.min_recall
    alone, _ = judge_with(dedup(**params), table, table.slice(0, 0))
    assert said.equals(alone)


def test_their_similarities_spread_from_the_threshold_to_one(texts_table: TextsTable) -> None:
    table, judge = texts_table(texts(300)), dedup()
    canaries = plant(judge, table, 200)
    _, caught = judge_with(judge, table, canaries)
    scores = np.array([score for score in caught["score"].to_pylist() if score])
    assert scores.min() < 0.88
    assert 0.25 <= (scores == 1).mean() < 0.6
    assert all(0.85 < score <= 1 for score in scores)
    told = [orjson.loads(extra)["canary"] for extra in canaries["extra"].to_pylist()]
    assert told[0] == f"near-duplicate: of {table['row_id'][0].as_py()}, Jaccard 1.000"


@pytest.mark.parametrize("field", ["text", "prompt", "answer"])
def test_the_field_that_is_compared_is_the_one_that_is_edited(field: Any) -> None:
    table, judge = dialogues(60), dedup(field=field)
    canaries = plant(judge, table, 60)
    _, caught = judge_with(judge, table, canaries)
    assert set(caught["outcome"].to_pylist()) == {"reject"}
    kept = {"text": None, "prompt": 1, "answer": 0}[field]
    for row, canary in zip(table["messages"].to_pylist(), canaries["messages"].to_pylist(), strict=True):
        assert len(canary) == 2
        assert kept is None or canary[kept] == row[kept]


def test_a_copy_of_a_row_that_was_itself_rejected_is_caught(texts_table: TextsTable) -> None:
    words = [f"a{k}" for k in range(60)]
    begun = ["b1", "b2", "b3", "b4", *words[4:]]
    chain = [" ".join(words), " ".join(begun), " ".join([*begun[:-4], "c1", "c2", "c3", "c4"])]
    table, judge = texts_table(chain[:2]), dedup(threshold=0.85)
    said, caught = judge_with(judge, table, plant(judge, texts_table(chain[2:]), 1))
    assert said["outcome"].to_pylist() == ["accept", "reject"]
    assert caught["outcome"].to_pylist() == ["reject"]


def test_canaries_rank_below_the_batch_and_fill_no_cluster(texts_table: TextsTable) -> None:
    table = texts_table([*texts(50), "quite another matter is on my mind today"])
    judge = dedup(max_cluster_min_rows=2, max_cluster_share=0.01, keep="best", score_column="quality")
    canaries = plant(judge, table.slice(50), 40)
    extra = pa.array(['{"canary":"x","quality":9}'] * 40)
    canaries = canaries.set_column(canaries.schema.names.index("extra"), "extra", extra)
    said, caught = judge_with(judge, table, canaries)
    assert set(said["outcome"].to_pylist()) == {"accept"}
    assert set(caught["outcome"].to_pylist()) == {"reject"}


def test_they_are_the_same_for_the_same_seed(texts_table: TextsTable) -> None:
    table, judge = texts_table(texts(30)), dedup()
    assert plant(judge, table, 40, seed=3).equals(plant(judge, table, 40, seed=3))
    assert not plant(judge, table, 40, seed=3).equals(plant(judge, table, 40, seed=4))


@pytest.mark.parametrize("rows", [[], [None], ["", " "]])
def test_without_anything_to_read_nothing_is_planted(texts_table: TextsTable, rows: list[str | None]) -> None:
    assert plant(dedup(), texts_table(rows), 5).num_rows == 0


def test_short_rows_and_scripts_without_spaces_are_copied(texts_table: TextsTable) -> None:
    table, judge = (
        texts_table(["yes", "我想取消星期一下的订单因为它还没有发货请尽快处理谢谢你们的帮助" * 3]),
        dedup(),
    )
    _, caught = judge_with(judge, table, plant(judge, table, 20))
    assert set(caught["outcome"].to_pylist()) == {"reject"}


def test_copies_of_rows_with_calls_or_sides_keep_them_and_are_found() -> None:
    rows = build_candidates([make_tool_row(), make_preference_row()])
    judge = dedup()
    assert judge.plant is not None
    planted = judge.plant(rows, 20, 0)
    [_, said], _ = play(judge, [rows, planted])

    assert set(said["outcome"].to_pylist()) == {"reject"}
    assert planted["alternatives"].null_count == planted["tools"].null_count == 10
