"""What dedup plants to test itself: each kind is caught, controls pass, and a check that is off is noticed."""

from collections import Counter
from typing import Any

import orjson
import pyarrow as pa
import pytest

from synth_stack.gates.dedup.canaries import BARS
from synth_stack.gates.dedup.gate import dedup
from synth_stack.gates.gate import Judge
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, build_candidates
from tests.gates.dedup.batches import (
    list_classified,
    list_instructions,
    list_reading,
    list_refusals,
    make_dialogues,
    make_pairs,
)
from tests.gates.playing import play
from tests.some_rows import TextsTable, make_preference_row, make_row, make_tool_row

N = 20
SHARED = {"question_edited_beside_shared_text", "shared_text_edited"}


def mix_batch() -> pa.Table:
    """Rows of every kind that canaries are made from."""
    pairs = [*list_reading(20), *list_classified(100), *list_refusals(40), *list_instructions(60)]
    return pa.concat_tables([make_pairs(pairs), make_dialogues(40)]).combine_chunks()


def plant_both(judge: Judge, sample: pa.Table, seed: int = 1) -> pa.Table:
    assert judge.plant is not None
    assert judge.control is not None
    return pa.concat_tables([judge.plant(sample, N, seed), judge.control(sample, N, seed)]).combine_chunks()


def measure(judge: Judge, table: pa.Table, planted: pa.Table) -> tuple[pa.Table, dict[str, float]]:
    """The verdicts on a batch, and of each kind planted in it the share that is turned away."""
    [said], state = play(judge, [table], planted, name="dedup")
    outcomes = judge.judge(planted, state)["outcome"].to_pylist()
    kinds = [orjson.loads(extra)["kind"] for extra in planted["extra"].to_pylist()]
    away = Counter(kind for kind, out in zip(kinds, outcomes, strict=True) if out in ("reject", "hold"))
    return said, {kind: away[kind] / count for kind, count in Counter(kinds).items()}


def find_failures(params: dict[str, Any]) -> set[str]:
    """The kinds by which a batch fails under these parameters."""
    judge, table = dedup(**params), mix_batch()
    _, shares = measure(judge, table, plant_both(judge, table))
    blind = {kind for kind in BARS if shares.get(kind, 1) < judge.bars[kind]}
    return blind | {kind for kind in shares.keys() - BARS.keys() if shares[kind] > judge.max_unfair}


def test_every_kind_is_planted_and_caught_and_controls_pass() -> None:
    table, judge = mix_batch(), dedup()
    planted = plant_both(judge, table)
    assert planted.schema == CANDIDATE_SCHEMA
    said, shares = measure(judge, table, planted)
    controls = {
        "other_question_beside_shared_text",
        "other_answer",
        "answer_to_other_question",
        "other_dialogue_under_system_prompt",
        "one_word_in_eleven",
    }
    assert shares.keys() == BARS.keys() | controls
    assert {kind: shares[kind] for kind in BARS if shares[kind] < 0.95} == {}
    assert {kind: shares[kind] for kind in controls if shares[kind] > 0} == {}
    assert said.equals(measure(dedup(), table, planted.slice(0, 0))[0])


@pytest.mark.parametrize(
    ("params", "noticed"),
    [
        ({"threshold": 0.99}, "light_edit"),
        ({"threshold": 0.99}, "question_edited_beside_shared_text"),
        ({"ngram": 20}, "light_edit"),
        ({"ngram": 20}, "answer_edited"),
        ({"threshold": 0.5}, "one_word_in_eleven"),
        ({"threshold": 0.3}, "one_word_in_eleven"),
        ({"shared_rows": 10_000}, "other_question_beside_shared_text"),
    ],
)
def test_a_check_that_no_longer_works_is_noticed(params: dict[str, Any], noticed: str) -> None:
    assert noticed in find_failures(params)


def test_sound_parameters_fail_no_batch() -> None:
    for params in ({}, {"threshold": 0.8}, {"seed": 7}, {"shared_rows": 4}):
        assert find_failures(params) == set()


def test_what_is_switched_off_is_not_planted_but_told() -> None:
    judge, table = dedup(shared_rows=None), mix_batch()
    kinds = {orjson.loads(extra)["kind"] for extra in plant_both(judge, table)["extra"].to_pylist()}
    assert set(judge.off) == SHARED
    assert not kinds & {*SHARED, "other_question_beside_shared_text"}
    assert find_failures({"shared_rows": None}) == set()
    assert dedup().off == ()


@pytest.mark.parametrize("field", ["prompt", "answer"])
def test_where_one_field_is_compared_its_kinds_alone_are_planted(field: Any) -> None:
    assert find_failures({"field": field}) == set()
    table, judge = mix_batch(), dedup(field=field)
    _, shares = measure(judge, table, plant_both(judge, table))
    assert shares["exact_copy"] == 1
    assert ("other_question_beside_shared_text" in shares) == (field == "prompt")


def test_they_are_the_same_for_the_same_seed() -> None:
    table, judge = mix_batch(), dedup()
    assert plant_both(judge, table, 3).equals(plant_both(judge, table, 3))
    assert not plant_both(judge, table, 3).equals(plant_both(judge, table, 4))


def test_their_difficulty_does_not_depend_on_the_threshold() -> None:
    table = mix_batch()
    assert plant_both(dedup(), table).equals(plant_both(dedup(threshold=0.6), table))


def test_canaries_rank_below_the_batch_and_fill_no_cluster() -> None:
    table = make_pairs(list_instructions(50))
    judge = dedup(max_cluster_min_rows=2, max_cluster_share=0.01, keep="best", score_column="quality")
    planted = plant_both(judge, table)
    extra = [orjson.dumps({**orjson.loads(e), "quality": 9}).decode() for e in planted["extra"].to_pylist()]
    planted = planted.set_column(planted.schema.names.index("extra"), "extra", pa.array(extra))
    said, shares = measure(judge, table, planted)
    assert set(said["outcome"].to_pylist()) == {"accept"}
    assert shares["exact_copy"] == 1


def test_copies_of_a_row_that_was_itself_rejected_are_caught() -> None:
    pairs = list_instructions(30)
    table = make_pairs([*pairs, *[(f"{asked} ", answered) for asked, answered in pairs]]).slice(30)
    judge = dedup()
    whole = pa.concat_tables([make_pairs(pairs), table]).combine_chunks()
    assert judge.plant is not None
    _, shares = measure(judge, whole, judge.plant(table, N, 1))
    assert set(shares.values()) == {1}


@pytest.mark.parametrize("rows", [[], [None], ["", " "]])
def test_without_anything_to_read_nothing_is_planted(texts_table: TextsTable, rows: list[str | None]) -> None:
    assert plant_both(dedup(), texts_table(rows)).num_rows == 0


@pytest.mark.parametrize(
    "table",
    [
        make_pairs([("a", "b")]),
        make_pairs([("", "b"), ("a", "")]),
        make_pairs([("我想取消星期一下的订单因为它还没有发货请尽快处理谢谢你们的帮助" * 4, "好的")] * 2),
        pa.Table.from_pylist([], schema=CANDIDATE_SCHEMA),
    ],
    ids=["one row", "half rows", "unspaced", "empty"],
)
def test_odd_batches_are_planted_from(table: pa.Table) -> None:
    judge = dedup()
    planted = plant_both(judge, table)
    _, shares = measure(judge, table, planted)
    assert all(share >= 0.95 for kind, share in shares.items() if kind in BARS)


def test_copies_of_rows_with_calls_or_sides_keep_them_and_are_found() -> None:
    from synth_stack.rows.schemas import build_candidates

    table = build_candidates([make_tool_row(), make_preference_row(), make_row(("user", "Hi"), draw=2)])
    judge = dedup()
    planted = plant_both(judge, table)
    _, shares = measure(judge, table, planted)
    assert shares == {"exact_copy": 1}
    assert planted["alternatives"].null_count == planted["tools"].null_count == 2


def test_of_few_rows_no_control_is_a_row_again_or_another_control() -> None:
    said = [
        ("Where is my parcel? It was to come on Friday.", "order"),
        ("Your page has not changed for a week.", "tracking"),
        ("You sent me a green lamp instead of a blue one.", "exchange"),
        ("Two bulbs of the four are missing from the box.", "complaint"),
    ]
    table = build_candidates(
        make_row(("system", "Name the topic."), ("user", asked), ("assistant", answer), draw=draw)
        for draw, (asked, answer) in enumerate(said * 6)
    )
    judge = dedup()
    assert judge.control is not None
    controls = judge.control(table, N, 1)
    made = [tuple(message["content"] for message in row) for row in controls["messages"].to_pylist()]
    there = {tuple(message["content"] for message in row) for row in table["messages"].to_pylist()}
    assert made
    assert len(set(made)) == len(made)
    assert not there & set(made)
